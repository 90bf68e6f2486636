"""The leak hunt: records tampered with as declared, and findings that tell a leak from none."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest

from data.city import load_city
from experiments.leak_hunt.__main__ import table
from experiments.leak_hunt.altered import cut_off, known_from_the_start, moved
from experiments.leak_hunt.hunts import Finding, gains, permuted_labels, ranking, unchanged
from experiments.leak_hunt.rows import changed, permuted, rows_from, values_as_of, with_labels
from features.catalogue import load_catalogue
from training.fitting import Recipe
from training.rivals import CHAMPION
from training.rows import Rows

NAMES = load_catalogue().names
PENALTIES, PAST = NAMES.index("penalties"), NAMES.index("failed_inspections")
DAY = date(2020, 6, 1)


@pytest.fixture
def records(write_records):
    """Two entities with a penalty each: that of B happened in May and became known in July."""
    since = {"event_date": date(2015, 1, 1), "established_date": date(2015, 1, 1)}
    fine = {"kind": "fine", "amount": 500.0}
    return write_records(
        entities=[{"entity_id": "A", **since}, {"entity_id": "B", **since}],
        penalties=[
            {"entity_id": "A", "event_date": date(2020, 1, 10), **fine},
            {"entity_id": "B", "event_date": date(2020, 5, 10), "known_at": date(2020, 7, 1), **fine},
        ],
    )


def penalties(records, day=DAY):
    return values_as_of(records, [day], threads=1)["penalties"]


def test_hindsight_knows_a_penalty_from_the_day_it_was_imposed(records):
    assert penalties(records)["B"] == 0.0
    assert penalties(known_from_the_start(records))["B"] > 0.0
    assert penalties(known_from_the_start(records))["A"] == penalties(records)["A"]


def test_records_that_are_moved_with_the_date_give_the_same_values(records):
    later = moved(records, 183)

    assert sum(changed(values_as_of(records, [DAY], 1), values_as_of(later, [date(2020, 12, 1)], 1)).values()) == 0
    assert changed(values_as_of(records, [DAY], 1), values_as_of(later, [DAY], 1))["penalties"] == 1


def test_records_cut_off_on_the_day_give_the_same_values(records):
    assert sum(changed(values_as_of(records, [DAY], 1), values_as_of(cut_off(records, DAY), [DAY], 1)).values()) == 0
    earlier = cut_off(records, date(2020, 1, 1))
    assert changed(values_as_of(records, [DAY], 1), values_as_of(earlier, [DAY], 1))["penalties"] == 1


def test_indicators_as_of_a_later_day_keep_the_order_of_the_labels(records):
    keys = pd.DataFrame({"entity_id": ["B", "A"], "as_of_date": pd.to_datetime([DAY, DAY])})
    rows = Rows(np.zeros((2, len(NAMES))), np.array([1, 0], dtype=np.int8), keys, ())

    then, now = rows_from(rows, records, 60, threads=1), rows_from(rows, records, threads=1)

    assert now.X[0, PENALTIES] == 0.0
    assert now.X[1, PENALTIES] > then.X[1, PENALTIES] > 0.0
    assert then.X[0, PENALTIES] > 0.0
    assert then.y.tolist() == [1, 0]


def test_values_that_differ_are_counted_and_missing_is_a_value():
    before = pd.DataFrame({"a": [1.0, np.nan, 3.0], "b": [0.0, 0.0, 0.0]}, index=["x", "y", "z"])
    after = pd.DataFrame({"a": [1.0, np.nan, np.nan], "b": [0.0, 1.0, 2.0]}, index=["x", "y", "z"])

    assert changed(before, after) == {"a": 1, "b": 2}
    assert changed(before, after.drop("x")) == {"a": 2, "b": 3}


def noise(seed: int, n: int = 600) -> Rows:
    """Rows that foretell violations by past failures, on two dates of different rates."""
    generator = np.random.default_rng(seed)
    X = np.full((n, len(NAMES)), np.nan)
    X[:, PAST] = generator.beta(2, 5, n)
    second = np.arange(n) % 2 == 1
    y = (generator.random(n) < X[:, PAST] + 0.2 * second).astype(np.int8)
    dates = np.where(second, np.datetime64("2020-07-01"), np.datetime64("2020-01-01"))
    keys = pd.DataFrame({"entity_id": [f"E{i // 2}" for i in range(n)], "as_of_date": dates})
    return Rows(X, y, keys, ())


def test_labels_are_shuffled_within_their_date_only():
    rows = noise(1)

    shuffled = permuted(rows, np.random.default_rng(0))

    by_date = rows.keys["as_of_date"]
    assert pd.Series(shuffled.y).groupby(by_date).sum().tolist() == pd.Series(rows.y).groupby(by_date).sum().tolist()
    assert (shuffled.y != rows.y).any()
    assert shuffled.X is rows.X


@pytest.fixture
def recipe():
    here = Recipe.of(load_city("synthetic"), threads=1)
    return replace(here, num_boost_round=10, lightgbm={**here.lightgbm, "min_data_in_leaf": 20})


def test_nothing_is_learned_from_shuffled_labels_and_a_planted_leak_is_seen(recipe):
    clean, planted = permuted_labels(noise(1), noise(2), recipe, 1, lambda _: None)

    assert clean.is_clean
    assert planted.is_clean
    assert "is the shuffled label" in planted.done


def test_labels_in_an_indicator_are_a_jump_that_the_interval_shows(recipe):
    train, test = noise(1), noise(2)
    generator = np.random.default_rng(3)
    told = [with_labels(rows, 0.5, generator) for rows in (train, test)]

    honest = ranking(CHAMPION, train, test, recipe, 1)
    value, jump, nothing = gains(test, 1, honest, ranking(CHAMPION, *told, recipe, 1), honest)

    assert 0.5 < value.value < 0.8
    assert jump.low > 0.05
    assert (nothing.value, nothing.low, nothing.high) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("by_indicator", "n_labels", "is_clean"),
    [({"penalties": 0}, 0, True), ({"penalties": 3}, 0, False), ({"penalties": 0}, 1, False)],
)
def test_a_value_or_a_label_that_moves_is_a_leak(by_indicator, n_labels, is_clean):
    assert unchanged("moved", by_indicator, n_labels, 10).is_clean is is_clean


def test_the_table_marks_a_leak():
    text = table([Finding("(a)", "done", "none", "some", False), Finding("(b)", "done", "none", "none", None)])

    assert "| (a) | done | none | some | **LEAK** |" in text
    assert "| (b) | done | none | none | for comparison |" in text
