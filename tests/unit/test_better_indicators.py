"""The study of better indicators: steps, tables, and ranges of a card on another scale."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from data.city import load_city
from data.errors import ConfigurationError
from data.pages import has_section
from experiments.better_indicators.__main__ import PAGE, table
from experiments.better_indicators.card import (
    card_as_of,
    card_lines,
    moved_card,
    moved_edges,
    with_initial_edges,
)
from experiments.better_indicators.offset_share import table as shares_table
from experiments.better_indicators.study import CASES, CHAMPION, steps
from features.catalogue import load_catalogue
from tests.conftest import CITY_TOML
from training.bootstrap import Interval
from training.comparison.contest import Contest, Measured
from training.expert_card import REFERENCE, ExpertCard, Ranges

RANGES = Ranges("failed_inspections", (0.1, 0.5), (0.0, 30.0, 80.0), 20.0)


def test_edges_go_to_where_they_cut_off_the_same_shares():
    before = np.array([np.nan, 0.0, 0.05, 0.2, 0.3, 0.4, 0.45, 0.6, 0.7, 0.8, 0.9])
    after = np.append(before[1:] / 10.0, np.nan)

    # Two of ten lie below 0.1, six below 0.5: the quantiles of a fifth and of three fifths.
    assert moved_edges(RANGES, before, after) == pytest.approx((0.017, 0.051))


def test_edges_stay_in_order_where_the_new_values_do_not_part():
    assert moved_edges(RANGES, np.linspace(0, 1, 11), np.full(11, 0.3)) == (0.3, 0.301)


def test_only_ranges_of_indicators_whose_values_changed_move_and_are_told():
    names = load_catalogue().names
    card = ExpertCard.from_csv(REFERENCE / "expert_card.csv", names)
    before = np.random.default_rng(0).random((200, len(names)))

    moved = moved_card(card, {"failed_inspections"}, before, before / 2)

    assert [r.indicator for r, old in zip(moved.ranges, card.ranges, strict=True) if r != old] == ["failed_inspections"]
    told = list(card_lines(card, moved))
    assert [line.split(",")[-1] for line in told] == ["5", "15", "30", "50", "65", "80"]
    assert moved_card(card, set(), before, before / 2) == card


def test_a_card_that_was_moved_before_is_moved_from_the_initial_edges_again():
    names = load_catalogue().names
    initial = ExpertCard.from_csv(REFERENCE / "expert_card.csv", names)
    before = np.random.default_rng(0).random((200, len(names)))

    moved = moved_card(initial, {"failed_inspections"}, before, before / 2)

    assert moved != initial
    assert with_initial_edges(moved) == initial


def test_a_moved_card_stays_where_more_became_known_later(write_city, write_records):
    city = load_city(str(write_city(toml=f"{CITY_TOML}\n[indicators.penalties]\nhalf_life_days = 90\n")))
    entities = [{"entity_id": f"E{n}", "event_date": date(2010, 1, 1)} for n in range(40)]
    fines = [{"entity_id": f"E{n % 40}", "event_date": date(2019, 1 + n % 12, 5)} for n in range(90)]
    day = date(2020, 1, 1)
    # One happened before, and was known on the day itself.
    later = [{"entity_id": f"E{n}", "event_date": date(2019, 12, 1), "known_at": day} for n in range(30)]
    later_entities = [{"entity_id": f"L{n}", "event_date": day} for n in range(30)]

    def made(penalties, *others):
        records = write_records(entities=[*entities, *others], penalties=penalties)
        return card_as_of(city, replace(records, indicator_parameters=city.indicator_parameters), day, threads=1)

    found = made(fines)

    initial = ExpertCard.from_csv(REFERENCE / "expert_card.csv", load_catalogue().names)
    assert [r.indicator for r, old in zip(found.ranges, initial.ranges, strict=True) if r != old] == ["penalties"]
    assert made([*fines, *later], *later_entities) == found
    assert made([*fines, *({**fine, "known_at": date(2019, 12, 31)} for fine in later)]) != found


def test_a_card_with_other_ranges_than_the_initial_one_is_not_moved():
    initial = ExpertCard.from_csv(REFERENCE / "expert_card.csv", load_catalogue().names)
    first, *others = initial.ranges
    fewer = replace(first, edges=first.edges[1:], points=first.points[1:])

    with pytest.raises(ConfigurationError, match=r"registered_capital 6 ranges as the initial card does, got 5"):
        with_initial_edges(replace(initial, ranges=(fewer, *others)))


def test_shares_of_the_offset_are_told_beside_the_present_one():
    def measured(auc, gain):
        figures = {"roc_auc": Interval(auc, auc, auc, 9), "average_precision": Interval(0.5, 0.5, 0.5, 9)}
        return Measured(figures, {"roc_auc": Interval(gain, gain - 0.001, gain + 0.001, 9)})

    found = {CHAMPION: measured(0.7, 0.0), "1": measured(0.69, -0.01), "0.25": measured(0.7, 0.0)}

    assert list(shares_table(Contest(found, {}, {}, {}), 0.25)) == [
        "| share | AUC over the folds | against 0.25 | average precision |",
        "|---|---|---|---|",
        "| 1 | 0.6900 | -0.0100 (-0.0110 to -0.0090) | 0.500 |",
        "| 0.25 | 0.7000 |  | 0.500 |",
    ]


def test_steps_add_one_indicator_after_the_other_as_city_toml_has_them(write_city):
    toml = (
        f"{CITY_TOML}\n[indicators.penalties]\nhalf_life_days = 90\n[indicators.failed_inspections]\nstrength = 1.0\n"
    )

    assert list(steps(load_city(str(write_city(toml=toml))))) == [
        ("defaults", {}),
        ("penalties", {"penalties": {"half_life_days": 90}}),
        ("failed_inspections", {"penalties": {"half_life_days": 90}, "failed_inspections": {"strength": 1.0}}),
    ]


@pytest.mark.parametrize(
    ("aim", "said"), [(0.7, "The aim of 0.7 is reached"), (0.75, "The aim of 0.75 is missed by 0.030")]
)
def test_the_table_says_what_each_step_brought_and_how_far_the_aim_is(aim, said):
    auc = {
        name: {"value": v, "low": v - 0.01, "high": v + 0.01} for name, v in (("defaults", 0.7), ("penalties", 0.72))
    }
    gain = {"gain penalties": {"value": 0.02, "low": -0.001, "high": 0.03}}
    found = {
        "n": 1000, "n_positive": 200, "aim": aim, "yardstick": "theirs: 0.6", "names": list(auc), "figures": auc | gain,
    }  # fmt: skip

    text = "\n".join(table(found))

    assert "1,000 in the test, 200 violations" in text
    assert "| and the values of `penalties` | 0.7200 (0.7100 to 0.7300) | +0.0200 (-0.0010 to +0.0300) |" in text
    assert said in text


def test_the_page_has_a_place_for_every_case():
    assert [case for case in CASES if not has_section(PAGE, f"{case.city}, {case.said}")] == []
