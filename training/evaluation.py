"""Evaluation: every metric of a model on the test rows, and what each grade was worth."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training import metrics
from training.additive import Scores


def evaluate(
    y: NDArray[np.int8], score: NDArray[np.float64], probability: NDArray[np.float64], weight: metrics.Weight = None
) -> dict[str, float]:
    """Return the metrics of a score that orders the rows, and of its probability.

    Parameters
    ----------
    y : int8 (n,)
        Labels.
    score, probability : float64 (n,)
        Any number that rises with risk; the calibrated probability.
    weight : float64 (n,), optional
        What each row counts.
    """
    result = {
        "n_test": float(len(y)),
        "n_test_positive": float(y.sum()),
        "roc_auc": metrics.roc_auc(y, score, weight),
        "average_precision": metrics.average_precision(y, score, weight),
        "ks": metrics.ks(y, score, weight),
        "brier_score": metrics.brier_score(y, probability, weight),
        "expected_calibration_error": metrics.expected_calibration_error(y, probability, weight=weight),
    }
    for percent in metrics.PERCENTAGES:
        result[f"precision_at_{percent}_percent"] = metrics.precision_at(y, score, percent, weight)
        result[f"lift_at_{percent}_percent"] = metrics.lift_at(y, score, percent, weight)
    return result


def evaluate_scores(y: NDArray[np.int8], scores: Scores, weight: metrics.Weight = None) -> dict[str, float]:
    """Return the metrics of an additive model: ordered by log-odds, which are not held in [0, 1000] as points are.

    They are of the inspected rows as they are. Where there is a weight, the same metrics follow with it, their names
    beginning with `weighted_`: what they would be among everybody, as far as the weights reach.
    """
    plain = evaluate(y, scores.raw_score, scores.probability)
    if weight is None:
        return plain
    weighed = evaluate(y, scores.raw_score, scores.probability, weight)
    return plain | {f"weighted_{name}": value for name, value in weighed.items() if not name.startswith("n_")}


def rates_by_grade(
    grades: NDArray[np.str_], y: NDArray[np.int8], all_grades: tuple[str, ...], weight: metrics.Weight = None
) -> list[dict[str, Any]]:
    """Return for each grade, from low risk to high, how many labelled rows it has and how many of them violated.

    Where there is a weight, `weighted_violation_rate` follows.
    """
    frame = pd.DataFrame({"grade": grades, "label": y, "weight": 1.0 if weight is None else weight})
    rows = []
    for grade in all_grades:
        mine = frame[frame["grade"] == grade]
        row = {"grade": grade, "n_labelled": len(mine), "violation_rate": _rate(mine["label"], None)}
        if weight is not None:
            row["weighted_violation_rate"] = _rate(mine["label"], mine["weight"])
        rows.append(row)
    return rows


def _rate(labels: pd.Series, weight: pd.Series | None) -> float | None:
    return float(np.average(labels, weights=weight)) if len(labels) else None
