"""Which features share a table: families of so many features that most leaves fit into a few of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.shap_tables.forest import Forest, Leaves

WIDTH = 12
"""Features of a family, and so of a row of its tables: most leaves then fit into few families."""

PACK, PLACE_BITS = 6, 10
"""Tables that are looked up together: the places of their cells are parts of one 64-bit number."""

_SHARING, _OFFSET_BYTES = 1.0, 600
"""What was measured: cells that remain where leaves share them, and bytes of offsets for each leaf."""

_DISCOUNT = 0.25
"""What a leaf counts for each further feature that it would need, when a family looks for its next feature."""


@dataclass(frozen=True)
class Family:
    """At most WIDTH features, rising, and the leaves, by place, that ask for no others."""

    features: NDArray[np.int64]
    leaves: NDArray[np.int64]


def leaves_for_tables(leaves: Leaves, dtype: Any, most_bytes: float) -> NDArray[np.bool_]:
    """Say which leaves go into tables: those of fewest features first, as many as the bytes allow.

    A leaf of k features needs 2^k cells, fewer where it shares them.
    """
    cell_bytes = WIDTH * np.dtype(dtype).itemsize
    order = np.argsort(leaves.n_features, kind="stable")
    needed = np.cumsum(_SHARING * cell_bytes * 2.0 ** leaves.n_features[order] + _OFFSET_BYTES)
    chosen = np.zeros(len(order), dtype=np.bool_)
    chosen[order] = (needed <= most_bytes) & (leaves.n_features[order] <= PLACE_BITS)
    return chosen


def families_of(forest: Forest, leaves: Leaves, chosen: NDArray[np.bool_]) -> list[Family]:
    """Return families of at most WIDTH features for the chosen leaves.

    Greedy: a family starts with the features of the leaf that has most, takes in the feature that brings it nearest to
    most other leaves until it is full, and then takes every leaf that fits.
    """
    asks, of_set = _sets(forest, leaves)
    weights = np.bincount(of_set[chosen], minlength=len(asks)).astype(np.float64)
    family_of = np.full(len(asks), -1)
    sizes, members = asks.sum(axis=1), list[NDArray[np.bool_]]()
    waiting = weights > 0
    while waiting.any():
        seed = int(np.lexsort((-weights, -sizes, ~waiting))[0])
        found = _grown(asks[seed].copy(), asks[waiting], weights[waiting])
        taken = waiting & ~asks[:, ~found].any(axis=1)
        family_of[taken] = len(members)
        members.append(found)
        waiting &= ~taken
    by_leaf = np.where(chosen, family_of[of_set], -1)
    return [Family(np.flatnonzero(found), np.flatnonzero(by_leaf == at)) for at, found in enumerate(members)]


def _sets(forest: Forest, leaves: Leaves) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Return the distinct sets of features (n_sets, n_features), and the set of each leaf."""
    asks = np.zeros((len(leaves.leaf), int(forest.feature.max(initial=0)) + 1), dtype=np.bool_)
    asks[np.repeat(np.arange(len(asks)), leaves.n_features), forest.feature[leaves.edges]] = True
    packed, of_set = np.unique(np.packbits(asks, axis=1), axis=0, return_inverse=True)
    return np.unpackbits(packed, axis=1, count=asks.shape[1]).astype(np.bool_), of_set.ravel()


def _grown(chosen: NDArray[np.bool_], asks: NDArray[np.bool_], weights: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Fill a family up with features."""
    while chosen.sum() < min(WIDTH, len(chosen)):
        lacks = asks & ~chosen
        n_lacking = lacks.sum(axis=1)
        worth = np.where(n_lacking > 0, weights * _DISCOUNT ** (n_lacking - 1.0), 0.0) @ lacks
        worth[chosen] = -1.0
        chosen[int(worth.argmax())] = True
    return chosen
