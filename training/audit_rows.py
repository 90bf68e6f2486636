"""Rows of an audit: everybody active, the inspected among them, and who belongs to which group.

Everybody is who was active on the as-of dates of the test. Of a cohort of inspections it is who was active on the first
day of its test, and who of them was inspected within it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.city import City, Period
from data.progress import Progress
from data.records import Records
from data.settings import Settings
from features.catalogue import load_catalogue
from features.snapshots import build_snapshots
from training.additive import AdditiveModel
from training.audit_declared import Declared, declared_groups, hash_declared, read_declared
from training.groups import groups_of
from training.labels import entity_labels
from training.rows import stage_rows
from training.splits import horizon_days

GRADE, PROBABILITY = "grade", "probability"
"""Kinds of groups that the model itself makes: its grades, and tenths of everybody by its probability."""

_TENTHS = 10

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Audited:
    """Rows that are audited.

    Attributes
    ----------
    X : float64 (n, 18)
        Indicators; NaN is missing.
    probability : float64 (n,)
        By the model.
    y : float64 (n,)
        1 where an inspection of the window found a violation, 0 where it did not; NaN where there was none.
    entity_ids : (n,)
        Whose each row is.
    groups : DataFrame (n rows)
        A column of text for each kind of groups; missing where it is not known.
    """

    X: Floats
    probability: Floats
    y: Floats
    entity_ids: NDArray[np.object_]
    groups: pd.DataFrame

    @property
    def inspected(self) -> NDArray[np.bool_]:
        """Whether each row has a label."""
        return ~np.isnan(self.y)

    def take(self, chosen: NDArray[np.bool_]) -> Audited:
        """Return the chosen rows, a mask."""
        return Audited(
            self.X[chosen], self.probability[chosen], self.y[chosen], self.entity_ids[chosen],
            self.groups[chosen].reset_index(drop=True),
        )  # fmt: skip


@dataclass(frozen=True)
class AuditRows:
    """Everybody active, the labelled rows of the test, and those of the calibration, which lie before it."""

    everybody: Audited
    test: Audited
    earlier: Audited


@dataclass(frozen=True)
class DeclaredGroups:
    """The records of the groups that a city declares for the audit, and what stands for their content."""

    records: Declared
    content_hash: str

    @classmethod
    def of(cls, city: City, settings: Settings) -> DeclaredGroups:
        """Read them once; raises as `training.audit_declared.read_declared`."""
        records = read_declared(city, settings)
        return cls(records, hash_declared(records))


def audit_rows(
    city: City, records: Records, model: AdditiveModel, settings: Settings, progress: Progress = print,
    declared: DeclaredGroups | None = None,
) -> AuditRows:  # fmt: skip
    """Return the rows of the newest labelled period, and those before; raises as `training.rows.stage_rows`.

    Declared groups are read where they are not given.
    """
    of_city = (declared or DeclaredGroups.of(city, settings)).records
    stages = {stage: stage_rows(city, records, stage, settings, progress) for stage in ("test", "calibration")}
    X, y, keys = _everybody(city, records, settings, progress)
    progress("Groups, as they were known on each date.")
    of_everybody = model.probability(X)
    edges = np.quantile(of_everybody, np.linspace(0.0, 1.0, _TENTHS + 1)[1:-1])

    def audited(
        X: Floats, probability: Floats, y: Floats, keys: pd.DataFrame, declared: pd.DataFrame | None = None
    ) -> Audited:
        tenth = np.searchsorted(edges, probability, side="right") + 1
        own = {GRADE: model.grade(X).astype(object), PROBABILITY: [f"{number:02}" for number in tenth]}
        groups = [groups_of(records, keys, settings.threads), declared, pd.DataFrame(own)]
        return Audited(X, probability, y, keys["entity_id"].to_numpy(dtype=object), pd.concat(groups, axis=1))

    def labelled(stage: str) -> Audited:
        rows = stages[stage]
        days = [horizon_days(city, stage)] * len(rows.y)
        declared = declared_groups(of_city, rows.keys, days)
        return audited(rows.X, model.probability(rows.X), rows.y.astype(np.float64), rows.keys, declared)

    return AuditRows(audited(X, of_everybody, y, keys), labelled("test"), labelled("calibration"))


def _everybody(
    city: City, records: Records, settings: Settings, progress: Progress
) -> tuple[Floats, Floats, pd.DataFrame]:
    """Return indicators, labels (NaN where nobody came) and keys of everybody active."""
    names = list(load_catalogue().names)
    windows, types = audit_windows(city)
    matrices = []
    for day, snapshot in zip(windows, build_snapshots(records, list(windows), settings, progress), strict=True):
        labels = entity_labels(records, city, day, windows[day], settings.threads, types)
        matrix = snapshot.read(["entity_id", *names])
        label = labels.set_index("entity_id")["label"].reindex(matrix["entity_id"])
        matrices.append(matrix.assign(as_of_date=pd.Timestamp(day), label=label.to_numpy(np.float64)))
    frame = pd.concat(matrices, ignore_index=True)
    X = frame[names].to_numpy(dtype=np.float64, na_value=np.nan)
    return X, frame["label"].to_numpy(dtype=np.float64), frame[["entity_id", "as_of_date"]]


def audit_windows(city: City) -> tuple[dict[date, int], Sequence[str]]:
    """Return the days from which everybody is looked at, each with the length of its window, and which inspections."""
    stage = city.split.test
    if isinstance(stage, Period):
        return {stage.start: (stage.end - stage.start).days}, city.cohort.inspection_types
    return {day: horizon_days(city, "test") for day in stage}, ()
