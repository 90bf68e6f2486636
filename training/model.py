"""Fitting LightGBM: parameters, monotone constraints, and the same trees for the same input."""

from __future__ import annotations

from typing import Any

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from data.city import City
from data.errors import ConfigurationError, did_you_mean
from features.catalogue import Catalogue

DEFAULTS: dict[str, Any] = {
    "objective": "binary",
    "learning_rate": 0.05,
    "num_leaves": 15,
    "min_data_in_leaf": 100,
    "lambda_l2": 10.0,
    "feature_fraction": 0.8,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "max_bin": 255,
}
"""Modest trees: a city has tens of thousands of labels, and each grade must be explained."""

SETTABLE = (
    *(name for name in DEFAULTS if name != "objective"),
    "max_depth",
    "lambda_l1",
    "min_sum_hessian_in_leaf",
    "extra_trees",
    "path_smooth",
    "min_gain_to_split",
    "feature_pre_filter",
)
"""What a city may set."""

UNFILTERED = {"feature_pre_filter": False}
"""Keeps indicators that one `min_data_in_leaf` could never split: fits with different ones may share the bins."""


def parameters(city: City, catalogue: Catalogue, threads: int) -> dict[str, Any]:
    """Return LightGBM's parameters for a city.

    Raises
    ------
    ConfigurationError
        Where city.toml sets a parameter that is unknown, or not a city's to set.
    """
    for name in city.model.parameters:
        if name not in SETTABLE:
            raise ConfigurationError(
                f"[model.parameters] {name} of {city.name} is not one that a city may set."
                f"{did_you_mean(name, SETTABLE)} Those are: {', '.join(SETTABLE)}."
            )
    return {
        **DEFAULTS,
        **city.model.parameters,
        "monotone_constraints": list(catalogue.monotone),
        "seed": city.model.seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": threads,
        "verbosity": -1,
    }


def binned(
    X: NDArray[np.float64],
    y: NDArray[np.int8],
    init_score: NDArray[np.float64] | None,
    names: tuple[str, ...],
    settings: dict[str, Any],
    weight: NDArray[np.float64] | None = None,
) -> lgb.Dataset:
    """Return rows as LightGBM bins them.

    Several fits may share them where their settings agree on `max_bin` and are UNFILTERED; LightGBM refuses others.
    """
    given = {"params": settings, "feature_name": list(names)}
    return lgb.Dataset(X, label=y, weight=weight, init_score=init_score, **given).construct()


def grow(dataset: lgb.Dataset, settings: dict[str, Any], rounds: int) -> lgb.Booster:
    """Train, and return the booster as read back from its own text: what is served is what was saved."""
    booster = lgb.train(settings, dataset, num_boost_round=rounds)
    return lgb.Booster(model_str=booster.model_to_string())


def expected_f(booster: lgb.Booster, n_indicators: int) -> float:
    """Return the mean of the trees over their training rows: the last value of `pred_contrib`."""
    row = np.full((1, n_indicators), np.nan)
    return float(np.asarray(booster.predict(row, pred_contrib=True))[0, -1])
