"""Which gradings of a city are on file: by date, the one in force, and the one before another."""

from __future__ import annotations

from datetime import date

from data.city import City
from data.errors import NotFoundError, NotReadyError
from data.files import read_json
from data.settings import Settings
from serving.database import GradingRow, open_database
from serving.grades import complete_gradings
from serving.grading import Grading


def kept_gradings(city: City, settings: Settings) -> list[Grading]:
    """Return the gradings of a city whose files are there, by date; of one date, the one that counts last.

    Of one date count, from least to most: those that never were in force, those that were, the one that is.
    """
    home = settings.var / "cities" / city.name / "grades"
    found = [Grading(path.parent, read_json(path)) for path in home.glob("[!.]*/manifest.json")]
    rows = {_key(row): (row.in_force, row.id) for row in _rows(city, settings)}

    def order(grading: Grading) -> tuple[date, tuple[bool, int], int]:
        written_at = (grading.folder / "manifest.json").stat().st_mtime_ns
        return grading.as_of_date, rows.get(tuple(grading.identity.values()), (False, 0)), written_at

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


def previous_grading(city: City, settings: Settings, grading: Grading) -> Grading | None:
    """Return the grading that came into force before another one for the first time; None for the first."""
    rows = _rows(city, settings)
    own = [row.id for row in rows if _key(row) == tuple(grading.identity.values())]
    return _on_file(city, settings, [row for row in rows if own and row.id < max(own)])


def _on_file(city: City, settings: Settings, rows: list[GradingRow]) -> Grading | None:
    """Return the last of some gradings whose files are there."""
    kept = {tuple(grading.identity.values()): grading for grading in kept_gradings(city, settings)}
    there = [kept[_key(row)] for row in rows if _key(row) in kept]
    return there[-1] if there else None


def _rows(city: City, settings: Settings) -> list[GradingRow]:
    return complete_gradings(open_database(settings.database_url), city.name)


def _key(row: GradingRow) -> tuple[date, str, str]:
    return row.as_of_date, row.model_version, row.snapshot_id
