"""Staged rows are counted, sorted and written: the files of a part."""

from __future__ import annotations

from pathlib import Path

import duckdb

from data.quality import literal, quote
from data.schemas import Table
from data.uscc import valid_usccs


def count(connection: duckdb.DuckDBPyConnection, table: Table) -> dict[str, int]:
    """Return n_read, n_accepted, n_named, n_quarantined and n_flagged of the rows in `staged`."""
    named, accepted = _is_named(table), _is_accepted(table)
    row = connection.execute(
        f"""SELECT count(*), count(*) FILTER ({accepted}), count(*) FILTER (len(reasons) = 0 AND {named}),
            count(*) FILTER (len(reasons) > 0) FROM staged"""
    ).fetchall()[0]
    # Check characters are dear to compute: once for each code.
    codes = connection.sql(
        f"""SELECT entity_id, count(*) AS n FROM staged
        WHERE {accepted} AND len(entity_id) = 18 GROUP BY entity_id"""
    ).to_arrow_table()
    n_flagged = codes["n"].to_numpy()[~valid_usccs(codes["entity_id"].combine_chunks())].sum()
    names = ("n_read", "n_accepted", "n_named", "n_quarantined", "n_flagged")
    return {name: int(n) for name, n in zip(names, (*row, n_flagged), strict=True)}


def write_files(connection: duckdb.DuckDBPyConnection, table: Table, folder: Path, merged: bool) -> None:
    """Write accepted.parquet, named.parquet, quarantine.parquet and, where `merged`, merged.parquet from `staged`."""
    names, named = ", ".join(quote(name) for name in table.column_names), _is_named(table)
    by_row = "ORDER BY source_file, source_row"
    queries = {
        "accepted": _accepted_in_order(connection, table),
        "named": f"SELECT {names} FROM staged WHERE len(reasons) = 0 AND {named} {by_row}",
        "quarantine": f"SELECT reasons, {names} FROM staged WHERE len(reasons) > 0 {by_row}",
    }
    if merged:
        queries["merged"] = f"""SELECT source_file, source_row, merged_row FROM (
            SELECT source_file, source_row, unnest(source_rows) AS merged_row FROM staged
        ) {by_row}, merged_row"""
    for name, query in queries.items():
        write_parquet(connection, query, folder / f"{name}.parquet")


def write_parquet(connection: duckdb.DuckDBPyConnection, query: str, target: Path) -> None:
    """Write what a query yields as tables of records are kept; the same rows in the same order give the same bytes."""
    connection.execute(
        f"COPY ({query}) TO {literal(str(target))} (FORMAT parquet, COMPRESSION lz4_raw, ROW_GROUP_SIZE 122880)"
    )


def order_of(table: Table) -> str:
    """Return the ORDER BY of a table of records: an entity's rows lie together, by the day they became known."""
    columns = dict.fromkeys(("entity_id", "known_at", *table.key, "source_row"))
    return f"ORDER BY {', '.join(quote(name) for name in columns)}"


def _accepted_in_order(connection: duckdb.DuckDBPyConnection, table: Table) -> str:
    """Return the query of the accepted rows; what is the same in every row is not carried through the sort."""
    same = _same_in_every_row(connection, table)
    carried = ", ".join(quote(name) for name in table.column_names if name not in same)
    widened = ", ".join(
        f"{same[name]} AS {quote(name)}" if name in same else quote(name) for name in table.column_names
    )
    return f"""SELECT {widened} FROM (
        SELECT {carried} FROM staged WHERE {_is_accepted(table)} {order_of(table)}
    )"""


def _same_in_every_row(connection: duckdb.DuckDBPyConnection, table: Table) -> dict[str, str]:
    """Return the columns that are null in all rows, and the file where it is one, each with its value in SQL."""
    optional = [column for column in table.columns if not column.required]
    counts = ", ".join(f"count({quote(column.name)})" for column in optional)
    first, last, *given = connection.execute(
        f"SELECT min(source_file), max(source_file), {counts} FROM staged"
    ).fetchall()[0]
    same = {c.name: f"CAST(NULL AS {c.type})" for c, n in zip(optional, given, strict=True) if n == 0}
    return same | ({"source_file": literal(first)} if first is not None and first == last else {})


def _is_accepted(table: Table) -> str:
    return f"len(reasons) = 0 AND NOT ({_is_named(table)})"


def _is_named(table: Table) -> str:
    """Return the condition for a row that has to be linked by its name."""
    return "false" if table.name == "entities" else "entity_id IS NULL AND entity_name IS NOT NULL"
