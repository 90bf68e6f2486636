"""The reference page of the indicators, from their declarations: docs/indicators.md."""

from __future__ import annotations

import math

from features.catalogue import Catalogue, load_catalogue
from features.declaration import DIMENSIONS, Indicator
from features.outlook import Remedy

_HEAD = """# Indicators

Written by `qianfen reference` from `features/indicators/`; do not edit.

Each indicator is one number per active entity as of a date, from what was known before that date. Missing is not zero:
where nothing is known the value is missing, and the expert card gives its neutral points. An indicator whose table a
city does not map is missing for everybody.

What is said here holds for the defaults of the parameters. A city sets others in city.toml, `[indicators.<indicator>]`;
what is then said of its indicators is made from those.
"""


def indicators_page(catalogue: Catalogue | None = None) -> str:
    """Return docs/indicators.md."""
    catalogue = catalogue or load_catalogue()
    sections = [_dimension_section(dimension, catalogue) for dimension in DIMENSIONS]
    return _HEAD + "".join(sections)


def _dimension_section(dimension: str, catalogue: Catalogue) -> str:
    members = [item for item in catalogue if item.dimension == dimension]
    return f"\n## {dimension} {DIMENSIONS[dimension]}\n" + "".join(_indicator_section(item) for item in members)


def _indicator_section(item: Indicator) -> str:
    rows = {
        "unit": f"{item.unit} ({item.unit_zh})",
        "risk": f"{item.risk} with the value",
        "range": _range(item),
        "where nothing applies": "missing" if math.isnan(item.absent) else f"{item.absent:g}",
        "what the entity can do": _remedy(item.remedy),
        "as time passes": item.ageing.words,
        "needs": _needs(item),
        "source": item.source,
    }
    table = "".join(f"| {name} | {text} |\n" for name, text in rows.items())
    said = f"\n### {item.name} {item.name_zh}\n\n{item.description}\n\n{item.description_zh}\n\n"
    return f"{said}| | |\n|---|---|\n{table}{_parameters(item)}"


def _parameters(item: Indicator) -> str:
    """Return the table of an indicator's own parameters, and the names of those that it takes from another."""
    own = {name: p for name, p in item.parameters.items() if p.owner in ("", item.name)}
    text = ""
    if own:
        rows = [
            f"| {name} | {p.default:g} | {p.low:g} to {p.high:g} {p.unit} | {p.meaning} ({p.meaning_zh}) | {p.why} |\n"
            for name, p in own.items()
        ]
        head = "| parameter | default | bounds | what it does | why the default |\n|---|---|---|---|---|\n"
        text += f"\n{head}{''.join(rows)}"
    others = {name: p.owner for name, p in item.parameters.items() if name not in own}
    for owner in dict.fromkeys(others.values()):
        text += f"\nIt takes {', '.join(name for name, of in others.items() if of == owner)} from {owner}.\n"
    return text


def _range(item: Indicator) -> str:
    low = "" if item.minimum is None else f"from {item.minimum:g}"
    high = "" if item.maximum is None else f"to {item.maximum:g}"
    return f"{low} {high}".strip() or "any"


def _needs(item: Indicator) -> str:
    needed = [table for table in item.tables if table not in item.optional]
    one_of = [f"one of {' or '.join(item.optional)}"] if item.optional else []
    return ", ".join(needed + one_of)


def _remedy(remedy: Remedy | None) -> str:
    if remedy is None:
        return "nothing at once"
    values = " or ".join(f"{value:g}" for value in remedy.reach or remedy.terms)
    return remedy.how.format(value=f"{values} more" if remedy.terms else values)
