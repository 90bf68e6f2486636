"""The 18 indicators in four ways: by our panel, and as an analyst writes them by hand in SQL, pandas and polars.

Each module has `write_indicators(task)`, which reads the Parquet files of the canonical tables and writes one file for
each date, all with the same columns, rows, order of rows and row groups. `python -m` runs one of them and says what it
took.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path

ROWS_IN_A_GROUP = 20_000
"""Rows of a Parquet row group, as in a snapshot; stated again, since a peer must not import our libraries."""


@dataclass(frozen=True)
class Task:
    """What one side has to do.

    Attributes
    ----------
    records : Path
        Folder of a city's records, with tables/.
    as_of_dates : tuple of date
        Dates, one file each.
    folder : Path
        Where ``<date>.parquet`` is written.
    threads : int
        Threads to use.
    """

    records: Path
    as_of_dates: tuple[date, ...]
    folder: Path
    threads: int

    @property
    def tables(self) -> dict[str, Path]:
        """Paths of the canonical tables by name."""
        return {path.stem: path for path in sorted((self.records / "tables").glob("*.parquet"))}

    def path(self, as_of_date: date) -> Path:
        """Return where the matrix as of a date is written."""
        return self.folder / f"{as_of_date}.parquet"

    def as_json(self) -> str:
        """Return the task for the command line of a process."""
        days = [day.isoformat() for day in self.as_of_dates]
        return json.dumps([str(self.records), days, str(self.folder), self.threads])

    @classmethod
    def from_json(cls, text: str) -> Task:
        """Return the task that `as_json` wrote."""
        records, days, folder, threads = json.loads(text)
        dates = tuple(date.fromisoformat(day) for day in days)
        return cls(Path(records), dates, Path(folder), threads)
