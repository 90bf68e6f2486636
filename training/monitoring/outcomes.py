"""Outcomes: what inspections found after a grading, by grade, and whether the order A < B < C < D held.

A grading is judged once its label window is over, and what became known later is not looked at. Each entity counts
once: whether it violated within the window or, where the cohort is of inspections, at the first of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import binomtest

from data.city import City, Period
from data.records import Records
from training.bootstrap import LEVEL, Interval
from training.labels import entity_labels, inspection_labels
from training.monitoring.findings import Finding, Level

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Outcomes:
    """Who of a grading was inspected afterwards, with what was said of them then.

    Attributes
    ----------
    y : int8 (n,)
        1 where a violation was found.
    entity_ids, probability, grade : (n,)
        As they were graded.
    """

    y: NDArray[np.int8]
    entity_ids: NDArray[np.object_]
    probability: Values
    grade: NDArray[np.str_]


def labels_known_until(city: City, records: Records, day: date) -> date:
    """Return the day before which the records tell everything that was known by `day`.

    They end with the day on which the files were taken, or else with the newest inspection that they know of.
    """
    if city.sources.taken_on is not None:
        return min(day, city.sources.taken_on + timedelta(days=1))
    backend = records.connect()
    newest = backend.table("inspections").known_at.max().execute()
    backend.disconnect()
    return day if pd.isna(newest) else min(day, pd.Timestamp(newest).date() + timedelta(days=1))


def outcomes_of(city: City, records: Records, as_of_date: date, grades: pd.DataFrame, threads: int) -> Outcomes:
    """Return the outcomes of grades (entity_id, probability, grade) as of a date whose window is over."""
    if city.cohort.kind == "inspection":
        window = Period(start=as_of_date, end=as_of_date + timedelta(days=city.monitoring_days))
        labels = inspection_labels(records, city, window, threads).drop_duplicates("entity_id")
    else:
        labels = entity_labels(records, city, as_of_date, threads=threads)
    joined = labels[["entity_id", "label"]].merge(grades, on="entity_id", validate="one_to_one")
    joined = joined.sort_values("entity_id")
    return Outcomes(
        joined["label"].to_numpy(dtype=np.int8),
        joined["entity_id"].to_numpy(dtype=object),
        joined["probability"].to_numpy(dtype=np.float64),
        joined["grade"].to_numpy(dtype=np.str_),
    )


def rate_with_interval(n_violations: int, n: int) -> Interval:
    """Return a violation rate with its Wilson interval; NaN where nobody was inspected."""
    if n == 0:
        return Interval(math.nan, math.nan, math.nan, 0)
    found = binomtest(n_violations, n).proportion_ci(LEVEL, method="wilson")
    return Interval(n_violations / n, float(found.low), float(found.high), 0)


def difference_of_rates(higher: Interval, lower: Interval) -> Interval:
    """Return the first rate less the second, with the hybrid score interval (Newcombe 1998, method 10)."""
    value = higher.value - lower.value
    down = math.hypot(higher.value - higher.low, lower.high - lower.value)
    up = math.hypot(higher.high - higher.value, lower.value - lower.low)
    return Interval(value, value - down, value + up, 0)


def rates_of(outcomes: Outcomes, grades: Sequence[str]) -> list[dict[str, Any]]:
    """Return grade, n, n_violations and the rate with its interval, from the lowest risk to the highest."""
    rows = []
    for grade in grades:
        mine = outcomes.y[outcomes.grade == grade]
        rate = rate_with_interval(int(mine.sum()), len(mine))
        rows.append({"grade": grade, "n": len(mine), "n_violations": int(mine.sum()), "rate": rate.as_json()})
    return rows


def inversions(rates: Sequence[dict[str, Any]], fewest: int) -> Iterator[Finding]:
    """Yield each pair of grades whose rates stand in the wrong order.

    It is an alarm where the interval of the difference lies wholly below 0, a notice where it reaches 0. Not only
    neighbours are compared: rates may sink from A to C in two steps that are each within chance. Grades with fewer
    labels than `fewest` are not judged.
    """
    judged = [row for row in rates if row["n"] >= fewest]
    for lower, higher in combinations(judged, 2):
        difference = difference_of_rates(_rate(higher), _rate(lower))
        if difference.value < 0:
            level: Level = "alarm" if difference.high < 0 else "notice"
            yield Finding(level, "grade_order", f"{lower['grade']} {higher['grade']}", difference.value, 0.0)


def _rate(row: dict[str, Any]) -> Interval:
    return Interval(**row["rate"])
