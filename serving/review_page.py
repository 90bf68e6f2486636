"""The drawing of a sum: from base points, indicator by indicator, to the points, as positions on one scale."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from features.catalogue import Catalogue
from features.declaration import Indicator
from serving.sentences import NEGLIGIBLE_POINTS, shown_value, signed
from serving.veto_sentences import veto_sentence
from serving.wording import LANGUAGES
from training.additive import AdditiveModel
from training.expert_card import CutPoints

WIDTH = 1000.0
"""Width of the drawing in its own units; it stretches with the page."""

_PADDING_SHARE = 0.04
_STEPS = (1, 2, 5, 10, 20, 50, 100, 200, 500)
_MOST_TICKS = 6
_NEGLIGIBLE_CLIPPING = 1e-9


@dataclass(frozen=True)
class Bar:
    """A stretch on the drawing: left edge and width."""

    x: float
    width: float


@dataclass(frozen=True)
class Step:
    """One indicator: what it is, what it adds, and where its bars lie. The next one starts at `ends_at`."""

    name: str
    dimension: str
    value: str
    is_missing: bool
    sentence: str
    expert: str
    learned: str
    total: str
    expert_bar: Bar
    learned_bar: Bar
    starts_at: float
    ends_at: float
    is_flat: bool


@dataclass(frozen=True)
class Tick:
    """A number on the axis, or a boundary between two grades."""

    x: float
    text: str


@dataclass(frozen=True)
class Band:
    """A grade on the thousand-point bar, in percent of its length."""

    grade: str
    left: float
    width: float
    from_points: int


@dataclass(frozen=True)
class Drawing:
    """Everything that the template draws; all positions are on one scale from 0 to WIDTH."""

    steps: tuple[Step, ...]
    base_x: float
    sum_x: float
    points_x: float
    clips: bool
    ticks: tuple[Tick, ...]
    boundaries: tuple[Tick, ...]


def draw(
    reply: Mapping[str, Any], catalogue: Catalogue, cut_points: CutPoints, language: str, currency: str
) -> Drawing:
    """Lay out a reply of `POST /v1/score`, the largest contributions first."""
    contributions = sorted(reply["contributions"], key=lambda c: (-abs(c["total"]), c["indicator"]))
    running = [reply["base_points"]]
    for contribution in contributions:
        running.append(running[-1] + contribution["total"])
    between = [start + c["expert"] for start, c in zip(running, contributions, strict=False)]
    scale = _Scale.over([*running, *between, reply["points"]])
    steps = tuple(
        _step(c, start, scale, catalogue, language, currency) for start, c in zip(running, contributions, strict=False)
    )
    return Drawing(
        steps=steps,
        base_x=scale.x(reply["base_points"]),
        sum_x=scale.x(running[-1]),
        points_x=scale.x(reply["points"]),
        clips=abs(reply["clipping"]) > _NEGLIGIBLE_CLIPPING,
        ticks=scale.ticks(),
        boundaries=tuple(
            Tick(scale.x(points), f"{before}|{after}")
            for (before, after), points in zip(pairwise(cut_points.grades), cut_points.from_points[1:], strict=True)
            if scale.low < points < scale.high
        ),
    )


@dataclass(frozen=True)
class ShownChange:
    """A value before and after, as a page shows it."""

    name: str
    before: str
    after: str


def shown_changes(
    way: Mapping[str, Any], catalogue: Catalogue, language: str, currency: str
) -> tuple[ShownChange, ...]:
    """Return the values that a way of `GET /v1/what-would-change` moves; those that look the same are left out."""
    shown = []
    for change in way["values"]:
        item = catalogue[change["indicator"]]
        before, after = (shown_value(item, change[when], language, currency) for when in ("before", "after"))
        if before != after:
            unit = f" {item.unit_zh if language == 'zh' else item.unit}"
            before = before.removesuffix(unit) if after.endswith(unit) else before
            shown.append(ShownChange(_name(item, language), before, after))
    return tuple(shown)


def bands(cut_points: CutPoints) -> tuple[Band, ...]:
    """Return the grades as stretches of the thousand-point bar."""
    edges = [*cut_points.from_points, 1000.0]
    return tuple(
        Band(grade, start / 10, (end - start) / 10, round(start))
        for grade, (start, end) in zip(cut_points.grades, pairwise(edges), strict=True)
    )


@dataclass(frozen=True)
class CardGrade:
    """What stands behind the grade of the experts' card alone.

    Attributes
    ----------
    by_points : str
        Grade of the card's points before any veto.
    bands : tuple of Band
        The card's own grades on the thousand-point bar; empty where they begin where the model's do.
    veto : str
        Sentence of the veto that changed the card's grade; empty where none did.
    veto_name : str
        Name of that veto.
    """

    by_points: str
    bands: tuple[Band, ...]
    veto: str
    veto_name: str


def card_grade(reply: Mapping[str, Any], model: AdditiveModel, language: str) -> CardGrade:
    """Return what stands behind the grade of the experts' card in a reply of `POST /v1/score`."""
    known = {c["indicator"]: c["value"] for c in reply["contributions"]}
    values = np.array([[np.nan if known[name] is None else known[name] for name in model.names]])
    by_points = model.card_cut_points.grade(np.array([reply["expert_points"]]))
    name = str(model.vetoes.applied(values, by_points)[1][0])
    said = veto_sentence(model.vetoes[name], str(by_points[0])) if name else ("", "")
    own = model.card_cut_points.from_points != model.cut_points.from_points
    return CardGrade(
        str(by_points[0]),
        bands(model.card_cut_points) if own else (),
        said[LANGUAGES.index(language)],
        name,
    )


def _step(
    contribution: Mapping[str, Any], start: float, scale: _Scale, catalogue: Catalogue, language: str, currency: str
) -> Step:
    item = catalogue[contribution["indicator"]]
    between = start + contribution["expert"]
    end = start + contribution["total"]
    return Step(
        name=_name(item, language),
        dimension=item.dimension_zh if language == "zh" else item.dimension,
        value=shown_value(item, contribution["value"], language, currency),
        is_missing=contribution["value"] is None,
        sentence=contribution[f"sentence_{language}"],
        expert=signed(contribution["expert"]),
        learned=signed(contribution["learned"]),
        total=signed(contribution["total"]),
        expert_bar=scale.bar(start, between),
        learned_bar=scale.bar(between, end),
        starts_at=scale.x(start),
        ends_at=scale.x(end),
        is_flat=max(abs(contribution["expert"]), abs(contribution["learned"])) < NEGLIGIBLE_POINTS,
    )


def _name(item: Indicator, language: str) -> str:
    return item.name_zh if language == "zh" else item.name.replace("_", " ").capitalize()


@dataclass(frozen=True)
class _Scale:
    """Points from `low` to `high` over WIDTH."""

    low: float
    high: float

    @classmethod
    def over(cls, points: Sequence[float]) -> _Scale:
        low, high = min(points), max(points)
        padding = max((high - low) * _PADDING_SHARE, 1.0)
        return cls(low - padding, high + padding)

    def x(self, points: float) -> float:
        return round((points - self.low) / (self.high - self.low) * WIDTH, 2)

    def bar(self, start: float, end: float) -> Bar:
        left, right = sorted((self.x(start), self.x(end)))
        return Bar(left, round(right - left, 2))

    def ticks(self) -> tuple[Tick, ...]:
        span = self.high - self.low
        step = next((s for s in _STEPS if span / s <= _MOST_TICKS), 1000)
        first = math.ceil(self.low / step) * step
        count = int((self.high - first) // step) + 1
        return tuple(Tick(self.x(p), f"{p:,}".replace("-", "−")) for p in (first + i * step for i in range(count)))
