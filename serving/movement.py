"""Movement: what changed between two gradings of a city, entity by entity, kept beside the later one.

Where the model changed and the earlier snapshot is at hand, everybody of it is graded by the later model too: the line
`model` is then what the later model alone makes of the earlier values, and all other lines are changes under the later
model. Otherwise `model` is 0 and the other lines hold both.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data.city import City
from data.errors import ArtifactError, NotFoundError, RequestError, StorageError
from data.files import atomic_folder, fingerprint, read_sealed, sha256_of, source_fingerprint, write_sealed
from data.progress import Progress
from data.settings import Settings
from features.snapshots import load_snapshot, snapshots_folder
from serving.changes import lines_of, write_changes
from serving.grading import Grading, grade_snapshot
from training.champions import load_champion

_CODE = ("serving.movement", "serving.changes", "serving.grade_causes")

NOT_SEPARATED = ("no_champion", "not_champion", "no_snapshot", "other_indicators")
"""Why the later model could not grade the earlier values: it is not to be loaded or no longer the champion, or the
earlier snapshot is gone or of other indicators."""


@dataclass(frozen=True)
class Movement:
    """What changed between two gradings.

    Attributes
    ----------
    folder : Path
        Where movement.parquet and manifest.json lie, below the folder of the later grading.
    manifest : dict
        city, before and after (as_of_date, model_version, snapshot_id), same_model, separated, not_separated_because
        (one of NOT_SEPARATED or empty), code (that of this module), cut_points (of before and after; None where a
        grading does not keep them), vetoes (reasons by name and language), indicators,
        n (entities by state), grades_of (those that entered and left, by grade), transitions (entities by grade before
        and after), changed (those whose grade got worse, and better: n, and by cause of `serving.grade_causes` n, mean
        points by line, and vetoes, by name, that held or let go), max_rounding_points, sha256.
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
        Where both are the same grading, or the later one is named first.
    StorageError
        Where grades are not as they were written, or the disk is full.
    ArtifactError
        Where contributions of a grading do not sum to its points.
    """
    if before.folder == after.folder:
        raise RequestError(
            f"Two gradings must be compared, got the one as of {after.as_of_date} twice. Name two dates."
        )
    if before.as_of_date > after.as_of_date:
        raise RequestError(
            f"The first grading must not be of a later date than the second, got {before.as_of_date} and "
            f"{after.as_of_date}. Swap the two dates."
        )
    start, why_not = _with_the_later_model(city, settings, before, after, progress)
    code = source_fingerprint(*_CODE)
    name = fingerprint(before.folder.name, start.folder.name, code)[:8]
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
                "code": code,
                "cut_points": {
                    side: grading.manifest.get("cut_points") for side, grading in (("before", before), ("after", after))
                },
                "vetoes": {
                    veto["veto"]: {language: veto[f"reason_{language}"] for language in ("zh", "en")}
                    for grading in (before, after)
                    for veto in grading.manifest.get("vetoes", ())
                },
                **totals,
                "sha256": sha256_of(beside / "movement.parquet"),
            }
            write_sealed(beside / "manifest.json", content)
    movement = Movement(folder, read_sealed(folder / "manifest.json"))
    _refuse_damaged_movement(movement)
    return movement


def kept_movement(before: Grading, after: Grading) -> Movement | None:
    """Return the movement from one grading to another if this code has worked it out, else None.

    Raises
    ------
    StorageError
        Where it is not as it was written.
    """
    wanted = (_identity(before), _identity(after), source_fingerprint(*_CODE))
    found = []
    for path in sorted(after.folder.glob(f"movement-{before.as_of_date}-*/manifest.json")):
        manifest = read_sealed(path)
        if (manifest["before"], manifest["after"], manifest.get("code")) == wanted:
            found.append(Movement(path.parent, manifest))
    # Of two, one in which the change of model stands apart tells more.
    movement = max(found, key=lambda movement: bool(movement.manifest["separated"]), default=None)
    if movement is not None:
        _refuse_damaged_movement(movement)
    return movement


def _with_the_later_model(
    city: City, settings: Settings, before: Grading, after: Grading, progress: Progress
) -> tuple[Grading, str]:
    """Return the earlier date graded by the later model; where that cannot be, `before` and one of NOT_SEPARATED."""
    if before.model_version == after.model_version:
        return before, ""
    try:
        model = load_champion(city, settings)
    except (NotFoundError, ArtifactError):
        return before, "no_champion"
    if model.model_version != after.model_version:
        return before, "not_champion"
    home = snapshots_folder(settings, city.name)
    try:
        snapshot = load_snapshot(home / f"{before.as_of_date}-{before.manifest['snapshot_id']}")
    except NotFoundError:
        return before, "no_snapshot"
    progress(f"The model changed: the values as of {before.as_of_date} are graded by the new one too.")
    try:
        return grade_snapshot(city, settings, model, snapshot, progress), ""
    except ArtifactError:
        return before, "other_indicators"


def _refuse_damaged(grading: Grading) -> None:
    if not grading.path.is_file() or sha256_of(grading.path) != grading.manifest["sha256"]:
        raise StorageError(
            f"{grading.path} must be as it was written, it is not. "
            f"Remove {grading.folder} and grade as of {grading.as_of_date} again."
        )


def _refuse_damaged_movement(movement: Movement) -> None:
    path = movement.path
    written = path.stat() if path.is_file() else None
    if written is None or _digest(path, written.st_mtime_ns, written.st_size) != movement.manifest["sha256"]:
        raise StorageError(f"{path} must be as it was written, it is not. Remove {movement.folder} and run again.")


@lru_cache(maxsize=64)
def _digest(path: Path, mtime_ns: int, size: int) -> str:
    """Return the SHA-256 of a file, read once until it is written again: each page asks for it."""
    return sha256_of(path)


def _identity(grading: Grading) -> dict[str, Any]:
    return {**grading.identity, "as_of_date": str(grading.as_of_date)}
