"""Importance over refits on drawn entities, and the pictures of contributions that a training logs."""

from __future__ import annotations

import dataclasses
import json

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

from data.files import read_json
from features.catalogue import load_catalogue
from training import shap_plots
from training.expert_card import REFERENCE, CutPoints, ExpertCard
from training.fitting import Recipe, calibrated, fit_uncalibrated
from training.importance import Importance, importance_of
from training.model import DEFAULTS
from training.plots import save_importance
from training.rows import Rows
from training.scale import Scale
from training.vetoes import Vetoes

NAMES = load_catalogue().names
STRONG, WEAK = NAMES.index("penalties"), NAMES.index("years_in_operation")


def some_rows(seed, n_entities=150, n_dates=3):
    """Return rows whose label hangs on penalties alone; each entity has one row for each date."""
    rng = np.random.default_rng(seed)
    n = n_entities * n_dates
    X = np.abs(rng.normal(scale=3.0, size=(n, len(NAMES))))
    X = np.where(rng.random(X.shape) < 0.2, np.nan, X)
    y = (np.nan_to_num(X[:, STRONG]) + rng.normal(size=n) > 2).astype(np.int8)
    keys = pd.DataFrame({"entity_id": [f"E{k % n_entities}" for k in range(n)]})
    return Rows(X, y, keys, ())


@pytest.fixture(scope="module")
def fitted():
    """Return a small model with its rows and recipe."""
    lightgbm = {**DEFAULTS, "min_data_in_leaf": 20, "seed": 1, "verbosity": -1, "num_threads": 2}
    card = ExpertCard.from_csv(REFERENCE / "expert_card.csv", NAMES)
    cut_points = CutPoints.from_csv(REFERENCE / "cut_points.csv")
    recipe = Recipe(card, cut_points, Vetoes((), NAMES, cut_points.grades), lightgbm, 20)
    trees, calibration, test = some_rows(0), some_rows(1), some_rows(2)
    model = calibrated(fit_uncalibrated("lightgbm_offset", trees, recipe), calibration)
    return dataclasses.replace(model, scale=Scale(300.0, 70.0)), trees, calibration, test, recipe


@pytest.fixture(scope="module")
def found(fitted):
    """Return its importance over six refits."""
    return importance_of(*fitted, n_refits=6)


def test_the_models_importance_is_the_mean_absolute_contribution_of_its_scores(fitted, found):
    model, test = fitted[0], fitted[3]
    scores = model.score(test.X)

    expected = np.abs(scores.expert_parts + scores.learned_parts).mean(axis=0)

    assert found.model == pytest.approx(expected, abs=1e-9)
    assert found.n_explained == len(test.y)


def test_weights_of_the_rows_count_in_the_mean(fitted):
    model, trees, calibration, test, recipe = fitted
    weighted = dataclasses.replace(test, weight=np.where(np.arange(len(test.y)) < 100, 1.0, 0.0))

    found = importance_of(model, trees, calibration, weighted, recipe, n_refits=0)

    scores = model.score(test.X[:100])
    assert found.model == pytest.approx(np.abs(scores.expert_parts + scores.learned_parts).mean(axis=0), abs=1e-9)


def test_what_the_labels_hang_on_comes_first_in_every_refit(found):
    table = found.table().set_index("indicator")

    assert found.refits.shape == (6, 18)
    assert table.loc["penalties", ["rank", "rank_low", "rank_high"]].tolist() == [1, 1, 1]
    assert table.loc["penalties", "low"] > 2 * table.loc["years_in_operation", "high"]
    assert len(np.unique(found.refits[:, STRONG])) == 6
    assert (found.rank_correlations() > 0.2).all()


def test_the_same_seed_gives_the_same_refits_whatever_the_threads(fitted, found):
    model, trees, calibration, test, recipe = fitted
    alone = dataclasses.replace(recipe, lightgbm={**recipe.lightgbm, "num_threads": 1})

    again = importance_of(model, trees, calibration, test, alone, n_refits=2)

    assert again.refits.tolist() == found.refits[:2].tolist()


def test_a_draw_that_cannot_be_fitted_is_left_out_and_counted(fitted):
    model, trees, calibration, test, recipe = fitted
    # One violation alone: many draws miss it.
    y = np.zeros(len(trees.y), dtype=np.int8)
    y[int(np.nanargmax(trees.X[:, STRONG]))] = 1

    found = importance_of(model, dataclasses.replace(trees, y=y), calibration, test, recipe, n_refits=8)

    assert found.n_asked == 8
    assert len(found.refits) < 8


def test_intervals_and_ranks_are_worked_out_by_hand():
    refits = np.array([[3.0, 2.0, 1.0], [3.0, 1.0, 2.0], [3.0, 2.0, 1.0]])
    found = Importance(("a", "b", "c"), np.array([3.0, 1.5, 1.0]), refits, np.zeros((3, 2)), 3, 10, 10, 5)

    table = found.table()

    assert table["indicator"].tolist() == ["a", "b", "c"]
    # Quantiles 0.05 and 0.95 of three numbers: a tenth of a step from the outermost.
    assert table["low"].tolist() == pytest.approx([3.0, 1.1, 1.0])
    assert table["high"].tolist() == pytest.approx([3.0, 2.0, 1.9])
    assert table["rank_low"].tolist() == pytest.approx([1.0, 2.0, 2.1])
    assert table["rank_high"].tolist() == pytest.approx([1.0, 2.9, 3.0])
    assert found.rank_correlations().tolist() == pytest.approx([1.0, 0.5, 1.0])


def test_tables_and_picture_are_written_with_and_without_refits(found, tmp_path):
    none = dataclasses.replace(found, refits=np.empty((0, 18)), n_asked=0)
    for name, importance in (("with", found), ("without", none)):
        (tmp_path / name).mkdir()
        save_importance(importance, tmp_path / name)

    about = json.loads((tmp_path / "with" / "importance.json").read_text())
    written = pd.read_csv(tmp_path / "with" / "importance.csv")
    assert about["n_refits"] == 6
    assert about["indicators"][0]["indicator"] == "penalties"
    assert written["mean_absolute_points"].tolist() == pytest.approx(found.table()["mean_absolute_points"].tolist())
    assert json.loads((tmp_path / "without" / "importance.json").read_text())["indicators"][0]["low"] is None
    assert imread(tmp_path / "with" / "importance.png").std() > 0.05


def test_values_of_the_explanation_sum_to_the_points(fitted):
    model, test = fitted[0], fitted[3]
    scores = model.score(test.X)

    with shap_plots.own_figures():
        explanation = shap_plots.explain(scores, test.X, NAMES)

    assert explanation.base_values + explanation.values.sum(axis=1) == pytest.approx(scores.unclipped_points, abs=1e-6)


def test_the_shap_plots_are_drawn_and_leave_pyplot_as_it_was(fitted, tmp_path):
    model, test = fitted[0], fitted[3]
    mine = plt.figure()
    state = np.random.get_state()[1].tolist()

    paths = shap_plots.save_shap_plots(model.score(test.X[:60]), test.X[:60], NAMES, tmp_path)

    assert [path.name for path in paths] == ["beeswarm.png", "dependence.png", "waterfall.png"]
    assert all(imread(path).std() > 0.05 for path in paths)
    assert plt.get_fignums() == [mine.number]
    assert np.random.get_state()[1].tolist() == state
    plt.close(mine)


def test_the_share_of_grades_that_move_is_told_over_the_refits(found, tmp_path):
    found.save(tmp_path)

    assert found.moved.shape == (len(found.refits), 2)
    assert ((found.moved >= 0) & (found.moved <= 1)).all()
    assert (found.moved[:, 1] <= found.moved[:, 0]).all()
    kept = read_json(tmp_path / "importance.json")
    assert kept["grade_moved"]["mean"] == pytest.approx(found.moved[:, 0].mean())
    assert kept["grade_moved"]["low"] <= kept["grade_moved"]["mean"] <= kept["grade_moved"]["high"]
