"""Models at work: grades of everybody, published figures."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import click

from data.settings import Settings
from serving.commands.shared import CITY, DAY, bring_in, held_city, say_next

if TYPE_CHECKING:
    from data.city import City
    from serving.grading import Grading


@click.command()
@CITY
@click.option("--as-of", "as_of", type=DAY, default=None, help="As-of date; by default that of city.toml.")
@click.pass_obj
def grade(settings: Settings, city_name: str, as_of: datetime | None) -> None:
    """Grade everybody as of a date with the champion, and put the grades in force.

    Then tell who changed grade since the last grading of an earlier date. A run that was stopped goes on.
    """
    from features.drift.report import check_drift
    from features.snapshots import build_snapshot
    from serving.grading import grade_population
    from serving.promotions import settle_champion
    from training.champions import load_champion

    with held_city(settings, city_name) as city:
        settle_champion(city, settings, click.echo)
        model = load_champion(city, settings)
        day = as_of.date() if as_of else city.split.grading
        records = bring_in(city, settings)
        snapshot = build_snapshot(records, day, settings, click.echo)
        check_drift(city, records, [snapshot], settings, click.echo)
        grading = grade_population(city, records, settings, model, snapshot, click.echo)
        for name, n in grading.grade_counts.items():
            click.echo(f"  {name}  {n:>10,}  {n / grading.n_entities:6.1%}")
        if _say_movement(city, settings, grading):
            say_next(f"qianfen movement {city_name}", f"qianfen serve {city_name}")
        else:
            say_next(f"qianfen serve {city_name}")


def _say_movement(city: City, settings: Settings, grading: Grading) -> bool:
    """Say the movement since the grading before; False where there is none."""
    from serving.gradings import previous_grading
    from serving.movement import movement_between
    from serving.movement_words import MovementWords

    before = previous_grading(city, settings, grading)
    if before is None:
        click.echo(f"No grading of {city.name} is of an earlier date: there is none to compare it with.")
        return False
    movement = movement_between(city, settings, before, grading, click.echo)
    for line in MovementWords(city, settings, movement, city.languages[0]).summary():
        click.echo(line)
    return True


@click.command("evaluate-published")
@CITY
@click.pass_obj
def evaluate_published(settings: Settings, city_name: str) -> None:
    """Compute the figures that a city published, from its own scores, with our metric code."""
    from serving.promotions import settle_champion
    from serving.tables import published_table
    from training.published import evaluate_published as evaluate

    with held_city(settings, city_name) as city:
        settle_champion(city, settings, click.echo)
        click.echo(published_table(evaluate(city, settings)))
