"""A CSV file as offices publish it, record by record, so that none is lost.

A record that has the header's columns is shown to the mapping, through the macro `rows_of`; one that has more or fewer,
or whose quotes do not close, goes to quarantine. Records are counted from 1 below the header; blank lines are none.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data.errors import SourceError

ROWS, REJECTED = ".rows", ".rejected"
"""Folders below the staging folder: what `rows_of` reads, and the records that a mapping cannot be shown."""

_PROVENANCE = (("source_file", pa.string()), ("source_row", pa.int64()))
_BATCH = 100_000
_BROKEN = "the quotes of the row must close within it, they do not"


Record = list[str] | None
"""The cells of one record; None where it cannot be split into cells."""


def read_records(source: Path, encoding: str) -> Iterator[Record]:
    """Yield every record of a CSV file, header lines among them; blank lines are left out.

    Raises
    ------
    SourceError
        Where the bytes are not in the encoding.
    """
    lines = list(io.StringIO(_text(source, encoding), newline=""))
    start = 0
    while start < len(lines):
        reader = csv.reader(islice(lines, start, None), strict=True)
        n_read = 0
        try:
            for cells in reader:
                n_read = reader.line_num
                if cells:
                    yield cells
            return
        except csv.Error:
            # An open quote swallows what follows: this line alone is set aside, and reading goes on below it.
            yield None
            start += n_read + 1


def count_records(source: Path, encoding: str, header_row: int) -> int:
    """Return how many records stand below the header."""
    try:
        # A file without broken quotes need not be held in memory.
        with source.open(encoding=_codec(encoding), newline="") as file:
            n_records = sum(1 for cells in csv.reader(file, strict=True) if cells)
    except (csv.Error, UnicodeDecodeError):
        n_records = sum(1 for _ in read_records(source, encoding))
    return max(n_records - header_row, 0)


def stage_rows(source: Path, path: str, encoding: str, header_row: int, staging: Path) -> None:
    """Write a CSV file's records for `rows_of` below `staging`, and beside them those that cannot be shown.

    Parameters
    ----------
    source : Path
        The file, or the kept copy of a delivery.
    path : str
        Its declared path, which the mapping gives to `rows_of`.
    header_row : int
        Which record names the columns; those above it are titles.
    """
    records = read_records(source, encoding)
    above = list(islice(records, header_row))
    if len(above) < header_row or above[-1] is None:
        raise SourceError(
            f"{source} must name its columns in row {header_row}, it does not. Correct `header_row` of that file."
        )
    names = _column_names(above[-1])
    file_name = Path(path).name
    rejected: dict[int, str] = {}
    (staging / ROWS / path).parent.mkdir(parents=True, exist_ok=True)
    schema = pa.schema([*((name, pa.string()) for name in names), *_PROVENANCE])
    with pq.ParquetWriter(staging / ROWS / f"{path}.parquet", schema) as writer:
        for batch in _batches(enumerate(records, start=1)):
            kept = {}
            for number, record in batch:
                if reason := _refusal(record, len(names)):
                    rejected[number] = reason
                elif record is not None:
                    kept[number] = record
            if kept:
                writer.write_table(_table(kept, schema, file_name))
    _write_rejected(rejected, file_name, staging / REJECTED / f"{path}.parquet")


def _table(kept: dict[int, list[str]], schema: pa.Schema, file_name: str) -> pa.Table:
    """Make a table of records by their numbers; an empty cell is null."""
    columns = [pa.array(cells, pa.string()) for cells in zip(*kept.values(), strict=True)]
    cells = [pc.if_else(pc.equal(column, ""), None, column) for column in columns]
    return pa.table([*cells, pa.repeat(file_name, len(kept)), pa.array(kept, pa.int64())], schema=schema)


def _write_rejected(rejected: dict[int, str], file_name: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    schema = pa.schema([*_PROVENANCE, ("reasons", pa.list_(pa.string()))])
    reasons = pa.array([[reason] for reason in rejected.values()], pa.list_(pa.string()))
    numbers = pa.array(rejected, pa.int64())
    pq.write_table(pa.table([pa.repeat(file_name, len(rejected)), numbers, reasons], schema=schema), target)


def _batches(records: Iterator[tuple[int, Record]]) -> Iterator[list[tuple[int, Record]]]:
    while batch := list(islice(records, _BATCH)):
        yield batch


def _refusal(record: Record, width: int) -> str:
    """Return why a record cannot be shown; cells that are empty beyond the header do not matter."""
    if record is None:
        return _BROKEN
    while len(record) > width and not record[-1]:
        record.pop()
    return "" if len(record) == width else f"the row must have {width} columns, was {len(record)}"


def _column_names(cells: list[str]) -> list[str]:
    """Return the names of the columns; one without a name is called by its place, one that comes again too."""
    names: list[str] = []
    for place, cell in enumerate(cells, start=1):
        name = cell.strip() or f"column{place}"
        names.append(f"{name}{place}" if name in names else name)
    return names


def _text(source: Path, encoding: str) -> str:
    try:
        return source.read_bytes().decode(_codec(encoding))
    except (UnicodeDecodeError, LookupError) as error:
        raise SourceError(
            f"{source} must be in {encoding}, as city.toml declares: {error}. Correct `encoding` of that file."
        ) from error


def _codec(encoding: str) -> str:
    """Return the codec that drops a byte order mark, which is no part of the first column's name."""
    return "utf-8-sig" if encoding.lower().replace("_", "-") in ("utf-8", "utf8") else encoding
