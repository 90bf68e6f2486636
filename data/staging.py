"""From a mapping to rows with reasons: its columns cast to the table's types, each row held against the rules.

All that is one reading: DuckDB runs the mapping, casts and judges, and the rows come out as Arrow columns, those that
break a rule apart from those that keep them all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from data.columns import arrow_of, compact, whole
from data.errors import SchemaError, SourceError, did_you_mean
from data.mapping_errors import mapping_errors_explained
from data.quality import Rule, any_broken, cast, literal, quote, row_rules, sentences, shown, type_rule
from data.rows import REJECTED
from data.schemas import Column, Table

_PROVENANCE = ("source_file", "source_row")
_ALWAYS = ("entity_id", *_PROVENANCE)
_MERGED = "source_rows"
_LINES_AHEAD = 1
"""Lines of the staging SELECT ahead of the mapping's own, from the first that is not blank, as DuckDB counts."""


@dataclass(frozen=True)
class Staged:
    """The rows of a mapping, judged.

    Attributes
    ----------
    rows : Table
        All rows as they came. Columns that the mapping leaves out are left out here too; texts of which only some are
        allowed are dictionaries, and names of files may be.
    stands : array (n,)
        Whether a row keeps every rule.
    refused : Table
        Rows that break a rule: `reasons` and all columns of the canonical table, by file and row.
    merged : Table or None
        source_file, source_row and `source_rows` of every row, where the mapping says of which rows of its file a
        record is made.
    """

    rows: pa.Table
    stands: NDArray[np.bool_]
    refused: pa.Table
    merged: pa.Table | None


def stage(
    connection: duckdb.DuckDBPyConnection, mapping: Path, table: Table, taken_on: date | None, staging: Path
) -> Staged:
    """Read what a mapping yields, and the records that could not be shown to it.

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

    Raises
    ------
    SchemaError, SourceError
        Where the mapping does not yield the table's columns, or cannot be run.
    """
    raw_types = _describe(connection, mapping, table, staging)
    with mapping_errors_explained(mapping, staging, _LINES_AHEAD):
        rows = arrow_of(connection, _staging_sql(mapping, table, raw_types, taken_on, _files(mapping, staging)))
        if rows["source_file"].null_count:
            # The mapping told of a file by another name.
            rows = arrow_of(connection, _staging_sql(mapping, table, raw_types, taken_on))
    merged = rows.select([*_PROVENANCE, _MERGED]) if _MERGED in raw_types else None
    stands = np.asarray(rows["refused"].is_null())
    broken = _broken(rows, stands, table)
    later = _later_of_a_key(connection, rows, stands, table)
    rows = rows.drop_columns(["refused", "key_hash", *([_MERGED] if merged else [])])
    refused = [broken, _duplicates(rows, later, table), *_rejected(staging, table)]
    stands[later] = False
    by_row = [(name, "ascending") for name in _PROVENANCE]
    return Staged(rows, stands, pa.concat_tables(refused).sort_by(by_row), merged)


def select_of(mapping: Path) -> str:
    """Return the SELECT of a mapping; SourceError where it is not in UTF-8."""
    try:
        return mapping.read_text(encoding="utf-8").strip().rstrip(";")
    except UnicodeDecodeError as error:
        raise SourceError(f"{mapping} must be in UTF-8: {error}. Save it in UTF-8.") from error


def _describe(connection: duckdb.DuckDBPyConnection, mapping: Path, table: Table, staging: Path) -> dict[str, str]:
    """Return the columns that a mapping yields with their types; SchemaError where they are not the table's."""
    query = select_of(mapping)
    with mapping_errors_explained(mapping, staging):
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


def _files(mapping: Path, staging: Path) -> list[str]:
    """Return the names by which a row may tell its file: of those that are shown, or of the mapping."""
    paths = [path for path in staging.rglob("*") if path.is_file()]
    return sorted({mapping.name, *(path.name for path in paths), *(path.stem for path in paths)})


def _staging_sql(
    mapping: Path, table: Table, raw_types: dict[str, str], taken_on: date | None, files: Sequence[str] = ()
) -> str:
    """Return one SELECT: the columns that may hold anything, `key_hash`, and of a row that breaks a rule `refused`.

    That is a list of one: the reasons, and the texts that are not among the allowed ones. Where names of `files` are
    given, `source_file` comes as its place among them, in their order, and another name is null.
    """
    told = {c.name: _told(c) for c in table.columns if raw_types.get(c.name, c.type) != c.type}
    show = [f"{shown(name, type_)} AS {quote(name)}" for name, type_ in raw_types.items()]
    typed = [f"{_typed_value(column, raw_types, mapping)} AS {quote(column.name)}" for column in table.columns]
    typed += [f"{quote(name)} AS {given}" for name, given in told.items()]
    late = ", ".join(f"{_late_value(c)} AS {quote(c.name)}" for c in table.columns if c.derived or c.default)
    mistyped = [type_rule(table.column(name), given) for name, given in told.items()]
    given = [c for c in table.columns if c.name in (*raw_types, *_ALWAYS) or c.derived or c.default]
    rules = [*row_rules(table, {column.name for column in given}), *_taken_on_rules(taken_on)]
    reasons = f"reasons: CASE WHEN is_mistyped THEN {sentences(mistyped)} ELSE {sentences(rules)} END"
    columns = [replace(column, allowed=tuple(files)) if column.name == "source_file" else column for column in given]
    merged = f", CAST({_MERGED} AS BIGINT[]) AS {_MERGED}" if _MERGED in raw_types else ""
    return f"""
        WITH raw AS (
            {select_of(mapping)}
            -- A mapping may end with a comment, which the line ends.
        ),
        shown AS (SELECT {", ".join(show)} FROM raw),
        typed AS (SELECT {", ".join(typed)}{merged} FROM shown),
        whole AS (SELECT * {f"REPLACE ({late})" if late else ""} FROM typed),
        judged AS (SELECT *, {any_broken(mistyped)} AS is_mistyped, {any_broken(rules)} AS is_broken FROM whole)
        SELECT {", ".join(compact(column) for column in columns)}{merged and f", {_MERGED}"},
            CAST(hash({", ".join(quote(name) for name in table.key)}) >> 32 AS UINTEGER) AS key_hash,
            CASE WHEN is_mistyped OR is_broken THEN [{{
                {", ".join([reasons, *(f"{quote(c.name)}: {quote(c.name)}" for c in given if c.allowed)])}
            }}] END AS refused
        FROM judged
    """


def _told(column: Column) -> str:
    """Return the name of a column as its source tells it, before it is cast."""
    return quote(f"{column.name} as told")


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


def _taken_on_rules(taken_on: date | None) -> list[Rule]:
    if taken_on is None:
        return []
    said = f"'known_at must not lie after the day the file was taken, {taken_on}, was ' || known_at"
    return [Rule(f"known_at > DATE '{taken_on}'", said)]


def _broken(rows: pa.Table, stands: NDArray[np.bool_], table: Table) -> pa.Table:
    """Return the rows that break a rule, with their reasons and the very texts that are not allowed."""
    broken = rows.take(pa.array(np.flatnonzero(~stands)))
    told = broken["refused"].combine_chunks().flatten()
    for name, values in zip((field.name for field in told.type), told.flatten(), strict=True):
        if name != "reasons":
            broken = broken.set_column(broken.column_names.index(name), name, values)
    return _with_reasons(told.field("reasons").cast(pa.list_(pa.string())), broken, table)


def _later_of_a_key(
    connection: duckdb.DuckDBPyConnection, rows: pa.Table, stands: NDArray[np.bool_], table: Table
) -> NDArray[np.int64]:
    """Return where rows stand whose key another has that is before them by (known_at, source_file, source_row)."""
    hashes = rows["key_hash"].to_numpy()
    in_order = np.sort(hashes[stands])
    met_again = in_order[1:][in_order[1:] == in_order[:-1]]
    if not len(met_again):
        return np.zeros(0, dtype=np.int64)
    # Few keys come twice, and few others have one hash: only those rows are looked at. Half a hash tells most apart.
    sieve = np.zeros(1 << 16, dtype=np.bool_)
    sieve[met_again >> np.uint32(16)] = True
    (places,) = np.nonzero(sieve[hashes >> np.uint32(16)] & stands)
    places = pa.array(places[np.isin(hashes.take(places), met_again)])
    columns = list(dict.fromkeys((*table.key, "known_at", *_PROVENANCE)))
    connection.register("candidates", rows.select(columns).take(places).append_column("place", places))
    key = ", ".join(quote(name) for name in table.key)
    found = connection.execute(f"""
        SELECT place FROM candidates
        QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY known_at, source_file, source_row) > 1 ORDER BY place
    """).fetchnumpy()
    connection.unregister("candidates")
    return np.asarray(found["place"], dtype=np.int64)


def _duplicates(rows: pa.Table, places: NDArray[np.int64], table: Table) -> pa.Table:
    """Return the rows at these places with the reason that their key was met before."""
    said = f"duplicate of an earlier row with the same {', '.join(table.key)}"
    reasons = pa.array([[said]] * len(places), pa.list_(pa.string()))
    return _with_reasons(reasons, rows.take(pa.array(places)), table)


def _rejected(staging: Path, table: Table) -> Iterator[pa.Table]:
    """Yield the records that could not be shown to the mapping."""
    for path in sorted((staging / REJECTED).rglob("*.parquet")):
        rows = pq.read_table(path, partitioning=None)
        yield _with_reasons(rows["reasons"].cast(pa.list_(pa.string())), rows, table)


def _with_reasons(reasons: pa.Array, rows: pa.Table, table: Table) -> pa.Table:
    return whole(rows, table).add_column(0, "reasons", reasons)
