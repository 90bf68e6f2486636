"""One training: snapshots, labels, three models, evaluation, artifacts, MLflow, champion."""

from __future__ import annotations

import importlib.metadata
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from data.city import City
from data.files import atomic_folder, fingerprint, read_json, source_fingerprint, write_json
from data.progress import Progress
from data.records import Records
from data.settings import PROJECT_ROOT, Settings
from features.catalogue import load_catalogue
from features.drift.report import check_drift
from features.snapshots import Snapshot, build_snapshot
from training.additive import KINDS, AdditiveModel
from training.artifact import load_artifact, save_artifact
from training.evaluation import evaluate_scores, rates_by_grade
from training.fitting import Recipe, anchored, calibrated, fit_uncalibrated, window_shifted
from training.plots import save_plots
from training.registry import champion_exists, champion_scale, log_training, models_folder, register_champion
from training.rows import Rows, stage_rows
from training.splits import STAGES, check_split, horizon_days

CHAMPION = "lightgbm_offset"
_PACKAGES = ("lightgbm", "numpy", "scikit-learn", "qianfen")
_CODE = (
    "training.labels",
    "training.splits",
    "training.rows",
    "training.fitting",
    "training.expert_card",
    "training.calibration",
    "training.scale",
    "training.model",
    "training.additive",
    "training.metrics",
    "training.evaluation",
    "training.artifact",
    "training.plots",
    "training.runs",
)


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
        Champion's violation rate by grade on the test rows.
    champion : str
        Kind that was registered.
    mlflow_run_id : str
        The run that holds it all.
    """

    training_id: str
    folder: Path
    models: dict[str, AdditiveModel]
    metrics: dict[str, dict[str, float]]
    grades: list[dict[str, Any]]
    champion: str
    mlflow_run_id: str

    @property
    def champion_model(self) -> AdditiveModel:
        """The model that was registered."""
        return self.models[self.champion]


def train_city(city: City, records: Records, settings: Settings, progress: Progress = print) -> TrainingResult:
    """Train and compare the three models of a city and register the champion, unless nothing changed.

    Raises
    ------
    ConfigurationError
        For a split that leaks, a card that is not whole, a parameter that is unknown.
    LabelError
        Where labels of a stage are too few or of one class.
    DriftError
        Where the data of a snapshot drifted beyond a limit, and nobody accepted it.
    """
    check_split(city)
    recipe = Recipe.of(city, settings.threads)
    rows = {stage: stage_rows(city, records, stage, settings, progress) for stage in STAGES}
    reference = build_snapshot(records, city.split.reference, settings, progress)
    stood_on = [snapshot for stage in STAGES for snapshot in rows[stage].snapshots]
    check_drift(city, records, [*stood_on, reference], settings, progress)
    training_id = fingerprint(
        {stage: r.snapshot_ids for stage, r in rows.items()}, reference.snapshot_id, records.records_id,
        load_catalogue().hash, str(city.label), str(city.cohort), str(city.split), str(city.model),
        recipe.card.as_json(), recipe.cut_points.as_json(), source_fingerprint(*_CODE),
    )  # fmt: skip
    folder = models_folder(city, settings) / training_id
    if (folder / "training.json").is_file() and champion_exists(city, settings):
        progress(f"Training {training_id} is there already, nothing changed: skipped.")
        return _open(folder)
    if not (folder / "training.json").is_file():
        with atomic_folder(folder) as beside:
            models = _fit_all(city, records, rows, reference, recipe, settings, progress)
            _save(city, records, beside, models, rows, reference, recipe, settings, progress)
    return _register(city, settings, folder, rows["test"], progress)


def _fit_all(
    city: City, records: Records, rows: dict[str, Rows], reference: Snapshot, recipe: Recipe, settings: Settings,
    progress: Progress,
) -> dict[str, AdditiveModel]:  # fmt: skip
    short = None
    if (days := horizon_days(city, "calibration")) != city.label.horizon_days:
        short = stage_rows(city, records, "trees", settings, progress, days)
    population = reference.read(list(recipe.card.names)).to_numpy(dtype=np.float64, na_value=np.nan)
    kept = champion_scale(city, settings)
    models = {}
    for kind in KINDS:
        progress(f"Fitting {kind}.")
        model = calibrated(fit_uncalibrated(kind, rows["trees"], recipe), rows["calibration"])
        model = window_shifted(model, rows["trees"], short)
        if kind == CHAMPION and kept is not None:
            progress("Points keep the scale of the champion.")
            models[kind] = replace(model, scale=kept)
        else:
            models[kind] = anchored(model, population)
    return models


def _save(
    city: City, records: Records, folder: Path, models: dict[str, AdditiveModel], rows: dict[str, Rows],
    reference: Snapshot, recipe: Recipe, settings: Settings, progress: Progress,
) -> None:  # fmt: skip
    """Evaluate, draw, write the artifacts and log the run; training.json comes last."""
    test = rows["test"]
    scores = {kind: model.score(test.X) for kind, model in models.items()}
    metrics = {kind: evaluate_scores(test.y, s) for kind, s in scores.items()}
    cut_points = models[CHAMPION].cut_points
    grades = rates_by_grade(scores[CHAMPION].grade, test.y, cut_points.grades)
    manifest = _manifest(city, records, rows, reference, recipe)
    saved = {}
    for kind, model in models.items():
        (folder / kind).mkdir()
        saved[kind] = save_artifact(model, folder / kind, {**manifest, "metrics": metrics[kind]})
    save_plots(scores, test.y, CHAMPION, models[CHAMPION].names, cut_points.grades, folder / "plots")
    progress("Logging the run to MLflow.")
    run_id = log_training(city, settings, _logged(city, manifest, recipe.lightgbm), saved, metrics, folder)
    write_json(
        folder / "training.json",
        {
            "training_id": folder.name,
            "metrics": metrics,
            "grades": grades,
            "champion": CHAMPION,
            "mlflow_run_id": run_id,
        },
    )


def _register(city: City, settings: Settings, folder: Path, test: Rows, progress: Progress) -> TrainingResult:
    result = _open(folder)
    progress(f"Registering {result.champion} {result.champion_model.model_version} as champion.")
    example = pd.DataFrame(test.X[:5], columns=list(result.champion_model.names))
    reason = "trained by `qianfen train`: LightGBM on the experts' offset"
    register_champion(city, settings, result.mlflow_run_id, folder / result.champion, example, reason)
    return result


def _open(folder: Path) -> TrainingResult:
    content = read_json(folder / "training.json")
    models = {kind: load_artifact(folder / kind) for kind in KINDS}
    return TrainingResult(
        training_id=folder.name,
        folder=folder,
        models=models,
        metrics=content["metrics"],
        grades=content["grades"],
        champion=content["champion"],
        mlflow_run_id=content["mlflow_run_id"],
    )


def _manifest(
    city: City, records: Records, rows: dict[str, Rows], reference: Snapshot, recipe: Recipe
) -> dict[str, Any]:
    catalogue = load_catalogue()
    return {
        "city": city.name,
        "catalogue_hash": catalogue.hash,
        "units": {i.name: i.unit for i in catalogue},
        "risk": {i.name: i.risk for i in catalogue},
        "records_id": records.records_id,
        "snapshots": {stage: list(r.snapshot_ids) for stage, r in rows.items()},
        "reference_snapshot": reference.snapshot_id,
        "label": city.label.model_dump(mode="json"),
        "split": city.split.model_dump(mode="json"),
        "n_rows": {stage: len(r.y) for stage, r in rows.items()},
        "n_positive": {stage: int(r.y.sum()) for stage, r in rows.items()},
        "lightgbm": {**recipe.lightgbm, "num_boost_round": recipe.num_boost_round},
        "versions": {name: importlib.metadata.version(name) for name in _PACKAGES},
        "code_version": _code_version(),
    }


def _logged(city: City, manifest: dict[str, Any], lightgbm: dict[str, Any]) -> dict[str, Any]:
    """Parameters of the run, flat, as MLflow wants them."""
    flat = {f"lightgbm.{name}": value for name, value in lightgbm.items()}
    flat |= {
        f"{key}.{name}": v for key in ("label", "split", "n_rows", "snapshots") for name, v in manifest[key].items()
    }
    kept = ("city", "catalogue_hash", "records_id", "reference_snapshot", "code_version")
    return flat | {name: manifest[name] for name in kept} | {"num_boost_round": city.model.num_boost_round}


def _code_version() -> str:
    """Return the git commit of the code, marked where it was changed since; the package's version without git."""
    command = ["git", "-C", str(PROJECT_ROOT), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (FileNotFoundError, subprocess.CalledProcessError):
        return importlib.metadata.version("qianfen")
