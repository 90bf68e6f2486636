"""Four ways to turn a raw score into a probability, side by side. Only Platt's keeps points a sum of contributions.

Each takes the log-odds of the calibration rows, their labels and weights, and returns what gives probabilities of any
log-odds. They are compared in a report (training.calibration_report); the model that is served uses Platt's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import SplineTransformer

from data.errors import LabelError
from training.calibration import fit_logistic, sigmoid

Floats = NDArray[np.float64]
Calibrated = Callable[[Floats], Floats]
Calibrator = Callable[[Floats, NDArray[np.int8], Floats | None], Calibrated]

_KNOT_QUANTILES = (0.05, 0.275, 0.5, 0.725, 0.95)
"""Five knots where Harrell (2015) puts them."""

_LEAST_LENGTH = 1e-7
"""A direction in which columns differ by less than this share of the most is rounding."""


def platt(raw_score: Floats, y: NDArray[np.int8], weight: Floats | None = None) -> Calibrated:
    """Fit a straight line on log-odds (Platt 1999)."""
    intercept, slope = fit_logistic(raw_score, y, weight)
    return lambda score: sigmoid(intercept + slope * score)


def isotonic(raw_score: Floats, y: NDArray[np.int8], weight: Floats | None = None) -> Calibrated:
    """Fit the rising steps nearest to the labels (Zadrozny and Elkan 2002); linear between them."""
    fit = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(raw_score, y, sample_weight=weight)
    return lambda score: np.asarray(fit.predict(score), dtype=np.float64)


def beta(raw_score: Floats, y: NDArray[np.int8], weight: Floats | None = None) -> Calibrated:
    """Fit logit = c + a ln p - b ln(1 - p) with a, b >= 0 (Kull, Silva Filho and Flach 2017).

    A negative coefficient is left out and the other fitted again, as the authors do. LabelError where neither rises.
    """
    columns = _beta_columns(raw_score)
    used = [0, 1]
    intercept, slopes = _fit(columns, y, weight)
    if slopes.min() < 0:
        used = [int(np.argmax(slopes))]
        intercept, slopes = _fit(columns[:, used], y, weight)
    if slopes.min() < 0:
        raise LabelError("A score must rise with violations, it falls. Check the direction of the card, and the label.")
    return lambda score: sigmoid(intercept + _beta_columns(score)[:, used] @ slopes)


def spline(raw_score: Floats, y: NDArray[np.int8], weight: Floats | None = None) -> Calibrated:
    """Fit a cubic spline on log-odds, five knots at quantiles of the score, straight beyond the outermost.

    A score with hardly any different values has fewer knots, down to a straight line.
    """
    knots = np.unique(np.quantile(raw_score, _KNOT_QUANTILES))
    if len(knots) < 3:
        return platt(raw_score, y, weight)
    basis = SplineTransformer(knots=knots[:, None], degree=3, extrapolation="linear", include_bias=False)
    columns = basis.fit_transform(raw_score[:, None])
    intercept, slopes = _fit(columns, y, weight)
    return lambda score: sigmoid(intercept + basis.transform(score[:, None]) @ slopes)


CALIBRATORS: Mapping[str, Calibrator] = MappingProxyType(
    {"platt": platt, "isotonic": isotonic, "beta": beta, "spline": spline}
)


def shifted(probability: Floats, shift: float) -> Floats:
    """Return probabilities whose log-odds are moved by `shift`; 0 and 1 stay."""
    odds = probability * np.exp(shift)
    return np.asarray(odds / (odds + 1.0 - probability))


def _beta_columns(raw_score: Floats) -> Floats:
    """Return ln p and -ln(1 - p) of log-odds."""
    return np.column_stack([-np.logaddexp(0.0, -raw_score), np.logaddexp(0.0, raw_score)])


def _fit(columns: Floats, y: NDArray[np.int8], weight: Floats | None) -> tuple[float, Floats]:
    """Return intercept and slopes of a logistic regression without penalty.

    It is fitted on orthogonal directions of the columns: some columns nearly follow from others, and where one does
    entirely, as with a score of two values, the slopes of least length are taken.
    """
    mean, spread = columns.mean(axis=0), columns.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    directions, lengths, turn = np.linalg.svd((columns - mean) / spread, full_matrices=False)
    lengths = lengths[lengths > _LEAST_LENGTH * lengths[0]]
    unit = np.sqrt(len(y))
    fit = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-10, max_iter=200)
    fit.fit(unit * directions[:, : len(lengths)], y, sample_weight=weight)
    slopes = turn[: len(lengths)].T @ (fit.coef_[0] * unit / lengths) / spread
    return float(fit.intercept_[0] - mean @ slopes), slopes
