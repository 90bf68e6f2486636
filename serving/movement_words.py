"""A movement in words, in Chinese and in English: who changed grade, and which indicators moved them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from data.city import City
from data.settings import Settings
from serving.movement import Movement
from serving.movement_lines import MovementLines, Values, by_subject, change_of, signed_tenths, tenths
from serving.movement_wording import name_of, say
from serving.names import city_title
from training.expert_card import CutPoints

MOST_LINES = 5
"""Indicators that are shown of an entity in a list."""


class MovementWords:
    """Says a movement in one language."""

    def __init__(self, city: City, settings: Settings, movement: Movement, language: str) -> None:
        self._city, self._movement, self._language = city, movement, language
        self._lines = MovementLines(city, settings, movement, language)

    def summary(self) -> Iterator[str]:
        """Yield how many there are, what the model did, the grades before and after, and what moved them."""
        m = self._movement.manifest
        dates = {side: m[side]["as_of_date"] for side in ("before", "after")}
        yield self._say("head", city=city_title(self._city, self._language), **dates)
        yield self._say("n", **m["n"])
        for state in ("entered", "left"):
            counts = (f"{grade} {n:,}" for grade, n in m["grades_of"][state].items() if n)
            if m["n"][state]:
                yield self._say(f"{state}_by_grade", counts=self._say("between").join(counts))
        yield self.of_the_model()
        yield from ("", self._say("matrix"), *self._matrix())
        yield ""
        for name in ("worse", "better"):
            yield from self._changed(name)

    def of_the_model(self) -> str:
        """Say what the change of model did, or that there was none."""
        m = self._movement.manifest
        kind = "same_model" if m["same_model"] else "separated" if m["separated"] else "mixed"
        versions = {"old": m["before"]["model_version"], "model": m["after"]["model_version"]}
        why = m["not_separated_because"]
        return self._say(kind, **versions, why=self._say(why) if why else "")

    def of_vetoes(self, row: Mapping[str, Any]) -> str:
        """Say what vetoes did to the grades of an entity that is in both gradings; nothing where they did nothing."""
        reasons = self._movement.manifest["vetoes"]
        sides = {side: row[f"veto_{side}"] for side in ("before", "after") if row[f"veto_{side}"]}
        if not sides:
            return ""
        said = {side: reasons[name][self._language] for side, name in sides.items()}
        if len(said) == 1:
            return self._say(f"veto_{next(iter(said))}", **said)
        return self._say("veto_both" if said["before"] == said["after"] else "veto_each", **said)

    def of_cut_points(self, row: Mapping[str, Any]) -> str:
        """Say what new cut points make of the points that an entity had before; nothing where they change nothing."""
        kept = self._movement.manifest["cut_points"]
        if None in kept.values():
            return ""
        points = np.array([row["points_before"]])
        then, now = (str(CutPoints.from_json(kept[side]).grade(points)[0]) for side in ("before", "after"))
        return "" if then == now else self._say("cut_points", then=then, now=now)

    def worsened(self, most: int) -> Iterator[str]:
        """Yield the entities whose points rose most, each with what moved it most."""
        rows = self._movement.worsened(most)
        yield self._say("worsened" if len(rows) else "worsened_none")
        yield from self.entities(rows, MOST_LINES)

    def entities(self, rows: pd.DataFrame, most_lines: int | None = None) -> Iterator[str]:
        """Yield entities with the lines of their change, the largest first; what is shown adds up."""
        entity_ids = rows["entity_id"].tolist()
        values, names = self._lines.values(entity_ids), self._lines.names(entity_ids)
        for row in rows.to_dict("records"):
            yield ""
            who = f"{row['entity_id']} {names.get(row['entity_id'], '')}".strip()
            yield from self._entity({str(key): value for key, value in row.items()}, who, values, most_lines)

    def _matrix(self) -> Iterator[str]:
        transitions = self._movement.manifest["transitions"]
        width = max(9, *(len(grade) + 2 for grade in transitions))
        yield " " * 6 + "".join(f"{grade:>{width}}" for grade in transitions)
        for old, row in transitions.items():
            yield f"  {old:<4}" + "".join(f"{n:>{width},}" for n in row.values())

    def _changed(self, name: str) -> Iterator[str]:
        """Yield how many grades changed one way, and for each cause how many of them and what moved their points."""
        changed = self._movement.manifest["changed"][name]
        if list(changed["by"]) == ["points"]:
            yield self._say(name, n=changed["n"], by=self._say("by_all", **self._mean(changed["by"]["points"])))
            return
        yield self._say(name, n=changed["n"], by="")
        for cause, kind in changed["by"].items():
            yield self._say(f"by_{cause}", n=kind["n"], vetoes=self._vetoes(kind), **self._mean(kind))

    def _mean(self, kind: Mapping[str, Any]) -> dict[str, str]:
        """Return the mean change of points of a cause, and what it is made of."""
        changes = by_subject(kind["points"], self._movement.manifest["indicators"])
        ordered = sorted(changes, key=lambda subject: -abs(changes[subject]))
        shown = {subject: tenths(changes[subject]) for subject in ordered[:MOST_LINES]}
        total = tenths(sum(changes.values()))
        # What is shown adds up to the total, so the rest takes what rounding leaves over.
        shown["others"] = total - sum(shown.values())
        said = (f"{name_of(subject, self._language)} {signed_tenths(n)}" for subject, n in shown.items() if n)
        return {"total": signed_tenths(total), "points": self._say("between").join(said)}

    def _vetoes(self, kind: Mapping[str, Any]) -> str:
        """Return the reasons of the vetoes of a cause, with how many each held."""
        reasons = self._movement.manifest["vetoes"]
        said = (self._say("held", reason=reasons[name][self._language], n=n) for name, n in kind["vetoes"].items())
        return self._say("between").join(said)

    def _entity(self, row: Mapping[str, Any], who: str, values: Values, most_lines: int | None) -> Iterator[str]:
        if row["state"] != "stayed":
            side = "after" if row["state"] == "entered" else "before"
            yield self._say(row["state"], who=who, points=row[f"points_{side}"], grade=row[f"grade_{side}"])
            return
        points = self._say("from_to", old=f"{row['points_before']:,.1f}", new=f"{row['points_after']:,.1f}")
        grades = self._say("from_to", old=row["grade_before"], new=row["grade_after"])
        yield self._say("entity", who=who, points=points, grades=grades)
        for line in self._lines.of(row, values, most_lines):
            said = self._say("said", name=line.name, fact=line.fact) if line.fact else line.name
            if line.expert is not None and line.learned is not None:
                said += self._say("parts", expert=signed_tenths(line.expert), learned=signed_tenths(line.learned))
            yield f"  {signed_tenths(line.total):>8}  {said}"
        yield f"  {signed_tenths(change_of(row)):>8}  {self._say('total')}"
        for said in filter(None, (self.of_vetoes(row), self.of_cut_points(row))):
            yield f"  {'':>8}  {said}"

    def _say(self, key: str, **values: Any) -> str:
        return say(self._language, key, **values)
