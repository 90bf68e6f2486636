"""Adversarial validation: can trees tell rows of another time from those of today, and by which indicators?

Where they cannot (AUC 0.5), the model meets what it has met before. Entities stand on both sides, so each is kept on
one side of the cross-validation, and the interval draws entities: nobody is recognised.

Values enter as the PSI sees them, by bins of the earlier side, and one near an edge falls to either side by its part.
Otherwise the date itself would be read off: the violation rate of an industry is estimated anew every day, all its
entities share it, and its last digits are a time stamp that tells every row apart and says nothing of risk.
"""

from __future__ import annotations

from typing import Any

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold

from features.drift.psi import Bins
from training.bootstrap import interval
from training.metrics import fast_roc_auc

Floats = NDArray[np.float64]

MOST_ROWS = 20_000
"""Rows of each side that are looked at; more would only say the same with more digits."""

FOLDS, ROUNDS = 5, 60
PARAMETERS: dict[str, Any] = {
    "objective": "binary", "learning_rate": 0.1, "num_leaves": 15, "min_data_in_leaf": 50, "lambda_l2": 1.0,
    "deterministic": True, "force_row_wise": True, "seed": 1, "verbosity": -1,
}  # fmt: skip
_SEED = 20260101


def told_apart(
    X_then: Floats,
    ids_then: NDArray[Any],
    X_now: Floats,
    ids_now: NDArray[Any],
    names: tuple[str, ...],
    n_draws: int,
    threads: int,
) -> dict[str, Any] | None:
    """Return how well rows are told apart; None where a side has fewer entities than there are folds.

    Parameters
    ----------
    X_then, X_now : float64 (n, k), (m, k)
        Indicators; NaN is missing.
    ids_then, ids_now : (n,), (m,)
        Whose each row is.

    Returns
    -------
    dict
        n_then, n_now: rows looked at. roc_auc: cross-validated, with the interval. by: for each indicator that the
        trees used its share of the gain, and the AUC by which its value alone tells the sides apart, the larger first.
    """
    then, now = _sample(len(ids_then)), _sample(len(ids_now))
    X = _in_bins(X_then[then], X_now[now])
    y = np.repeat(np.array([0, 1], dtype=np.int8), [len(then), len(now)])
    ids = np.concatenate([ids_then[then], ids_now[now]])
    if min(len(np.unique(ids[y == side])) for side in (0, 1)) < FOLDS:
        return None
    score, gain = np.empty(len(y)), np.zeros(len(names))
    for learn, test in GroupKFold(FOLDS, shuffle=True, random_state=_SEED).split(X, y, ids):
        booster = lgb.train({**PARAMETERS, "num_threads": threads}, lgb.Dataset(X[learn], label=y[learn]), ROUNDS)
        score[test] = np.asarray(booster.predict(X[test], raw_score=True, num_threads=threads))
        gain += booster.feature_importance("gain")
    share = gain / max(gain.sum(), np.finfo(float).tiny)
    return {
        "n_then": len(then),
        "n_now": len(now),
        "roc_auc": interval(fast_roc_auc, y, score, ids, n_draws=n_draws).as_json(),
        "by": [
            {"name": names[place], "share": float(share[place]), "alone": _alone(y, X[:, place])}
            for place in np.argsort(-share, kind="stable")
            if share[place] > 0
        ],
    }


def _in_bins(X_then: Floats, X_now: Floats) -> Floats:
    """Return both sides, the earlier first, with the number of the bin in place of each value; NaN stays missing."""
    X, generator = np.concatenate([X_then, X_now]), np.random.default_rng(_SEED)
    for place in range(X.shape[1]):
        bins = Bins.of(X_then[:, place])
        shift = generator.uniform(-1.0, 1.0, (len(X), 1)) * bins.tolerance
        number = (X[:, [place]] >= bins.edges + shift * np.abs(bins.edges)).sum(axis=1)
        X[:, place] = np.where(np.isnan(X[:, place]), np.nan, number)
    return X


def _sample(n: int) -> NDArray[np.intp]:
    """Return which of n rows are looked at, in order."""
    chosen = np.random.default_rng(_SEED).permutation(n)[:MOST_ROWS]
    return np.sort(chosen)


def _alone(y: NDArray[np.int8], values: Floats) -> float:
    """Return the AUC of one indicator, at least 0.5; a missing value counts as the lowest."""
    auc = fast_roc_auc(y, np.where(np.isnan(values), -np.inf, values))
    return max(auc, 1.0 - auc)
