"""Stated pairs of entity and date, and their indicators, once or again and again with other parameters.

What hangs on no parameter is kept beside the pairs: who was active as of each date, and the pairs' own records, which
are few. Formulas work on these; only what is of everybody (features.sharing) is worked out from all records, once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

import ibis
import ibis.expr.types as ir
import pandas as pd
import pyarrow as pa

from features.catalogue import Catalogue, catalogue_of
from features.matrix import KEYS, Records, matrix_of, tables_as_of
from features.point_in_time import known_tables_of
from features.sharing import Kept, kept_in, temporary_tables_of

_ROWS_IN_A_BATCH = 20_000_000
_DATES_IN_A_BATCH = 50


class PairsAsOf:
    """Stated entities as of a batch of dates, ready for any catalogue.

    Parameters
    ----------
    rows : DataFrame
        Columns entity_id and as_of_date, each pair once; all dates are among `as_of_dates`.
    """

    def __init__(self, records: Records, rows: pd.DataFrame, as_of_dates: Sequence[date], threads: int | None) -> None:
        self._backend = records.connect(threads)
        self._mapped = set(records.tables)
        self._asked = self._backend.create_table("asked", ibis.memtable(rows).cast({"as_of_date": "date"}), temp=True)
        self._tables = tables_as_of(self._backend, records.tables, as_of_dates)
        self._own = self._records_of_the_asked()
        self._kept: Kept = {}

    def matrix(self, catalogue: Catalogue) -> pa.Table:
        """Return one row for each pair, sorted by date, then entity; all is missing where it was not active then."""
        whole = {self._own[name].op(): table for name, table in self._tables.items()}
        with kept_in(temporary_tables_of(self._backend), self._kept, whole):
            found = matrix_of(self._own["entities"], self._own, self._mapped, catalogue)
        rows: pa.Table = self._with_the_unknown(found).to_pyarrow()
        return rows

    def close(self) -> None:
        """Let the engine and all that is kept go."""
        self._backend.disconnect()

    def _records_of_the_asked(self) -> dict[str, ir.Table]:
        """Return the tables with what is of the pairs themselves, each kept: they are small."""
        active = self._tables["entities"].semi_join(self._asked, KEYS)
        own = {**known_tables_of(self._backend, self._mapped, self._asked), "entities": active}
        return {name: self._backend.create_table(f"own_{name}", own[name], temp=True) for name in own}

    def _with_the_unknown(self, found: ir.Table) -> ir.Table:
        both = self._asked.left_join(found, list(KEYS), rname="{name}_found")
        return both.drop(*(f"{key}_found" for key in KEYS)).order_by("as_of_date", "entity_id")


def pairs_as_of(records: Records, pairs: pd.DataFrame, threads: int | None = None) -> Iterator[PairsAsOf]:
    """Yield stated pairs in batches of dates, in their order; each holds memory until it is closed.

    Parameters
    ----------
    pairs : DataFrame
        Columns entity_id and as_of_date, thousands of distinct dates at most; repeated pairs count once.
    """
    wanted = pd.DataFrame(
        {"entity_id": pairs["entity_id"].astype("str"), "as_of_date": pd.to_datetime(pairs["as_of_date"])}
    ).drop_duplicates()
    dates = sorted(wanted["as_of_date"].dt.date.unique())
    for batch in _batches(dates, records.n_records):
        yield PairsAsOf(records, wanted[wanted["as_of_date"].dt.date.isin(batch)], batch, threads)


def matrix_for_pairs(
    records: Records, pairs: pd.DataFrame, catalogue: Catalogue | None = None, threads: int | None = None
) -> Iterator[pa.Table]:
    """Yield the indicators of stated entities as of stated dates, in batches of dates.

    Parameters
    ----------
    pairs : DataFrame
        As `pairs_as_of` takes it.

    Yields
    ------
    pa.Table
        One row for each distinct pair, sorted by date, then entity. All indicators are missing where the entity was
        not known or not active as of the date.
    """
    for batch in pairs_as_of(records, pairs, threads):
        yield batch.matrix(catalogue or catalogue_of(records))
        batch.close()


def _batches(dates: list[date], n_records: int) -> Iterator[list[date]]:
    size = max(1, min(_DATES_IN_A_BATCH, _ROWS_IN_A_BATCH // max(n_records, 1)))
    for start in range(0, len(dates), size):
        yield dates[start : start + size]
