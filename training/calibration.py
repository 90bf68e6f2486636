"""Logistic fits on log-odds: the experts' slope, and Platt scaling (Platt 1999) on a later period."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import brentq
from sklearn.linear_model import LogisticRegression

from data.errors import LabelError


def fit_logistic(
    score: NDArray[np.float64], y: NDArray[np.int8], weight: NDArray[np.float64] | None = None
) -> tuple[float, float]:
    """Return intercept and slope of P(y = 1) = 1 / (1 + exp(-(intercept + slope x score))), by maximum likelihood.

    `weight` (n,) says what each row counts; without it all count the same.

    Raises
    ------
    LabelError
        Where y has one class only, or the score rises as violations fall.
    """
    if len(np.unique(y)) < 2:
        raise LabelError(f"Labels must be of both classes, got {len(y)} of class {y[:1]}. Add as-of dates.")
    # Standardised, so that the solver's stopping rule means the same for points and for log-odds.
    mean, spread = float(score.mean()), float(score.std()) or 1.0
    fit = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000)
    values, labels, weights = _gathered(score, y, weight)
    fit.fit(((values - mean) / spread)[:, None], labels, sample_weight=weights)
    slope = float(fit.coef_[0, 0]) / spread
    if slope <= 0:
        raise LabelError(
            f"A score must rise with violations, its slope is {slope:g}. "
            "Check the direction of the card, and the label."
        )
    return float(fit.intercept_[0]) - slope * mean, slope


def _gathered(
    score: NDArray[np.float64], y: NDArray[np.int8], weight: NDArray[np.float64] | None
) -> tuple[NDArray[np.float64], NDArray[np.int8], NDArray[np.float64] | None]:
    """Return rows of one score and label as one row of their weight, where that saves half of them: a card's points."""
    # By hashing: sorting ten million scores would take longer than the fit.
    row, values = pd.factorize(score, sort=True)
    if 4 * len(values) > len(score):
        return score, y, weight
    counts = np.bincount(2 * row + y, weights=weight, minlength=2 * len(values)).astype(np.float64)
    there = counts > 0
    return np.repeat(values, 2)[there], np.tile(np.array([0, 1], np.int8), len(values))[there], counts[there]


def fit_intercept(
    log_odds: NDArray[np.float64], y: NDArray[np.int8], weight: NDArray[np.float64] | None = None
) -> float:
    """Return what, added to log-odds, makes their mean probability the observed rate (maximum likelihood, slope 1)."""
    rate = float(np.average(y, weights=weight))

    def excess(shift: float) -> float:
        return float(np.average(sigmoid(log_odds + shift), weights=weight)) - rate

    return float(brentq(excess, -20.0, 20.0))


def sigmoid(log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the probability of log-odds."""
    return 1.0 / (1.0 + np.exp(-log_odds))
