"""Intervals by blocks of entities: each draw takes whole entities, and the figures are those of the theory."""

from __future__ import annotations

import math

import numpy as np
import pytest

from data.errors import RequestError
from training.bootstrap import draw_rows, draw_weights, interval, intervals
from training.metrics import roc_auc


def mean_label(y, score, weight=None):
    """Return the mean of the labels, which needs no score."""
    return float(np.average(y, weights=weight))


def test_a_draw_takes_all_rows_of_an_entity_equally_often_and_as_many_entities_as_there_are():
    entity_ids = np.array(["B", "A", "B", "C", "A", "B"])

    for weights in draw_weights(entity_ids, n_draws=50, seed=3):
        by_entity = {e: set(weights[entity_ids == e]) for e in "ABC"}

        assert all(len(counts) == 1 for counts in by_entity.values())
        assert sum(counts.pop() for counts in by_entity.values()) == 3


def test_rows_of_a_draw_are_repeated_as_its_weights_say():
    entity_ids = ["A", "B", "A", "C"]

    weights = list(draw_weights(entity_ids, n_draws=5, seed=1))
    rows = list(draw_rows(entity_ids, n_draws=5, seed=1))

    assert [np.bincount(r, minlength=4).tolist() for r in rows] == [w.tolist() for w in weights]


def test_draws_do_not_hang_on_the_order_of_the_rows():
    entity_ids = np.array([f"E{n % 40}" for n in range(100)])
    order = np.random.default_rng(0).permutation(100)

    as_they_are = list(draw_weights(entity_ids, n_draws=4, seed=9))
    shuffled = list(draw_weights(entity_ids[order], n_draws=4, seed=9))

    assert [w[order].tolist() for w in as_they_are] == [w.tolist() for w in shuffled]
    assert as_they_are[0].tolist() != as_they_are[1].tolist()


def test_the_interval_of_a_mean_has_the_width_of_the_theory():
    y = np.tile([0, 1], 500)

    found = interval(mean_label, y, y, np.arange(1000), n_draws=2000)

    # 1.96 standard errors of a rate of one half over 1000 independent rows.
    expected = 1.96 * 0.5 / math.sqrt(1000)
    assert found.value == 0.5
    assert (found.high - found.low) / 2 == pytest.approx(expected, rel=0.08)


def test_ten_copies_of_each_entity_make_no_interval_narrower():
    y = np.tile([0, 1], 50)
    entity_ids = np.arange(100)

    once = interval(mean_label, y, y, entity_ids, n_draws=300)
    ten_times = interval(mean_label, np.repeat(y, 10), np.repeat(y, 10), np.repeat(entity_ids, 10), n_draws=300)

    assert (ten_times.low, ten_times.high) == pytest.approx((once.low, once.high))


def test_weights_go_to_the_metric_with_their_rows():
    y = np.array([0, 1] * 20)
    weight = np.where(y == 1, 3.0, 1.0)

    assert interval(mean_label, y, y, np.arange(40), weight, n_draws=20).value == 0.75
    assert intervals(lambda y, s, w: {"all agree": float((w == 1 + 2 * y).all())}, y, y, np.arange(40), weight, 20)[
        "all agree"
    ].as_json() == {"value": 1.0, "low": 1.0, "high": 1.0, "n_draws": 20}


def test_two_scores_in_two_columns_are_compared_on_the_same_draws():
    rng = np.random.default_rng(5)
    y = (rng.random(400) < 0.4).astype(np.int8)
    score = y + rng.normal(size=400)
    both = np.column_stack([score, 2 * score])

    found = interval(lambda y, s: roc_auc(y, s[:, 0]) - roc_auc(y, s[:, 1]), y, both, np.arange(400), n_draws=20)

    assert (found.value, found.low, found.high) == (0.0, 0.0, 0.0)


def test_draws_with_one_class_alone_are_left_out_and_counted():
    y = np.array([1, 0, 0, 0])

    found = interval(roc_auc, y, np.array([0.9, 0.1, 0.2, 0.3]), np.arange(4), n_draws=200)

    # The one violation is drawn at least once, and not alone, in 1 - (3/4)^4 - (1/4)^4 = 68 of 100 draws.
    assert 110 < found.n_draws < 160
    assert (found.low, found.high) == (1.0, 1.0)


def test_a_figure_that_is_mostly_undefined_has_no_interval():
    found = interval(lambda y, s: math.nan, np.array([0, 1]), np.zeros(2), ["A", "B"], n_draws=10)

    assert found.as_json() == {"value": None, "low": None, "high": None, "n_draws": 0}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"entity_ids": ["A"]}, "must be of the same rows, got 1, 2, 2 rows"),
        ({"level": 1.0}, "level must lie between 0 and 1, got 1.0"),
        ({"n_draws": 0}, "must have rows and draws, got 2 rows and 0 draws"),
    ],
)
def test_what_cannot_be_drawn_is_refused(arguments, said):
    given = {"y": np.array([0, 1]), "score": np.zeros(2), "entity_ids": ["A", "B"]} | arguments

    with pytest.raises(RequestError, match=said):
        interval(mean_label, **given)
