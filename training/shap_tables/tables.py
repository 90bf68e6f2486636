"""Look-up tables of a compiled model: raw scores and exact Shapley values of any rows."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from data.errors import RequestError
from training.shap_tables import kernels
from training.shap_tables.grouping import Group, group_leaves
from training.shap_tables.model_text import parse
from training.shap_tables.paths import Bins, Leaf, bins_of, constant_of, expected_value, leaves_of

_ALL_THREADS = threading.Lock()


@dataclass(frozen=True)
class TreeShapTables:
    """A LightGBM model with one output, as tables.

    Cost of a row: one binary search for each feature, then for each group as many look-ups and additions as it has
    features. Memory: `n_bytes`.
    """

    n_features: int
    expected_value: float
    constant: float
    cuts: NDArray[np.float64]
    cut_starts: NDArray[np.int64]
    has_zero: NDArray[np.bool_]
    starts: NDArray[np.int64]
    features: NDArray[np.int64]
    offsets: NDArray[np.int32]
    offset_starts: NDArray[np.int64]
    table_starts: NDArray[np.int64]
    tables: NDArray[Any]

    @property
    def n_groups(self) -> int:
        """Number of groups of leaves."""
        return len(self.starts) - 1

    @property
    def n_bytes(self) -> int:
        """Bytes of the tables and what leads to them."""
        return sum(v.nbytes for v in vars(self).values() if isinstance(v, np.ndarray))

    def raw_score(self, X: NDArray[np.float64], threads: int | None = None) -> NDArray[np.float64]:
        """Return the raw score (n_rows,) of rows X (n_rows, n_features); NaN is missing."""
        raw = np.full(len(X), self.constant)
        with _threads(threads):
            _run(kernels.sum_raw, len(X), self.bin(X), *self._lookup, raw)
        return raw

    def shap_values(self, X: NDArray[np.float64], threads: int | None = None) -> NDArray[np.float64]:
        """Return the contributions (n_rows, n_features); with `expected_value` they sum to the raw score."""
        return self.both(X, threads)[1]

    def both(
        self, X: NDArray[np.float64], threads: int | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return raw scores (n_rows,) and contributions (n_rows, n_features)."""
        values = np.zeros((len(X), self.n_features + 1))
        values[:, -1] = self.constant
        with _threads(threads):
            _run(kernels.sum_groups, len(X), self.bin(X), *self._lookup, values)
        return values[:, -1], values[:, :-1]

    def bin(self, X: NDArray[np.float64]) -> NDArray[Any]:
        """Return the bins (n_features, n_rows) of rows, one byte each where no feature has more than 256."""
        if X.ndim != 2 or X.shape[1] != self.n_features:
            raise RequestError(f"X must have {self.n_features} columns, got the shape {X.shape}.")
        widest = int(np.diff(self.cut_starts).max(initial=0)) + 3
        bins = np.empty((self.n_features, len(X)), dtype=np.uint8 if widest <= 256 else np.uint16)
        rows = np.ascontiguousarray(X, dtype=np.float64)
        _run(kernels.bin_rows, len(X), rows, self.cuts, self.cut_starts, self.has_zero, bins)
        return bins

    @property
    def _lookup(self) -> tuple[NDArray[Any], ...]:
        return self.starts, self.features, self.offsets, self.offset_starts, self.table_starts, self.tables


def compile(booster: Any, max_cells: int = 1024, dtype: Any = np.float64) -> TreeShapTables:
    """Compile a LightGBM booster.

    Parameters
    ----------
    booster : lightgbm.Booster
        Trained on numeric features, with one output.
    max_cells : int
        Most joint cells of a group; more cells, fewer groups, larger tables.
    dtype : numpy dtype
        float64 for contributions exact to 1e-9, float32 for tables half as large.

    Raises
    ------
    ArtifactError
        For what the tables cannot hold: several outputs, linear leaves, categorical splits.
    """
    model = parse(booster.model_to_string())
    bins = bins_of(model)
    leaves = list(leaves_of(model, bins))
    groups = group_leaves(leaves, [b.n_bins for b in bins], max_cells) if leaves else []
    constant = constant_of(model)
    return TreeShapTables(
        n_features=model.n_features,
        expected_value=expected_value(leaves) + constant,
        constant=constant,
        **_bin_arrays(bins),
        **_group_arrays(groups, leaves, dtype),
    )


def _bin_arrays(bins: tuple[Bins, ...]) -> dict[str, NDArray[Any]]:
    return {
        "cuts": np.concatenate([b.cuts for b in bins]),
        "cut_starts": _starts([len(b.cuts) for b in bins]),
        "has_zero": np.array([b.has_zero for b in bins]),
    }


def _group_arrays(groups: list[Group], leaves: list[Leaf], dtype: Any) -> dict[str, NDArray[Any]]:
    tables, offsets = [], []
    for group in groups:
        tables.append(_table(group, leaves).astype(dtype).ravel())
        width = len(group.features) + 1
        for classes, stride in zip(group.classes, _strides(group.shape), strict=True):
            offsets.append((classes * stride * width).astype(np.int32))
    return {
        "starts": _starts([len(g.features) for g in groups]),
        "features": np.concatenate([g.features for g in groups] or [np.empty(0, np.int64)]),
        "offsets": np.concatenate(offsets or [np.empty(0, np.int32)]),
        "offset_starts": _starts([len(o) for o in offsets]),
        "table_starts": _starts([len(t) for t in tables]),
        "tables": np.concatenate(tables or [np.empty(0, dtype)]),
    }


def _table(group: Group, leaves: list[Leaf]) -> NDArray[np.float64]:
    shape = np.array(group.shape)
    strides = _strides(group.shape)
    table = np.zeros((int(shape.prod()), len(shape) + 1))
    for leaf in (leaves[place] for place in group.leaves):
        places = np.searchsorted(group.features, leaf.features)
        by_class = []
        for place, agrees in zip(places, leaf.agrees, strict=True):
            agreeing = np.zeros(shape[place], dtype=np.bool_)
            agreeing[group.classes[place][agrees]] = True
            by_class.append(agreeing)
        contributions = kernels.leaf_contributions(leaf.value, np.array(leaf.fractions))
        starts = _starts([len(a) for a in by_class])
        kernels.add_leaf(table, strides, shape, places, np.concatenate(by_class), starts, contributions)
    return table


def _strides(shape: tuple[int, ...]) -> NDArray[np.int64]:
    return np.concatenate(([1], np.cumprod(shape)[:-1])).astype(np.int64)


def _starts(lengths: list[int]) -> NDArray[np.int64]:
    return np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)


def _run(both_ways: tuple[Any, Any], n_rows: int, *arguments: Any) -> None:
    """Run a loop in this thread for a few rows, else in all, one caller at a time: not all thread pools allow more."""
    one_thread, all_threads = both_ways
    if n_rows <= kernels.BLOCK_ROWS:
        one_thread(*arguments)
    else:
        with _ALL_THREADS:
            all_threads(*arguments)


@contextmanager
def _threads(threads: int | None) -> Iterator[None]:
    """Use so many threads within a block; all where None."""
    before = numba.get_num_threads()
    if threads is not None:
        numba.set_num_threads(min(threads, before))
    try:
        yield
    finally:
        numba.set_num_threads(before)
