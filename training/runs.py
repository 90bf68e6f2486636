"""One training: snapshots, labels, three models, evaluation, artifacts, a challenger."""

from __future__ import annotations

import importlib.metadata
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from data.city import City
from data.files import atomic_folder, fingerprint
from data.progress import Progress
from data.records import Records
from data.settings import PROJECT_ROOT, Settings
from features.catalogue import catalogue_of
from features.drift.report import check_drift
from features.snapshots import Snapshot, build_snapshot
from training.additive import KINDS, AdditiveModel
from training.artifact import load_artifact, save_artifact
from training.calibration_report import FOLDER as CALIBRATION
from training.calibration_report import save_calibration_report
from training.champions import champion_scale, read_challenger, write_challenger
from training.code import code_of
from training.cut_points import with_fitted_cut_points
from training.evaluation import evaluate_scores, rates_by_grade
from training.fitting import Recipe, anchored, calibrated, fit_uncalibrated, window_shifted
from training.groups import groups_of
from training.importance import importance_of
from training.plots import save_importance, save_plots
from training.registry import models_folder
from training.rows import Rows, stage_rows
from training.scale import Scale
from training.selection import short_window, weigh_stages
from training.selection_plot import save_balance_plot
from training.shap_plots import save_shap_plots
from training.splits import STAGES, check_split, last_label_day
from training.trainings import TrainingResult, is_whole, open_training, push_or_keep, save_state

CHALLENGER = "lightgbm_offset"
_PACKAGES = ("lightgbm", "numpy", "scikit-learn", "qianfen")


def train_city(
    city: City,
    records: Records,
    settings: Settings,
    progress: Progress = print,
    re_anchor: bool = False,
    experiment: Mapping[str, Any] | None = None,
) -> TrainingResult:
    """Train and compare the three models of a city and register one as challenger, unless nothing changed.

    Parameters
    ----------
    re_anchor : bool
        Set the points scale anew from the reference population, in place of keeping the champion's.
    experiment : mapping, optional
        Where the city's parameters come from a study: what the manifest keeps of it.

    Returns
    -------
    TrainingResult
        Without a registered version where MLflow is away: the training is kept, and pushed by the next run.

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
        catalogue_of(city).hash, str(city.label), str(city.cohort), str(city.selection), str(city.split),
        str(city.model), recipe.card.as_json(), recipe.cut_points.as_json(), recipe.vetoes.as_json(),
        str(city.scale.fitted), city.gate.group_labels_of_each_class,
        code_of("training.runs"), experiment,
    )  # fmt: skip
    kept = None if re_anchor else champion_scale(city, settings)
    folder = _folder(city, settings, training_id, kept, re_anchor)
    if not is_whole(folder):
        with atomic_folder(folder) as beside:
            rows, selection = weigh_stages(city, records, rows, settings, progress)
            models = _fit_all(city, records, rows, selection, reference, recipe, kept, settings, progress)
            _explain(city, beside / "plots", models[CHALLENGER], rows, recipe, progress)
            manifest = _manifest(city, records, rows, reference, recipe)
            manifest |= {"experiment": experiment, "selection": selection}
            save_balance_plot(selection, beside / "plots")
            save_training(city, records, beside, folder.name, models, rows, manifest, settings)
    return challenge(city, settings, folder, progress)


def _folder(city: City, settings: Settings, training_id: str, kept: Scale | None, re_anchor: bool) -> Path:
    """Return the folder of a training. One on another scale than is wanted stays, and has a folder beside it."""
    home = models_folder(city, settings)
    folder = home / training_id
    if re_anchor:
        return home / fingerprint(training_id, "re-anchored")
    if kept is None or not is_whole(folder) or load_artifact(folder / CHALLENGER).scale == kept:
        return folder
    return home / fingerprint(training_id, kept.offset, kept.factor)


def challenge(city: City, settings: Settings, folder: Path, progress: Progress) -> TrainingResult:
    """Make a training the challenger, on disk and in MLflow."""
    training = open_training(folder)
    artifact = folder / training.challenger
    if training.registered_version and read_challenger(city, settings) == str(artifact.relative_to(folder.parent)):
        progress(f"Training {training.training_id} is there already, nothing changed: skipped.")
        return training
    write_challenger(city, settings, artifact)
    return push_or_keep(city, settings, training, progress)


def _fit_all(
    city: City, records: Records, rows: dict[str, Rows], selection: dict[str, Any], reference: Snapshot, recipe: Recipe,
    kept: Scale | None, settings: Settings, progress: Progress,
) -> dict[str, AdditiveModel]:  # fmt: skip
    short = short_window(city, records, selection, settings, progress)
    population = reference.read(list(recipe.card.names)).to_numpy(dtype=np.float64, na_value=np.nan)
    models = {}
    for kind in KINDS:
        progress(f"Fitting {kind}.")
        model = calibrated(fit_uncalibrated(kind, rows["trees"], recipe), rows["calibration"])
        model = window_shifted(model, rows["trees"], short)
        if kind == CHALLENGER and kept is not None:
            progress("Points keep the scale of the champion.")
            model = replace(model, scale=kept)
        else:
            model = anchored(model, population)
        known = last_label_day(city, "calibration")
        models[kind] = with_fitted_cut_points(model, city, population, rows["calibration"], known)
    return models


def save_training(
    city: City, records: Records, folder: Path, training_id: str, models: dict[str, AdditiveModel],
    rows: Mapping[str, Rows], manifest: dict[str, Any], settings: Settings,
) -> None:  # fmt: skip
    """Evaluate on the test rows, draw and write the artifacts and the calibration report; training.json comes last."""
    test, challenger = rows["test"], models[CHALLENGER]
    scores = {kind: model.score(test.X) for kind, model in models.items()}
    metrics = {kind: evaluate_scores(test.y, s, test.weight) for kind, s in scores.items()}
    grades = rates_by_grade(scores[CHALLENGER].grade, test.y, challenger.cut_points.grades, test.weight)
    for kind, model in models.items():
        (folder / kind).mkdir()
        save_artifact(model, folder / kind, {**manifest, "metrics": metrics[kind]})
    save_plots(scores, test.y, CHALLENGER, challenger.names, challenger.cut_points.grades, folder / "plots")
    groups, least = groups_of(records, test.keys, settings.threads), city.gate.group_labels_of_each_class
    save_calibration_report(challenger, rows["calibration"], test, groups, least, folder / CALIBRATION)
    state = {"metrics": metrics, "grades": grades, "challenger": CHALLENGER, "selection": manifest["selection"]}
    save_state(folder, training_id, state)


def _explain(
    city: City, folder: Path, model: AdditiveModel, rows: dict[str, Rows], recipe: Recipe, progress: Progress
) -> None:
    """Draw contributions, and how stable the importance of the indicators is."""
    test, n_refits = rows["test"], city.model.importance_refits
    save_shap_plots(model.score(test.X), test.X, model.names, folder)
    progress(f"Importance of the indicators over {n_refits} refits.")
    save_importance(importance_of(model, rows["trees"], rows["calibration"], test, recipe, n_refits), folder)


def described(city: City, records: Records, rows: Mapping[str, Rows]) -> dict[str, Any]:
    """Return what a manifest says of rows, and of what they were made by."""
    return {
        "records_id": records.records_id,
        "snapshots": {stage: list(r.snapshot_ids) for stage, r in rows.items()},
        "label": city.label.model_dump(mode="json"),
        "cohort": city.cohort.model_dump(mode="json"),
        "split": city.split.model_dump(mode="json"),
        "n_rows": {stage: len(r.y) for stage, r in rows.items()},
        "n_positive": {stage: int(r.y.sum()) for stage, r in rows.items()},
        "versions": {name: importlib.metadata.version(name) for name in _PACKAGES},
        "code_version": _code_version(),
    }


def _manifest(
    city: City, records: Records, rows: Mapping[str, Rows], reference: Snapshot, recipe: Recipe
) -> dict[str, Any]:
    catalogue = catalogue_of(city)
    return {
        "city": city.name,
        "catalogue_hash": catalogue.hash,
        "units": {i.name: i.unit for i in catalogue},
        "risk": {i.name: i.risk for i in catalogue},
        "reference_snapshot": reference.snapshot_id,
        "lightgbm": recipe.growth,
        **described(city, records, rows),
    }


def _code_version() -> str:
    """Return the git commit of the code, marked where it was changed since; the package's version without git."""
    command = ["git", "-C", str(PROJECT_ROOT), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (FileNotFoundError, subprocess.CalledProcessError):
        return importlib.metadata.version("qianfen")
