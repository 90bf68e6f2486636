"""The thousand-point scale: two numbers, set by the first champion and kept by its successors."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.errors import ConfigurationError
from training.expert_card import CutPoints

MOST_POINTS = 1000.0


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

    Parameters
    ----------
    expert_points, log_odds : arrays (n,)
        Experts' points and calibrated log-odds of the reference population.

    Raises
    ------
    ConfigurationError
        Where the experts' outermost cut points cut off nobody, everybody, or the same entities.
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
    at = [float(ordered[k - 1] + ordered[k]) / 2 for k in n_below]
    if at[1] <= at[0]:
        raise ConfigurationError("The model cannot tell the outermost grades apart. Check labels and indicators.")
    factor = (high - low) / (at[1] - at[0])
    return Scale(offset=low - factor * at[0], factor=factor)
