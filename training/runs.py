"""One training: snapshots, labels, three models, evaluation, artifacts, MLflow, champion."""

from __future__ import annotations

import importlib.metadata
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.city import City, Period
from data.files import atomic_folder, fingerprint, read_json, source_fingerprint, write_json
from data.progress import Progress
from data.records import Records
from data.settings import PROJECT_ROOT, Settings
from features.catalogue import load_catalogue
from features.drift.report import check_drift
from features.snapshots import Snapshot, build_pairs_snapshot, build_snapshot, build_snapshots
from training.additive import KINDS, AdditiveModel, ExpertOffset
from training.artifact import load_artifact, save_artifact
from training.calibration import fit_intercept, fit_logistic
from training.evaluation import evaluate_scores, rates_by_grade
from training.expert_card import REFERENCE, CutPoints, ExpertCard
from training.labels import entity_labels, inspection_labels, require_both_classes
from training.model import expected_f, fit, parameters
from training.plots import save_plots
from training.registry import champion_exists, champion_scale, log_training, models_folder, register_champion
from training.scale import Scale, anchor
from training.splits import STAGES, Stage, check_split, horizon_days

CHAMPION = "lightgbm_offset"
_PACKAGES = ("lightgbm", "numpy", "scikit-learn", "qianfen")
_CODE = (
    "training.labels",
    "training.splits",
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
class Rows:
    """Labelled rows of one stage: indicators (n, 18), labels, and where they came from."""

    X: NDArray[np.float64]
    y: NDArray[np.int8]
    keys: pd.DataFrame
    snapshots: tuple[Snapshot, ...]

    @property
    def snapshot_ids(self) -> tuple[str, ...]:
        """What the rows were made from."""
        return tuple(snapshot.snapshot_id for snapshot in self.snapshots)


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
    catalogue = load_catalogue()
    lightgbm = parameters(city, catalogue, settings.threads)
    card, cut_points = _card(city), _cut_points(city)
    rows = {stage: _labelled(city, records, stage, settings, progress) for stage in STAGES}
    reference = build_snapshot(records, city.split.reference, settings, progress)
    stood_on = [snapshot for stage in STAGES for snapshot in rows[stage].snapshots]
    check_drift(city, records, [*stood_on, reference], settings, progress)
    training_id = fingerprint(
        {stage: r.snapshot_ids for stage, r in rows.items()}, reference.snapshot_id, records.records_id, catalogue.hash,
        str(city.label), str(city.cohort), str(city.split), str(city.model), card.as_json(), cut_points.as_json(),
        source_fingerprint(*_CODE),
    )  # fmt: skip
    folder = models_folder(city, settings) / training_id
    if (folder / "training.json").is_file() and champion_exists(city, settings):
        progress(f"Training {training_id} is there already, nothing changed: skipped.")
        return _open(folder)
    if not (folder / "training.json").is_file():
        with atomic_folder(folder) as beside:
            short = _short_window(city, records, settings, progress)
            models = _fit_all(city, rows, short, reference, lightgbm, card, cut_points, settings, progress)
            _save(city, records, beside, models, rows, reference, lightgbm, settings, progress)
    return _register(city, settings, folder, rows["test"], progress)


def _card(city: City) -> ExpertCard:
    path = city.folder / city.scale.card if city.scale.card else REFERENCE / "expert_card.csv"
    return ExpertCard.from_csv(path, load_catalogue().names)


def _cut_points(city: City) -> CutPoints:
    return CutPoints.from_csv(
        city.folder / city.scale.cut_points if city.scale.cut_points else REFERENCE / "cut_points.csv"
    )


def _labelled(
    city: City, records: Records, stage: str, settings: Settings, progress: Progress, days: int | None = None
) -> Rows:
    """Return the labelled rows of a stage; `days` stands in for the length of its label window."""
    dates: Stage = getattr(city.split, stage)
    days = days or horizon_days(city, stage)
    progress(f"Labels over {days} days and indicators of {stage}.")
    if isinstance(dates, Period):
        labels = inspection_labels(records, city, dates, settings.threads)
        pairs = labels[["entity_id", "as_of_date"]].drop_duplicates()
        snapshots = [build_pairs_snapshot(records, pairs, f"{dates.start}-{dates.end}", settings, progress)]
        said: list[object] = [dates.start, dates.end]
    else:
        labels = pd.concat(
            [entity_labels(records, city, day, days, settings.threads) for day in dates], ignore_index=True
        )
        snapshots = build_snapshots(records, dates, settings, progress)
        said = list(dates)
    require_both_classes(labels["label"], stage, said)
    return _joined(labels, snapshots)


def _short_window(city: City, records: Records, settings: Settings, progress: Progress) -> Rows | None:
    """Return the trees' rows with labels over the calibration's window; None where that is the city's own."""
    days = horizon_days(city, "calibration")
    if days == city.label.horizon_days:
        return None
    return _labelled(city, records, "trees", settings, progress, days)


def _window_shift(model: AdditiveModel, full: Rows, short: Rows | None) -> float:
    """Return what the calibration's shorter label window misses, in log-odds, as measured on the trees' dates."""
    if short is None:
        return 0.0
    a, b = model.platt
    return fit_intercept(a + b * model.raw_score(full.X), full.y) - fit_intercept(
        a + b * model.raw_score(short.X), short.y
    )


def _joined(labels: pd.DataFrame, snapshots: list[Snapshot]) -> Rows:
    matrix = pd.concat([s.read() for s in snapshots], ignore_index=True)
    matrix["as_of_date"] = pd.to_datetime(matrix["as_of_date"])
    names = list(load_catalogue().names)
    frame = labels.merge(matrix, on=["entity_id", "as_of_date"], how="inner", validate="many_to_one")
    return Rows(
        X=frame[names].to_numpy(dtype=np.float64, na_value=np.nan),
        y=frame["label"].to_numpy(dtype=np.int8),
        keys=frame[[c for c in labels.columns if c != "label"]],
        snapshots=tuple(snapshots),
    )


def _fit_all(
    city: City, rows: dict[str, Rows], short: Rows | None, reference: Snapshot, lightgbm: dict[str, Any],
    card: ExpertCard, cut_points: CutPoints, settings: Settings, progress: Progress,
) -> dict[str, AdditiveModel]:  # fmt: skip
    population = reference.read(list(card.names)).to_numpy(dtype=np.float64, na_value=np.nan)
    kept = champion_scale(city, settings)
    models = {}
    for kind in KINDS:
        progress(f"Fitting {kind}.")
        model = _uncalibrated(kind, city, rows["trees"], lightgbm, card, cut_points)
        calibration = rows["calibration"]
        model = replace(model, platt=fit_logistic(model.raw_score(calibration.X), calibration.y))
        shift = _window_shift(model, rows["trees"], short)
        model = replace(model, platt=(model.platt[0] + shift, model.platt[1]))
        if kind == CHAMPION and kept is not None:
            progress("Points keep the scale of the champion.")
            models[kind] = replace(model, scale=kept)
        else:
            expert_points = card.points(population).sum(axis=1)
            models[kind] = replace(model, scale=anchor(expert_points, model.log_odds(population), cut_points))
    return models


def _uncalibrated(
    kind: str, city: City, rows: Rows, lightgbm: dict[str, Any], card: ExpertCard, cut_points: CutPoints
) -> AdditiveModel:
    """Fit the experts' log-odds and the trees on the training rows; Platt and scale are still neutral."""
    points = card.points(rows.X)
    offset = ExpertOffset(0.0, 0.0, tuple(points.mean(axis=0)))
    if kind != "lightgbm":
        alpha, slope = fit_logistic(points.sum(axis=1), rows.y)
        offset = replace(offset, alpha=alpha, slope=slope)
    booster, expected = None, 0.0
    if kind != "expert_card":
        init_score = offset.alpha + offset.slope * points.sum(axis=1) if kind == "lightgbm_offset" else None
        booster = fit(rows.X, rows.y, init_score, card.names, lightgbm, city.model.num_boost_round)
        expected = expected_f(booster, len(card.names))
    return AdditiveModel(kind, card.names, card, cut_points, offset, (0.0, 1.0), Scale(0.0, 1.0), booster, expected)


def _save(
    city: City, records: Records, folder: Path, models: dict[str, AdditiveModel], rows: dict[str, Rows],
    reference: Snapshot, lightgbm: dict[str, Any], settings: Settings, progress: Progress,
) -> None:  # fmt: skip
    """Evaluate, draw, write the artifacts and log the run; training.json comes last."""
    test = rows["test"]
    scores = {kind: model.score(test.X) for kind, model in models.items()}
    metrics = {kind: evaluate_scores(test.y, s) for kind, s in scores.items()}
    cut_points = models[CHAMPION].cut_points
    grades = rates_by_grade(scores[CHAMPION].grade, test.y, cut_points.grades)
    manifest = _manifest(city, records, rows, reference, lightgbm)
    saved = {}
    for kind, model in models.items():
        (folder / kind).mkdir()
        saved[kind] = save_artifact(model, folder / kind, {**manifest, "metrics": metrics[kind]})
    save_plots(scores, test.y, CHAMPION, models[CHAMPION].names, cut_points.grades, folder / "plots")
    progress("Logging the run to MLflow.")
    run_id = log_training(city, settings, _logged(city, manifest, lightgbm), saved, metrics, folder)
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
    city: City, records: Records, rows: dict[str, Rows], reference: Snapshot, lightgbm: dict[str, Any]
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
        "lightgbm": {**lightgbm, "num_boost_round": city.model.num_boost_round},
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
