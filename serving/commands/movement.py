"""Movement: what changed between two gradings, and which indicators moved whom."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import click

from data.settings import Settings
from serving.commands.shared import CITY, DAY, held_city, say_next

if TYPE_CHECKING:
    from data.city import City
    from serving.grading import Grading
    from serving.movement import Movement


@click.command()
@CITY
@click.option("--from", "since", type=DAY, default=None, help="Earlier date; by default that of the grading before.")
@click.option("--to", "until", type=DAY, default=None, help="Later date; by default that of the grades in force.")
@click.option("--entity", "entity_ids", multiple=True, help="Show this entity alone, with every line; may be repeated.")
@click.option(
    "--most", type=click.IntRange(min=0), default=10, show_default=True, help="Entities to show that worsened most."
)
@click.option("--language", type=click.Choice(["zh", "en"]), default=None, help="Language of the answer.")
@click.option("--why", default="", help="Reason for the look-up; it is written down with your user name.")
@click.pass_obj
def movement(
    settings: Settings,
    city_name: str,
    since: datetime | None,
    until: datetime | None,
    entity_ids: tuple[str, ...],
    most: int,
    language: str | None,
    why: str,
) -> None:
    """Tell what changed between two gradings: grades before and after, who worsened most, and why, in points.

    Everybody's movement is kept as movement.parquet beside the later grades; its lines sum to the change exactly.
    """
    from serving.gradings import graded_in_force, grading_as_of
    from serving.movement import movement_between
    from serving.movement_words import MovementWords
    from serving.promotions import settle_champion

    with held_city(settings, city_name) as city:
        settle_champion(city, settings, click.echo)
        after = grading_as_of(city, settings, until.date()) if until else graded_in_force(city, settings)
        before = grading_as_of(city, settings, since.date()) if since else _grading_before(city, settings, after)
        found = movement_between(city, settings, before, after, click.echo)
        said = MovementWords(city, settings, found, language or city.languages[0])
        rows = found.of(list(entity_ids)) if entity_ids else found.worsened(most)
        _write_down(city, settings, found, rows["entity_id"].tolist(), why)
        for line in said.entities(rows) if entity_ids else (*said.summary(), "", *said.worsened(most)):
            click.echo(line)
        click.echo(f"\nEverybody's movement: {found.path}")
        first = next((entity_id for entity_id in rows["entity_id"] if not entity_ids), None)
        dates = f"--from {before.as_of_date} --to {after.as_of_date}"
        say_next(
            f"qianfen movement {city_name} {dates} --entity {first}" if first else f"qianfen serve {city_name}",
        )


def _grading_before(city: City, settings: Settings, after: Grading) -> Grading:
    from data.errors import NotFoundError
    from serving.gradings import previous_grading

    before = previous_grading(city, settings, after)
    if before is None:
        raise NotFoundError(
            f"A grading of {city.name} must have been in force as of a date before {after.as_of_date}, there was none. "
            f"Grade as of an earlier date with `qianfen grade {city.name} --as-of DATE`, then as of {after.as_of_date} "
            "again, or name a grading with --from."
        )
    return before


def _write_down(city: City, settings: Settings, found: Movement, entity_ids: list[str], why: str) -> None:
    import getpass
    from datetime import date

    from serving.database import open_database
    from serving.lookups import Asker, record_lookups

    after = found.manifest["after"]
    day = date.fromisoformat(after["as_of_date"])
    looked_up = [(entity_id, day, after["model_version"]) for entity_id in entity_ids]
    if looked_up:
        record_lookups(
            open_database(settings.database_url),
            city.name,
            Asker(getpass.getuser(), why, "qianfen movement"),
            looked_up,
        )
