"""A training on disk: what it left behind, and bringing it to MLflow, at once or when MLflow is back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from data.city import City
from data.files import read_json, write_json
from data.progress import Progress
from data.settings import Settings
from training.additive import KINDS, AdditiveModel
from training.artifact import load_artifact
from training.kept_runs import or_kept
from training.registry import log_training, models_folder, register_challenger

_STATE = "training.json"


@dataclass(frozen=True)
class TrainingResult:
    """What a training left behind.

    Attributes
    ----------
    training_id : str
        Stands for all inputs; the name of `folder`.
    folder : Path
        One artifact folder for each model, plots/, training.json.
    models, metrics : dict by kind
        The three models, and their metrics on the test rows.
    grades : list of dict
        Challenger's violation rate by grade on the test rows.
    challenger : str
        Kind that may become champion.
    selection : dict
        Whether rows were weighed for who was inspected, and what came of it: training.selection.
    mlflow_run_id, registered_version : str or None
        The run that holds it all and the challenger's version in MLflow; None as long as MLflow has not got them.
    """

    training_id: str
    folder: Path
    models: dict[str, AdditiveModel]
    metrics: dict[str, dict[str, float]]
    grades: list[dict[str, Any]]
    challenger: str
    selection: dict[str, Any]
    mlflow_run_id: str | None = None
    registered_version: str | None = None

    @property
    def challenger_model(self) -> AdditiveModel:
        """The model that may become champion."""
        return self.models[self.challenger]


def is_whole(folder: Path) -> bool:
    """Say whether a training came to its end."""
    return (folder / _STATE).is_file()


def save_state(folder: Path, training_id: str, content: dict[str, Any]) -> None:
    """Write training.json, the last file of a training; nothing is in MLflow yet."""
    write_json(
        folder / _STATE,
        {"training_id": training_id, **content, "mlflow_run_id": None, "registered_version": None},
    )


def open_training(folder: Path) -> TrainingResult:
    """Read a training; ArtifactError or StorageError where it is damaged."""
    models = {kind: load_artifact(folder / kind) for kind in KINDS}
    return TrainingResult(folder=folder, models=models, **read_json(folder / _STATE))


def push_training(city: City, settings: Settings, training: TrainingResult, progress: Progress) -> TrainingResult:
    """Log a training to MLflow and register its challenger there; what is there already stays.

    RegistryError where MLflow does not take it; it can be pushed again.
    """
    folder, model = training.folder, training.challenger_model
    progress("Logging the run to MLflow.")
    run_id = log_training(city, settings, _logged(model.manifest), training.models, training.metrics, folder)
    progress(f"Registering {training.challenger} {model.model_version} as challenger.")
    version = register_challenger(city, settings, run_id, folder / training.challenger)
    pushed = {"mlflow_run_id": run_id, "registered_version": version}
    write_json(folder / _STATE, {**read_json(folder / _STATE), **pushed})
    return replace(training, mlflow_run_id=run_id, registered_version=version)


def push_all(city: City, settings: Settings, progress: Progress) -> list[TrainingResult]:
    """Push every training that MLflow has not got, the oldest first; return them. RegistryError as `push_training`."""
    states = sorted(models_folder(city, settings).glob(f"[!.]*/{_STATE}"), key=lambda path: path.stat().st_mtime_ns)
    waiting = [path.parent for path in states if read_json(path).get("registered_version", "") is None]
    return [push_training(city, settings, open_training(folder), progress) for folder in waiting]


def push_or_keep(city: City, settings: Settings, training: TrainingResult, progress: Progress) -> TrainingResult:
    """Push a training; where MLflow is away, say so and return it as it is: it is whole on disk."""
    return or_kept("training", lambda: push_training(city, settings, training, progress), progress) or training


def _logged(manifest: dict[str, Any]) -> dict[str, Any]:
    """Parameters of the run, flat, as MLflow wants them."""
    flat = {f"lightgbm.{name}": value for name, value in manifest["lightgbm"].items()}
    flat |= {
        f"{key}.{name}": v for key in ("label", "split", "n_rows", "snapshots") for name, v in manifest[key].items()
    }
    flat |= {f"selection.{name}": manifest["selection"].get(name) for name in ("method", "clip")}
    kept = ("city", "catalogue_hash", "records_id", "reference_snapshot", "code_version")
    return flat | {name: manifest[name] for name in kept}
