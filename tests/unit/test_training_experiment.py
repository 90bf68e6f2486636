"""Declared experiments: whole or refused, with the nearest known name."""

from __future__ import annotations

import pytest

from data.city import EXPERIMENTS, load_city
from data.errors import ConfigurationError, NotFoundError
from training.experiment import city_of, load_experiment
from training.folds import known_on, temporal_folds
from training.splits import first_day

TOML = """
city = "toy"
objective = "roc_auc"
n_trials = 4
seed = 1

[folds]
first = 2020-01-01
last = 2020-05-30
n_folds = 2
every_days = 30

[fixed]
learning_rate = 0.05

[search]
num_leaves = { low = 2, high = 8 }
"""

# Beside cities (city.toml) and studies of indicators' parameters (indicators.toml).
DECLARED = sorted(
    f"{path.parent.name}/{path.stem}"
    for path in EXPERIMENTS.glob("*/*.toml")
    if path.stem not in ("city", "indicators")
)


@pytest.fixture
def write_experiment(write_city):
    """Write an experiment beside the toy city; keyword arguments replace parts of its text. Returns its path."""

    def write(*replaced):
        text = TOML
        for old, new in replaced:
            assert old in text
            text = text.replace(old, new)
        path = write_city() / "study.toml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


@pytest.mark.parametrize("name", DECLARED)
def test_every_declared_experiment_is_whole_and_keeps_its_labels_before_the_citys_test(name):
    experiment = load_experiment(name)
    city = city_of(experiment)
    folds = temporal_folds(city, **dict(experiment.folds))

    assert experiment.full_name == name
    assert all(known_on(city, fold.train) <= first_day(fold.test) for fold in folds)
    assert known_on(city, folds[-1].test) <= first_day(city.split.test)


def test_the_three_cities_have_a_study_of_their_own():
    assert {"chicago/tuning", "synthetic/tuning", "toronto/tuning"} <= set(DECLARED)


@pytest.mark.parametrize(
    ("replaced", "message"),
    [
        (("n_trials", "n_trails"), "n_trails: unknown key. Did you mean 'n_trials'"),
        (("every_days", "every_day"), "folds.every_day: unknown key. Did you mean 'every_days'"),
        (("high = 8", "high = 8, logs = true"), "search.num_leaves.logs: unknown key. Did you mean 'log'"),
        (("num_leaves =", "num_leafs ="), "got 'num_leafs'. Did you mean 'num_leaves'"),
        (("learning_rate", "learn_rate"), "got 'learn_rate'. Did you mean 'learning_rate'"),
        (("num_leaves =", "max_bin ="), "must not search max_bin: all trials share the same bins. Fix it instead."),
        (("num_leaves = {", "learning_rate = {"), "must fix learning_rate or search it, it does both"),
        (("high = 8", "high = 2"), "low must lie below high.* got"),
        (("low = 2, high = 8", "low = 2"), "give low and high, or choices"),
        (("low = 2, high = 8", "choices = [2, 8], low = 2"), "give low and high, or choices"),
        (("low = 2, high = 8", "low = 0, high = 8, log = true"), "above 0 where log is true"),
        (("num_leaves = { low = 2, high = 8", "offset_share = { low = 0.5, high = 8"), "at most at 1, got 8"),
        (("learning_rate = 0.05", "offset_share = 0.0"), "offset_share of .* must lie above 0 .* got 0.0"),
        (('"roc_auc"', '"auc"'), "objective: Input should be 'roc_auc'"),
        (("seed = 1\n", ""), "seed: missing. Add it; docs/tuning.md describes every key."),
    ],
)
def test_what_an_experiment_may_not_say_is_refused(replaced, message, write_experiment):
    with pytest.raises(ConfigurationError, match=message):
        load_experiment(write_experiment(replaced))


def test_a_share_of_no_offset_is_refused(write_experiment):
    without = ("seed = 1\n", 'seed = 1\nkind = "lightgbm"\n')
    share = ("num_leaves = { low = 2, high = 8", "offset_share = { low = 0.5, high = 1")

    with pytest.raises(ConfigurationError, match="must not set offset_share where trees begin without offset"):
        load_experiment(write_experiment(without, share))


def test_an_unknown_experiment_names_the_nearest_known_one():
    with pytest.raises(NotFoundError, match="got 'toronto/tunning'. Did you mean 'toronto/tuning'"):
        load_experiment("toronto/tunning")


def test_the_city_is_the_one_beside_the_experiment_and_must_be_the_one_it_names(write_experiment):
    assert city_of(load_experiment(write_experiment())).title == "Toy city"
    with pytest.raises(ConfigurationError, match="must be 'toy', which lies beside it, got 'toronto'"):
        city_of(load_experiment(write_experiment(('"toy"', '"toronto"'))))


def test_the_experiment_says_whether_rows_are_weighed_and_inspections_never_are(write_experiment, tmp_path):
    weighed = ('"roc_auc"', '"roc_auc"\nselection = "weights"')
    of_inspections = tmp_path / "chicago.toml"
    of_inspections.write_text(TOML.replace('"toy"', '"chicago"').replace(*weighed), encoding="utf-8")

    assert city_of(load_experiment(write_experiment())).selection.method == "none"
    assert city_of(load_experiment(write_experiment(weighed))).selection.method == "weights"
    with pytest.raises(ConfigurationError, match='selection of chicago/chicago must be "none"'):
        city_of(load_experiment(str(of_inspections)))


def test_an_experiment_may_lie_anywhere_and_name_a_known_city(tmp_path):
    path = tmp_path / "study.toml"
    path.write_text(TOML.replace('"toy"', '"toronto"'), encoding="utf-8")

    assert city_of(load_experiment(str(path))) == load_city("toronto")
