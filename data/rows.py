"""A CSV file as offices publish it, record by record, so that none is lost.

A record that has the header's columns is shown to the mapping, through the macro `rows_of`; one that has more or fewer,
or whose quotes do not close, goes to quarantine. Records are counted from 1 below the header; blank lines are none.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from data.errors import SourceError

ROWS, REJECTED = ".rows", ".rejected"
"""Folders below the staging folder: what `rows_of` reads, and the records that a mapping cannot be shown."""

_BROKEN = "the quotes of the row must close within it, they do not"


@dataclass(frozen=True)
class Record:
    """The cells of one record; None where it cannot be split into cells."""

    cells: list[str] | None


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
                    yield Record(cells)
            return
        except csv.Error:
            # An open quote swallows what follows: this line alone is set aside, and reading goes on below it.
            yield Record(None)
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
    above = [record.cells for record in islice(records, header_row)]
    if len(above) < header_row or above[-1] is None:
        raise SourceError(
            f"{source} must name its columns in row {header_row}, it does not. Correct `header_row` of that file."
        )
    names = _column_names(above[-1])
    columns: list[list[str | None]] = [[] for _ in names]
    numbers, rejected = [], []
    for number, record in enumerate(records, start=1):
        if reason := _refusal(record, len(names)):
            rejected.append((number, [reason]))
            continue
        numbers.append(number)
        cells = record.cells or []
        for place, column in enumerate(columns):
            column.append(cells[place] or None)
    file_name = Path(path).name
    kept: dict[str, pa.Array] = {
        name: pa.array(column, pa.string()) for name, column in zip(names, columns, strict=True)
    }
    kept |= {"source_file": _repeated(file_name, len(numbers)), "source_row": pa.array(numbers, pa.int64())}
    _write(pa.table(kept), staging / ROWS / f"{path}.parquet")
    _write(
        pa.table(
            {
                "source_file": _repeated(file_name, len(rejected)),
                "source_row": pa.array([number for number, _ in rejected], pa.int64()),
                "reasons": pa.array([reasons for _, reasons in rejected], pa.list_(pa.string())),
            }
        ),
        staging / REJECTED / f"{path}.parquet",
    )


def _refusal(record: Record, width: int) -> str:
    """Return why a record cannot be shown; cells that are empty beyond the header do not matter."""
    if record.cells is None:
        return _BROKEN
    while len(record.cells) > width and not record.cells[-1]:
        record.cells.pop()
    n_cells = len(record.cells)
    return "" if n_cells == width else f"the row must have {width} columns, was {n_cells}"


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


def _repeated(text: str, n: int) -> pa.Array:
    return pa.array([text] * n, pa.string())


def _write(table: pa.Table, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, target)
