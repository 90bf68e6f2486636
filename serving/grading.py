"""Whole-population grading: every entity of a snapshot gets points, a grade and 36 contributions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from data.city import City
from data.errors import ArtifactError, RequestError
from data.files import atomic_folder, fingerprint, read_json, sha256_of, source_fingerprint, write_json
from data.progress import Progress
from data.records import Records
from data.settings import Settings
from features.online import publish_online, remove_old_stores
from features.snapshots import ROWS_IN_A_GROUP, Snapshot
from serving.database import open_database
from serving.grades import STORED, put_in_force
from training.additive import AdditiveModel, Scores
from training.shap_tables import PARTS

_CODE = ("serving.grading", "training.additive", *(f"training.shap_tables.{name}" for name in PARTS))
_BLOCKS_BETWEEN_PROGRESS = 5


@dataclass(frozen=True)
class Grading:
    """Grades of everybody as of one date by one model.

    Attributes
    ----------
    folder : Path
        Where grades.parquet and manifest.json lie.
    manifest : dict
        city, as_of_date, model_version, snapshot_id, catalogue_hash, n_entities, grade_counts,
        max_additivity_error_points, sha256.
    """

    folder: Path
    manifest: dict[str, Any]

    @property
    def path(self) -> Path:
        """Parquet file, sorted by entity_id: points and contributions of everybody."""
        return self.folder / "grades.parquet"

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

    Raises
    ------
    ArtifactError
        Where the model was made for other indicators than the snapshot.
    StorageError
        Where the disk or the database refuses; the grades that were in force stay.
    """
    _refuse_mismatch(city, model, snapshot)
    folder = _folder(city, settings, model, snapshot)
    if (folder / "manifest.json").is_file():
        progress(f"Grades as of {snapshot.as_of_date} by model {model.model_version} are there already: skipped.")
    else:
        with atomic_folder(folder) as beside:
            _grade_to(beside, records, model, snapshot, progress)
    grading = Grading(folder, read_json(folder / "manifest.json"))
    if in_force:
        _publish(city, settings, grading, snapshot, progress)
    return grading


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


def _grade_to(folder: Path, records: Records, model: AdditiveModel, snapshot: Snapshot, progress: Progress) -> None:
    counts: Counter[str] = Counter()
    error, n_done, n_all = 0.0, 0, int(snapshot.manifest["n_rows"])
    file = pq.ParquetFile(snapshot.path)
    columns = ["entity_id", *model.names]
    with pq.ParquetWriter(folder / "grades.parquet", _schema(model.names), compression="zstd") as writer:
        for number, batch in enumerate(file.iter_batches(ROWS_IN_A_GROUP, columns=columns), start=1):
            scores = model.score(_matrix(batch, model.names))
            writer.write_table(_table(batch["entity_id"], scores, model.names))
            counts.update(scores.grade.tolist())
            error = max(error, scores.additivity_error())
            n_done += batch.num_rows
            if number % _BLOCKS_BETWEEN_PROGRESS == 0 or n_done == n_all:
                progress(f"Graded {n_done:,} of {n_all:,} entities.")
    content = {
        "city": records.city_name,
        "records_id": records.records_id,
        "as_of_date": str(snapshot.as_of_date),
        "model_version": model.model_version,
        "snapshot_id": snapshot.snapshot_id,
        "catalogue_hash": snapshot.manifest["catalogue_hash"],
        "n_entities": n_done,
        "grade_counts": {grade: counts.get(grade, 0) for grade in model.cut_points.grades},
        "max_additivity_error_points": error,
        "sha256": sha256_of(folder / "grades.parquet"),
    }
    write_json(folder / "manifest.json", content)


def _matrix(batch: pa.RecordBatch, names: tuple[str, ...]) -> np.ndarray[Any, np.dtype[np.float64]]:
    columns = [batch[name].to_numpy(zero_copy_only=False) for name in names]
    return np.column_stack(columns).astype(np.float64)


def _schema(names: tuple[str, ...]) -> pa.Schema:
    """Points are 64-bit; contributions 32-bit, which holds them to 1e-4 points."""
    numbers = ("points", "unclipped_points", "probability", "expert_points", "base_points")
    order = ("entity_id", *numbers[:2], "grade", *numbers[2:4], "expert_grade", numbers[4])
    whole = [pa.field(name, pa.float64() if name in numbers else pa.string()) for name in order]
    parts = [pa.field(f"{part}_{name}", pa.float32()) for part in ("expert", "learned") for name in names]
    return pa.schema([*whole, *parts])


def _table(entity_ids: pa.Array, scores: Scores, names: tuple[str, ...]) -> pa.Table:
    n = len(entity_ids)
    columns: dict[str, Any] = {
        "entity_id": entity_ids,
        "points": scores.points,
        "unclipped_points": scores.unclipped_points,
        "grade": scores.grade.tolist(),
        "probability": scores.probability,
        "expert_points": scores.expert_points,
        "expert_grade": scores.expert_grade.tolist(),
        "base_points": np.full(n, scores.base_points),
    }
    for part, values in (("expert", scores.expert_parts), ("learned", scores.learned_parts)):
        columns |= {f"{part}_{name}": values[:, i].astype(np.float32) for i, name in enumerate(names)}
    return pa.table(columns, schema=_schema(names))


def _publish(city: City, settings: Settings, grading: Grading, snapshot: Snapshot, progress: Progress) -> None:
    """Put grades in force. The values go online first, so that the one switch in the database changes both."""
    store = publish_online(snapshot, settings, progress)
    identity = {
        "as_of_date": grading.as_of_date,
        "model_version": grading.model_version,
        "snapshot_id": grading.manifest["snapshot_id"],
    }
    engine = open_database(settings.database_url)
    put_in_force(engine, city.name, identity, grading.grade_counts, _stored_rows(grading.path))
    progress(f"The grades as of {grading.as_of_date} are in force.")
    remove_old_stores(store.folder)


def _stored_rows(path: Path) -> Iterator[list[dict[str, Any]]]:
    for batch in pq.ParquetFile(path).iter_batches(ROWS_IN_A_GROUP, columns=list(STORED)):
        yield batch.to_pylist()
