"""Whole-population grading: every entity of a snapshot gets points, a grade and 36 contributions."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from data.city import City
from data.errors import ArtifactError, RequestError
from data.files import (
    UNFINISHED,
    atomic_folder,
    fingerprint,
    held,
    read_json,
    sha256_of,
    source_fingerprint,
    write_json,
)
from data.progress import Progress
from data.records import Records
from data.settings import Settings
from features.online import publish_online, remove_old_stores
from features.snapshots import ROWS_IN_A_GROUP, Snapshot
from serving.blocks import combine_blocks, grade_blocks
from serving.database import open_database
from serving.grades import STORED, put_in_force
from training.additive import AdditiveModel
from training.shap_tables import PARTS

_CODE = ("serving.grading", "serving.blocks", "training.additive", *(f"training.shap_tables.{name}" for name in PARTS))


@dataclass(frozen=True)
class Grading:
    """Grades of everybody as of one date by one model.

    Attributes
    ----------
    folder : Path
        Where grades.parquet and manifest.json lie.
    manifest : dict
        city, as_of_date, model_version, snapshot_id, catalogue_hash, n_entities, grade_counts, cut_points, vetoes,
        max_additivity_error_points, max_written_error_points, sha256.
    """

    folder: Path
    manifest: dict[str, Any]

    @property
    def path(self) -> Path:
        """Parquet file, sorted by entity_id: points and contributions of everybody."""
        return self.folder / "grades.parquet"

    @property
    def identity(self) -> dict[str, Any]:
        """What the database knows a grading by: as_of_date, model_version and snapshot_id."""
        return {
            "as_of_date": self.as_of_date,
            "model_version": self.model_version,
            "snapshot_id": str(self.manifest["snapshot_id"]),
        }

    @property
    def as_of_date(self) -> date:
        """Day as of which everybody is graded."""
        return date.fromisoformat(self.manifest["as_of_date"])

    @property
    def model_version(self) -> str:
        """Model that graded."""
        return str(self.manifest["model_version"])

    @property
    def n_entities(self) -> int:
        """Entities that were graded."""
        return int(self.manifest["n_entities"])

    @property
    def grade_counts(self) -> dict[str, int]:
        """Entities by grade, from the lowest risk to the highest."""
        return dict(self.manifest["grade_counts"])

    @property
    def max_additivity_error_points(self) -> float:
        """Largest distance between points and their sum of contributions over everybody, before clipping."""
        return float(self.manifest["max_additivity_error_points"])

    @property
    def max_written_error_points(self) -> float:
        """The same for the contributions as they are in the file: at most 1e-4."""
        return float(self.manifest["max_written_error_points"])


def grade_population(
    city: City,
    records: Records,
    settings: Settings,
    model: AdditiveModel,
    snapshot: Snapshot,
    progress: Progress = print,
    in_force: bool = True,
) -> Grading:
    """Grade everybody of a snapshot, unless that was done; with `in_force`, the city then stands by these grades.

    A run that was stopped goes on where it stood, and ends with the bytes of one that was not.

    Raises
    ------
    RequestError
        Where the snapshot is of pairs, or was made from other records.
    ArtifactError
        Where the model was made for other indicators than the snapshot.
    BusyError
        Where another process grades the city.
    StorageError
        Where the disk or the database refuses; the grades that were in force stay, and the blocks that are done.
    """
    if snapshot.manifest["records_id"] != records.records_id:
        raise RequestError(
            f"The snapshot as of {snapshot.as_of_date} must be made from the records {records.records_id}, "
            f"it was made from {snapshot.manifest['records_id']}. Build it from these records."
        )
    grading = grade_snapshot(city, settings, model, snapshot, progress)
    if in_force:
        _publish(city, settings, grading, snapshot, progress)
    return grading


def grade_snapshot(
    city: City, settings: Settings, model: AdditiveModel, snapshot: Snapshot, progress: Progress = print
) -> Grading:
    """Grade everybody of a snapshot to files, unless that was done, whatever records it was made from.

    Raises as `grade_population`; the database is left alone.
    """
    _refuse_mismatch(city, model, snapshot)
    folder = _folder(city, settings, model, snapshot)
    if (folder / "manifest.json").is_file():
        progress(f"Grades as of {snapshot.as_of_date} by model {model.model_version} are there already: skipped.")
    with held(folder.parent / ".lock"):
        _grade_to(folder, city, model, snapshot, progress)
    return Grading(folder, read_json(folder / "manifest.json"))


def working_folder(folder: Path) -> Path:
    """Return where the blocks of a grading lie until it is whole."""
    return folder.parent / f".{folder.name}{UNFINISHED}"


def _refuse_mismatch(city: City, model: AdditiveModel, snapshot: Snapshot) -> None:
    if snapshot.as_of_date is None:
        raise RequestError("Everybody can be graded as of one date only, got a snapshot of pairs of entity and date.")
    theirs = model.manifest.get("catalogue_hash")
    if theirs != snapshot.manifest["catalogue_hash"]:
        raise ArtifactError(
            f"Model {model.model_version} must be made for the indicators {snapshot.manifest['catalogue_hash']} of the "
            f"snapshot as of {snapshot.as_of_date}, it was made for {theirs}. "
            f"Train again with `qianfen train {city.name}`."
        )


def _folder(city: City, settings: Settings, model: AdditiveModel, snapshot: Snapshot) -> Path:
    """Name the folder after date and model; the last part tells later records and changed code apart."""
    rest = fingerprint(snapshot.snapshot_id, source_fingerprint(*_CODE))[:8]
    name = f"{snapshot.as_of_date}-{model.model_version}-{rest}"
    return settings.var / "cities" / city.name / "grades" / name


def _grade_to(folder: Path, city: City, model: AdditiveModel, snapshot: Snapshot, progress: Progress) -> None:
    """Grade block by block in a hidden folder beside `folder`, which then comes into being whole."""
    working = working_folder(folder)
    if not (folder / "manifest.json").is_file():
        blocks = grade_blocks(working, model, snapshot, progress)
        with atomic_folder(folder) as beside:
            totals = combine_blocks(blocks, beside / "grades.parquet", model.names)
            content = {
                "city": city.name,
                "records_id": snapshot.manifest["records_id"],
                "as_of_date": str(snapshot.as_of_date),
                "model_version": model.model_version,
                "snapshot_id": snapshot.snapshot_id,
                "catalogue_hash": snapshot.manifest["catalogue_hash"],
                "n_entities": totals.n_entities,
                "grade_counts": {grade: totals.grade_counts[grade] for grade in model.cut_points.grades},
                "cut_points": model.cut_points.as_json(),
                "vetoes": model.vetoes.as_json(),
                "max_additivity_error_points": totals.max_additivity_error_points,
                "max_written_error_points": totals.max_written_error_points,
                "sha256": sha256_of(beside / "grades.parquet"),
            }
            write_json(beside / "manifest.json", content)
    shutil.rmtree(working, ignore_errors=True)


def _publish(city: City, settings: Settings, grading: Grading, snapshot: Snapshot, progress: Progress) -> None:
    """Put grades in force. The values go online first, so that the one switch in the database changes both."""
    store = publish_online(snapshot, settings, progress)
    engine = open_database(settings.database_url)
    put_in_force(engine, city.name, grading.identity, grading.grade_counts, stored_rows(grading.path))
    progress(f"The grades as of {grading.as_of_date} are in force.")
    remove_old_stores(store.folder)


def stored_rows(path: Path) -> Iterator[list[dict[str, Any]]]:
    """Yield what the database keeps of a file of grades, block by block."""
    for batch in pq.ParquetFile(path).iter_batches(ROWS_IN_A_GROUP, columns=list(STORED)):
        yield batch.to_pylist()
