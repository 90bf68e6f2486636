"""What DuckDB says of a mapping that it cannot run, told with the file, its line, the reason and what helps."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from data.errors import SchemaError, SourceError

_NAME = "Correct the name or the type there; docs/macros.md lists the macros."
_VALUE = "Leave the value as text, or read it with a macro of docs/macros.md: a bad row then goes to quarantine."
_REMEDIES: tuple[tuple[type[duckdb.Error], str], ...] = (
    (duckdb.ParserException, "Correct the SQL there."),
    (duckdb.BinderException, _NAME),
    (duckdb.CatalogException, _NAME),
    (duckdb.ConversionException, _VALUE),
    (duckdb.InvalidInputException, _VALUE),
    (duckdb.OutOfRangeException, _VALUE),
    (duckdb.IOException, "Read files that [sources] files of city.toml declares, in getvariable('source_folder')."),
    (duckdb.Error, "Correct the mapping."),
)
"""What helps, by what DuckDB raises; the first that fits."""


@contextmanager
def mapping_errors_explained(mapping: Path, staging: Path, lines_ahead: int = 0) -> Iterator[None]:
    """Say which mapping failed, on which line and why, and what helps.

    Parameters
    ----------
    staging : Path
        The folder that shows the source files; it is gone afterwards, so that it stays out of the text.
    lines_ahead : int
        Lines of the query ahead of the mapping's own.

    Raises
    ------
    SchemaError
        Where it asks for what the source does not have.
    SourceError
        Where it cannot be run for another reason; only memory that ran out keeps its own error.
    """
    try:
        yield
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.Error as error:
        where = f"{mapping}{_line_of(error, mapping, lines_ahead)}"
        reason = _reason_of(error).replace(f"{staging}/", "")
        remedy = next(said for kind, said in _REMEDIES if isinstance(error, kind))
        if isinstance(error, duckdb.BinderException):
            raise SchemaError(f"{where} asks for what the source does not have: {reason}. {remedy}") from error
        if "not utf-8" in str(error).lower() or "invalid unicode" in str(error).lower():
            remedy = "Declare the file as { path = ..., encoding = 'gb18030' } in [sources] files of city.toml."
        raise SourceError(f"{where} could not be run: {reason}. {remedy}") from error


def _line_of(error: duckdb.Error, mapping: Path, lines_ahead: int) -> str:
    """Return `, line n,` as the file has it; nothing where DuckDB tells none, or one that is not the mapping's."""
    told = re.search(r"^LINE (\d+):", str(error), re.MULTILINE)
    text = mapping.read_text(encoding="utf-8")
    # Blank lines at its head are not part of the query.
    n_blank = text[: len(text) - len(text.lstrip())].count("\n")
    line = int(told[1]) - lines_ahead + n_blank if told else 0
    return f", line {line}," if 0 < line <= len(text.splitlines()) else ""


def _reason_of(error: duckdb.Error) -> str:
    """Return the first lines of what DuckDB says, without the kind of its error and the query that it quotes."""
    said = re.sub(r"^[A-Z][A-Za-z ]* Error: ", "", str(error).split("\nLINE ")[0])
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return " ".join(lines[:3]).rstrip(".!")
