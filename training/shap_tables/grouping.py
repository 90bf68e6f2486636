"""Which leaves share a table: greedily, so that each group's joint cells stay few.

A group's cells are the product, over its features, of the classes of bins that its leaves tell apart. First fit by
falling number of features: leaves with many features open groups, and those whose features a group has already join it
where the cells stay below the limit, the one that grows least first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from training.shap_tables.paths import Leaf

_TRIES = 48
"""Groups that are tried for a leaf once one was found."""

_FULL = 200
"""Leaves that did not fit, after which a group is left alone."""


@dataclass(frozen=True)
class Group:
    """Leaves that share a table.

    Attributes
    ----------
    features : array of k
        Features of the group, rising.
    classes : list of k arrays
        For each feature, the class (0, 1, ...) of each of its bins.
    leaves : list of int
        Its leaves, by place.
    """

    features: NDArray[np.int64]
    classes: list[NDArray[np.int64]]
    leaves: list[int]

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of classes of each feature."""
        return tuple(int(c.max()) + 1 for c in self.classes)


def group_leaves(leaves: list[Leaf], n_bins: list[int], max_cells: int) -> list[Group]:
    """Gather leaves into groups of at most `max_cells` joint cells (a single leaf may need more)."""
    order = sorted(range(len(leaves)), key=lambda i: (-len(leaves[i].features), leaves[i].features, i))
    by_leaf = _assign(*_packed(leaves, order, max(n_bins)), np.array(n_bins), max_cells)
    members: dict[int, list[int]] = {}
    for place, group in zip(order, by_leaf, strict=True):
        members.setdefault(int(group), []).append(place)
    return [_group(leaves, places) for places in members.values()]


def _group(leaves: list[Leaf], places: list[int]) -> Group:
    features = np.array(sorted({f for place in places for f in leaves[place].features}), dtype=np.int64)
    classes = []
    for feature in features:
        seen = [
            leaf.agrees[leaf.features.index(feature)]
            for leaf in (leaves[p] for p in places)
            if feature in leaf.features
        ]
        classes.append(np.unique(np.stack(seen), axis=1, return_inverse=True)[1].ravel().astype(np.int64))
    return Group(features, classes, places)


def _packed(
    leaves: list[Leaf], order: list[int], widest: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Lay leaves end to end: where each starts, its features, and the agreement of each feature's bins."""
    starts = np.zeros(len(order) + 1, dtype=np.int64)
    starts[1:] = np.cumsum([len(leaves[i].features) for i in order])
    features = np.empty(starts[-1], dtype=np.int64)
    agrees = np.zeros((starts[-1], widest), dtype=np.bool_)
    for start, place in zip(starts, order, strict=False):
        for offset, (feature, agree) in enumerate(zip(leaves[place].features, leaves[place].agrees, strict=True)):
            features[start + offset] = feature
            agrees[start + offset, : len(agree)] = agree
    return starts, features, agrees


@njit(cache=True)
def _assign(starts, features, agrees, n_bins, max_cells):
    """Return the group of each leaf."""
    n_features, widest = len(n_bins), agrees.shape[1]
    group_of = np.empty(len(starts) - 1, dtype=np.int64)
    labels = np.zeros((64, n_features, widest), dtype=np.int16)
    counts = np.ones((64, n_features), dtype=np.int64)
    fails = np.zeros(64, dtype=np.int64)
    n_groups = 0
    for leaf in range(len(group_of)):
        begin, end = starts[leaf], starts[leaf + 1]
        best = _best_group(labels, counts, fails, n_groups, features, agrees, n_bins, begin, end, max_cells)
        if best == n_groups:
            n_groups += 1
            if n_groups == len(labels):
                labels = np.concatenate((labels, np.zeros_like(labels)))
                counts = np.concatenate((counts, np.ones_like(counts)))
                fails = np.concatenate((fails, np.zeros_like(fails)))
        _join(labels[best], counts[best], features, agrees, n_bins, begin, end)
        group_of[leaf] = best
    return group_of


@njit(cache=True)
def _best_group(labels, counts, fails, n_groups, features, agrees, n_bins, begin, end, max_cells):
    """Return the group that a leaf makes least large, among the newest that have its features; `n_groups` if none."""
    best, best_cells, tries = n_groups, max_cells + 1.0, 0
    for group in range(n_groups - 1, -1, -1):
        if fails[group] > _FULL or not _has_all(counts[group], features, begin, end):
            continue
        cells = _joined_cells(labels[group], counts[group], features, agrees, n_bins, begin, end)
        if cells > max_cells:
            fails[group] += 1
        elif cells < best_cells:
            best, best_cells = group, cells
        tries += 1
        if tries >= _TRIES and best < n_groups:
            break
    return best


@njit(cache=True)
def _has_all(counts, features, begin, end):
    """Say whether a group tells apart bins of every feature of a leaf."""
    has = True
    for i in range(begin, end):
        has &= counts[features[i]] > 1
    return has


@njit(cache=True)
def _joined_cells(labels, counts, features, agrees, n_bins, begin, end):
    """Cells of a group after a leaf joined it."""
    cells = 1.0
    for feature in range(len(counts)):
        cells *= counts[feature]
    for i in range(begin, end):
        feature = features[i]
        seen = np.zeros(2 * counts[feature], dtype=np.bool_)
        for b in range(n_bins[feature]):
            seen[2 * labels[feature, b] + agrees[i, b]] = True
        cells *= seen.sum() / counts[feature]
    return cells


@njit(cache=True)
def _join(labels, counts, features, agrees, n_bins, begin, end):
    """Split the classes of a group by what a leaf tells apart."""
    for i in range(begin, end):
        feature = features[i]
        new = np.full(2 * counts[feature], -1, dtype=np.int64)
        n = 0
        for b in range(n_bins[feature]):
            key = 2 * labels[feature, b] + agrees[i, b]
            if new[key] < 0:
                new[key] = n
                n += 1
            labels[feature, b] = new[key]
        counts[feature] = n
