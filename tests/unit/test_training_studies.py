"""What a study leaves on disk: kept where MLflow is away, pushed later, and used by the training that follows."""

from __future__ import annotations

import dataclasses

import pytest

import training.studies
from data.city import load_city
from data.files import read_json, write_json
from features.catalogue import load_catalogue
from training.model import parameters
from training.studies import Tuned, log_or_keep, push_studies

RESULT = {
    "experiment": "toy/few",
    "study_id": "abc",
    "declared": {"seed": 9, "objective": "roc_auc", "folds": {"n_folds": 2}},
    "parameters": {"num_leaves": 7, "learning_rate": 0.03, "num_boost_round": 55, "offset_share": 0.5},
    "value": 0.7,
    "figures": {"tuned": {"value": 0.7}},
}


@pytest.fixture
def city(write_city):
    """A city that sets parameters of its own."""
    toml = (write_city() / "city.toml").read_text(encoding="utf-8")
    return load_city(str(write_city(toml=toml + "\n[model]\nnum_boost_round = 10\nparameters = { max_depth = 3 }\n")))


@pytest.fixture
def tuned(settings):
    """A study of the toy city on disk, not yet in MLflow."""
    folder = settings.var / "cities" / "toy" / "studies" / "few-abc"
    folder.mkdir(parents=True)
    write_json(folder / "result.json", RESULT)
    (folder / "trials.csv").write_text("number,state,value,num_leaves\n1,complete,0.7,7\n", encoding="utf-8")
    return Tuned(folder, RESULT)


def test_what_was_found_takes_the_place_of_the_citys_parameters(tuned, city):
    city = city.model_copy(update={"model": city.model.model_copy(update={"importance_refits": 3})})

    found = tuned.applied_to(city)

    assert found.model.importance_refits == 3
    assert (found.model.seed, found.model.num_boost_round, found.model.offset_share) == (9, 55, 0.5)
    assert found.model.parameters == {"num_leaves": 7, "learning_rate": 0.03, "feature_pre_filter": False}
    assert city.model.num_boost_round == 10


def test_what_was_found_is_what_a_city_may_set(tuned, city):
    catalogue = load_catalogue()
    settings = parameters(tuned.applied_to(city), catalogue, threads=1)

    assert (settings["num_leaves"], settings["seed"], settings["feature_pre_filter"]) == (7, 9, False)
    assert settings["monotone_constraints"] == list(catalogue.monotone)


def test_a_study_is_kept_where_mlflow_is_away_and_pushed_when_it_is_back(tuned, city, settings, monkeypatch):
    (settings.var / "file").write_text("no folder", encoding="utf-8")
    away = dataclasses.replace(settings, mlflow_uri=f"sqlite:///{settings.var / 'file' / 'mlflow.db'}")
    said = []

    assert log_or_keep(tuned, city, away, said.append) is None
    assert "The study is whole on disk, and not in MLflow yet." in said[-1]
    assert push_studies(city, away, said.append) == []

    monkeypatch.setattr(training.studies, "log_study", lambda *_: "run-1")
    assert push_studies(city, settings, said.append) == [tuned]
    assert read_json(tuned.folder / "mlflow.json") == {"mlflow_run_id": "run-1"}
    assert push_studies(city, settings, said.append) == []
