"""Arrivals: how many rows of a source became known in a month, how late, and how many of them went to quarantine.

Rows count in the month in which they became known, not in that in which they happened: that count never changes
afterwards, however late the rest of a month's events arrive. Months are counted back from the as-of date, so that the
last of them is whole and ends the day before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatch
from itertools import pairwise
from pathlib import PurePath

import duckdb
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.quality import literal
from data.records import Records

MONTHS = 14
"""The month that is judged, the year before it, and the month before that, which is the judged month's a year ago."""


@dataclass(frozen=True)
class Month:
    """Rows of a source that became known from `start` up to, not including, `end`.

    Attributes
    ----------
    n_rows, n_quarantined : int
        Accepted rows, and rows in quarantine whose `known_at` can be read.
    median_delay_days, p90_delay_days : int or None
        `known_at` less `event_date` of the accepted rows; None where there is none.
    """

    start: date
    end: date
    n_rows: int
    n_quarantined: int
    median_delay_days: int | None
    p90_delay_days: int | None


@dataclass(frozen=True)
class Source:
    """What one file, or one kind of delivery, brought to a table: `months` back from the as-of date, the last first."""

    table: str
    file: str
    first_known: date
    months: tuple[Month, ...]

    @property
    def name(self) -> str:
        """Table and file."""
        return f"{self.table}/{self.file}"


@dataclass(frozen=True)
class Arrivals:
    """How many rows came from each source, by day and delay.

    Attributes
    ----------
    counts : DataFrame
        table, file, known_at (datetime64), delay_days, n_rows, n_quarantined (int64); days from `since` on.
    first_known : dict
        First day on which anything came, by table and file.
    """

    counts: pd.DataFrame
    first_known: dict[tuple[str, str], date]

    def before(self, as_of_date: date) -> list[Source]:
        """Return what came from each source before a date; nothing that became known later is looked at."""
        edges = [pd.Timestamp(_months_back(as_of_date, back)) for back in range(MONTHS + 1)]
        by_source = dict(list(self.counts.groupby(["table", "file"])))
        nothing = self.counts.iloc[:0]
        return [
            Source(table, file, first, tuple(_months(by_source.get((table, file), nothing), edges)))
            for (table, file), first in self.first_known.items()
            if first < as_of_date
        ]


def count_arrivals(records: Records, files: Sequence[str], first_as_of_date: date, threads: int) -> Arrivals:
    """Count what came, for as-of dates from the first one on; one scan of the date columns.

    Parameters
    ----------
    files : sequence of str
        The paths that city.toml declares; deliveries of one path with `*` are one source.
    """
    since = _months_back(first_as_of_date, MONTHS)
    counts, firsts = [], []
    with duckdb.connect(config={"threads": threads}) as connection:
        for table in records.tables:
            connection.execute(f"CREATE OR REPLACE TEMP VIEW arrived AS {_rows_of(records, table)}")
            counts.append(connection.execute(_COUNTS, [table, since]).df())
            firsts.append(connection.execute(_FIRSTS, [table]).df())
    counted, first = pd.concat(counts, ignore_index=True), pd.concat(firsts, ignore_index=True)
    declared = {file: _declared(file, files) for file in first["file"]}
    first = first.assign(file=first["file"].map(declared)).groupby(["table", "file"], sort=False)["first_known"].min()
    return Arrivals(
        counted.assign(file=counted["file"].map(declared)),
        {(str(table), str(file)): day.date() for (table, file), day in first.items()},
    )


_COUNTS = """
SELECT ? AS table, file, known_at, coalesce(known_at - event_date, 0) AS delay_days,
    count(*) FILTER (accepted) AS n_rows, count(*) FILTER (NOT accepted) AS n_quarantined
FROM arrived WHERE known_at >= ? GROUP BY file, known_at, delay_days
"""
_FIRSTS = "SELECT ? AS table, file, min(known_at) AS first_known FROM arrived GROUP BY file ORDER BY file"


def _rows_of(records: Records, table: str) -> str:
    """Return accepted rows and those in quarantine; a row whose day cannot be read came on no day."""
    quarantine = records.folder / "quarantine" / f"{table}.parquet"
    return " UNION ALL ".join(
        f"""SELECT coalesce(source_file, '') AS file, known_at, event_date, {accepted} AS accepted
        FROM read_parquet({literal(str(path))}) WHERE known_at IS NOT NULL"""
        for path, accepted in ((records.tables[table], "true"), (quarantine, "false"))
        if path.is_file()
    )


def _months_back(day: date, months: int) -> date:
    back: date = (pd.Timestamp(day) - pd.DateOffset(months=months)).date()
    return back


def _declared(file: str, files: Sequence[str]) -> str:
    return next((path for path in files if fnmatch(file, PurePath(path).name)), file)


def _months(rows: pd.DataFrame, edges: Sequence[pd.Timestamp]) -> Iterator[Month]:
    known_at = rows["known_at"].to_numpy(dtype="datetime64[ns]")
    for end, start in pairwise(edges):
        month = rows[(known_at >= start.to_datetime64()) & (known_at < end.to_datetime64())]
        delays = np.sort(np.repeat(month["delay_days"].to_numpy(), month["n_rows"].to_numpy()))
        n_quarantined = int(month["n_quarantined"].sum())
        yield Month(start.date(), end.date(), len(delays), n_quarantined, _at(delays, 0.5), _at(delays, 0.9))


def _at(delays: NDArray[np.int64], share: float) -> int | None:
    """Return the smallest delay that a share of the rows does not exceed."""
    return int(delays[max(int(np.ceil(share * len(delays))) - 1, 0)]) if len(delays) else None
