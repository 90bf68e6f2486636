"""Explainable boosting machines of interpret: a curve for each indicator, and with pairs a map for some pairs."""

from __future__ import annotations

import warnings
from functools import partial
from typing import Any

import numpy as np
from joblib import parallel_config
from numpy.typing import NDArray

from training.fitting import Recipe
from training.rivals.rival import FittedRival, Floats, Rival, informative, stored_bytes
from training.rows import Rows

BAGS = 4
SHARE_TO_STOP = 0.15
PAIRS = {"interactions": 10, "max_interaction_bins": 16}
"""Machines whose mean is taken, the share of entities that tell each when to stop, and pairs of indicators.

interpret's own 14 machines and 54 pairs of 64 bins take minutes.
"""


def _fit(settings: dict[str, Any], is_monotone: bool, rows: Rows, recipe: Recipe, seed: int) -> FittedRival:
    # It takes seconds to import.
    from interpret.glassbox import ExplainableBoostingClassifier

    kept = informative(rows.X)
    threads = recipe.lightgbm["num_threads"]
    directions = np.array(recipe.lightgbm["monotone_constraints"])[kept].tolist()
    bags = bags_of_entities(rows.entity_ids, seed)
    model = ExplainableBoostingClassifier(
        outer_bags=BAGS,
        feature_types=["continuous"] * len(kept),
        monotone_constraints=directions if is_monotone else None,
        n_jobs=threads,
        random_state=seed,
        **settings,
    )
    # The work is compiled and lets go of Python's lock: threads do, and no process has to be started.
    with warnings.catch_warnings(), parallel_config(backend="threading", n_jobs=threads):
        warnings.filterwarnings("ignore", "Missing values detected")
        model.fit(rows.X[:, kept], rows.y, sample_weight=rows.weight, bags=bags)

    def log_odds(X: Floats) -> Floats:
        return np.asarray(model.decision_function(X[:, kept]))

    return FittedRival(log_odds, stored_bytes((kept, model)))


def bags_of_entities(entity_ids: NDArray[np.object_], seed: int) -> NDArray[np.int8]:
    """Return for each machine which rows it learns from (1) and which tell it when to stop (-1), (n, BAGS).

    All rows of an entity are on one side: rows drawn singly would let it stop too late, for it has seen the entity.
    """
    _, entity = np.unique(entity_ids, return_inverse=True)
    draws = np.random.default_rng(seed).random((int(entity.max()) + 1, BAGS))
    return np.where(draws < SHARE_TO_STOP, -1, 1).astype(np.int8)[entity]


BOOSTED_PAIRS = Rival(
    "boosted_pairs",
    "interpret's explainable boosting machine: curves and ten pairs, no direction kept",
    "a value of its own on each curve",
    "with pairs",
    partial(_fit, PAIRS, False),
    package="interpret",
)
BOOSTED_TERMS = Rival(
    "boosted_terms",
    "interpret's explainable boosting machine, one curve for each indicator, monotone",
    "a value of its own on each curve",
    "yes",
    partial(_fit, {"interactions": 0}, True),
    package="interpret",
)
