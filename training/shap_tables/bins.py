"""Bins: a model can see of a value only which side of its own splits it falls on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.shap_tables.compiled import compiled
from training.shap_tables.model_text import MISSING_NONE, MISSING_ZERO, Model, Tree

ZERO_THRESHOLD = float(np.float32(1e-35))
"""LightGBM's kZeroThreshold: a value this near to zero is read as zero, and with zero_as_missing is missing."""


@dataclass(frozen=True)
class Bins:
    """Bins of every feature, laid end to end.

    A number x lies in the bin with as many cuts below it (LightGBM sends it left at a threshold t where x <= t); after
    these comes one bin for NaN, and one for zero where some split takes zero as missing. A category lies in the bin of
    the categories that no split tells apart; those that no split names, negative and missing ones lie in the last.

    Attributes
    ----------
    cuts : float64 (n_cuts,)
        Of each numeric feature, rising.
    cut_starts : int64 (n_features + 1,)
    has_zero : bool (n_features,)
    category_bins : int64 (n_categories,)
        Of each categorical feature, the bin of category 0, 1, ...
    category_starts : int64 (n_features + 1,)
    counts : int64 (n_features,)
        Bins of each feature.
    """

    cuts: NDArray[np.float64]
    cut_starts: NDArray[np.int64]
    has_zero: NDArray[np.bool_]
    category_bins: NDArray[np.int64]
    category_starts: NDArray[np.int64]
    counts: NDArray[np.int64]

    @property
    def dtype(self) -> type[np.unsignedinteger[Any]]:
        """One byte for each bin where no feature has more than 256."""
        return np.uint8 if int(self.counts.max(initial=0)) <= 256 else np.uint16

    def left_of(self, tree: Tree, node: int) -> NDArray[np.bool_]:
        """Say for each bin of a node's feature whether the node sends it left."""
        feature = int(tree.feature[node])
        left = np.zeros(int(self.counts[feature]), dtype=np.bool_)
        if node in tree.left_categories:
            left[self.category_bins[self.category_starts[feature] + tree.left_categories[node]]] = True
            return left
        cuts = self.cuts[self.cut_starts[feature] : self.cut_starts[feature + 1]]
        threshold, missing_type = float(tree.threshold[node]), int(tree.missing_type[node])
        left[: int(np.searchsorted(cuts, threshold)) + 1] = True
        zero_goes_left, default_left = threshold >= 0.0, bool(tree.default_left[node])
        left[len(cuts) + 1] = zero_goes_left if missing_type == MISSING_NONE else default_left
        if self.has_zero[feature]:
            left[len(cuts) + 2] = default_left if missing_type == MISSING_ZERO else zero_goes_left
        return left

    def bin(self, X: NDArray[np.floating]) -> NDArray[Any]:
        """Return the bins (n_rows, n_features) of rows; NaN is missing."""
        bins = np.empty(X.shape, dtype=self.dtype)
        bin_rows(X, self.cuts, self.cut_starts, self.has_zero, self.category_bins, self.category_starts, bins)
        return bins

    def bin_plainly(self, X: NDArray[np.floating]) -> NDArray[Any]:
        """Return the same without a compiled loop."""
        bins = np.empty(X.shape, dtype=self.dtype)
        for feature in range(X.shape[1]):
            x = X[:, feature].astype(np.float64)
            low, high = self.category_starts[feature : feature + 2]
            if high > low:
                known = (x > -1) & (x < high - low)
                place = np.where(known, x, 0).astype(np.int64)
                bins[:, feature] = np.where(known, self.category_bins[low + place], self.counts[feature] - 1)
                continue
            cuts = self.cuts[self.cut_starts[feature] : self.cut_starts[feature + 1]]
            x[np.abs(x) <= ZERO_THRESHOLD] = 0.0
            bins[:, feature] = np.where(np.isnan(x), len(cuts) + 1, np.searchsorted(cuts, x))
            if self.has_zero[feature]:
                bins[x == 0.0, feature] = len(cuts) + 2
        return bins


def bins_of(model: Model) -> Bins:
    """Return the bins that a model's splits make."""
    cuts: list[list[NDArray[np.float64]]] = [[np.empty(0)] for _ in range(model.n_features)]
    categories: list[list[NDArray[np.int64]]] = [[] for _ in range(model.n_features)]
    has_zero = np.zeros(model.n_features, dtype=np.bool_)
    for tree in model.trees:
        by_number = np.ones(len(tree.feature), dtype=np.bool_)
        for node, named in tree.left_categories.items():
            by_number[node] = False
            categories[tree.feature[node]].append(named)
        for feature in np.unique(tree.feature[by_number]):
            here = by_number & (tree.feature == feature)
            cuts[feature].append(tree.threshold[here])
            has_zero[feature] |= bool((tree.missing_type[here] == MISSING_ZERO).any())
    cuts_of = [np.unique(np.concatenate(c)) for c in cuts]
    category_bins = [_category_bins(named) for named in categories]
    counts = [
        int(bins.max()) + 2 if len(bins) else len(c) + 2 + int(zero)
        for bins, c, zero in zip(category_bins, cuts_of, has_zero, strict=True)
    ]
    return Bins(
        cuts=np.concatenate(cuts_of),
        cut_starts=starts_of([len(c) for c in cuts_of]),
        has_zero=has_zero,
        category_bins=np.concatenate(category_bins),
        category_starts=starts_of([len(bins) for bins in category_bins]),
        counts=np.array(counts, dtype=np.int64),
    )


def starts_of(lengths: list[int]) -> NDArray[np.int64]:
    """Return where each of several pieces starts when laid end to end, and where the last ends."""
    return np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)


def _category_bins(named: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Return the bin of each category up to the highest that a split names."""
    if not named:
        return np.empty(0, dtype=np.int64)
    goes_left = np.zeros((len(named), max(int(n.max(initial=0)) for n in named) + 1), dtype=np.bool_)
    for row, categories in zip(goes_left, named, strict=True):
        row[categories] = True
    return np.unique(goes_left, axis=1, return_inverse=True)[1].ravel().astype(np.int64)


@compiled
def bin_rows(X, cuts, cut_starts, has_zero, category_bins, category_starts, bins):
    """Fill `bins` (n_rows, n_features) with the bin of every value of X."""
    for row in range(X.shape[0]):
        for feature in range(X.shape[1]):
            x = np.float64(X[row, feature])
            low, high = cut_starts[feature], cut_starts[feature + 1]
            n_categories = category_starts[feature + 1] - category_starts[feature]
            if n_categories:
                # Cut off towards zero, as LightGBM does; what is none of the model's categories has the last bin.
                if x > -1.0 and x < n_categories:
                    bins[row, feature] = category_bins[category_starts[feature] + np.int64(x)]
                else:
                    bins[row, feature] = _others(category_bins, category_starts, feature)
            elif np.isnan(x):
                bins[row, feature] = high - low + 1
            elif has_zero[feature] and abs(x) <= ZERO_THRESHOLD:
                bins[row, feature] = high - low + 2
            else:
                # LightGBM reads what is this near to zero as zero, before any threshold.
                bins[row, feature] = _below(cuts, low, high, 0.0 if abs(x) <= ZERO_THRESHOLD else x)


@compiled
def _others(category_bins, category_starts, feature):
    """Return the bin of what is none of a feature's categories."""
    return category_bins[category_starts[feature] : category_starts[feature + 1]].max() + 1


@compiled
def _below(cuts, low, high, x):
    """Count the cuts from `low` to `high` that are below x."""
    first, length = low, high - low
    while length > 1:
        half = length // 2
        # Without a branch, which no processor could foresee.
        low += half * (cuts[low + half - 1] < x)
        length -= half
    return low - first + (length == 1 and cuts[low] < x)
