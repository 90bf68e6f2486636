"""Rows of a canonical table as Arrow columns."""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa

from data.quality import literal, quote
from data.schemas import Column, Table

_ARROW_TYPES = {
    "VARCHAR": pa.string(),
    "DATE": pa.date32(),
    "DOUBLE": pa.float64(),
    "BIGINT": pa.int64(),
    "BOOLEAN": pa.bool_(),
}
# All rows come as one batch: what is sorted next lies in one piece.
_ROWS_OF_A_BATCH = 1 << 40


def arrow_of(connection: duckdb.DuckDBPyConnection, query: str) -> pa.Table:
    """Return what a query yields as Arrow columns, each in one piece."""
    # Texts of more than 2 GiB in all need the longer offsets.
    connection.execute("SET arrow_large_buffer_size = true")
    return connection.sql(query).to_arrow_table(_ROWS_OF_A_BATCH).combine_chunks()


def arrow_schema(table: Table) -> pa.Schema:
    """Return the columns of a canonical table with their types in Arrow."""
    return pa.schema([(column.name, _ARROW_TYPES[column.type]) for column in table.columns])


def compact(column: Column) -> str:
    """Return a column as it comes out of DuckDB: a text of which only some are allowed as its place among them."""
    name = quote(column.name)
    allowed = ", ".join(literal(text) for text in column.allowed)
    return f"TRY_CAST({name} AS ENUM({allowed})) AS {name}" if allowed else name


def whole(rows: pa.Table, table: Table) -> pa.Table:
    """Return rows with all columns of the canonical table; those that were left out are null."""
    names = set(rows.column_names)
    schema = arrow_schema(table)
    columns = [rows[f.name].cast(f.type) if f.name in names else pa.nulls(len(rows), f.type) for f in schema]
    return pa.table(columns, schema=schema)


def evenly(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return texts that are all of one length as pieces of so many bytes: their gathering takes a third of the time.

    Texts of which one is null or of another length are returned as they are.
    """
    if column.num_chunks != 1 or column.null_count or not len(column):
        return column
    (piece,) = column.chunks
    _, offsets, letters = piece.buffers()
    ends = np.frombuffer(offsets, dtype=np.int64)[piece.offset : piece.offset + len(piece) + 1]
    width, rest = divmod(int(ends[-1] - ends[0]), len(piece))
    if rest or not width or (np.diff(ends) != width).any():
        return column
    return pa.chunked_array([pa.Array.from_buffers(pa.binary(width), len(piece), [None, letters.slice(int(ends[0]))])])


def texts(pieces: pa.ChunkedArray) -> pa.Array:
    """Return pieces of `evenly` as texts again."""
    whole = pieces.combine_chunks()
    ends = pa.py_buffer(np.arange(len(whole) + 1, dtype=np.int64) * whole.type.byte_width)
    return pa.Array.from_buffers(pa.large_string(), len(whole), [None, ends, whole.buffers()[1]])
