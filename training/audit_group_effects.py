"""What knowing the group would add: to the ranking, and to the violation rate of rows with equal probability.

Of who inspects this is the question how much of a finding is the inspector's. The group is known here of the inspected
alone, and no score may rest on it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import OneHotEncoder

from training.audit_rows import Audited
from training.bootstrap import draw_weights, interval, interval_of
from training.metrics import fast_roc_auc

BANDS = 3
"""Rows of about equal probability: thirds of the test."""

Floats = NDArray[np.float64]


def rates_at_equal_probability(test: Audited, kind: str, n_draws: int) -> list[dict[str, Any]]:
    """Return for each group and third of the probability: group, band (1 is the lowest), n, predicted, and the rate.

    The rate is value, low, high and n_draws; an entity's rows are drawn together.
    """
    edges = np.quantile(test.probability, np.linspace(0.0, 1.0, BANDS + 1)[1:-1])
    band = np.searchsorted(edges, test.probability, side="right")
    groups = sorted(test.groups[kind].dropna().unique())
    place = test.groups[kind].map({name: number for number, name in enumerate(groups)}).fillna(-1).to_numpy(np.int64)
    cell, known, n_cells = place * BANDS + band, place >= 0, len(groups) * BANDS

    def sums(weight: NDArray[Any]) -> Floats:
        return np.bincount(cell[known], weight[known], n_cells).astype(np.float64)

    with np.errstate(invalid="ignore", divide="ignore"):
        counts, rates = sums(np.ones(len(cell))), sums(test.y) / sums(np.ones(len(cell)))
        predicted = sums(test.probability) / counts
        drawn = np.array([sums(w * test.y) / sums(w) for w in draw_weights(test.entity_ids.astype(str), n_draws)])
    return [
        {
            "group": group, "band": number + 1, "n": int(counts[at]), "predicted": float(predicted[at]),
            "rate": interval_of(rates[at], drawn[:, at], n_draws).as_json(),
        }
        for place_of, group in enumerate(groups)
        for number in range(BANDS)
        if counts[at := place_of * BANDS + number]
    ]  # fmt: skip


def what_groups_add(earlier: Audited, test: Audited, kind: str, n_draws: int) -> dict[str, Any] | None:
    """Return how much better the test is ranked where the group is known beside the probability.

    A logistic regression on the log-odds and the group learns from the earlier rows. Returns roc_auc, with_group and
    difference, each with its interval; None where there is one group, or too few rows have one.
    """
    known = [side.groups[kind].notna().to_numpy() for side in (earlier, test)]
    if min(int(k.sum()) for k in known) < 2 or test.groups[kind].nunique() < 2:
        return None
    columns = [_with_group(side, kind, mask) for side, mask in zip((earlier, test), known, strict=True)]
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False).fit(columns[0][1])
    X = [np.column_stack([odds, encoder.transform(group)]) for odds, group in columns]
    y_earlier, y = earlier.y[known[0]], test.y[known[1]]
    if len(np.unique(y_earlier)) < 2 or len(np.unique(y)) < 2:
        return None
    model = LogisticRegression(max_iter=1000).fit(X[0], y_earlier)
    scores = np.column_stack([columns[1][0], model.decision_function(X[1])])
    ids = test.entity_ids[known[1]].astype(str)

    def measured(metric: Callable[..., float]) -> dict[str, Any]:
        return interval(metric, y, scores, ids, n_draws=n_draws).as_json()

    return {
        "n": len(y),
        "roc_auc": measured(lambda y, s: fast_roc_auc(y, s[:, 0])),
        "with_group": measured(lambda y, s: fast_roc_auc(y, s[:, 1])),
        "difference": measured(lambda y, s: fast_roc_auc(y, s[:, 1]) - fast_roc_auc(y, s[:, 0])),
    }


def _with_group(rows: Audited, kind: str, known: NDArray[np.bool_]) -> tuple[Floats, NDArray[np.object_]]:
    p = rows.probability[known].clip(1e-9, 1 - 1e-9)
    return np.log(p / (1 - p)), rows.groups[kind][known].to_numpy(dtype=object)[:, None]
