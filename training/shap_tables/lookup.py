"""The look-up tables: for each cell of each group, the sum of its leaves' contributions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.shap_tables.bins import Bins, starts_of
from training.shap_tables.compiled import compiled
from training.shap_tables.families import PACK, PLACE_BITS, WIDTH, Family
from training.shap_tables.forest import Forest, Leaves
from training.shap_tables.groups import Groups, groups_of
from training.shap_tables.shapley import case_contributions, points


@dataclass(frozen=True)
class Lookup:
    """Tables of all families, six of a family in a pack.

    A row's place in family f is `code_starts[f, lane] + bin` for each of its features; `offsets[offset_starts[p]:]`
    says for each such place, in six 10-bit parts, what it adds to the places of cells in the six tables of pack p.

    Attributes
    ----------
    features : int64 (n_families, WIDTH)
        Features of each family; those of narrower families are filled up with zeros, to which nothing is added.
    code_starts : int64 (n_families, WIDTH)
    pack_starts : int64 (n_families + 1,)
    offset_starts : int64 (n_packs,)
    offsets : uint64
    table_starts : int64 (n_packs, PACK)
        First cell of each table.
    cells : float64 or float32 (n_cells, WIDTH)
        Contributions of the family's features; the first cell is empty and stands for tables that a pack lacks.
    """

    features: NDArray[np.int64]
    code_starts: NDArray[np.int64]
    pack_starts: NDArray[np.int64]
    offset_starts: NDArray[np.int64]
    offsets: NDArray[np.uint64]
    table_starts: NDArray[np.int64]
    cells: NDArray[Any]

    @property
    def n_codes(self) -> int:
        """More than the highest place of a row in a family."""
        return int(np.diff(np.append(self.offset_starts, len(self.offsets))).max(initial=0))

    def add_plainly(self, bins: NDArray[Any], values: NDArray[np.float64]) -> None:
        """Add contributions of binned rows to `values` (n_rows, n_features), without a compiled loop."""
        for family, features in enumerate(self.features):
            codes = bins[:, features] + self.code_starts[family]
            total = np.zeros((len(bins), WIDTH))
            for pack in range(self.pack_starts[family], self.pack_starts[family + 1]):
                places = self.offsets[self.offset_starts[pack] + codes].sum(axis=1)
                for table in range(PACK):
                    cell = (places >> np.uint64(PLACE_BITS * table) & np.uint64((1 << PLACE_BITS) - 1)).astype(np.int64)
                    total += self.cells[self.table_starts[pack, table] + cell]
            for lane, feature in enumerate(features):
                values[:, feature] += total[:, lane]


def lookup_of(forest: Forest, leaves: Leaves, families: list[Family], bins: Bins, max_cells: int, dtype: Any) -> Lookup:
    """Build the tables of all families."""
    features = np.zeros((len(families), WIDTH), dtype=np.int64)
    code_starts = np.zeros((len(families), WIDTH), dtype=np.int64)
    offsets, table_starts, n_packs = list[NDArray[np.uint64]](), list[NDArray[np.int64]](), list[int]()
    cells, n_cells = [np.zeros((1, WIDTH), dtype=dtype)], 1
    for at, family in enumerate(families):
        n_features = len(family.features)
        features[at, :n_features] = family.features
        lane_starts = starts_of(list(bins.counts[features[at]]))
        code_starts[at] = lane_starts[:-1]
        groups = groups_of(forest, leaves, family, bins.counts, max_cells)
        n_packs.append(-(-len(groups.counts) // PACK))
        starts = np.zeros(n_packs[-1] * PACK, dtype=np.int64)
        starts[: len(groups.counts)] = n_cells + starts_of(list(groups.counts.prod(axis=1)))[:-1]
        table_starts.append(starts.reshape(-1, PACK))
        offsets += _offsets(groups, lane_starts, n_packs[-1])
        filled = _filled(forest, leaves, family, groups).astype(dtype)
        cells.append(filled)
        n_cells += len(filled)
    return Lookup(
        features=features,
        code_starts=code_starts,
        pack_starts=starts_of(n_packs),
        offset_starts=starts_of([len(o) for o in offsets])[:-1],
        offsets=np.concatenate(offsets or [np.empty(0, dtype=np.uint64)]),
        table_starts=np.concatenate(table_starts or [np.empty((0, PACK), dtype=np.int64)]),
        cells=np.concatenate(cells),
    )


def _offsets(groups: Groups, lane_starts: NDArray[np.int64], n_packs: int) -> list[NDArray[np.uint64]]:
    """Return for each pack what each bin of each feature adds to the places of its tables' cells."""
    packed = np.zeros((n_packs, int(lane_starts[-1])), dtype=np.uint64)
    for group, counts in enumerate(groups.counts):
        pack, shift = group // PACK, np.uint64(PLACE_BITS * (group % PACK))
        strides = np.concatenate(([1], np.cumprod(counts)[:-1])).astype(np.uint64)
        for lane in np.flatnonzero(counts > 1):
            flags = np.unpackbits(groups.classes[group, lane, : counts[lane]].view(np.uint8), axis=1, bitorder="little")
            n_bins = lane_starts[lane + 1] - lane_starts[lane]
            class_of = flags[:, :n_bins].argmax(axis=0).astype(np.uint64)
            packed[pack, lane_starts[lane] : lane_starts[lane + 1]] += class_of * strides[lane] << shift
    return list(packed)


def _filled(forest: Forest, leaves: Leaves, family: Family, groups: Groups) -> NDArray[np.float64]:
    """Return the cells of all tables of a family."""
    starts = starts_of(list(groups.counts.prod(axis=1)))
    cells = np.zeros((int(starts[-1]), WIDTH))
    for leaf, group in zip(family.leaves, groups.of_leaf, strict=True):
        edges = leaves.edges[leaves.starts[leaf] : leaves.starts[leaf + 1]]
        lanes = np.searchsorted(family.features, forest.feature[edges])
        at, weights = points(max(1, (len(edges) + 1) // 2))
        contributions = case_contributions(forest.value[leaves.leaf[leaf]], forest.fraction[edges], at, weights)
        table = cells[starts[group] : starts[group + 1]]
        add_leaf(table, groups.counts[group], groups.classes[group], lanes, forest.follows[edges], contributions)
    return cells


@compiled
def add_leaf(table, counts, classes, lanes, follows, contributions):
    """Add the contributions (2^k, k) of a leaf to its table (n_cells, WIDTH)."""
    cases = np.zeros(len(table), dtype=np.int64)
    size, j = 1, 0
    for lane in range(len(counts)):
        asked = j < len(lanes) and lanes[j] == lane
        for c in range(counts[lane] - 1, -1, -1):
            case = 0
            if asked:
                for word in range(follows.shape[1]):
                    if classes[lane, c, word] & follows[j, word]:
                        case = 1 << j
            for cell in range(size):
                cases[c * size + cell] = cases[cell] | case
        size *= counts[lane]
        j += asked
    for cell in range(len(table)):
        for j in range(len(lanes)):
            table[cell, lanes[j]] += contributions[cases[cell], j]
