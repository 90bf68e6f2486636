"""Leaves that ask for too many features for a table: Shapley values by quadrature, while going through the tree.

At each point of the quadrature (see shapley.py) a leaf's product of factors grows edge by edge on the way down, and
sums of leaves come together on the way up; a feature's part is the sum below each of its edges times one factor. A row
costs a few multiplications for each edge, of eight points at once: exact for leaves of up to sixteen features; trees
with more are gone through more than once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.shap_tables.bins import starts_of
from training.shap_tables.compiled import compiled
from training.shap_tables.forest import Forest, Leaves, bits_of
from training.shap_tables.shapley import following_part, missing_part, points

POINTS = 8
"""Points that one pass takes."""

_PIECE_EDGES = 512
"""Edges after which a new piece begins: what belongs to a piece stays in a processor's cache while rows pass by."""


@dataclass(frozen=True)
class Deep:
    """The edges that lead to deep leaves, tree by tree in preorder, in pieces of several trees.

    What an edge does for a row is in one of three states: 0, the row left the path at an edge above with the same
    feature; 1, it leaves the path here; 2, it follows.

    Attributes
    ----------
    starts : int64 (n_pieces + 1,)
        Where each piece begins. A tree whose deepest leaf asks for more features than a pass can take is there more
        than once; roots are left out.
    depth : int64 (n_edges,)
        Edges from the root down to this one, itself included.
    before : int64 (n_edges,)
        Depth of the nearest edge above with the same feature; 0 where none is.
    closes : int64 (n_edges,)
        For a leaf, how many of the edges above it lead to no later leaf; -1 for other edges.
    feature, follows
        As in Forest.
    grows : float64 or float32 (n_edges, 3, POINTS)
        What the product is multiplied by; at a leaf with its value.
    parts : float64 or float32 (n_edges, 3, POINTS)
        What the sum of leaves below is multiplied by, for the contribution of the edge's feature.
    """

    starts: NDArray[np.int64]
    depth: NDArray[np.int64]
    before: NDArray[np.int64]
    closes: NDArray[np.int64]
    feature: NDArray[np.int64]
    follows: NDArray[np.uint64]
    grows: NDArray[Any]
    parts: NDArray[Any]

    def add_plainly(self, bins: NDArray[Any], values: NDArray[np.float64]) -> None:
        """Add contributions of binned rows to `values` (n_rows, n_features), without a compiled loop."""
        deepest = int(self.depth.max(initial=0)) + 1
        products, sums = np.ones((2, deepest, len(bins), POINTS))
        follows, states = np.ones((2, deepest, len(bins)), dtype=np.int64)
        current = np.zeros(deepest, dtype=np.int64)
        for edge in range(len(self.depth)):
            depth, feature = self.depth[edge], self.feature[edge]
            current[depth] = edge
            follows[depth] = bits_of(self.follows, edge, bins[:, feature])
            states[depth] = follows[self.before[edge]] + follows[depth]
            products[depth] = products[depth - 1] * self.grows[edge][states[depth]]
            sums[depth] = products[depth] if self.closes[edge] >= 0 else 0.0
            for up in range(depth, depth - self.closes[edge] - 1, -1):
                values[:, self.feature[current[up]]] += (sums[up] * self.parts[current[up]][states[up]]).sum(axis=1)
                sums[up - 1] += sums[up]


def deep_of(forest: Forest, leaves: Leaves, chosen: NDArray[np.int64], dtype: Any) -> Deep:
    """Prepare the chosen leaves."""
    n_features, depth = _paths(forest.parent, leaves.leaf[chosen], leaves.n_features[chosen])
    is_leaf = np.zeros(len(depth), dtype=np.bool_)
    is_leaf[leaves.leaf[chosen]] = True
    lengths, picked = [0], [np.empty(0, dtype=np.int64)]
    closes, grows, parts = [picked[0]], [np.empty((0, 3, POINTS))], [np.empty((0, 3, POINTS))]
    for root, end in zip(forest.roots[:-1], forest.roots[1:], strict=True):
        n_passes = -(-int(n_features[root]) // (2 * POINTS))
        edges = root + 1 + np.flatnonzero(n_features[root + 1 : end])
        below = np.append(depth[edges[1:]], 1)
        z, z_before = forest.fraction[edges], forest.fraction[forest.before[edges]]
        value = np.where(is_leaf[edges], forest.value[edges], 1.0)
        for turn in range(n_passes):
            at, weights = (half[turn * POINTS : (turn + 1) * POINTS] for half in points(n_passes * POINTS))
            picked.append(edges)
            closes.append(np.where(is_leaf[edges], depth[edges] - below, -1))
            grows.append(_grows(z, z_before, at) * value[:, None, None])
            parts.append(_parts(z, z_before, at, weights))
            if lengths[-1] >= _PIECE_EDGES:
                lengths.append(0)
            lengths[-1] += len(edges)
    edges = np.concatenate(picked)
    return Deep(
        starts=starts_of(lengths),
        depth=depth[edges],
        before=depth[forest.before[edges]],
        closes=np.concatenate(closes),
        feature=forest.feature[edges],
        follows=forest.follows[edges],
        grows=np.concatenate(grows).astype(dtype),
        parts=np.concatenate(parts).astype(dtype),
    )


@compiled
def _paths(parent, leaves, n_features):
    """Return for each edge the most features of the given leaves below it, and the number of edges above it."""
    most, depth = np.zeros(len(parent), dtype=np.int64), np.zeros(len(parent), dtype=np.int64)
    most[leaves] = n_features
    for edge in range(len(parent) - 1, -1, -1):
        if parent[edge] >= 0:
            most[parent[edge]] = max(most[parent[edge]], most[edge])
    for edge in range(len(parent)):
        if parent[edge] >= 0:
            depth[edge] = depth[parent[edge]] + 1
    return most, depth


def _grows(z: NDArray[np.float64], z_before: NDArray[np.float64], at: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (n, 3, POINTS): by how much a product grows at an edge in each state."""
    away, away_before = (1 - at) * z[:, None], (1 - at) * z_before[:, None]
    # Where no training row came this way the product is zero above already.
    left_before = np.divide(away, away_before, out=np.zeros_like(away), where=away_before > 0)
    return np.stack([left_before, away / (away_before + at), (away + at) / (away_before + at)], axis=1)


def _parts(
    z: NDArray[np.float64], z_before: NDArray[np.float64], at: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return (n, 3, POINTS): the share of the sum below an edge, less what the edge above took of it already."""
    left = np.broadcast_to(missing_part(at), (len(z), len(at)))
    follows, followed = following_part(z[:, None], at), following_part(z_before[:, None], at)
    return np.stack([np.zeros_like(left), left - followed, follows - followed], axis=1) * weights
