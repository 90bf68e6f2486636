"""Compact tables: the records as a panel of several dates asks for them, read once into the engine's memory.

They hold only the columns that a formula looks at, or the wall before it. A number stands for each key (of an entity, a
person, an address ...) and a code for every other text, so that whole numbers are grouped and joined.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Set
from typing import Any

import pyarrow as pa
import sqlglot
from sqlglot import exp
from sqlglot.optimizer.pushdown_projections import pushdown_projections
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import traverse_scope

from data.quality import quote
from data.schemas import TABLES
from features.declaration import Indicator
from features.point_in_time import known_schemas

_OF_THE_WALL = ("entity_id", "known_at", "withdrawn_at", "status")
_NEVER = "DATE '9999-12-31'"


def number_register(backend: Any) -> pa.Array:
    """Number the entities of the register (table `numbered_entity_id`) in the order of their ids; return these."""
    backend.raw_sql("""
        CREATE TABLE numbered_entity_id AS
        SELECT entity_id, (row_number() OVER (ORDER BY entity_id) - 1)::INTEGER AS number, count(*) = 1 AS only_state
        FROM entities WHERE entity_id IS NOT NULL GROUP BY entity_id
    """)
    ids = backend.con.sql("SELECT entity_id FROM numbered_entity_id ORDER BY number").to_arrow_table()
    return ids["entity_id"].combine_chunks()


def make_compact(backend: Any, indicators: Iterable[Indicator], mapped: Set[str]) -> None:
    """Put compact tables of what the indicators read in the place of the records' views; the register has its numbers.

    All connections to the engine see them, where the views were of one.
    """
    read = {name: columns for name, columns in _read_by(indicators).items() if name in mapped}
    for key in sorted({column for columns in read.values() for column in columns if _is_key(column)} - {"entity_id"}):
        _number(backend, key, [name for name in read if key in read[name]])
    for name in read:
        make = f"CREATE OR REPLACE TABLE {_compact(name)} AS {_selection(backend, name, read[name])}"
        backend.raw_sql(make)
        if _has_strangers(backend, name):
            _number(backend, "entity_id", [name])
            backend.raw_sql(make)
        backend.raw_sql(f"DROP VIEW {quote(name)}")
        backend.raw_sql(f"ALTER TABLE {_compact(name)} RENAME TO {quote(name)}")


def _read_by(indicators: Iterable[Indicator]) -> dict[str, set[str]]:
    """Return the columns of each table that the formulas take."""
    read: dict[str, set[str]] = {}
    for item in indicators:
        for table, column in _columns_in(item.sql):
            read.setdefault(table, set()).add(column)
    return read


def _columns_in(sql: str) -> Iterator[tuple[str, str]]:
    """Yield table and column of all that a statement takes from the canonical tables; what it passes by is left out."""
    schema = {name: dict.fromkeys(table.columns, "unknown") for name, table in known_schemas().items()}
    qualified = qualify(sqlglot.parse_one(sql, dialect="duckdb"), schema=schema, dialect="duckdb")
    for scope in traverse_scope(pushdown_projections(qualified, schema=schema)):
        for column in scope.columns:
            if isinstance(table := scope.sources.get(column.table), exp.Table):
                yield table.name, column.name


def _is_key(column: str) -> bool:
    return column.endswith(("_id", "_key"))


def _compact(name: str) -> str:
    return quote(f"compact_{name}")


def _selection(backend: Any, name: str, read: Set[str]) -> str:
    """Return the query of a compact table: what formulas read, and what says when that was known."""
    known_by = {column.known_by for column in TABLES[name].columns if column.name in read}
    columns = [c for c in TABLES[name].column_names if c in read | known_by or c in _OF_THE_WALL]
    selected = [_short(backend, name, column) for column in columns]
    if name == "entities":
        selected.append("only_state")
    if "withdrawn_at" not in read:
        # One comparison in place of two, which DuckDB sees: none is null.
        selected[columns.index("withdrawn_at")] = f"coalesce(withdrawn_at, {_NEVER}) AS withdrawn_at"
    joins = (f"LEFT JOIN numbered_{key} USING ({key})" for key in columns if _is_key(key))
    return f"SELECT {', '.join(selected)} FROM {quote(name)} {' '.join(joins)}"


def _short(backend: Any, name: str, column: str) -> str:
    """Return the expression of a column as a compact table holds it; the codes of its texts are made."""
    if _is_key(column):
        return f"numbered_{column}.number AS {column}"
    if TABLES[name].column(column).type != "VARCHAR":
        return quote(column)
    code = quote(f"{name}_{column}")
    values = f"SELECT DISTINCT {quote(column)} FROM {quote(name)} WHERE {quote(column)} IS NOT NULL"
    backend.raw_sql(f"CREATE TYPE {code} AS ENUM ({values})")
    return f"{quote(column)}::{code} AS {quote(column)}"


def _has_strangers(backend: Any, name: str) -> bool:
    """Say whether a table names entities that have no number yet: people link entities that the register lacks."""
    counts = f"(SELECT count(entity_id) FROM {quote(name)}) > (SELECT count(entity_id) FROM {_compact(name)})"
    return bool(backend.con.sql(f"SELECT {counts}").fetchall()[0][0])


def _number(backend: Any, key: str, names: Sequence[str]) -> None:
    """Give a number to every value of a key that has none; in all tables the same value has the same."""
    values = " UNION ALL ".join(f"SELECT {key} FROM {quote(name)}" for name in names)
    backend.raw_sql(f"CREATE TABLE IF NOT EXISTS numbered_{key} ({key} VARCHAR, number INTEGER)")
    backend.raw_sql(f"""
        INSERT INTO numbered_{key} BY NAME
        SELECT {key}, (SELECT count(*) FROM numbered_{key}) + row_number() OVER () - 1 AS number
        FROM (SELECT DISTINCT {key} FROM ({values}) ANTI JOIN numbered_{key} USING ({key}) WHERE {key} IS NOT NULL)
    """)
