"""The thousand-point scale: two numbers, set by the first champion and kept by its successors."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.errors import ConfigurationError
from training.expert_card import CutPoints

MOST_POINTS = 1000.0

_APART = 1e-9
"""Log-odds nearer than this are equal but for rounding."""

_NOT_TOLD_APART = "The model cannot tell the outermost grades apart. Check labels and indicators."


@dataclass(frozen=True)
class Scale:
    """points = offset + factor x logit(probability), held in [0, 1000]."""

    offset: float
    factor: float

    @property
    def pdo(self) -> float:
        """Points that double the odds."""
        return self.factor * math.log(2.0)

    def points(self, log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return points before they are held in [0, 1000]."""
        return self.offset + self.factor * log_odds


def anchor(expert_points: NDArray[np.float64], log_odds: NDArray[np.float64], cut_points: CutPoints) -> Scale:
    """Return the scale on which the outermost cut points cut off the same shares as the experts' points do.

    Where entities share log-odds, the shares are the nearest that part nobody from their equals: a cut point that were
    the points of anybody would leave their grade to rounding.

    Parameters
    ----------
    expert_points, log_odds : arrays (n,)
        Experts' points and calibrated log-odds of the reference population.

    Raises
    ------
    ConfigurationError
        Where the experts' outermost cut points cut off nobody, everybody, or the same entities, or the model does.
    """
    low, high = cut_points.outermost
    n_below = [int((expert_points < cut).sum()) for cut in (low, high)]
    n = len(expert_points)
    if not 0 < n_below[0] < n_below[1] < n:
        raise ConfigurationError(
            f"The outermost cut points {low:g} and {high:g} must part the reference population by the experts' points, "
            f"below them lie {n_below[0]} and {n_below[1]} of {n}. Give other cut points with [scale] in city.toml."
        )
    ordered = np.sort(log_odds)
    at = [_between(ordered, k) for k in n_below]
    if at[1] <= at[0]:
        raise ConfigurationError(_NOT_TOLD_APART)
    factor = (high - low) / (at[1] - at[0])
    return Scale(offset=low - factor * at[0], factor=factor)


def _between(ordered: NDArray[np.float64], n_below: int) -> float:
    """Return the log-odds halfway between two that differ, with as nearly `n_below` of (n,) below as can be."""
    steps = np.flatnonzero(np.diff(ordered) > _APART) + 1
    if not len(steps):
        raise ConfigurationError(_NOT_TOLD_APART)
    k = steps[np.abs(steps - n_below).argmin()]
    return float(ordered[k - 1] + ordered[k]) / 2
