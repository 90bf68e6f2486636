"""Labelled rows: indicators as of dates, joined with what inspections found afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.city import City, Period
from data.progress import Progress
from data.records import Records
from data.settings import Settings
from features.catalogue import load_catalogue
from features.snapshots import Snapshot, build_pairs_snapshot, build_snapshots
from training.labels import entity_labels, inspection_labels, refuse_leads, require_both_classes
from training.splits import Stage, horizon_days


@dataclass(frozen=True)
class Rows:
    """Labelled rows.

    Attributes
    ----------
    X : float64 (n, 18)
        Indicators in the order of the catalogue; NaN is missing.
    y : int8 (n,)
        1 where an inspection of the label window found a violation.
    keys : DataFrame (n rows)
        entity_id, as_of_date, and for inspection cohorts record_id.
    snapshots : tuple
        What the indicators were read from.
    weight : float64 (n,), optional
        What each row counts when a model is fitted; None where all count the same.
    """

    X: NDArray[np.float64]
    y: NDArray[np.int8]
    keys: pd.DataFrame
    snapshots: tuple[Snapshot, ...]
    weight: NDArray[np.float64] | None = None

    @property
    def snapshot_ids(self) -> tuple[str, ...]:
        """What the rows were made from."""
        return tuple(snapshot.snapshot_id for snapshot in self.snapshots)

    @property
    def entity_ids(self) -> NDArray[np.object_]:
        """Whose row it is; rows of one entity are not independent."""
        return self.keys["entity_id"].to_numpy(dtype=object)

    @property
    def as_of_dates(self) -> tuple[date, ...]:
        """The dates of the rows, each once, in order."""
        return tuple(sorted(self.keys["as_of_date"].dt.date.unique()))

    def take(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> Rows:
        """Return the chosen rows, a mask or positions."""
        weight = None if self.weight is None else self.weight[chosen]
        keys = self.keys.iloc[np.flatnonzero(chosen) if chosen.dtype == bool else chosen].reset_index(drop=True)
        return replace(self, X=self.X[chosen], y=self.y[chosen], keys=keys, weight=weight)


def stage_rows(
    city: City, records: Records, stage: str, settings: Settings, progress: Progress, days: int | None = None
) -> Rows:
    """Return the labelled rows of a stage of the city's split; `days` stands in for the length of its label window."""
    return labelled_rows(
        city, records, stage, getattr(city.split, stage), days or horizon_days(city, stage), settings, progress
    )


def labelled_rows(
    city: City, records: Records, name: str, dates: Stage, days: int, settings: Settings, progress: Progress
) -> Rows:
    """Return the labelled rows as of dates, or of each inspection in a period.

    Parameters
    ----------
    name : str
        What the rows are for, in messages.
    dates : tuple of dates, or Period
    days : int
        Length of the label window; inspection cohorts have none.

    Raises
    ------
    ConfigurationError
        Where what is declared as inspections are complaints that nobody has looked into.
    LabelError
        Where the labels are too few or of one class.
    """
    over = "of each inspection" if isinstance(dates, Period) else f"over {days} days"
    progress(f"Labels {over} and indicators of {name}.")
    said: Sequence[object]
    last = dates.end if isinstance(dates, Period) else max(dates) + timedelta(days=days)
    refuse_leads(records, city, last + timedelta(days=city.label.reporting_delay_days), settings.threads)
    if isinstance(dates, Period):
        labels = inspection_labels(records, city, dates, settings.threads)
        pairs = labels[["entity_id", "as_of_date"]].drop_duplicates()
        snapshots = [build_pairs_snapshot(records, pairs, f"{dates.start}-{dates.end}", settings, progress)]
        said = [dates.start, dates.end]
    else:
        labels = _entity_labels(city, records, dates, days, settings)
        snapshots = build_snapshots(records, dates, settings, progress)
        said = dates
    require_both_classes(labels["label"], name, said)
    return join_labels(labels, snapshots)


def _entity_labels(
    city: City, records: Records, dates: tuple[date, ...], days: int, settings: Settings
) -> pd.DataFrame:
    frames = [entity_labels(records, city, day, days, settings.threads) for day in dates]
    return pd.concat(frames, ignore_index=True)


def join_labels(labels: pd.DataFrame, snapshots: Sequence[Snapshot]) -> Rows:
    """Return labels (entity_id, as_of_date, label, others) with the indicators that the snapshots hold of them."""
    matrix = pd.concat([s.read() for s in snapshots], ignore_index=True)
    matrix["as_of_date"] = pd.to_datetime(matrix["as_of_date"])
    names = list(load_catalogue().names)
    frame = labels.merge(matrix, on=["entity_id", "as_of_date"], how="inner", validate="many_to_one")
    return Rows(
        X=frame[names].to_numpy(dtype=np.float64, na_value=np.nan),
        y=frame["label"].to_numpy(dtype=np.int8),
        keys=frame[[c for c in labels.columns if c != "label"]],
        snapshots=tuple(snapshots),
    )
