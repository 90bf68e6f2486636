"""From a city's files to canonical tables: DuckDB runs the mappings, rows that break a rule go to quarantine.

A mapping is one SELECT in `sources/<table>.sql`. It sees the city's declared files, each in UTF-8, under
`getvariable('source_folder')`, the day they were taken as `getvariable('taken_on')`, and the macros of data/macros/.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from data.city import City, SourceFile
from data.errors import SchemaError, SourceError, did_you_mean
from data.quality import cast, literal, quote, row_rules, type_rule
from data.schemas import TABLES, Column, Table
from data.settings import Settings

Progress = Callable[[str], None]
MACROS = Path(__file__).parent / "macros"
_PROVENANCE = ("source_file", "source_row")


@dataclass(frozen=True)
class TableCount:
    """What one mapping yielded: rows read = rows accepted + rows quarantined; flagged rows are among the accepted."""

    n_read: int
    n_accepted: int
    n_quarantined: int
    n_flagged: int


def ingest_tables(city: City, settings: Settings, folder: Path, progress: Progress) -> dict[str, TableCount]:
    """Run every mapping of a city; write tables/ and quarantine/ below `folder`."""
    for name in ("tables", "quarantine"):
        (folder / name).mkdir()
    counts = {}
    with staged_sources(city, settings) as staging:
        for table in city.mapped_tables:
            counts[table] = _ingest_table(city, TABLES[table], staging, folder, settings.threads)
            count = counts[table]
            progress(f"  {table}: {count.n_accepted:,} rows, {count.n_quarantined:,} to quarantine")
    return counts


def source_paths(city: City, settings: Settings) -> dict[str, Path]:
    """Return the path of every declared file; SourceError names the one that is missing."""
    folder = city.source_folder(settings)
    paths = {file.path: folder / file.path for file in city.sources.files}
    for name, path in paths.items():
        if not path.is_file():
            there = [p.name for p in folder.iterdir()]
            raise SourceError(
                f"The source file {name} of {city.name} must lie in {folder}, it is missing."
                f"{did_you_mean(name, there)} "
                "Put it there, or take it out of [sources] files in city.toml."
            )
    return paths


@contextmanager
def staged_sources(city: City, settings: Settings) -> Iterator[Path]:
    """Yield a folder that shows the declared files, and no others, in UTF-8."""
    paths = source_paths(city, settings)
    settings.var.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=".staging-", dir=settings.var))
    try:
        for file in city.sources.files:
            _stage(file, paths[file.path], staging / file.path)
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def connect(threads: int, staging: Path | None = None, city: City | None = None) -> duckdb.DuckDBPyConnection:
    """Open DuckDB with the macros, and the variables that a mapping reads."""
    connection = duckdb.connect(config={"threads": threads, "preserve_insertion_order": True})
    for macro in sorted(MACROS.glob("*.sql"), reverse=True):
        # names.sql defines half_width, which dates.sql uses.
        connection.execute(macro.read_text(encoding="utf-8"))
    if staging is not None and city is not None:
        connection.execute(f"SET VARIABLE source_folder = {literal(str(staging))}")
        taken_on = city.sources.taken_on
        connection.execute(f"SET VARIABLE taken_on = {f'DATE {literal(str(taken_on))}' if taken_on else 'NULL::DATE'}")
    return connection


def _stage(file: SourceFile, source: Path, staged: Path) -> None:
    staged.parent.mkdir(parents=True, exist_ok=True)
    if file.encoding.lower().replace("_", "-") in ("utf-8", "utf8"):
        staged.symlink_to(source)
        return
    try:
        staged.write_text(source.read_text(encoding=file.encoding), encoding="utf-8")
    except (UnicodeDecodeError, LookupError) as error:
        raise SourceError(
            f"{source} must be in {file.encoding}, as city.toml declares: {error}. Correct `encoding` of that file."
        ) from error


def _ingest_table(city: City, table: Table, staging: Path, folder: Path, threads: int) -> TableCount:
    mapping = city.folder / "sources" / f"{table.name}.sql"
    with connect(threads, staging, city) as connection:
        connection.execute(f"SET temp_directory = {literal(str(folder / '.spill'))}")
        raw_types = _describe(connection, mapping, table)
        with _mapping_errors_explained(mapping, staging):
            connection.execute(_staging_sql(mapping, table, raw_types, city))
        _mark_duplicates(connection, table)
        count = _count(connection, table)
        if count.n_read == 0:
            raise SchemaError(f"{mapping} must yield rows, it yields none. Is the source file empty or filtered away?")
        _publish(connection, table, folder)
    shutil.rmtree(folder / ".spill", ignore_errors=True)
    return count


def _describe(connection: duckdb.DuckDBPyConnection, mapping: Path, table: Table) -> dict[str, str]:
    """Return the columns that a mapping yields with their types; SchemaError where they are not the table's."""
    query = _select_of(mapping)
    with _mapping_errors_explained(mapping):
        rows = connection.execute(f"DESCRIBE {query}").fetchall()
    types = {str(row[0]): str(row[1]) for row in rows}
    for name in types:
        if name not in table.column_names:
            raise SchemaError(
                f"{mapping} yields the column {name}, which {table.name} does not have."
                f"{did_you_mean(name, table.column_names)} docs/tables.md lists the columns."
            )
    for column in table.columns:
        if column.required and column.name not in types and column.name not in _PROVENANCE:
            raise SchemaError(
                f"{mapping} must yield the column {column.name} ({column.description} {column.description_zh}), "
                "it is missing. Add it to the SELECT."
            )
    return types


def _staging_sql(mapping: Path, table: Table, raw_types: dict[str, str], city: City) -> str:
    typed, type_rules = [], []
    for column in table.columns:
        typed.append(f"{_typed_value(column, raw_types, mapping)} AS {quote(column.name)}")
        if column.name in raw_types and raw_types[column.name] != column.type:
            type_rules.append(type_rule(column, raw_types[column.name]))
    given = [c for c in table.columns if c.derived or c.default]
    replaced = ", ".join(f"{_late_value(c)} AS {quote(c.name)}" for c in given)
    rules = [*row_rules(table), *_taken_on_rules(city)]
    return f"""
        CREATE TABLE staged AS
        WITH raw AS ({_select_of(mapping)}),
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


def _taken_on_rules(city: City) -> list[str]:
    if city.sources.taken_on is None:
        return []
    taken_on = city.sources.taken_on
    said = f"known_at must not lie after the day the file was taken, {taken_on}, was ' || known_at || '"
    return [f"CASE WHEN known_at > DATE '{taken_on}' THEN '{said}' END"]


def _list_of(rules: list[str]) -> str:
    if not rules:
        return "CAST([] AS VARCHAR[])"
    return f"list_filter([{', '.join(rules)}], lambda reason: reason IS NOT NULL)"


def _mark_duplicates(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    """Keep the first row of a key by (known_at, source_file, source_row); the others get a reason."""
    key = ", ".join(quote(name) for name in table.key)
    said = literal(f"duplicate of an earlier row with the same {', '.join(table.key)}")
    connection.execute(f"""
        CREATE TEMP TABLE later AS
        SELECT source_file, source_row FROM (
            SELECT {key}, source_file, source_row,
                row_number() OVER (PARTITION BY {key} ORDER BY known_at, source_file, source_row) AS place
            FROM staged SEMI JOIN (
                SELECT {key} FROM staged WHERE len(reasons) = 0 GROUP BY {key} HAVING count(*) > 1
            ) USING ({key})
            WHERE len(reasons) = 0
        ) WHERE place > 1
    """)
    connection.execute(f"""
        UPDATE staged SET reasons = [{said}] FROM later
        WHERE staged.source_file = later.source_file AND staged.source_row = later.source_row
            AND len(staged.reasons) = 0
    """)


def _count(connection: duckdb.DuckDBPyConnection, table: Table) -> TableCount:
    has_codes = any(c.name == "entity_id" for c in table.columns)
    flagged = "len(entity_id) = 18 AND NOT uscc_is_valid(entity_id)" if has_codes else "false"
    row = _one(
        connection,
        f"""SELECT count(*), count(*) FILTER (len(reasons) = 0), count(*) FILTER (len(reasons) > 0),
            count(*) FILTER (len(reasons) = 0 AND {flagged}) FROM staged""",
    )
    return TableCount(*row)


def _publish(connection: duckdb.DuckDBPyConnection, table: Table, folder: Path) -> None:
    names = ", ".join(quote(name) for name in table.column_names)
    order = ", ".join(quote(name) for name in dict.fromkeys(("entity_id", "known_at", *table.key, "source_row")))
    target = folder / "tables" / f"{table.name}.parquet"
    connection.execute(f"""
        COPY (SELECT {names} FROM staged WHERE len(reasons) = 0 ORDER BY {order})
        TO {literal(str(target))} (FORMAT parquet, COMPRESSION lz4_raw, ROW_GROUP_SIZE 122880)
    """)
    target = folder / "quarantine" / f"{table.name}.parquet"
    connection.execute(f"""
        COPY (SELECT reasons, {names} FROM staged WHERE len(reasons) > 0 ORDER BY source_file, source_row)
        TO {literal(str(target))} (FORMAT parquet, COMPRESSION zstd)
    """)


def _select_of(mapping: Path) -> str:
    try:
        return mapping.read_text(encoding="utf-8").strip().rstrip(";")
    except UnicodeDecodeError as error:
        raise SourceError(f"{mapping} must be in UTF-8: {error}. Save it in UTF-8.") from error


@contextmanager
def _mapping_errors_explained(mapping: Path, staging: Path | None = None) -> Iterator[None]:
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


def _one(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[Any, ...]:
    row = connection.execute(query).fetchone()
    assert row is not None, "an aggregate always yields a row"
    return tuple(row)
