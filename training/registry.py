"""MLflow: runs, registered models and their aliases. Nothing else talks to it.

`qianfen train` registers a challenger, `qianfen promote` makes it the champion. Which model serves is told by the
ledger and the pointer on disk (training.champions); MLflow's alias `champion` is written last and follows them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from data.city import City
from data.settings import Settings
from training.additive import AdditiveModel
from training.artifact import load_artifact
from training.mlflow_session import logged_once, mlflow_session, registered_name, set_experiment

ALIAS, CHALLENGER_ALIAS = "champion", "challenger"
_LOGGED = ("plots", "calibration")


def models_folder(city: City, settings: Settings) -> Path:
    """Return where a city's trainings lie."""
    return settings.var / "cities" / city.name / "models"


def registered_manifests(city: City, settings: Settings) -> list[dict[str, Any]]:
    """Return the artifact's manifest of every version that is registered for a city.

    Raises
    ------
    RegistryError
        Where MLflow, or an artifact that it keeps, cannot be read.
    """
    local = settings.mlflow_uri.removeprefix("sqlite:///")
    if settings.mlflow_uri.startswith("sqlite:///") and not Path(local).is_file():
        return []
    with mlflow_session(settings) as mlflow:
        versions = mlflow.MlflowClient().search_model_versions(f"name='{registered_name(city)}'")
        uris = [f"models:/{version.name}/{version.version}/artifact/manifest.json" for version in versions]
        return [mlflow.artifacts.load_dict(uri) for uri in uris]


def log_training(
    city: City,
    settings: Settings,
    parameters: Mapping[str, Any],
    models: Mapping[str, AdditiveModel],
    metrics: Mapping[str, Mapping[str, float]],
    folder: Path,
) -> str:
    """Log a training as a run with a nested run for each model, unless that was done; return the run's id.

    `folder` holds plots/, calibration/ and one artifact folder for each model; its name is the training's id.
    RegistryError where MLflow does not take it.
    """

    def write(mlflow: Any) -> None:
        mlflow.log_params(dict(parameters))
        for name in _LOGGED:
            if (folder / name).is_dir():
                mlflow.log_artifacts(str(folder / name), name)
        for name, model in models.items():
            with mlflow.start_run(run_name=name, nested=True):
                mlflow.log_params({"kind": name, "model_version": model.model_version, "pdo": model.scale.pdo})
                mlflow.log_metrics(dict(metrics[name]))
                mlflow.log_artifacts(str(folder / name), "artifact")

    return logged_once(city, settings, ("training_id", folder.name), f"train {city.name}", write)


def log_study(
    city: City, settings: Settings, result: Mapping[str, Any], trials: Sequence[Mapping[str, str]], folder: Path
) -> str:
    """Log a study as a run with a nested run for each trial, unless that was done; return the run's id.

    `result` and `trials` are what result.json and trials.csv in `folder` say; plots/ lies beside them. RegistryError
    where MLflow does not take it.
    """

    def write(mlflow: Any) -> None:
        mlflow.log_params(_flat({**result["declared"], "best": result["parameters"]}))
        mlflow.log_metrics({name: figure["value"] for name, figure in result["figures"].items()})
        mlflow.log_artifacts(str(folder))
        for trial in trials:
            with mlflow.start_run(run_name=f"trial {trial['number']}", nested=True, tags={"state": trial["state"]}):
                measured = {name for name in trial if name == "value" or name.startswith("fold_")}
                mlflow.log_metrics({name: float(trial[name]) for name in measured if trial[name]})
                mlflow.log_params({n: v for n, v in trial.items() if n not in measured | {"number", "state"}})

    return logged_once(city, settings, ("study_id", result["study_id"]), f"tune {result['experiment']}", write)


def _flat(content: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in content.items():
        flat |= _flat(value, f"{above}{name}.") if isinstance(value, Mapping) else {f"{above}{name}": value}
    return flat


def log_comparison(city: City, settings: Settings, content: Mapping[str, Any], folder: Path) -> str:
    """Log a comparison with rivals as a run, unless that was done; return the run's id.

    `content` is what comparison.json in `folder` holds: every figure goes in with its interval. RegistryError where
    MLflow does not take it.
    """
    figures = {
        f"{name}.{where}.{kind}.{metric}.{part}": figure[part]
        for name, rival in content["rivals"].items()
        for where in ("folds", "test")
        for kind, by_metric in rival.get(where, {}).items()
        for metric, figure in by_metric.items()
        for part in ("value", "low", "high")
        if figure[part] is not None
    }

    def write(mlflow: Any) -> None:
        mlflow.log_params({name: content[name] for name in ("champion", "n_draws", "level")})
        mlflow.log_metrics(figures)
        mlflow.log_artifacts(str(folder))

    return logged_once(city, settings, ("comparison_id", folder.name), f"compare {city.name}", write)


def log_monitoring(city: City, settings: Settings, content: Mapping[str, Any], folder: Path) -> str:
    """Log a report of monitoring as a run, unless that was done; return the run's id.

    `content` is what report.json in `folder` holds. RegistryError where MLflow does not take it.
    """
    moved, apart = content["moved"], content["told_apart"]
    figures = {f"expected.{name}": figure["value"] for name, figure in content["expected"]["figures"].items()}
    figures |= {
        "psi.points": moved["points"]["psi"],
        **{f"psi.{one['name']}": one["psi"] for one in moved["indicators"]},
    }
    figures |= {f"told_apart.{name}": one["roc_auc"]["value"] for name, one in apart.items() if one}
    for outcome in content["outcomes"][:1]:
        figures |= {f"rate.{row['grade']}": row["rate"]["value"] for row in outcome["rates"] if row["n"]}
        figures |= {f"came_true.{name}": one["came_true"]["value"] for name, one in (outcome["figures"] or {}).items()}

    def write(mlflow: Any) -> None:
        said = {"as_of_date": content["as_of_date"], "champion": content["champion"]["model_version"]}
        mlflow.log_params(said | {f"grading.{name}": value for name, value in content["grading"].items()})
        mlflow.log_metrics(figures)
        mlflow.log_artifacts(str(folder))

    tag, tags = ("monitoring_id", folder.name), {"level": content["level"]}
    return logged_once(city, settings, tag, f"monitor {city.name}", write, tags)


def log_into_run(settings: Settings, run_id: str, folder: Path, place: str) -> None:
    """Add a folder's files to a run, at a place among its artifacts; RegistryError where MLflow does not take it."""
    with mlflow_session(settings) as mlflow:
        mlflow.MlflowClient().log_artifacts(run_id, str(folder), place)


def register_challenger(city: City, settings: Settings, run_id: str, folder: Path) -> str:
    """Register an artifact folder, unless that was done, and make it the challenger; return the registered version.

    RegistryError where MLflow does not take it.
    """
    from training import mlflow_flavour

    model, name = load_artifact(folder), registered_name(city)
    # Any rows tell the types.
    example = pd.DataFrame(np.zeros((2, len(model.names))), columns=list(model.names))
    with mlflow_session(settings) as mlflow:
        client = mlflow.MlflowClient()
        version = _registered(client, name, model.model_version)
        if version is None:
            set_experiment(mlflow, city, settings)
            with mlflow.start_run(run_id=run_id):
                info = mlflow.models.Model.log(
                    artifact_path=None,
                    name=name,
                    flavor=mlflow_flavour,
                    registered_model_name=name,
                    artifact=folder,
                    signature=mlflow.models.infer_signature(example, mlflow_flavour.score_frame(model, example)),
                )
            version = str(info.registered_model_version)
            for key, value in {"kind": model.kind, "model_version": model.model_version}.items():
                client.set_model_version_tag(name, version, key, value)
        client.set_registered_model_alias(name, CHALLENGER_ALIAS, version)
    return version


def registered_version(city: City, settings: Settings, model_version: str) -> str | None:
    """Return the version in MLflow of a model; None where it is not registered. RegistryError where MLflow is away."""
    with mlflow_session(settings) as mlflow:
        return _registered(mlflow.MlflowClient(), registered_name(city), model_version)


def write_champion_alias(city: City, settings: Settings, version: str, tags: Mapping[str, str]) -> None:
    """Point MLflow's alias `champion` at a registered version, its tags first; RegistryError where that fails."""
    name = registered_name(city)
    with mlflow_session(settings) as mlflow:
        client = mlflow.MlflowClient()
        for key, value in tags.items():
            client.set_model_version_tag(name, version, key, value)
        client.set_registered_model_alias(name, ALIAS, version)


def read_champion_alias(city: City, settings: Settings) -> dict[str, str] | None:
    """Return registered_version and tags of what MLflow's alias `champion` names; None where it names none."""
    with mlflow_session(settings) as mlflow:
        client, name = mlflow.MlflowClient(), registered_name(city)
        if not client.search_registered_models(f"name='{name}'"):
            return None
        version = client.get_registered_model(name).aliases.get(ALIAS)
        if version is None:
            return None
        return {"registered_version": str(version), **client.get_model_version(name, str(version)).tags}


def _registered(client: Any, name: str, model_version: str) -> str | None:
    versions = client.search_model_versions(f"name='{name}'")
    found = [int(version.version) for version in versions if version.tags.get("model_version") == model_version]
    return str(max(found)) if found else None
