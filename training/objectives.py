"""What a study aims at, as one number on the test rows of a fold: higher is better.

roc_auc
    The chance that a violation scores above a non-violation.
average_precision_at_capacity
    Mean precision over the violations that the first rows hold, as many rows as can be inspected.
expected_points
    How many points more a violation is given than a non-violation, expected over the rows: mean against mean, on the
    scale that sets the outermost cut points as the experts' points of the training rows do, held in [0, 1000].
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training import metrics
from training.additive import AdditiveModel
from training.fitting import anchored
from training.rows import Rows


@dataclass(frozen=True)
class Objective:
    """An objective.

    Attributes
    ----------
    name : str
    value : callable
        Takes labels (n,), scores (n,) and what each row counts (n,) or None, returns the number.
    on_points : bool
        Whether scores are points; log-odds otherwise, whose order is all that matters.
    """

    name: str
    value: Callable[[metrics.Labels, metrics.Score, metrics.Weight], float]
    on_points: bool = False

    def scores(self, model: AdditiveModel, train: Rows, test: Rows) -> NDArray[np.float64]:
        """Return the scores of test rows (n,) by a model that was fitted on the training rows."""
        if not self.on_points:
            return model.raw_score(test.X)
        return anchored(model, train.X).points(test.X)


def objective(name: str, capacity_percent: float) -> Objective:
    """Return the objective of a name; `capacity_percent` is the share of the rows that can be inspected."""

    def at_capacity(y: metrics.Labels, score: metrics.Score, weight: metrics.Weight) -> float:
        return metrics.average_precision_at(y, score, capacity_percent, weight)

    known = {
        "roc_auc": Objective("roc_auc", metrics.fast_roc_auc),
        "average_precision_at_capacity": Objective("average_precision_at_capacity", at_capacity),
        "expected_points": Objective("expected_points", expected_points, on_points=True),
    }
    return known[name]


def expected_points(y: metrics.Labels, points: metrics.Score, weight: metrics.Weight = None) -> float:
    """Return the mean points of violations less those of the others."""
    weights = np.ones(len(y)) if weight is None else weight
    violated, others = (float(np.average(points[y == c], weights=weights[y == c])) for c in (1, 0))
    return violated - others
