"""The gate: what a challenger must show against the champion and the expert card before a person may promote it.

All are scored on the same rows, those of the newest labelled period. A difference counts as it is, on these rows; its
interval, by a bootstrap of entities, is shown beside it and does not excuse it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from data.gate import Gate
from training import metrics
from training.additive import Scores
from training.evaluation import rates_by_grade
from training.gate_figures import group_rows, measured_rows
from training.gate_table import NOT_JUDGED, PASSED, REFUSED, Evidence, Row
from training.selection import effective_sample_size

SAMPLE_ROWS = 2_000
_SEED = 20260101


def judge(evidence: Evidence, tolerances: Gate) -> list[Row]:
    """Return the rows of the gate's table that rest on labelled rows; the challenger passes where none is refused."""
    models = {"challenger": evidence.challenger, "champion": evidence.champion, "card": evidence.card}
    scores = {name: model.score(evidence.X) for name, model in models.items() if model is not None}
    return [
        *_weighed(evidence),
        *_leaks(evidence, tolerances),
        *_explanations(evidence, scores["challenger"], tolerances),
        *measured_rows(evidence, scores, tolerances),
        _grade_order(evidence, scores["challenger"], tolerances),
        *group_rows(evidence, scores, tolerances),
    ]


def label_likeness(values: NDArray[np.float64], y: NDArray[np.int8]) -> float:
    """Return the AUC by which an indicator, or its being missing, tells the label, whichever way it points.

    A missing value counts as the lowest, then as the highest; the larger of all is returned.
    """
    missing = np.isnan(values)
    filled = [np.where(missing, end, values) for end in (-np.inf, np.inf)]
    found = [metrics.fast_roc_auc(y, candidate) for candidate in (*filled, missing.astype(np.float64))]
    return max(max(auc, 1.0 - auc) for auc in found)


def _weighed(evidence: Evidence) -> Iterator[Row]:
    """Tell that the rows do not count alike, where they do not."""
    if evidence.weight is not None:
        n, left = len(evidence.weight), effective_sample_size(evidence.weight)
        yield Row("Rows stand for everybody, by weights", PASSED, said=f"{left:,.0f} of {n:,} rows in effect")


def _leaks(evidence: Evidence, tolerances: Gate) -> Iterator[Row]:
    """Refuse an indicator that tells the label so well that it must have been made from it."""
    names = evidence.challenger.names
    found = {name: label_likeness(evidence.X[:, place], evidence.y) for place, name in enumerate(names)}
    worst = max(found, key=lambda name: found[name])
    caught = ", ".join(name for name in names if found[name] >= tolerances.leak_auc)
    yield Row(
        "Largest AUC of a single indicator",
        REFUSED if caught else PASSED,
        challenger=found[worst],
        tolerance=tolerances.leak_auc,
        said=f"made from the label, or from what is known only after it: {caught}" if caught else f"that is {worst}",
    )


def _explanations(evidence: Evidence, scores: Scores, tolerances: Gate) -> Iterator[Row]:
    """Compare sums of parts with the points, and learned parts with LightGBM's own TreeSHAP."""
    chosen = np.random.default_rng(_SEED).permutation(len(evidence.y))[:SAMPLE_ROWS]
    model = evidence.challenger
    learned = np.zeros_like(evidence.X[chosen])
    if model.booster is not None:
        learned = np.asarray(model.booster.predict(evidence.X[chosen], pred_contrib=True))[:, :-1]
    peer = model.scale.factor * model.platt[1] * learned
    errors = {
        "Explanations add up, largest error": scores.additivity_error(),
        "Explanations are TreeSHAP, largest error": float(np.abs(scores.learned_parts[chosen] - peer).max(initial=0.0)),
    }
    for what, error in errors.items():
        verdict = PASSED if error <= tolerances.additivity_points else REFUSED
        yield Row(what, verdict, challenger=error, tolerance=tolerances.additivity_points)


def _grade_order(evidence: Evidence, scores: Scores, tolerances: Gate) -> Row:
    """Refuse grades whose violation rates do not rise with the risk."""
    rates = rates_by_grade(scores.grade, evidence.y, evidence.challenger.cut_points.grades, evidence.weight)
    rate = "violation_rate" if evidence.weight is None else "weighted_violation_rate"
    judged = [row for row in rates if row["n_labelled"] >= tolerances.grade_labels]
    few = [row["grade"] for row in rates if row["n_labelled"] < tolerances.grade_labels]
    said = ", ".join(f"{row['grade']} {row[rate]:.1%}" for row in judged)
    said += f"; too few labels: {', '.join(few)}" if few else ""
    if len(judged) < 2:
        return Row("Violation rates rise with the grade", NOT_JUDGED, tolerance=tolerances.grade_order, said=said)
    steps = np.diff([row[rate] for row in judged])
    verdict = REFUSED if steps.min() < -tolerances.grade_order else PASSED
    smallest = float(steps.min())
    return Row("Violation rates rise with the grade", verdict, smallest, tolerance=tolerances.grade_order, said=said)
