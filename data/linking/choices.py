"""From scored pairs to the links of every row: the tables around data.linking.timeline."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

import duckdb
import pyarrow as pa

from data.linking.decisions import item_of
from data.linking.timeline import Candidate, Link, Verdict, choose, links_of, standing

SHOWN = 5
"""Candidates of a name that the review list shows."""
_LINK = pa.schema(
    [
        ("id", pa.int64()), ("known_at", pa.date32()), ("number", pa.int32()), ("entity_id", pa.string()),
        ("method", pa.string()), ("score", pa.float64()), ("linked_at", pa.date32()), ("unlinked_at", pa.date32()),
        ("reason", pa.string()),
    ]
)  # fmt: skip
_SHARE = pa.struct([("entity_id", pa.string()), ("share", pa.float64())])
_NAME = pa.schema([("id", pa.int64()), ("item", pa.string()), ("candidates", pa.list_(_SHARE))])


def decide_rows(
    connection: duckdb.DuckDBPyConnection, verdicts: Mapping[tuple[str, str], list[Verdict]], bar: float
) -> None:
    """Make `links` (id and known_at of the row) and `candidates` (of each name, as all that is known has it).

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        With `named_rows`, `given`, `scored`, `bearers` and `states` of data.linking.linkage.
    verdicts : mapping
        By name in normal form and region.
    bar : float
        Share from which an entity is taken.
    """
    candidates, days = _candidates(connection), _days(connection)
    links, names = _Rows(connection, "links", _LINK), _Rows(connection, "candidates", _NAME)
    given = connection.execute("SELECT id, name_key, region FROM given ORDER BY id").fetchall()
    for number, name_key, region in given:
        of_name, said = candidates.get(number, ()), verdicts.get((name_key, region), ())
        for day in days[number]:
            found, reason = links_of(day, of_name, said, bar)
            lines = enumerate(found, start=1) if found else [(1, None)]
            for place, link in lines:
                links.add((number, day, place, *_columns_of(link), reason))
        # What a person ruled out is not suggested again.
        shares = choose(of_name, date.max, bar, standing(said)[2]).shares[:SHOWN]
        names.add((number, item_of(name_key, region), [{"entity_id": e, "share": round(s, 6)} for e, s in shares]))
    links.flush()
    names.flush()


def _days(connection: duckdb.DuckDBPyConnection) -> dict[int, list[date]]:
    """Return the days on which rows of a name became known, by its id."""
    days: dict[int, list[date]] = defaultdict(list)
    known = connection.execute("""
        SELECT DISTINCT id, known_at FROM named_rows JOIN given USING (name_key, region) ORDER BY id, known_at
    """)
    for number, day in _rows_of(known):
        days[number].append(day)
    return days


def _candidates(connection: duckdb.DuckDBPyConnection) -> dict[int, list[Candidate]]:
    """Return the candidates of each name by its id."""
    found: dict[int, list[Candidate]] = defaultdict(list)
    scored = connection.execute("""
        SELECT left_id, entity_id, odds,
            given.name_key = bearers.name_key
                AND coalesce(is_region_of(nullif(given.region, ''), bearers.region), true) AS is_exact,
            known_at, withdrawn_at
        FROM scored JOIN given ON given.id = left_id JOIN bearers ON bearers.id = right_id
        JOIN states ON states.id = right_id
        ORDER BY left_id, entity_id, known_at, withdrawn_at, odds
    """)
    for number, *values in _rows_of(scored):
        found[number].append(Candidate(*values))
    return found


def _columns_of(link: Link | None) -> tuple[Any, ...]:
    if link is None:
        return (None, None, None, None, None)
    return (link.entity_id, link.method, round(link.score, 6), link.linked_at, link.unlinked_at)


def _rows_of(result: duckdb.DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a query without holding all of them."""
    while rows := result.fetchmany(100_000):
        yield from rows


class _Rows:
    """Rows on their way into a temporary table, in batches."""

    _BATCH = 200_000

    def __init__(self, connection: duckdb.DuckDBPyConnection, table: str, schema: pa.Schema) -> None:
        self._connection, self._table, self._schema = connection, table, schema
        self._rows: list[tuple[Any, ...]] = []
        connection.register("batch", schema.empty_table())
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS FROM batch")

    def add(self, row: tuple[Any, ...]) -> None:
        self._rows.append(row)
        if len(self._rows) == self._BATCH:
            self.flush()

    def flush(self) -> None:
        columns = list(zip(*self._rows, strict=True)) or [()] * len(self._schema)
        arrays = [pa.array(c, field.type) for c, field in zip(columns, self._schema, strict=True)]
        batch = pa.Table.from_arrays(arrays, schema=self._schema)
        self._connection.register("batch", batch)
        self._connection.execute(f"INSERT INTO {self._table} FROM batch")
        self._rows.clear()
