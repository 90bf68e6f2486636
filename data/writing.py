"""Staged rows are sorted, counted and written: the files of a part."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data.columns import arrow_schema, whole
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
    accepted, named = _parted(staged.kept, table)
    order = write_records(accepted, table, folder / "accepted.parquet")
    _write(named, folder / "named.parquet")
    _write(staged.refused, folder / "quarantine.parquet")
    if staged.merged is not None:
        _write(_merged(staged.merged), folder / "merged.parquet")
    n_read = len(staged.kept) + len(staged.refused)
    counts = (n_read, len(accepted), len(named), len(staged.refused), _n_flagged(order))
    names = ("n_read", "n_accepted", "n_named", "n_quarantined", "n_flagged")
    return dict(zip(names, counts, strict=True))


def write_parquet(connection: duckdb.DuckDBPyConnection, query: str, target: Path) -> None:
    """Write what a query yields as tables of records are kept; the same rows in the same order give the same bytes."""
    connection.execute(
        f"COPY ({query}) TO {literal(str(target))} "
        f"(FORMAT parquet, COMPRESSION lz4_raw, ROW_GROUP_SIZE {_ROWS_OF_A_GROUP})"
    )


def write_records(rows: pa.Table, table: Table, target: Path) -> Order:
    """Write rows of a canonical table in their order; the same rows give the same bytes, however they came.

    One group of rows is written after the other, so that but one stands in memory twice.

    Parameters
    ----------
    rows : Table
        Each column one piece; columns that are null throughout may be left out, and texts be dictionaries as
        `data.staging` makes them.
    """
    order, schema = order_rows(rows, table), arrow_schema(table)
    first = _group(rows, order, schema, 0)
    repeated = [name for name in first.column_names if _repeats(first[name])]
    # Least and greatest of what hardly repeats, names and numbers of records, narrow no search.
    bounded = [f.name for f in first.schema if f.name in repeated or pa.types.is_primitive(f.type)] + ["entity_id"]
    with pq.ParquetWriter(
        target, first.schema, use_dictionary=repeated, write_statistics=bounded, **_OPTIONS
    ) as writer:
        writer.write_table(first, _ROWS_OF_A_GROUP)
        for start in range(_ROWS_OF_A_GROUP, len(rows), _ROWS_OF_A_GROUP):
            writer.write_table(_group(rows, order, schema, start), _ROWS_OF_A_GROUP)
    return order


def _parted(kept: pa.Table, table: Table) -> tuple[pa.Table, pa.Table]:
    """Return the rows that have a code, or need none, and those that have to be linked by their name."""
    if "entity_name" not in kept.column_names:
        return kept, whole(kept.slice(0, 0), table)
    is_named = pc.and_(pc.is_valid(kept["entity_name"]), pc.is_null(kept["entity_id"]))
    by_row = [("source_file", "ascending"), ("source_row", "ascending")]
    return kept.filter(pc.invert(is_named)).combine_chunks(), whole(kept.filter(is_named), table).sort_by(by_row)


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


def _group(rows: pa.Table, order: Order, schema: pa.Schema, start: int) -> pa.Table:
    """Return one group of rows in order, with all columns."""
    places = pa.array(order.places[start : start + _ROWS_OF_A_GROUP])
    columns = {}
    for field in schema:
        if field.name not in rows.column_names or rows[field.name].null_count == len(rows):
            columns[field.name] = pa.nulls(len(places), field.type)
        elif field.name == "entity_id":
            columns[field.name] = _codes(order, start)
        elif field.name == "source_file" and _is_one_value(rows[field.name]):
            columns[field.name] = pa.DictionaryArray.from_arrays(
                pa.array(np.zeros(len(places), dtype=np.uint8)), rows[field.name].slice(0, 1).combine_chunks()
            )
        else:
            columns[field.name] = rows[field.name].take(places)
    return pa.table(columns)


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


def _is_one_value(column: pa.ChunkedArray) -> bool:
    return len(column) > 0 and bool(pc.all(pc.equal(column, column[0])).as_py())


def _repeats(column: pa.ChunkedArray) -> bool:
    """Say whether values come again so often that each is better told once, judged by the first rows."""
    if pa.types.is_dictionary(column.type):
        return True
    sample = column.slice(0, _SAMPLE)
    return bool(pc.count_distinct(sample).as_py() < len(sample) / 2)
