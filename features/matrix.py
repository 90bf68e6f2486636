"""The matrix: one row for each active entity as of a date, one column for each indicator."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Protocol

import ibis
import ibis.expr.types as ir
import pandas as pd

from data.errors import PointInTimeError
from features.catalogue import Catalogue, catalogue_of
from features.declaration import Indicator
from features.parameters import Values
from features.point_in_time import known_population, known_tables
from features.sharing import kept_in, temporary_tables_of

KEYS = ("entity_id", "as_of_date")


class Records(Protocol):
    """What the matrix needs of a city's records; data.records.Records has it, features.engines gives others."""

    @property
    def tables(self) -> Mapping[str, Path | str]: ...

    @property
    def records_id(self) -> str: ...

    @property
    def n_records(self) -> int: ...

    @property
    def indicator_parameters(self) -> Mapping[str, Values]: ...

    def connect(self, threads: int | None = None) -> Any: ...


def build_matrix(
    records: Records,
    as_of_dates: Iterable[date],
    catalogue: Catalogue | None = None,
    threads: int | None = None,
) -> ir.Table:
    """Return the indicators of every active entity as of each date.

    Parameters
    ----------
    records : Records
        A city's records.
    as_of_dates : iterable of date
        One date or many.
    catalogue : Catalogue, optional
        The indicators; by default all that are declared, with the values that the city declares of their parameters.
    threads : int, optional
        Threads of the engine; by default all cores.

    Returns
    -------
    ir.Table
        An expression of shape (active entities x dates, 2 + indicators): entity_id, as_of_date and one float64 column
        per indicator in the order of the catalogue. Null is missing: nothing is known, or the city does not map the
        table. Rows are in no order.

    Raises
    ------
    PointInTimeError
        Where no entity was known as of a date.
    """
    backend, dates = records.connect(threads), sorted(set(as_of_dates))
    tables = tables_as_of(backend, records.tables, dates)
    with kept_in(temporary_tables_of(backend)):
        return matrix_of(tables["entities"], tables, set(records.tables), catalogue or catalogue_of(records))


def tables_as_of(backend: Any, mapped: Iterable[str], as_of_dates: Sequence[date]) -> dict[str, ir.Table]:
    """Return the canonical tables as indicators get them, the population kept as the temporary table `population`.

    Raises
    ------
    PointInTimeError
        Where no date is given, or no entity was known before the first.
    """
    refuse_dates_before_all_records(backend, as_of_dates)
    tables = known_tables(backend, mapped, as_of_dates)
    # Nearly every indicator asks for the population: it is worked out once and kept.
    population = known_population(backend.table("entities"), as_of_dates)
    return {**tables, "entities": backend.create_table("population", population, temp=True, overwrite=True)}


def matrix_of(rows: ir.Table, tables: dict[str, ir.Table], mapped: set[str], catalogue: Catalogue) -> ir.Table:
    """Return the rows' keys with the values of all indicators; one that is not available is null for all."""
    keys = rows.select(*KEYS)
    sides = {item.name: _side(item, tables) for item in catalogue if item.is_available(mapped)}
    chain: ir.Table = keys
    for name, side in sides.items():
        chain = chain.left_join(
            side, (keys.as_of_date == side[f"{name}_as_of"], keys.entity_id == side[f"{name}_entity"])
        )
    return chain.select(keys.entity_id, keys.as_of_date, **{item.name: _column(item, sides) for item in catalogue})


def _side(item: Indicator, tables: dict[str, ir.Table]) -> ir.Table:
    values = item.compute(tables)
    keys = {f"{item.name}_as_of": values.as_of_date, f"{item.name}_entity": values.entity_id}
    return values.select(**keys, **{item.name: values.value})


def _column(item: Indicator, sides: dict[str, ir.Table]) -> ir.FloatingColumn:
    if item.name not in sides:
        return ibis.null().cast("float64")
    value = sides[item.name][item.name]
    return value if math.isnan(item.absent) else ibis.coalesce(value, item.absent)


def refuse_dates_before_all_records(backend: Any, as_of_dates: Sequence[date]) -> None:
    if not as_of_dates:
        raise PointInTimeError("As-of dates must be given, got none.")
    first = backend.table("entities").known_at.min().execute()
    if pd.isna(first) or as_of_dates[0] <= pd.Timestamp(first).date():
        known = "there is none" if pd.isna(first) else f"the first was known on {pd.Timestamp(first).date()}"
        raise PointInTimeError(
            f"An as-of date must lie after the day the first entity was known, got {as_of_dates[0]}; {known}. "
            "Choose a later date."
        )
