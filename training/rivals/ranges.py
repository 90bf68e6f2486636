"""Cards: points for ranges of each indicator, as the experts gave them and as regression weighs the same ranges."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from features.catalogue import load_catalogue
from training.calibration import sigmoid
from training.expert_card import ExpertCard
from training.fitting import Recipe, fit_uncalibrated
from training.rivals.rival import FittedRival, Floats, Rival, stored_bytes
from training.rows import Rows

RIDGE = 1.0
"""Strength of the penalty on squared weights, as scikit-learn's C = 1: a range with hardly a row gets little."""


def _expert_card(rows: Rows, recipe: Recipe, _seed: int) -> FittedRival:
    model = fit_uncalibrated("expert_card", rows, recipe)
    return FittedRival(model.raw_score, stored_bytes((recipe.card.as_json(), model.offset)))


def _reweighted(rows: Rows, recipe: Recipe, _seed: int) -> FittedRival:
    card, directions = recipe.card, load_catalogue().monotone
    weights = fit_weights(steps(card, directions, rows.X), held(card, directions), rows)

    def log_odds(X: Floats) -> Floats:
        return np.asarray(weights[0] + steps(card, directions, X) @ weights[1:])

    return FittedRival(log_odds, stored_bytes((card.as_json(), directions, weights)))


def steps(card: ExpertCard, directions: tuple[int, ...], X: Floats) -> Floats:
    """Return 0/1 columns: for each indicator one for each boundary of the card that is passed in the direction of
    risk, then one for missing.

    A weight of such a column is what passing the boundary adds, so weights of 0 or more keep the card's direction.
    """
    columns = []
    for ranges, direction, values in zip(card.ranges, directions, X.T, strict=True):
        columns += [values < edge if direction < 0 else values >= edge for edge in ranges.edges]
        columns.append(np.isnan(values))
    return np.column_stack(columns).astype(np.float64)


def held(card: ExpertCard, directions: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return for each column of `steps` whether its weight must not fall below 0: missing has no direction."""
    by_indicator = [
        [direction != 0] * len(r.edges) + [False] for r, direction in zip(card.ranges, directions, strict=True)
    ]
    return np.array([column for columns in by_indicator for column in columns])


def fit_weights(columns: Floats, not_negative: NDArray[np.bool_], rows: Rows) -> Floats:
    """Return intercept and weights of a logistic regression, some of them held at 0 or above."""
    # Rows in the same ranges are taken together: few cards tell every row from every other.
    patterns, group = np.unique(columns, axis=0, return_inverse=True)
    weight = np.ones(len(rows.y)) if rows.weight is None else rows.weight
    counts, positives = np.bincount(group, weight), np.bincount(group, weight * rows.y)
    with_one = np.column_stack([np.ones(len(patterns)), patterns])

    def loss(weights: Floats) -> tuple[float, Floats]:
        log_odds = with_one @ weights
        penalised = np.concatenate([[0.0], weights[1:]])
        value = counts @ np.logaddexp(0.0, log_odds) - positives @ log_odds + RIDGE / 2 * penalised @ penalised
        return float(value), with_one.T @ (counts * sigmoid(log_odds) - positives) + RIDGE * penalised

    bounds = [(None, None), *((0.0, None) if hold else (None, None) for hold in not_negative)]
    start = np.zeros(with_one.shape[1])
    fitted = minimize(loss, start, jac=True, bounds=bounds, method="L-BFGS-B", options={"maxiter": 1000})
    return np.asarray(fitted.x)


EXPERT_CARD = Rival(
    "expert_card",
    "the experts' points, as they gave them",
    "the card's neutral points",
    "yes",
    _expert_card,
)
REWEIGHTED_CARD = Rival(
    "reweighted_card",
    "logistic regression over the card's own ranges, in the card's direction",
    "a range of its own",
    "yes",
    _reweighted,
)
