"""MLflow away: the training is kept and pushed later, once; nothing is promoted meanwhile."""

from __future__ import annotations

import dataclasses
import shutil
import socket

import pytest
from click.testing import CliRunner

from data.errors import RegistryError
from data.files import read_json, write_json
from serving.commands import cli
from serving.database import open_database
from training.champions import champion_path
from training.ledger import entries
from training.mlflow_session import mlflow_session
from training.registry import models_folder
from training.trainings import open_training, push_all, push_or_keep, push_training

AWAY = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def kept(demo_settings, demo_city, tmp_path_factory):
    """Settings of a city of which all is there but MLflow, and its one training, of which MLflow has nothing."""
    var = tmp_path_factory.mktemp("away")
    shutil.copytree(models_folder(demo_city, demo_settings), var / "cities" / "synthetic" / "models")
    settings = dataclasses.replace(
        demo_settings, var=var, database_url=f"sqlite:///{var / 'q.db'}", mlflow_uri=f"sqlite:///{var / 'mlflow.db'}"
    )
    champion_path(demo_city, settings).unlink()
    (folder,) = (path.parent for path in models_folder(demo_city, settings).glob("*/training.json"))
    forget(folder)
    return settings, folder


def forget(folder):
    """Make a training one that was never pushed."""
    path = folder / "training.json"
    write_json(path, {**read_json(path), "mlflow_run_id": None, "registered_version": None})


def test_a_training_that_mlflow_does_not_take_stays_whole_and_is_marked(kept, demo_city):
    settings, folder = kept
    forget(folder)
    said = []

    training = push_or_keep(
        demo_city, dataclasses.replace(settings, mlflow_uri=AWAY), open_training(folder), said.append
    )

    assert training.registered_version is None
    assert "The training is whole on disk, and not in MLflow yet. MLflow must be reachable" in said[-1]
    assert open_training(folder).mlflow_run_id is None


@pytest.mark.parametrize("scheme", ["http", "postgresql"])
def test_a_closed_port_is_said_at_once_in_plain_words(settings, scheme):
    away = dataclasses.replace(settings, mlflow_uri=f"{scheme}://user:secret@127.0.0.1:9/mlflow")

    said = r"nothing answers at 127\.0\.0\.1:9 \(Connection refused\)"
    with pytest.raises(RegistryError, match=said) as told, mlflow_session(away):
        pytest.fail("nothing is there")

    assert "secret" not in str(told.value)


def test_a_server_that_never_answers_is_given_up(settings, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        away = dataclasses.replace(settings, mlflow_uri=f"http://127.0.0.1:{silent.getsockname()[1]}")

        said = r"no answer came from 127\.0\.0\.1\. See that"
        with pytest.raises(RegistryError, match=said), mlflow_session(away) as mlflow:
            mlflow.get_experiment_by_name("any")


def test_a_promotion_is_refused_and_nothing_is_written(kept, demo_city):
    settings, _ = kept
    away = dataclasses.replace(settings, mlflow_uri=AWAY)

    answer = CliRunner().invoke(cli, ["promote", "synthetic", "--who", "李四", "--why", "better"], obj=away)

    assert isinstance(answer.exception, RegistryError)
    assert entries(open_database(away.database_url), "synthetic") == []
    assert not champion_path(demo_city, away).exists()


def test_what_was_kept_is_pushed_once_when_mlflow_is_back(kept, demo_city):
    settings, folder = kept
    forget(folder)

    (pushed,) = push_all(demo_city, settings, lambda _: None)

    assert push_all(demo_city, settings, lambda _: None) == []
    assert open_training(folder).registered_version == pushed.registered_version == "1"
    forget(folder)
    again = push_training(demo_city, settings, open_training(folder), lambda _: None)
    assert (again.mlflow_run_id, again.registered_version) == (pushed.mlflow_run_id, "1")


def test_train_says_what_to_run_when_mlflow_is_back(kept, monkeypatch):
    settings, folder = kept
    forget(folder)
    monkeypatch.setattr("training.runs.train_city", lambda *_: open_training(folder))
    monkeypatch.setattr("serving.commands.training.bring_in", lambda *_: None)

    answer = CliRunner().invoke(cli, ["train", "synthetic"], obj=settings)

    assert isinstance(answer.exception, RegistryError)
    assert answer.exception.exit_code == 14
    assert "Run `qianfen push synthetic` when MLflow is back." in str(answer.exception)
    assert str(folder) in str(answer.exception)
