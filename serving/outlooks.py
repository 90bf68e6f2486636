"""What would change the grade, in words: the answer of `GET /v1/what-would-change`, the command and the review page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from data.errors import ConfigurationError, did_you_mean
from features.catalogue import Catalogue
from features.declaration import Indicator
from serving.sentences import is_by_gravity
from serving.veto_sentences import veto_stands
from training.additive import AdditiveModel
from training.counterfactuals import Change, Outlook, Target, Way, what_would_change


class _Declared(BaseModel):
    model_config = ConfigDict(extra="forbid")


class StepReply(_Declared):
    """Something to do, or a time to wait."""

    kind: Literal["act", "wait"] = Field(description="act: done on the as-of date; wait: comes after all acts.")
    indicator: str | None = Field(description="Indicator that the act is about; null for a wait.")
    sentence_zh: str = Field(description="What to do, in Chinese.")
    sentence_en: str = Field(description="What to do, in English.")


class ChangeReply(_Declared):
    """The value of an indicator as of the date, and in the end."""

    indicator: str = Field(description="Name of the indicator.", examples=["licence_validity"])
    before: float = Field(description="Value as of the date.")
    after: float = Field(description="Value in the end, with which it was scored.")


class WayReply(_Declared):
    """Steps that belong together, and what comes of them."""

    steps: list[StepReply] = Field(description="What to do; a wait comes last.")
    wait_days: int = Field(description="Days to wait; 0 where acting is enough.")
    as_of_date: date | None = Field(description="Day on which the points are reached.")
    effort: float = Field(description="Declared effort of the steps; 90 days of waiting count 1.")
    values: list[ChangeReply] = Field(description="Every indicator whose value is another one in the end.")
    points: float = Field(description="Points of these values, as the model scores them.")
    grade: str = Field(description="Grade of those points, after all vetoes.")


class TargetReply(_Declared):
    """A value that good results to come would have to bring about; how many it takes, the value does not tell."""

    indicator: str = Field(description="Name of the indicator.", examples=["failed_inspections"])
    before: float = Field(description="Value as of the date.")
    at_most: float = Field(description="Highest value at which the grade is reached, all others as they are.")
    points: float = Field(description="Points with that value, as the model scores them.")
    grade: str = Field(description="Grade of those points, after all vetoes.")
    sentence_zh: str = Field(description="The finding in Chinese.")
    sentence_en: str = Field(description="The finding in English.")


class OutlookReply(_Declared):
    """What would change the grade of one entity."""

    entity_id: str | None = Field(description="Entity.")
    as_of_date: date | None = Field(description="Day of the values.")
    points: float = Field(description="Points now.")
    grade: str = Field(description="Grade now.")
    next_grade: str | None = Field(description="The next better grade; null in the best.")
    below_points: float | None = Field(description="Points below which it begins; null in the best.")
    sentence_zh: str = Field(description="The finding in Chinese.")
    sentence_en: str = Field(description="The finding in English.")
    ways: list[WayReply] = Field(description="Up to three ways that reach it, the least effort first; empty if none.")
    best: WayReply | None = Field(description="Where none reaches it, the way to the fewest points, if any.")
    target: TargetReply | None = Field(description="What results to come would reach it by themselves, if any can.")
    model_version: str = Field(description="Model that scored.")


class Outlooks:
    """Says of replies of one model what would change the grade."""

    def __init__(self, catalogue: Catalogue, model: AdditiveModel, not_asked: Sequence[str] = ()) -> None:
        self._catalogue = _asking(catalogue, not_asked)
        self._model = model

    def outlook(self, reply: Mapping[str, Any]) -> dict[str, Any]:
        """Return what would change the grade of a reply of `POST /v1/score`, as OutlookReply declares it."""
        values = [np.nan if c["value"] is None else c["value"] for c in reply["contributions"]]
        found = what_would_change(self._model, self._catalogue, np.array(values, dtype=np.float64))
        zh, en = _finding(found)
        if found.veto and not found.ways:
            zh, en = _vetoed(veto_stands(self._model.vetoes[found.veto]), found, (zh, en))
        as_of_date = date.fromisoformat(reply["as_of_date"]) if reply["as_of_date"] else None
        return {
            "entity_id": reply["entity_id"],
            "as_of_date": reply["as_of_date"],
            "points": found.points,
            "grade": found.grade,
            "next_grade": found.next_grade,
            "below_points": found.below_points,
            "sentence_zh": zh,
            "sentence_en": en,
            "ways": [self._way(way, as_of_date) for way in found.ways],
            "best": None if found.best is None else self._way(found.best, as_of_date),
            "target": None if found.target is None else self._target(found.target),
            "model_version": self._model.model_version,
        }

    def _way(self, way: Way, as_of_date: date | None) -> dict[str, Any]:
        then = None if as_of_date is None else (as_of_date + timedelta(days=way.wait_days)).isoformat()
        steps = [self._act(act) for act in way.acts]
        if way.wait_days:
            steps.append(self._wait(way, then))
        return {
            "steps": steps,
            "wait_days": way.wait_days,
            "as_of_date": then,
            "effort": way.effort,
            "values": [vars(change) for change in way.values],
            "points": way.points,
            "grade": way.grade,
        }

    def _target(self, target: Target) -> dict[str, Any]:
        zh, en = _reached_by_results(self._catalogue[target.indicator], target)
        return {
            "indicator": target.indicator,
            "before": target.before,
            "at_most": target.after,
            "points": target.points,
            "grade": target.grade,
            "sentence_zh": zh,
            "sentence_en": en,
        }

    def _act(self, act: Change) -> dict[str, Any]:
        remedy = self._catalogue[act.indicator].remedy
        assert remedy is not None, "acts come from remedies"
        value = f"{act.after:,.0f}"
        return {
            "kind": "act",
            "indicator": act.indicator,
            "sentence_zh": remedy.how_zh.format(value=value) + "。",
            "sentence_en": remedy.how.format(value=value) + ".",
        }

    def _wait(self, way: Way, then: str | None) -> dict[str, Any]:
        """Say how long to wait, and what must hold meanwhile of values that are not 0 in the beginning."""
        stands = {name for name, value in zip(self._catalogue.names, way.row, strict=True) if value > 0}
        stands |= {change.indicator for change in way.values if change.before > 0}
        ageing = [item.ageing for item in self._catalogue if item.ageing.condition and item.name in stands]
        until_zh, until_en = (f"（至 {then}）", f", until {then}") if then else ("", "")
        held_zh = "".join(f"，且始终{a.condition_zh}" for a in ageing)
        held_en = "".join(f", and be {a.condition} all that time" for a in ageing)
        return {
            "kind": "wait",
            "indicator": None,
            "sentence_zh": f"此后 {way.wait_days:,} 天{until_zh}没有新的不良记录{held_zh}。",
            "sentence_en": f"Go {way.wait_days:,} days without a new adverse record{until_en}{held_en}.",
        }


def _asking(catalogue: Catalogue, not_asked: Sequence[str]) -> Catalogue:
    """Return the catalogue with no remedy for some indicators; ConfigurationError for one that there is not."""
    for name in not_asked:
        if name not in catalogue.names:
            raise ConfigurationError(
                f"[outlook] not_asked must name indicators, got '{name}'.{did_you_mean(name, catalogue.names)}"
            )
    items = (replace(item, remedy=None) if item.name in not_asked else item for item in catalogue)
    return replace(catalogue, indicators=tuple(items))


def _reached_by_results(item: Indicator, target: Target) -> tuple[str, str]:
    """Say to what results to come would have to bring a value, in the words of what it measures."""
    now, at_most, by = f"{target.before:.1%}", f"{target.after:.1%}", item.ageing
    then_zh = f"、其他不变时，风险分为 {target.points:,.1f} 分，{target.grade} 级。"
    then_en = f", now {now}, and all else as it is, it has {target.points:,.1f} points, grade {target.grade}."
    if is_by_gravity(item):
        return (
            f"{by.earned_by_zh}且未发现问题，单凭此项即可达到：检查结果的平均严重度由最严重结果的 {now} 降至 {at_most}"
            f"{then_zh}需要几次，仅凭该数值无从推知。",
            f"{by.earned_by}, with nothing found, would reach it by itself: where what inspections found comes to "
            f"{at_most} of the gravest result{then_en} How many it takes, the value does not tell.",
        )
    return (
        f"{by.earned_by_zh}，单凭此项即可达到：{item.name_zh}率由 {now} 降至 {at_most}{then_zh}"
        "需要几次合格，仅凭该比率无从推知。",
        f"{by.earned_by} would reach it by itself: with a rate of {item.name.replace('_', ' ')} of {at_most}{then_en} "
        "How many it takes, the rate does not tell.",
    )


def _vetoed(stands: tuple[str, str], found: Outlook, finding: tuple[str, str]) -> tuple[str, str]:
    """Say that a veto stands, and then what points can come to."""
    if found.below_points is not None and found.points < found.below_points:
        below = f"{found.below_points:,g}"
        finding = (
            f"分数已低于 {below} 分，主体自身的改变（至多三项）与至多三年的等待都不能解除这一限制。",
            f"Its points are below {below} already. Up to three changes that the entity can make itself, with up to "
            "three years of waiting, do not lift this.",
        )
    elif found.best is not None and found.below_points is not None and found.best.points < found.below_points:
        # Points alone could come to the better grade: what keeps it from there is the veto.
        fewest = f"{found.best.points:,.1f}"
        finding = (
            f"主体自身的改变（至多三项）与至多三年的等待可使分数降至 {fewest} 分，但不能解除这一限制。",
            "Up to three changes that the entity can make itself, with up to three years of waiting, can bring its "
            f"points to {fewest}, but do not lift this.",
        )
    return stands[0] + finding[0], f"{stands[1]} {finding[1]}"


def _lifting(n_ways: int, below: str, grade: str) -> tuple[str, str]:
    """Say that ways lift a veto, where points are few enough already."""
    if n_ways == 1:
        return (
            f"以下办法能解除等级限制，达到 {grade} 级（分数已低于 {below} 分）；已按届时数值用模型重新计分核实。",
            f"This lifts the veto, to grade {grade}; its points are below {below} already. It was scored by the model "
            "with the values that the entity would then have.",
        )
    return (
        f"以下任一办法都能解除等级限制，达到 {grade} 级（分数已低于 {below} 分）；"
        "每个办法都按届时数值用模型重新计分核实过。",
        f"Each of these lifts the veto, to grade {grade}; its points are below {below} already. Each was scored by the "
        "model with the values that the entity would then have.",
    )


def _finding(found: Outlook) -> tuple[str, str]:
    if found.next_grade is None or found.below_points is None:
        return "已是风险最低的等级，没有更好的等级。", "It has the best grade; there is none better to reach."
    below, grade = f"{found.below_points:,g}", found.next_grade
    if found.veto and found.ways and found.points < found.below_points:
        return _lifting(len(found.ways), below, grade)
    if len(found.ways) == 1:
        return (
            f"以下办法能使风险分低于 {below} 分，达到 {grade} 级；已按届时数值用模型重新计分核实。",
            f"This brings it below {below} points, to grade {grade}. It was scored by the model with the values that "
            "the entity would then have.",
        )
    if found.ways:
        return (
            f"以下任一办法都能使风险分低于 {below} 分，达到 {grade} 级；每个办法都按届时数值用模型重新计分核实过。",
            f"Each of these brings it below {below} points, to grade {grade}. Each was scored by the model "
            "with the values that the entity would then have.",
        )
    none_zh = f"主体自身可作的改变（至多三项），连同至多三年的等待，都不能使风险分低于 {below} 分（{grade} 级）。"
    none_en = (
        "Up to three changes that the entity can make itself, with up to three years of waiting, do not bring it below "
        f"{below} points, to grade {grade}."
    )
    if found.best is None:
        return f"{none_zh}也没有一项能使分数降低。", f"{none_en} None of them lowers its points."
    fewest = f"{found.best.points:,.1f}"
    return f"{none_zh}最多可降至 {fewest} 分。", f"{none_en} The fewest points that it can come to are {fewest}."
