"""The report of `qianfen monitor` as pages in Chinese and English that need no server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from data.city import City
from data.files import write_atomically
from serving.monitoring_words import MonitoringWords
from serving.names import city_title
from serving.pages import file_page
from serving.wording import LANGUAGES, other_language

_MOST_INDICATORS = 5
"""Indicators that are named of those by which trees tell two sides apart."""


def write_pages(city: City, content: Mapping[str, Any], folder: Path) -> None:
    """Write zh.html and en.html into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for language in LANGUAGES:
        write_atomically(folder / f"{language}.html", render(city, content, language))


def render(city: City, content: Mapping[str, Any], language: str) -> str:
    """Return the page in `zh` or `en`: one file, style included."""
    words = MonitoringWords(language)
    newest = content["outcomes"][0] if content["outcomes"] else None
    return file_page(
        "monitoring.html",
        language,
        f"{other_language(language)}.html",
        product=words["product"],
        title=city_title(city, language),
        t=words,
        report=content,
        newest=newest,
        order=_order(content, newest),
        rates=_rates(newest["rates"]) if newest else [],
        indicators=_indicators(content["moved"]["indicators"]),
        n_without_value=sum(map(_has_no_value, content["moved"]["indicators"])),
        earlier_grades=dict.fromkeys(row["grade"] for one in content["outcomes"][1:] for row in one["rates"]),
        shares={side: list(_bands(content["moved"]["grades"], side)) for side in ("then", "now")},
        apart={
            name: one and {**one, "by": one["by"][:_MOST_INDICATORS]} for name, one in content["told_apart"].items()
        },
    )


def _order(content: Mapping[str, Any], newest: Mapping[str, Any] | None) -> str:
    """Return the key of the sentence about the order of the grades."""
    if any(finding["kind"] == "grade_order" for finding in content["findings"]):
        return "order_broken"
    judged = [row for row in (newest or {"rates": []})["rates"] if row["n"] >= content["limits"]["grade_labels"]]
    return "order_holds" if len(judged) > 1 else "order_unknown"


def _rates(rates: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the rates by grade with the places of their line and dot on an axis of 1000 units."""
    highest = max((row["rate"]["high"] or 0.0 for row in rates), default=0.0) or 1.0
    return [
        {
            **row,
            "places": {name: round(960 * (row["rate"][name] or 0.0) / highest, 1) for name in ("low", "value", "high")},
        }
        for row in rates
    ]


def _indicators(indicators: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return those with a value on a side, with the width of their bar and the place of their limit, of 1000 units."""
    indicators = [one for one in indicators if not _has_no_value(one)]
    usual = [max(one["psi"], one["limit"]) for one in indicators if one["limit"] <= 0.5]
    longest = max(usual, default=0.5)
    return [
        {
            **one,
            "width": round(1000 * min(max(one["psi"], 0.0) / longest, 1.0), 1),
            "edge": round(1000 * one["limit"] / longest, 1) if one["limit"] <= longest else None,
        }
        for one in indicators
    ]


def _has_no_value(one: Mapping[str, Any]) -> bool:
    return bool(one["missing_then"] == one["missing_now"] == 1.0)


def _bands(grades: Sequence[Mapping[str, Any]], side: str) -> list[tuple[str, float, float]]:
    """Return grade, start and width of the parts of a bar of 1000 units."""
    bands, start = [], 0.0
    for row in grades:
        bands.append((row["grade"], round(start, 1), round(1000 * row[side], 1)))
        start += 1000 * row[side]
    return bands
