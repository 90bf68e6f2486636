"""Tables give LightGBM's own contributions, and those of the definition, for any model they hold."""

from __future__ import annotations

from itertools import combinations
from math import factorial

import lightgbm as lgb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import ArtifactError, RequestError
from training.shap_tables import compile
from training.shap_tables.model_text import parse

N_FEATURES = 6


def rows(rng, n, share_missing=0.15):
    """Rows with ties, zeros, missing values, and a feature that never varies."""
    X = rng.normal(size=(n, N_FEATURES))
    X[:, :3] = np.round(X[:, :3])
    X[:, 5] = 7.0
    X[rng.random(X.shape) < share_missing] = np.nan
    return X


def booster(seed=0, n_trees=12, n=300, **parameters):
    """A small model; parameters as LightGBM's."""
    rng = np.random.default_rng(seed)
    X = rows(rng, n)
    y = (np.nan_to_num(X[:, 0]) + np.nan_to_num(X[:, 3] * X[:, 1]) + rng.normal(size=n) > 0.3).astype(int)
    chosen = {
        "objective": "binary",
        "verbosity": -1,
        "min_data_in_leaf": 2,
        "seed": seed,
        "num_threads": 1,
        **parameters,
    }
    return lgb.train(chosen, lgb.Dataset(X, label=y), n_trees)


def edges(model, rng):
    """Rows on, just below and just above the model's own thresholds, and at both infinities."""
    tree_rows = []
    for tree in parse(model.model_to_string()).trees:
        for feature, threshold in zip(tree.feature, tree.threshold, strict=True):
            for value in (
                threshold,
                np.nextafter(threshold, np.inf),
                np.nextafter(threshold, -np.inf),
                np.inf,
                -np.inf,
            ):
                row = rows(rng, 1)[0]
                row[feature] = value
                tree_rows.append(row)
    return np.array(tree_rows[:200]) if tree_rows else rows(rng, 5)


def agree(model, X):
    """Compare contributions, raw scores and their sum with LightGBM's."""
    tables = compile(model, max_cells=64)
    raw, contributions = tables.both(X)
    expected = np.asarray(model.predict(X, pred_contrib=True))
    assert contributions == pytest.approx(expected[:, :-1], abs=1e-9)
    assert tables.expected_value == pytest.approx(expected[0, -1], abs=1e-9)
    assert raw == pytest.approx(np.asarray(model.predict(X, raw_score=True)), abs=1e-9)
    assert tables.raw_score(X) == pytest.approx(raw, abs=1e-12)
    assert tables.expected_value + contributions.sum(axis=1) == pytest.approx(raw, abs=1e-9)


@given(
    seed=st.integers(0, 100_000),
    num_leaves=st.integers(2, 40),
    max_depth=st.sampled_from([-1, 1, 2, 5]),
    missing=st.sampled_from([{}, {"use_missing": False}, {"zero_as_missing": True}]),
    kind=st.sampled_from(
        [{}, {"extra_trees": True}, {"boosting": "dart"}, {"monotone_constraints": [1, 0, 0, -1, 0, 0]},
         {"bagging_freq": 1, "bagging_fraction": 0.6}]
    ),
)  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_tables_agree_with_lightgbm_on_random_models_and_on_the_edges_of_their_thresholds(
    seed, num_leaves, max_depth, missing, kind
):
    model = booster(seed, num_leaves=num_leaves, max_depth=max_depth, **missing, **kind)
    rng = np.random.default_rng(seed + 1)

    agree(
        model,
        np.vstack([rows(rng, 50), edges(model, rng), np.zeros((1, N_FEATURES)), np.full((1, N_FEATURES), np.nan)]),
    )


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

    agree(model, X)


def test_contributions_are_the_shapley_values_of_the_definition():
    # Given the game in which a coalition knows some features and follows the training rows' shares for the others.
    model = booster(num_leaves=6, n_trees=2)
    trees = parse(model.model_to_string()).trees
    X = rows(np.random.default_rng(9), 6)

    def worth(tree, node, x, known):
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
        parts = [worth(tree, c, x, known) for c in (left, right)]
        return float(np.average(parts, weights=shares))

    def shapley(tree, x, feature):
        others = [f for f in range(N_FEATURES) if f != feature]
        total = 0.0
        for size in range(N_FEATURES):
            weight = factorial(size) * factorial(N_FEATURES - size - 1) / factorial(N_FEATURES)
            for known in combinations(others, size):
                total += weight * (worth(tree, 0, x, {*known, feature}) - worth(tree, 0, x, set(known)))
        return total

    expected = [[sum(shapley(tree, x, f) for tree in trees) for f in range(N_FEATURES)] for x in X]
    assert compile(model).shap_values(X) == pytest.approx(np.array(expected), abs=1e-9)


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


def test_a_text_cut_short_is_refused():
    text = booster().model_to_string()

    with pytest.raises(ArtifactError, match="cut short"):
        parse(text[: len(text) // 2])


def test_what_the_tables_cannot_hold_is_refused_by_name():
    rng = np.random.default_rng(0)
    X, y = np.abs(rows(rng, 200, 0.0)), rng.integers(0, 3, 200)
    quiet = {"verbosity": -1, "min_data_in_leaf": 2}
    several = lgb.train({**quiet, "objective": "multiclass", "num_class": 3}, lgb.Dataset(X, label=y), 2)
    linear = lgb.train({**quiet, "linear_tree": True}, lgb.Dataset(X, label=y), 2)

    for model, says in ((several, "one output"), (linear, "linear leaves")):
        with pytest.raises(ArtifactError, match=says):
            compile(model)


def test_other_columns_than_the_models_are_refused():
    with pytest.raises(RequestError, match=f"must have {N_FEATURES} columns"):
        compile(booster()).shap_values(np.zeros((2, N_FEATURES - 1)))
