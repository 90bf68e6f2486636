"""A scoring request is read whole or refused, with a text that says where and why."""

from __future__ import annotations

import json
from datetime import date

import pytest

from data.errors import MalformedRequestError, RequestError, RequestTooLargeError
from features.catalogue import load_catalogue
from serving.request import MOST_BYTES, ScoreItem, parse_request

NAMES = load_catalogue().names


def parse(content):
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return parse_request(body, load_catalogue())


def values(**changes):
    return {"indicators": dict.fromkeys(NAMES) | changes}


def test_one_entity_is_one_item():
    request = parse({"entity_id": " 91110000802100433B "})

    assert request.items == (ScoreItem("91110000802100433B"),)
    assert not request.is_array


def test_an_array_of_one_stays_an_array():
    request = parse([{"entity_id": "A", "as_of_date": "2025-07-01"}])

    assert request.items == (ScoreItem("A", date(2025, 7, 1)),)
    assert request.is_array


def test_null_is_missing_and_whole_numbers_become_64_bit_floats():
    request = parse(values(penalties=2, years_in_operation=0.1))

    given = dict(zip(NAMES, request.items[0].indicators, strict=True))
    assert given["penalties"] == 2.0
    assert given["years_in_operation"] == 0.1
    assert given["registered_capital"] is None


def test_a_thousand_items_are_the_most():
    assert len(parse([{"entity_id": "A"}] * 1_000).items) == 1_000

    with pytest.raises(RequestTooLargeError, match=r"at most 1,000 items, got 1,001"):
        parse([{"entity_id": "A"}] * 1_001)


def test_a_body_beyond_the_limit_is_refused():
    with pytest.raises(RequestTooLargeError, match="at most 4 MiB"):
        parse(b" " * (MOST_BYTES + 1))


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "must be JSON in UTF-8"),
        (b"{", "must be JSON in UTF-8"),
        ('{"entity_id": "甲"}'.encode("gb18030"), "must be JSON in UTF-8"),
        (b"[" * 200_000, "nested too deeply"),
        (b'{"entity_id": ' + b"9" * 5_000 + b"}", "must be JSON in UTF-8"),
    ],
)
def test_what_is_no_json_is_malformed(body, says):
    with pytest.raises(MalformedRequestError, match=says):
        parse(body)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ([], "at least one item"),
        ("A", 'The body must be an object with entity_id or indicators, got "A"'),
        ([{"entity_id": "A"}, 7], "Item 1 must be an object"),
        ({}, "either entity_id or indicators, got neither"),
        ({"entity_id": "A", **values()}, "either entity_id or indicators, got both"),
        ({"entity": "A"}, "unknown key 'entity'. Did you mean 'entity_id'"),
        ({"entity_id": 7}, "entity_id must be text, got 7"),
        ({"entity_id": " "}, "entity_id must be text"),
        ({"entity_id": "A" * 101}, "at most 100 characters, got 101"),
        ({"entity_id": "A", "as_of_date": "2025-7-1"}, 'as_of_date must be a day such as 2025-07-01, got "2025-7-1"'),
        ({"entity_id": "A", "as_of_date": "2025-02-30"}, "as_of_date must be a day"),
        ({**values(), "as_of_date": "2025-07-01"}, "must not have as_of_date beside indicators"),
        ({"indicators": [1.0] * 18}, "indicators must be an object of 18 numbers, got an array"),
        (values(penalties=True), "penalties must be a finite number, or null where missing, got true"),
        (values(penalties="2"), 'penalties must be a finite number, or null where missing, got "2"'),
        (values(penalties=-1), "penalties must be at least 0, got -1"),
        (values(failed_inspections=1.5), "failed_inspections must be at least 0 and at most 1, got 1.5"),
    ],
)
def test_an_item_that_is_not_as_documented_is_refused(content, says):
    with pytest.raises(RequestError, match=says):
        parse(content)


@pytest.mark.parametrize("number", ["Infinity", "-Infinity", "NaN", "1e999", "1" + "0" * 400])
def test_a_value_without_a_finite_float_is_refused(number):
    body = json.dumps(values()).replace('"penalties": null', f'"penalties": {number}')

    with pytest.raises(RequestError, match="finite"):
        parse(body.encode())


def test_17_indicators_name_the_missing_one():
    content = values()
    del content["indicators"]["penalties"]

    with pytest.raises(RequestError, match="must name the 18 indicators, got 17. Missing: penalties"):
        parse(content)


def test_19_indicators_name_the_unknown_one_and_the_nearest():
    with pytest.raises(RequestError, match="got 19. Unknown: 'penaltys'. Did you mean 'penalties'"):
        parse(values(penaltys=1.0))


def test_a_key_given_twice_is_refused():
    with pytest.raises(RequestError, match="Each key must stand once, got 'entity_id' twice"):
        parse(b'{"entity_id": "A", "entity_id": "B"}')


def test_an_error_repeats_little_of_what_was_sent():
    with pytest.raises(RequestError) as caught:
        parse({"x" * 10_000: 1})

    assert len(str(caught.value)) < 200
