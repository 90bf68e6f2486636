"""Parts: what one mapping makes of its files, or of one delivery. Immutable, addressed by what went into them.

DuckDB runs the mapping, casts its columns and holds every row against the rules. A part has the rows that keep them all
(accepted.parquet), the rows that carry a name in place of a code (named.parquet), the rows that break a rule with their
reasons (quarantine.parquet), and a manifest with the counts. Where the mapping makes one record of several rows of a
file (`source_rows`), merged.parquet says of which.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from data.city import City, SourceFile
from data.codes import regions
from data.errors import SchemaError, SourceError, StorageError, did_you_mean
from data.files import (
    atomic_folder,
    fingerprint,
    read_sealed,
    remove_folder,
    sha256_of,
    source_fingerprint,
    write_sealed,
)
from data.progress import Progress
from data.quality import cast, literal, quote, row_rules, type_rule
from data.rows import REJECTED
from data.schemas import TABLES, Column, Table
from data.settings import Settings
from data.sources import Delivery, Sources, is_pattern, staged

MACROS = Path(__file__).parent / "macros"
_PROVENANCE = ("source_file", "source_row")
_CODE = ("data.schemas", "data.quality", "data.parts", "data.sources", "data.rows")
_FILES = ("accepted", "named", "quarantine", "merged")
_ROWS_OF = re.compile(r"rows_of\(\s*'([^']+)'\s*\)")


@dataclass(frozen=True)
class Plan:
    """One part to be had: a table, and the delivery that its mapping reads, None where it reads extracts alone."""

    table: Table
    mapping: Path
    files: tuple[SourceFile, ...]
    delivery: Delivery | None
    part_id: str


@dataclass(frozen=True)
class Part:
    """A part on disk: its folder, and its manifest (n_read = n_accepted + n_named + n_quarantined, n_flagged)."""

    plan: Plan
    folder: Path
    manifest: dict[str, Any]

    @property
    def accepted(self) -> Path:
        """Rows that keep every rule, sorted by entity."""
        return self.folder / "accepted.parquet"

    @property
    def named(self) -> Path:
        """Rows that keep every rule and carry a name, but no code."""
        return self.folder / "named.parquet"

    @property
    def quarantine(self) -> Path:
        """Rows that break a rule, with `reasons`."""
        return self.folder / "quarantine.parquet"

    @property
    def merged(self) -> Path:
        """Rows of the file (`merged_row`) that went into a record of another; there only where a mapping says so."""
        return self.folder / "merged.parquet"


def plan_parts(city: City, sources: Sources, table: str) -> list[Plan]:
    """Return the parts that a table is made of: one for each delivery that its mapping reads, else one in all."""
    mapping = city.folder / "sources" / f"{table}.sql"
    text = _select_of(mapping)
    files = tuple(file for file in city.sources.files if file.path in text) or city.sources.files
    patterns = [file for file in files if is_pattern(file)]
    if len(patterns) > 1:
        raise SchemaError(
            f"{mapping} must read at most one path with '*', it reads {', '.join(f.path for f in patterns)}. "
            "Map each kind of delivery by itself."
        )
    extracts = {file.path: sources.extracts[file.path] for file in files if not is_pattern(file)}
    deliveries: list[Delivery | None] = [*sources.of_pattern(patterns[0].path)] if patterns else [None]
    declared = [file.model_dump() for file in files]
    common = (table, sha256_of(mapping), _macros(), source_fingerprint(*_CODE), declared, str(city.sources.taken_on))
    return [Plan(TABLES[table], mapping, files, d, fingerprint(common, extracts, str(d))) for d in deliveries]


def have_part(plan: Plan, city: City, settings: Settings, progress: Progress) -> Part:
    """Return a part; build it unless it is there, whole and undamaged."""
    folder = settings.var / "cities" / city.name / "parts" / f"{plan.table.name}-{plan.part_id}"
    of = f"{plan.table.name} of {plan.delivery.path}" if plan.delivery else plan.table.name
    if (folder / "manifest.json").is_file():
        if not damage_of_part(folder):
            progress(f"  {of}: unchanged, skipped")
            return Part(plan, folder, read_sealed(folder / "manifest.json"))
        progress(f"  {of}: what was kept of it is damaged, read again")
        remove_folder(folder)
    with atomic_folder(folder) as beside:
        counts = _build(plan, city, settings, beside)
        about = {"part_id": plan.part_id, "delivery": vars(plan.delivery) if plan.delivery else None}
        write_sealed(beside / "manifest.json", {**about, **counts, "sha256": _hashes(beside)})
    part = Part(plan, folder, read_sealed(folder / "manifest.json"))
    named = f", {part.manifest['n_named']:,} to be linked by name" if part.manifest["n_named"] else ""
    progress(f"  {of}: {part.manifest['n_accepted']:,} rows{named}, {part.manifest['n_quarantined']:,} to quarantine")
    return part


def damage_of_part(folder: Path) -> Path | None:
    """Return the first file of a part that is not as it was written; None where all are."""
    try:
        written: dict[str, str] = read_sealed(folder / "manifest.json")["sha256"]
    except (StorageError, FileNotFoundError):
        return folder / "manifest.json"
    found = _hashes(folder)
    names = (name for name in _FILES if written.get(name) != found.get(name))
    return next((folder / f"{name}.parquet" for name in names), None)


def connect(
    threads: int, staging: Path | None = None, city: City | None = None, delivery: Delivery | None = None
) -> duckdb.DuckDBPyConnection:
    """Open DuckDB with the macros, and what a mapping reads: variables, and the regions of GB/T 2260."""
    connection = duckdb.connect(config={"threads": threads, "preserve_insertion_order": True})
    _create_regions(connection)
    # The others use the macros of names.sql.
    for macro in sorted(MACROS.glob("*.sql"), key=lambda path: (path.name != "names.sql", path.name)):
        connection.execute(macro.read_text(encoding="utf-8"))
    if staging is not None and city is not None:
        connection.execute(f"SET VARIABLE source_folder = {literal(str(staging))}")
        units = [f"{literal(file.path)}: {literal(file.amount_unit or '')}" for file in city.sources.files]
        connection.execute(f"SET VARIABLE amount_units = MAP {{{', '.join(units)}}}")
        taken_on = _taken_on(city, delivery)
        connection.execute(f"SET VARIABLE taken_on = {f'DATE {literal(str(taken_on))}' if taken_on else 'NULL::DATE'}")
    return connection


def _build(plan: Plan, city: City, settings: Settings, folder: Path) -> dict[str, int]:
    table, mapping = plan.table, plan.mapping
    with (
        staged(city, settings, plan.files, plan.delivery, _read_by_row(plan)) as staging,
        connect(settings.threads, staging, city, plan.delivery) as connection,
    ):
        connection.execute(f"SET temp_directory = {literal(str(folder / '.spill'))}")
        raw_types = _describe(connection, mapping, table)
        with _mapping_errors_explained(mapping):
            connection.execute(_staging_sql(mapping, table, raw_types, _taken_on(city, plan.delivery)))
        _mark_duplicates(connection, table)
        _add_rejected(connection, staging)
        counts = _count(connection, table)
        if counts["n_read"] == 0 and plan.delivery is None:
            raise SchemaError(f"{mapping} must yield rows, it yields none. Is the source file empty or filtered away?")
        _publish(connection, table, folder)
    shutil.rmtree(folder / ".spill", ignore_errors=True)
    return counts


def _taken_on(city: City, delivery: Delivery | None) -> Any:
    return delivery.received_on if delivery and delivery.received_on else city.sources.taken_on


def _describe(connection: duckdb.DuckDBPyConnection, mapping: Path, table: Table) -> dict[str, str]:
    """Return the columns that a mapping yields with their types; SchemaError where they are not the table's."""
    query = _select_of(mapping)
    with _mapping_errors_explained(mapping):
        rows = connection.execute(f"DESCRIBE {query}").fetchall()
    types = {str(row[0]): str(row[1]) for row in rows}
    for name in types:
        if name not in (*table.column_names, "source_rows"):
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


def _staging_sql(mapping: Path, table: Table, raw_types: dict[str, str], taken_on: Any) -> str:
    typed, type_rules = [], []
    for column in table.columns:
        typed.append(f"{_typed_value(column, raw_types, mapping)} AS {quote(column.name)}")
        if column.name in raw_types and raw_types[column.name] != column.type:
            type_rules.append(type_rule(column, raw_types[column.name]))
    typed.append(f"CAST({'raw.source_rows' if 'source_rows' in raw_types else 'NULL'} AS BIGINT[]) AS source_rows")
    given = [c for c in table.columns if c.derived or c.default]
    replaced = ", ".join(f"{_late_value(c)} AS {quote(c.name)}" for c in given)
    rules = [*row_rules(table), *_taken_on_rules(taken_on)]
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


def _taken_on_rules(taken_on: Any) -> list[str]:
    if taken_on is None:
        return []
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


def _read_by_row(plan: Plan) -> frozenset[str]:
    """Return the declared paths that a mapping reads through `rows_of`."""
    read = frozenset(_ROWS_OF.findall(_select_of(plan.mapping)))
    declared = [file.path for file in plan.files]
    for path in read - set(declared):
        raise SchemaError(
            f"{plan.mapping} reads rows_of('{path}'), which city.toml does not declare.{did_you_mean(path, declared)} "
            "Add it to [sources] files."
        )
    return read


def _add_rejected(connection: duckdb.DuckDBPyConnection, staging: Path) -> None:
    """Bring the records that could not be shown to the mapping to the quarantine."""
    if any((staging / REJECTED).rglob("*.parquet")):
        pattern = literal(str(staging / REJECTED / "**" / "*.parquet"))
        connection.execute(
            f"INSERT INTO staged BY NAME SELECT source_file, source_row, reasons FROM read_parquet({pattern})"
        )


def _create_regions(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the table behind `region_of_text`: counties by code, with the name that stands before 区, 县 or 市."""
    known = regions()
    named = pa.table({"code": list(known), "name": list(known.values())})
    connection.register("named_regions", named)
    connection.execute("""
        CREATE TEMP TABLE regions AS
        SELECT code, left(code, 2) AS province_code, left(name, len(name) - 1) AS stem
        FROM named_regions WHERE code NOT LIKE '%00'
    """)
    connection.unregister("named_regions")


def _count(connection: duckdb.DuckDBPyConnection, table: Table) -> dict[str, int]:
    named = _is_named(table)
    accepted = f"len(reasons) = 0 AND NOT ({named})"
    row = connection.execute(
        f"""SELECT count(*), count(*) FILTER ({accepted}), count(*) FILTER (len(reasons) = 0 AND {named}),
            count(*) FILTER (len(reasons) > 0) FROM staged"""
    ).fetchone()
    # Check characters are dear to compute: once for each code.
    flagged = connection.execute(
        f"""SELECT coalesce(sum(n), 0) FROM (
            SELECT entity_id, count(*) AS n FROM staged WHERE {accepted} AND len(entity_id) = 18 GROUP BY entity_id
        ) WHERE NOT uscc_is_valid(entity_id)"""
    ).fetchone()
    assert row is not None, "an aggregate always yields a row"
    assert flagged is not None, "an aggregate always yields a row"
    names = ("n_read", "n_accepted", "n_named", "n_quarantined", "n_flagged")
    return {name: int(n) for name, n in zip(names, (*row, *flagged), strict=True)}


def _publish(connection: duckdb.DuckDBPyConnection, table: Table, folder: Path) -> None:
    names, named = ", ".join(quote(name) for name in table.column_names), _is_named(table)
    by_row = "ORDER BY source_file, source_row"
    queries = {
        "accepted": f"SELECT {names} FROM staged WHERE len(reasons) = 0 AND NOT ({named}) {order_of(table)}",
        "named": f"SELECT {names} FROM staged WHERE len(reasons) = 0 AND {named} {by_row}",
        "quarantine": f"SELECT reasons, {names} FROM staged WHERE len(reasons) > 0 {by_row}",
    }
    if _any_merged(connection):
        queries["merged"] = f"""SELECT source_file, source_row, merged_row FROM (
            SELECT source_file, source_row, unnest(source_rows) AS merged_row FROM staged
        ) {by_row}, merged_row"""
    for name, query in queries.items():
        write_parquet(connection, query, folder / f"{name}.parquet")


def _any_merged(connection: duckdb.DuckDBPyConnection) -> bool:
    return connection.execute("SELECT 1 FROM staged WHERE source_rows IS NOT NULL LIMIT 1").fetchone() is not None


def write_parquet(connection: duckdb.DuckDBPyConnection, query: str, target: Path) -> None:
    """Write what a query yields as tables of records are kept; the same rows in the same order give the same bytes."""
    connection.execute(
        f"COPY ({query}) TO {literal(str(target))} (FORMAT parquet, COMPRESSION lz4_raw, ROW_GROUP_SIZE 122880)"
    )


def order_of(table: Table) -> str:
    """Return the ORDER BY of a table of records: an entity's rows lie together, by the day they became known."""
    columns = dict.fromkeys(("entity_id", "known_at", *table.key, "source_row"))
    return f"ORDER BY {', '.join(quote(name) for name in columns)}"


def _is_named(table: Table) -> str:
    """Return the condition for a row that has to be linked by its name."""
    return "false" if table.name == "entities" else "entity_id IS NULL AND entity_name IS NOT NULL"


def _macros() -> list[str]:
    return [sha256_of(path) for path in sorted(MACROS.glob("*.sql"))]


def _hashes(folder: Path) -> dict[str, str]:
    return {name: sha256_of(path) for name in _FILES if (path := folder / f"{name}.parquet").is_file()}


def _select_of(mapping: Path) -> str:
    try:
        return mapping.read_text(encoding="utf-8").strip().rstrip(";")
    except UnicodeDecodeError as error:
        raise SourceError(f"{mapping} must be in UTF-8: {error}. Save it in UTF-8.") from error


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
