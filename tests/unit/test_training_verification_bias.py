"""What is true of everybody, told from those who were inspected, whom nobody drew by lot."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from training.metrics import roc_auc
from training.verification_bias import Everybody, auc_bounds, aucs, fractional_auc, rate_bounds, rates

CLOSE = 0.012
"""Three standard errors and more of the rate and of the AUC among 20,000 inspected."""


def logistic(x):
    """The probability of log-odds."""
    return 1 / (1 + np.exp(-x))


@pytest.fixture(scope="module")
def simulated():
    """60,000 entities whose chance of being inspected and whose violations both rise with x; and the true outcomes."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=60_000)
    expected, chance = logistic(-1.5 + 1.2 * x), logistic(-1.0 + 1.0 * x)
    outcome, inspected = rng.random(60_000) < expected, rng.random(60_000) < chance
    score = x + rng.normal(scale=0.8, size=60_000)
    y = np.where(inspected, outcome, np.nan).astype(np.float64)
    grade = np.where(score < 0.5, "A", "B")
    return Everybody(score, grade, inspected, y, chance, expected), outcome.astype(np.int8)


def test_the_inspected_alone_are_far_from_the_truth_and_weights_bring_them_near(simulated):
    people, outcome = simulated

    assert rates(people)["inspected"] > outcome.mean() + 0.1
    assert rates(people)["weighted"] == pytest.approx(outcome.mean(), abs=CLOSE)
    assert aucs(people)["weighted"] == pytest.approx(roc_auc(outcome, people.score), abs=CLOSE)


@pytest.mark.parametrize("wrong", [{"expected": 0.5}, {"chance": 0.3}], ids=["outcome model", "chance model"])
def test_the_doubly_robust_answer_is_right_where_one_of_its_models_is_wrong(simulated, wrong):
    people, outcome = simulated
    spoilt = replace(people, **{name: np.full(len(people.y), value) for name, value in wrong.items()})

    assert rates(spoilt)["doubly robust"] == pytest.approx(outcome.mean(), abs=CLOSE)
    assert aucs(spoilt)["doubly robust"] == pytest.approx(roc_auc(outcome, people.score), abs=CLOSE)
    for grade in "AB":
        true = outcome[people.grade == grade].mean()
        assert rates(spoilt.of_grade(grade))["doubly robust"] == pytest.approx(true, abs=2 * CLOSE)


def test_the_doubly_robust_answer_is_wrong_where_both_models_are(simulated):
    people, outcome = simulated
    spoilt = replace(people, expected=np.full(len(people.y), 0.5), chance=np.full(len(people.y), 0.3))

    assert abs(rates(spoilt)["doubly robust"] - outcome.mean()) > 5 * CLOSE


def test_nobody_inspected_gives_no_rate(simulated):
    people, _ = simulated
    nobody = people.take(~people.inspected)

    assert all(np.isnan(value) for value in rates(nobody).values())


def test_the_auc_of_parts_is_the_usual_one_where_the_parts_are_whole():
    score, y = np.array([1.0, 2.0, 2.0, 3.0, 0.5, 2.0]), np.array([0, 1, 0, 1, 1, 0], dtype=np.int8)

    assert fractional_auc(y.astype(np.float64), score) == pytest.approx(roc_auc(y, score))


def test_the_auc_of_parts_is_the_sum_over_pairs_of_two_rows():
    rng = np.random.default_rng(3)
    score, part = rng.integers(0, 5, 12).astype(np.float64), rng.uniform(-0.3, 1.4, 12)
    above = total = 0.0
    for i, j in product(range(12), range(12)):
        if i != j:
            pair = part[i] * (1 - part[j])
            above += pair * (1.0 if score[i] > score[j] else 0.5 if score[i] == score[j] else 0.0)
            total += pair

    assert fractional_auc(part, score) == pytest.approx(above / total)


def test_bounds_are_the_extremes_over_everything_that_the_uninspected_may_be():
    score = np.array([0.1, 0.4, 0.4, 0.6, 0.7, 0.9, 0.2, 0.5])
    y = np.array([0.0, 1.0, np.nan, np.nan, 0.0, 1.0, np.nan, np.nan])
    seen = ~np.isnan(y)
    people = Everybody(score, np.full(8, "A"), seen, y, np.full(8, 0.5), np.full(8, 0.5))
    worlds = []
    for guess in product([0, 1], repeat=int((~seen).sum())):
        whole = y.copy()
        whole[~seen] = guess
        worlds.append(whole.astype(np.int8))

    assert rate_bounds(people) == (min(w.mean() for w in worlds), max(w.mean() for w in worlds))
    among = [roc_auc(w, score) for w in worlds]
    assert auc_bounds(people) == pytest.approx((min(among), max(among)))


def test_monotone_selection_lets_the_uninspected_violate_as_often_as_the_inspected_of_their_stratum():
    y = np.array([1.0, 0.0, np.nan, np.nan, 0.0, 0.0, np.nan, np.nan])
    people = Everybody(np.arange(8.0), np.full(8, "A"), ~np.isnan(y), y, np.full(8, 0.5), np.full(8, 0.5))
    strata = np.array([0, 0, 0, 0, 1, 1, 1, 2])

    # Half of two, none of one, and one of whom no stratum says anything.
    assert rate_bounds(people, strata) == (1 / 8, (1 + 2 * 0.5 + 0 + 1) / 8)


def test_monotone_bounds_hold_the_truth_and_are_narrower(simulated):
    people, outcome = simulated
    strata = np.searchsorted(np.quantile(people.expected, [0.2, 0.4, 0.6, 0.8]), people.expected)
    true = roc_auc(outcome, people.score)
    wide, narrow = auc_bounds(people), auc_bounds(people, strata)

    assert wide[0] < narrow[0] < true < narrow[1] < wide[1]
    assert rate_bounds(people, strata)[0] < outcome.mean() < rate_bounds(people, strata)[1] < rate_bounds(people)[1]
