"""`python -m experiments.better_indicators`: what learned parameters bring on the tests."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from data.city import load_city
from data.files import write_json
from data.pages import write_section
from data.records import ingest
from data.settings import PROJECT_ROOT, Settings
from experiments.better_indicators.study import CARD, CASES, CHAMPION, measure
from experiments.command import run

PAGE = PROJECT_ROOT / "docs" / "better-indicators.md"
_NAMES = {
    "defaults": "LightGBM, parameters at their defaults",
    CHAMPION: "LightGBM on the experts' offset, all of these values",
    CARD: "the experts' card alone",
}


@click.command(help=__doc__)
@click.option("--city", "cities", multiple=True, help="City to measure, repeatable; by default all of the study.")
@click.option("--into", "page", type=click.Path(path_type=Path), default=PAGE, help="Page to write the tables into.")
def main(cities: tuple[str, ...], page: Path) -> None:
    """Measure every case and write its table between the markers of its city and label."""
    settings = Settings.from_environment(os.environ)
    for case in CASES:
        if cities and case.city not in cities:
            continue
        city = load_city(case.city)
        found = measure(case, city, ingest(city, settings, click.echo), settings, click.echo)
        name = f"{case.city}, {case.said}"
        write_json(settings.var / "better_indicators" / f"{name}.json", found)
        text = "\n".join(table(found))
        click.echo(text)
        write_section(page, name, text)
    click.echo(f"{page} holds these figures now.")


def table(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield the table of a case."""
    figures = found["figures"]
    yield f"{found['n']:,} in the test, {found['n_positive']:,} violations. AUC with its 95% interval:"
    yield ""
    yield "| | AUC | brought |"
    yield "|---|---|---|"
    for name in found["names"]:
        said = _NAMES.get(name, f"and the values of `{name}`")
        gain = figures.get(f"gain {name}")
        brought = f"{gain['value']:+.4f} ({gain['low']:+.4f} to {gain['high']:+.4f})" if gain else ""
        yield f"| {said} | {_auc(figures[name])} | {brought} |"
    yield ""
    best = max(figures[name]["value"] for name in found["names"])
    short = found["aim"] - best
    reached = "is reached" if short <= 0 else f"is missed by {short:.3f}"
    yardstick = f" ({found['yardstick']})" if found["yardstick"] else ""
    yield f"The aim of {found['aim']:g} {reached}, by the best of these{yardstick}."


def _auc(of: Mapping[str, float]) -> str:
    return f"{of['value']:.4f} ({of['low']:.4f} to {of['high']:.4f})"


if __name__ == "__main__":
    run(main)
