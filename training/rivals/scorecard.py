"""The scorecard of a credit office: optbinning's ranges, then a logistic regression on their weight of evidence."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from training.fitting import Recipe
from training.rivals.rival import FittedRival, Floats, Rival, informative, stored_bytes
from training.rows import Rows

_TREND = {1: "ascending", -1: "descending", 0: "auto"}


def _fit(rows: Rows, recipe: Recipe, _seed: int) -> FittedRival:
    kept = informative(rows.X)
    names = [recipe.card.names[at] for at in kept]
    directions = [recipe.lightgbm["monotone_constraints"][at] for at in kept]
    with warnings.catch_warnings():
        # optbinning 1.0 writes to tables in ways that pandas 3.1 is giving up.
        warnings.simplefilter("ignore")
        from optbinning import BinningProcess, Scorecard

        trends = {name: {"monotonic_trend": _TREND[d]} for name, d in zip(names, directions, strict=True)}
        model = Scorecard(BinningProcess(names, binning_fit_params=trends), LogisticRegression(max_iter=1000))
        model.fit(pd.DataFrame(rows.X[:, kept], columns=names), rows.y, rows.weight, metric_missing="empirical")

    def log_odds(X: Floats) -> Floats:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return np.asarray(model.decision_function(pd.DataFrame(X[:, kept], columns=names)))

    return FittedRival(log_odds, stored_bytes(model))


SCORECARD = Rival(
    "scorecard",
    "optbinning's ranges, monotone, and a logistic regression on their weight of evidence",
    "a range of its own",
    "yes",
    _fit,
    package="optbinning",
)
