"""One report of monitoring: the newest grading against what the champion learned from, as of a day.

Only what was known by that day is looked at: gradings as of a later date are left out, and a label counts once its
window is over and the records reach that far.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from typing import Any

import pandas as pd

from data.city import City
from data.errors import NotFoundError, RequestError
from data.progress import Progress
from data.records import Records
from data.settings import Settings
from features.drift.acceptance import acceptances
from training.additive import AdditiveModel
from training.monitoring.adversarial import told_apart
from training.monitoring.evidence import Evidence, Graded, as_trained
from training.monitoring.findings import Finding, level_above, worst
from training.monitoring.performance import expected_of, outcomes_of_gradings
from training.monitoring.shift import findings_of_shift, shift_of_indicators, shift_of_points
from training.splits import last_label_day


def monitor_city(
    city: City, records: Records, settings: Settings, model: AdditiveModel, gradings: Sequence[Graded],
    day: date | None = None, progress: Progress = print,
) -> dict[str, Any]:  # fmt: skip
    """Return the report of monitoring as JSON can hold it.

    Parameters
    ----------
    model : AdditiveModel
        The champion.
    gradings : sequence of Graded
        Those that are kept, the oldest first.
    day : date, optional
        Only what was known by then is looked at; by default the date of the newest grading.

    Raises
    ------
    NotFoundError
        Where there is no grading by that day, or a snapshot is gone.
    RequestError
        Where the champion's test or its reference was not known by that day.
    ArtifactError
        Where a snapshot holds other indicators than the champion was made for.
    """
    kept = [grading for grading in gradings if day is None or grading.as_of_date <= day]
    if not kept:
        by = "" if day is None else f" as of {day} or before"
        raise NotFoundError(f"{city.name} must be graded{by}, it is not. Run `qianfen grade {city.name}`.")
    newest = kept[-1]
    trained = as_trained(city, model.manifest)
    _require_known(trained, model, day or newest.as_of_date)
    evidence = Evidence(trained, records, settings, model, day or newest.as_of_date, progress)
    now, reference = (
        evidence.snapshot(newest.snapshot_id).read(),
        evidence.snapshot(model.manifest["reference_snapshot"]),
    )
    then = reference.read()
    outcomes, of_outcomes = outcomes_of_gradings(evidence, kept)
    expected, of_expected = expected_of(evidence, newest, now)
    moved, of_moved = _moved(evidence, newest.as_of_date, then, now)
    apart, of_apart = _apart(evidence, then, now)
    findings = [*of_outcomes, *of_expected, *of_moved, *of_apart]
    return {
        "city": city.name,
        "as_of_date": str(evidence.day),
        "window_days": trained.monitoring_days,
        "level": worst(findings),
        "findings": [asdict(finding) for finding in findings],
        "champion": {"model_version": model.model_version, "test": evidence.test},
        "grading": {**newest.as_json(), "n_entities": len(now)},
        "reference": {
            "as_of_date": str(reference.as_of_date), "snapshot_id": reference.snapshot_id, "n_entities": len(then)
        },
        "records_id": records.records_id,
        "outcomes": outcomes,
        "expected": expected,
        "moved": moved,
        "told_apart": apart,
        "limits": {**city.monitoring.model_dump(mode="json"), "indicator_psi_notable": city.drift.psi_notable},
    }  # fmt: skip


def _require_known(trained: City, model: AdditiveModel, day: date) -> None:
    """Refuse a day by which the champion could not have been judged: its figures would be of labels known later."""
    known = max(last_label_day(trained, "test"), trained.split.reference)
    if day < known:
        raise RequestError(
            f"{trained.name} must be monitored as of {known} or later, when the labels of the test of champion "
            f"{model.model_version} are known, got {day}. Give --as-of {known} or a later day, or grade as of then."
        )


def _moved(
    evidence: Evidence, day: date, then: pd.DataFrame, now: pd.DataFrame
) -> tuple[dict[str, Any], list[Finding]]:
    """Return the shift of points, grades and indicators, all by the champion."""
    evidence.progress("What has moved since the reference population.")
    model, city = evidence.model, evidence.city
    X_then, X_now = evidence.values(then), evidence.values(now)
    points_then, points_now = model.points(X_then), model.points(X_now)
    points = shift_of_points(points_then, points_now, city)
    indicators = shift_of_indicators(X_then, X_now, model.names, city)
    grades_then, grades_now = model.grade(X_then, points_then), model.grade(X_now, points_now)
    shares = [
        {"grade": grade, "then": float((grades_then == grade).mean()), "now": float((grades_now == grade).mean())}
        for grade in model.cut_points.grades
    ]
    accepted = [one for one in acceptances(city, evidence.settings) if one.as_of_date == day]
    findings = list(findings_of_shift(points, indicators, city, accepted))
    return {"points": points, "grades": shares, "indicators": indicators}, findings


def _apart(evidence: Evidence, then: pd.DataFrame, now: pd.DataFrame) -> tuple[dict[str, Any], list[Finding]]:
    """Tell today's rows from everybody at the reference date, and from the rows that the champion learned from.

    The first is a matter of time alone, and has the limits. In the second, who was inspected speaks as well.
    """
    evidence.progress("Whether today's rows can be told from those of then.")
    limits = evidence.city.monitoring
    sides = {"reference": then, "training": evidence.training_rows()}
    ids_now, X_now = now["entity_id"].to_numpy(dtype=object), evidence.values(now)
    apart = {
        name: told_apart(
            evidence.values(frame), frame["entity_id"].to_numpy(dtype=object), X_now, ids_now, evidence.model.names,
            limits.draws, evidence.settings.threads,
        )
        for name, frame in sides.items()
    }  # fmt: skip
    low = (apart["reference"] or {}).get("roc_auc", {}).get("low")
    level = "quiet" if low is None else level_above(low, limits.told_apart_notable, limits.told_apart)
    if apart["reference"] is None or level == "quiet":
        return apart, []
    passed = limits.told_apart if level == "alarm" else limits.told_apart_notable
    by = apart["reference"]["by"][0]["name"]
    return apart, [Finding(level, "told_apart", by, low, passed)]
