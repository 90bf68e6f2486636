"""Metrics of a score against labels. Equal scores are never ordered by chance: ties share what they are due.

Where scikit-learn has the metric it is used; precision at a capacity, lift, KS and the calibration error are ours.
Every metric takes weights of the rows; counts and percentages are then of their sum.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn import metrics as sklearn_metrics

PERCENTAGES = (1, 5, 10, 20)
CALIBRATION_BINS = 10

Labels = NDArray[np.int8]
Score = NDArray[np.float64]
Weight = NDArray[np.float64] | None


def roc_auc(y: Labels, score: Score, weight: Weight = None) -> float:
    """Return the chance that a violation scores above a non-violation, ties counted half."""
    return float(sklearn_metrics.roc_auc_score(y, score, sample_weight=weight))


def fast_roc_auc(y: Labels, score: Score, weight: Weight = None) -> float:
    """Return `roc_auc` by ranks, without the checks that cost most of its time, for many draws; NaN for one class."""
    if weight is not None:
        return auc_in_order(y, np.unique(score, return_inverse=True)[1], weight)
    n_positive = int(y.sum())
    pairs = n_positive * (len(y) - n_positive)
    if not pairs:
        return float("nan")
    return float((rankdata(score)[y == 1].sum() - n_positive * (n_positive + 1) / 2) / pairs)


def auc_in_order(y: NDArray[Any], order: NDArray[np.intp], weight: NDArray[np.float64]) -> float:
    """Return the AUC of weighted rows, NaN for one class; `order` numbers the scores, the lowest first, ties alike."""
    positive = np.bincount(order, weights=weight * y)
    negative = np.bincount(order, weights=weight * (1.0 - y))
    pairs = positive.sum() * negative.sum()
    below = np.cumsum(negative) - negative / 2.0
    return float((positive * below).sum() / pairs) if pairs else float("nan")


def average_precision(y: Labels, score: Score, weight: Weight = None) -> float:
    """Return the mean precision over recall steps; equal scores form one step."""
    return float(sklearn_metrics.average_precision_score(y, score, sample_weight=weight))


def brier_score(y: Labels, probability: Score, weight: Weight = None) -> float:
    """Return the mean squared distance of probability and outcome."""
    return float(sklearn_metrics.brier_score_loss(y, probability, sample_weight=weight))


def ks(y: Labels, score: Score, weight: Weight = None) -> float:
    """Return the largest distance between the distributions of the score in the two classes (Kolmogorov-Smirnov)."""
    false_rate, true_rate, _ = sklearn_metrics.roc_curve(y, score, sample_weight=weight, drop_intermediate=False)
    return float(np.max(true_rate - false_rate))


def precision_at(y: Labels, score: Score, percent: float, weight: Weight = None) -> float:
    """Return the violation rate among the `percent` percent with the highest score.

    Where the cut falls into a group of equal scores, the group gives its own rate for the part that is taken: the mean
    over all orders of the ties.
    """
    _, group = np.unique(-score, return_inverse=True)
    sizes = np.bincount(group, weights=weight).astype(np.float64)
    positives = np.bincount(group, weights=y if weight is None else y * weight)
    capacity = sizes.sum() * percent / 100.0
    taken = np.clip(capacity - (np.cumsum(sizes) - sizes), 0.0, sizes)
    return float((positives * taken / sizes).sum() / capacity)


def average_precision_at(y: Labels, score: Score, percent: float, weight: Weight = None) -> float:
    """Return the average precision among the `percent` percent with the highest score.

    It is the mean, over the violations that so many rows could hold at best, of the precision down to each that they do
    hold. Equal scores form one step, and a step that the cut falls into is taken in part; all rows together give
    `average_precision`.
    """
    _, group = np.unique(-score, return_inverse=True)
    sizes = np.bincount(group, weights=weight).astype(np.float64)
    positives = np.bincount(group, weights=y if weight is None else y * weight)
    capacity = sizes.sum() * percent / 100.0
    taken = np.clip(capacity - (np.cumsum(sizes) - sizes), 0.0, sizes)
    found = positives * taken / sizes
    return float((found * np.cumsum(found) / np.cumsum(taken)).sum() / min(capacity, positives.sum()))


def lift_at(y: Labels, score: Score, percent: float, weight: Weight = None) -> float:
    """Return `precision_at` over the violation rate of all rows."""
    return precision_at(y, score, percent, weight) / float(np.average(y, weights=weight))


def calibration_bins(
    y: Labels, probability: Score, n_bins: int = CALIBRATION_BINS, weight: Weight = None
) -> NDArray[np.float64]:
    """Return (n_bins, 3): mean probability, observed rate and weight of bins of equal count, by rising probability.

    A row at the border of two bins counts in both by its parts, and equal probabilities are shared out evenly.
    """
    values, inverse = np.unique(probability, return_inverse=True)
    counts = np.bincount(inverse, weights=weight).astype(np.float64)
    rates = np.bincount(inverse, weights=y if weight is None else y * weight) / counts
    upper = np.cumsum(counts)
    lower = upper - counts
    edges = np.linspace(0.0, upper[-1], n_bins + 1)
    rows = []
    for begin, end in pairwise(edges):
        inside = np.clip(np.minimum(upper, end) - np.maximum(lower, begin), 0.0, None)
        rows.append([np.average(values, weights=inside), np.average(rates, weights=inside), inside.sum()])
    return np.array(rows)


def expected_calibration_error(
    y: Labels, probability: Score, n_bins: int = CALIBRATION_BINS, weight: Weight = None
) -> float:
    """Return the mean distance between mean probability and observed rate over bins of equal count."""
    predicted, observed, share = calibration_bins(y, probability, n_bins, weight).T
    return float(np.average(np.abs(predicted - observed), weights=share))
