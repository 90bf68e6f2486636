"""What would have been found earlier had a score set the order of the visits that took place.

The days on which inspections took place are kept, and so is the number of visits on each. The rows sorted by falling
score get those days in order: the highest score the first day. This is how the City of Chicago judged its model.
Rows with the same score share the days that fall to them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Days = NDArray[np.datetime64]
Floats = NDArray[np.float64]


def mean_days_earlier(days: Days, y: NDArray[np.int8], score: Floats) -> float:
    """Return by how many days the positives would have been visited earlier, on average.

    Parameters
    ----------
    days : (n,) datetime64[D]
        Day on which each visit took place.
    y : (n,) 0 or 1
        Whether the visit found a violation.
    score : (n,) float
        Higher is visited first.

    Returns
    -------
    float
        Days; negative where the score would have delayed them.
    """
    took_place = _day_numbers(days)
    simulated = _shared_by_ties(np.sort(took_place)[_places(score)], score)
    return float(np.mean((took_place - simulated)[np.asarray(y) == 1]))


def first_half_shares(days: Days, y: NDArray[np.int8], score: Floats) -> tuple[float, float]:
    """Return the share of positives found in the first half: as it was, and in the order of the score.

    The first half is the whole days whose cumulative number of visits stays below half of all visits. Parameters as
    in `mean_days_earlier`.
    """
    took_place = _day_numbers(days)
    positive = np.asarray(y) == 1
    distinct, counts = np.unique(took_place, return_counts=True)
    first_half = distinct[np.cumsum(counts) < len(took_place) / 2]
    was = np.isin(took_place, first_half)
    simulated = np.isin(np.sort(took_place)[_places(score)], first_half)
    by_model = _shared_by_ties(simulated.astype(np.float64), score)
    return float(np.mean(was[positive])), float(np.mean(by_model[positive]))


def _day_numbers(days: Days) -> Floats:
    return np.asarray(days, dtype="datetime64[D]").astype(np.int64).astype(np.float64)


def _places(score: Floats) -> NDArray[np.intp]:
    """Place of each row in the order of falling score, from 0."""
    places = np.empty(len(score), dtype=np.intp)
    places[np.argsort(-np.asarray(score), kind="stable")] = np.arange(len(score))
    return places


def _shared_by_ties(value: Floats, score: Floats) -> Floats:
    """Replace each row's value by the mean over the rows with the same score."""
    _, group = np.unique(score, return_inverse=True)
    means: Floats = np.bincount(group, weights=value) / np.bincount(group)
    return means[group]
