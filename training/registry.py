"""MLflow: runs, registered models and the champion. Nothing else talks to it.

The champion's artifact also lies, with a pointer to it, under var/cities/<city>/models/, so that serving needs no
MLflow. The pointer and MLflow's alias are written last, the alias at the very end.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from data.city import City
from data.errors import NotFoundError, StorageError
from data.files import read_json, write_json
from data.settings import Settings
from features.catalogue import load_catalogue
from training.additive import AdditiveModel
from training.artifact import load_artifact
from training.scale import Scale

ALIAS = "champion"


def registered_name(city: City) -> str:
    """Return the name of a city's registered model."""
    return f"qianfen-{city.name}"


def models_folder(city: City, settings: Settings) -> Path:
    """Return where a city's trainings lie."""
    return settings.var / "cities" / city.name / "models"


def load_champion(city: City, settings: Settings) -> AdditiveModel:
    """Return the champion of a city.

    Raises
    ------
    NotFoundError
        Where nothing was promoted yet.
    ArtifactError
        Where the artifact is damaged, or was made for other indicators than those here.
    """
    pointer = models_folder(city, settings) / "champion.json"
    if not pointer.is_file():
        raise NotFoundError(f"{city.name} has no champion yet. Run `qianfen train {city.name}`.")
    folder = models_folder(city, settings) / read_json(pointer)["artifact"]
    return load_artifact(folder, load_catalogue().hash)


def champion_scale(city: City, settings: Settings) -> Scale | None:
    """Return the points scale of the champion, whatever indicators it was made for; None where there is none."""
    pointer = models_folder(city, settings) / "champion.json"
    if not pointer.is_file():
        return None
    return load_artifact(models_folder(city, settings) / read_json(pointer)["artifact"]).scale


def champion_exists(city: City, settings: Settings) -> bool:
    """Say whether a city has a champion."""
    return (models_folder(city, settings) / "champion.json").is_file()


def registered_manifests(city: City, settings: Settings) -> list[dict[str, Any]]:
    """Return the artifact's manifest of every version that is registered for a city.

    Raises
    ------
    StorageError
        Where MLflow, or an artifact that it keeps, cannot be read.
    """
    local = settings.mlflow_uri.removeprefix("sqlite:///")
    if settings.mlflow_uri.startswith("sqlite:///") and not Path(local).is_file():
        return []
    with _mlflow(settings) as mlflow:
        try:
            versions = mlflow.MlflowClient().search_model_versions(f"name='{registered_name(city)}'")
            uris = [f"models:/{version.name}/{version.version}/artifact/manifest.json" for version in versions]
            return [mlflow.artifacts.load_dict(uri) for uri in uris]
        except (mlflow.exceptions.MlflowException, OSError) as error:
            raise StorageError(
                f"The registered models of {city.name} must be readable in MLflow, they are not: {error}. "
                "See that QIANFEN_MLFLOW_URI is right and MLflow is whole."
            ) from error


def log_training(
    city: City,
    settings: Settings,
    parameters: Mapping[str, Any],
    models: Mapping[str, AdditiveModel],
    metrics: Mapping[str, Mapping[str, float]],
    folder: Path,
) -> str:
    """Log a training as a run with a nested run for each model; return the run's id.

    `folder` holds plots/ and one artifact folder for each model.
    """
    with _mlflow(settings) as mlflow:
        _set_experiment(mlflow, city, settings)
        with mlflow.start_run(run_name=f"train {city.name}") as run:
            mlflow.log_params(dict(parameters))
            mlflow.log_artifacts(str(folder / "plots"), "plots")
            for name, model in models.items():
                with mlflow.start_run(run_name=name, nested=True):
                    mlflow.log_params({"kind": name, "model_version": model.model_version, "pdo": model.scale.pdo})
                    mlflow.log_metrics(dict(metrics[name]))
                    mlflow.log_artifacts(str(folder / name), "artifact")
            return str(run.info.run_id)


def register_champion(
    city: City, settings: Settings, run_id: str, folder: Path, example: pd.DataFrame, reason: str
) -> str:
    """Register an artifact folder as the city's champion; return the registered version.

    Parameters
    ----------
    folder : Path
        Artifact below the city's models folder.
    example : DataFrame
        A few rows of indicators, for the signature.
    reason : str
        Why it is the champion; kept as a tag of the version.
    """
    from training import mlflow_flavour

    model = load_artifact(folder)
    with _mlflow(settings) as mlflow:
        _set_experiment(mlflow, city, settings)
        signature = mlflow.models.infer_signature(example, mlflow_flavour.score_frame(model, example))
        with mlflow.start_run(run_id=run_id):
            info = mlflow.models.Model.log(
                artifact_path=None,
                name=registered_name(city),
                flavor=mlflow_flavour,
                registered_model_name=registered_name(city),
                artifact=folder,
                signature=signature,
            )
        client = mlflow.MlflowClient()
        version = str(info.registered_model_version)
        tags = {"model_version": model.model_version, "kind": model.kind, "reason": reason}
        for key, value in tags.items():
            client.set_model_version_tag(registered_name(city), version, key, value)
        home = models_folder(city, settings)
        write_json(home / "champion.json", {"artifact": str(folder.relative_to(home)), "registered_version": version})
        client.set_registered_model_alias(registered_name(city), ALIAS, version)
    return version


def _set_experiment(mlflow: Any, city: City, settings: Settings) -> None:
    name = registered_name(city)
    if mlflow.get_experiment_by_name(name) is None:
        local = settings.mlflow_uri.startswith("sqlite:")
        location = (settings.var / "mlflow" / "artifacts" / city.name).as_uri() if local else None
        mlflow.create_experiment(name, artifact_location=location)
    mlflow.set_experiment(name)


@contextmanager
def _mlflow(settings: Settings) -> Iterator[Any]:
    """Import MLflow, which is slow and talks much, and point it at our server for as long as the block runs."""
    if settings.mlflow_uri.startswith("sqlite:///"):
        Path(settings.mlflow_uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    # MLflow reads these when it is imported: no telemetry, and no progress bars over ours.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow

        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.ERROR)
        mlflow.set_tracking_uri(settings.mlflow_uri)
        mlflow.set_registry_uri(settings.mlflow_uri)
        yield mlflow
