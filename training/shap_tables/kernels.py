"""The loops that explain rows, compiled by numba; `Lookup.add_plainly` and `Deep.add_plainly` say the same in NumPy.

Places are unsigned, so that numba leaves out Python's counting from the end.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from training.shap_tables.deep import POINTS, Deep
from training.shap_tables.families import PLACE_BITS, WIDTH
from training.shap_tables.lanes import FOUR, load_eight, load_four, plus, store, times
from training.shap_tables.lookup import Lookup

FEW = 64
"""Rows that go through the deep leaves together."""

_U = np.uint64
_WIDTH, _POINTS, _PLACE, _ONE = _U(WIDTH), _U(POINTS), _U((1 << PLACE_BITS) - 1), _U(1)


def add(lookup: Lookup, deep: Deep, bins: NDArray[Any], values: NDArray[np.float64]) -> None:
    """Add contributions of binned rows to `values` (n_rows, n_features)."""
    codes = np.empty((len(bins), WIDTH), dtype=np.uint16 if lookup.n_codes <= 1 << 16 else np.uint32)
    add_lookups(bins, *vars(lookup).values(), values, codes, np.empty((len(bins), WIDTH)))
    if len(deep.depth):
        add_deep(bins, *vars(deep).values(), values)


@numba.njit(cache=True, nogil=True)
def add_lookups(
    bins, features, code_starts, pack_starts, offset_starts, offsets, table_starts, cells, values, codes, sums
):
    """Add what the tables say; `codes` and `sums` (n_rows, WIDTH) hold a family's places and sums meanwhile."""
    n_rows = len(values)
    for family in range(len(features)):
        for row in range(n_rows):
            for lane in range(WIDTH):
                codes[row, lane] = bins[row, features[family, lane]] + code_starts[family, lane]
        sums[:] = 0.0
        for pack in range(pack_starts[family], pack_starts[family + 1]):
            _add_pack(codes.ravel(), offsets[offset_starts[pack] :], table_starts[pack], cells.ravel(), sums.ravel())
        for row in range(n_rows):
            for lane in range(WIDTH):
                values[row, features[family, lane]] += sums[row, lane]


@numba.njit(cache=True, nogil=True)
def _add_pack(codes, offsets, tables, cells, sums):
    """Add the cells of a pack's six tables to the sums of every row."""
    first, second, third = _U(tables[0]), _U(tables[1]), _U(tables[2])
    fourth, fifth, sixth = _U(tables[3]), _U(tables[4]), _U(tables[5])
    for row in range(_U(len(sums)) // _WIDTH):
        at = _U(row) * _WIDTH
        places = _U(0)
        for lane in range(WIDTH):
            places += offsets[_U(codes[at + _U(lane)])]
        a = (first + (places & _PLACE)) * _WIDTH
        b = (second + (places >> _U(PLACE_BITS) & _PLACE)) * _WIDTH
        c = (third + (places >> _U(2 * PLACE_BITS) & _PLACE)) * _WIDTH
        d = (fourth + (places >> _U(3 * PLACE_BITS) & _PLACE)) * _WIDTH
        e = (fifth + (places >> _U(4 * PLACE_BITS) & _PLACE)) * _WIDTH
        f = (sixth + (places >> _U(5 * PLACE_BITS))) * _WIDTH
        for chunk in range(WIDTH // FOUR):
            k = _U(chunk * FOUR)
            two = plus(load_four(cells, a + k), load_four(cells, b + k))
            four = plus(two, plus(load_four(cells, c + k), load_four(cells, d + k)))
            six = plus(four, plus(load_four(cells, e + k), load_four(cells, f + k)))
            store(sums, at + k, plus(load_four(sums, at + k), six))


@numba.njit(cache=True, nogil=True)
def add_deep(bins, starts, depth, before, closes, feature, follows, grows, parts, values):
    """Add what deep leaves say, a few rows at a time.

    What the edges from the root down to the current one hold for these rows lies in slots by depth; what each feature
    has got so far, in `totals`.
    """
    n_rows, n_features, n_slots = len(values), values.shape[1], (depth.max() + 1) * FEW
    on_path, states = np.ones(n_slots, dtype=np.uint64), np.zeros(n_slots, dtype=np.uint64)
    products, sums = np.ones(n_slots * POINTS, dtype=grows.dtype), np.zeros(n_slots * POINTS, dtype=grows.dtype)
    totals = np.zeros(n_features * FEW * POINTS, dtype=grows.dtype)
    few_bins = np.zeros(n_features * FEW, dtype=np.uint64)
    for piece in range(len(starts) - 1):
        for first in range(0, n_rows, FEW):
            few = min(FEW, n_rows - first)
            for f in range(n_features):
                for row in range(few):
                    few_bins[f * few + row] = bins[first + row, f]
            _pass_piece(
                starts[piece], starts[piece + 1], depth, before, closes, feature, follows, grows.ravel(), parts.ravel(),
                _U(few), few_bins, on_path, states, products, sums, totals,
            )  # fmt: skip
            for f in range(n_features):
                for row in range(few):
                    at = (f * few + row) * POINTS
                    values[first + row, f] += totals[at : at + POINTS].sum()
            totals[:] = 0.0


@numba.njit(cache=True, nogil=True)
def _pass_piece(
    start,
    end,
    depth,
    before,
    closes,
    feature,
    follows,
    grows,
    parts,
    few,
    bins,
    on_path,
    states,
    products,
    sums,
    totals,
):
    """Go through the edges of a piece for a few rows, down to each leaf and up as far as no other leaf follows."""
    current, is_first = np.zeros(len(states), dtype=np.uint64), np.ones(len(states), dtype=np.bool_)
    n_words, flat = _U(follows.shape[1]), follows.ravel()
    on_path[: np.int64(few)] = 1
    products[: np.int64(few * _POINTS)] = 1.0
    for edge in range(_U(start), _U(end)):
        here, f, last = _U(depth[edge]), _U(feature[edge]), _U(before[edge])
        b, words, grow = bins[f * few :], flat[edge * n_words :], edge * _U(3)
        if closes[edge] < 0:
            current[here], is_first[here] = edge, True
            _go_down(few, b, words, last, here, on_path, states, products, grows, grow)
            continue
        t, starts = totals[f * few * _POINTS :], is_first[here - _ONE]
        _turn(few, b, words, last, here, on_path, products, grows, parts, grow, sums, t, starts)
        is_first[here - _ONE] = False
        for up in range(closes[edge]):
            at = here - _U(up) - _ONE
            above = current[at]
            t, starts = totals[_U(feature[above]) * few * _POINTS :], is_first[at - _ONE]
            _go_up(few, sums, at, states, parts, above * _U(3), t, starts)
            is_first[at - _ONE] = False


@numba.njit(cache=True, nogil=True, inline="always")
def _follow(words, bin_):
    """Return 1 where a bin is among those of an edge, else 0."""
    return words[bin_ >> _U(6)] >> (bin_ & _U(63)) & _ONE


@numba.njit(cache=True, nogil=True, inline="always")
def _go_down(few, bins, words, before, here, on_path, states, products, grows, grow):
    """Set what an edge that is no leaf holds, from the edges above it."""
    for row in range(few):
        at, above = here * few + row, (here * few + row - few) * _POINTS
        follow = _follow(words, bins[row])
        state = on_path[before * few + row] + follow
        on_path[at], states[at] = follow, state
        store(products, at * _POINTS, times(load_eight(products, above), load_eight(grows, (grow + state) * _POINTS)))


@numba.njit(cache=True, nogil=True, inline="always")
def _turn(few, bins, words, before, here, on_path, products, grows, parts, grow, sums, totals, is_first):
    """Take a leaf's product, in part, to its feature, and to the edge above."""
    for row in range(few):
        above = (here * few + row - few) * _POINTS
        factor = (grow + on_path[before * few + row] + _follow(words, bins[row])) * _POINTS
        product = times(load_eight(products, above), load_eight(grows, factor))
        store(sums, above, product if is_first else plus(load_eight(sums, above), product))
        part = times(product, load_eight(parts, factor))
        store(totals, row * _POINTS, plus(load_eight(totals, row * _POINTS), part))


@numba.njit(cache=True, nogil=True, inline="always")
def _go_up(few, sums, here, states, parts, grow, totals, is_first):
    """Take the sum of the leaves below an edge, in part, to its feature, and to the edge above."""
    for row in range(few):
        at, above = here * few + row, (here * few + row - few) * _POINTS
        below = load_eight(sums, at * _POINTS)
        store(sums, above, below if is_first else plus(load_eight(sums, above), below))
        part = times(below, load_eight(parts, (grow + states[at]) * _POINTS))
        store(totals, row * _POINTS, plus(load_eight(totals, row * _POINTS), part))
