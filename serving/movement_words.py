"""A movement in words, in Chinese and in English: who changed grade, and which indicators moved them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from data.city import City
from data.errors import NotFoundError
from data.settings import Settings
from features.catalogue import load_catalogue
from features.snapshots import load_snapshot
from serving.movement import Movement
from serving.sentences import fact
from serving.wording import LANGUAGES

MOST_LINES = 5
"""Indicators that are shown of an entity in a list."""

_WORDS = {
    "head": ("{city}：{before} 至 {after} 的变动", "{city}: movement from {before} to {after}"),
    "n": (
        "  两次均有 {stayed:,} 户，新增 {entered:,} 户，退出 {left:,} 户",
        "  {stayed:,} entities in both, {entered:,} entered, {left:,} left",
    ),
    "same_model": (
        "  模型未变（{model}）：变动来自记录与时间",
        "  The model is the same ({model}): records and time moved the points",
    ),
    "separated": (
        "  模型由 {old} 换为 {model}；“模型更换”一行是换模型本身的影响，其余各行来自记录与时间",
        "  The model changed from {old} to {model}. The line `the model` is what that alone did; the other lines are "
        "records and time",
    ),
    "mixed": (
        "  模型由 {old} 换为 {model}，无法与记录的影响分开（{why}）：各行兼含两者",
        "  The model changed from {old} to {model}, which cannot be told apart from the records ({why}): the lines "
        "hold both",
    ),
    "matrix": ("等级变动（行为变动前，列为变动后）", "Grades before (down) and after (across)"),
    "worse": ("等级变差 {n:,} 户，平均变动：{points}", "Grade got worse: {n:,}; on average {points}"),
    "better": ("等级变好 {n:,} 户，平均变动：{points}", "Grade got better: {n:,}; on average {points}"),
    "worse_none": ("等级变差 0 户", "Grade got worse: 0"),
    "better_none": ("等级变好 0 户", "Grade got better: 0"),
    "worsened": ("分数上升最多的主体", "Entities whose points rose most"),
    "worsened_none": ("没有主体分数上升", "No entity's points rose"),
    "entity": ("{entity_id}  {points} 分，{grades} 级", "{entity_id}  {points} points, grade {grades}"),
    "entered": (
        "{entity_id}  新增：{points:.1f} 分，{grade} 级",
        "{entity_id}  entered with {points:.1f} points, grade {grade}",
    ),
    "left": (
        "{entity_id}  退出：原为 {points:.1f} 分，{grade} 级",
        "{entity_id}  left; it had {points:.1f} points, grade {grade}",
    ),
    "from_to": ("{old} → {new}", "{old} -> {new}"),
    "as_before": ("{fact}，与前次相同（受其他指标影响）", "{fact}, as before; other indicators bear on it"),
    "as_before_mixed": (
        "{fact}，与前次相同（受其他指标或模型影响）",
        "{fact}, as before; other indicators or the model bear on it",
    ),
    "now": ("{new}（前次：{old}）", "{new}; before: {old}"),
    "said": ("{name}：{fact}", "{name}: {fact}"),
    "between": ("、", ", "),
    "parts": ("（专家 {expert}，历史 {learned}）", " (experts {expert}, history {learned})"),
    "others": ("其余各项", "all other lines"),
    "model": ("模型更换", "the model"),
    "base_points": ("基础分", "base points"),
    "clipping": ("限定在 0 至 1000 之间", "held within 0 to 1000"),
    "rounding": ("取整", "rounding"),
    "total": ("合计", "change of points"),
}


class MovementWords:
    """Says a movement in one language; what indicators were is read from the snapshots, where they are still there."""

    def __init__(self, city: City, settings: Settings, movement: Movement, language: str) -> None:
        self._city, self._movement, self._language = city, movement, language
        self._mapped = set(city.mapped_tables)
        home = settings.var / "cities" / city.name / "snapshots"
        m = movement.manifest
        self._folders = [home / f"{m[s]['as_of_date']}-{m[s]['snapshot_id']}" for s in ("before", "after")]

    def summary(self) -> Iterator[str]:
        """Yield how many there are, what the model did, the grades before and after, and what moved them."""
        m = self._movement.manifest
        before, after = m["before"], m["after"]
        title = self._city.title_zh if self._language == "zh" else self._city.title
        yield self._say("head", city=title, before=before["as_of_date"], after=after["as_of_date"])
        yield self._say("n", **m["n"])
        kind = "same_model" if m["same_model"] else "separated" if m["separated"] else "mixed"
        versions = {"old": before["model_version"], "model": after["model_version"]}
        yield self._say(kind, **versions, why=m["not_separated_because"])
        yield from ("", self._say("matrix"), *self._matrix())
        yield from ("", *(self._mean(name) for name in ("worse", "better")))

    def worsened(self, most: int) -> Iterator[str]:
        """Yield the entities whose points rose most, each with what moved it most."""
        rows = self._movement.worsened(most)
        yield self._say("worsened" if len(rows) else "worsened_none")
        yield from self.entities(rows, MOST_LINES)

    def entities(self, rows: pd.DataFrame, most_lines: int | None = None) -> Iterator[str]:
        """Yield entities with the lines of their change, the largest first; what is shown adds up."""
        values = self._values(rows["entity_id"].tolist())
        for row in rows.to_dict("records"):
            yield ""
            yield from self._entity({str(key): value for key, value in row.items()}, values, most_lines)

    def _matrix(self) -> Iterator[str]:
        transitions = self._movement.manifest["transitions"]
        width = max(9, *(len(grade) + 2 for grade in transitions))
        yield " " * 6 + "".join(f"{grade:>{width}}" for grade in transitions)
        for old, row in transitions.items():
            yield f"  {old:<4}" + "".join(f"{n:>{width},}" for n in row.values())

    def _mean(self, name: str) -> str:
        mean = self._movement.manifest["mean_change"][name]
        if not mean["n"]:
            return self._say(f"{name}_none")
        by_subject = self._by_subject(mean["points"])
        largest = sorted(by_subject.items(), key=lambda item: -abs(item[1]))[:MOST_LINES]
        points = self._say("between").join(f"{self._name(subject)} {by:+.1f}" for subject, by in largest)
        return self._say(name, n=mean["n"], points=points)

    def _by_subject(self, row: Mapping[str, Any]) -> dict[str, float]:
        """Return the change by indicator, both parts together, and by each of the other lines."""
        names = self._movement.manifest["indicators"]
        totals = {name: float(row[f"expert_{name}"]) + float(row[f"learned_{name}"]) for name in names}
        return totals | {line: float(row[line]) for line in ("model", "base_points", "clipping", "rounding")}

    def _entity(self, row: Mapping[str, Any], values: _Values, most_lines: int | None) -> Iterator[str]:
        if row["state"] != "stayed":
            side = "after" if row["state"] == "entered" else "before"
            points, grade = row[f"points_{side}"], row[f"grade_{side}"]
            yield self._say(row["state"], entity_id=row["entity_id"], points=points, grade=grade)
            return
        points = self._say("from_to", old=f"{row['points_before']:.1f}", new=f"{row['points_after']:.1f}")
        grades = self._say("from_to", old=row["grade_before"], new=row["grade_after"])
        yield self._say("entity", entity_id=row["entity_id"], points=points, grades=grades)
        subjects = self._by_subject(row)
        del subjects["rounding"]
        ordered = sorted(subjects, key=lambda subject: -abs(subjects[subject]))
        shown = [subject for subject in ordered[:most_lines] if _tenths(subjects[subject])]
        total = _tenths(row["points_after"]) - _tenths(row["points_before"])
        rest = _tenths(sum(points for subject, points in subjects.items() if subject not in shown))
        for subject in shown:
            yield f"  {_signed(_tenths(subjects[subject]))}  {self._line(subject, row, values)}"
        if rest:
            yield f"  {_signed(rest)}  {self._say('others')}"
        # Points are shown with one decimal: what that leaves over has a line too, so that the column adds up.
        over = total - rest - sum(_tenths(subjects[subject]) for subject in shown)
        if over:
            yield f"  {_signed(over)}  {self._say('rounding')}"
        yield f"  {_signed(total)}  {self._say('total')}"

    def _line(self, subject: str, row: Mapping[str, Any], values: _Values) -> str:
        if subject in ("model", "base_points", "clipping"):
            return self._say(subject)
        parts = {part: _signed(_tenths(row[f"{part}_{subject}"])).strip() for part in ("expert", "learned")}
        said = self._facts(subject, row["entity_id"], values)
        name = self._name(subject)
        return (self._say("said", name=name, fact=said) if said else name) + self._say("parts", **parts)

    def _facts(self, name: str, entity_id: str, values: _Values) -> str:
        catalogue = load_catalogue()
        if name not in catalogue.names or any(name not in v or entity_id not in v.index for v in values):
            return ""
        old, new = (self._fact(name, float(frame[name].loc[entity_id])) for frame in values)
        if old != new:
            return self._say("now", old=old, new=new)
        m = self._movement.manifest
        return self._say("as_before" if m["same_model"] or m["separated"] else "as_before_mixed", fact=new)

    def _fact(self, name: str, value: float) -> str:
        item = load_catalogue()[name]
        known = None if math.isnan(value) else value
        said = fact(item, known, item.is_available(self._mapped), self._city.currency)
        return said.zh if self._language == "zh" else said.en

    def _values(self, entity_ids: list[str]) -> _Values:
        """Return the indicators of some entities in both snapshots; nothing where a snapshot is gone."""
        try:
            return [load_snapshot(folder).lookup(entity_ids).set_index("entity_id") for folder in self._folders]
        except NotFoundError:
            return [pd.DataFrame(), pd.DataFrame()]

    def _name(self, subject: str) -> str:
        if subject in _WORDS:
            return self._say(subject)
        catalogue = load_catalogue()
        if self._language == "zh" and subject in catalogue.names:
            return catalogue[subject].name_zh
        return subject.replace("_", " ")

    def _say(self, key: str, **values: Any) -> str:
        return _WORDS[key][LANGUAGES.index(self._language)].format(**values)


_Values = list[pd.DataFrame]


def _tenths(points: float) -> int:
    return round(points * 10)


def _signed(tenths: int) -> str:
    return f"{tenths / 10:>+8.1f}"
