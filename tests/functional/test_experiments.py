"""A declared experiment, run as a user runs it: the same model in two places, in the manifest and in MLflow."""

from __future__ import annotations

import dataclasses
import shutil

import mlflow
import pytest
from click.testing import CliRunner

from data.city import EXPERIMENTS
from data.files import read_json, sha256_of
from serving.commands import cli
from training.champions import read_challenger
from training.registry import models_folder

# The city's own as-of dates, whose snapshots the demo built.
TOML = """
city = "synthetic"
objective = "expected_points"
n_trials = 4
seed = 11

[folds]
first = 2022-07-01
last = 2024-06-28
n_folds = 2
every_days = 182

[fixed]
num_boost_round = 20

[search]
num_leaves = { low = 2, high = 15, log = true }
min_data_in_leaf = { low = 20, high = 200, log = true }
"""


@pytest.fixture(scope="module")
def twice(demo_settings, tmp_path_factory):
    """Run one experiment in two places that share nothing; yields settings, output and study of each."""
    declared = tmp_path_factory.mktemp("declared") / "few.toml"
    declared.write_text(TOML, encoding="utf-8")
    runs = []
    for place in ("here", "there"):
        var = tmp_path_factory.mktemp(place) / "var"
        shutil.copytree(demo_settings.var / "sources", var / "sources")
        shutil.copytree(
            demo_settings.var / "cities", var / "cities", ignore=shutil.ignore_patterns("models", "gradings", "online")
        )
        settings = dataclasses.replace(
            demo_settings,
            var=var,
            mlflow_uri=f"sqlite:///{var / 'mlflow' / 'mlflow.db'}",
            studies_url=f"sqlite:///{var / 'studies.db'}",
            database_url=f"sqlite:///{var / 'qianfen.db'}",
        )
        page = var / "tuning.md"
        page.write_text("<!-- tuning synthetic/few -->\nwhat stood here\n<!-- /tuning synthetic/few -->\n")
        command = ["train", "run", str(declared), "--into", str(page)]
        said = CliRunner().invoke(cli, command, obj=settings, catch_exceptions=False)
        (study,) = (var / "cities" / "synthetic" / "studies").glob("few-*")
        runs.append((settings, said, study))
    return runs


def challenger(settings, city):
    """Manifest of the challenger."""
    return read_json(models_folder(city, settings) / read_challenger(city, settings) / "manifest.json")


def test_an_experiment_gives_the_same_study_and_the_same_model_wherever_it_runs(twice, demo_city):
    (here, said, study), (there, _, other) = twice

    assert said.exit_code == 0, said.output
    assert study.name == other.name
    assert (here.var / "tuning.md").read_text() == (there.var / "tuning.md").read_text()
    for name in ("result.json", "trials.csv"):
        assert sha256_of(study / name) == sha256_of(other / name)
    assert challenger(here, demo_city) == challenger(there, demo_city)
    assert "model.txt" in challenger(here, demo_city)["files"]


def test_what_was_found_trains_the_model_and_stands_in_its_manifest_and_city_toml_stays(twice, demo_city):
    settings, said, study = twice[0]
    found = read_json(study / "result.json")
    manifest = challenger(settings, demo_city)

    assert manifest["experiment"]["study_id"] == found["study_id"]
    assert manifest["experiment"]["declared"]["objective"] == "expected_points"
    assert {name: manifest["lightgbm"][name] for name in found["parameters"]} == found["parameters"]
    assert manifest["lightgbm"]["num_boost_round"] == 20
    assert f"Challenger: lightgbm_offset {manifest['model_version']}" in said.output
    page = (settings.var / "tuning.md").read_text(encoding="utf-8")
    assert f"| `num_leaves` | {found['parameters']['num_leaves']} |" in page
    assert f"| best found | {found['value']:.4f}" in page
    assert "what stood here" not in page
    assert "num_leaves" not in (EXPERIMENTS / "synthetic" / "city.toml").read_text(encoding="utf-8")


def test_each_trial_is_a_nested_run_with_its_value_and_the_pictures_are_logged(twice):
    settings, _, study = twice[0]
    client = mlflow.MlflowClient(settings.mlflow_uri)
    (experiment,) = client.search_experiments(filter_string="name = 'qianfen-synthetic'")
    run_id = read_json(study / "mlflow.json")["mlflow_run_id"]

    trials = client.search_runs([experiment.experiment_id], f"tags.mlflow.parentRunId = '{run_id}'")

    assert len(trials) == 4
    assert {int(run.data.params["num_leaves"]) for run in trials} <= set(range(2, 16))
    best = read_json(study / "result.json")["value"]
    assert max(run.data.metrics.get("value", 0.0) for run in trials) == pytest.approx(best)
    assert {file.path for file in client.list_artifacts(run_id, "plots")} >= {"plots/folds.png", "plots/history.png"}


def test_an_experiment_that_was_run_is_not_run_again(twice, demo_city):
    settings, _, study = twice[0]
    before, version = sha256_of(study / "result.json"), challenger(settings, demo_city)["model_version"]
    declared = study.parent / "few.toml"
    declared.write_text(TOML, encoding="utf-8")

    again = CliRunner().invoke(cli, ["train", "run", str(declared)], obj=settings, catch_exceptions=False)

    assert f"Study {read_json(study / 'result.json')['study_id']} is there already" in again.output
    assert (sha256_of(study / "result.json"), challenger(settings, demo_city)["model_version"]) == (before, version)
