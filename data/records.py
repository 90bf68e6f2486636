"""The records of a city: canonical tables as Parquet, immutable, addressed by what went into them."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import ibis

from data.city import City
from data.errors import NotFoundError, StorageError
from data.files import atomic_folder, fingerprint, read_json, sha256_of, source_fingerprint, write_json
from data.ingestion import MACROS, Progress, ingest_tables, source_paths
from data.settings import Settings

_CODE = ("data.schemas", "data.quality", "data.ingestion")


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
        Stands for everything that went in: files, mappings, declarations and code.
    manifest : dict
        Per table: rows read, accepted, quarantined, flagged, and the SHA-256 of the Parquet file.
    """

    city_name: str
    folder: Path
    records_id: str
    manifest: dict[str, Any]

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
        """Return an Ibis backend on DuckDB with one view for each mapped table."""
        backend = ibis.duckdb.connect(threads=threads or os.cpu_count() or 1)
        for name, path in self.tables.items():
            backend.read_parquet(str(path), table_name=name)
        return backend


def ingest(city: City, settings: Settings, progress: Progress = print) -> Records:
    """Bring a city's files in, unless the very same went in before.

    Raises
    ------
    SourceError, SchemaError
        Where a file or a mapping is not as declared; nothing is changed then.
    """
    home = _home(city, settings)
    progress("Reading the source files.")
    sources = {name: sha256_of(path) for name, path in source_paths(city, settings).items()}
    records_id = fingerprint(sources, _mappings(city), _macros(), source_fingerprint(*_CODE), str(city.sources))
    folder = home / records_id
    if (folder / "manifest.json").is_file():
        progress(f"Records {records_id} are there already, files and mappings are unchanged: skipped.")
    else:
        with atomic_folder(folder) as beside:
            counts = ingest_tables(city, settings, beside, progress)
            tables = {
                name: {**asdict(count), "sha256": sha256_of(beside / "tables" / f"{name}.parquet")}
                for name, count in counts.items()
            }
            write_json(beside / "manifest.json", {"records_id": records_id, "sources": sources, "tables": tables})
    write_json(home / "current.json", {"records_id": records_id})
    return open_records(city, settings)


def open_records(city: City, settings: Settings) -> Records:
    """Return the records that were brought in last; NotFoundError where there are none."""
    home = _home(city, settings)
    if not (home / "current.json").is_file():
        raise NotFoundError(f"{city.name} has no records yet. Run `qianfen ingest {city.name}`.")
    records_id = read_json(home / "current.json")["records_id"]
    folder = home / records_id
    if not (folder / "manifest.json").is_file():
        raise StorageError(f"{folder} must hold records, it is incomplete. Run `qianfen ingest {city.name}`.")
    return Records(city.name, folder, records_id, read_json(folder / "manifest.json"))


def _home(city: City, settings: Settings) -> Path:
    return settings.var / "cities" / city.name / "records"


def _mappings(city: City) -> dict[str, str]:
    return {t: sha256_of(city.folder / "sources" / f"{t}.sql") for t in city.mapped_tables}


def _macros() -> list[str]:
    return [sha256_of(path) for path in sorted(MACROS.glob("*.sql"))]
