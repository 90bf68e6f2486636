"""What an entity's own past inspections say, and nothing else."""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import LogisticRegression

from data.errors import LabelError
from training.fitting import Recipe
from training.rivals.rival import FittedRival, Floats, Rival, stored_bytes
from training.rows import Rows

INDICATOR = "failed_inspections"


def _fit(rows: Rows, recipe: Recipe, _seed: int) -> FittedRival:
    at = recipe.card.names.index(INDICATOR)
    known = rows.X[~np.isnan(rows.X[:, at]), at]
    if len(np.unique(known)) < 2:
        raise LabelError(f"{INDICATOR} must have two values in the training rows, it has not. Map past inspections.")
    middle = float(known.mean())

    def columns(X: Floats) -> Floats:
        missing = np.isnan(X[:, at])
        return np.column_stack([np.where(missing, middle, X[:, at]), missing])

    model = LogisticRegression(C=1e3, max_iter=1000).fit(columns(rows.X), rows.y, sample_weight=rows.weight)
    return FittedRival(lambda X: model.decision_function(columns(X)), stored_bytes((middle, model)))


PAST_RATE = Rival(
    "past_rate",
    "the entity's own failed inspections alone, faded with time and shrunk to its industry",
    "the rate of those never inspected",
    "yes",
    _fit,
)
