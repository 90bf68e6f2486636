"""Parameters of indicators: what a city may set, what is refused, and that all that is said follows the values."""

from __future__ import annotations

import pytest

from data.city import load_city
from data.errors import ConfigurationError
from features.catalogue import catalogue_of, load_catalogue
from features.parameters import Parameter, period
from serving.sentences import fact
from tests.conftest import CITY_TOML

GRAVITY = {"failed_inspections": {"minor_counts": 0.5, "number_exponent": 0.7, "number_cap": 6}}


@pytest.mark.parametrize(
    ("days", "words"),
    [
        (365, ("1 year", "一年")),
        (1095, ("3 years", "三年")),
        (180, ("180 days", " 180 天")),
        (1, ("1 day", " 1 天")),
        (730 + 5, ("735 days", " 735 天")),
    ],
)
def test_days_are_said_in_years_where_they_are_whole_years(days, words):
    assert period(days) == words


def test_a_city_without_values_has_the_defaults(write_city):
    assert catalogue_of(load_city(str(write_city()))) is load_catalogue()


def test_what_a_city_declares_is_in_force_said_in_both_languages_and_hashed(write_city):
    declared = "[indicators.penalties]\nhalf_life_days = 180\n[indicators.abnormal_listing]\nlook_back_days = 400\n"
    toml = f"{CITY_TOML}\n{declared}"

    city = catalogue_of(load_city(str(write_city(toml=toml))))

    item, other = city["penalties"], city["abnormal_listing"]
    assert item.values == {"half_life_days": 180}
    assert "180 days" in item.description
    assert "2 years" not in item.description
    assert "180 天" in item.description_zh
    assert item.ageing.half_life_days == 180
    assert item.ageing.words == "halves in 180 days"
    assert (other.maximum, other.ageing.look_back_days) == (400.0, 400)
    assert "400 days" in other.description
    changed = {name for name, digest in city.hashes.items() if digest != load_catalogue().hashes[name]}
    assert changed == {"penalties", "abnormal_listing"}
    assert city.hash != load_catalogue().hash


def test_a_shared_law_is_set_once_and_changes_every_indicator_that_follows_it():
    counted = load_catalogue().with_values(GRAVITY)
    as_rate = load_catalogue().with_values({**GRAVITY, "person_linked_violations": {"strength": 2.0}})

    hashes = load_catalogue().hashes
    # Violations that are counted know no gravity.
    assert {n for n, h in counted.hashes.items() if h != hashes[n]} == {"industry_category", "failed_inspections"}
    followed = {"industry_category", "failed_inspections", "person_linked_violations"}
    assert {n for n, h in as_rate.hashes.items() if h != hashes[n]} == followed
    for name in followed:
        assert "with minor ones only 0.5, each times (n/6)^0.7" in as_rate[name].description
        assert "仅有轻微问题计 0.5，再乘以（问题数/6）的 0.7 次方" in as_rate[name].description_zh
        assert as_rate[name].unit == "share of the gravest result"
        assert as_rate[name].maximum == 1.0
    assert as_rate["person_linked_violations"].ageing.no_better_than == "industry_category"


def test_no_name_in_braces_is_left_in_what_is_said():
    for catalogue in (load_catalogue(), load_catalogue().with_values({"person_linked_violations": {"strength": 1.0}})):
        for item in catalogue:
            said = [item.description, item.description_zh, item.unit, item.unit_zh, item.source]
            for value in (None, 0.0, 0.3, 1.0, 5.0):
                sentence = fact(item, value, True, "CNY")
                said += [sentence.zh, sentence.en]
            assert not [text for text in said if "{" in text or "}" in text]


def test_sentences_say_the_values_in_force():
    item = load_catalogue().with_values({"registration_changes": {"look_back_days": 365}})["registration_changes"]
    graded = load_catalogue().with_values(GRAVITY)["failed_inspections"]

    assert fact(item, 3.0, True, "CNY").en == "3 changes of address, representative, scope or name in 1 year"
    assert fact(item, 0.0, True, "CNY").zh == "近一年未变更地址、法定代表人、经营范围或名称"
    assert "42.0% of the gravest result" in fact(graded, 0.42, True, "CNY").en
    assert "failed at a rate" in fact(load_catalogue()["failed_inspections"], 0.42, True, "CNY").en


@pytest.mark.parametrize(
    ("section", "line", "said"),
    [
        (
            "penaltys",
            "half_life_days = 180",
            r"\[indicators.penaltys\] must name an indicator. Did you mean 'penalties'",
        ),
        (
            "penalties",
            "half_life = 180",
            "must name parameters of penalties, got 'half_life'. Did you mean 'half_life_days'",
        ),
        ("penalties", "half_life_days = 5", "half_life_days must lie between 30 and 3650 days, got 5. Correct it"),
        ("penalties", "half_life_days = 180.5", "must be a whole number of days, got 180.5"),
        ("failed_inspections", "industry_strength = 5.0", r"Set it in \[indicators.industry_category\]"),
        ("industry_category", "minor_counts = 0.5", r"Set it in \[indicators.failed_inspections\]"),
    ],
)
def test_what_is_no_parameter_or_beyond_its_bounds_is_refused(write_city, section, line, said):
    city = load_city(str(write_city(toml=f"{CITY_TOML}\n[indicators.{section}]\n{line}\n")))

    with pytest.raises(ConfigurationError, match=said):
        catalogue_of(city)


@pytest.mark.parametrize("value", ['"long"', "true", "nan"])
def test_a_value_that_is_no_number_is_refused(write_city, value):
    toml = f"{CITY_TOML}\n[indicators.penalties]\nhalf_life_days = {value}\n"

    with pytest.raises(ConfigurationError, match="half_life_days"):
        catalogue_of(load_city(str(write_city(toml=toml))))


def test_every_parameter_says_why_and_has_its_default_within_its_bounds():
    parameters = [(item, name, p) for item in load_catalogue() for name, p in item.parameters.items()]

    assert len({(p.owner or item.name, name) for item, name, p in parameters}) == 26
    for item, name, p in parameters:
        assert isinstance(p, Parameter)
        assert p.low <= p.default <= p.high, (item.name, name)
        assert p.unit
        assert p.meaning
        assert p.meaning_zh
        assert p.why
        assert not p.owner or name in load_catalogue()[p.owner].parameters
