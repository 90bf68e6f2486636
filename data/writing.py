"""Staged rows are sorted, counted and written: the files of a part."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from data.columns import arrow_schema, evenly, texts, whole
from data.ordering import Order, order_rows
from data.quality import literal
from data.schemas import Table
from data.staging import Staged
from data.uscc import valid_usccs

_ROWS_OF_A_GROUP = 122_880
_SAMPLE = 10_000
_OPTIONS = {"compression": "lz4", "store_schema": False}


def write_files(staged: Staged, table: Table, folder: Path) -> dict[str, int]:
    """Write accepted.parquet, named.parquet, quarantine.parquet and, where rows were merged, merged.parquet.

    Returns
    -------
    dict
        n_read, n_accepted, n_named, n_quarantined, and n_flagged: accepted rows whose code has a wrong check character.
    """
    is_named = _named(staged, table)
    order = write_records(staged.rows, table, folder / "accepted.parquet", staged.stands & ~is_named)
    by_row = [("source_file", "ascending"), ("source_row", "ascending")]
    named = whole(staged.rows.take(pa.array(np.flatnonzero(is_named))), table).sort_by(by_row)
    _write(named, folder / "named.parquet")
    _write(staged.refused, folder / "quarantine.parquet")
    if staged.merged is not None:
        _write(_merged(staged.merged), folder / "merged.parquet")
    ends = (len(order.places), len(named), len(staged.refused))
    counts = (sum(ends), *ends, _n_flagged(order))
    names = ("n_read", "n_accepted", "n_named", "n_quarantined", "n_flagged")
    return dict(zip(names, counts, strict=True))


def write_parquet(connection: duckdb.DuckDBPyConnection, query: str, target: Path) -> None:
    """Write what a query yields as tables of records are kept; the same rows in the same order give the same bytes."""
    connection.execute(
        f"COPY ({query}) TO {literal(str(target))} "
        f"(FORMAT parquet, COMPRESSION lz4_raw, ROW_GROUP_SIZE {_ROWS_OF_A_GROUP})"
    )


def write_records(rows: pa.Table, table: Table, target: Path, stands: NDArray[np.bool_] | None = None) -> Order:
    """Write rows of a canonical table in their order; the same rows give the same bytes, however they came.

    One group of rows is written after the other, so that but one stands in memory twice.

    Parameters
    ----------
    rows : Table
        Each column one piece; columns that are null throughout may be left out, and texts be dictionaries as
        `data.columns` makes them.
    stands : array (n,), optional
        Which rows are written; by default all.
    """
    stands = np.ones(len(rows), dtype=np.bool_) if stands is None else stands
    order, columns = order_rows(rows, table, stands), _told_columns(rows, stands)
    first = _group(columns, order, table, 0)
    repeated = [name for name in first.column_names if name != "source_row" and _repeats(first[name])]
    # Least and greatest text narrow no search: rows lie by entity. Where all are null, that is told.
    bounded = [f.name for f in first.schema if f.name not in columns or pa.types.is_primitive(f.type)]
    with pq.ParquetWriter(
        target,
        first.schema,
        use_dictionary=repeated,
        column_encoding={"source_row": "DELTA_BINARY_PACKED"},
        write_statistics=["entity_id", *bounded],
        **_OPTIONS,
    ) as writer:
        writer.write_table(first, _ROWS_OF_A_GROUP)
        for start in range(_ROWS_OF_A_GROUP, len(order.places), _ROWS_OF_A_GROUP):
            writer.write_table(_group(columns, order, table, start), _ROWS_OF_A_GROUP)
    return order


def _named(staged: Staged, table: Table) -> NDArray[np.bool_]:
    """Say which rows have to be linked by their name: they stand, and have no code."""
    if table.name == "entities" or "entity_name" not in staged.rows.column_names:
        return np.zeros(len(staged.rows), dtype=np.bool_)
    has_name, has_code = (staged.rows[name].is_valid().to_numpy() for name in ("entity_name", "entity_id"))
    named: NDArray[np.bool_] = staged.stands & has_name & ~has_code
    return named


def _merged(rows: pa.Table) -> pa.Table:
    """Return of every record the rows of its file, one a line."""
    lists, parents = rows["source_rows"], pc.list_parent_indices(rows["source_rows"])
    schema = pa.schema([("source_file", pa.string()), ("source_row", pa.int64()), ("merged_row", pa.int64())])
    columns = [rows["source_file"].take(parents), rows["source_row"].take(parents), pc.list_flatten(lists)]
    flat = pa.table(columns, schema.names).cast(schema)
    return flat.sort_by([(name, "ascending") for name in schema.names])


def _n_flagged(order: Order) -> int:
    # Check characters are dear to compute: once for each code.
    n_rows = np.bincount(order.numbers, minlength=len(order.codes))
    codes = order.codes.drop_null()
    is_uscc = np.asarray(pc.equal(pc.utf8_length(codes), 18))
    return int(n_rows[: len(codes)][is_uscc & ~valid_usccs(codes)].sum())


def _write(rows: pa.Table, target: Path) -> None:
    pq.write_table(rows, target, row_group_size=_ROWS_OF_A_GROUP, **_OPTIONS)


def _told_columns(rows: pa.Table, stands: NDArray[np.bool_]) -> dict[str, pa.ChunkedArray]:
    """Return the columns in which a row that stands has a value; the file, where it is but one, is told once."""
    columns, n_written = dict(zip(rows.column_names, rows.columns, strict=True)), int(stands.sum())
    for name, column in list(columns.items()):
        if column.null_count >= n_written and column.filter(pa.array(stands)).null_count == n_written:
            del columns[name]
    if "source_file" in columns:
        columns["source_file"] = _told_once(columns["source_file"])
    return {
        name: evenly(column) if pa.types.is_large_string(column.type) else column for name, column in columns.items()
    }


def _told_once(files: pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Return the file of each row as text or, where it is but one, as a place in a dictionary of one."""
    told = files.combine_chunks().indices if pa.types.is_dictionary(files.type) else files
    if not pc.all(pc.equal(told, told[0])).as_py():
        return files.cast(pa.large_string())
    one = files.slice(0, 1).combine_chunks().cast(pa.string())
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(len(files), dtype=np.uint8)), one)


def _group(columns: dict[str, pa.ChunkedArray], order: Order, table: Table, start: int) -> pa.Table:
    """Return one group of rows in order, with all columns."""
    places = pa.array(order.places[start : start + _ROWS_OF_A_GROUP])
    group = {}
    for field in arrow_schema(table):
        if field.name not in columns:
            group[field.name] = pa.nulls(len(places), field.type)
        elif field.name == "entity_id":
            group[field.name] = _codes(order, start)
        else:
            # Places are in bounds, which need not be seen for each column anew.
            taken = pc.take(columns[field.name], places, boundscheck=False)
            group[field.name] = texts(taken) if pa.types.is_fixed_size_binary(taken.type) else taken
    return pa.table(group)


def _codes(order: Order, start: int) -> pa.DictionaryArray:
    """Return the codes of one group of rows: the rows are sorted by them, so they are a slice of all codes."""
    numbers = order.numbers[start : start + _ROWS_OF_A_GROUP]
    if not len(numbers):
        return pa.DictionaryArray.from_arrays(pa.array([], pa.int32()), order.codes)
    first = int(numbers[0])
    codes = order.codes.slice(first, int(numbers[-1]) - first + 1).drop_null()
    within = (numbers - first).astype(np.int32)
    # A row without an entity is null.
    return pa.DictionaryArray.from_arrays(pa.array(within, mask=within >= len(codes)), codes)


def _repeats(column: pa.ChunkedArray) -> bool:
    """Say whether values come again so often that each is better told once, judged by the first rows."""
    if pa.types.is_dictionary(column.type):
        return True
    sample = column.slice(0, _SAMPLE)
    return bool(pc.count_distinct(sample).as_py() < len(sample) / 2)
