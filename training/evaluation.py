"""Evaluation: every metric of a model on the test rows, and what each grade was worth."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training import metrics
from training.additive import Scores


def evaluate(y: NDArray[np.int8], score: NDArray[np.float64], probability: NDArray[np.float64]) -> dict[str, float]:
    """Return the metrics of a score that orders the rows, and of its probability.

    Parameters
    ----------
    y : int8 (n,)
        Labels.
    score, probability : float64 (n,)
        Any number that rises with risk; the calibrated probability.
    """
    result = {
        "n_test": float(len(y)),
        "n_test_positive": float(y.sum()),
        "roc_auc": metrics.roc_auc(y, score),
        "average_precision": metrics.average_precision(y, score),
        "ks": metrics.ks(y, score),
        "brier_score": metrics.brier_score(y, probability),
        "expected_calibration_error": metrics.expected_calibration_error(y, probability),
    }
    for percent in metrics.PERCENTAGES:
        result[f"precision_at_{percent}_percent"] = metrics.precision_at(y, score, percent)
        result[f"lift_at_{percent}_percent"] = metrics.lift_at(y, score, percent)
    return result


def evaluate_scores(y: NDArray[np.int8], scores: Scores) -> dict[str, float]:
    """Return the metrics of an additive model: ordered by log-odds, which are not held in [0, 1000] as points are."""
    return evaluate(y, scores.raw_score, scores.probability)


def rates_by_grade(grades: NDArray[np.str_], y: NDArray[np.int8], all_grades: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return for each grade, from low risk to high, how many labelled rows it has and how many of them violated."""
    frame = pd.DataFrame({"grade": grades, "label": y})
    rows = []
    for grade in all_grades:
        labels = frame.loc[frame["grade"] == grade, "label"]
        rate = float(labels.mean()) if len(labels) else None
        rows.append({"grade": grade, "n_labelled": len(labels), "violation_rate": rate})
    return rows
