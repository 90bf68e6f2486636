"""How far probabilities are from what came true: Murphy's parts of the Brier score, and the smooth calibration error.

Rows may be weighted, by how often a draw of the bootstrap has them or by whom they stand for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct, idct
from scipy.optimize import brentq

Floats = NDArray[np.float64]

GRID = 2048
"""Cells of [0, 1] on which residuals are smoothed."""


@dataclass(frozen=True)
class BrierParts:
    """The Brier score in parts (Murphy 1973): brier = reliability - resolution + uncertainty + within_bins.

    `reliability` is the squared distance of predicted and observed rates of the bins, 0 at best; `resolution` how far
    observed rates lie from the rate of all, the more the better; `uncertainty` what the labels alone give;
    `within_bins` what bins leave over where probabilities differ inside of one (Stephenson, Coelho and Jolliffe 2008).
    """

    brier: float
    reliability: float
    resolution: float
    uncertainty: float
    within_bins: float


def bins_of(probability: Floats, n_bins: int) -> NDArray[np.intp]:
    """Return the bin of each row, of about equal count; equal probabilities share one, so there may be fewer."""
    edges = np.unique(np.quantile(probability, np.linspace(0.0, 1.0, n_bins + 1)[1:-1]))
    _, bins = np.unique(np.searchsorted(edges, probability, side="right"), return_inverse=True)
    return np.asarray(bins, dtype=np.intp)


def rates(bins: NDArray[np.intp], y: Floats, probability: Floats, weight: Floats, n: int) -> Floats:
    """Return (3, n): weight, mean probability and observed rate of each bin; NaN where nothing weighs."""
    total = np.bincount(bins, weights=weight, minlength=n)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = [np.bincount(bins, weights=weight * values, minlength=n) / total for values in (probability, y)]
    return np.array([total, *means])


def brier_parts(y: Floats, probability: Floats, bins: NDArray[np.intp], weight: Floats) -> BrierParts:
    """Return the Brier score in parts over bins."""
    total, predicted, observed = rates(bins, y, probability, weight, int(bins.max()) + 1)
    there = total > 0
    share, predicted, observed = total[there] / total.sum(), predicted[there], observed[there]
    rate = float(share @ observed)
    brier = float(np.average((probability - y) ** 2, weights=weight))
    reliability = float(share @ (predicted - observed) ** 2)
    resolution, uncertainty = float(share @ (observed - rate) ** 2), rate * (1.0 - rate)
    return BrierParts(brier, reliability, resolution, uncertainty, brier - reliability + resolution - uncertainty)


def smooth_calibration_error(y: Floats, probability: Floats, weight: Floats) -> float:
    """Return smECE (Blasiok and Nakkiran 2023): the mean distance of residuals smoothed at a width that equals it.

    Residuals y - p are smoothed over p by a Gaussian kernel that the ends of [0, 1] reflect; the error falls as its
    width grows, and the one width at which both are equal is taken. No bin is chosen.
    """
    return SmoothedResiduals.of(y, probability, weight).fixed_point()


@dataclass(frozen=True)
class SmoothedResiduals:
    """Residuals over [0, 1], as cosines: a Gaussian that the ends reflect multiplies each by one number."""

    cosines: Floats

    @classmethod
    def of(cls, y: Floats, probability: Floats, weight: Floats) -> SmoothedResiduals:
        """Gather the residuals of rows: each is shared out between the two nearest cells, which keeps its place."""
        at = np.clip(probability * GRID - 0.5, 0.0, GRID - 1.0)
        below = np.minimum(at.astype(np.intp), GRID - 2)
        part, residual = at - below, weight * (y - probability) / weight.sum()
        mass = np.bincount(below, weights=(1.0 - part) * residual, minlength=GRID)
        mass += np.bincount(below + 1, weights=part * residual, minlength=GRID)
        return cls(dct(mass * GRID, type=2, norm="ortho"))

    def error(self, width: float) -> float:
        """Return the mean distance from 0 of the residuals smoothed by a kernel of standard deviation `width`."""
        damped = self.cosines * np.exp(-0.5 * (np.pi * width * np.arange(GRID)) ** 2)
        return float(np.abs(idct(damped, type=2, norm="ortho")).mean())

    def fixed_point(self) -> float:
        """Return the width that equals its error."""
        if self.error(0.0) == 0.0:
            return 0.0
        return float(brentq(lambda width: self.error(width) - width, 0.0, 1.0, xtol=1e-7))
