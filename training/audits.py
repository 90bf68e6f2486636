"""Audits on disk: audit.json for each model, and its place in the model's run in MLflow."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.city import City
from data.errors import NotFoundError
from data.files import fingerprint, read_json, read_sealed, write_sealed
from data.progress import Progress
from data.records import Records, open_records
from data.settings import Settings
from features.catalogue import catalogue_of
from training import metrics
from training.additive import AdditiveModel
from training.artifact import load_artifact
from training.audit import CAPACITIES, audit_groups
from training.audit_group_effects import rates_at_equal_probability, what_groups_add
from training.audit_rows import GRADE, PROBABILITY, Audited, AuditRows, DeclaredGroups, audit_rows, audit_windows
from training.audit_selection import selection_effects
from training.bootstrap import LEVEL, intervals
from training.calibration import sigmoid
from training.champions import read_challenger, read_pointer
from training.code import code_of
from training.groups import GROUPS
from training.kept_runs import or_kept
from training.registry import log_into_run, models_folder

CHAMPION, CHALLENGER = "champion", "challenger"
AUDIT = "audit.json"

_CARD = "expert_card"
_REMEDY = "Remove it, and audit again."


@dataclass(frozen=True)
class Subject:
    """The model that is audited: champion or challenger, and its folder below the city's models."""

    role: str
    artifact: str
    model: AdditiveModel


def subject_of(city: City, settings: Settings, role: str = CHAMPION) -> Subject:
    """Return the champion or the challenger of a city.

    Raises
    ------
    NotFoundError
        Where there is none.
    ArtifactError
        Where it is damaged.
    """
    pointer, challenger = read_pointer(city, settings), read_challenger(city, settings)
    artifact = challenger if role == CHALLENGER else (pointer.artifact if pointer else None)
    if artifact is None:
        more = "" if role == CHALLENGER or challenger is None else " Or give --challenger for what was trained last."
        rest = f"train {city.name}" if challenger is None else f"promote {city.name} --who NAME --why REASON"
        raise NotFoundError(f"{city.name} has no {role} yet. Run `qianfen {rest}`.{more}")
    return Subject(role, artifact, load_artifact(models_folder(city, settings) / artifact))


def audit_folder(city: City, settings: Settings, model_version: str) -> Path:
    """Return where the audit and the card of a model lie."""
    return settings.var / "cities" / city.name / "audits" / model_version


def read_audit(city: City, settings: Settings, subject: Subject) -> dict[str, Any] | None:
    """Return the newest audit of a model; None where it was not audited."""
    path = audit_folder(city, settings, subject.model.model_version) / AUDIT
    return read_sealed(path, _REMEDY) if path.is_file() else None


def build_audit(
    city: City, settings: Settings, subject: Subject, progress: Progress = print
) -> tuple[Path, dict[str, Any]]:
    """Audit a model on the newest labelled period unless nothing changed; return the folder and what audit.json holds.

    It stands on the records that the model was trained on, as the gate does.

    Raises
    ------
    NotFoundError
        Where these records are not there any more.
    LabelError
        Where labels are too few or of one class.
    ConfigurationError, SchemaError, SourceError
        Where a group that city.toml declares cannot be read.
    """
    records = open_records(city, settings, subject.model.manifest["records_id"])
    folder = audit_folder(city, settings, subject.model.model_version)
    declared = DeclaredGroups.of(city, settings)
    audit_id, known = _audit_id(city, records, subject, declared), read_audit(city, settings, subject)
    if known is not None and known["audit_id"] == audit_id:
        progress(f"The audit of model {subject.model.model_version} is there already, nothing changed: skipped.")
        return folder, known
    rows = audit_rows(city, records, subject.model, settings, progress, declared)
    progress(f"Figures by group, with intervals of {city.gate.draws} draws.")
    card = models_folder(city, settings) / Path(subject.artifact).parent / _CARD
    content = {
        "audit_id": audit_id,
        **_said(city, records, subject, rows),
        "overall": overall(rows.test, subject.model, load_artifact(card) if card.is_dir() else None, city.gate.draws),
        **audited(city, rows),
    }
    write_sealed(folder / AUDIT, content)
    return folder, content


def audited(city: City, rows: AuditRows) -> dict[str, Any]:
    """Return the audit by groups, what the groups add, and what predicts being inspected and not violating."""
    draws = city.gate.draws
    declared = {group.name: group.name_zh for group in city.audit.groups}
    own = (GRADE, PROBABILITY)
    kinds = audit_groups(rows, draws, city.gate.group_labels_of_each_class)
    for kind in kinds:
        name = kind["name"]
        kind["name_zh"] = (GROUPS | declared).get(name, "")
        kind["is_declared"] = name in declared
        kind["adds"] = None if name in own else what_groups_add(rows.earlier, rows.test, name, draws)
        kind["at_equal_probability"] = rates_at_equal_probability(rows.test, name, draws) if name in declared else []
    return {"kinds": kinds, "selection": selection_effects(rows.everybody, list(catalogue_of(city).names), draws)}


def overall(test: Audited, model: AdditiveModel, card: AdditiveModel | None, n_draws: int) -> dict[str, Any]:
    """Return figures on all rows of the test, of the model and of the expert card, each with its interval."""
    models = {"model": model} | ({} if card is None else {"expert_card": card})
    scores = np.column_stack([c for m in models.values() for c in _scores(m, test)])

    def measured(y: NDArray[np.float64], drawn: NDArray[np.float64]) -> dict[str, float]:
        labels = y.astype(np.int8)
        return {
            f"{name} {figure}": value
            for place, name in enumerate(models)
            for figure, value in _figures(labels, drawn[:, 2 * place], drawn[:, 2 * place + 1]).items()
        }

    found = intervals(measured, test.y, scores, test.entity_ids.astype(str), n_draws=n_draws)
    return {
        name: {key.split(" ")[1]: one.as_json() for key, one in found.items() if key.split(" ")[0] == name}
        for name in models
    }


def log_audit(city: City, settings: Settings, subject: Subject, folder: Path, progress: Progress) -> None:
    """Add an audit and the pages beside it to the model's run in MLflow; where that cannot be, say so."""
    state = read_json((models_folder(city, settings) / subject.artifact).parent / "training.json")
    if state.get("mlflow_run_id") is None:
        progress(f"The audit is whole on disk. It follows to MLflow after `qianfen push {city.name}`, when run again.")
        return
    or_kept("audit", lambda: log_into_run(settings, state["mlflow_run_id"], folder, "audit"), progress)


def _scores(model: AdditiveModel, rows: Audited) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    raw = model.raw_score(rows.X)
    intercept, slope = model.platt
    return raw, np.asarray(sigmoid(intercept + slope * raw))


def _figures(y: NDArray[np.int8], score: NDArray[np.float64], probability: NDArray[np.float64]) -> dict[str, float]:
    return {
        "roc_auc": metrics.fast_roc_auc(y, score),
        "average_precision": metrics.average_precision(y, score),
        **{f"precision_at_{c}_percent": metrics.precision_at(y, score, c) for c in CAPACITIES},
        "brier_score": metrics.brier_score(y, probability),
        "expected_calibration_error": metrics.expected_calibration_error(y, probability),
        "calibration": float(y.mean() / probability.mean()),
    }


def _said(city: City, records: Records, subject: Subject, rows: AuditRows) -> dict[str, Any]:
    windows, types = audit_windows(city)
    return {
        "city": city.name,
        "model_version": subject.model.model_version,
        "records_id": records.records_id,
        "windows": {str(day): days for day, days in windows.items()},
        "inspection_types": list(types),
        "test": city.split.model_dump(mode="json")["test"],
        "capacities": list(CAPACITIES),
        "n_draws": city.gate.draws,
        "level": LEVEL,
        "least_of_each_class": city.gate.group_labels_of_each_class,
        "n_everybody": len(rows.everybody.y),
        "n_inspected": int(rows.everybody.inspected.sum()),
        "n_test": len(rows.test.y),
        "n_test_positive": int(rows.test.y.sum()),
        "n_entities": len(np.unique(rows.test.entity_ids.astype(str))),
        "missing": dict(zip(catalogue_of(city).names, np.isnan(rows.everybody.X).mean(axis=0).tolist(), strict=True)),
    }


def _audit_id(city: City, records: Records, subject: Subject, declared: DeclaredGroups) -> str:
    return fingerprint(
        subject.model.model_version, records.records_id, catalogue_of(city).hash, str(city.label),
        str(city.cohort), str(city.split), str(city.gate), str(city.audit), declared.content_hash,
        code_of("training.audits"),
    )  # fmt: skip
