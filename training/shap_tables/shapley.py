"""Exact Shapley values of one leaf, as an integral that a few points give exactly.

Let a leaf with value v ask something of k features; o_j is 1 where a row does what feature j's part of the path asks
and else 0, z_j is the share of training rows that do. In the game of path-dependent TreeSHAP a coalition S is worth
v prod_{j in S} o_j prod_{j not in S} z_j. With Owen's multilinear extension (1972) its Shapley values are

    phi_i = v (o_i - z_i) integral from 0 to 1 of prod_{j != i} ((1 - u) z_j + u o_j) du,

and Shapley interactions the same with both factors taken out, halved. The integrand is a polynomial of degree k - 1, so
Gauss-Legendre quadrature with k / 2 points is exact but for rounding.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from training.shap_tables.compiled import compiled


@cache
def points(n: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return n points of Gauss-Legendre quadrature on [0, 1] and their weights, exact up to degree 2 n - 1."""
    at, weights = np.polynomial.legendre.leggauss(n)
    return (at + 1) / 2, weights / 2


@compiled
def case_contributions(value, fractions, at, weights):
    """Return (2^k, k): the Shapley values of a leaf for each case; bit j of a case is set where the row follows j."""
    k, n = len(fractions), len(at)
    products = np.ones((1 << k, n))
    size = 1
    for j in range(k):
        for case in range(size):
            for q in range(n):
                away = (1.0 - at[q]) * fractions[j]
                products[case + size, q] = products[case, q] * (away + at[q])
                products[case, q] *= away
        size *= 2
    out = np.empty((1 << k, k))
    for i in range(k):
        coefficients = np.empty((2, n))
        for q in range(n):
            coefficients[0, q] = value * missing_part(at[q]) * weights[q]
            coefficients[1, q] = value * following_part(fractions[i], at[q]) * weights[q]
        for case in range(size):
            total = 0.0
            for q in range(n):
                total += products[case, q] * coefficients[(case >> i) & 1, q]
            out[case, i] = total
    return out


@compiled
def missing_part(u):
    """Return (o - z) / ((1 - u) z + u o) for o = 0; where z is 0, the product that it multiplies is 0 too."""
    return -1.0 / (1.0 - u)


@compiled
def following_part(z, u):
    """Return (o - z) / ((1 - u) z + u o) for o = 1."""
    return (1.0 - z) / ((1.0 - u) * z + u)
