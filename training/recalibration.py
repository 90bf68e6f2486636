"""A new base rate for the champion's trees: the intercept moves, and with it the base points; nothing else does.

Where violations have become more or less frequent, and what tells them apart has not changed, log-odds move by one
number for everybody (Saerens, Latinne and Decaestecker 2002). It is fitted to newer labelled rows, or worked out from a
rate that a person states. Trees, card, slope, cut points and scale stay, so every contribution stays what it was. What
comes out is a challenger with a version of its own, and goes through the gate like any other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import logit

from data.city import City
from data.errors import ConfigurationError, LabelError, NotFoundError, RequestError
from data.files import atomic_folder, fingerprint
from data.progress import Progress
from data.records import Records
from data.settings import Settings
from features.catalogue import catalogue_of
from features.drift.report import check_drift
from training.additive import KINDS, AdditiveModel
from training.artifact import load_artifact
from training.calibration import fit_intercept
from training.champions import read_pointer
from training.fitting import window_shifted
from training.registry import models_folder
from training.rows import Rows, labelled_rows, stage_rows
from training.runs import CHALLENGER, challenge, described, save_training
from training.selection import selection_of, short_window, weighed_as
from training.splits import check_split, first_day, horizon_days, last_label_day
from training.trainings import TrainingResult, is_whole

_OF_ONE_MODEL = (
    "format", "kind", "indicators", "card", "cut_points", "expert_cut_points", "vetoes", "files", "model_version",
    "metrics",
)  # fmt: skip
_JUDGING = ("calibration", "test")
_SAME = 1e-9
"""Log-odds: a smaller shift is no other model."""


@dataclass(frozen=True)
class BaseRate:
    """Share of the inspected entities that will be found to violate within the horizon, and who says so."""

    rate: float
    source: str

    def __post_init__(self) -> None:
        if not 0.0 < self.rate < 1.0:
            raise RequestError(f"A base rate must lie between 0 and 1, got {self.rate:g}. Write 20% as 0.2.")
        if not self.source.strip():
            raise RequestError("A base rate must have a source, it has none. Say where it comes from, and of what day.")


@dataclass(frozen=True)
class _Evidence:
    """What a shift is fitted on: newer rows, and the trees' rows with both label windows where those differ."""

    rows: Rows
    full: Rows | None = None
    short: Rows | None = None


def at_base_rate(model: AdditiveModel, rows: Rows, rate: float) -> AdditiveModel:
    """Return the model for a base rate other than that of rows, which it was calibrated on."""
    present = float(np.average(model.probability(rows.X), weights=rows.weight))
    return _moved(model, float(logit(rate) - logit(present)))


def on_newer_rows(model: AdditiveModel, rows: Rows) -> AdditiveModel:
    """Return the model whose mean probability on rows is their violation rate."""
    return _moved(model, fit_intercept(model.log_odds(rows.X), rows.y, rows.weight))


def recalibrate(
    city: City,
    records: Records,
    settings: Settings,
    to: BaseRate | date | None = None,
    progress: Progress = print,
) -> TrainingResult:
    """Move the champion to a new base rate and make the result the challenger.

    Parameters
    ----------
    to : BaseRate, date, or None
        A stated rate; the as-of date of newer labelled rows; None for the calibration rows that city.toml names now.

    Raises
    ------
    NotFoundError
        Where there is no champion.
    ConfigurationError
        Where label, cohort, trees' dates or selection of city.toml are not the champion's.
    LabelError
        Where labels are too few, or not known before the test begins.
    RequestError
        Where nothing would change.
    """
    check_split(city)
    home = _champion_folder(city, settings)
    models = {kind: load_artifact(home / kind, catalogue_of(city).hash) for kind in KINDS}
    champion = models[CHALLENGER]
    _require_same_making(city, champion.manifest)
    evidence = _evidence(city, records, settings, to, champion.manifest, progress)
    check_drift(city, records, list(evidence.rows.snapshots), settings, progress)
    moved = {kind: _recalibrated(model, evidence, to) for kind, model in models.items()}
    shift = moved[CHALLENGER].platt[0] - champion.platt[0]
    if abs(shift) < _SAME:
        raise RequestError(
            f"The new base rate must be another than that of champion {champion.model_version}, it is the same. "
            "Give --as-of or --base-rate, or name a newer calibration in [split] of city.toml."
        )
    progress(f"Log-odds of everybody move by {shift:+.4f}, points by {shift * champion.scale.factor:+.1f}.")
    said = {
        "from": champion.model_version,
        "by": "base rate" if isinstance(to, BaseRate) else "labelled rows",
        "shift": {kind: model.platt[0] - models[kind].platt[0] for kind, model in moved.items()},
        "n_rows": len(evidence.rows.y),
        "n_positive": int(evidence.rows.y.sum()),
        **({"base_rate": to.rate, "source": to.source.strip()} if isinstance(to, BaseRate) else {}),
    }
    folder = models_folder(city, settings) / fingerprint(
        said, records.records_id, evidence.rows.snapshot_ids, str(city.split)
    )
    if not is_whole(folder):
        rows = {stage: _stage(city, records, settings, stage, champion.manifest, progress) for stage in _JUDGING}
        manifest = _manifest(city, records, {**rows, "recalibration": evidence.rows}, champion.manifest)
        manifest["recalibrated"] = said
        with atomic_folder(folder) as beside:
            save_training(city, records, beside, folder.name, moved, rows, manifest, settings)
    return challenge(city, settings, folder, progress)


def _recalibrated(model: AdditiveModel, evidence: _Evidence, to: BaseRate | date | None) -> AdditiveModel:
    if isinstance(to, BaseRate):
        return at_base_rate(model, evidence.rows, to.rate)
    moved = on_newer_rows(model, evidence.rows)
    return moved if evidence.full is None else window_shifted(moved, evidence.full, evidence.short)


def _moved(model: AdditiveModel, shift: float) -> AdditiveModel:
    a, b = model.platt
    return replace(model, platt=(a + shift, b))


def _champion_folder(city: City, settings: Settings) -> Path:
    pointer = read_pointer(city, settings)
    if pointer is None:
        raise NotFoundError(
            f"{city.name} must have a champion to recalibrate, it has none. Run `qianfen train {city.name}`, and "
            "promote what it makes."
        )
    return (models_folder(city, settings) / pointer.artifact).parent


def _require_same_making(city: City, manifest: dict[str, Any]) -> None:
    """Refuse where the trees would not be those that city.toml declares."""
    split, cohort = city.split.model_dump(mode="json"), city.cohort.model_dump(mode="json")
    pairs = {
        "[label]": (manifest["label"], city.label.model_dump(mode="json")),
        # A manifest from before the cohort was kept says nothing of it.
        "[cohort]": (manifest.get("cohort", cohort), cohort),
        "[split] trees": (manifest["split"]["trees"], split["trees"]),
        "[selection] method": (selection_of(manifest)["method"], city.selection.method),
    }
    for name, (theirs, ours) in pairs.items():
        if theirs != ours:
            raise ConfigurationError(
                f"{name} of {city.name} must be that of champion {manifest['model_version']}, {theirs}, got {ours}. "
                f"Set it back, or train again with `qianfen train {city.name}`."
            )


def _evidence(
    city: City, records: Records, settings: Settings, to: BaseRate | date | None, manifest: dict[str, Any],
    progress: Progress,
) -> _Evidence:  # fmt: skip
    if isinstance(to, date):
        days = city.label.horizon_days
        _require_in_time(city, to)
        rows = labelled_rows(city, records, "recalibration", (to,), days, settings, progress)
        return _Evidence(weighed_as(city, records, rows, days, selection_of(manifest), settings, progress))
    rows = _stage(city, records, settings, "calibration", manifest, progress)
    short = short_window(city, records, selection_of(manifest), settings, progress)
    if isinstance(to, BaseRate) or short is None:
        return _Evidence(rows)
    return _Evidence(rows, _stage(city, records, settings, "trees", manifest, progress), short)


def _stage(
    city: City, records: Records, settings: Settings, stage: str, manifest: dict[str, Any], progress: Progress
) -> Rows:
    """Return the rows of a stage, weighed as those that the champion learned from."""
    rows = stage_rows(city, records, stage, settings, progress)
    return weighed_as(city, records, rows, horizon_days(city, stage), selection_of(manifest), settings, progress)


def _require_in_time(city: City, day: date) -> None:
    """Refuse rows whose labels the trees or the test could share."""
    if city.cohort.kind == "inspection":
        raise RequestError(
            f"The rows of {city.name} are inspections of a period, which one day does not name. "
            "Leave out --as-of, and name the period in [split] calibration of city.toml."
        )
    begins, trees = first_day(city.split.test), last_label_day(city, "trees")
    known = day + city.label_lag
    if day < trees or known > begins:
        raise LabelError(
            f"The as-of date must lie on or after {trees}, when the trees' labels are known, and its labels be known "
            f"by {begins}, when the test begins: got {day}, known on {known}. "
            "Move [split] test of city.toml to a later date, or name another day."
        )


def _manifest(city: City, records: Records, rows: dict[str, Rows], champion: dict[str, Any]) -> dict[str, Any]:
    """Return the champion's manifest with what is new: the trees are still those of its records."""
    content = {name: value for name, value in champion.items() if name not in _OF_ONE_MODEL}
    new = described(city, records, rows)
    merged = {name: champion[name] | new[name] for name in ("snapshots", "n_rows", "n_positive")}
    return content | {"selection": selection_of(champion)} | new | merged
