"""Shapley interactions of single rows, straight from the leaves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.shap_tables.compiled import compiled
from training.shap_tables.forest import bits_of, leaves_of
from training.shap_tables.shapley import points
from training.shap_tables.tables import Rows, TreeShapTables


def shap_interaction(tables: TreeShapTables, X: Rows) -> NDArray[np.float64]:
    """Return the interactions (n_rows, n_features, n_features) of a few rows.

    Off the diagonal stands half of what two features bring together, on it what a feature brings alone; a row of the
    matrix sums to the feature's contribution. For a leaf (shapley.py has the letters)

        phi_ij = v (o_i - z_i) (o_j - z_j) / 2 x integral of prod_{l not i, j} ((1 - u) z_l + u o_l) du.

    A row costs, for each leaf, the square of its features times the points.
    """
    bins, forest = tables.bin(X).bins, tables.forest
    leaves = leaves_of(forest)
    at, weights = points(max(1, (int(leaves.n_features.max(initial=1)) + 1) // 2))
    feature, fraction, value = forest.feature[leaves.edges], forest.fraction[leaves.edges], forest.value[leaves.leaf]
    out = np.zeros((len(bins), tables.n_features, tables.n_features))
    for row, found in zip(bins, out, strict=True):
        follows = bits_of(forest.follows, leaves.edges, row[feature])
        add_interactions(leaves.starts, feature, fraction, follows, value, at, weights, found)
    contributions = tables.shap_values(X)
    everyone = np.arange(tables.n_features)
    out[:, everyone, everyone] = contributions - out.sum(axis=2)
    return out


@compiled
def add_interactions(starts, feature, fraction, follows, value, at, weights, out):
    """Add to `out` (n_features, n_features), off the diagonal, the interactions in every leaf."""
    for leaf in range(len(starts) - 1):
        first, end = starts[leaf], starts[leaf + 1]
        for i in range(first, end):
            for j in range(first, i):
                total = 0.0
                for q in range(len(at)):
                    product = weights[q]
                    for other in range(first, end):
                        if other not in (i, j):
                            product *= (1.0 - at[q]) * fraction[other] + at[q] * follows[other]
                    total += product
                both = (follows[i] - fraction[i]) * (follows[j] - fraction[j]) * value[leaf] * total / 2
                out[feature[i], feature[j]] += both
                out[feature[j], feature[i]] += both
