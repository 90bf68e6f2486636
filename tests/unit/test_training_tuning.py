"""Tuning: the same after kills as without, on bins that are shared; objectives worked out by hand."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest

import training.tuning
from data.errors import StorageError
from features.catalogue import load_catalogue
from training.calibration import fit_logistic, sigmoid
from training.experiment import OFFSET_SHARE, ROUNDS, Experiment
from training.expert_card import REFERENCE, CutPoints, ExpertCard
from training.fitting import Recipe, fit_uncalibrated, start
from training.folds import Fold, FoldRows
from training.metrics import average_precision, average_precision_at
from training.model import DEFAULTS, UNFILTERED, grow
from training.objectives import expected_points, objective
from training.rows import Rows
from training.studies import ended_trials
from training.tuning import ENDED, bin_folds, run_study
from training.vetoes import Vetoes

NAMES = load_catalogue().names
SETTINGS = {
    **DEFAULTS,
    **UNFILTERED,
    "monotone_constraints": list(load_catalogue().monotone),
    "seed": 1,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbosity": -1,
}
BASE = {**SETTINGS, ROUNDS: 10}


def random_rows(n, seed):
    """Rows of which penalties and failed inspections tell something."""
    generator = np.random.default_rng(seed)
    X = np.floor(generator.gamma(0.7, 2.0, (n, len(NAMES))))
    X[generator.random(X.shape) < 0.2] = np.nan
    told = np.nan_to_num(X[:, [NAMES.index("penalties"), NAMES.index("failed_inspections")]]).sum(axis=1)
    y = (generator.random(n) < 1 / (1 + np.exp(2 - 0.5 * told))).astype(np.int8)
    keys = pd.DataFrame({"entity_id": [f"E{i}" for i in range(n)]})
    return Rows(X, y, keys, ())


def make_recipe():
    """The experts' card and LightGBM's parameters that no trial chooses."""
    card = ExpertCard.from_csv(REFERENCE / "expert_card.csv", NAMES)
    cut_points = CutPoints.from_csv(REFERENCE / "cut_points.csv")
    return Recipe(card, cut_points, Vetoes((), NAMES, cut_points.grades), SETTINGS, 10)


def make_folds():
    """Rows of three folds."""
    made = (Fold(n, (date(2020, 1, 1),), (date(2020, 6, 1),)) for n in (1, 2, 3))
    return [FoldRows(fold, random_rows(400, fold.number), random_rows(200, 10 + fold.number)) for fold in made]


def make_experiment():
    """A study of 8 trials."""
    window = {"first": date(2020, 1, 1), "last": date(2020, 6, 1), "n_folds": 3, "every_days": 30}
    search = {
        "num_leaves": {"low": 2, "high": 15, "log": True},
        "min_data_in_leaf": {"low": 5, "high": 100},
        "learning_rate": {"low": 0.01, "high": 0.5, "log": True},
        "extra_trees": {"choices": [True, False]},
    }
    return Experiment(
        name="study", folder=Path(), city="toy", objective="roc_auc", n_trials=8, seed=3, folds=window,
        search=search, pruner={"n_startup_trials": 3},
    )  # fmt: skip


recipe = pytest.fixture(scope="module", name="recipe")(make_recipe)
folds = pytest.fixture(scope="module", name="folds")(make_folds)
experiment = pytest.fixture(name="experiment")(make_experiment)


def quiet(_message):
    """Progress that nobody watches."""


def run_and_die(number, storage):
    """Run the study in this process, which kills itself when it begins the fit of that number."""
    fits = iter(range(1, 1000))

    def grow_or_die(*arguments):
        if next(fits) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return grow(*arguments)

    training.tuning.grow = grow_or_die
    run_study(make_experiment(), "study", storage, bin_folds("lightgbm_offset", make_folds(), make_recipe()), BASE)


def test_a_study_killed_in_the_middle_of_a_trial_ends_as_an_undisturbed_one(experiment, folds, recipe, tmp_path):
    binned = bin_folds("lightgbm_offset", folds, recipe)
    undisturbed = run_study(experiment, "study", f"sqlite:///{tmp_path / 'undisturbed.db'}", binned, BASE, quiet)
    storage = f"sqlite:///{tmp_path / 'killed.db'}"
    died = subprocess.run([sys.executable, __file__, "13", storage], timeout=120, capture_output=True)
    assert died.returncode == -signal.SIGKILL

    gone_on = run_study(experiment, "study", storage, binned, BASE, quiet)

    assert len(gone_on.trials) == experiment.n_trials + 1
    assert ended_trials(gone_on) == ended_trials(undisturbed)
    assert gone_on.best_params == undisturbed.best_params
    assert 0 < sum(trial["state"] == "pruned" for trial in ended_trials(gone_on)) < experiment.n_trials


def test_a_study_that_is_whole_runs_no_trial_again(experiment, folds, recipe, tmp_path, monkeypatch):
    few = experiment.model_copy(update={"n_trials": 2})
    binned = bin_folds("lightgbm_offset", folds, recipe)
    storage = f"sqlite:///{tmp_path / 'studies.db'}"
    before = run_study(few, "study", storage, binned, BASE, quiet)
    monkeypatch.setattr(training.tuning, "grow", None)

    assert ended_trials(run_study(few, "study", storage, binned, BASE, quiet)) == ended_trials(before)


def test_another_seed_gives_other_trials(experiment, folds, recipe, tmp_path):
    binned = bin_folds("lightgbm", folds, recipe)
    tried = []
    for seed in (3, 4):
        few = experiment.model_copy(update={"n_trials": 1, "seed": seed})
        study = run_study(few, str(seed), f"sqlite:///{tmp_path / 'studies.db'}", binned, BASE, quiet)
        tried += [trial.params for trial in study.get_trials(states=ENDED)]

    assert tried[0] != tried[1]


def test_a_storage_that_refuses_is_explained(experiment, folds, recipe, tmp_path):
    with pytest.raises(StorageError, match="Trials must be kept in sqlite.*QIANFEN_STUDIES_URL"):
        run_study(experiment, "study", f"sqlite:///{tmp_path / 'nowhere' / 'studies.db'}", [], BASE, quiet)


@pytest.mark.parametrize("kind", ["lightgbm", "lightgbm_offset"])
def test_shared_bins_give_the_trees_that_bins_of_their_own_give(kind, folds, recipe):
    # Rows of weight 3 and 1: what a city declares of who was inspected.
    weighed = replace(folds[0].train, weight=1.0 + 2.0 * (np.arange(400) % 2))
    (fold,) = bin_folds(kind, [replace(folds[0], train=weighed)], recipe)
    X, y = fold.rows.train.X, fold.rows.train.y
    expert_score = None if kind == "lightgbm" else fold.begun.raw_score(X)
    for changed in ({"min_data_in_leaf": 5}, {"min_data_in_leaf": 150, "num_leaves": 3}, {"feature_fraction": 0.4}):
        settings = {**SETTINGS, **changed}
        own = lgb.Dataset(X, label=y, weight=weighed.weight, init_score=expert_score, feature_name=list(NAMES))

        shared = grow(fold.dataset, settings, 8)

        assert shared.model_to_string() == grow(own, settings, 8).model_to_string()


def test_trees_begin_from_the_share_of_the_offset_that_a_trial_chose_whatever_the_trial_before_chose(folds, recipe):
    (fold,) = bin_folds("lightgbm_offset", folds[:1], recipe)
    aim = objective("roc_auc", 10)

    for share in (0.25, 1.0, 0.5):
        scores = fold.scores(aim, {**BASE, OFFSET_SHARE: share})

        own = fit_uncalibrated("lightgbm_offset", fold.rows.train, replace(recipe, offset_share=share))
        assert (scores == own.raw_score(fold.rows.test.X)).all()


def test_a_share_of_the_offset_keeps_the_rate_and_leaves_the_card_alone_as_it_is(folds, recipe):
    rows, quarter = folds[0].train, replace(recipe, offset_share=0.25)
    (whole, _), (shared, log_odds) = (start("lightgbm_offset", rows, used) for used in (recipe, quarter))

    assert shared.offset.slope == 0.25 * whole.offset.slope
    assert sigmoid(log_odds).mean() == pytest.approx(rows.y.mean())
    assert start("expert_card", rows, quarter)[0].offset == whole.offset


def test_bins_are_never_made_anew_behind_our_back(folds, recipe):
    (fold,) = bin_folds("lightgbm", folds[:1], recipe)

    with pytest.raises(lgb.basic.LightGBMError, match="max_bin"):
        grow(fold.dataset, {**SETTINGS, "max_bin": 15}, 2)


def test_average_precision_at_capacity_by_hand():
    y = np.array([1, 0, 1, 1, 0, 0, 0, 0, 0, 0], np.int8)
    score = np.arange(10, 0, -1.0)

    # Of 10 rows 3 are inspected: found at places 1 and 3, with precision 1 and 2/3, of the 3 that they could hold.
    assert average_precision_at(y, score, 30) == pytest.approx((1 + 2 / 3) / 3)
    # Equal scores: each row of the tie is worth its share.
    assert average_precision_at(y, np.zeros(10), 50) == pytest.approx(1.5 * 0.3 / 3)


def test_average_precision_at_full_capacity_is_average_precision():
    generator = np.random.default_rng(5)
    y, score = (generator.random(300) < 0.3).astype(np.int8), np.round(generator.random(300), 1)

    assert average_precision_at(y, score, 100) == pytest.approx(average_precision(y, score))


@pytest.mark.parametrize("name", ["roc_auc", "average_precision_at_capacity", "expected_points"])
def test_a_row_of_weight_two_counts_as_two_rows(name):
    generator = np.random.default_rng(6)
    y, score = (generator.random(60) < 0.4).astype(np.int8), np.round(generator.random(60) * 500, -1)
    weight = generator.integers(1, 4, 60)
    aim = objective(name, 30)

    repeated = aim.value(np.repeat(y, weight), np.repeat(score, weight), None)

    assert aim.value(y, score, weight.astype(float)) == pytest.approx(repeated)


def test_expected_points_are_the_points_that_violations_have_more():
    assert expected_points(np.array([1, 0, 1, 0], np.int8), np.array([600.0, 300.0, 500.0, 400.0])) == 200.0


@pytest.mark.parametrize("name", ["roc_auc", "average_precision_at_capacity", "expected_points"])
def test_an_objective_is_higher_for_a_model_that_learned_something(name, folds, recipe):
    aim = objective(name, 20)
    (fold,) = bin_folds("lightgbm_offset", folds[:1], recipe)
    test = fold.rows.test
    # Beside noise of the same model on rows whose labels are in another order.
    shuffled = np.random.default_rng(0).permutation(test.y)

    scores = fold.scores(aim, BASE)

    assert aim.value(test.y, scores, None) > aim.value(shuffled, scores, None)


def test_a_logistic_fit_of_few_distinct_scores_is_that_of_all_rows():
    generator = np.random.default_rng(2)
    score = np.round(generator.gamma(3, 80, 5_000), -1)
    y = (generator.random(5_000) < 1 / (1 + np.exp(3 - score / 150))).astype(np.int8)
    weight = generator.random(5_000) + 0.5
    # A hair apart, no two scores are equal.
    apart = score + 1e-9 * np.arange(5_000)

    for weights in (None, weight):
        assert fit_logistic(score, y, weights) == pytest.approx(fit_logistic(apart, y, weights), rel=1e-6)


if __name__ == "__main__":
    run_and_die(int(sys.argv[1]), sys.argv[2])
