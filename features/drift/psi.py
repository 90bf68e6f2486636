"""The population stability index (PSI): how far a distribution has moved from a reference, over bins of the latter.

PSI is the sum over bins of (share now - share then) x ln(share now / share then). Siddiqi (Credit Risk Scorecards,
2006) calls 0.1 to 0.25 a small shift and 0.25 or more a large one. Where nothing has moved it still is not 0: by chance
it is about chi-squared of (bins - 1) degrees of freedom times (1 / rows now + 1 / rows then) (Yurdakul and Naranjo,
Statistical Properties of the Population Stability Index, Journal of Risk Model Validation, 2020).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

Values = NDArray[np.float64]

N_BINS = 10
TOLERANCE = 0.1
_ROWS_FOR_EDGES = 100_000
SMALLEST_SHARE = 1e-4
"""Stands in for the share of an empty bin, whose logarithm would be infinite."""


@dataclass(frozen=True)
class Bins:
    """Bins of a reference: below each edge and from the one before on; from the last edge on; missing.

    Attributes
    ----------
    edges : array (k,)
        Rising; empty where the reference has no value at all.
    tolerance : float
        Values within this share of an edge count in both its bins, by their parts. Half a city may share one rate that
        is estimated anew every day: without it, a move in the third digit would empty one bin into the next.
    counts : array (k + 2,)
        Rows of the reference in each bin; the last is missing.
    """

    edges: Values
    tolerance: float
    counts: Values

    @classmethod
    def of(cls, reference: Values, n_bins: int = N_BINS, tolerance: float = TOLERANCE) -> Bins:
        """Cut a reference (NaN is missing) into bins of about equal count, edges midway between two of its values.

        A value that fills a bin by itself, as 0 does in most counts, gets one of its own.
        """
        known = _known(reference)
        # Where an edge lies need not be exact, what is counted is: to sort a million values would cost the most.
        edges = _edges(np.sort(known[:: max(1, len(known) // _ROWS_FOR_EDGES)]), n_bins, tolerance)
        return cls(edges, tolerance, _count(reference, edges, tolerance))

    def count(self, values: Values) -> Values:
        """Return the rows in each bin, shape (k + 2,)."""
        return _count(values, self.edges, self.tolerance)


def psi(then: Values, now: Values) -> float:
    """Return the PSI of two counts over the same bins, every row weighed the same; NaN where a side has no row."""
    if then.sum() == 0 or now.sum() == 0:
        return float("nan")
    in_use = (then > 0) | (now > 0)
    expected = np.maximum(then[in_use] / then.sum(), SMALLEST_SHARE)
    actual = np.maximum(now[in_use] / now.sum(), SMALLEST_SHARE)
    return float(((actual - expected) * np.log(actual / expected)).sum())


def psi_by_chance(then: Values, now: Values, chance: float) -> float:
    """Return the PSI that is exceeded with this chance where nothing has moved; 0 where one bin alone is in use."""
    n_in_use = int(((then > 0) | (now > 0)).sum())
    if n_in_use < 2:
        return 0.0
    return float(chi2.isf(chance, n_in_use - 1) * (1 / then.sum() + 1 / now.sum()))


def _known(values: Values) -> Values:
    known: Values = values[~np.isnan(values)]
    return known


def _edges(known: Values, n_bins: int, tolerance: float) -> Values:
    """Return edges for sorted values."""
    if len(known) == 0:
        return np.empty(0)
    starts = np.flatnonzero(np.concatenate([[True], known[1:] != known[:-1]]))
    values, ends = known[starts], np.append(starts[1:], len(known))
    if len(values) == 1:
        # A constant has no neighbour: its bin reaches so far that no edge comes near enough to count it on both sides.
        margin = np.maximum(np.abs(values) * 2 * tolerance, 2 * np.finfo(float).tiny)
        return np.concatenate([values - margin, np.nextafter(values + margin, np.inf)])
    size = len(known) / n_bins
    at_quantiles = np.searchsorted(ends, size * np.arange(1, n_bins))
    frequent = np.flatnonzero(ends - starts >= size)
    # The edge after place i lies between values i and i + 1.
    after = np.unique(np.concatenate([at_quantiles, frequent, frequent - 1]))
    after = after[(after >= 0) & (after < len(values) - 1)]
    middle: Values = values[after] + (values[after + 1] - values[after]) / 2
    return middle


def _count(values: Values, edges: Values, tolerance: float) -> Values:
    """Count values by bin; one within `tolerance` of an edge lies below it by a part that falls from 1 to 0."""
    known = _known(values)
    half_width = np.maximum(np.abs(edges) * tolerance, np.finfo(float).tiny)
    low, high = edges - half_width, edges + half_width
    bounds = np.unique(np.concatenate([low, high]))
    cell = np.searchsorted(bounds, known, side="right")
    # Of the values below each bound: how many there are, and their sum.
    n_below = np.cumsum(np.bincount(cell, minlength=len(bounds) + 1))
    sum_below = np.cumsum(np.bincount(cell, weights=known, minlength=len(bounds) + 1))
    first, last = np.searchsorted(bounds, low), np.searchsorted(bounds, high)
    n_near, sum_near = n_below[last] - n_below[first], sum_below[last] - sum_below[first]
    # The sum over the values v near an edge of (edge - v) / (2 half widths) + 1/2, which rounding must not carry away.
    parts = np.clip((n_near * edges - sum_near) / (2 * half_width) + n_near / 2, 0.0, n_near)
    by_bin = np.diff(np.concatenate([[0.0], np.maximum.accumulate(n_below[first] + parts), [len(known)]]))
    return np.append(by_bin, float(len(values) - len(known)))
