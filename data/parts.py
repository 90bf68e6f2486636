"""Parts: what one mapping makes of its files, or of one delivery. Immutable, addressed by what went into them.

DuckDB runs the mapping, casts its columns and holds every row against the rules. A part has the rows that keep them all
(accepted.parquet), the rows that carry a name in place of a code (named.parquet), the rows that break a rule with their
reasons (quarantine.parquet), and a manifest with the counts. Where the mapping makes one record of several rows of a
file (`source_rows`), merged.parquet says of which.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from data.city import City, SourceFile
from data.codes import regions
from data.errors import SchemaError, StorageError, did_you_mean
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
from data.quality import literal, quote
from data.schemas import TABLES, Table
from data.settings import Settings
from data.sources import Delivery, Sources, is_pattern, staged
from data.staging import select_of, stage
from data.uscc import valid_usccs

MACROS = Path(__file__).parent / "macros"
_CODE = ("data.schemas", "data.quality", "data.parts", "data.sources", "data.rows", "data.staging", "data.uscc")
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


def plan_parts(city: City, sources: Sources, table: str) -> list[Plan]:
    """Return the parts that a table is made of: one for each delivery that its mapping reads, else one in all."""
    mapping = city.folder / "sources" / f"{table}.sql"
    text = select_of(mapping)
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
        merged = stage(connection, mapping, table, _taken_on(city, plan.delivery), staging)
        counts = _count(connection, table)
        if counts["n_read"] == 0 and plan.delivery is None:
            raise SchemaError(f"{mapping} must yield rows, it yields none. Is the source file empty or filtered away?")
        _publish(connection, table, folder, merged)
    shutil.rmtree(folder / ".spill", ignore_errors=True)
    return counts


def _taken_on(city: City, delivery: Delivery | None) -> date | None:
    return delivery.received_on if delivery and delivery.received_on else city.sources.taken_on


def _read_by_row(plan: Plan) -> frozenset[str]:
    """Return the declared paths that a mapping reads through `rows_of`."""
    read = frozenset(_ROWS_OF.findall(select_of(plan.mapping)))
    declared = [file.path for file in plan.files]
    for path in read - set(declared):
        raise SchemaError(
            f"{plan.mapping} reads rows_of('{path}'), which city.toml does not declare.{did_you_mean(path, declared)} "
            "Add it to [sources] files."
        )
    return read


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
    ).fetchall()[0]
    # Check characters are dear to compute: once for each code.
    codes = connection.sql(
        f"""SELECT entity_id, count(*) AS n FROM staged
        WHERE {accepted} AND len(entity_id) = 18 GROUP BY entity_id"""
    ).to_arrow_table()
    n_flagged = codes["n"].to_numpy()[~valid_usccs(codes["entity_id"].combine_chunks())].sum()
    names = ("n_read", "n_accepted", "n_named", "n_quarantined", "n_flagged")
    return {name: int(n) for name, n in zip(names, (*row, n_flagged), strict=True)}


def _publish(connection: duckdb.DuckDBPyConnection, table: Table, folder: Path, merged: bool) -> None:
    names, named = ", ".join(quote(name) for name in table.column_names), _is_named(table)
    # What is the same in every row is not carried through the sort.
    same = _same_in_every_row(connection, table)
    narrow = ", ".join(quote(name) for name in table.column_names if name not in same)
    widened = ", ".join(
        f"{same[name]} AS {quote(name)}" if name in same else quote(name) for name in table.column_names
    )
    by_row = "ORDER BY source_file, source_row"
    queries = {
        "accepted": f"""SELECT {widened} FROM (
            SELECT {narrow} FROM staged WHERE len(reasons) = 0 AND NOT ({named}) {order_of(table)}
        )""",
        "named": f"SELECT {names} FROM staged WHERE len(reasons) = 0 AND {named} {by_row}",
        "quarantine": f"SELECT reasons, {names} FROM staged WHERE len(reasons) > 0 {by_row}",
    }
    if merged:
        queries["merged"] = f"""SELECT source_file, source_row, merged_row FROM (
            SELECT source_file, source_row, unnest(source_rows) AS merged_row FROM staged
        ) {by_row}, merged_row"""
    for name, query in queries.items():
        write_parquet(connection, query, folder / f"{name}.parquet")


def _same_in_every_row(connection: duckdb.DuckDBPyConnection, table: Table) -> dict[str, str]:
    """Return the columns that are null in all rows, and the file where it is one, each with its value in SQL."""
    optional = [column for column in table.columns if not column.required]
    counts = ", ".join(f"count({quote(column.name)})" for column in optional)
    first, last, *given = connection.execute(
        f"SELECT min(source_file), max(source_file), {counts} FROM staged"
    ).fetchall()[0]
    same = {c.name: f"CAST(NULL AS {c.type})" for c, n in zip(optional, given, strict=True) if n == 0}
    return same | ({"source_file": literal(first)} if first is not None and first == last else {})


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
