"""The wall: what was known as of a date, decided before an indicator sees a row.

A record counts as of a date when it was known before that date and its withdrawal was not. An outcome that was learned
later than its record (a column with `known_by`) is null until the day after it was learned.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from functools import reduce
from operator import and_
from typing import Any, TypeAlias

import ibis
import ibis.expr.types as ir

from data.schemas import TABLES, Table

AsOf: TypeAlias = Sequence[date] | ir.DateScalar
"""One date or many; or one that an engine puts in when it works the expression out."""

_TYPES = {"VARCHAR": "string", "DATE": "date", "DOUBLE": "float64", "BIGINT": "int64", "BOOLEAN": "boolean"}

POPULATION_COLUMNS = (
    "as_of_date",
    "entity_id",
    "entity_type",
    "established_date",
    "registered_capital",
    "employees",
    "size",
    "industry_code",
    "region_code",
    "address_key",
)
"""What indicators get of the register. Names, full addresses and provenance are not among them: they are most of the
register's bytes, and no indicator may look at a name."""


_FOR_PEOPLE = {"record_id", "source_file", "source_row", "entity_name", "entity_region", "link_method", "link_score"}


def columns_for_indicators(table: Table) -> tuple[str, ...]:
    """Return the columns that indicators, and the wall before them, may look at: not names, and not where a row lay."""
    if table.name == "entities":
        return (*POPULATION_COLUMNS[1:], "status", "event_date", "known_at", "withdrawn_at")
    return tuple(name for name in table.column_names if name not in _FOR_PEOPLE)


def schema_of(table: Table) -> ibis.Schema:
    """Return the Ibis schema of a canonical table, as far as indicators may look at it."""
    types = {column.name: _TYPES[column.type] for column in table.columns}
    return ibis.schema({name: types[name] for name in columns_for_indicators(table)})


def known(table: ir.Table, declaration: Table, as_of_dates: AsOf) -> ir.Table:
    """Return the records known as of each date, with the column `as_of_date`.

    Parameters
    ----------
    table : ir.Table
        A canonical table with all its records.
    declaration : Table
        Its declaration in data.schemas.
    as_of_dates : AsOf
        A record appears once for each date as of which it was known.
    """
    return _known(table.mutate(as_of_date=_as_of(as_of_dates)), declaration)


def known_of(table: ir.Table, declaration: Table, pairs: ir.Table) -> ir.Table:
    """Return the records of stated entities alone, as known as of stated dates (columns entity_id, as_of_date)."""
    return _known(table.inner_join(pairs.select("entity_id", "as_of_date"), "entity_id"), declaration)


def _known(dated: ir.Table, declaration: Table) -> ir.Table:
    visible = dated.filter(_known_before(dated, "known_at"), ~_known_before(dated, "withdrawn_at"))
    return visible.mutate(
        **{
            column.name: ibis.ifelse(_known_before(visible, column.known_by), visible[column.name], ibis.null())
            for column in declaration.columns
            if column.known_by and column.name in visible.columns
        }
    )


def known_population(entities: ir.Table, as_of_dates: AsOf) -> ir.Table:
    """Return the active entities as of each date, each in its latest known state (those of POPULATION_COLUMNS it has).

    Where the register says whose `only_state` a row is, that one is the latest, and the others alone are compared.
    """
    if "only_state" in entities.columns:
        only, several = entities.filter(entities.only_state), entities.filter(~entities.only_state)
        latest = known(only, TABLES["entities"], as_of_dates).union(_latest(several, as_of_dates))
    else:
        latest = _latest(entities, as_of_dates)
    population = latest.filter(latest.status == "active")
    return population.select(*(name for name in POPULATION_COLUMNS if name in population.columns))


def _latest(entities: ir.Table, as_of_dates: AsOf) -> ir.Table:
    states = known(entities, TABLES["entities"], as_of_dates)
    latest_first = ibis.row_number().over(group_by=["as_of_date", "entity_id"], order_by=ibis.desc("known_at"))
    numbered = states.mutate(recency=latest_first)
    return numbered.filter(numbered.recency == 0).drop("recency")


def known_tables(backend: Any, mapped: Iterable[str], as_of_dates: AsOf) -> dict[str, ir.Table]:
    """Return what was known of every canonical table but `entities`; a table that is not mapped is empty."""
    mapped = set(mapped)
    return {
        name: known(_table(backend, name, mapped), declaration, as_of_dates)
        for name, declaration in TABLES.items()
        if name != "entities"
    }


def known_tables_of(backend: Any, mapped: Iterable[str], pairs: ir.Table) -> dict[str, ir.Table]:
    """Return `known_tables` with the records of stated entities alone, as of stated dates (entity_id, as_of_date)."""
    mapped = set(mapped)
    return {
        name: known_of(_table(backend, name, mapped), declaration, pairs)
        for name, declaration in TABLES.items()
        if name != "entities"
    }


def known_schemas() -> dict[str, ir.Table]:
    """Return unbound tables as indicators get them, for compiling an indicator without records."""
    population = {name: type_ for name, type_ in _dated(TABLES["entities"]).items() if name in POPULATION_COLUMNS}
    return {
        name: ibis.table(population if name == "entities" else _dated(declaration), name=name)
        for name, declaration in TABLES.items()
    }


def _dated(declaration: Table) -> dict[str, Any]:
    return {**schema_of(declaration), "as_of_date": "date"}


def _table(backend: Any, name: str, mapped: set[str]) -> ir.Table:
    if name in mapped:
        table = backend.table(name)
        return table.select(*(column for column in columns_for_indicators(TABLES[name]) if column in table.columns))
    entities = backend.table("entities")
    types = {**schema_of(TABLES[name]), "entity_id": entities.entity_id.type()}
    return entities.select(**{n: ibis.null().cast(type_) for n, type_ in types.items()}).filter(ibis.literal(False))


def _as_of(as_of_dates: AsOf) -> ir.DateValue:
    if isinstance(as_of_dates, ir.DateScalar):
        return as_of_dates
    # One date stays a literal, so that the engine can skip row groups; many are unnested, which keeps the scan single.
    literals = [ibis.literal(as_of_date, "date") for as_of_date in as_of_dates]
    return literals[0] if len(literals) == 1 else ibis.array(literals).unnest()


def _known_before(table: ir.Table, column: str) -> ir.BooleanValue:
    return reduce(and_, [table[column].notnull(), table[column] < table.as_of_date])
