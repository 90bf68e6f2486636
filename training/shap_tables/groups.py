"""Which leaves of a family share a table: greedily, so that each table has few cells.

A table's cells are the product, over its features, of the classes of bins that its leaves tell apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.shap_tables.compiled import compiled
from training.shap_tables.families import PACK, Family
from training.shap_tables.forest import Forest, Leaves

_MOST_CLASSES = 64
"""Most classes of one feature in a table."""


@dataclass(frozen=True)
class Groups:
    """Groups of a family's leaves.

    Attributes
    ----------
    of_leaf : int64 (n_leaves of the family,)
        The group of each leaf.
    counts : int64 (n_groups, n_features of the family)
        Classes that each group tells apart.
    classes : uint64 (n_groups, n_features of the family, _MOST_CLASSES, n_words)
        Bins of each class, as bits.
    """

    of_leaf: NDArray[np.int64]
    counts: NDArray[np.int64]
    classes: NDArray[np.uint64]


def groups_of(forest: Forest, leaves: Leaves, family: Family, n_bins: NDArray[np.int64], max_cells: int) -> Groups:
    """Gather the leaves of a family into groups of at most `max_cells` cells each; a leaf alone may need more.

    The number of groups is rounded up to whole packs, and the cells are then as few as so many groups allow.
    """
    # Leaves with many features open groups; neighbours in a tree, which share thresholds, come one after the other.
    order = np.argsort(-leaves.n_features[family.leaves], kind="stable")
    chosen = family.leaves[order]
    starts = np.concatenate(([0], np.cumsum(leaves.n_features[chosen])))
    edges = np.concatenate([leaves.edges[leaves.starts[leaf] : leaves.starts[leaf + 1]] for leaf in chosen])
    asks = (starts, np.searchsorted(family.features, forest.feature[edges]), forest.follows[edges])
    every = _first_bits(n_bins[family.features], forest.follows.shape[1])
    found = assign(*asks, every, max_cells, len(chosen))
    most = -(-len(found[1]) // PACK) * PACK
    low, high = 1, max_cells
    while high - low > max(low // 8, 1):
        middle = (low + high) // 2
        tried = assign(*asks, every, middle, most)
        if len(tried[1]):
            found, high = tried, middle
        else:
            low = middle
    of_leaf = np.empty(len(chosen), dtype=np.int64)
    of_leaf[order] = found[0]
    return Groups(of_leaf, found[1], found[2])


def _first_bits(counts: NDArray[np.int64], n_words: int) -> NDArray[np.uint64]:
    """Return (n, n_words): the first so many bits set."""
    flags = np.arange(n_words * 64) < counts[:, None]
    return np.packbits(flags, axis=1, bitorder="little").view("<u8").astype(np.uint64)


@compiled
def assign(starts, lanes, follows, every, max_cells, most_groups):
    """Return the group of each leaf, classes that each group tells apart, and the classes; no groups if too many."""
    n_leaves, n_lanes, n_words = len(starts) - 1, every.shape[0], every.shape[1]
    of_leaf = np.empty(n_leaves, dtype=np.int64)
    room = min(most_groups, n_leaves, 8)
    counts = np.ones((room, n_lanes), dtype=np.int64)
    classes = np.zeros((room, n_lanes, _MOST_CLASSES, n_words), dtype=np.uint64)
    n_groups = 0
    for leaf in range(n_leaves):
        begin, end = starts[leaf], starts[leaf + 1]
        best = _nearest(counts[:n_groups], classes, lanes[begin:end], follows[begin:end], max_cells)
        if best == n_groups:
            if n_groups == most_groups:
                return of_leaf, counts[:0], classes[:0]
            if n_groups == room:
                room *= 2
                counts = np.concatenate((counts, np.ones_like(counts)))
                classes = np.concatenate((classes, np.zeros_like(classes)))
            classes[n_groups, :, 0] = every
            n_groups += 1
        for i in range(begin, end):
            counts[best, lanes[i]] = _split(classes[best, lanes[i]], counts[best, lanes[i]], follows[i])
        of_leaf[leaf] = best
    return of_leaf, counts[:n_groups].copy(), classes[:n_groups].copy()


@compiled
def _nearest(counts, classes, lanes, follows, max_cells):
    """Return the group that a leaf adds fewest cells to; the number of groups where it fits into none."""
    best, least = len(counts), np.inf
    for group in range(len(counts)):
        before = 1.0
        for lane in range(counts.shape[1]):
            before *= counts[group, lane]
        after = before
        for i in range(len(lanes)):
            n = counts[group, lanes[i]]
            split = _splits(classes[group, lanes[i]], n, follows[i])
            after *= (n + split) / n
            # Half a cell for rounding.
            if after > max_cells + 0.5 or n + split > _MOST_CLASSES:
                after = np.inf
                break
        if after - before < least:
            best, least = group, after - before
    return best


@compiled
def _splits(classes, n, follows):
    """Count the classes, of n, that a leaf splits: some of their bins follow its path and some do not."""
    split = 0
    for c in range(n):
        inside = outside = np.uint64(0)
        for word in range(len(follows)):
            inside |= classes[c, word] & follows[word]
            outside |= classes[c, word] & ~follows[word]
        split += inside != 0 and outside != 0
    return split


@compiled
def _split(classes, n, follows):
    """Split the classes, of n, by a leaf; return how many there are now."""
    now = n
    for c in range(n):
        if _splits(classes[c : c + 1], 1, follows):
            for word in range(len(follows)):
                classes[now, word] = classes[c, word] & ~follows[word]
                classes[c, word] &= follows[word]
            now += 1
    return now
