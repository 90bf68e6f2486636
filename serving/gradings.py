"""Which gradings of a city are on file: by date, the one in force, and the one before another."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from data.city import City
from data.errors import NotFoundError, NotReadyError
from data.files import read_json
from data.settings import Settings
from serving.database import GradingRow, open_database
from serving.grades import complete_gradings, switches
from serving.grading import Grading


def kept_gradings(city: City, settings: Settings) -> list[Grading]:
    """Return the gradings of a city whose files are there, by date; of one date, the one that counts last.

    Of one date count, from least to most: those that never were in force, those that were, the one that is.
    """
    home = settings.var / "cities" / city.name / "grades"
    found = [Grading(path.parent, read_json(path)) for path in home.glob("[!.]*/manifest.json")]
    rows = {_key(row): (row.in_force, place) for place, row in enumerate(_rows(city, settings))}

    def order(grading: Grading) -> tuple[date, tuple[bool, int], int]:
        written_at = (grading.folder / "manifest.json").stat().st_mtime_ns
        return grading.as_of_date, rows.get(_identity(grading), (False, 0)), written_at

    return sorted(found, key=order)


def grading_as_of(city: City, settings: Settings, day: date) -> Grading:
    """Return the grading as of a date; NotFoundError where there is none."""
    gradings = kept_gradings(city, settings)
    there = [grading for grading in gradings if grading.as_of_date == day]
    if not there:
        days = ", ".join(sorted({str(grading.as_of_date) for grading in gradings})) or "none"
        raise NotFoundError(
            f"{city.name} must be graded as of {day}, it is graded as of: {days}. "
            f"Name one of these dates, or run `qianfen grade {city.name} --as-of {day}`."
        )
    return there[-1]


def newest_in_force(city: City, settings: Settings) -> Grading | None:
    """Return the grading in force; None before the first, or where its files are gone."""
    rows = [row for row in _rows(city, settings) if row.in_force]
    return _on_file(city, settings, rows)


def graded_in_force(city: City, settings: Settings) -> Grading:
    """Return the grading in force; NotReadyError before the first."""
    grading = newest_in_force(city, settings)
    if grading is None:
        raise NotReadyError(f"{city.name} is not graded yet. Run `qianfen grade {city.name}`.")
    return grading


def was_in_force(city: City, settings: Settings, day: date, model_version: str, snapshot_id: str) -> bool:
    """Say whether the city stood by a grading ever."""
    return (day, model_version, snapshot_id) in {_key(row) for row in _rows(city, settings)}


def previous_grading(city: City, settings: Settings, grading: Grading) -> Grading | None:
    """Return what a grading is compared with: the last that was in force as of an earlier date.

    Where there is none, the one of the same date that was in force before it, which another model or other records
    made; None for the first.
    """
    rows, day = _rows(city, settings), grading.as_of_date
    own = max((place for place, row in enumerate(rows) if _key(row) == _identity(grading)), default=0)
    earlier = sorted((row for row in rows if row.as_of_date < day), key=lambda row: row.as_of_date)
    same_day = [row for row in rows[:own] if row.as_of_date == day and _key(row) != _identity(grading)]
    return _on_file(city, settings, earlier) or _on_file(city, settings, same_day)


def grading_of(city: City, settings: Settings, reply: Mapping[str, Any]) -> Grading | None:
    """Return the grading whose date, model and snapshot a reply of `POST /v1/score` has; None where there is none."""
    wanted = (date.fromisoformat(reply["as_of_date"]), reply["model_version"], reply["snapshot_id"])
    there = [grading for grading in kept_gradings(city, settings) if _identity(grading) == wanted]
    return there[-1] if there else None


def _on_file(city: City, settings: Settings, rows: list[GradingRow]) -> Grading | None:
    """Return the last of some gradings whose files are there."""
    kept = {_identity(grading): grading for grading in kept_gradings(city, settings)}
    there = [kept[_key(row)] for row in rows if _key(row) in kept]
    return there[-1] if there else None


def _rows(city: City, settings: Settings) -> list[GradingRow]:
    """Return the gradings as they came into force one after another; one that did so twice is there twice."""
    engine = open_database(settings.database_url)
    complete = {row.id: row for row in complete_gradings(engine, city.name)}
    # A switch that came after the first question waits for the next one.
    return [complete[s.grading_id] for s in switches(engine, city.name) if s.grading_id in complete]


def _identity(grading: Grading) -> tuple[date, str, str]:
    return grading.as_of_date, grading.model_version, str(grading.manifest["snapshot_id"])


def _key(row: GradingRow) -> tuple[date, str, str]:
    return row.as_of_date, row.model_version, row.snapshot_id
