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


def count_arrivals(records: Records, files: Sequence[str], threads: int) -> pd.DataFrame:
    """Return how many rows of each source became known on each day, with each delay; one scan of the date columns.

    Parameters
    ----------
    files : sequence of str
        The paths that city.toml declares; deliveries of one path with `*` are one source.

    Returns
    -------
    DataFrame
        table, file, known_at (datetime64), delay_days (int64), n_rows, n_quarantined (int64).
    """
    counted = [_count_table(records, table, threads) for table in records.tables]
    frame = pd.concat(counted, ignore_index=True)
    declared = {file: _declared(file, files) for file in frame["file"].unique()}
    return frame.assign(file=frame["file"].map(declared))


def sources_before(arrivals: pd.DataFrame, as_of_date: date) -> list[Source]:
    """Return what came from each source before a date; nothing that became known later is looked at."""
    before = arrivals[arrivals["known_at"] < pd.Timestamp(as_of_date)]
    edges = [pd.Timestamp(as_of_date) - pd.DateOffset(months=back) for back in range(MONTHS + 1)]
    return [
        Source(str(table), str(file), rows["known_at"].min().date(), tuple(_months(rows, edges)))
        for (table, file), rows in before.groupby(["table", "file"], sort=False)
    ]


def _count_table(records: Records, table: str, threads: int) -> pd.DataFrame:
    quarantine = records.folder / "quarantine" / f"{table}.parquet"
    counts = [(records.tables[table], "count(*)", "0::BIGINT"), (quarantine, "0::BIGINT", "count(*)")]
    queries = [
        f"""SELECT {literal(table)} AS table, coalesce(source_file, '') AS file, known_at,
            coalesce(known_at - event_date, 0) AS delay_days, {accepted} AS n_rows, {quarantined} AS n_quarantined
        FROM read_parquet({literal(str(path))}) WHERE known_at IS NOT NULL GROUP BY source_file, known_at, delay_days"""
        for path, accepted, quarantined in counts
        if path.is_file()
    ]
    with duckdb.connect(config={"threads": threads}) as connection:
        counted: pd.DataFrame = connection.execute(" UNION ALL ".join(queries)).df()
    return counted


def _declared(file: str, files: Sequence[str]) -> str:
    return next((path for path in files if fnmatch(file, PurePath(path).name)), file)


def _months(rows: pd.DataFrame, edges: Sequence[pd.Timestamp]) -> Iterator[Month]:
    known_at = rows["known_at"].to_numpy()
    for end, start in pairwise(edges):
        month = rows[(known_at >= start.to_datetime64()) & (known_at < end.to_datetime64())]
        delays = np.sort(np.repeat(month["delay_days"].to_numpy(), month["n_rows"].to_numpy()))
        n_quarantined = int(month["n_quarantined"].sum())
        yield Month(start.date(), end.date(), len(delays), n_quarantined, _at(delays, 0.5), _at(delays, 0.9))


def _at(delays: NDArray[np.int64], share: float) -> int | None:
    """Return the smallest delay that a share of the rows does not exceed."""
    return int(delays[max(int(np.ceil(share * len(delays))) - 1, 0)]) if len(delays) else None
