"""`python -m experiments.better_indicators.card CITY DATE`: ranges and cut points on the scale of learned values.

Experts wrote the ranges for values on another scale. Where a city's parameters move that scale, each edge of the
initial card goes to where it cuts off the same share of the active entities as of DATE as it did with the defaults, and
the cut points of the grades to where they cut off the same shares of the entities by the card. No label is looked at.
DATE must lie before all folds: a fold may not know what came after its training. No fold looks at cut points, so they
may be as of a later day, at most the first of the test.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime

import click
import numpy as np
from numpy.typing import NDArray

from data.city import City, load_city
from data.errors import ConfigurationError
from data.records import Records, ingest
from data.settings import Settings
from experiments.command import run
from features.catalogue import catalogue_of, load_catalogue
from features.panel import build_panel
from training.expert_card import REFERENCE, ExpertCard, Ranges
from training.fitting import Recipe

SHARES = (0.70, 0.20, 0.07, 0.03)


@click.command(help=__doc__)
@click.argument("city_name", metavar="CITY")
@click.argument("day", metavar="DATE", type=click.DateTime(["%Y-%m-%d"]))
@click.option("--cut-points", "cut_day", type=click.DateTime(["%Y-%m-%d"]), help="Another date for the cut points.")
def main(city_name: str, day: datetime, cut_day: datetime | None) -> None:
    """Print the rows for expert_card.csv and cut_points.csv; the files stay as they are."""
    settings = Settings.from_environment(os.environ)
    city = load_city(city_name)
    records = ingest(city, settings, click.echo)
    card = with_initial_edges(Recipe.of(city, settings.threads).card)
    moved = card_as_of(city, records, day.date(), settings.threads)
    for line in card_lines(card, moved):
        click.echo(line)
    for grade, cut in zip("BCD", cuts_as_of(moved, records, (cut_day or day).date(), settings.threads), strict=True):
        click.echo(f"{grade},{cut:g}")


def card_as_of(city: City, records: Records, day: date, threads: int) -> ExpertCard:
    """Return a city's card with the edges of the initial card moved by what was known before `day`."""
    before, after = (_values(part, day, threads) for part in (_at_defaults(records), records))
    return moved_card(with_initial_edges(Recipe.of(city, threads).card), _changed(city), before, after)


def cuts_as_of(card: ExpertCard, records: Records, day: date, threads: int) -> list[float]:
    """Return where the card's points cut off the wanted shares of those active on `day`, in whole points."""
    points = card.points(_values(records, day, threads)).sum(axis=1)
    return [float(cut) for cut in np.round(np.quantile(points, np.cumsum(SHARES)[:-1]))]


def with_initial_edges(card: ExpertCard) -> ExpertCard:
    """Return a city's card with the edges of the initial one: those in force may have been moved already.

    Raises
    ------
    ConfigurationError
        Where the city gives an indicator another number of ranges.
    """
    initial = ExpertCard.from_csv(REFERENCE / "expert_card.csv", card.names)
    for own, first in zip(card.ranges, initial.ranges, strict=True):
        if len(own.edges) != len(first.edges):
            raise ConfigurationError(
                f"The card must give {own.indicator} {len(first.points)} ranges as the initial card does, got "
                f"{len(own.points)}. Move its ranges by hand."
            )
    ranges = (replace(own, edges=first.edges) for own, first in zip(card.ranges, initial.ranges, strict=True))
    return replace(card, ranges=tuple(ranges))


def moved_card(
    card: ExpertCard, changed: set[str], before: NDArray[np.float64], after: NDArray[np.float64]
) -> ExpertCard:
    """Return the card with the edges of the changed indicators at the shares that they had.

    Parameters
    ----------
    before, after : float64 (n, 18)
        Values of the same entities with the defaults, and with the values in force.
    """
    # Ranges that all give the same points part nobody.
    moving = [one.indicator in changed and len(set(one.points)) > 1 for one in card.ranges]
    ranges = [
        replace(one, edges=moved_edges(one, before[:, at], after[:, at])) if moving[at] else one
        for at, one in enumerate(card.ranges)
    ]
    return replace(card, ranges=tuple(ranges))


def moved_edges(ranges: Ranges, before: NDArray[np.float64], after: NDArray[np.float64]) -> tuple[float, ...]:
    """Return where each edge cuts off the same share of known values, to three digits, each above the last."""
    old, new = (np.sort(values[~np.isnan(values)]) for values in (before, after))
    edges: list[float] = []
    for edge in ranges.edges:
        share = np.searchsorted(old, edge, side="left") / len(old)
        found = float(f"{np.quantile(new, share):.3g}")
        edges.append(max(found, edges[-1] + 0.001) if edges else found)
    return tuple(round(edge, 6) for edge in edges)


def card_lines(card: ExpertCard, moved: ExpertCard) -> Iterator[str]:
    """Yield indicator, lower and upper edge and points of every range that moved."""
    for old, new in zip(card.ranges, moved.ranges, strict=True):
        if old.edges != new.edges:
            for low, high, points in zip(("", *new.edges), (*new.edges, ""), new.points, strict=True):
                yield f"{new.indicator},{low},{high},,{points:g}"


def _changed(city: City) -> set[str]:
    hashes = load_catalogue().hashes
    return {name for name, digest in catalogue_of(city).hashes.items() if digest != hashes[name]}


def _at_defaults(records: Records) -> Records:
    return replace(records, indicator_parameters={})


def _values(records: Records, day: date, threads: int) -> NDArray[np.float64]:
    (table,) = build_panel(records, [day], threads=threads)
    frame = table.to_pandas()
    values: NDArray[np.float64] = frame[list(load_catalogue().names)].to_numpy(np.float64, na_value=np.nan)
    return values


if __name__ == "__main__":
    run(main)
