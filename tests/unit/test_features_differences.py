"""What differs between two snapshots, and which records may have changed one entity's value."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import pandas as pd
import pytest

from data.errors import NotFoundError, RequestError
from data.records import Records
from data.settings import Settings
from features.causes import Cause, find_causes
from features.differences import compare_snapshots
from features.snapshots import Snapshot, build_pairs_snapshot, build_snapshot
from serving.snapshot_tables import cause_lines, difference_lines

FIRST, SECOND = date(2021, 1, 1), date(2021, 7, 1)
START = date(2010, 1, 1)

RecordsWriter = Callable[..., Records]


def quiet(_line: str) -> None:
    """Print nothing."""


def rows() -> dict[str, list[dict[str, Any]]]:
    """A city in which something of every kind happens between the two dates."""
    return {
        "entities": [
            *({"entity_id": f"E{n}", "event_date": START, "industry_code": "52", "address_key": "a"} for n in (1, 2)),
            {"entity_id": "E3", "event_date": START, "industry_code": "52", "address_key": "b"},
            # moves to the address of E1, leaves, comes
            {"entity_id": "E3", "event_date": date(2021, 3, 1), "industry_code": "52", "address_key": "a"},
            {"entity_id": "E2", "event_date": date(2021, 4, 1), "status": "cancelled"},
            {"entity_id": "E4", "event_date": date(2021, 5, 1), "industry_code": "52"},
        ],
        "penalties": [
            {"record_id": "old", "entity_id": "E1", "event_date": date(2020, 6, 1), "amount": 100.0},
            {"record_id": "new", "entity_id": "E1", "event_date": date(2021, 2, 1), "amount": 50.0},
            {
                "record_id": "withdrawn",
                "entity_id": "E1",
                "event_date": date(2020, 5, 1),
                "withdrawn_at": date(2021, 6, 1),
            },
            {
                "record_id": "later amount",
                "entity_id": "E1",
                "event_date": date(2020, 7, 1),
                "amount": 500.0,
                "amount_known_at": date(2021, 2, 2),
            },
            {"record_id": "after both", "entity_id": "E1", "event_date": date(2021, 8, 1)},
            {"record_id": "of another", "entity_id": "E3", "event_date": date(2021, 2, 1)},
        ],
        "inspections": [
            {"record_id": "I1", "entity_id": "E1", "event_date": date(2020, 8, 1), "failed": True},
            {"record_id": "I3", "entity_id": "E3", "event_date": date(2021, 2, 1), "failed": True},
        ],
        "people": [
            {"record_id": "of E1", "entity_id": "E1", "person_id": "P", "role": "owner", "event_date": START},
            {"record_id": "E3", "entity_id": "E3", "person_id": "P", "role": "owner", "event_date": date(2021, 2, 1)},
        ],
    }


@pytest.fixture
def records(write_records: RecordsWriter) -> Records:
    return write_records(**rows())


@pytest.fixture
def pair(records: Records, settings: Settings) -> tuple[Snapshot, Snapshot]:
    return build_snapshot(records, FIRST, settings, quiet), build_snapshot(records, SECOND, settings, quiet)


def causes_of(pair: tuple[Snapshot, Snapshot], records: Records, entity_id: str, *names: str) -> dict[str, Cause]:
    return {cause.indicator: cause for cause in find_causes(*pair, (records, records), entity_id, names, 1)}


def told(cause: Cause) -> dict[str, str]:
    return {change.key: change.what for change in cause.changes}


def test_the_difference_says_who_came_and_left_and_how_far_each_indicator_moved(pair):
    difference = compare_snapshots(*pair, threads=1)

    assert (difference.n_both, difference.n_entered, difference.n_left) == (2, 1, 1)
    assert (difference.entered, difference.left) == (["E4"], ["E2"])
    assert difference.same_records
    assert difference.formulas == {}
    moved = {m.name: m for m in difference.moved}
    assert list(moved) == list(pair[1].indicators)
    # E1 paid 100, then 100 + 50 + 500; E3 has a penalty without an amount.
    amount = moved["penalty_amount"]
    assert (amount.n_changed, amount.n_came, amount.n_went) == (1, 0, 0)
    assert (amount.median_change, amount.largest_change, amount.largest_of) == (550.0, 550.0, "E1")
    # E3 was inspected for the first time; whoever was inspected failed, so E1 stays at 1.
    assert (moved["failed_inspections"].n_changed, moved["failed_inspections"].n_came) == (1, 1)
    assert moved["failed_inspections"].median_change is None
    # E1: 2 at the address before and after; E3: 1 before, 2 after.
    assert moved["address_sharing"].n_changed == 1
    assert moved["sampling_failures"].n_changed == 0
    assert moved["sampling_failures"].largest_of is None
    lines = list(difference_lines(difference))
    assert lines[4] == "  entered      1: E4"
    assert next(line for line in lines if "penalty_amount" in line).split()[-2:] == ["550", "E1"]


def test_other_formulas_and_other_records_are_told(pair):
    before, after = pair
    formulas = before.manifest["formulas"]
    other = {**{n: h for n, h in formulas.items() if n != "penalties"}, "penalty_amount": "x", "gone": "y"}
    changed = replace(before, manifest={**before.manifest, "formulas": other, "records_id": "r0"})

    difference = compare_snapshots(changed, after, threads=1)

    assert difference.formulas == {"added": ["penalties"], "removed": ["gone"], "redefined": ["penalty_amount"]}
    assert not difference.same_records
    lines = list(difference_lines(difference))
    assert lines[1].endswith(f"other records: r0 -> {after.manifest['records_id']}")
    assert "added penalties; removed gone; redefined penalty_amount" in lines[2]


def test_snapshots_of_pairs_are_compared_by_entity_and_date_and_never_with_those_of_a_date(pair, records, settings):
    days = pd.to_datetime(["2021-01-01", "2021-07-01"])
    both = pd.DataFrame({"entity_id": ["E1", "E1"], "as_of_date": days})
    one = build_pairs_snapshot(records, both[:1], "one", settings, quiet)
    two = build_pairs_snapshot(records, both, "two", settings, quiet)

    difference = compare_snapshots(one, two, threads=1)

    assert (difference.n_both, difference.n_entered, difference.n_left) == (1, 1, 0)
    assert all(moved.n_changed == 0 for moved in difference.moved)
    with pytest.raises(RequestError, match="Name two of one kind"):
        compare_snapshots(pair[0], two, threads=1)
    with pytest.raises(RequestError, match="which is of pairs"):
        find_causes(pair[0], two, (records, records), "E1", (), 1)


def test_every_record_that_differs_is_named_with_the_reason_and_no_other(pair, records):
    cause = causes_of(pair, records, "E1", "penalty_amount")["penalty_amount"]

    assert (cause.before, cause.aged, cause.after) == (100.0, 100.0, 650.0)
    assert told(cause) == {
        "new": "counts now: known from 2021-02-02",
        "withdrawn": "no longer counts: withdrawn on 2021-06-01",
        "later amount": "changed: amount missing -> 500",
    }
    assert cause.n_older == {"penalties": 1}
    assert cause.rate is None
    lines = list(cause_lines("E1", pair, [cause]))
    assert "    time alone would not have changed it" in lines
    assert "      penalties new of E1, 2021-02-01: counts now: known from 2021-02-02" in lines
    assert "    only older, and candidates where age counts: 1 penalties" in lines


def test_the_other_way_round_the_same_records_differ(pair, records):
    cause = causes_of(pair[::-1], records, "E1", "penalty_amount")["penalty_amount"]

    assert (cause.before, cause.after) == (650.0, 100.0)
    assert told(cause) == {
        "new": "no longer counts: known from 2021-02-02",
        "withdrawn": "counts now: withdrawn on 2021-06-01",
        "later amount": "changed: amount 500 -> missing",
    }


def test_what_time_alone_does_is_worked_out(pair, records):
    cause = causes_of(pair, records, "E1", "penalties")["penalties"]

    # Half after 730 days; the second date is 181 days after the first.
    assert cause.aged == pytest.approx(cause.before * 0.5 ** (181 / 730), abs=1e-9)
    assert cause.aged != cause.after
    years = causes_of(pair, records, "E1", "years_in_operation")["years_in_operation"]
    assert math.isnan(years.before)
    assert not years.differs


def test_records_of_others_that_are_in_the_value_are_named(pair, records):
    causes = causes_of(pair, records, "E1", "address_sharing", "person_linked_violations")

    assert told(causes["address_sharing"]) == {
        "E3": "counts now: the entity was not active, or had another address",
        "E2": "no longer counts: the entity was not active, or had another address",
    }
    linked = causes["person_linked_violations"]
    assert (linked.before, linked.aged) == (0.0, 0.0)
    assert linked.after > 0
    assert told(linked) == {
        "E3": "counts now: known from 2021-02-02",
        "I3": "counts now: known from 2021-02-02",
        "of another": "counts now: known from 2021-02-02",
    }
    assert linked.n_older == {"people": 1}


def test_a_rate_of_others_that_moved_is_shown_beside_the_entitys_own_records(pair, records):
    cause = causes_of(pair, records, "E1", "industry_category")["industry_category"]

    assert cause.changes == []
    assert cause.rate == ("failure rate of inspections in its industry", cause.before, cause.after)
    lines = list(cause_lines("E1", pair, [cause]))
    assert not any("I3" in line for line in lines)
    assert "    no record of the entity differs" in lines


def test_by_default_every_value_that_differs_is_explained_also_of_one_who_came(pair, records):
    causes = causes_of(pair, records, "E4")

    assert all(cause.differs for cause in causes.values())
    assert "penalties" in causes
    assert (math.isnan(causes["penalties"].before), causes["penalties"].after) == (True, 0.0)
    assert told(causes["industry_category"]) == {"E4": "counts now: known from 2021-05-02"}


def test_records_that_came_with_a_later_delivery_are_told_apart(pair, records, write_records, settings):
    changed = rows()
    changed["penalties"][0]["amount"] = 900.0
    changed["penalties"].append({"record_id": "found", "entity_id": "E1", "event_date": date(2020, 3, 1)})
    del changed["penalties"][2]
    others = write_records(**changed)
    after = build_snapshot(others, FIRST, settings, quiet)

    [cause] = find_causes(pair[0], after, (records, others), "E1", ["penalties"], 1)

    assert told(cause) == {
        "old": "changed: amount 100 -> 900",
        "found": f"counts now: it is not in records {records.records_id}",
        "withdrawn": f"no longer counts: it is not in records {others.records_id}",
    }
    # The dates are the same, so nothing grew older.
    assert cause.n_older == {}
    assert cause.aged == cause.before


def test_unknown_entities_indicators_and_other_formulas_are_refused(pair, records):
    with pytest.raises(NotFoundError, match="'nobody' is neither in the snapshot as of 2021-01-01"):
        causes_of(pair, records, "nobody")
    with pytest.raises(NotFoundError, match="Did you mean 'penalties'"):
        causes_of(pair, records, "E1", "penaltys")
    foreign = replace(pair[0], manifest={**pair[0].manifest, "catalogue_hash": "other"})
    with pytest.raises(RequestError, match="made by the formulas that are here"):
        causes_of((foreign, pair[1]), records, "E1")
