"""From a mapping to rows with reasons: its columns cast to the table's types, each row held against the rules.

The rows stand in a temporary table `staged`: the table's columns, `reasons` (empty where a row keeps every rule), and
`source_rows` where the mapping makes one record of several rows of a file.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import duckdb

from data.errors import SchemaError, SourceError, did_you_mean
from data.quality import cast, literal, quote, row_rules, type_rule
from data.rows import REJECTED
from data.schemas import Column, Table

_PROVENANCE = ("source_file", "source_row")
_MERGED = "source_rows"


def stage(
    connection: duckdb.DuckDBPyConnection, mapping: Path, table: Table, taken_on: date | None, staging: Path
) -> bool:
    """Make `staged` of what a mapping yields and of the records that could not be shown to it.

    Parameters
    ----------
    connection : DuckDBPyConnection
        With the macros and variables that a mapping reads.
    mapping : Path
        One SELECT.
    table : Table
        What it must yield.
    taken_on : date, optional
        Day after which nothing can be known.
    staging : Path
        Folder that shows the source files.

    Returns
    -------
    bool
        Whether the mapping says of which rows of its file a record is made.

    Raises
    ------
    SchemaError, SourceError
        Where the mapping does not yield the table's columns, or cannot be run.
    """
    raw_types = _describe(connection, mapping, table)
    with _mapping_errors_explained(mapping):
        connection.execute(_staging_sql(mapping, table, raw_types, taken_on))
    _mark_duplicates(connection, table)
    _add_rejected(connection, staging)
    return _MERGED in raw_types


def select_of(mapping: Path) -> str:
    """Return the SELECT of a mapping; SourceError where it is not in UTF-8."""
    try:
        return mapping.read_text(encoding="utf-8").strip().rstrip(";")
    except UnicodeDecodeError as error:
        raise SourceError(f"{mapping} must be in UTF-8: {error}. Save it in UTF-8.") from error


def _describe(connection: duckdb.DuckDBPyConnection, mapping: Path, table: Table) -> dict[str, str]:
    """Return the columns that a mapping yields with their types; SchemaError where they are not the table's."""
    query = select_of(mapping)
    with _mapping_errors_explained(mapping):
        rows = connection.execute(f"DESCRIBE {query}").fetchall()
    types = {str(row[0]): str(row[1]) for row in rows}
    for name in types:
        if name not in (*table.column_names, _MERGED):
            raise SchemaError(
                f"{mapping} yields the column {name}, which {table.name} does not have."
                f"{did_you_mean(name, table.column_names)} docs/tables.md lists the columns."
            )
    optional = {*_PROVENANCE, *(("entity_id",) if "entity_name" in types else ())}
    for column in table.columns:
        if column.required and column.name not in types and column.name not in optional:
            raise SchemaError(
                f"{mapping} must yield the column {column.name} ({column.description} {column.description_zh}), "
                "it is missing. Add it to the SELECT."
            )
    return types


def _staging_sql(mapping: Path, table: Table, raw_types: dict[str, str], taken_on: date | None) -> str:
    typed, type_rules = [], []
    for column in table.columns:
        typed.append(f"{_typed_value(column, raw_types, mapping)} AS {quote(column.name)}")
        if column.name in raw_types and raw_types[column.name] != column.type:
            type_rules.append(type_rule(column, raw_types[column.name]))
    if _MERGED in raw_types:
        typed.append(f"CAST(raw.{_MERGED} AS BIGINT[]) AS {_MERGED}")
    given = [c for c in table.columns if c.derived or c.default]
    replaced = ", ".join(f"{_late_value(c)} AS {quote(c.name)}" for c in given)
    rules = [*row_rules(table), *_taken_on_rules(taken_on)]
    return f"""
        CREATE TABLE staged AS
        WITH raw AS (
            {select_of(mapping)}
            -- A mapping may end with a comment, which the line ends.
        ),
        typed AS (SELECT {", ".join(typed)}, {_list_of(type_rules)} AS type_reasons FROM raw),
        whole AS (SELECT * {f"REPLACE ({replaced})" if replaced else ""} FROM typed)
        SELECT * EXCLUDE (type_reasons),
            CASE WHEN len(type_reasons) > 0 THEN type_reasons ELSE {_list_of(rules)} END AS reasons
        FROM whole
    """


def _typed_value(column: Column, raw_types: dict[str, str], mapping: Path) -> str:
    if column.name in raw_types:
        value = cast(column, raw_types[column.name])
        if column.name == "source_file":
            return f"parse_filename({value})"
        return value
    if column.name == "source_file":
        return literal(mapping.name)
    if column.name == "source_row":
        return "row_number() OVER ()"
    return f"CAST(NULL AS {column.type})"


def _late_value(column: Column) -> str:
    return column.derived or f"coalesce({quote(column.name)}, {column.default})"


def _taken_on_rules(taken_on: date | None) -> list[str]:
    if taken_on is None:
        return []
    said = f"known_at must not lie after the day the file was taken, {taken_on}, was ' || known_at || '"
    return [f"CASE WHEN known_at > DATE '{taken_on}' THEN '{said}' END"]


def _list_of(rules: list[str]) -> str:
    if not rules:
        return "CAST([] AS VARCHAR[])"
    # Nearly every row keeps every rule: to see that is cheaper than to make a list of what it does not break.
    keeps = f"coalesce({', '.join(rules)}) IS NULL"
    broken = f"list_filter([{', '.join(rules)}], lambda reason: reason IS NOT NULL)"
    return f"CASE WHEN {keeps} THEN CAST([] AS VARCHAR[]) ELSE {broken} END"


def _mark_duplicates(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    """Keep the first row of a key by (known_at, source_file, source_row); the others get a reason."""
    key = ", ".join(quote(name) for name in table.key)
    said = literal(f"duplicate of an earlier row with the same {', '.join(table.key)}")
    connection.execute(f"""
        CREATE TEMP TABLE later AS
        SELECT place_in_staged FROM (
            SELECT {key}, staged.rowid AS place_in_staged,
                row_number() OVER (PARTITION BY {key} ORDER BY known_at, source_file, source_row) AS place
            FROM staged SEMI JOIN (
                SELECT {key} FROM staged WHERE len(reasons) = 0 GROUP BY {key} HAVING count(*) > 1
            ) USING ({key})
            WHERE len(reasons) = 0
        ) WHERE place > 1
    """)
    connection.execute(f"UPDATE staged SET reasons = [{said}] FROM later WHERE staged.rowid = place_in_staged")


def _add_rejected(connection: duckdb.DuckDBPyConnection, staging: Path) -> None:
    """Bring the records that could not be shown to the mapping to the quarantine."""
    if any((staging / REJECTED).rglob("*.parquet")):
        pattern = literal(str(staging / REJECTED / "**" / "*.parquet"))
        connection.execute(
            f"INSERT INTO staged BY NAME SELECT source_file, source_row, reasons FROM read_parquet({pattern})"
        )


@contextmanager
def _mapping_errors_explained(mapping: Path) -> Iterator[None]:
    """Say which mapping failed and why, with the remedy for what goes wrong most."""
    try:
        yield
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.BinderException as error:
        raise SchemaError(f"{mapping} asks for what the source does not have: {_first_lines(error)}") from error
    except duckdb.Error as error:
        text = _first_lines(error)
        if "not utf-8" in str(error).lower() or "invalid unicode" in str(error).lower():
            text += " Declare the file as { path = ..., encoding = 'gb18030' } in [sources] files of city.toml."
        raise SourceError(f"{mapping} could not be run: {text}") from error


def _first_lines(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:3])
