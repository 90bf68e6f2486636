"""The gate's table in Chinese and in English. The ledger keeps its lines as they were judged, in English words."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from serving.audit_wording import group_name, kind_name
from serving.names import indicator_name, sentence_case
from serving.wording import LANGUAGES

_CHECKS_ZH = {
    "The artifact is complete": "制品完整",
    "Indicators are those in force": "指标目录为现行目录",
    "Label and dates are those of city.toml": "标签与日期同 city.toml",
    "The cohort is that of city.toml": "主体范围同 city.toml",
    "Points keep the champion's scale": "沿用现役模型的分数标尺",
    "Comparison with the champion": "与现役模型比较",
    "The champion has not seen these labels": "现役模型没有学过这些标签",
    "Rows stand for everybody, by weights": "各行按权重代表全体主体",
    "Largest AUC of a single indicator": "单项指标的最大 AUC",
    "Explanations add up, largest error": "各项之和等于分数（最大误差，分）",
    "Explanations are TreeSHAP, largest error": "各项贡献即 TreeSHAP（最大误差，分）",
    "Violation rates rise with the grade": "违规率随等级上升（最小升幅）",
}
_MEASURES_ZH = {
    "AUC": "AUC",
    "Precision at 5%": "前 5% 命中率",
    "Precision at 10%": "前 10% 命中率",
    "Brier score": "Brier 分",
    "Calibration error": "校准误差",
    "Calibration gap": "校准差距",
}
_KINDS = ("district", "industry", "size", "age")
_OTHERS_ZH = {"champion": "现役模型", "card": "评分卡"}


def gate_line(row: Mapping[str, Any], language: str) -> str:
    """Return what a line of the gate judges, with what it is compared with."""
    said = _judged(row["what"], language)
    if not (other := row.get("against", "")):
        return said
    return f"{said}，对{_OTHERS_ZH[other]}" if language == "zh" else f"{said}, against {other}"


def is_of_groups(row: Mapping[str, Any]) -> bool:
    """Say whether a line judges a group of entities, or a kind of groups."""
    return row["what"] in _KINDS or _group_of(row["what"]) is not None


def gate_remark(row: Mapping[str, Any], language: str) -> str:
    """Return what the numbers of a line do not say; a remark that has no translation as it stands."""
    said: str = row.get("said", "")
    for pattern, shown in _REMARKS:
        if found := re.fullmatch(pattern, said):
            return shown(row["what"], found, language)
    return said


def _judged(what: str, language: str) -> str:
    if what in _KINDS:
        return sentence_case(kind_name(what, what, language))
    if (found := _group_of(what)) is not None:
        measure, kind, value = found
        named, of = group_name(kind, value, 0, language), kind_name(kind, kind, language)
        return f"{_MEASURES_ZH[measure]}，{of}“{named}”" if language == "zh" else f"{measure}, {of} {named}"
    return {**_CHECKS_ZH, **_MEASURES_ZH}.get(what, what) if language == "zh" else what


def _group_of(what: str) -> tuple[str, str, str] | None:
    """Return measure, kind and value of a line about a group; None of another."""
    measure, _, group = what.partition(", ")
    kind, _, value = group.partition(" ")
    return (measure, kind, value) if measure in _MEASURES_ZH and kind in _KINDS else None


def _pair(zh: str, en: str) -> Callable[[str, re.Match[str], str], str]:
    """Return what puts the groups of a pattern into a sentence of either language."""
    return lambda _, found, language: (zh, en)[LANGUAGES.index(language)].format(**found.groupdict())


def _single(_: str, found: re.Match[str], language: str) -> str:
    name = indicator_name(found["name"], language)
    return f"即{name}" if language == "zh" else f"that is {name}"


def _few(what: str, found: re.Match[str], language: str) -> str:
    # Values of industries may hold commas themselves; such a name then stands as the city wrote it.
    named = [group_name(what, value, 0, language) for value in found["groups"].split(", ")]
    if language == "zh":
        return f"违规少于 {found['n']} 行或未违规少于 {found['n']} 行：{'、'.join(named)}"
    return f"fewer than {found['n']} violations, or {found['n']} without: {', '.join(named)}"


def _rates(_: str, found: re.Match[str], language: str) -> str:
    if language == "en":
        return found[0]
    few = f"；标签太少：{found['few'].replace(', ', '、')}" if found["few"] else ""
    return found["rates"].replace(", ", "、") + few


_REMARKS: tuple[tuple[str, Callable[[str, re.Match[str], str], str]], ...] = (
    (r"that is (?P<name>\w+)", _single),
    (r"fewer than (?P<n>\d+) violations, or \d+ without: (?P<groups>.+)", _few),
    (r"(?P<rates>\w+ [\d.]+%(, \w+ [\d.]+%)*)(; too few labels: (?P<few>.+))?", _rates),
    (r"the city's records do not say it", _pair("该市的记录没有这一项", "the city's records do not say it")),
    (
        r"(?P<left>[\d,]+) of (?P<n>[\d,]+) rows in effect",
        _pair("{n} 行，等效 {left} 行", "{left} of {n} rows in effect"),
    ),
    (r"it was made for other indicators", _pair("其指标目录不同", "it was made for other indicators")),
    (
        r"it learned from labels up to (?P<day>[\d-]+), which flatters it here",
        _pair("它学过截至 {day} 的标签，在此占便宜", "it learned from labels up to {day}, which flatters it here"),
    ),
)
