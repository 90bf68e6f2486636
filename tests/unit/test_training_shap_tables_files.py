"""Saved tables are read back as they were, or refused by name; so is every model and row that tables cannot hold."""

from __future__ import annotations

import subprocess
import sys

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest

from data.errors import ArtifactError, NotFoundError, RequestError
from training.shap_tables import BinnedRows, compile, load, save

NAMES = ["age", "visits", "fines"]


def rows(n=200, seed=0):
    """Rows of three features, some missing."""
    X = np.random.default_rng(seed).normal(size=(n, len(NAMES)))
    X[::7, 1] = np.nan
    return X


def booster(seed=0, **parameters):
    """A small model with named columns."""
    X = rows(seed=seed)
    y = X[:, 0] + np.nan_to_num(X[:, 1]) * X[:, 2]
    chosen = {"verbosity": -1, "min_data_in_leaf": 2, "num_leaves": 8, "num_threads": 1, **parameters}
    return lgb.train(chosen, lgb.Dataset(X, label=y, feature_name=NAMES), 4)


def test_saved_tables_are_read_back_as_they_were(tmp_path):
    model, X, path = booster(), rows(seed=1), tmp_path / "tables"
    tables = compile(model)
    save(tables, path)

    again = load(path, model)

    assert (again.shap_values(X) == tables.shap_values(X)).all()
    assert (again.expected_value, again.feature_names) == (tables.expected_value, tuple(NAMES))


def test_a_model_file_serves_as_well_as_a_booster(tmp_path):
    model, path = booster(), tmp_path / "model.txt"
    model.save_model(str(path))
    save(compile(path), tmp_path / "tables")

    assert load(tmp_path / "tables", path).model == load(tmp_path / "tables", model).model == compile(model).model


def test_any_flipped_bit_of_a_file_is_found(tmp_path):
    model, path = booster(), tmp_path / "tables"
    save(compile(model), path)
    whole = path.read_bytes()
    places = {*range(120), *np.random.default_rng(0).integers(0, len(whole), 200).tolist(), len(whole) - 1}

    for place in places:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        with pytest.raises(ArtifactError, match="SHA-256 differs|of the format"):
            load(path, model)


def test_a_file_cut_short_is_refused(tmp_path):
    model, path = booster(), tmp_path / "tables"
    save(compile(model), path)
    whole = path.read_bytes()

    for length in (0, 10, 50, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(ArtifactError, match="SHA-256 differs|of the format"):
            load(path, model)


def test_tables_of_another_model_are_refused(tmp_path):
    model, other = booster(), booster(seed=1)
    save(compile(model), tmp_path / "tables")

    with pytest.raises(ArtifactError, match=f"must be of the model {compile(other).model[:12]}"):
        load(tmp_path / "tables", other)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(NotFoundError, match="There are no tables at"):
        load(tmp_path / "tables", booster())


def test_a_model_file_cut_short_is_refused(tmp_path):
    path = tmp_path / "model.txt"
    booster().save_model(str(path))
    text = path.read_text()

    for share in (0.1, 0.4, 0.8):
        path.write_text(text[: int(len(text.split("end of trees")[0]) * share)])
        with pytest.raises(ArtifactError, match="cut short"):
            compile(path)


def test_a_damaged_model_text_is_refused(tmp_path):
    path = tmp_path / "model.txt"
    text = booster().model_to_string()

    damages = (("leaf_value=", "leaf_valve="), ("threshold=", "threshold=x"), ("num_leaves=8", "num_leaves=7"))
    for old, new in (*damages, ("Tree=1\n", "")):
        path.write_text(text.replace(old, new))
        with pytest.raises(ArtifactError, match="Copy the file again"):
            compile(path)


def test_what_the_tables_cannot_hold_is_refused_by_name():
    rng = np.random.default_rng(0)
    X, y = np.abs(np.nan_to_num(rows())), rng.integers(0, 3, 200)
    quiet = {"verbosity": -1, "min_data_in_leaf": 2}
    several = lgb.train({**quiet, "objective": "multiclass", "num_class": 3}, lgb.Dataset(X, label=y), 2)
    linear = lgb.train({**quiet, "linear_tree": True}, lgb.Dataset(X, label=y), 2)

    for model, says in ((several, "one output"), (linear, "linear leaves")):
        with pytest.raises(ArtifactError, match=says):
            compile(model)


def test_other_columns_than_the_models_are_refused():
    tables, X = compile(booster()), rows()
    frame = pd.DataFrame(X, columns=NAMES)

    assert (tables.shap_values(frame) == tables.shap_values(X)).all()
    with pytest.raises(RequestError, match="must have 3 columns"):
        tables.shap_values(X[:, :2])
    with pytest.raises(RequestError, match="the model's 3 in its order"):
        tables.shap_values(frame[["visits", "age", "fines"]])


def test_bins_of_another_model_are_refused():
    tables, other = compile(booster()), compile(booster(seed=1))

    with pytest.raises(RequestError, match="The bins must be of the model"):
        tables.shap_values(other.bin(rows()))


def test_bins_that_no_value_has_are_refused():
    tables = compile(booster())
    bins = tables.bin(rows()).bins

    for wrong in (np.full_like(bins, 255), bins[:, :2], bins.astype(np.int64)):
        with pytest.raises(RequestError, match="Bins must be as `bin` returns them"):
            tables.shap_values(BinnedRows(wrong, tables.model))


def test_rows_that_hold_no_numbers_are_refused():
    with pytest.raises(RequestError, match="X must hold numbers"):
        compile(booster()).shap_values(np.array([["a", "b", "c"]], dtype=object))


def test_parameters_out_of_range_are_refused():
    for parameters, says in (({"max_cells": 1}, "max_cells"), ({"dtype": np.int8}, "dtype")):
        with pytest.raises(RequestError, match=f"{says} must be"):
            compile(booster(), **parameters)
    with pytest.raises(RequestError, match="threads must be positive, got 0"):
        compile(booster()).shap_values(rows(), threads=0)


def test_without_numba_everything_runs_as_numpy(tmp_path):
    model, X = booster(), rows(20)
    model.save_model(str(tmp_path / "model.txt"))
    np.save(tmp_path / "X.npy", X)
    program = """
import sys
sys.modules["numba"] = None
from pathlib import Path
import numpy as np
from training.shap_tables import compile
folder = Path(sys.argv[1])
tables = compile(folder / "model.txt")
assert tables.engine == "numpy"
np.save(folder / "found.npy", tables.shap_values(np.load(folder / "X.npy")))
"""
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True)

    assert np.load(tmp_path / "found.npy") == pytest.approx(compile(model).shap_values(X), abs=1e-12)
