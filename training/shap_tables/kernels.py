"""The compiled loops: bins of values, contributions of leaves, tables of groups, sums over groups."""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from training.shap_tables.paths import ZERO_THRESHOLD

BLOCK_ROWS = 2048
"""Rows that one thread takes at a time: their bins and sums stay in its cache while the groups pass by."""


def _bin_rows(X, cuts, cut_starts, has_zero, bins):
    """Fill `bins` (n_features, n_rows) with the bin of every value of `X` (n_rows, n_features)."""
    n_rows, n_features = X.shape
    for block in prange((n_rows + BLOCK_ROWS - 1) // BLOCK_ROWS):
        for row in range(block * BLOCK_ROWS, min(n_rows, (block + 1) * BLOCK_ROWS)):
            for feature in range(n_features):
                low, high = cut_starts[feature], cut_starts[feature + 1]
                x = X[row, feature]
                if np.isnan(x):
                    bins[feature, row] = high - low + 1
                    continue
                if -ZERO_THRESHOLD <= x <= ZERO_THRESHOLD:
                    # LightGBM reads what is this near to zero as zero, before any threshold.
                    x = 0.0
                    if has_zero[feature]:
                        bins[feature, row] = high - low + 2
                        continue
                first = low
                while low < high:
                    middle = (low + high) // 2
                    if cuts[middle] < x:
                        low = middle + 1
                    else:
                        high = middle
                bins[feature, row] = low - first


@njit(cache=True)
def leaf_contributions(value, fractions):
    """Return (2^k, k + 1): Shapley values of the k features of a leaf, then its raw value, for each case of agreement.

    Case c has bit j set where feature j agrees. With z_j the cover fraction and o_j the agreement,
    phi_i = value (o_i - z_i) sum over S of |S|! (k - |S| - 1)! / k! prod_{j in S} o_j prod_{j not in S, j != i} z_j,
    the sum taken over subsets S of the other features; it is the inner product of the coefficients of
    prod_{j != i} (z_j + o_j t) with the weights.
    """
    k = len(fractions)
    weights = np.empty(k)
    weights[0] = 1.0 / k
    for s in range(1, k):
        weights[s] = weights[s - 1] * s / (k - s)
    out = np.empty((1 << k, k + 1))
    for case in range(1 << k):
        for i in range(k):
            agrees = (case >> i) & 1
            out[case, i] = value * (agrees - fractions[i]) * np.dot(_coefficients(case, fractions, i), weights)
        out[case, k] = value if case == (1 << k) - 1 else 0.0
    return out


@njit(cache=True)
def _coefficients(case, fractions, skipped):
    """Return the coefficients (k,) of prod (z_j + o_j t) over all features but one."""
    polynomial = np.zeros(len(fractions))
    polynomial[0] = 1.0
    degree = 0
    for j in range(len(fractions)):
        if j == skipped:
            continue
        agrees = (case >> j) & 1
        for s in range(degree + agrees, 0, -1):
            polynomial[s] = polynomial[s] * fractions[j] + agrees * polynomial[s - 1]
        polynomial[0] *= fractions[j]
        degree += agrees
    return polynomial


@njit(cache=True)
def add_leaf(table, strides, shape, places, agrees, agrees_starts, contributions):
    """Add a leaf to its group's table (cells, K + 1).

    places[j] is where the leaf's j-th feature stands in the group; agrees[agrees_starts[j] + c] says whether class c of
    that feature agrees.
    """
    k = len(places)
    last = table.shape[1] - 1
    for cell in range(table.shape[0]):
        case = 0
        for j in range(k):
            place = places[j]
            if agrees[agrees_starts[j] + (cell // strides[place]) % shape[place]]:
                case |= 1 << j
        for j in range(k):
            table[cell, places[j]] += contributions[case, j]
        table[cell, last] += contributions[case, k]


def _sum_groups(bins, starts, features, offsets, offset_starts, table_starts, tables, values):
    """Add to `values` (n_rows, n_features + 1) the entries of every group: contributions, then raw score.

    Group g has the features `features[starts[g]:starts[g + 1]]`; for its i-th, `offsets[offset_starts[i] + bin]` is
    what the bin adds to the place of the cell; `tables[table_starts[g]:]` holds its cells, each of k + 1 numbers.
    """
    n_rows, last = values.shape[0], values.shape[1] - 1
    for block in prange((n_rows + BLOCK_ROWS - 1) // BLOCK_ROWS):
        begin, end = block * BLOCK_ROWS, min(n_rows, (block + 1) * BLOCK_ROWS)
        place = np.empty(end - begin, dtype=np.int64)
        for group in range(len(starts) - 1):
            first, stop = starts[group], starts[group + 1]
            place[:] = table_starts[group]
            for i in range(first, stop):
                column, at = bins[features[i]], offset_starts[i]
                for row in range(end - begin):
                    place[row] += offsets[at + column[begin + row]]
            for row in range(end - begin):
                cell = place[row]
                for i in range(first, stop):
                    values[begin + row, features[i]] += tables[cell + i - first]
                values[begin + row, last] += tables[cell + stop - first]


def _sum_raw(bins, starts, features, offsets, offset_starts, table_starts, tables, raw):
    """Add to `raw` (n_rows) the raw score of every group; arguments as for `sum_groups`."""
    n_rows = len(raw)
    for block in prange((n_rows + BLOCK_ROWS - 1) // BLOCK_ROWS):
        begin, end = block * BLOCK_ROWS, min(n_rows, (block + 1) * BLOCK_ROWS)
        place = np.empty(end - begin, dtype=np.int64)
        for group in range(len(starts) - 1):
            first, stop = starts[group], starts[group + 1]
            place[:] = table_starts[group] + stop - first
            for i in range(first, stop):
                column, at = bins[features[i]], offset_starts[i]
                for row in range(end - begin):
                    place[row] += offsets[at + column[begin + row]]
            for row in range(end - begin):
                raw[begin + row] += tables[place[row]]


def _both_ways(loop):
    """Compile a loop for one thread, and for all: threads cost more than they bring for a few rows."""
    return njit(cache=True, nogil=True)(loop), njit(cache=True, nogil=True, parallel=True)(loop)


bin_rows = _both_ways(_bin_rows)
sum_groups = _both_ways(_sum_groups)
sum_raw = _both_ways(_sum_raw)
