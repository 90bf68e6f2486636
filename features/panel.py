"""The panel: the matrix as of many dates from one reading of the records, in bounded memory.

The values come from the same expressions as `features.matrix.build_matrix`; what differs is what they work on and how
they are put together. The records are read once, into compact tables in which a number stands for each entity; each
date is then worked out from those. Joining 18 results of a million rows would cost more than working them out, so each
result is laid into an array by the number of its entity.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data.quality import quote
from data.schemas import TABLES
from features.catalogue import Catalogue, catalogue_of
from features.declaration import Indicator
from features.matrix import Records, tables_as_of
from features.point_in_time import columns_for_indicators
from features.sharing import kept_in

MEMORY_OF_THE_ENGINE = "1200MB"
"""What DuckDB may hold before it writes to disk; the arrays of one date take 200 MB for 1.3 M entities beside it."""

_BATCH_ROWS = 122_880


def build_panel(
    records: Records, as_of_dates: Iterable[date], catalogue: Catalogue | None = None, threads: int | None = None
) -> Iterator[pa.Table]:
    """Yield the matrix of every active entity as of each date, one table for each date, in order.

    Yields
    ------
    pa.Table
        entity_id, as_of_date and one float64 column for each indicator, sorted by entity_id; null is missing. The rows
        are those of `build_matrix` as of that date.

    Raises
    ------
    PointInTimeError
        Where no entity was known as of a date.
    """
    catalogue, mapped, dates = catalogue or catalogue_of(records), set(records.tables), sorted(set(as_of_dates))
    backend = records.connect(threads)
    backend.raw_sql(f"SET memory_limit = '{MEMORY_OF_THE_ENGINE}'")
    read = {"entities", *(table for item in catalogue for table in item.tables)}
    entity_ids = _number(backend, sorted(read & mapped), compact=len(dates) > 1)
    for as_of_date in dates:
        with kept_in(backend):
            tables = tables_as_of(backend, mapped, [as_of_date])
            population = tables["entities"].select("entity_id", value=ibis.literal(1.0, "float64"))
            present = np.flatnonzero(_laid(backend, population, len(entity_ids), 0.0))
            columns = {
                item.name: _values(backend, item, tables, len(entity_ids))[present]
                for item in catalogue
                if item.is_available(mapped)
            }
        yield _table(as_of_date, entity_ids.take(pa.array(present)), columns, catalogue.names)
    backend.disconnect()


def _number(backend: Any, names: Sequence[str], compact: bool) -> pa.Array:
    """Number the entities; return them, sorted. Where it is to be compact, tables then hold numbers for entities.

    Compact tables pay from the second date on. They number everybody whom a record names, since people link entities
    that the register does not have; else the register is enough.
    """
    mentioned = " UNION ".join(f"SELECT entity_id FROM {quote(n)}" for n in (names if compact else ["entities"]))
    backend.raw_sql(f"""
        CREATE TEMP TABLE numbered AS
        SELECT entity_id, (row_number() OVER (ORDER BY entity_id) - 1)::INTEGER AS entity_number
        FROM (SELECT DISTINCT entity_id FROM ({mentioned})) WHERE entity_id IS NOT NULL
    """)
    for name in names if compact else ():
        columns = ", ".join(
            "entity_number AS entity_id" if column == "entity_id" else quote(column)
            for column in columns_for_indicators(TABLES[name])
        )
        read = f"SELECT {columns} FROM {quote(name)} LEFT JOIN numbered USING (entity_id)"
        backend.raw_sql(f"CREATE TEMP TABLE {quote(f'compact_{name}')} AS {read}")
        # The views of the records are temporary ones too.
        backend.raw_sql(f"CREATE OR REPLACE TEMP VIEW {quote(name)} AS FROM {quote(f'compact_{name}')}")
    ids = backend.con.sql("SELECT entity_id FROM numbered ORDER BY entity_number").to_arrow_table()
    return ids["entity_id"].combine_chunks()


def _values(backend: Any, item: Indicator, tables: Mapping[str, ir.Table], n_entities: int) -> NDArray[np.float64]:
    """Return the value of an indicator for each entity; NaN is missing."""
    values = _laid(backend, item.compute(tables), n_entities, item.absent)
    return values if math.isnan(item.absent) else np.where(np.isnan(values), item.absent, values)


def _laid(backend: Any, results: ir.Table, n_entities: int, absent: float) -> NDArray[np.float64]:
    """Lay the column `value` out by entity, `absent` where an entity has no row."""
    values = np.full(n_entities, absent)
    if results.entity_id.type().is_string():
        results = results.inner_join(backend.table("numbered"), "entity_id")
    else:
        # Records of nobody known have no number.
        results = results.filter(results.entity_id.notnull()).mutate(entity_number=results.entity_id)
    numbered = results.select("entity_number", "value")
    for batch in backend.con.sql(backend.compile(numbered)).to_arrow_reader(_BATCH_ROWS):
        numbers, given = (batch[name].to_numpy(zero_copy_only=False) for name in ("entity_number", "value"))
        values[numbers] = given
    return values


def _table(
    as_of_date: date, entity_ids: pa.Array, columns: Mapping[str, NDArray[np.float64]], names: Sequence[str]
) -> pa.Table:
    days = pa.array(np.full(len(entity_ids), np.datetime64(as_of_date)), pa.date32())
    nothing = pa.nulls(len(entity_ids), pa.float64())
    values = {n: pa.array(columns[n], from_pandas=True) if n in columns else nothing for n in names}
    return pa.table({"entity_id": entity_ids, "as_of_date": days, **values})
