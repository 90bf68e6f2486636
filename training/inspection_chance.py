"""The chance that an entity is inspected within the label window, from what was known before the as-of date.

What "known before" means for a row as of T with the label window [T, T + horizon):

- Indicators and history (visits, failures, complaints: HISTORY) come from records known before T.
- With `[selection] known_by = "label"` one more covariate counts the complaints within the window, as known before the
  day on which the label itself is cut, T + horizon + reporting delay. A weight is needed no sooner than its label, and
  complaints lead inspectors to where something is wrong; what a chance leaves out, no weight repairs. No indicator
  sees them. With `known_by = "as_of_date"` they are left out.
- The model of T learned only from as-of dates t whose labels were cut by T: who was inspected in those windows, as
  known then. Whether the entities of T were inspected is never looked at; it decides only which of them are rows.

Past visits and regions may speak here, though they are no indicators: the question is what inspectors did, not what the
entity did.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import ibis
import ibis.expr.types as ir
import lightgbm as lgb
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.city import City
from data.errors import LabelError, PointInTimeError
from data.progress import Progress
from data.records import Records
from data.schemas import TABLES
from data.settings import Settings
from features.catalogue import load_catalogue
from features.measures import DAYS_PER_YEAR, age_days, decay, exact_sum
from features.point_in_time import known, known_population
from features.snapshots import build_snapshots
from training.labels import LEAST_OF_EACH_CLASS, entity_labels

PAST_DATES = 3
"""The model of a date learns from this many as-of dates at most, the newest: inspectors change their plans."""

ROUNDS = 120
PARAMETERS: dict[str, Any] = {
    "objective": "binary",
    "learning_rate": 0.05,
    "num_leaves": 15,
    "min_data_in_leaf": 200,
    "lambda_l2": 10.0,
    "feature_fraction": 0.8,
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}
"""Modest trees, and large leaves: an inverse of a chance forgives no chance that is guessed too small."""

HISTORY = ("visits", "days_since_visit", "failures", "complaints", "industry_visited", "region_visited")
"""Beside the indicators: visits, failures and complaints that fade by half in a year; days since the newest visit; and
the share of the entity's industry, and of its region, that was visited in a window of the same length before."""

WINDOW = "window_complaints"
"""Complaints within the label window, known when the label is."""

_HALF_LIFE_DAYS = DAYS_PER_YEAR


@dataclass(frozen=True)
class Active:
    """The active entities as of a date, with what was known of them before it.

    Attributes
    ----------
    as_of_date : date
    entity_ids : (n,)
        Sorted.
    X : float64 (n, 18)
        Indicators; NaN is missing.
    history : float64 (n, 6) or (n, 7)
        Columns of HISTORY, then WINDOW where the city wants it; NaN where there was no visit.
    """

    as_of_date: date
    entity_ids: NDArray[np.object_]
    X: NDArray[np.float64]
    history: NDArray[np.float64]

    @property
    def covariates(self) -> NDArray[np.float64]:
        """What the chance is read from: indicators, then history."""
        return np.column_stack([self.X, self.history])


@dataclass(frozen=True)
class Chances:
    """The active entities as of a date, and the chance of each to be inspected within the window: float64 (n,)."""

    active: Active
    chance: NDArray[np.float64]
    learned_from: tuple[date, ...]


def past_dates(city: City, as_of_date: date, days: int) -> tuple[date, ...]:
    """Return the as-of dates that the chances of a date are learned from, the newest last.

    They are the city's own as-of dates whose windows of `days` were over, and known, by then; where there is none, the
    day from which one window just fits in.
    """
    lag = timedelta(days=days + city.label.reporting_delay_days)
    over = [day for day in city.as_of_dates if day + lag <= as_of_date]
    return tuple(over[-PAST_DATES:]) or (as_of_date - lag,)


def inspection_chances(
    city: City, records: Records, as_of_dates: Sequence[date], days: int, settings: Settings, progress: Progress
) -> list[Chances]:
    """Return the chances of everybody active as of each date to be inspected within `days`, learned from the past.

    Of a cohort of inspections, only those of its types count.

    Raises
    ------
    LabelError
        Where the records do not reach back far enough, or too few were inspected, or too few were not.
    """
    past = {day: past_dates(city, day, days) for day in as_of_dates}
    learned_from = {p for ps in past.values() for p in ps}
    needed = sorted({*as_of_dates, *learned_from})
    active = {a.as_of_date: a for a in active_entities(city, records, needed, days, settings, progress)}
    types = city.cohort.inspection_types if city.cohort.kind == "inspection" else ()
    inspected = {
        p: np.isfinite(labels_of(city, records, active[p], days, settings, types)) for p in sorted(learned_from)
    }
    found = []
    for day in as_of_dates:
        progress(f"Chances of being inspected from {day} on, learned from {', '.join(map(str, past[day]))}.")
        learned = [active[p] for p in past[day]]
        chance = learned_chance(learned, [inspected[p] for p in past[day]], active[day], settings.threads)
        found.append(Chances(active[day], chance, past[day]))
    return found


def learned_chance(
    learned: Sequence[Active], inspected: Sequence[NDArray[np.bool_]], asked: Active, threads: int
) -> NDArray[np.float64]:
    """Return the chance (n,) of each entity asked, of a model that learned from who was inspected at earlier dates."""
    X, y = np.concatenate([a.covariates for a in learned]), np.concatenate(inspected).astype(np.int8)
    if min(int(y.sum()), int((1 - y).sum())) < LEAST_OF_EACH_CLASS:
        raise LabelError(
            f"The chance of being inspected from {asked.as_of_date} on must be learned from at least "
            f"{LEAST_OF_EACH_CLASS} entities that were inspected before and as many that were not, got {int(y.sum())} "
            f'and {int((1 - y).sum())}. Set [selection] method = "none", or let [split] trees begin later.'
        )
    return predicted(X, y, asked.covariates, threads)


def predicted(
    X: NDArray[np.float64], y: NDArray[np.int8], asked: NDArray[np.float64], threads: int
) -> NDArray[np.float64]:
    """Return the chance (m,) of the rows asked (m, k), of modest trees that learned from X (n, k) and y (n,)."""
    settings = {**PARAMETERS, "seed": 1, "num_threads": threads}
    booster = lgb.train(settings, lgb.Dataset(X, label=y), num_boost_round=ROUNDS)
    return np.asarray(booster.predict(asked, num_threads=threads), dtype=np.float64)


def active_entities(
    city: City, records: Records, as_of_dates: Sequence[date], days: int, settings: Settings, progress: Progress
) -> list[Active]:
    """Return everybody active as of each date, with indicators and history; LabelError before all records."""
    try:
        snapshots = build_snapshots(records, as_of_dates, settings, progress)
    except PointInTimeError as error:
        raise LabelError(
            f"The chance of being inspected must be learned from a window before the first as-of date. {error} "
            'Let [split] trees begin later, or set [selection] method = "none".'
        ) from error
    names, columns = list(load_catalogue().names), [*HISTORY]
    if city.selection.known_by == "label":
        columns.append(WINDOW)
    found = []
    for day, snapshot in zip(as_of_dates, snapshots, strict=True):
        matrix = snapshot.read(["entity_id", *names])
        history = _history(city, records, day, days, settings.threads).set_index("entity_id").loc[matrix["entity_id"]]
        X = matrix[names].to_numpy(dtype=np.float64, na_value=np.nan)
        values = history[columns].to_numpy(dtype=np.float64, na_value=np.nan)
        found.append(Active(day, matrix["entity_id"].to_numpy(dtype=object), X, values))
    return found


def labels_of(
    city: City, records: Records, active: Active, days: int, settings: Settings, types: Sequence[str] = ()
) -> NDArray[np.float64]:
    """Return the label of each active entity (n,), NaN where none was inspected within `days` and known in time.

    `types` narrows the inspections to some.
    """
    labels = entity_labels(records, city, active.as_of_date, days, settings.threads, types)
    found = labels.set_index("entity_id")["label"].reindex(active.entity_ids)
    return found.to_numpy(dtype=np.float64, na_value=np.nan)


def _history(city: City, records: Records, day: date, days: int, threads: int) -> pd.DataFrame:
    backend = records.connect(threads)
    population = known_population(backend.table("entities"), [day]).select("entity_id", "industry_code", "region_code")
    sides = [_visits(backend, city, day, days)]
    if "complaints" in records.tables:
        sides += [_complaints(backend, day), _complaints_of_the_window(backend, city, day, days)]
    joined = population
    for number, side in enumerate(sides):
        joined = joined.left_join(side, "entity_id", rname=f"{{name}}_{number}")
    frame: pd.DataFrame = joined.execute()
    backend.disconnect()
    frame = frame.reindex(columns=[*frame.columns, *({"complaints", WINDOW} - set(frame.columns))])
    frame = frame.fillna(dict.fromkeys(("visits", "failures", "visited", "complaints", WINDOW), 0.0))
    for group in ("industry", "region"):
        frame[f"{group}_visited"] = frame.groupby(f"{group}_code", dropna=False)["visited"].transform("mean")
    return frame


def _visits(backend: Any, city: City, day: date, days: int) -> ir.Table:
    inspections = known(backend.table("inspections"), TABLES["inspections"], [day])
    failed = inspections[city.label.column].cast("string").isin(city.label.values).fill_null(False).cast("float64")
    weight, age = decay(age_days(inspections), _HALF_LIFE_DAYS), age_days(inspections)
    return inspections.group_by("entity_id").agg(
        visits=exact_sum(weight),
        failures=exact_sum(weight * failed),
        days_since_visit=age.min(),
        visited=(age <= days).cast("float64").max(),
    )


def _complaints(backend: Any, day: date) -> ir.Table:
    complaints = known(backend.table("complaints"), TABLES["complaints"], [day])
    return complaints.group_by("entity_id").agg(complaints=exact_sum(decay(age_days(complaints), _HALF_LIFE_DAYS)))


def _complaints_of_the_window(backend: Any, city: City, day: date, days: int) -> ir.Table:
    end = day + timedelta(days=days)
    known_on = end + timedelta(days=city.label.reporting_delay_days)
    complaints = known(backend.table("complaints"), TABLES["complaints"], [known_on])
    window = complaints.filter(complaints.event_date >= ibis.literal(day), complaints.event_date < ibis.literal(end))
    return window.group_by("entity_id").agg(**{WINDOW: window.count().cast("float64")})
