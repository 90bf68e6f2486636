"""The panel: the matrix as of many dates from one reading of the records, in bounded memory.

The values come from the same expressions as `features.matrix.build_matrix`; what differs is what they work on and how
they are put together. The records are read once, into compact tables; the expressions are compiled once, with a
variable of the engine as the date; each date then runs the same statements. Joining 18 results of a million rows would
cost more than working them out, so each result is laid into an array by the number of its entity.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from features.catalogue import Catalogue, catalogue_of
from features.compact import make_compact, number_register
from features.matrix import Records, refuse_dates_before_all_records
from features.point_in_time import known_population, known_tables
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
    refuse_dates_before_all_records(backend, dates)
    entity_ids = number_register(backend)
    available = Catalogue(tuple(item for item in catalogue if item.is_available(mapped)))
    # Compact tables pay from the second date on.
    if len(dates) > 1:
        make_compact(backend, available, mapped)
    statements = _Statements(backend, available, mapped)
    for as_of_date in dates:
        statements.work_out(as_of_date)
        active, rows = _active(statements)
        columns = {
            item.name: _laid(statements.results(item.name), rows, len(active), item.absent) for item in available
        }
        yield _table(as_of_date, entity_ids.take(pa.array(active)), columns, catalogue.names)
    backend.disconnect()


@ibis.udf.scalar.builtin(name="getvariable")
def _variable(name: str) -> date:  # type: ignore[empty-body]
    """Stand for a variable of the engine, which it takes for a constant where it plans a statement."""


class _Statements:
    """What is run for each date: tables that are kept, then a query for each indicator; compiled once."""

    def __init__(self, backend: Any, catalogue: Catalogue, mapped: set[str]) -> None:
        self._backend = backend
        self._kept: dict[str, str] = {}
        self.n_numbers = int(backend.con.sql("SELECT count(*) FROM numbered_entity_id").fetchall()[0][0])
        # Of a variable that is not set the engine does not know the type.
        backend.raw_sql("SET VARIABLE as_of_date = NULL::DATE")
        as_of = _variable("as_of_date")
        tables = known_tables(backend, mapped, as_of)
        tables["entities"] = self._keep("population", known_population(backend.table("entities"), as_of))
        with kept_in(self._keep):
            results = {item.name: item.compute(tables) for item in catalogue}
        results["population"] = tables["entities"].mutate(value=ibis.literal(1))
        self._queries = {name: backend.compile(self._numbered(result)) for name, result in results.items()}

    def work_out(self, as_of_date: date) -> None:
        """Make the kept tables as of a date, of which all results are from now on."""
        self._backend.raw_sql(f"SET VARIABLE as_of_date = DATE '{as_of_date}'")
        for name, sql in self._kept.items():
            self._backend.raw_sql(f"CREATE OR REPLACE TEMP TABLE {name} AS {sql}")

    def results(self, name: str) -> Iterator[tuple[NDArray[np.int32], pa.Array]]:
        """Yield entity numbers and values of an indicator, or of the population, in batches."""
        for batch in self._backend.con.sql(self._queries[name]).to_arrow_reader(_BATCH_ROWS):
            yield batch["number"].to_numpy(), batch["value"]

    def _keep(self, name: str, expression: ir.Table) -> ir.Table:
        self._kept[name] = self._backend.compile(expression)
        self._backend.raw_sql(f"CREATE TEMP TABLE {name} AS ({self._kept[name]}) WITH NO DATA")
        return self._backend.table(name)

    def _numbered(self, result: ir.Table) -> ir.Table:
        if result.entity_id.type().is_string():
            return result.inner_join(self._backend.table("numbered_entity_id"), "entity_id").select("number", "value")
        # Records of nobody known have no number.
        return result.filter(result.entity_id.notnull()).select("value", number=result.entity_id)


def _active(statements: _Statements) -> tuple[NDArray[np.intp], NDArray[np.int32]]:
    """Return the numbers of the active entities, in order, and the row of each number; others share one behind them."""
    is_active = np.zeros(statements.n_numbers, dtype=bool)
    for numbers, _ in statements.results("population"):
        is_active[numbers] = True
    active = np.flatnonzero(is_active)
    rows = np.full(len(is_active), len(active), np.int32)
    rows[active] = np.arange(len(active))
    return active, rows


def _laid(
    results: Iterable[tuple[NDArray[np.int32], pa.Array]], rows: NDArray[np.int32], n_rows: int, absent: float
) -> NDArray[np.float64]:
    """Lay values into their rows, `absent` where there is none; NaN is missing."""
    values = np.full(n_rows + 1, absent)
    for numbers, given in results:
        values[rows[numbers]] = given.fill_null(absent).to_numpy()
    return values[:n_rows]


def _table(
    as_of_date: date, entity_ids: pa.Array, columns: Mapping[str, NDArray[np.float64]], names: Sequence[str]
) -> pa.Table:
    days = pa.array(np.full(len(entity_ids), np.datetime64(as_of_date)), pa.date32())
    nothing = pa.nulls(len(entity_ids), pa.float64())
    values = {n: pa.array(columns[n], from_pandas=True) if n in columns else nothing for n in names}
    return pa.table({"entity_id": entity_ids, "as_of_date": days, **values})
