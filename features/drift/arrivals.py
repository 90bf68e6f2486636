"""Arrivals: how many rows of a source became known in a month, how late, and how many of them went to quarantine.

Rows count in the month in which they became known, not in that in which they happened: that count never changes
afterwards, however late the rest of a month's events arrive. Months are counted back from the as-of date, so that the
last of them is whole and ends the day before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from itertools import pairwise
from pathlib import PurePath

import duckdb
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.quality import literal
from data.records import Records

MONTHS = 13
"""The month that is judged, and the year before it; the last of these is the judged month's a year ago."""


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


def count_arrivals(
    records: Records, files: Mapping[str, Sequence[str]], first_as_of_date: date, threads: int
) -> Arrivals:
    """Count what came, for as-of dates from the first one on; one scan of the date columns.

    Parameters
    ----------
    files : mapping
        By table the declared paths that its mapping reads; deliveries of one path with `*` are one source.
    """
    since = _months_back(first_as_of_date, MONTHS)
    counts, firsts = [], []
    with duckdb.connect(config={"threads": threads}) as connection:
        for table in records.tables:
            connection.execute(f"CREATE OR REPLACE TEMP VIEW arrived AS {_rows_of(records, table)}")
            counts.append(connection.execute(_COUNTS, [table, since]).df())
            firsts.append(connection.execute(_FIRSTS, [table]).df())
    counted, first = (_by_source(pd.concat(frames, ignore_index=True), files) for frames in (counts, firsts))
    earliest = first.groupby(["table", "file"], sort=False, as_index=False)["first_known"].min()
    first_known = {(str(table), str(file)): day.date() for table, file, day in earliest.itertuples(index=False)}
    return Arrivals(counted, first_known)


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


def _by_source(rows: pd.DataFrame, files: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Return rows with the declared path in place of the name of each table's file."""
    met = rows[["table", "file"]].drop_duplicates()
    declared = [(table, file, _declared(file, files.get(table, ()))) for table, file in met.itertuples(index=False)]
    named = rows.merge(pd.DataFrame(declared, columns=["table", "file", "declared"]), "left", ["table", "file"])
    return rows.assign(file=named["declared"])


def _declared(file: str, files: Sequence[str]) -> str:
    by_name = {PurePath(path).name: path for path in files}
    return by_name.get(file) or next((p for name, p in by_name.items() if fnmatchcase(file, name)), file)


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
