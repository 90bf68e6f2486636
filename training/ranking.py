"""One ranking under many weightings: the rows are sorted once, and each weighting then costs one pass.

A bootstrap weighs every row by how often its entity was drawn, hundreds of times. The figures are those of
`training.metrics` on the rows repeated that often, ties shared alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.metrics import CALIBRATION_BINS

Floats = NDArray[np.float64]
CAPACITIES = (5, 10)
"""Percent of the rows that can be inspected."""


@dataclass(frozen=True)
class Ranking:
    """Rows by falling score.

    Attributes
    ----------
    order : (n,)
        Positions of the rows, the highest score first.
    starts : (g,)
        Where each group of equal scores begins in that order.
    y : float64 (n,)
        Labels in that order.
    probability : float64 (n,), optional
        Calibrated probability in that order: it rises with the score.
    """

    order: NDArray[np.intp]
    starts: NDArray[np.intp]
    y: Floats
    probability: Floats | None

    @classmethod
    def of(cls, y: NDArray[np.int8], score: Floats, probability: Floats | None = None) -> Ranking:
        """Sort rows by falling score."""
        order = np.argsort(-score, kind="stable")
        starts = np.unique(-score[order], return_index=True)[1]
        sorted_probability = None if probability is None else probability[order]
        return cls(order, starts, y[order].astype(np.float64), sorted_probability)

    def figures(self, weight: Floats | None = None) -> dict[str, float]:
        """Return the metrics under a weight for each row (n,), in the rows' own order; NaN where one class is left.

        Without probabilities there are no Brier score and no calibration error.
        """
        w = np.ones(len(self.y)) if weight is None else np.asarray(weight, dtype=np.float64)[self.order]
        rows = np.cumsum(np.add.reduceat(w, self.starts))
        found = np.cumsum(np.add.reduceat(w * self.y, self.starts))
        result = {"roc_auc": _roc_auc(rows, found), "average_precision": _average_precision(rows, found)}
        for percent in CAPACITIES:
            capacity = rows[-1] * percent / 100.0
            result[f"precision_at_{percent}_percent"] = float(_at(rows, found, np.array(capacity)) / capacity)
        if self.probability is not None:
            result["brier_score"] = float(w @ (self.probability - self.y) ** 2 / rows[-1])
            expected = np.cumsum(np.add.reduceat(w * self.probability, self.starts))
            result["expected_calibration_error"] = _calibration_error(rows, found, expected)
        return result


def _roc_auc(rows: Floats, found: Floats) -> float:
    positives, negatives = found[-1], rows[-1] - found[-1]
    if not positives or not negatives:
        return float("nan")
    here = np.diff(found, prepend=0.0)
    above = rows - found
    # Negatives below, and half of those with the same score.
    below = negatives - (above + np.concatenate([[0.0], above[:-1]])) / 2.0
    return float(here @ below / (positives * negatives))


def _average_precision(rows: Floats, found: Floats) -> float:
    if not found[-1]:
        return float("nan")
    precision = np.divide(found, rows, out=np.zeros_like(rows), where=rows > 0)
    return float(np.diff(found, prepend=0.0) @ precision / found[-1])


def _calibration_error(rows: Floats, found: Floats, expected: Floats) -> float:
    edges = np.linspace(0.0, rows[-1], CALIBRATION_BINS + 1)
    distance = np.diff(_at(rows, found, edges)) - np.diff(_at(rows, expected, edges))
    return float(np.abs(distance).sum() / rows[-1])


def _at(rows: Floats, total: Floats, capacity: Floats) -> Floats:
    """Return the cumulative total among the first `capacity` rows: a group that is cut gives its part."""
    return np.asarray(np.interp(capacity, np.concatenate([[0.0], rows]), np.concatenate([[0.0], total])))
