"""Performance after promotion: what the probabilities promise, and what came true once labels are known."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray

from data.city import City
from data.errors import LabelError, NotFoundError
from data.files import read_json
from training.artifact import MANIFEST
from training.bootstrap import Interval, intervals
from training.calibration import sigmoid
from training.champions import artifact_of
from training.expert_card import CutPoints
from training.inspection_chance import inspection_chances
from training.monitoring.estimation import FIGURES, expectation, realised
from training.monitoring.evidence import Evidence, Graded, as_trained
from training.monitoring.findings import Finding, fallen
from training.monitoring.outcomes import Outcomes, inversions, labels_known_until, outcomes_of, rates_of
from training.registry import models_folder
from training.splits import first_day, last_label_day

Findings = list[Finding]


def expected_of(evidence: Evidence, newest: Graded, now: pd.DataFrame) -> tuple[dict[str, Any], Findings]:
    """Return what the champion's probabilities promise of the newest grading, and whether that is less than it was."""
    evidence.progress("What performance is to be expected.")
    log_odds = evidence.model.log_odds(evidence.values(now))
    figures, among = _promised(evidence, newest.as_of_date, pd.Series(sigmoid(log_odds), index=now["entity_id"]))
    content = {
        "as_of_date": str(newest.as_of_date),
        "labels_known_on": str(newest.as_of_date + evidence.city.monitoring_lag),
        "among": among,
        "figures": {name: figure.as_json() for name, figure in figures.items()},
    }
    before = evidence.test["roc_auc"]
    return content, _fall("expected_auc", newest.as_of_date, figures["roc_auc"], before, evidence.city)


def outcomes_of_gradings(evidence: Evidence, gradings: Sequence[Graded]) -> tuple[list[dict[str, Any]], Findings]:
    """Return what came true of each grading whose labels are known, the newest first; the newest is judged.

    Each is held against the test of the model that made it, which need not be the champion.
    """
    city = evidence.city
    until = labels_known_until(city, evidence.records, evidence.day)
    over = [
        (grading, manifest)
        for grading in gradings
        if grading.as_of_date + city.monitoring_lag <= until
        and (manifest := _manifest_of(evidence, grading)) is not None
        and _is_a_test(city, manifest, grading)
    ]
    # Of one date, the grading that counts stands last.
    distinct = list({grading.as_of_date: (grading, manifest) for grading, manifest in over}.values())
    found = [_outcome(evidence, *one) for one in reversed(distinct[-city.monitoring.gradings :])]
    return [content for content, _ in found], found[0][1] if found else []


def held_against(city: City, outcomes: Outcomes, before: dict[str, Interval]) -> tuple[dict[str, Any], Findings]:
    """Return each figure that came true, beside what was expected before, and of those inspected in the end.

    A finding says where one lies outside what the probabilities promised of the latter; a figure of which they promise
    nothing, such as the AUC where they hardly allow a violation, is not judged.
    """
    limits = city.monitoring
    measured = partial(realised, capacity_percent=limits.capacity_percent)
    true = intervals(measured, outcomes.y, outcomes.probability, outcomes.entity_ids, n_draws=limits.draws)
    of_these = expectation(outcomes.probability, np.ones(len(outcomes.y)), limits.capacity_percent, limits.draws)
    figures = {
        name: {
            "before": before[name].as_json(),
            "of_these": of_these[name].as_json(),
            "came_true": true[name].as_json(),
            "error": before[name].value - true[name].value,
        }
        for name in FIGURES
    }
    findings = []
    for name in ("roc_auc", "violation_rate"):
        value, promise = true[name].value, of_these[name]
        if value < promise.low or value > promise.high:
            passed = promise.low if value < promise.low else promise.high
            findings.append(Finding("notice", "missed", name, value, passed))
    return figures, findings


def _manifest_of(evidence: Evidence, grading: Graded) -> dict[str, Any] | None:
    """Return the manifest of the model that made a grading; None where it is gone."""
    if grading.model_version == evidence.model.model_version:
        return evidence.model.manifest
    try:
        artifact = artifact_of(evidence.city, evidence.settings, grading.model_version)
    except NotFoundError:
        return None
    content: dict[str, Any] = read_json(models_folder(evidence.city, evidence.settings) / artifact / MANIFEST)
    return content


def _is_a_test(city: City, manifest: dict[str, Any], grading: Graded) -> bool:
    """Say whether a grading lies after all labels that its model was fitted and calibrated on."""
    trained = as_trained(city, manifest)
    known = [last_label_day(trained, stage) for stage in ("trees", "calibration")]
    if "recalibrated" in manifest:
        # Its labels may be of a later day than `[split] calibration`; they are known before the test begins.
        known.append(first_day(trained.split.test))
    return grading.as_of_date >= max(known)


def _test_auc(evidence: Evidence, manifest: dict[str, Any]) -> float | None:
    """Return the AUC of a model's own test; None where it was not known by the day, or is of another label."""
    city = evidence.city
    trained = as_trained(city, manifest)
    is_alike = (trained.label, trained.cohort) == (city.label, city.cohort)
    if not is_alike or last_label_day(trained, "test") > evidence.day:
        return None
    before: float | None = manifest.get("metrics", {}).get("roc_auc")
    return before


def _outcome(evidence: Evidence, grading: Graded, manifest: dict[str, Any]) -> tuple[dict[str, Any], Findings]:
    evidence.progress(f"What came true of the grading as of {grading.as_of_date}.")
    limits = evidence.city.monitoring
    grades = pq.read_table(grading.path, columns=["entity_id", "probability", "grade"]).to_pandas()
    outcomes = outcomes_of(evidence.city, evidence.records, grading.as_of_date, grades, evidence.settings.threads)
    rates = rates_of(outcomes, CutPoints.from_json(manifest["cut_points"]).grades)
    before_auc = _test_auc(evidence, manifest)
    content: dict[str, Any] = {
        **grading.as_json(), "test_roc_auc": before_auc, "n_labelled": len(outcomes.y), "rates": rates
    }  # fmt: skip
    content |= {"among": None, "figures": None}
    findings = list(inversions(rates, limits.grade_labels))
    n_violations = int(outcomes.y.sum())
    if min(n_violations, len(outcomes.y) - n_violations) < limits.grade_labels:
        return content, findings
    before, content["among"] = _promised(evidence, grading.as_of_date, grades.set_index("entity_id")["probability"])
    content["figures"], of_figures = held_against(evidence.city, outcomes, before)
    true_auc = Interval(**content["figures"]["roc_auc"]["came_true"])
    fall = _fall("came_true_auc", grading.as_of_date, true_auc, before_auc, evidence.city)
    return content, findings + fall + of_figures


def _promised(evidence: Evidence, day: date, probability: pd.Series) -> tuple[dict[str, Interval], str]:
    """Return the figures to be expected of probabilities by entity, and among whom: `inspected` or `everybody`.

    Chances of being inspected are read from what was known before the day: the complaints of the window, which weights
    may look at, are still to come.
    """
    limits, city = evidence.city.monitoring, evidence.city
    chance: NDArray[np.float64] = np.ones(len(probability))
    selection = city.selection.model_copy(update={"known_by": "as_of_date"})
    past, days = city.model_copy(update={"selection": selection}), city.monitoring_days
    among = "everybody"
    try:
        found = inspection_chances(past, evidence.records, [day], days, evidence.settings, evidence.progress)[0]
    except LabelError as error:
        evidence.progress(f"The estimate is of everybody. {error}")
    else:
        among = "inspected"
        by_entity = pd.Series(found.chance, index=found.active.entity_ids)
        chance = np.asarray(by_entity.reindex(probability.index).fillna(0.0), dtype=np.float64)
    return expectation(probability.to_numpy(np.float64), chance, limits.capacity_percent, limits.draws), among


def _fall(kind: str, day: date, figure: Interval, before: float | None, city: City) -> Findings:
    """Return the finding where an AUC lies below that of the model's test by too much."""
    if before is None:
        return []
    limits = city.monitoring
    level = fallen(figure, before, limits.roc_auc_notable, limits.roc_auc)
    passed = before - (limits.roc_auc if level == "alarm" else limits.roc_auc_notable)
    return [] if level == "quiet" else [Finding(level, kind, str(day), figure.value, passed)]
