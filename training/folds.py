"""Temporal folds: train on what was known, test on what came after, several times over, before the city's test begins.

Windows expand: every fold trains from the same first day on. Between its training and its test lies a gap of one
horizon and the reporting delay, so that every label it learns from was known when its test begins. All labels of the
folds are known before the city's own test begins, which tuning and choosing therefore never see.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np
import pandas as pd

from data.city import City, Period
from data.errors import ConfigurationError
from data.progress import Progress
from data.records import Records
from data.settings import Settings
from features.snapshots import build_pairs_snapshot, build_snapshots
from training.labels import entity_labels, inspection_labels, refuse_leads, require_both_classes
from training.rows import Rows, join_labels
from training.splits import Stage, first_day

REMEDY = "Let the window of the folds begin earlier or end later, or ask for fewer folds."


@dataclass(frozen=True)
class Fold:
    """One training and the test that follows it.

    Attributes
    ----------
    number : int
        1 for the earliest.
    train, test : tuple of dates, or Period
        As-of dates; for inspection cohorts the days of the inspections.
    """

    number: int
    train: Stage
    test: Stage


@dataclass(frozen=True)
class FoldRows:
    """The labelled rows of a fold."""

    fold: Fold
    train: Rows
    test: Rows


def temporal_folds(city: City, first: date, last: date, n_folds: int, every_days: int) -> tuple[Fold, ...]:
    """Return the folds of a window, the earliest first.

    Parameters
    ----------
    first, last : date
        Entity cohorts: as-of dates are `first` and every `every_days` after it, up to `last`; the last `n_folds` are
        tested on, one in each fold. Inspection cohorts: inspections from `first` up to, not including, `last`; each
        fold is tested on `every_days` days, the last of them ending at `last`.
    n_folds, every_days : int
        At least 1.

    Raises
    ------
    ConfigurationError
        Where the window is too short, or labels of the last fold are known only after the city's test begins.
    """
    if n_folds < 1 or every_days < 1:
        raise ConfigurationError(f"Folds and days between them must be 1 or more, got {n_folds} and {every_days}.")
    _require_before_test(city, last)
    inspections = city.cohort.kind == "inspection"
    return (_period_folds if inspections else _date_folds)(city, first, last, n_folds, every_days)


def known_on(city: City, stage: Stage) -> date:
    """Return the day on which the last labels of a fold's training or test are known."""
    return (stage.end if isinstance(stage, Period) else max(stage)) + city.label_lag


def fold_rows(
    city: City, records: Records, folds: Sequence[Fold], settings: Settings, progress: Progress = print
) -> tuple[FoldRows, ...]:
    """Return the labelled rows of folds; each snapshot is built once, and no label is newer than its fold.

    Raises
    ------
    ConfigurationError
        Where what is declared as inspections are complaints that nobody has looked into.
    LabelError
        Where the labels of a fold's training or test are too few or of one class.
    """
    progress(f"Labels and indicators of {len(folds)} folds.")
    refuse_leads(records, city, max(known_on(city, stage) for _, _, stage in _stages(folds)), settings.threads)
    inspections = city.cohort.kind == "inspection"
    return (_by_period if inspections else _by_date)(city, records, folds, settings, progress)


def _date_folds(city: City, first: date, last: date, n_folds: int, every_days: int) -> tuple[Fold, ...]:
    days = [first + timedelta(days=n * every_days) for n in range(max(0, (last - first).days) // every_days + 1)]
    folds = []
    for number, tested in enumerate(days[-n_folds:], start=1):
        train = tuple(day for day in days if day + city.label_lag <= tested)
        folds.append(Fold(number, train, (tested,)))
    if len(folds) < n_folds or not folds[0].train:
        needed = first + _steps(city.label_lag, every_days) + timedelta(days=(n_folds - 1) * every_days)
        raise _too_short(city, first, last, n_folds, needed)
    return tuple(folds)


def _period_folds(city: City, first: date, last: date, n_folds: int, every_days: int) -> tuple[Fold, ...]:
    folds = []
    for number in range(1, n_folds + 1):
        begins = last - timedelta(days=(n_folds - number + 1) * every_days)
        if begins - city.label_lag <= first:
            needed = first + city.label_lag + timedelta(days=n_folds * every_days + 1)
            raise _too_short(city, first, last, n_folds, needed)
        test = Period(start=begins, end=begins + timedelta(days=every_days))
        folds.append(Fold(number, Period(start=first, end=begins - city.label_lag), test))
    return tuple(folds)


def _steps(lag: timedelta, every_days: int) -> timedelta:
    """Return the least number of whole steps that is not shorter than the lag."""
    return timedelta(days=-(-lag.days // every_days) * every_days)


def _too_short(city: City, first: date, last: date, n_folds: int, needed: date) -> ConfigurationError:
    return ConfigurationError(
        f"The window of {n_folds} folds of {city.name} must reach from {first} to {needed} or later, so that each test "
        f"lies {city.label_lag.days} days after a training, got {last}. {REMEDY}"
    )


def _require_before_test(city: City, last: date) -> None:
    begins = first_day(city.split.test)
    if last + city.label_lag > begins:
        raise ConfigurationError(
            f"The window of the folds of {city.name} must end on {begins - city.label_lag} or earlier, so that its "
            f"labels are known before the test on {begins}, got {last}. Let it end earlier."
        )


def _by_date(
    city: City, records: Records, folds: Sequence[Fold], settings: Settings, progress: Progress
) -> tuple[FoldRows, ...]:
    # A label as of a date is what was known one horizon and the delay later, whichever fold it serves.
    days = sorted({day for _, _, stage in _stages(folds) for day in _dates(stage)})
    labels = pd.concat([entity_labels(records, city, day, threads=settings.threads) for day in days], ignore_index=True)
    for fold, name, stage in _stages(folds):
        of_stage = labels.loc[labels["as_of_date"].isin(_stamps(stage)), "label"]
        require_both_classes(of_stage, f"{name} (fold {fold.number})", _dates(stage), REMEDY)
    rows = join_labels(labels, build_snapshots(records, days, settings, progress))
    return tuple(FoldRows(fold, _of_dates(rows, fold.train), _of_dates(rows, fold.test)) for fold in folds)


def _by_period(
    city: City, records: Records, folds: Sequence[Fold], settings: Settings, progress: Progress
) -> tuple[FoldRows, ...]:
    # What an inspection found may be corrected later, so each fold has labels of its own, as known after its period.
    labels = {}
    for fold, name, stage in _stages(folds):
        if isinstance(stage, Period):
            frame = labels[fold.number, name] = inspection_labels(records, city, stage, settings.threads)
            require_both_classes(frame["label"], f"{name} (fold {fold.number})", [stage.start, stage.end], REMEDY)
    pairs = pd.concat([frame[["entity_id", "as_of_date"]] for frame in labels.values()]).drop_duplicates()
    period = f"folds-{pairs['as_of_date'].min():%Y-%m-%d}-{pairs['as_of_date'].max():%Y-%m-%d}"
    snapshot = build_pairs_snapshot(records, pairs, period, settings, progress)
    rows = {key: join_labels(frame, [snapshot]) for key, frame in labels.items()}
    return tuple(FoldRows(fold, rows[fold.number, "training"], rows[fold.number, "test"]) for fold in folds)


def _stages(folds: Sequence[Fold]) -> Iterator[tuple[Fold, str, Stage]]:
    for fold in folds:
        yield fold, "training", fold.train
        yield fold, "test", fold.test


def _of_dates(rows: Rows, stage: Stage) -> Rows:
    chosen = rows.take(np.asarray(rows.keys["as_of_date"].isin(_stamps(stage))))
    stamps = set(_dates(stage))
    return replace(chosen, snapshots=tuple(s for s in rows.snapshots if s.as_of_date in stamps))


def _dates(stage: Stage) -> tuple[date, ...]:
    return stage if isinstance(stage, tuple) else ()


def _stamps(stage: Stage) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(_dates(stage))
