"""Snapshots: the matrix as of a date, on disk, immutable, with a manifest that says what it was made from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data.errors import NotFoundError, StorageError
from data.files import atomic_folder, fingerprint, read_sealed, sha256_of, source_fingerprint, write_sealed
from data.progress import Progress
from data.records import Records
from data.settings import Settings
from features.catalogue import catalogue_of
from features.engines import records_on, rows_of
from features.matrix import build_matrix
from features.pairs import matrix_for_pairs
from features.panel import build_panel

ROWS_IN_A_GROUP = 20_000
"""Rows of a Parquet row group: a look-up of one entity decodes one group."""

# What shapes a matrix beside the records and the formulas in the catalogue's hash.
CODE = (
    "features.point_in_time",
    "features.matrix",
    "features.pairs",
    "features.compact",
    "features.panel",
    "features.sharing",
)


_RowsIn = Callable[[Path], Iterator[pa.RecordBatch]]


@dataclass(frozen=True)
class Snapshot:
    """The indicators of everybody as of one date, or of stated pairs of entity and date.

    Attributes
    ----------
    folder : Path
        Where matrix.parquet and manifest.json lie.
    manifest : dict
        snapshot_id, as_of_date (None for pairs), engine, catalogue_hash, formulas (hash by indicator), indicators,
        records_id, records (SHA-256 per table), n_entities, n_rows, share_missing (per indicator), sha256 of the
        Parquet file.
    """

    folder: Path
    manifest: dict[str, Any]

    @property
    def snapshot_id(self) -> str:
        """Stand for the records, the date or pairs, and the formulas that went in."""
        return str(self.manifest["snapshot_id"])

    @property
    def as_of_date(self) -> date | None:
        """The date; None for pairs."""
        text = self.manifest["as_of_date"]
        return date.fromisoformat(text) if text else None

    @property
    def path(self) -> Path:
        """Parquet file: entity_id, as_of_date and the indicators as float64, null where missing."""
        return self.folder / "matrix.parquet"

    @property
    def indicators(self) -> tuple[str, ...]:
        """Names of the indicators, in the order of the columns."""
        return tuple(self.manifest["indicators"])

    def read(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Return the matrix, sorted by entity_id; missing is NaN. `columns` picks some, in that order."""
        return _as_frame(pq.read_table(self.path, columns=list(columns) if columns is not None else None))

    def lookup(self, entity_ids: Iterable[str]) -> pd.DataFrame:
        """Return the rows of some entities, sorted by entity_id; entities that are not there have no row."""
        wanted = pa.array(sorted(set(entity_ids)), pa.string())
        return _as_frame(pq.read_table(self.path, filters=pc.field("entity_id").isin(wanted)))

    def verify(self) -> None:
        """Raise StorageError where the Parquet file is not the one that was written."""
        if not self.path.is_file() or sha256_of(self.path) != self.manifest["sha256"]:
            raise StorageError(f"{self.path} must be as it was written, it is not. Remove {self.folder} and run again.")


def build_snapshot(records: Records, as_of_date: date, settings: Settings, progress: Progress = print) -> Snapshot:
    """Return the snapshot as of a date; build it on the engine of the settings unless it is there already.

    Raises
    ------
    PointInTimeError
        Where no entity was known as of the date.
    ConfigurationError
        Where the engine is Spark, and Spark is not installed or does not start.
    """
    return build_snapshots(records, [as_of_date], settings, progress)[0]


def build_snapshots(
    records: Records, as_of_dates: Sequence[date], settings: Settings, progress: Progress = print
) -> list[Snapshot]:
    """Return the snapshots as of some dates, in that order; those that are not there are built from one reading.

    Each is published as soon as it is whole, so that a killed run goes on where it was. Raises as `build_snapshot`.
    """
    ids = {day: _snapshot_id(records, day.isoformat(), settings) for day in as_of_dates}
    folders = {day: snapshots_folder(settings, records.city_name) / f"{day.isoformat()}-{ids[day]}" for day in ids}
    for day in ids:
        if _is_whole(folders[day]):
            progress(f"Snapshot as of {day} is there already: skipped.")
    missing = sorted(day for day in ids if not _is_whole(folders[day]))
    if missing:
        progress(f"Building the indicators as of {', '.join(map(str, missing))}.")
    for day, rows in _rows_by_date(records, missing, settings) if missing else ():
        with atomic_folder(folders[day]) as beside:
            n_rows = _write(beside, rows(beside), records, ids[day], day.isoformat(), settings.engine)
        progress(f"Snapshot {ids[day]} as of {day}: {n_rows} entities.")
    return [_open(folders[day]) for day in as_of_dates]


def _rows_by_date(records: Records, dates: Sequence[date], settings: Settings) -> Iterator[tuple[date, _RowsIn]]:
    """Yield each date with what, given a folder to work in, yields its rows sorted by entity."""
    if settings.engine == "duckdb":
        for day, table in zip(dates, build_panel(records, dates, threads=settings.threads), strict=True):
            yield day, partial(_batches_of, table)
        return
    there = records_on(records, settings)
    for day in dates:
        matrix = build_matrix(there, [day], threads=settings.threads).order_by("entity_id")
        yield day, partial(rows_of, matrix)


def _batches_of(table: pa.Table, _folder: Path) -> Iterator[pa.RecordBatch]:
    yield from table.to_batches()


def build_pairs_snapshot(
    records: Records, pairs: pd.DataFrame, label: str, settings: Settings, progress: Progress = print
) -> Snapshot:
    """Return the snapshot of stated pairs (columns entity_id, as_of_date); build it unless it is there already.

    The file has one row for each distinct pair, sorted by as_of_date, then entity_id. `label` names the folder.
    """
    keys = pairs.assign(as_of_date=pd.to_datetime(pairs["as_of_date"]).dt.strftime("%Y-%m-%d"))
    asked = sorted(set(zip(keys["entity_id"].astype(str), keys["as_of_date"], strict=True)))
    snapshot_id = _snapshot_id(records, fingerprint(asked), settings)
    folder = snapshots_folder(settings, records.city_name) / f"{label}-{snapshot_id}"
    if _is_whole(folder):
        progress(f"Snapshot of {label} is there already: skipped.")
        return _open(folder)
    progress(f"Building the indicators of {len(asked)} pairs of entity and date ({label}).")
    there = records_on(records, settings)
    tables = matrix_for_pairs(there, pairs, threads=settings.threads)
    with atomic_folder(folder) as beside:
        batches = (batch for table in tables for batch in table.to_batches())
        n_rows = _write(beside, batches, records, snapshot_id, None, settings.engine)
    progress(f"Snapshot {snapshot_id} of {label}: {n_rows} rows.")
    return _open(folder)


def open_snapshot(records: Records, as_of_date: date, settings: Settings) -> Snapshot:
    """Return the snapshot as of a date; NotFoundError where it was not built from these records and formulas."""
    snapshot_id = _snapshot_id(records, as_of_date.isoformat(), settings)
    folder = snapshots_folder(settings, records.city_name) / f"{as_of_date.isoformat()}-{snapshot_id}"
    if not _is_whole(folder):
        raise NotFoundError(
            f"{records.city_name} has no snapshot as of {as_of_date} from its present records. "
            f"Run `qianfen features build {records.city_name} --as-of {as_of_date}`."
        )
    return _open(folder)


def snapshots_folder(settings: Settings, city_name: str) -> Path:
    """Return where the snapshots of a city lie, each in `<date>-<snapshot_id>`."""
    return settings.var / "cities" / city_name / "snapshots"


def load_snapshot(folder: Path) -> Snapshot:
    """Return the snapshot in a folder, whatever records and formulas it was made from."""
    if not _is_whole(folder):
        raise NotFoundError(f"{folder} must be the folder of a snapshot, it holds none. Build the snapshot first.")
    return _open(folder)


def write_rows(path: Path, batches: Iterable[pa.RecordBatch], names: Sequence[str]) -> None:
    """Write rows as a snapshot holds them, in groups of ROWS_IN_A_GROUP; no more than a group and a batch are held."""
    schema = pa.schema([("entity_id", pa.string()), ("as_of_date", pa.date32()), *((n, pa.float64()) for n in names)])
    # Most values stand once in a group: without dictionaries files are smaller, and are written in less time.
    with pq.ParquetWriter(path, schema, compression="zstd", use_dictionary=False) as writer:
        waiting = schema.empty_table()
        for batch in batches:
            given = pa.Table.from_batches([batch]).cast(schema)
            waiting = pa.concat_tables([waiting, given]) if waiting.num_rows else given
            whole = waiting.num_rows - waiting.num_rows % ROWS_IN_A_GROUP
            if whole:
                writer.write_table(waiting.slice(0, whole).combine_chunks(), row_group_size=ROWS_IN_A_GROUP)
                waiting = waiting.slice(whole)
        if waiting.num_rows:
            writer.write_table(waiting.combine_chunks(), row_group_size=ROWS_IN_A_GROUP)


def _write(
    folder: Path,
    batches: Iterable[pa.RecordBatch],
    records: Records,
    snapshot_id: str,
    as_of_date: str | None,
    engine: str,
) -> int:
    """Write the matrix and its manifest; the same rows give the same bytes, in whatever batches they come."""
    catalogue = catalogue_of(records)
    names = catalogue.names
    path = folder / "matrix.parquet"
    write_rows(path, batches, names)
    sources = {
        "snapshot_id": snapshot_id,
        "city": records.city_name,
        "as_of_date": as_of_date,
        "engine": engine,
        "catalogue_hash": catalogue.hash,
        "formulas": catalogue.hashes,
        "indicators": list(names),
        "records_id": records.records_id,
        "records": {name: table["sha256"] for name, table in records.manifest["tables"].items()},
    }
    matrix = pq.read_metadata(path)
    counts = {
        "n_entities": matrix.num_rows if as_of_date else len(pq.read_table(path, columns=["entity_id"])[0].unique()),
        "n_rows": matrix.num_rows,
        "share_missing": _share_missing(matrix),
        "sha256": sha256_of(path),
        "created_at": pd.Timestamp.now(tz="UTC").isoformat(timespec="seconds"),
    }
    write_sealed(folder / "manifest.json", sources | counts)
    return int(matrix.num_rows)


def _share_missing(matrix: pq.FileMetaData) -> dict[str, float]:
    """Return the share of missing values of each indicator, from what Parquet notes of each row group."""
    groups = [matrix.row_group(number) for number in range(matrix.num_row_groups)]
    columns = {matrix.schema.column(n).name: n for n in range(matrix.num_columns)}
    return {
        name: sum(group.column(n).statistics.null_count for group in groups) / max(matrix.num_rows, 1)
        for name, n in columns.items()
        if name not in ("entity_id", "as_of_date")
    }


def _snapshot_id(records: Records, what: str, settings: Settings) -> str:
    # Engines agree within 1e-9, and not to the last bit: each has its own snapshot.
    return fingerprint(records.records_id, what, settings.engine, catalogue_of(records).hash, source_fingerprint(*CODE))


def _is_whole(folder: Path) -> bool:
    return (folder / "manifest.json").is_file() and (folder / "matrix.parquet").is_file()


def _open(folder: Path) -> Snapshot:
    return Snapshot(folder, read_sealed(folder / "manifest.json"))


def _as_frame(table: pa.Table) -> pd.DataFrame:
    frame: pd.DataFrame = table.to_pandas(date_as_object=False)
    return frame
