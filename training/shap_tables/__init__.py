"""Exact path-dependent TreeSHAP of LightGBM models by look-up tables, over a hundred times as fast as `pred_contrib`.

A library of its own: it knows LightGBM's text format and nothing of Qianfen. docs/shap-tables.md shows the idea with
one drawn tree.

    tables = compile(booster)
    raw_score = tables.raw_score(X)
    contributions = tables.shap_values(X)
    save(tables, path); tables = load(path, booster)

How it works. A LightGBM model can see of a value only which side of its own splits it falls on, so each feature is
binned there, with a bin for missing. For one leaf, path-dependent Shapley values depend only on which of the k distinct
features on its path agree with that path: 2^k cases, each computed once and exactly from the cover fractions. Leaves
whose features together have few joint cells are gathered into a table, and for each cell the sum of its leaves'
contributions is stored. A row is then a few look-ups and additions for each table. Leaves with too many features for
that are explained while going through the tree, by a quadrature that is exact (shapley.py).

Cost. A row costs, for every six tables, as many look-ups as they have features together, and one cell for each table;
for every edge that leads to a leaf without a table, sixteen multiplications. Compiling costs, for a leaf of k features,
2^k k contributions, which are added to the cells of its table.

Sources: S. Lundberg et al., "From local explanations to global understanding with explainable AI for trees", Nature
Machine Intelligence 2 (2020), for the game; LightGBM's Tree::PredictContrib for what counts as cover; G. Owen,
"Multilinear extensions of games", Management Science 18 (1972), for the integral; P. Yu et al., "Linear TreeSHAP",
NeurIPS 2022, for going through a tree with polynomials, and the woodelf-explainer package for quadrature in their
place. Grouping leaves into joint look-up tables is our own.
"""

from training.shap_tables.interactions import shap_interaction
from training.shap_tables.storage import load, save
from training.shap_tables.tables import BinnedRows, TreeShapTables, compile

PARTS = (
    "model_text",
    "bins",
    "forest",
    "shapley",
    "families",
    "groups",
    "lookup",
    "deep",
    "lanes",
    "kernels",
    "tables",
)
"""Modules that shape the contributions."""

__all__ = ["PARTS", "BinnedRows", "TreeShapTables", "compile", "load", "save", "shap_interaction"]
