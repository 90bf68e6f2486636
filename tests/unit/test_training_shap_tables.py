"""Tables give LightGBM's own contributions, and those of the definition, for any model they hold.

``pytest tests/unit/test_training_shap_tables.py -k random --hypothesis-profile=thousands`` tries 3,000 random models.
"""

from __future__ import annotations

import dataclasses
from itertools import combinations
from math import factorial

import lightgbm as lgb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.shap_tables import compile, shap_interaction
from training.shap_tables.model_text import parse

N_FEATURES = 7
CATEGORICAL = 6


def rows(rng, n, share_missing=0.15):
    """Rows with ties, zeros, missing values, a feature that never varies, and categories in the last column."""
    X = rng.normal(size=(n, N_FEATURES))
    X[:, :3] = np.round(X[:, :3])
    X[:, 4] *= 10.0 ** rng.integers(-38, 30)
    X[:, 5] = 7.0
    X[:, CATEGORICAL] = rng.integers(0, 40, n)
    X[rng.random(X.shape) < share_missing] = np.nan
    return X


def booster(seed=0, n_trees=8, n=300, share_missing=0.15, **parameters):
    """A small model; parameters as LightGBM's."""
    rng = np.random.default_rng(seed)
    X = rows(rng, n, share_missing)
    odd = np.nan_to_num(X[:, CATEGORICAL]) % 3 == 1
    y = (np.nan_to_num(X[:, 0]) + np.nan_to_num(X[:, 3] * X[:, 1]) + odd + rng.normal(size=n) > 0.3).astype(int)
    chosen = {
        "objective": "binary",
        "verbosity": -1,
        "min_data_in_leaf": 2,
        "seed": seed,
        "num_threads": 1,
        **parameters,
    }
    by_category = {"categorical_feature": [CATEGORICAL]} if chosen.pop("by_category", False) else {}
    return lgb.train(chosen, lgb.Dataset(X, label=y, **by_category), n_trees)


def edges(model, rng):
    """Rows on, just below and just above the model's own thresholds in float64 and float32, and beyond all of them."""
    found = []
    for tree in parse(model.model_to_string()).trees:
        for feature, threshold in zip(tree.feature, tree.threshold, strict=True):
            single = np.float32(threshold)
            for value in (
                threshold, np.nextafter(threshold, np.inf), np.nextafter(threshold, -np.inf),
                single, np.nextafter(single, np.float32(np.inf)), np.nextafter(single, np.float32(-np.inf)),
                np.inf, -np.inf, 0.0, -0.0, 1e-35, -1e-36, 1e-34, -0.5, 39.7, 1e6, -3.0,
            ):  # fmt: skip
                row = rows(rng, 1)[0]
                row[feature] = value
                found.append(row)
    kept = rng.permutation(len(found))[:150]
    return np.array([found[i] for i in kept]) if found else rows(rng, 5)


def agree(model, X, **parameters):
    """Compare contributions, raw scores and their sum with LightGBM's."""
    tables = compile(model, **{"max_cells": 64, **parameters})
    expected = np.asarray(model.predict(X, pred_contrib=True))
    raw, contributions = tables.both(X)
    assert contributions == pytest.approx(expected[:, :-1], abs=1e-9)
    assert tables.expected_value == pytest.approx(expected[0, -1], abs=1e-9)
    assert raw == pytest.approx(np.asarray(model.predict(X, raw_score=True)), abs=1e-9)
    assert tables.raw_score(X) == pytest.approx(raw, abs=1e-9)
    plainly = dataclasses.replace(tables, engine="numpy")
    assert plainly.shap_values(X) == pytest.approx(contributions, abs=1e-12)
    assert (plainly.raw_score(X) == tables.raw_score(X)).all()
    assert (plainly.bin(X).bins == tables.bin(X).bins).all()


@given(
    seed=st.integers(0, 1_000_000),
    size=st.fixed_dictionaries(
        {
            "num_leaves": st.integers(2, 60),
            "max_depth": st.sampled_from([-1, 1, 2, 5]),
            "min_data_in_leaf": st.sampled_from([1, 2, 20, 400]),
            "max_bin": st.sampled_from([2, 15, 255, 900]),
            "share_missing": st.sampled_from([0.0, 0.15, 0.6]),
        }
    ),
    missing=st.sampled_from([{}, {"use_missing": False}, {"zero_as_missing": True}]),
    kind=st.sampled_from([
        {},
        {"extra_trees": True},
        {"boosting": "dart"},
        {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.6},
        {"bagging_freq": 1, "bagging_fraction": 0.6, "feature_fraction": 0.5},
        {"monotone_constraints": [1, 0, 0, -1, 0, 0, 0]},
        {"by_category": True, "min_data_per_group": 1, "cat_smooth": 0},
        {"by_category": True, "min_data_per_group": 1, "cat_smooth": 0, "max_cat_to_onehot": 1},
    ]),
    objective=st.sampled_from(["binary", "regression", "l1", "poisson", "cross_entropy", "tweedie"]),
    tables=st.sampled_from([{}, {"max_cells": 2}, {"max_cells": 1024}, {"max_mib": 0.0}, {"max_mib": 0.05}]),
    single=st.booleans(),
)  # fmt: skip
@settings(deadline=None)
def test_tables_agree_with_lightgbm_on_random_models_and_on_the_edges_of_their_thresholds(
    seed, size, missing, kind, objective, tables, single
):
    if "monotone_constraints" in kind and objective == "l1":
        # LightGBM refuses this pair.
        objective = "regression"
    model = booster(seed, objective=objective, **size, **missing, **kind)
    rng = np.random.default_rng(seed + 1)
    X = np.vstack([rows(rng, 50), edges(model, rng), np.zeros((1, N_FEATURES)), np.full((1, N_FEATURES), np.nan)])

    with np.errstate(over="ignore"):
        agree(model, X.astype(np.float32) if single else X, **tables)


def test_a_model_of_single_leaves_is_a_constant():
    model = booster(min_data_in_leaf=1000, n_trees=3)

    agree(model, rows(np.random.default_rng(0), 5))


def test_an_early_stopped_model_is_read_as_it_predicts():
    rng = np.random.default_rng(0)
    X, y = rows(rng, 300), rng.integers(0, 2, 300)
    data = lgb.Dataset(X[:200], label=y[:200])
    held = lgb.Dataset(X[200:], label=y[200:], reference=data)
    stop = lgb.early_stopping(3, verbose=False)
    model = lgb.train({"objective": "binary", "verbosity": -1}, data, 50, valid_sets=[held], callbacks=[stop])

    assert 0 < model.best_iteration < 50
    agree(model, X)


@pytest.mark.parametrize("n_features", [13, 20, 40])
def test_leaves_of_many_features_agree_too(n_features):
    # Given additive rows in which each split of a path takes another feature, so that one leaf asks for most of them.
    rng = np.random.default_rng(n_features)
    X = rng.normal(size=(4_000, n_features))
    y = (X > -1.0).all(axis=1) * 10.0 + (X > -1.0).cumprod(axis=1).sum(axis=1)
    chosen = {"verbosity": -1, "num_leaves": 2 * n_features, "min_data_in_leaf": 1, "num_threads": 1}
    model = lgb.train(chosen, lgb.Dataset(X, label=y), 3)
    tables = compile(model)
    expected = np.asarray(model.predict(X[:100], pred_contrib=True))

    assert len(tables.deep.depth) > 0
    assert tables.shap_values(X[:100]) == pytest.approx(expected[:, :-1], abs=1e-9)
    plainly = dataclasses.replace(tables, engine="numpy")
    assert plainly.shap_values(X[:100]) == pytest.approx(expected[:, :-1], abs=1e-9)


def worth(tree, node, x, known):
    """What a tree says where a coalition of known features decides, and else the training rows' shares."""
    if node < 0:
        return tree.leaf_value[~node]
    left, right = tree.left[node], tree.right[node]
    if tree.feature[node] in known:
        x_value = x[tree.feature[node]]
        missing = np.isnan(x_value) and tree.missing_type[node] == 2
        value = 0.0 if np.isnan(x_value) else x_value
        goes_left = tree.default_left[node] if missing else value <= tree.threshold[node]
        return worth(tree, left if goes_left else right, x, known)
    shares = [tree.leaf_count[~c] if c < 0 else tree.node_count[c] for c in (left, right)]
    return float(np.average([worth(tree, c, x, known) for c in (left, right)], weights=shares))


def shapley(tree, x, feature):
    """A feature's Shapley value by the definition: its worth to every coalition of the others."""
    others = [f for f in range(N_FEATURES) if f != feature]
    total = 0.0
    for size in range(N_FEATURES):
        weight = factorial(size) * factorial(N_FEATURES - size - 1) / factorial(N_FEATURES)
        for known in combinations(others, size):
            total += weight * (worth(tree, 0, x, {*known, feature}) - worth(tree, 0, x, set(known)))
    return total


@pytest.mark.parametrize("tables", [{}, {"max_mib": 0.0}])
def test_contributions_are_the_shapley_values_of_the_definition(tables):
    model = booster(num_leaves=8, n_trees=2)
    trees = parse(model.model_to_string()).trees
    X = rows(np.random.default_rng(9), 6)

    expected = [[sum(shapley(tree, x, f) for tree in trees) for f in range(N_FEATURES)] for x in X]
    assert compile(model, **tables).shap_values(X) == pytest.approx(np.array(expected), abs=1e-9)


@pytest.mark.filterwarnings("ignore:The set_:PendingDeprecationWarning")
def test_interactions_are_those_of_the_shap_library_and_sum_to_the_contributions():
    # Imported here, where its warnings are let pass.
    import shap

    model = booster(num_leaves=12, n_trees=5, share_missing=0.0)
    X = rows(np.random.default_rng(3), 8, 0.0)
    tables = compile(model)

    found = shap_interaction(tables, X)

    assert found == pytest.approx(np.asarray(shap.TreeExplainer(model).shap_interaction_values(X)), abs=1e-6)
    assert found.sum(axis=2) == pytest.approx(tables.shap_values(X), abs=1e-12)
    assert found == pytest.approx(found.transpose(0, 2, 1), abs=1e-12)


def test_interactions_are_those_of_the_definition():
    # Given what a pair brings together, over all coalitions of the others, halved between (i, j) and (j, i).
    model = booster(num_leaves=8, n_trees=1)
    (tree,) = parse(model.model_to_string()).trees
    (x,) = rows(np.random.default_rng(5), 1)

    def together(i, j):
        others = [f for f in range(N_FEATURES) if f not in (i, j)]
        total = 0.0
        for size in range(N_FEATURES - 1):
            weight = factorial(size) * factorial(N_FEATURES - size - 2) / (2 * factorial(N_FEATURES - 1))
            for known in map(set, combinations(others, size)):
                both = worth(tree, 0, x, known | {i, j}) + worth(tree, 0, x, known)
                total += weight * (both - worth(tree, 0, x, known | {i}) - worth(tree, 0, x, known | {j}))
        return total

    found = shap_interaction(compile(model), x[None, :])[0]
    for i, j in combinations(range(N_FEATURES), 2):
        assert found[i, j] == pytest.approx(together(i, j), abs=1e-9)


def test_half_the_memory_keeps_a_millionth():
    model = booster(num_leaves=20)
    X = rows(np.random.default_rng(1), 100)
    half, whole = compile(model, dtype=np.float32), compile(model)

    assert half.lookup.cells.nbytes * 2 == whole.lookup.cells.nbytes
    assert half.shap_values(X) == pytest.approx(whole.shap_values(X), abs=1e-6)


def test_threads_change_nothing():
    tables = compile(booster())
    X = rows(np.random.default_rng(1), 5_000)

    assert (tables.shap_values(X, threads=1) == tables.shap_values(X, threads=2)).all()
    assert (tables.raw_score(X, threads=1) == tables.raw_score(X, threads=3)).all()


def test_raw_scores_are_lightgbms_to_the_last_bit():
    model, X = booster(n_trees=30), rows(np.random.default_rng(1), 500)

    assert (compile(model).raw_score(X) == np.asarray(model.predict(X, raw_score=True))).all()


def test_rows_binned_before_give_the_same():
    tables = compile(booster())
    X = rows(np.random.default_rng(1), 100)
    binned = tables.bin(X)

    assert binned.bins.dtype == np.uint8
    assert (tables.shap_values(binned) == tables.shap_values(X)).all()
    assert (tables.raw_score(binned) == tables.raw_score(X)).all()


def test_no_rows_have_no_contributions():
    tables = compile(booster())

    raw, contributions = tables.both(np.empty((0, N_FEATURES)))
    assert (raw.shape, contributions.shape) == ((0,), (0, N_FEATURES))
