"""The change of one entity as lines that a person reads: what each indicator was and is, and what that adds.

Points are shown with one decimal. Of each line the total and the experts' part are rounded, and history is what is
left; what the lines leave over is a line of its own. So all that is shown adds up.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from data.city import City
from data.errors import NotFoundError
from data.settings import Settings
from features.catalogue import catalogue_of
from features.snapshots import load_snapshot, snapshots_folder
from serving.entities import entity_facts
from serving.movement import Movement
from serving.movement_wording import name_of, say
from serving.sentences import fact, shown_value

Values = list[pd.DataFrame]
"""Indicators of some entities in the earlier and in the later snapshot, by entity_id."""


@dataclass(frozen=True)
class Line:
    """What one indicator, or one of the other lines, adds to a change of points, in tenths of a point.

    Attributes
    ----------
    subject : str
        Indicator, or model, base_points, clipping, others (all that is not shown), rounding.
    name, fact : str
        In the language; the fact says what the indicator was and is, and is empty of other lines.
    expert, learned : int or None
        Its two parts; None of other lines.
    total : int
        What it adds.
    """

    subject: str
    name: str
    fact: str
    expert: int | None
    learned: int | None
    total: int


class MovementLines:
    """Says changes of entities in one language; what indicators were is read from the snapshots that are there."""

    def __init__(self, city: City, settings: Settings, movement: Movement, language: str) -> None:
        self._city, self._settings, self._movement, self._language = city, settings, movement, language
        home = snapshots_folder(settings, city.name)
        sides = (movement.manifest["before"], movement.manifest["after"])
        self._folders = [home / f"{side['as_of_date']}-{side['snapshot_id']}" for side in sides]

    def of(self, row: Mapping[str, Any], values: Values, most: int | None = None) -> list[Line]:
        """Return the lines of an entity that is in both gradings, the largest first.

        Parameters
        ----------
        row : mapping
            Its row of the movement.
        values : Values
            Its indicators; lines have no facts where it is not in them.
        most : int, optional
            Lines to show; all others are then one line. By default all that are not 0.0 as they are shown.
        """
        subjects = by_subject(row, self._movement.manifest["indicators"])
        del subjects["rounding"]
        ordered = sorted(subjects, key=lambda subject: -abs(subjects[subject]))
        lines = [self._line(subject, row, tenths(subjects[subject]), values) for subject in ordered[:most]]
        shown = [line for line in lines if line.total or line.expert]
        names = {line.subject for line in shown}
        rest = tenths(sum(points for subject, points in subjects.items() if subject not in names))
        over = change_of(row) - rest - sum(line.total for line in shown)
        return [*shown, *(self._other(s, n) for s, n in (("others", rest), ("rounding", over)) if n)]

    def values(self, entity_ids: Sequence[str]) -> Values:
        """Return the indicators of some entities in both snapshots; nothing where a snapshot is gone."""
        try:
            return [load_snapshot(folder).lookup(entity_ids).set_index("entity_id") for folder in self._folders]
        except NotFoundError:
            return [pd.DataFrame(), pd.DataFrame()]

    def names(self, entity_ids: Sequence[str]) -> dict[str, str]:
        """Return names as they were known, by entity_id; those that left have the name of the earlier date."""
        names: dict[str, str] = {}
        for folder in self._folders:
            try:
                facts = entity_facts(self._settings, load_snapshot(folder), entity_ids)
            except NotFoundError:
                continue
            names |= {entity_id: of.name for entity_id, of in facts.items()}
        return names

    def _line(self, subject: str, row: Mapping[str, Any], total: int, values: Values) -> Line:
        if f"expert_{subject}" not in row:
            return self._other(subject, total)
        expert = tenths(row[f"expert_{subject}"])
        fact = self._facts(subject, row["entity_id"], values)
        return Line(subject, name_of(subject, self._language), fact, expert, total - expert, total)

    def _other(self, subject: str, total: int) -> Line:
        return Line(subject, name_of(subject, self._language), "", None, None, total)

    def _facts(self, name: str, entity_id: str, values: Values) -> str:
        if name not in catalogue_of(self._city).names or any(name not in v or entity_id not in v.index for v in values):
            return ""
        before, after = (float(frame[name].loc[entity_id]) for frame in values)
        old, new = self._fact(name, before), self._fact(name, after)
        if old != new:
            return say(self._language, "now", old=self._short(name, before, old), new=new)
        # The sentences round: the same words are not yet the same value.
        if before != after and not (math.isnan(before) and math.isnan(after)):
            return say(self._language, "nearly_as_before", fact=new)
        m = self._movement.manifest
        return say(self._language, "as_before" if m["same_model"] or m["separated"] else "as_before_mixed", fact=new)

    def _fact(self, name: str, value: float) -> str:
        item = catalogue_of(self._city)[name]
        known = None if math.isnan(value) else value
        said = fact(item, known, item.is_available(set(self._city.mapped_tables)), self._city.currency)
        return said.zh if self._language == "zh" else said.en

    def _short(self, name: str, value: float, said: str) -> str:
        """Return an earlier value as a number where the sentence of the later one explains it, else as it is said."""
        item = catalogue_of(self._city)[name]
        if value > 0 and item.is_available(set(self._city.mapped_tables)):
            return shown_value(item, value, self._language, self._city.currency)
        return said[0].lower() + said[1:]


def by_subject(row: Mapping[str, Any], indicators: Sequence[str]) -> dict[str, float]:
    """Return a change by indicator, both parts together, and by each of the other lines, in points."""
    totals = {name: float(row[f"expert_{name}"]) + float(row[f"learned_{name}"]) for name in indicators}
    return totals | {line: float(row[line]) for line in ("model", "base_points", "clipping", "rounding")}


def change_of(row: Mapping[str, Any]) -> int:
    """Return the change of points as it is shown, in tenths: that of the two rounded points."""
    return tenths(row["points_after"]) - tenths(row["points_before"])


def tenths(points: float) -> int:
    """Return points in tenths, rounded as they are printed with one decimal."""
    return round(float(f"{points:.1f}") * 10)


def signed_tenths(n: int) -> str:
    """Return tenths as points with a sign and one decimal."""
    return f"{n / 10:+.1f}" if n else "0.0"
