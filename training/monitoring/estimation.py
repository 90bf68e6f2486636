"""Performance before labels arrive: what the calibrated probabilities promise (CBPE).

Confidence-based performance estimation (NannyML, "How it works: estimation of performance of the monitored model")
takes a row with probability p as p violations and 1 - p rows without. A metric over such rows, each standing there
twice and weighed by p and by 1 - p, is the performance to be expected. It is right as long as the probabilities are:
where entities come to be otherwise than they were (data drift), the estimate follows; where the same values come to
mean another risk (concept drift), it does not see it. Then what comes true falls outside the interval given here.

Rows count by their chance of being inspected: what comes true is measured on the inspected alone.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from training import metrics
from training.bootstrap import Interval, interval_of

Floats = NDArray[np.float64]
Figures = dict[str, float]

FIGURES = ("roc_auc", "brier_score", "precision_at_capacity", "violation_rate")

_SEED = 20260101


def realised(y: NDArray[np.int8], probability: Floats, capacity_percent: float) -> Figures:
    """Return the figures of rows whose labels (n,) are known."""
    return {
        "roc_auc": metrics.fast_roc_auc(y, probability),
        "brier_score": float(np.mean((probability - y) ** 2)),
        "precision_at_capacity": metrics.precision_at(y, probability, capacity_percent),
        "violation_rate": float(y.mean()),
    }


def expected_figures(probability: Floats, weight: Floats, capacity_percent: float) -> Figures:
    """Return the figures to be expected of rows without labels.

    Parameters
    ----------
    probability : float64 (n,)
        Calibrated; the rows are ordered by it.
    weight : float64 (n,)
        What each row counts, such as its chance of being inspected.
    capacity_percent : float
        Share with the highest probability, for the precision.
    """
    twice = np.concatenate([probability, probability])
    y = np.repeat(np.array([1, 0], dtype=np.int8), len(probability))
    both = np.concatenate([weight * probability, weight * (1.0 - probability)])
    return {
        "roc_auc": metrics.roc_auc(y, twice, both),
        "brier_score": float(np.average((twice - y) ** 2, weights=both)),
        "precision_at_capacity": metrics.precision_at(y, twice, capacity_percent, both),
        "violation_rate": float(np.average(probability, weights=weight)),
    }


def expectation(probability: Floats, chance: Floats, capacity_percent: float, n_draws: int) -> dict[str, Interval]:
    """Return the figures to be expected, each with the interval in which 95% of what comes true should lie.

    In each draw every row is inspected with its chance (n,) and violates with its probability (n,). Rows with the
    chance 1 are drawn always: the interval is then of their labels alone. NaN where less than half of the draws have
    the figure.
    """
    inspected = chance > 0
    probability, chance = probability[inspected], chance[inspected]
    drawn = list(_drawn_figures(probability, chance, capacity_percent, n_draws))
    value = expected_figures(probability, chance, capacity_percent)
    return {name: interval_of(value[name], np.array([figures[name] for figures in drawn]), n_draws) for name in FIGURES}


def _drawn_figures(probability: Floats, chance: Floats, capacity_percent: float, n_draws: int) -> Iterator[Figures]:
    generator = np.random.default_rng(_SEED)
    for _ in range(n_draws):
        mine = probability[generator.random(len(chance)) < chance]
        y = (generator.random(len(mine)) < mine).astype(np.int8)
        # One class alone has no AUC, but the other figures; no row has none.
        if len(y):
            yield realised(y, mine, capacity_percent)
