"""The feature store of a city: its snapshots as a catalogue, and its indicators for a table of one's own.

From a notebook::

    from features.store import open_city

    store = open_city("toronto")
    store.join(my_table, date_column="visited_on")
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from data.city import City, load_city
from data.errors import NotFoundError, StorageError, did_you_mean
from data.records import Records, open_records
from data.settings import Settings
from features.join import point_in_time_join
from features.matrix import KEYS
from features.snapshots import Snapshot, load_snapshot

_SHORTEST_ID = 4
"""Characters by which a snapshot can be named, where no other begins with them."""


@dataclass(frozen=True)
class Claim:
    """Something that stands on snapshots and must be made again from them later, years later too.

    Attributes
    ----------
    by : str
        What it is, in words: a model, a grading.
    snapshot_ids, records_ids : frozenset of str
        What it was made from.
    """

    by: str
    snapshot_ids: frozenset[str] = frozenset()
    records_ids: frozenset[str] = frozenset()


@dataclass(frozen=True)
class FeatureStore:
    """The snapshots and records of one city."""

    city: City
    settings: Settings

    @property
    def home(self) -> Path:
        """Folder of everything that was built for the city."""
        return self.settings.var / "cities" / self.city.name

    @property
    def records(self) -> Records:
        """The records that were brought in last."""
        return open_records(self.city, self.settings)

    def snapshots(self) -> list[Snapshot]:
        """Return all snapshots, by as-of date, those of pairs last; damaged ones are left out."""
        opened = (_opened(folder) for folder in self._folders())
        return sorted((s for s in opened if s is not None), key=_place)

    def damaged(self) -> list[Path]:
        """Return the folders whose manifest or matrix is missing, or whose manifest is not as it was written."""
        return [folder for folder in self._folders() if _opened(folder) is None]

    def find(self, name: str) -> Snapshot:
        """Return a snapshot by its id, the beginning of its id, its folder's name, or its as-of date.

        A date stands for the newest snapshot as of it.

        Raises
        ------
        NotFoundError
            Where none goes by that name, or where the beginning of an id is that of several.
        """
        snapshots = self.snapshots()
        if of_date := [s for s in snapshots if name == str(s.as_of_date)]:
            return max(of_date, key=age_order)
        found = [s for s in snapshots if name in (s.snapshot_id, s.folder.name)]
        if not found and len(name) >= _SHORTEST_ID:
            found = [s for s in snapshots if s.snapshot_id.startswith(name)]
        if len(found) > 1:
            ids = ", ".join(s.snapshot_id for s in found)
            raise NotFoundError(f"'{name}' must name one snapshot, it names {len(found)}. Give more of the id: {ids}.")
        if not found:
            names = [name for s in snapshots for name in (s.snapshot_id, str(s.as_of_date), s.folder.name)]
            raise NotFoundError(
                f"{self.city.name} has no snapshot '{name}'.{did_you_mean(name, names)} "
                f"See `qianfen features list {self.city.name}`."
            )
        return found[0]

    def snapshot(self, as_of_date: date) -> Snapshot:
        """Return the newest snapshot as of a date; NotFoundError where there is none."""
        return self.find(str(as_of_date))

    def records_of(self, snapshot: Snapshot) -> Records:
        """Return the records that a snapshot was made from; NotFoundError where they are not there any more."""
        return open_records(self.city, self.settings, snapshot.manifest["records_id"])

    def join(
        self,
        frame: pd.DataFrame,
        date_column: str = "as_of_date",
        entity_column: str = "entity_id",
        indicators: Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """Return a table of one's own with the indicators of each row's entity as of each row's date.

        See features.join.point_in_time_join.
        """
        return point_in_time_join(self.records, frame, date_column, entity_column, indicators, self.settings.threads)

    def _folders(self) -> list[Path]:
        return sorted(path for path in (self.home / "snapshots").glob("[!.]*") if path.is_dir())


def open_city(city: str | None = None, settings: Settings | None = None) -> FeatureStore:
    """Return the feature store of a city: a name under experiments/, or a path; by default `QIANFEN_CITY`.

    The one call with which a notebook begins; without `settings` it reads `QIANFEN_*`.
    """
    settings = settings or Settings.from_environment(os.environ)
    return FeatureStore(load_city(city or settings.city), settings)


def claims_on(snapshot: Snapshot, claims: Iterable[Claim]) -> list[str]:
    """Return what stands on a snapshot, in words."""
    return sorted(claim.by for claim in claims if snapshot.snapshot_id in claim.snapshot_ids)


def age_order(snapshot: Snapshot) -> tuple[str, str, str]:
    """Return what sorts snapshots from the oldest to the newest: built, then as-of date."""
    return str(snapshot.manifest["created_at"]), str(snapshot.as_of_date or ""), snapshot.snapshot_id


def _opened(folder: Path) -> Snapshot | None:
    try:
        return load_snapshot(folder)
    except (StorageError, NotFoundError):
        return None


def _place(snapshot: Snapshot) -> tuple[bool, str, str]:
    created_at = str(snapshot.manifest["created_at"])
    return snapshot.as_of_date is None, str(snapshot.as_of_date or snapshot.folder.name), created_at


def ranges_of(snapshot: Snapshot) -> dict[str, tuple[float, float] | None]:
    """Return the smallest and the largest value of each indicator; None where all are missing.

    They stand in the head of the Parquet file, so no value is read.
    """
    metadata = pq.ParquetFile(snapshot.path).metadata
    found: dict[str, tuple[float, float] | None] = {}
    for place, name in enumerate(snapshot.indicators, start=len(KEYS)):
        groups = (metadata.row_group(n).column(place).statistics for n in range(metadata.num_row_groups))
        ends = [(s.min, s.max) for s in groups if s is not None and s.has_min_max]
        found[name] = (min(low for low, _ in ends), max(high for _, high in ends)) if ends else None
    return found
