"""All paths of a model: trees as edges, each with what the whole path down to it asks of its feature."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.errors import ArtifactError
from training.shap_tables.bins import Bins
from training.shap_tables.compiled import compiled
from training.shap_tables.model_text import Model, Tree

WORD = 64


@dataclass(frozen=True)
class Forest:
    """Trees as edges, each tree in preorder, so that an edge's left child follows it. A tree begins with its root.

    Attributes
    ----------
    roots : int64 (n_trees + 1,)
        Where each tree begins.
    parent : int64 (n_edges,)
        The edge above; -1 for a root.
    right : int64 (n_edges,)
        The right child; 0 for a leaf.
    feature : int64 (n_edges,)
        The feature that the edge's node splits; -1 for a root.
    before : int64 (n_edges,)
        The nearest edge above with the same feature; the root where none is.
    follows : uint64 (n_edges, n_words)
        Bins of the feature, as bits, that follow the path at this edge and at every edge above with the same feature.
    fraction : float64 (n_edges,)
        Share of training rows that follow the path at those edges: the product of their cover fractions.
    value : float64 (n_edges,)
        What a leaf adds to the raw score; 0 for other edges.
    """

    roots: NDArray[np.int64]
    parent: NDArray[np.int64]
    right: NDArray[np.int64]
    feature: NDArray[np.int64]
    before: NDArray[np.int64]
    follows: NDArray[np.uint64]
    fraction: NDArray[np.float64]
    value: NDArray[np.float64]

    def raw_score(self, bins: NDArray[Any]) -> NDArray[np.float64]:
        """Return the raw score (n_rows,) of binned rows, trees added in LightGBM's order.

        As LightGBM's raw score that of a random forest is the sum of its trees; its prediction is their mean.
        """
        raw = np.zeros(len(bins))
        add_leaves(bins, self.roots, self.right, self.feature, self.follows, self.value, raw)
        return raw

    def raw_score_plainly(self, bins: NDArray[Any]) -> NDArray[np.float64]:
        """Return the same without a compiled loop."""
        raw = np.zeros(len(bins))
        for root in self.roots[:-1]:
            at = np.full(len(bins), root)
            while (inner := np.flatnonzero(self.right[at])).size:
                left = at[inner] + 1
                goes_left = bits_of(self.follows, left, bins[inner, self.feature[left]])
                at[inner] = np.where(goes_left, left, self.right[at[inner]])
            raw += self.value[at]
        return raw


def bits_of(
    follows: NDArray[np.uint64], edges: NDArray[np.int64] | np.int64 | int, bins: NDArray[Any]
) -> NDArray[np.bool_]:
    """Say for each edge whether a bin follows it."""
    places = bins.astype(np.uint64)
    bits = follows[edges, places // WORD] >> (places % WORD) & np.uint64(1)
    return np.asarray(bits, dtype=np.bool_)


def forest_of(model: Model, bins: Bins) -> Forest:
    """Lay the trees of a model out as edges."""
    n_words = -(-int(bins.counts.max(initial=1)) // WORD)
    roots, edges = [0], list[_Edge]()
    for tree in model.trees:
        edges += _edges(tree, bins, len(edges))
        roots.append(len(edges))
    right = np.zeros(len(edges), dtype=np.int64)
    for at, edge in enumerate(edges):
        # A node's right child comes after its left one.
        if edge.parent >= 0:
            right[edge.parent] = at
    follows = b"".join(edge.follows.to_bytes(n_words * WORD // 8, "little") for edge in edges)
    return Forest(
        roots=np.array(roots, dtype=np.int64),
        parent=np.array([e.parent for e in edges], dtype=np.int64),
        right=right,
        feature=np.array([e.feature for e in edges], dtype=np.int64),
        before=np.array([e.before for e in edges], dtype=np.int64),
        follows=np.frombuffer(follows, dtype="<u8").astype(np.uint64).reshape(len(edges), n_words),
        fraction=np.array([e.fraction for e in edges]),
        value=np.array([e.value for e in edges]),
    )


@dataclass(frozen=True, slots=True)
class _Edge:
    parent: int
    feature: int
    before: int
    follows: int
    fraction: float
    value: float


def _edges(tree: Tree, bins: Bins, first: int) -> Iterator[_Edge]:
    """Yield the edges of a tree in preorder; `first` is the place of its root."""
    root = _Edge(-1, -1, -1, 0, 1.0, 0.0 if len(tree.feature) else float(tree.leaf_value[0]))
    left_of = [_as_bits(bins.left_of(tree, node)) for node in range(len(tree.feature))]
    every = [(1 << int(bins.counts[f])) - 1 for f in tree.feature]
    yield root
    # What waits: a child, its parent's edge, the node that it hangs on, and the path: feature -> edge, bins, share.
    waiting: list[tuple[int, int, int, dict[int, tuple[int, int, float]]]] = []
    if len(tree.feature):
        waiting = [(int(tree.right[0]), first, 0, {}), (int(tree.left[0]), first, 0, {})]
    at = first
    while waiting:
        child, parent, node, path = waiting.pop()
        at += 1
        feature = int(tree.feature[node])
        before, follows, fraction = path.get(feature, (first, every[node], 1.0))
        follows &= left_of[node] if child == tree.left[node] else every[node] & ~left_of[node]
        fraction *= _cover(tree, node, child)
        yield _Edge(parent, feature, before, follows, fraction, float(tree.leaf_value[~child]) if child < 0 else 0.0)
        if child >= 0:
            below = {**path, feature: (at, follows, fraction)}
            waiting += [(int(tree.right[child]), at, child, below), (int(tree.left[child]), at, child, below)]


def _as_bits(flags: NDArray[np.bool_]) -> int:
    return int.from_bytes(np.packbits(flags, bitorder="little").tobytes(), "little")


def _cover(tree: Tree, node: int, child: int) -> float:
    count = tree.leaf_count[~child] if child < 0 else tree.node_count[child]
    total = float(tree.node_count[node])
    if total <= 0:
        raise ArtifactError("A node without training rows cannot be explained. Train again; keep LightGBM's counts.")
    return float(count) / total


@dataclass(frozen=True)
class Leaves:
    """Leaves as the edges that decide them: for each distinct feature on the path the lowest, features rising.

    Attributes
    ----------
    leaf : int64 (n_leaves,)
        The leaf's own edge.
    starts : int64 (n_leaves + 1,)
        Where its deciding edges start in `edges`.
    edges : int64
        Deciding edges, laid end to end.
    """

    leaf: NDArray[np.int64]
    starts: NDArray[np.int64]
    edges: NDArray[np.int64]

    @property
    def n_features(self) -> NDArray[np.int64]:
        """Number of distinct features on each path."""
        return np.diff(self.starts)


def leaves_of(forest: Forest) -> Leaves:
    """Return the leaves of every tree that has a split."""
    leaf = np.flatnonzero((forest.right == 0) & (forest.parent >= 0)).astype(np.int64)
    starts, edges = _deciding_edges(leaf, forest.parent, forest.feature)
    return Leaves(leaf, starts, edges)


def expected_value(forest: Forest, leaves: Leaves) -> float:
    """Return the mean raw score of the training rows, by cover."""
    constants = forest.value[forest.parent < 0].sum()
    if not len(leaves.leaf):
        return float(constants)
    shares = np.multiply.reduceat(forest.fraction[leaves.edges], leaves.starts[:-1])
    return float(constants + (forest.value[leaves.leaf] * shares).sum())


@compiled
def _deciding_edges(leaf, parent, feature):
    """Return where each leaf's deciding edges start, and the edges."""
    starts = np.zeros(len(leaf) + 1, dtype=np.int64)
    edges = np.empty(max(64, 16 * len(leaf)), dtype=np.int64)
    for number in range(len(leaf)):
        first = end = starts[number]
        at = leaf[number]
        while parent[at] >= 0:
            place = first
            while place < end and feature[edges[place]] < feature[at]:
                place += 1
            if place == end or feature[edges[place]] != feature[at]:
                if end == len(edges):
                    edges = np.concatenate((edges, np.empty_like(edges)))
                for moved in range(end, place, -1):
                    edges[moved] = edges[moved - 1]
                edges[place] = at
                end += 1
            at = parent[at]
        starts[number + 1] = end
    return starts, edges[: starts[-1]].copy()


@compiled
def add_leaves(bins, roots, right, feature, follows, value, raw):
    """Add to `raw` (n_rows,) the value of the leaf that each row reaches in every tree."""
    for tree in range(len(roots) - 1):
        root = roots[tree]
        for row in range(len(raw)):
            at = root
            while right[at]:
                left = at + 1
                bin_ = bins[row, feature[left]]
                goes_left = follows[left, bin_ >> 6] >> np.uint64(bin_ & 63) & np.uint64(1)
                at = left if goes_left else right[at]
            raw[row] += value[at]
