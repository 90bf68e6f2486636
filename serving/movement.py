"""Movement: what changed between two gradings of a city, entity by entity, kept beside the later one.

Where the model changed and the earlier snapshot is at hand, everybody of it is graded by the later model too: the line
`model` is then what the later model alone makes of the earlier values, and all other lines are changes under the later
model. Otherwise `model` is 0 and the other lines hold both.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data.city import City
from data.errors import ArtifactError, NotFoundError, QianfenError, RequestError, StorageError
from data.files import atomic_folder, fingerprint, read_sealed, sha256_of, source_fingerprint, write_sealed
from data.progress import Progress
from data.settings import Settings
from features.snapshots import load_snapshot
from serving.changes import lines_of, write_changes
from serving.grading import Grading, grade_snapshot
from training.champions import load_champion


@dataclass(frozen=True)
class Movement:
    """What changed between two gradings.

    Attributes
    ----------
    folder : Path
        Where movement.parquet and manifest.json lie, below the folder of the later grading.
    manifest : dict
        city, before and after (as_of_date, model_version, snapshot_id), same_model, separated, not_separated_because,
        indicators, n (entities by state), transitions (entities by grade before and after), mean_change (mean points by
        line of those whose grade got worse, and better), max_rounding_points, sha256.
    """

    folder: Path
    manifest: dict[str, Any]

    @property
    def path(self) -> Path:
        """Parquet file, sorted by entity_id: state, points, grades and the lines of everybody's change."""
        return self.folder / "movement.parquet"

    @property
    def lines(self) -> list[str]:
        """Columns that sum to the change."""
        return lines_of(self.manifest["indicators"])

    def worsened(self, most: int) -> pd.DataFrame:
        """Return the rows of the entities whose points rose most, the largest rise first."""
        changes = pq.read_table(self.path, columns=["entity_id", "change"], filters=pc.field("change") > 0).to_pandas()
        first = changes.sort_values(["change", "entity_id"], ascending=[False, True]).head(most)
        return self.of(first["entity_id"].tolist())

    def of(self, entity_ids: list[str]) -> pd.DataFrame:
        """Return the rows of some entities in that order; NotFoundError where one is in neither grading."""
        rows = pq.read_table(self.path, filters=pc.field("entity_id").isin(entity_ids)).to_pandas()
        unknown = sorted(set(entity_ids) - set(rows["entity_id"]))
        if unknown:
            m = self.manifest
            raise NotFoundError(
                f"{', '.join(unknown)} must be an entity that is graded as of {m['before']['as_of_date']} or "
                f"{m['after']['as_of_date']}, it is in neither grading. Check the code."
            )
        found: pd.DataFrame = rows.set_index("entity_id").loc[entity_ids].reset_index()
        return found


def movement_between(
    city: City, settings: Settings, before: Grading, after: Grading, progress: Progress = print
) -> Movement:
    """Return the movement from one grading to another; work it out unless that was done.

    Raises
    ------
    RequestError
        Where both are the same grading.
    StorageError
        Where grades are not as they were written, or the disk is full.
    ArtifactError
        Where contributions of a grading do not sum to its points.
    """
    if before.folder == after.folder:
        raise RequestError(
            f"Two gradings must be compared, got the one as of {after.as_of_date} twice. Name two dates."
        )
    start, why_not = _with_the_later_model(city, settings, before, after, progress)
    name = fingerprint(
        before.folder.name, start.folder.name, source_fingerprint("serving.movement", "serving.changes")
    )[:8]
    folder = after.folder / f"movement-{before.as_of_date}-{name}"
    if not (folder / "manifest.json").is_file():
        for grading in {before.folder: before, start.folder: start, after.folder: after}.values():
            _refuse_damaged(grading)
        with atomic_folder(folder) as beside:
            totals = write_changes(beside / "movement.parquet", before, start, after, progress)
            same = before.model_version == after.model_version
            content = {
                "city": city.name,
                **{side: _identity(grading) for side, grading in (("before", before), ("after", after))},
                "same_model": same,
                "separated": not same and start is not before,
                "not_separated_because": why_not,
                **totals,
                "sha256": sha256_of(beside / "movement.parquet"),
            }
            write_sealed(beside / "manifest.json", content)
    movement = Movement(folder, read_sealed(folder / "manifest.json"))
    if not movement.path.is_file() or sha256_of(movement.path) != movement.manifest["sha256"]:
        raise StorageError(f"{movement.path} must be as it was written, it is not. Remove {folder} and run again.")
    return movement


def _with_the_later_model(
    city: City, settings: Settings, before: Grading, after: Grading, progress: Progress
) -> tuple[Grading, str]:
    """Return the earlier date graded by the later model; where that cannot be, `before` and why."""
    if before.model_version == after.model_version:
        return before, ""
    try:
        model = load_champion(city, settings)
        if model.model_version != after.model_version:
            return before, f"model {after.model_version} is no longer the champion"
        home = settings.var / "cities" / city.name / "snapshots"
        snapshot = load_snapshot(home / f"{before.as_of_date}-{before.manifest['snapshot_id']}")
        progress(f"The model changed: the values as of {before.as_of_date} are graded by the new one too.")
        return grade_snapshot(city, settings, model, snapshot, progress), ""
    except (NotFoundError, ArtifactError) as error:
        return before, _first_sentence(error)


def _first_sentence(error: QianfenError) -> str:
    return str(error).partition(". ")[0]


def _refuse_damaged(grading: Grading) -> None:
    if not grading.path.is_file() or sha256_of(grading.path) != grading.manifest["sha256"]:
        raise StorageError(
            f"{grading.path} must be as it was written, it is not. "
            f"Remove {grading.folder} and grade as of {grading.as_of_date} again."
        )


def _identity(grading: Grading) -> dict[str, Any]:
    return {**grading.identity, "as_of_date": str(grading.as_of_date)}
