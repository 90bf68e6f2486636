"""What predicts being inspected, and not violating: where inspectors go for another reason than what they find.

Two logistic regressions on the same columns: of being inspected, over everybody active; of a violation, over those who
were. Columns are the indicators by their rank among everybody, and whether an indicator is missing, each in standard
deviations of everybody, so that their effects can be held beside each other: the change in log-odds that comes with one
standard deviation more, all others held. Known before the as-of date like every indicator.

An indicator draws inspectors and not violations where its effect on being inspected lies above zero and above that
on violating, with the whole intervals, and that on violating does not lie above zero. The reverse is named too:
what goes with violations and draws no inspector. The outcome is known of the inspected alone; nothing here is a cause.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn.linear_model import LogisticRegression

from training.audit_rows import Audited
from training.bootstrap import draw_weights, interval_of

VISITED_NOT_VIOLATING, VIOLATING_NOT_VISITED = "visited, not violating", "violating, not visited"
MOST_ROWS = 40_000
LEAST_SHARE = 0.01
"""A column that hardly anybody differs in says nothing."""

_RIDGE, _SEED = 1.0, 0

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Columns:
    """Standardised columns (n, k): the indicators that each stands for, and whether it is their being missing."""

    values: Floats
    indicators: tuple[tuple[str, ...], ...]
    is_missing: tuple[bool, ...]


def columns_of(X: Floats, names: Sequence[str]) -> Columns:
    """Return the columns of indicators (n, 18). Those that are missing together stand together."""
    found: list[tuple[tuple[str, ...], bool, Floats]] = []
    flags: dict[bytes, tuple[list[str], Floats]] = {}
    for place, name in enumerate(names):
        known = ~np.isnan(X[:, place])
        if known.mean() < LEAST_SHARE:
            continue
        rank = np.zeros(len(X))
        rank[known] = rankdata(X[known, place])
        rank[known] -= rank[known].mean()
        _, sizes = np.unique(X[known, place], return_counts=True)
        if 1.0 - sizes.max() / sizes.sum() >= LEAST_SHARE:
            found.append(((name,), False, rank / rank.std()))
        if 1.0 - known.mean() >= LEAST_SHARE:
            flags.setdefault(known.tobytes(), ([], (~known).astype(np.float64)))[0].append(name)
    found += [(tuple(together), True, (flag - flag.mean()) / flag.std()) for together, flag in flags.values()]
    values = np.column_stack([column for *_, column in found]) if found else np.empty((len(X), 0))
    return Columns(values, tuple(names for names, *_ in found), tuple(missing for _, missing, _ in found))


def selection_effects(rows: Audited, names: Sequence[str], n_draws: int) -> dict[str, Any] | None:
    """Return the effects of each column on being inspected and on violating, as JSON holds them.

    Parameters
    ----------
    rows : Audited
        Everybody active.
    names : sequence of str
        Of the indicators.

    Returns
    -------
    dict or None
        n, n_inspected, n_violations and effects: for each column indicators, is_missing, inspected, violating,
        difference (value, low, high, n_draws), and verdict. None where all or none were inspected, or all or none of
        these violated.
    """
    rows = _some(rows)
    inspected, y = rows.inspected, rows.y
    if len(np.unique(inspected)) < 2 or len(np.unique(y[inspected])) < 2:
        return None
    columns = columns_of(rows.X, names)
    outcomes = [(np.ones(len(y), dtype=bool), inspected.astype(np.int8)), (inspected, y[inspected].astype(np.int8))]

    def fitted(weight: Floats) -> Floats:
        return np.array([_slopes(columns.values[mask], outcome, weight[mask]) for mask, outcome in outcomes])

    value = fitted(np.ones(len(y)))
    draws = np.array([fitted(w.astype(np.float64)) for w in draw_weights(rows.entity_ids.astype(str), n_draws)])
    effects = [_effect(columns, place, value[:, place], draws[:, :, place]) for place in range(value.shape[1])]
    return {
        "n": len(y), "n_inspected": int(inspected.sum()), "n_violations": int(y[inspected].sum()),
        "effects": sorted(effects, key=lambda one: -one["difference"]["value"]),
    }  # fmt: skip


def _slopes(X: Floats, y: NDArray[np.int8], weight: Floats) -> Floats:
    if len(np.unique(y[weight > 0])) < 2 or not X.shape[1]:
        return np.full(X.shape[1], np.nan)
    # Ridge only holds apart columns that say nearly the same.
    model = LogisticRegression(C=1.0 / _RIDGE, solver="newton-cholesky", max_iter=200)
    return np.asarray(model.fit(X, y, sample_weight=weight).coef_[0], dtype=np.float64)


def _effect(columns: Columns, place: int, value: Floats, drawn: Floats) -> dict[str, Any]:
    inspected, violating = (interval_of(value[k], drawn[:, k], len(drawn)) for k in range(2))
    difference = interval_of(value[0] - value[1], drawn[:, 0] - drawn[:, 1], len(drawn))
    verdict = ""
    if inspected.low > 0 and difference.low > 0 and not violating.low > 0:
        verdict = VISITED_NOT_VIOLATING
    if violating.low > 0 and difference.high < 0 and not inspected.low > 0:
        verdict = VIOLATING_NOT_VISITED
    return {
        "indicators": list(columns.indicators[place]), "is_missing": columns.is_missing[place], "verdict": verdict,
        "inspected": inspected.as_json(), "violating": violating.as_json(), "difference": difference.as_json(),
    }  # fmt: skip


def _some(rows: Audited) -> Audited:
    """Return all rows, or those of entities drawn by lot where there are very many."""
    if len(rows.y) <= MOST_ROWS:
        return rows
    entities, place = np.unique(rows.entity_ids.astype(str), return_inverse=True)
    kept = np.random.default_rng(_SEED).random(len(entities)) < MOST_ROWS / len(rows.y)
    return rows.take(kept[place])
