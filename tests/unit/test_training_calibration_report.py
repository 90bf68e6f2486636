"""Calibrations side by side: known curves are found again, parts add up, the smooth error is that of its definition."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from data.errors import LabelError
from training.calibration import fit_intercept, sigmoid
from training.calibration_metrics import SmoothedResiduals, bins_of, brier_parts, smooth_calibration_error
from training.calibration_report import Evidence, calibrated_ways, judged
from training.calibrators import CALIBRATORS, shifted


def labels_of(probability, rng):
    """Draw labels that come true with these probabilities."""
    return (rng.random(len(probability)) < probability).astype(np.int8)


def ones(values):
    return np.ones(len(values))


@pytest.mark.parametrize("name", CALIBRATORS)
def test_every_calibration_finds_a_straight_line_again(name):
    rng = np.random.default_rng(0)
    raw = rng.normal(size=40_000)
    truth = sigmoid(-1.0 + 0.5 * raw)

    found = CALIBRATORS[name](raw, labels_of(truth, rng), None)(raw)

    assert np.abs(found - truth).mean() < 0.01


def test_beta_finds_its_own_curve_and_platt_cannot():
    # Given logit = 0.3 + 2 ln p - 0.4 ln(1 - p).
    rng = np.random.default_rng(1)
    raw = 1.5 * rng.normal(size=60_000)
    p = sigmoid(raw)
    truth = sigmoid(0.3 + 2.0 * np.log(p) - 0.4 * np.log(1 - p))
    y = labels_of(truth, rng)

    off = {name: np.abs(CALIBRATORS[name](raw, y, None)(raw) - truth).mean() for name in ("beta", "platt", "spline")}

    assert off["beta"] < 0.004
    assert off["spline"] < 0.006
    assert off["platt"] > 0.012


def test_beta_leaves_out_a_coefficient_that_would_fall():
    # Given a curve that rises with ln p alone, and a touch too slowly at the top.
    rng = np.random.default_rng(2)
    raw = 2.0 * rng.normal(size=20_000)
    truth = sigmoid(0.2 - np.logaddexp(0.0, -raw) - 0.3 * np.logaddexp(0.0, raw))

    found = CALIBRATORS["beta"](raw, labels_of(truth, rng), None)(np.array([-3.0, 0.0, 3.0, 30.0]))

    assert (np.diff(found) >= 0).all()
    assert found[3] == pytest.approx(found[2], abs=0.01)


def test_isotonic_takes_the_means_of_pooled_rows():
    found = CALIBRATORS["isotonic"](np.arange(4.0), np.array([0, 1, 0, 1], dtype=np.int8), None)(np.arange(4.0))

    assert found.tolist() == [0, 0.5, 0.5, 1]


@pytest.mark.parametrize("name", CALIBRATORS)
def test_a_weight_of_two_is_a_row_twice(name):
    rng = np.random.default_rng(3)
    raw = rng.normal(size=400)
    y, weight = labels_of(sigmoid(raw), rng), rng.integers(1, 3, 400)
    if name == "spline":
        # Its knots lie at quantiles of the rows, which are the same in both.
        raw, y, weight = np.repeat(raw, 2), np.repeat(y, 2), np.full(800, 2)

    weighted = CALIBRATORS[name](raw, y, weight.astype(np.float64))(raw)
    repeated = CALIBRATORS[name](np.repeat(raw, weight), np.repeat(y, weight), None)(raw)

    assert weighted == pytest.approx(repeated, abs=1e-6)


@pytest.mark.parametrize("name", ["platt", "beta"])
def test_a_score_that_falls_with_violations_is_refused(name):
    raw = np.linspace(-2, 2, 400)
    y = labels_of(sigmoid(-2 * raw), np.random.default_rng(4))

    with pytest.raises(LabelError, match="must rise with violations"):
        CALIBRATORS[name](raw, y, None)


def test_a_score_of_two_values_is_calibrated_by_all():
    raw, y = np.repeat([0.0, 1.0], 4), np.array([0, 0, 0, 1, 0, 1, 1, 1], dtype=np.int8)

    for name, calibrator in CALIBRATORS.items():
        assert calibrator(raw, y, None)(np.array([0.0, 1.0])) == pytest.approx([0.25, 0.75], abs=1e-5), name


@pytest.mark.parametrize(("slope", "moved"), [(1.0, 0.0), (0.5, 0.0), (1.0, 0.7)])
def test_the_other_calibrations_are_moved_as_the_models_own_was(slope, moved):
    # given: a model whose slope need not be that of the calibration rows, moved to another level
    rng = np.random.default_rng(3)
    raw = rng.normal(size=5_000)
    rows = SimpleNamespace(X=raw[:, None], y=labels_of(sigmoid(-1.0 + raw), rng), weight=None)
    level = fit_intercept(slope * raw, rows.y) + moved
    model = SimpleNamespace(
        raw_score=lambda X: X[:, 0],
        log_odds=lambda X: level + slope * X[:, 0],
        probability=lambda X: sigmoid(level + slope * X[:, 0]),
    )

    ways = calibrated_ways(model, rows, rows.X)

    means = {name: np.mean(p) for name, p in ways.items() if name not in ("uncalibrated", "platt")}
    assert all(abs(mean - np.mean(shifted(sigmoid(-1.0 + raw), moved))) < 0.02 for mean in means.values()), means


def test_a_shift_moves_log_odds_and_leaves_certainty():
    assert shifted(np.array([0.0, 0.5, 0.2, 1.0]), math.log(3)) == pytest.approx([0, 0.75, 3 / 7, 1])


def test_the_parts_of_the_brier_score_are_murphys():
    # Given 0.2 for five rows of which one came true, and 0.6 for five of which four did.
    probability = np.repeat([0.2, 0.6], 5)
    y = np.array([1, 0, 0, 0, 0, 1, 1, 1, 1, 0.0])

    parts = brier_parts(y, probability, bins_of(probability, 10), ones(y))

    assert parts.reliability == pytest.approx(0.5 * 0.2**2)
    assert parts.resolution == pytest.approx(0.3**2)
    assert parts.uncertainty == pytest.approx(0.25)
    assert parts.within_bins == pytest.approx(0, abs=1e-15)
    assert parts.brier == pytest.approx(0.02 - 0.09 + 0.25)


@given(st.integers(0, 10_000))
@hypothesis_settings(max_examples=25, deadline=None)
def test_the_parts_add_up_to_the_brier_score_of_weighted_rows(seed):
    rng = np.random.default_rng(seed)
    probability = np.round(rng.random(80), 1)
    y, weight = labels_of(probability, rng).astype(float), rng.integers(0, 3, 80).astype(float)

    parts = brier_parts(y, probability, bins_of(probability, 10), weight)

    total = parts.reliability - parts.resolution + parts.uncertainty + parts.within_bins
    assert parts.brier == pytest.approx(total, abs=1e-12)
    assert parts.brier == pytest.approx((weight * (probability - y) ** 2).sum() / weight.sum())


def test_equal_probabilities_share_a_bin():
    bins = bins_of(np.array([0.1] * 9 + [0.5, 0.9]), 10)

    assert len(set(bins[:9])) == 1
    assert bins[8] < bins[9]


@pytest.mark.parametrize(("predicted", "observed"), [(0.5, 0.7), (0.05, 0.0), (0.999, 0.5)])
def test_the_smooth_error_of_one_probability_is_its_distance_from_the_rate(predicted, observed):
    # All residuals lie at one place and have one sign, so no width makes them less.
    y = np.repeat([1.0, 0.0], [round(1000 * observed), round(1000 * (1 - observed))])

    error = smooth_calibration_error(y, np.full(1000, predicted), ones(y))

    assert error == pytest.approx(abs(predicted - observed), abs=1e-6)


def test_the_smooth_error_is_that_of_its_definition():
    # Given few rows, and the kernel written out as images beyond the ends of [0, 1], summed over a fine grid.
    rng = np.random.default_rng(5)
    probability = np.concatenate([rng.random(40), [0.0, 1.0, 0.001]])
    y, weight = labels_of(probability**2, rng).astype(float), rng.integers(1, 4, 43).astype(float)
    t = (np.arange(20_000) + 0.5) / 20_000

    def direct(width):
        images = np.concatenate([[2.0 * k + probability, 2.0 * k - probability] for k in range(-4, 5)])
        smoothed = np.zeros_like(t)
        for image in images:
            for place, residual in zip(image, weight * (y - probability) / weight.sum(), strict=True):
                smoothed += residual * np.exp(-0.5 * ((t - place) / width) ** 2)
        return np.abs(smoothed).mean() / (width * math.sqrt(2 * math.pi))

    residuals = SmoothedResiduals.of(y, probability, weight)
    for width in (0.02, 0.1, 0.5):
        assert residuals.error(width) == pytest.approx(direct(width), rel=2e-3)
    found = smooth_calibration_error(y, probability, weight)
    assert direct(found) == pytest.approx(found, rel=2e-3)


def test_the_smooth_error_vanishes_where_probabilities_come_true():
    probability = np.repeat([0.2, 0.5], [10, 10])
    y = np.array([1, 1] + [0] * 8 + [1] * 5 + [0] * 5, dtype=float)

    assert smooth_calibration_error(y, probability, ones(y)) == pytest.approx(0, abs=1e-6)


def evidence(ways, y, groups=None):
    n = len(y)
    frame = pd.DataFrame(groups or {"district": ["d"] * n})
    return Evidence(ways, y.astype(float), np.ones(n), np.arange(n).astype(str), frame)


def test_the_report_says_first_where_the_additive_calibration_is_worse():
    rng = np.random.default_rng(6)
    truth = rng.beta(1, 3, 4000)
    ways = {"platt": np.full(4000, truth.mean()), "isotonic": truth}

    report = judged(evidence(ways, labels_of(truth, rng)), least=50, n_draws=50)

    assert next(iter(report)) == "finding"
    assert "is WORSE than isotonic" in report["finding"]
    assert report["additive_is_worse"]
    assert report["additive_less_best"]["low"] > 0


def test_the_report_says_where_the_best_is_not_better_by_more_than_chance():
    # Given a rival that is nearer to the labels by a hair in six rows of ten.
    y = np.repeat([1, 0], 500)
    nearer = np.where(np.arange(1000) % 10 < 6, 0.01, -0.014)
    rival = np.where(y == 1, 0.5 + nearer, 0.5 - nearer)

    report = judged(evidence({"platt": np.full(1000, 0.5), "beta": rival}, y), least=50, n_draws=100)

    assert report["best"] == "beta"
    assert not report["additive_is_worse"]
    assert "not worse than the best by more than its interval" in report["finding"]


def test_the_report_says_where_the_additive_calibration_is_the_best():
    y = np.repeat([1, 0], 500)

    report = judged(evidence({"beta": np.full(1000, 0.6), "platt": np.full(1000, 0.5)}, y), least=50, n_draws=20)

    assert report["finding"].endswith("has the lowest Brier score.")


def test_groups_are_judged_each_by_itself_and_small_ones_are_said_to_be_so():
    # Given one district where twice as many violate as predicted, one as predicted, and one of three rows.
    district = np.array(["north"] * 1000 + ["south"] * 1000 + ["west"] * 3)
    y = np.array([1] * 400 + [0] * 600 + [1] * 200 + [0] * 800 + [1, 0, 0])

    rows = judged(evidence({"platt": np.full(2003, 0.2)}, y, {"district": district}), 50, 100)["groups"]

    assert [(row["group"], row["verdict"]) for row in rows] == [
        ("north", "more than predicted"), ("south", "as predicted"), ("west", "too few"),
    ]  # fmt: skip
    assert rows[0]["observed"]["low"] < 0.4 < rows[0]["observed"]["high"]
    assert "observed" not in rows[2]


def test_rows_without_a_group_count_in_none():
    district = np.array(["north"] * 500 + [None] * 500, dtype=object)
    y = np.array([1] * 100 + [0] * 400 + [1] * 500)

    rows = judged(evidence({"platt": np.full(1000, 0.2)}, y, {"district": district}), 50, 50)["groups"]

    assert [row["n"] for row in rows] == [500]
    assert rows[0]["observed"]["value"] == pytest.approx(0.2)
