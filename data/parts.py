"""Parts: what one mapping makes of its files, or of one delivery. Immutable, addressed by what went into them.

DuckDB runs the mapping, casts its columns and holds every row against the rules. A part has the rows that keep them all
(accepted.parquet), the rows that carry a name in place of a code (named.parquet), the rows that break a rule with their
reasons (quarantine.parquet), and a manifest with the counts. Where the mapping makes one record of several rows of a
file (`source_rows`), merged.parquet says of which.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from data.city import City, SourceFile
from data.connection import connect, macro_hashes, show
from data.errors import SchemaError, StorageError, did_you_mean
from data.files import (
    atomic_folder,
    fingerprint,
    read_sealed,
    remove_folder,
    sha256_of,
    source_fingerprint,
    spill_beside,
    write_sealed,
)
from data.progress import Progress
from data.quality import literal
from data.schemas import TABLES, Table
from data.settings import Settings
from data.sources import Delivery, Sources, archived, is_pattern, staged
from data.staging import select_of, stage
from data.writing import write_files

_CODE = (
    "data.schemas",
    "data.quality",
    "data.columns",
    "data.parts",
    "data.connection",
    "data.ordering",
    "data.sources",
    "data.rows",
    "data.staging",
    "data.uscc",
    "data.writing",
)
# Each holds its rows in memory: more at once would take more of it than they save time.
_AT_ONCE = 4
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
    mapping, files = _mapping_of(city, table), files_read(city, table)
    patterns = [file for file in files if is_pattern(file)]
    if len(patterns) > 1:
        raise SchemaError(
            f"{mapping} must read at most one path with '*', it reads {', '.join(f.path for f in patterns)}. "
            "Map each kind of delivery by itself."
        )
    extracts = {file.path: sources.extracts[file.path] for file in files if not is_pattern(file)}
    deliveries: list[Delivery | None] = [*sources.of_pattern(patterns[0].path)] if patterns else [None]
    declared = [file.model_dump() for file in files]
    code = (macro_hashes(), source_fingerprint(*_CODE))
    common = (table, sha256_of(mapping), *code, declared, str(city.sources.taken_on))
    return [Plan(TABLES[table], mapping, files, d, fingerprint(common, extracts, str(d))) for d in deliveries]


def files_read(city: City, table: str) -> tuple[SourceFile, ...]:
    """Return the declared files that the mapping of a table names; all of them where it names none."""
    text = select_of(_mapping_of(city, table))
    return tuple(file for file in city.sources.files if file.path in text) or city.sources.files


def have_parts(plans: Sequence[Plan], city: City, settings: Settings, progress: Progress) -> list[Part]:
    """Return the parts of plans in their order; build those that are not there, whole and undamaged.

    Several are built at once and share the threads: one part alone keeps only one of them busy for most of the time.
    """
    # A delivery may stand in several plans: it came, was corrected, and came again as it was.
    once = {plan.part_id: plan for plan in plans}
    n_missing = sum(not (_folder(plan, city, settings) / "manifest.json").is_file() for plan in once.values())
    at_once = max(1, min(_AT_ONCE, settings.threads, n_missing))
    # What is large comes first, so that no thread is left alone with it at the end.
    by_size = sorted(once.values(), key=lambda plan: _size(plan, city, settings), reverse=True)
    shared = _database(city, settings, at_once) if n_missing else nullcontext()
    with shared as database, ThreadPoolExecutor(at_once) as executor:
        futures = {plan.part_id: executor.submit(_have_part, plan, city, settings, database) for plan in by_size}
        try:
            return [_told(futures[plan.part_id].result(), progress) for plan in plans]
        except BaseException:
            # What others are at is brought to its end and kept; nothing more is begun.
            executor.shutdown(cancel_futures=True)
            raise


@contextmanager
def _database(city: City, settings: Settings, at_once: int) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a DuckDB in which parts are read, its macros made once for all of them."""
    spill = spill_beside(_home(city, settings))
    # The thread that builds a part works for it too.
    try:
        with connect(settings.threads - at_once + 1) as connection:
            connection.execute(f"SET temp_directory = {literal(str(spill))}")
            yield connection
    finally:
        shutil.rmtree(spill, ignore_errors=True)


def _told(had: tuple[Part, list[str]], progress: Progress) -> Part:
    part, said = had
    for line in said:
        progress(line)
    return part


def _have_part(
    plan: Plan, city: City, settings: Settings, database: duckdb.DuckDBPyConnection | None
) -> tuple[Part, list[str]]:
    """Return a part and what to say of it."""
    folder, said = _folder(plan, city, settings), []
    of = f"{plan.table.name} of {plan.delivery.path}" if plan.delivery else plan.table.name
    if (folder / "manifest.json").is_file():
        if not damage_of_part(folder):
            return Part(plan, folder, read_sealed(folder / "manifest.json")), [f"  {of}: unchanged, skipped"]
        said.append(f"  {of}: what was kept of it is damaged, read again")
        remove_folder(folder)
    with atomic_folder(folder) as beside:
        counts = _build(plan, city, settings, database, beside)
        about = {"part_id": plan.part_id, "delivery": vars(plan.delivery) if plan.delivery else None}
        write_sealed(beside / "manifest.json", {**about, **counts, "sha256": _hashes(beside)})
    manifest = read_sealed(folder / "manifest.json")
    named = f", {manifest['n_named']:,} to be linked by name" if manifest["n_named"] else ""
    said.append(f"  {of}: {manifest['n_accepted']:,} rows{named}, {manifest['n_quarantined']:,} to quarantine")
    return Part(plan, folder, manifest), said


def damage_of_part(folder: Path) -> Path | None:
    """Return the first file of a part that is not as it was written; None where all are."""
    try:
        written: dict[str, str] = read_sealed(folder / "manifest.json")["sha256"]
    except (StorageError, FileNotFoundError):
        return folder / "manifest.json"
    found = _hashes(folder)
    names = (name for name in _FILES if written.get(name) != found.get(name))
    return next((folder / f"{name}.parquet" for name in names), None)


def _build(
    plan: Plan, city: City, settings: Settings, database: duckdb.DuckDBPyConnection | None, folder: Path
) -> dict[str, int]:
    table, mapping = plan.table, plan.mapping
    taken_on = plan.delivery.received_on if plan.delivery and plan.delivery.received_on else city.sources.taken_on
    with (
        # A part that was damaged is made again by itself.
        nullcontext(database) if database else _database(city, settings, at_once=1) as read_in,
        staged(city, settings, plan.files, plan.delivery, _read_by_row(plan)) as staging,
        show(read_in, staging, city, taken_on) as connection,
    ):
        rows = stage(connection, mapping, table, taken_on, staging)
    counts = write_files(rows, table, folder)
    if counts["n_read"] == 0 and plan.delivery is None:
        raise SchemaError(f"{mapping} must yield rows, it yields none. Is the source file empty or filtered away?")
    return counts


def _mapping_of(city: City, table: str) -> Path:
    return city.folder / "sources" / f"{table}.sql"


def _home(city: City, settings: Settings) -> Path:
    return settings.var / "cities" / city.name / "parts"


def _folder(plan: Plan, city: City, settings: Settings) -> Path:
    return _home(city, settings) / f"{plan.table.name}-{plan.part_id}"


def _size(plan: Plan, city: City, settings: Settings) -> int:
    """Return the bytes of the files that a plan reads."""
    paths = [city.source_folder(settings) / file.path for file in plan.files if not is_pattern(file)]
    paths += [archived(city, settings, plan.delivery.sha256)] if plan.delivery else []
    return sum(path.stat().st_size for path in paths if path.is_file())


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


def _hashes(folder: Path) -> dict[str, str]:
    return {name: sha256_of(path) for name in _FILES if (path := folder / f"{name}.parquet").is_file()}
