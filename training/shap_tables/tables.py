"""Look-up tables of a compiled model: raw scores and exact Shapley values of any rows."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from data.errors import RequestError
from training.shap_tables.bins import Bins, bins_of
from training.shap_tables.compiled import HAS_NUMBA
from training.shap_tables.deep import Deep, deep_of
from training.shap_tables.families import PLACE_BITS, families_of, leaves_for_tables
from training.shap_tables.forest import Forest, expected_value, forest_of, leaves_of
from training.shap_tables.lookup import Lookup, lookup_of
from training.shap_tables.model_text import parse

Engine = Literal["numba", "numpy"]

BLOCK_ROWS = 16_384
"""Rows that a thread takes at a time: more share what is read of the tables, fewer stay in its cache."""

_PLAIN_ROWS = 2_048

MOST_CELLS, MOST_MIB = 1 << PLACE_BITS, 94.0


@dataclass(frozen=True)
class BinnedRows:
    """Rows (n_rows, n_features) as bins of the model with a digest, one byte a value where no feature has over 256."""

    bins: NDArray[Any]
    model: str

    def __len__(self) -> int:
        return len(self.bins)


Rows = NDArray[np.floating] | BinnedRows
"""Also a data frame whose columns are the model's, in its order."""


@dataclass(frozen=True)
class TreeShapTables:
    """A LightGBM model with one output, as tables.

    Attributes
    ----------
    model : str
        SHA-256 of the model's text.
    feature_names : tuple of str
    expected_value : float
        Mean raw score of the training rows; contributions are measured from it.
    bins, forest, lookup, deep
        What a row needs, in this order: its bins; the trees, for raw scores alone; the tables; the leaves that are too
        deep for tables.
    engine : "numba" or "numpy"
        Compiled loops, or NumPy alone, some ten times slower. NumPy where numba is not installed.
    """

    model: str
    feature_names: tuple[str, ...]
    expected_value: float
    bins: Bins
    forest: Forest
    lookup: Lookup
    deep: Deep
    engine: Engine

    @property
    def n_features(self) -> int:
        """Number of columns that a row has."""
        return len(self.feature_names)

    @property
    def n_bytes(self) -> int:
        """Bytes of all that is kept."""
        return sum(n_bytes(part) for part in (self.bins, self.forest, self.lookup, self.deep))

    def bin(self, X: Rows) -> BinnedRows:
        """Return rows as bins, so that they need not be binned again."""
        values = self._values(X)
        if isinstance(values, BinnedRows):
            return values
        binned = self.bins.bin(values) if self.engine == "numba" else self.bins.bin_plainly(values)
        return BinnedRows(binned, self.model)

    def raw_score(self, X: Rows, threads: int | None = None) -> NDArray[np.float64]:
        """Return the raw score (n_rows,), as LightGBM adds it; `threads` as many as there are processors by default."""
        X, raw = self._values(X), np.empty(len(X))

        def score(begin: int, end: int) -> None:
            bins = self._bins(X, begin, end)
            plain = self.engine == "numpy"
            raw[begin:end] = self.forest.raw_score_plainly(bins) if plain else self.forest.raw_score(bins)

        self._in_blocks(score, len(X), threads)
        return raw

    def shap_values(self, X: Rows, threads: int | None = None) -> NDArray[np.float64]:
        """Return the contributions (n_rows, n_features); with `expected_value` they sum to the raw score."""
        X, values = self._values(X), np.zeros((len(X), self.n_features))

        def explain(begin: int, end: int) -> None:
            self._add(self._bins(X, begin, end), values[begin:end])

        self._in_blocks(explain, len(X), threads)
        return values

    def both(self, X: Rows, threads: int | None = None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return raw scores (n_rows,), as sums of the contributions, and contributions (n_rows, n_features)."""
        values = self.shap_values(X, threads)
        return self.expected_value + values.sum(axis=1), values

    def _values(self, X: Any) -> Any:
        """Return rows as an array, or as bins of this model."""
        if isinstance(X, BinnedRows):
            self._check_bins(X)
            return X
        if hasattr(X, "columns"):
            if tuple(X.columns) != self.feature_names:
                raise RequestError(
                    f"The columns must be the model's {self.n_features} in its order, got {list(X.columns)}. "
                    "Select them by `feature_names`."
                )
            X = X.to_numpy()
        try:
            X = np.asarray(X)
            X = X if X.dtype in (np.float64, np.float32) else X.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise RequestError(f"X must hold numbers, got {error}. Write NaN for what is missing.") from error
        if X.ndim != 2 or X.shape[1] != self.n_features:
            raise RequestError(f"X must have {self.n_features} columns, got the shape {X.shape}.")
        return X

    def _check_bins(self, X: BinnedRows) -> None:
        """Refuse bins of another model, and those that no value has: the loops would read beyond the tables."""
        if X.model != self.model:
            raise RequestError(
                f"The bins must be of the model {self.model[:12]}, they are of {X.model[:12]}. Bin the rows again."
            )
        fits = X.bins.ndim == 2 and X.bins.shape[1] == self.n_features and X.bins.dtype == self.bins.dtype
        if not fits or (X.bins.max(axis=0, initial=0) >= self.bins.counts).any():
            raise RequestError("Bins must be as `bin` returns them, they are not. Bin the rows again.")

    def _bins(self, X: Any, begin: int, end: int) -> NDArray[Any]:
        if isinstance(X, BinnedRows):
            return np.ascontiguousarray(X.bins[begin:end])
        return self.bin(X[begin:end]).bins

    def _add(self, bins: NDArray[Any], values: NDArray[np.float64]) -> None:
        if self.engine == "numpy":
            self.lookup.add_plainly(bins, values)
            self.deep.add_plainly(bins, values)
            return
        from training.shap_tables import kernels

        kernels.add(self.lookup, self.deep, bins, values)

    def _in_blocks(self, work: Callable[[int, int], None], n_rows: int, threads: int | None) -> None:
        """Do the work on all rows, each thread a block at a time."""
        if threads is not None and threads < 1:
            raise RequestError(f"threads must be positive, got {threads}.")
        threads = threads or os.cpu_count() or 1
        block = _PLAIN_ROWS if self.engine == "numpy" else min(BLOCK_ROWS, max(-(-n_rows // threads), 1_024))
        begins = range(0, n_rows, block)
        if threads == 1 or len(begins) <= 1:
            for begin in begins:
                work(begin, min(begin + block, n_rows))
            return
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda begin: work(begin, min(begin + block, n_rows)), begins))


def compile(
    booster: Any,
    max_cells: int = 512,
    dtype: Any = np.float64,
    max_mib: float | None = None,
    engine: Engine | None = None,
) -> TreeShapTables:
    """Compile a LightGBM booster, or a file that it was saved to.

    Parameters
    ----------
    booster : lightgbm.Booster or Path
        With one output.
    max_cells : int
        Most cells of a table that leaves share, up to 1024; more cells make fewer and larger tables.
    dtype : numpy dtype
        float64 for contributions exact to 1e-9, float32 for tables half as large, exact to 1e-6.
    max_mib : float
        About how much memory the tables may take: leaves that do not fit are explained without tables, more slowly. By
        default 94 MiB for float32, twice that for float64.
    engine : "numba", "numpy" or None
        What explains rows; by default numba where it is installed.

    Raises
    ------
    ArtifactError
        For a text that is cut short or damaged, and for what the tables cannot hold: several outputs, linear leaves.
    RequestError
        For parameters out of range.
    """
    if np.dtype(dtype) not in (np.float64, np.float32):
        raise RequestError(f"dtype must be float64 or float32, got {np.dtype(dtype)}.")
    if not 2 <= max_cells <= MOST_CELLS:
        raise RequestError(f"max_cells must be from 2 to {MOST_CELLS}, got {max_cells}.")
    model = parse(booster.read_text() if isinstance(booster, Path) else booster.model_to_string())
    bins = bins_of(model)
    forest = forest_of(model, bins)
    leaves = leaves_of(forest)
    most_bytes = (MOST_MIB * np.dtype(dtype).itemsize / 4 if max_mib is None else max_mib) * 2**20
    chosen = leaves_for_tables(leaves, dtype, most_bytes - n_bytes(forest))
    return TreeShapTables(
        model=model.digest,
        feature_names=model.feature_names,
        expected_value=expected_value(forest, leaves),
        bins=bins,
        forest=forest,
        lookup=lookup_of(forest, leaves, families_of(forest, leaves, chosen), bins, max_cells, dtype),
        deep=deep_of(forest, leaves, np.flatnonzero(~chosen), dtype),
        engine=chosen_engine(engine),
    )


def chosen_engine(engine: Engine | None) -> Engine:
    """Return numba where it is installed and nothing else is asked for; RequestError where it is asked for in vain."""
    if engine == "numba" and not HAS_NUMBA:
        raise RequestError("The engine must be numpy, numba is not installed. Install numba.")
    return engine or ("numba" if HAS_NUMBA else "numpy")


def n_bytes(part: Bins | Forest | Lookup | Deep) -> int:
    """Return the bytes of the arrays of a part."""
    return sum(array.nbytes for array in vars(part).values())
