"""Logistic fits and the thousand-point scale, on examples worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from data.errors import ConfigurationError, LabelError
from training.calibration import fit_intercept, fit_logistic, sigmoid
from training.expert_card import CutPoints
from training.scale import anchor

CUTS = CutPoints(("A", "B", "C", "D"), (0, 250, 350, 450), "2026-01-01", "test")


def test_a_fit_on_two_groups_reproduces_their_rates():
    # Given one in four at score 0 and three in four at score 2: log-odds -ln 3 and ln 3, so slope ln 3.
    score = np.repeat([0.0, 2.0], 4)
    y = np.array([1, 0, 0, 0, 1, 1, 1, 0], dtype=np.int8)

    intercept, slope = fit_logistic(score, y)

    assert intercept == pytest.approx(-math.log(3), abs=1e-6)
    assert slope == pytest.approx(math.log(3), abs=1e-6)


def test_a_fit_does_not_depend_on_the_unit_of_the_score():
    rng = np.random.default_rng(0)
    score = rng.normal(size=500)
    y = (rng.random(500) < sigmoid(score)).astype(np.int8)

    intercept, slope = fit_logistic(score, y)
    moved_intercept, moved_slope = fit_logistic(1000 * score + 300, y)

    assert moved_slope == pytest.approx(slope / 1000, rel=1e-6)
    assert moved_intercept == pytest.approx(intercept - 300 * slope / 1000, rel=1e-6)


def test_one_class_alone_cannot_be_fitted():
    with pytest.raises(LabelError, match="both classes"):
        fit_logistic(np.arange(5.0), np.ones(5, dtype=np.int8))


def test_a_score_that_falls_with_violations_is_refused():
    with pytest.raises(LabelError, match="must rise with violations"):
        fit_logistic(np.arange(6.0), np.array([1, 1, 0, 1, 0, 0], dtype=np.int8))


def test_an_intercept_moves_the_mean_probability_to_the_observed_rate():
    shift = fit_intercept(np.zeros(4), np.array([1, 1, 1, 0], dtype=np.int8))

    assert shift == pytest.approx(math.log(3))


def test_the_outermost_cut_points_cut_off_the_experts_shares():
    # Given ten entities, of which the experts put 6 below 250 and 9 below 450; log-odds are 0..9 in some order.
    expert = np.array([100, 100, 100, 100, 100, 100, 300, 300, 400, 500.0])
    log_odds = np.array([9, 0, 5, 2, 7, 4, 1, 6, 3, 8.0])

    scale = anchor(expert, log_odds, CUTS)

    # Then 250 lies between 5 and 6, and 450 between 8 and 9: factor 200 / 3, and PDO 200 / 3 ln 2.
    assert scale.factor == pytest.approx(200 / 3)
    points = scale.points(log_odds)
    assert (points >= 250).sum() == 4
    assert (points >= 450).sum() == 1
    assert scale.points(np.array([5.5, 8.5])).tolist() == pytest.approx([250, 450])
    assert scale.pdo == pytest.approx(200 / 3 * math.log(2))


def test_a_cut_point_is_nobodys_points_where_entities_share_them():
    expert = np.repeat([100.0, 300.0, 500.0], [60, 35, 5])
    # Sixty lie below B by the card. The model gives 50 the least, then 15 the same: nearest are 65, and 95 for D.
    log_odds = np.repeat([-3.0, -2.0, -1.0, 1.0], [50, 15, 30, 5])

    points = anchor(expert, log_odds, CUTS).points(log_odds)

    assert [int((points < cut).sum()) for cut in CUTS.outermost] == [65, 95]
    assert np.abs(points[:, None] - np.array(CUTS.outermost)).min() > 1.0


def test_a_model_that_gives_all_the_same_has_no_scale():
    with pytest.raises(ConfigurationError, match="cannot tell the outermost grades apart"):
        anchor(np.repeat([100.0, 300.0, 500.0], 4), np.zeros(12), CUTS)


def test_cut_points_that_cut_off_nobody_are_refused_with_the_counts():
    with pytest.raises(ConfigurationError, match="below them lie 10 and 10 of 10"):
        anchor(np.full(10, 100.0), np.arange(10.0), CUTS)
