"""A served score, years later: rebuilt from ledger, snapshot and artifact, and held against what was stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import numpy as np
from sqlalchemy import Engine

from data.city import City
from data.errors import ArtifactError, NotFoundError
from data.settings import Settings
from features.snapshots import load_snapshot, snapshots_folder
from serving.database import GradingRow, open_database
from serving.grades import STORED, complete_gradings, grades_of, switches
from training.additive import AdditiveModel
from training.artifact import load_artifact
from training.champions import artifact_of, manifest_hash
from training.ledger import Entry, champions_between, entries
from training.registry import models_folder

SAME_POINTS = 1e-9
"""Numbers that lie nearer than this are the same."""


@dataclass(frozen=True)
class RebuiltScore:
    """One score that was rebuilt.

    Attributes
    ----------
    entity_id, as_of_date, snapshot_id, model_version : str, date, str, str
        What was scored, and by which model.
    entry : Entry or None
        Newest entry of the ledger that made the model champion; None where none did.
    stored, rebuilt : dict
        points, grade, probability, expert_points, expert_grade; `stored` is None where a reply was not stored.
    differences : list of str
        What differs, in words.
    """

    entity_id: str
    as_of_date: date
    snapshot_id: str
    model_version: str
    entry: Entry | None
    stored: Mapping[str, Any] | None
    rebuilt: Mapping[str, Any]
    differences: list[str]

    def lines(self) -> Iterator[str]:
        """Yield the finding in words."""
        yield (
            f"{self.entity_id} as of {self.as_of_date}: {self.rebuilt['points']:.6f} points, grade "
            f"{self.rebuilt['grade']}, from model {self.model_version} and snapshot {self.snapshot_id}"
        )
        yield f"  {_ledger_says(self.entry)}"
        if self.stored is None:
            yield "  A reply of the scoring endpoint: it was not stored, so there is nothing to compare it with."
        elif not self.differences:
            yield "  EQUAL to what was stored and served."
        for difference in self.differences:
            yield f"  DIFFERS  {difference}"


def reproduce_scores(city: City, settings: Settings, entity_id: str, day: date) -> list[RebuiltScore]:
    """Rebuild the scores of an entity that were served on a day, or are as of it.

    Those are its grades in every grading that was in force at some time of the day (UTC) or is as of it. Where another
    model was champion on that day, the reply that it gave on the same values is rebuilt too.

    Raises
    ------
    NotFoundError
        Where no grading fits, the entity has no grade in it, or a snapshot or an artifact is gone.
    ArtifactError, StorageError
        Where an artifact or a snapshot is not as it was written.
    """
    engine = open_database(settings.database_url)
    chain = entries(engine, city.name)
    found, asked = [], _gradings(engine, city, day)
    for grading in asked:
        stored = grades_of(engine, grading.id, [entity_id]).get(entity_id)
        if stored is None:
            raise NotFoundError(
                f"{entity_id} has no grade as of {grading.as_of_date}. See that the code is right; "
                f"an entity that was not active then has none."
            )
        found.append(_rebuild(city, settings, chain, grading, grading.model_version, entity_id, stored))
    graded = {(grading.snapshot_id, grading.model_version) for grading in asked}
    for version in champions_between(chain, _midnight(day), _midnight(day) + timedelta(days=1)):
        for grading in asked:
            if (grading.snapshot_id, version) not in graded:
                graded.add((grading.snapshot_id, version))
                found.append(_rebuild(city, settings, chain, grading, version, entity_id, None))
    return found


def _gradings(engine: Engine, city: City, day: date) -> list[GradingRow]:
    gradings = {row.id: row for row in complete_gradings(engine, city.name)}
    times = [(_utc(row.at), row.grading_id) for row in switches(engine, city.name)]
    begins, ends = _midnight(day), _midnight(day) + timedelta(days=1)
    until = [at for at, _ in times[1:]] + [datetime.max.replace(tzinfo=UTC)]
    served = {i for (since, i), end in zip(times, until, strict=True) if since < ends and end > begins}
    # Nothing is served on a day that is still to come.
    served = served if begins <= datetime.now(UTC) else set()
    fitting = [row for row in gradings.values() if row.id in served or row.as_of_date == day]
    if not fitting:
        there = ", ".join(sorted({str(row.as_of_date) for row in gradings.values()})) or "none"
        first = f"the first was put in force on {times[0][0].date()}" if times else "none was put in force"
        raise NotFoundError(
            f"{city.name} must have grades in force on {day} or as of it, {first}, and there are those as of: {there}. "
            "Name a day since then, or one of these dates."
        )
    return fitting


def _rebuild(
    city: City, settings: Settings, chain: list[Entry], grading: GradingRow, model_version: str, entity_id: str,
    stored: Mapping[str, Any] | None,
) -> RebuiltScore:  # fmt: skip
    entry = next((e for e in reversed(chain) if e.model_version == model_version), None)
    model = _model(city, settings, entry, model_version)
    home = snapshots_folder(settings, city.name)
    snapshot = load_snapshot(home / f"{grading.as_of_date}-{grading.snapshot_id}")
    snapshot.verify()
    row = snapshot.lookup([entity_id])
    if row.empty:
        raise NotFoundError(f"{entity_id} must be in snapshot {grading.snapshot_id}, it is not. Restore the snapshot.")
    scores = model.score(row[list(model.names)].to_numpy(np.float64, na_value=np.nan))
    rebuilt = {name: getattr(scores, name)[0] for name in STORED if name != "entity_id"}
    differences = [] if stored is None else list(_differences(stored, rebuilt))
    return RebuiltScore(
        entity_id, grading.as_of_date, grading.snapshot_id, model_version, entry, stored, rebuilt, differences
    )


def _model(city: City, settings: Settings, entry: Entry | None, model_version: str) -> AdditiveModel:
    """Open the artifact of a version, held against the ledger."""
    artifact = artifact_of(city, settings, model_version) if entry is None else entry.artifact
    if entry is not None and manifest_hash(city, settings, artifact) not in (None, entry.manifest_sha256):
        raise ArtifactError(
            f"Model {model_version} must be as entry {entry.sequence} of the ledger names it, its manifest is not. "
            f"Restore {artifact}."
        )
    return load_artifact(models_folder(city, settings) / artifact)


def _differences(stored: Mapping[str, Any], rebuilt: Mapping[str, Any]) -> Iterator[str]:
    for name, value in rebuilt.items():
        if isinstance(stored[name], str):
            if stored[name] != value:
                yield f"{name}: stored {stored[name]}, rebuilt {value}"
        elif not abs(stored[name] - value) <= SAME_POINTS:
            yield f"{name}: stored {stored[name]!r}, rebuilt {float(value)!r}"


def _ledger_says(entry: Entry | None) -> str:
    if entry is None:
        return "The ledger names no promotion of this model: it is from before the ledger, or was never champion."
    return f"Ledger entry {entry.sequence}: {entry.said()}"


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)


def _utc(at: datetime) -> datetime:
    """SQLite gives back what it was given in UTC without saying so."""
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
