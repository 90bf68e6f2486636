"""Points are a sum of contributions, in memory and on disk."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import ArtifactError, RequestError
from features.catalogue import load_catalogue
from training.additive import KINDS, AdditiveModel, ExpertOffset
from training.artifact import load_artifact, save_artifact
from training.expert_card import REFERENCE, CutPoints, ExpertCard
from training.model import expected_f
from training.scale import Scale

NAMES = load_catalogue().names
READER = Path(__file__).parent.parent / "functional" / "standalone_reader.py"


def some_rows(rng, n):
    """Return rows with missing values, some on the card's edges."""
    X = np.abs(rng.normal(scale=3.0, size=(n, len(NAMES))))
    X = np.where(rng.random(X.shape) < 0.3, np.round(X), X)
    return np.where(rng.random(X.shape) < 0.2, np.nan, X)


def some_model(kind, seed=0, n_trees=20):
    """Return a small model of a kind."""
    rng = np.random.default_rng(seed)
    X = some_rows(rng, 400)
    y = (np.nan_to_num(X[:, 12]) + rng.normal(size=400) > 2).astype(np.int8)
    card = ExpertCard.from_csv(REFERENCE / "expert_card.csv", NAMES)
    points = card.points(X)
    slope = 0.0 if kind == "lightgbm" else 0.004
    offset = ExpertOffset(-1.5 if slope else 0.0, slope, tuple(points.mean(axis=0)))
    booster, expected = None, 0.0
    if kind != "expert_card":
        init_score = offset.alpha + slope * points.sum(axis=1)
        data = lgb.Dataset(X, label=y, init_score=init_score, feature_name=list(NAMES))
        trained = lgb.train(
            {"objective": "binary", "verbosity": -1, "min_data_in_leaf": 5, "seed": seed}, data, n_trees
        )
        booster = lgb.Booster(model_str=trained.model_to_string())
        expected = expected_f(booster, len(NAMES))
    cuts = CutPoints.from_csv(REFERENCE / "cut_points.csv")
    return AdditiveModel(kind, NAMES, card, cuts, offset, (-0.2, 0.9), Scale(300.0, 70.0), booster, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_contributions_sum_to_the_points(kind):
    scores = some_model(kind).score(some_rows(np.random.default_rng(1), 200))

    assert scores.additivity_error() < 1e-9
    assert ((scores.points >= 0) & (scores.points <= 1000)).all()


@given(st.integers(0, 10_000), st.integers(1, 30))
@settings(max_examples=15, deadline=None)
def test_contributions_sum_to_the_points_of_any_model_and_row(seed, n_trees):
    model = some_model("lightgbm_offset", seed, n_trees)

    assert model.score(some_rows(np.random.default_rng(seed + 1), 50)).additivity_error() < 1e-9


def test_each_part_says_only_what_its_kind_knows():
    X = some_rows(np.random.default_rng(2), 20)

    assert (some_model("expert_card").score(X).learned_parts == 0).all()
    assert (some_model("lightgbm").score(X).expert_parts == 0).all()


def test_base_points_are_those_of_the_average_training_row():
    # Given a card alone, over the rows whose means it keeps, the parts average to zero.
    rng = np.random.default_rng(0)
    model = some_model("expert_card")
    scores = model.score(some_rows(rng, 400))

    assert scores.expert_parts.mean(axis=0) == pytest.approx(np.zeros(len(NAMES)), abs=1e-9)
    assert scores.unclipped_points.mean() == pytest.approx(model.base_points)


def test_columns_in_another_order_are_refused_and_not_reordered():
    frame = pd.DataFrame(some_rows(np.random.default_rng(0), 3), columns=list(NAMES))

    with pytest.raises(RequestError, match="in the model's order"):
        some_model("expert_card").score(frame[list(reversed(NAMES))])
    with pytest.raises(RequestError, match="must have 18 columns"):
        some_model("expert_card").score(frame.to_numpy()[:, :17])


@pytest.fixture
def artifact(tmp_path):
    """Save a model; return the folder and the model."""
    return tmp_path, save_artifact(some_model("lightgbm_offset"), tmp_path, {"catalogue_hash": load_catalogue().hash})


def test_a_model_comes_back_from_disk_to_the_bit(artifact):
    folder, model = artifact
    X = some_rows(np.random.default_rng(3), 100)

    loaded = load_artifact(folder, load_catalogue().hash)

    assert loaded.model_version == model.model_version
    assert (loaded.score(X).points == model.score(X).points).all()


@pytest.mark.parametrize("kind", KINDS)
def test_lightgbm_numpy_and_the_two_json_files_are_enough(tmp_path, kind):
    folder = tmp_path / "artifact"
    folder.mkdir()
    model = save_artifact(some_model(kind), folder, {"catalogue_hash": load_catalogue().hash})
    X = some_rows(np.random.default_rng(4), 30)
    np.save(tmp_path / "rows.npy", X)

    # -I keeps this project, and anything but the packages, out of the process.
    command = [sys.executable, "-I", str(READER), str(folder), str(tmp_path / "rows.npy")]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()

    assert [float(p) for p in printed] == pytest.approx(model.score(X).points.tolist(), abs=1e-9)


@pytest.mark.parametrize("name", ["model.txt", "calibration.json"])
def test_one_changed_byte_is_refused(artifact, name):
    folder, _ = artifact
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)

    with pytest.raises(ArtifactError, match=f"{name} must be as it was saved"):
        load_artifact(folder)


@pytest.mark.parametrize("name", ["model.txt", "calibration.json", "manifest.json"])
def test_a_missing_file_is_named(artifact, name):
    folder, _ = artifact
    (folder / name).unlink()

    with pytest.raises(ArtifactError, match=name):
        load_artifact(folder)


def test_a_model_made_for_other_indicators_is_refused(artifact):
    folder, _ = artifact

    with pytest.raises(ArtifactError, match="was made for the indicators .*Train again"):
        load_artifact(folder, "another hash")


def test_nothing_in_an_artifact_is_pickled(artifact):
    folder, _ = artifact

    assert {p.name for p in folder.iterdir()} == {"model.txt", "calibration.json", "manifest.json"}
    for name in ("calibration.json", "manifest.json"):
        json.loads((folder / name).read_text(encoding="utf-8"))
