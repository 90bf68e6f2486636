"""The panel: the matrix as of many dates from one reading of the records, in bounded memory.

The values come from the same expressions as `features.matrix.build_matrix`; what differs is what they work on and how
they are put together. The records are read once, into compact tables. The expressions are compiled once, with a
variable of the engine as the date, and each date runs the same statements on a thread of its own. Joining 18 results of
a million rows would cost more than working them out, so each is laid into an array by the number of its entity.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from datetime import date
from functools import partial
from itertools import islice
from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from features.catalogue import Catalogue, catalogue_of
from features.compact import make_compact, number_register
from features.declaration import Indicator
from features.matrix import Records, refuse_dates_before_all_records
from features.point_in_time import known_population, known_tables
from features.sharing import kept_in

MEMORY_OF_THE_ENGINE = "1200MB"
"""What DuckDB may hold before it writes to disk; a date takes 200 MB for 1.3 M entities beside it."""

_DATES_AT_ONCE = 2
_BATCH_ROWS = 122_880


def build_panel(
    records: Records, as_of_dates: Iterable[date], catalogue: Catalogue | None = None, threads: int | None = None
) -> Iterator[pa.Table]:
    """Yield the matrix of every active entity as of each date, one table for each date, in order.

    While one is in use, the next two are worked out side by side.

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
    available = [item for item in catalogue if item.is_available(mapped)]
    backend = records.connect(threads)
    backend.raw_sql(f"SET memory_limit = '{MEMORY_OF_THE_ENGINE}'")
    refuse_dates_before_all_records(backend, dates)
    entity_ids = number_register(backend)
    n_at_once, connect = 1, partial(nullcontext, backend.con)
    # Compact tables pay from the second date on.
    if len(dates) > 1:
        make_compact(backend, available, mapped)
        n_threads = threads or os.cpu_count() or 1
        n_at_once, connect = min(n_threads, _DATES_AT_ONCE), backend.con.cursor
        # Threads at dates of their own stand less in each other's way. Each caller counts, the engine knows of one.
        backend.raw_sql(f"SET threads = {n_threads - n_at_once + 1}")
    statements = _Statements(backend, available, mapped)
    matrix_as_of = partial(_matrix_as_of, connect, statements, entity_ids, catalogue.names)
    try:
        yield from _ahead(matrix_as_of, dates, n_at_once)
    finally:
        backend.disconnect()


def _ahead(matrix_as_of: Callable[[date], pa.Table], dates: Sequence[date], n_at_once: int) -> Iterator[pa.Table]:
    """Yield the matrix as of each date, while the next ones are worked out."""
    days = iter(dates)
    with ThreadPoolExecutor(n_at_once) as pool:
        waiting = deque(pool.submit(matrix_as_of, day) for day in islice(days, n_at_once))
        while waiting:
            matrix = waiting.popleft().result()
            waiting.extend(pool.submit(matrix_as_of, day) for day in islice(days, 1))
            yield matrix


@ibis.udf.scalar.builtin(name="getvariable")  # type: ignore[untyped-decorator]
def _variable(name: str) -> date:  # type: ignore[empty-body]
    """Stand for a variable of the engine, which it takes for a constant where it plans a statement."""


class _Statements:
    """What is run for each date: tables that are kept, then a query for each indicator; compiled once."""

    def __init__(self, backend: Any, indicators: Sequence[Indicator], mapped: set[str]) -> None:
        self._backend = backend
        self.indicators = indicators
        self._kept: dict[str, str] = {}
        self.n_numbers = int(backend.con.sql("SELECT count(*) FROM numbered_entity_id").fetchall()[0][0])
        # Of a variable that is not set the engine does not know the type.
        backend.raw_sql("SET VARIABLE as_of_date = NULL::DATE")
        as_of = _variable("as_of_date")
        tables = known_tables(backend, mapped, as_of)
        tables["entities"] = self._keep("population", known_population(backend.table("entities"), as_of))
        with kept_in(self._keep):
            results = {item.name: item.compute(tables) for item in indicators}
        results["population"] = tables["entities"].mutate(value=ibis.literal(1))
        self._queries = {name: backend.compile(self._numbered(result)) for name, result in results.items()}

    def work_out(self, connection: Any, as_of_date: date) -> None:
        """Make the kept tables as of a date; all results of the connection are of it from now on."""
        connection.execute(f"SET VARIABLE as_of_date = DATE '{as_of_date}'")
        for name, sql in self._kept.items():
            connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {sql}")

    def results(self, connection: Any, name: str) -> Iterator[tuple[NDArray[np.int32], pa.Array]]:
        """Yield entity numbers and values of an indicator, or of the population, in batches."""
        for batch in connection.sql(self._queries[name]).to_arrow_reader(_BATCH_ROWS):
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


def _matrix_as_of(
    connect: Callable[[], Any], statements: _Statements, entity_ids: pa.Array, names: Sequence[str], as_of_date: date
) -> pa.Table:
    """Return the matrix as of a date, worked out on a connection of its own."""
    with connect() as connection:
        statements.work_out(connection, as_of_date)
        active, rows = _active(statements.n_numbers, statements.results(connection, "population"))
        values = {
            item.name: _laid(statements.results(connection, item.name), rows, len(active), item.absent)
            for item in statements.indicators
        }
    days = pa.array(np.full(len(active), np.datetime64(as_of_date)), pa.date32())
    nothing = pa.nulls(len(active), pa.float64())
    columns = {name: values.get(name, nothing) for name in names}
    return pa.table({"entity_id": entity_ids.take(pa.array(active)), "as_of_date": days, **columns})


_Results = Iterable[tuple[NDArray[np.int32], pa.Array]]


def _active(n_numbers: int, population: _Results) -> tuple[NDArray[np.intp], NDArray[np.int32]]:
    """Return the numbers of the active entities, in order, and the row of each number; others share one behind them."""
    is_active = np.zeros(n_numbers, dtype=bool)
    for numbers, _ in population:
        is_active[numbers] = True
    active = np.flatnonzero(is_active)
    rows = np.full(n_numbers, len(active), np.int32)
    rows[active] = np.arange(len(active))
    return active, rows


def _laid(results: _Results, rows: NDArray[np.int32], n_rows: int, absent: float) -> pa.Array:
    """Lay values into their rows, `absent` where there is none; null is missing."""
    values = np.full(n_rows + 1, absent)
    for numbers, given in results:
        values[rows[numbers]] = given.fill_null(absent).to_numpy()
    return pa.array(values[:n_rows], from_pandas=True)
