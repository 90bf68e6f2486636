"""Metrics against definitions, hand-worked examples and every order of ties."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training import metrics
from training.calibration import fit_intercept
from training.evaluation import evaluate, rates_by_grade

rows = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 3)), min_size=4, max_size=6).filter(
    lambda pairs: 0 < sum(y for y, _ in pairs) < len(pairs)
)


@given(rows, st.sampled_from([10, 20, 34, 50, 75, 100]))
@settings(max_examples=60, deadline=None)
def test_precision_at_a_capacity_is_the_mean_over_all_orders_of_the_ties(pairs, percent):
    y = np.array([p[0] for p in pairs], dtype=np.int8)
    score = np.array([p[1] for p in pairs], dtype=float)
    capacity = len(y) * percent / 100

    def of_order(order):
        weight = np.clip(capacity - np.arange(len(order)), 0, 1)
        return float((y[list(order)] * weight).sum() / capacity)

    sorted_orders = [o for o in permutations(range(len(y))) if (np.diff(score[list(o)]) <= 0).all()]
    expected = np.mean([of_order(o) for o in sorted_orders])
    assert metrics.precision_at(y, score, percent) == pytest.approx(expected)


@given(rows)
@settings(max_examples=60, deadline=None)
def test_auc_is_the_share_of_pairs_in_order_ties_counted_half(pairs):
    y = np.array([p[0] for p in pairs], dtype=np.int8)
    score = np.array([p[1] for p in pairs], dtype=float)
    above = [(a > b) + (a == b) / 2 for a in score[y == 1] for b in score[y == 0]]

    assert metrics.roc_auc(y, score) == pytest.approx(np.mean(above))
    assert metrics.fast_roc_auc(y, score) == pytest.approx(np.mean(above))
    weight = np.arange(1.0, len(y) + 1)
    assert metrics.fast_roc_auc(y, score, weight) == pytest.approx(metrics.roc_auc(y, score, weight))


def test_ks_is_the_largest_distance_of_the_distributions():
    y = np.array([0, 0, 1, 1], dtype=np.int8)

    assert metrics.ks(y, np.array([1, 2, 3, 4.0])) == 1.0
    assert metrics.ks(y, np.array([1, 3, 2, 4.0])) == 0.5


def test_calibration_error_of_two_bins_worked_by_hand():
    # Bins of two rows: 0.1 against 0 of 2, and 0.7 against 2 of 2: (0.1 + 0.3) / 2.
    y = np.array([0, 0, 1, 1], dtype=np.int8)
    probability = np.array([0.1, 0.1, 0.6, 0.8])

    assert metrics.expected_calibration_error(y, probability, n_bins=2) == pytest.approx(0.2)


def test_equal_probabilities_share_the_border_of_two_bins():
    # Six equal rows, two of them violations, cut into two bins: each bin has the rate 1/3, whatever the order.
    y = np.array([1, 0, 0, 0, 0, 1], dtype=np.int8)

    bins = metrics.calibration_bins(y, np.full(6, 0.5), n_bins=2)

    assert bins[:, 1].tolist() == pytest.approx([1 / 3, 1 / 3])
    assert bins[:, 2].tolist() == [3, 3]


def test_every_metric_has_a_name_and_a_number():
    y = np.array([0, 1] * 50, dtype=np.int8)

    result = evaluate(y, np.arange(100.0), np.linspace(0.01, 0.99, 100))

    assert result["n_test"] == 100
    assert {f"precision_at_{p}_percent" for p in (1, 5, 10, 20)} <= set(result)
    assert all(np.isfinite(value) for value in result.values())


def test_rates_by_grade_count_the_labelled_and_leave_an_empty_grade_without_a_rate():
    rows = rates_by_grade(np.array(["A", "A", "B"]), np.array([0, 1, 1], dtype=np.int8), ("A", "B", "C"))

    assert [(r["grade"], r["n_labelled"], r["violation_rate"]) for r in rows] == [
        ("A", 2, 0.5),
        ("B", 1, 1.0),
        ("C", 0, None),
    ]


def test_a_weight_counts_as_so_many_rows_in_every_metric():
    rng = np.random.default_rng(6)
    score = rng.integers(0, 12, 60) / 12.0
    y = (rng.random(60) < score).astype(np.int8)
    times = rng.integers(1, 4, 60)

    weighed = evaluate(y, score, score, times.astype(np.float64))
    repeated = evaluate(np.repeat(y, times), np.repeat(score, times), np.repeat(score, times))

    for name in set(weighed) - {"n_test", "n_test_positive"}:
        assert weighed[name] == pytest.approx(repeated[name], abs=1e-12), name


def test_rates_by_grade_show_the_weighted_one_beside_the_plain():
    grades, y = np.array(["A", "A", "B"]), np.array([1, 0, 1], dtype=np.int8)

    rows = rates_by_grade(grades, y, ("A", "B", "C"), np.array([1.0, 3.0, 2.0]))

    assert [row["violation_rate"] for row in rows] == [0.5, 1.0, None]
    assert [row["weighted_violation_rate"] for row in rows] == [0.25, 1.0, None]


def test_the_shift_of_log_odds_counts_rows_by_their_weight():
    log_odds, y = np.array([-1.0, 0.5, 2.0, -0.3]), np.array([0, 1, 1, 0], dtype=np.int8)
    times = np.array([3, 1, 2, 1])

    shift = fit_intercept(log_odds, y, times.astype(np.float64))

    assert shift == pytest.approx(fit_intercept(np.repeat(log_odds, times), np.repeat(y, times)), abs=1e-9)
