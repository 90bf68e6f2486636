"""The records of a city: canonical tables as Parquet, immutable, addressed by what went into them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from data.assembly import assemble, share
from data.city import City
from data.errors import NotFoundError, StorageError, did_you_mean
from data.files import (
    atomic_folder,
    fingerprint,
    read_json,
    read_sealed,
    sha256_of,
    source_fingerprint,
    spill_beside,
    write_json,
    write_sealed,
)
from data.linking import link_parts, linkage_fingerprint
from data.parts import Part, have_parts, plan_parts
from data.progress import Progress
from data.schemas import TABLES
from data.settings import Settings
from data.sources import Delivery, find_sources


@dataclass(frozen=True)
class Records:
    """Canonical tables of a city.

    Attributes
    ----------
    city_name : str
        The city's name.
    folder : Path
        Where tables/, quarantine/ and manifest.json lie.
    records_id : str
        Stands for everything that went in: files, mappings, declarations, code and decisions on links.
    manifest : dict
        sources (SHA-256 of the extracts), deliveries in the order in which they came, and per table the counts of
        data.assembly.TableCount, parts and table_id (what it was made from) and the SHA-256 of its Parquet file; files
        holds the SHA-256 of all other files below the folder.
    indicator_parameters : mapping
        What the city declares of its indicators' parameters: what is worked out from the records follows it.
    """

    city_name: str
    folder: Path
    records_id: str
    manifest: dict[str, Any]
    indicator_parameters: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def tables(self) -> dict[str, Path]:
        """Paths of the tables that the city maps."""
        return {name: self.folder / "tables" / f"{name}.parquet" for name in self.manifest["tables"]}

    @property
    def n_records(self) -> int:
        """Accepted rows over all tables."""
        return sum(int(t["n_accepted"]) for t in self.manifest["tables"].values())

    @property
    def n_quarantined(self) -> int:
        """Rows in quarantine over all tables."""
        return sum(int(t["n_quarantined"]) for t in self.manifest["tables"].values())

    def connect(self, threads: int | None = None) -> Any:
        """Return an Ibis backend on DuckDB with one view for each mapped table; it spills beside the records."""
        # Half a second that bringing records in does not need.
        import ibis

        # DuckDB makes the folder where memory does not suffice, and removes it; `prune` that of a killed run.
        spill = str(spill_beside(self.folder.parent))
        backend = ibis.duckdb.connect(threads=threads or os.cpu_count() or 1, temp_directory=spill)
        for name, path in self.tables.items():
            backend.read_parquet(str(path), table_name=name)
        return backend


def ingest(city: City, settings: Settings, progress: Progress = print, received_on: date | None = None) -> Records:
    """Bring in what is new of a city's files, and publish its tables; what is there already is not read again.

    Parameters
    ----------
    received_on : date, optional
        Day on which new deliveries (files of a path with `*`) came; by default today.

    Raises
    ------
    SourceError, SchemaError
        Where a file or a mapping is not as declared; nothing is changed then.
    PointInTimeError
        Where new deliveries would lie before those that are in force.
    """
    home = _home(city, settings)
    progress("Looking for new source files.")
    sources = find_sources(city, settings, _deliveries_so_far(home), received_on)
    if sources.deliveries:
        progress(f"  {len(sources.deliveries) - sources.n_new} deliveries are in already, {sources.n_new} are new")
    plans = {table: plan_parts(city, sources, table) for table in city.mapped_tables}
    linkage = linkage_fingerprint(city, settings)
    records_id = fingerprint({t: [p.part_id for p in parts] for t, parts in plans.items()}, linkage, _code())
    folder = home / records_id
    missing = _missing(folder) if (folder / "manifest.json").is_file() else None
    if missing == []:
        progress(f"Records {records_id} are there already, files and mappings are unchanged: skipped.")
    else:
        parts = iter(have_parts([plan for of_table in plans.values() for plan in of_table], city, settings, progress))
        tables = {table: [next(parts) for _ in of_table] for table, of_table in plans.items()}
        with atomic_folder(folder) as beside:
            manifest: dict[str, Any] = {"records_id": records_id, "sources": sources.extracts}
            manifest["deliveries"] = [vars(delivery) for delivery in sources.deliveries]
            manifest["tables"] = _assemble(city, settings, tables, beside, _current(home), progress)
            manifest["files"] = _other_files(beside)
            write_sealed(beside / "manifest.json", manifest)
            if missing:
                _mend(folder, beside, missing, progress)
    write_json(home / "current.json", {"records_id": records_id})
    return open_records(city, settings)


def open_records(city: City, settings: Settings, records_id: str | None = None) -> Records:
    """Return the records that were brought in last, or earlier ones by their id; NotFoundError where there are none."""
    home = _home(city, settings)
    if records_id is None:
        if not (home / "current.json").is_file():
            raise NotFoundError(f"{city.name} has no records yet. Run `qianfen ingest {city.name}`.")
        records_id = str(read_json(home / "current.json")["records_id"])
    elif not (home / records_id).is_dir():
        there = sorted(path.name for path in home.glob("[!.]*/"))
        raise NotFoundError(f"{city.name} has no records {records_id}.{did_you_mean(records_id, there)}")
    folder = home / records_id
    if not (folder / "manifest.json").is_file():
        raise StorageError(f"{folder} must hold records, it is incomplete. Run `qianfen ingest {city.name}`.")
    return Records(city.name, folder, records_id, read_manifest(folder), city.indicators)


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of a folder of records; StorageError where a bit is not as it was written."""
    return read_sealed(folder / "manifest.json", "Restore it from a copy: it alone says when each delivery came.")


def sha256_of_files(manifest: dict[str, Any]) -> dict[str, str]:
    """Return the SHA-256 of every file of records but the manifest, by its path below the folder."""
    tables = {f"tables/{name}.parquet": table["sha256"] for name, table in manifest["tables"].items()}
    return {**tables, **manifest["files"]}


def _assemble(
    city: City, settings: Settings, tables: dict[str, list[Part]], folder: Path, before: Path | None, progress: Progress
) -> dict[str, Any]:
    """Make every table from its parts, or share the one of the records in force where nothing went in since."""
    for name in ("tables", "quarantine"):
        (folder / name).mkdir()
    earlier = read_manifest(before) if before else {"tables": {}, "files": {}}
    known = earlier["tables"]
    links: Path | None = None
    manifest: dict[str, Any] = {}
    # The register comes first: names are linked to it.
    for name, parts in sorted(tables.items(), key=lambda item: item[0] != "entities"):
        named = any(part.manifest["n_named"] for part in parts)
        if named and links is None:
            links = link_parts(city, settings, tables, folder, progress)
        part_ids = [part.plan.part_id for part in parts]
        table_id = fingerprint(part_ids, sha256_of(links) if named and links else "", _code())
        if before and known.get(name, {}).get("table_id") == table_id and _is_undamaged(before, name, earlier):
            for kind in ("tables", "quarantine"):
                share(before / kind / f"{name}.parquet", folder / kind / f"{name}.parquet")
            manifest[name] = known[name]
            continue
        count = assemble(TABLES[name], parts, links, folder, settings.threads)
        if count.n_repeated or count.n_corrected:
            progress(f"  {name}: {count.n_repeated:,} rows said nothing new, {count.n_corrected:,} were corrected")
        # A table of one part is that part's file, whose hash was taken when it was written or looked at.
        path, shared = folder / "tables" / f"{name}.parquet", len(parts) == 1 and not named
        sha256 = parts[0].manifest["sha256"]["accepted"] if shared else sha256_of(path)
        manifest[name] = {**asdict(count), "parts": part_ids, "table_id": table_id, "sha256": sha256}
    return {name: manifest[name] for name in TABLES if name in manifest}


def _is_undamaged(folder: Path, table: str, manifest: dict[str, Any]) -> bool:
    hashes = sha256_of_files(manifest)
    files = [f"tables/{table}.parquet", f"quarantine/{table}.parquet"]
    return all((folder / file).is_file() and sha256_of(folder / file) == hashes[file] for file in files)


def _other_files(folder: Path) -> dict[str, str]:
    paths = sorted(path for path in folder.rglob("*.parquet") if path.parent.name != "tables")
    return {str(path.relative_to(folder)): sha256_of(path) for path in paths}


def _missing(folder: Path) -> list[str]:
    return [file for file in sha256_of_files(read_manifest(folder)) if not (folder / file).is_file()]


def _mend(folder: Path, again: Path, missing: list[str], progress: Progress) -> None:
    """Put what is missing of published records back in its place, once it is known to be the same."""
    hashes = sha256_of_files(read_manifest(folder))
    for file in missing:
        if not (again / file).is_file() or sha256_of(again / file) != hashes[file]:
            raise StorageError(f"{folder / file} is missing and could not be made again as it was. Restore it.")
        (again / file).rename(folder / file)
        progress(f"  {file} was missing, it was made again as it was")


def _current(home: Path) -> Path | None:
    """Return the folder of the records in force; None before the first."""
    pointer = home / "current.json"
    if not pointer.is_file():
        return None
    folder = home / str(read_json(pointer)["records_id"])
    if not (folder / "manifest.json").is_file():
        # To go on as if these were the first would date every delivery back to the beginning.
        raise StorageError(
            f"{pointer} must name records that are there, {folder.name} are not. Restore them from a copy. Or remove "
            f"{pointer} and begin anew: on which days deliveries came is then forgotten."
        )
    return folder


def _deliveries_so_far(home: Path) -> tuple[Delivery, ...]:
    current = _current(home)
    manifest = read_manifest(current) if current else {}
    return tuple(Delivery.from_json(content) for content in manifest.get("deliveries", ()))


def _home(city: City, settings: Settings) -> Path:
    return settings.var / "cities" / city.name / "records"


def _code() -> str:
    return source_fingerprint("data.assembly", "data.records")
