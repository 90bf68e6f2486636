"""Boosted trees: LightGBM with and without the experts' offset and monotone constraints, and scikit-learn's."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from training.fitting import Recipe, fit_uncalibrated
from training.rivals.rival import FittedRival, Floats, Rival, informative, stored_bytes
from training.rows import Rows


def _lightgbm(kind: str, is_monotone: bool, rows: Rows, recipe: Recipe, seed: int) -> FittedRival:
    parameters = {**recipe.lightgbm, "seed": seed}
    if not is_monotone:
        del parameters["monotone_constraints"]
    model = fit_uncalibrated(kind, rows, replace(recipe, lightgbm=parameters))
    assert model.booster is not None
    return FittedRival(model.raw_score, len(model.booster.model_to_string().encode("utf-8")))


def _hist_gradient_boosting(rows: Rows, recipe: Recipe, seed: int) -> FittedRival:
    kept = informative(rows.X)
    like = recipe.lightgbm
    model = HistGradientBoostingClassifier(
        learning_rate=like["learning_rate"],
        max_leaf_nodes=like["num_leaves"],
        min_samples_leaf=like["min_data_in_leaf"],
        l2_regularization=like["lambda_l2"],
        max_features=like["feature_fraction"],
        max_iter=recipe.num_boost_round,
        monotonic_cst=np.array(like["monotone_constraints"])[kept],
        early_stopping=False,
        random_state=seed,
    )
    with threadpool_limits(like["num_threads"], user_api="openmp"):
        model.fit(rows.X[:, kept], rows.y, sample_weight=rows.weight)

    def log_odds(X: Floats) -> Floats:
        with threadpool_limits(like["num_threads"], user_api="openmp"):
            return np.asarray(model.decision_function(X[:, kept]))

    return FittedRival(log_odds, stored_bytes((kept, model)))


_NATIVE = "the side of each split that history chose"

CHAMPION = Rival(
    "lightgbm_offset",
    "LightGBM on the experts' offset, monotone: what `qianfen train` makes champion",
    _NATIVE + "; the card's neutral points",
    "by TreeSHAP",
    partial(_lightgbm, "lightgbm_offset", True),
)
LIGHTGBM = Rival(
    "lightgbm",
    "LightGBM without the experts, monotone",
    _NATIVE,
    "by TreeSHAP",
    partial(_lightgbm, "lightgbm", True),
)
LIGHTGBM_OFFSET_FREE = Rival(
    "lightgbm_offset_free",
    "LightGBM on the experts' offset, no direction kept",
    _NATIVE + "; the card's neutral points",
    "by TreeSHAP",
    partial(_lightgbm, "lightgbm_offset", False),
)
LIGHTGBM_FREE = Rival(
    "lightgbm_free",
    "LightGBM without the experts, no direction kept",
    _NATIVE,
    "by TreeSHAP",
    partial(_lightgbm, "lightgbm", False),
)
HIST_GRADIENT_BOOSTING = Rival(
    "hist_gradient_boosting",
    "scikit-learn's boosted trees with LightGBM's parameters, monotone",
    _NATIVE,
    "by TreeSHAP",
    _hist_gradient_boosting,
)
