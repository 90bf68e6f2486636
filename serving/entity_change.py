"""What changed of one entity since the grading before, for its page: from the kept movement, as commands say it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from data.city import City
from data.errors import NotFoundError, StorageError
from data.settings import Settings
from serving.grading import Grading
from serving.gradings import grading_of, newest_in_force, previous_grading
from serving.movement import Movement, kept_movement
from serving.movement_lines import Line, MovementLines, change_of
from serving.movement_words import MovementWords

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class EntityChange:
    """What changed of one entity since the grading before.

    Attributes
    ----------
    state : str
        `stayed`: it is in both gradings; `entered`: in the later alone. Nothing else is told where the date is
        `not_graded` by the model, the grading is the `first`, or the movement is `not_worked_out`.
    since : date or None
        Day of the grading before; None where there is none.
    before, after : tuple of (float, str), or None
        Points and grade then and now; None unless it stayed.
    lines : tuple of Line
        What moved it, the largest first; the totals sum to `total`.
    total : int
        Change of points, in tenths, as it is shown.
    of_the_model : str
        What a change of model did, or that there was none; empty unless it stayed.
    of_vetoes, of_cut_points : str
        What vetoes did to both grades, and what new cut points did; mostly empty.
    """

    state: Literal["stayed", "entered", "not_graded", "first", "not_worked_out"]
    since: date | None = None
    before: tuple[float, str] | None = None
    after: tuple[float, str] | None = None
    lines: tuple[Line, ...] = ()
    total: int = 0
    of_the_model: str = ""
    of_vetoes: str = ""
    of_cut_points: str = ""


def change_since_before(city: City, settings: Settings, reply: Mapping[str, Any], language: str) -> EntityChange:
    """Return what changed of the entity of a reply of `POST /v1/score` since the grading before the reply's."""
    after = grading_of(city, settings, reply)
    if after is None:
        return EntityChange("not_graded")
    before = previous_grading(city, settings, after)
    if before is None:
        return EntityChange("first")
    movement = _kept(before, after)
    if movement is None:
        return EntityChange("not_worked_out", before.as_of_date)
    return _of_entity(city, settings, movement, reply["entity_id"], language, before.as_of_date)


def dates_to_work_out(city: City, settings: Settings) -> tuple[date, date] | None:
    """Return the dates between which the movement to the grades in force is not worked out; None where it is."""
    after = newest_in_force(city, settings)
    before = None if after is None else previous_grading(city, settings, after)
    if after is None or before is None:
        return None
    return None if _kept(before, after) else (before.as_of_date, after.as_of_date)


def _kept(before: Grading, after: Grading) -> Movement | None:
    """Return the kept movement; None where there is none that can be shown."""
    try:
        return kept_movement(before, after)
    except StorageError as error:
        _LOG.warning("%s Until then the page says that the movement is not worked out.", error)
        return None


def _of_entity(
    city: City, settings: Settings, movement: Movement, entity_id: str, language: str, since: date
) -> EntityChange:
    try:
        row = {str(key): value for key, value in movement.of([entity_id]).iloc[0].to_dict().items()}
    except NotFoundError:
        return EntityChange("not_graded", since)
    if row["state"] != "stayed":
        return EntityChange("entered", since)
    lines = MovementLines(city, settings, movement, language)
    words = MovementWords(city, settings, movement, language)
    return EntityChange(
        "stayed",
        since,
        (row["points_before"], row["grade_before"]),
        (row["points_after"], row["grade_after"]),
        tuple(lines.of(row, lines.values([entity_id]))),
        change_of(row),
        words.of_the_model().strip(),
        words.of_vetoes(row),
        words.of_cut_points(row),
    )
