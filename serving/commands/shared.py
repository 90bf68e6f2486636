"""What every command needs: the city it is about, its records, and the word on what to do next."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from data.settings import Settings

# What a command needs is imported when it runs: `qianfen --help` answers at once.
if TYPE_CHECKING:
    from data.city import City
    from data.records import Records

CITY = click.argument("city_name", metavar="CITY")
DAY = click.DateTime(["%Y-%m-%d"])


@contextmanager
def held_city(settings: Settings, name: str) -> Iterator[City]:
    """Load a city and hold it, so that two runs do not build the same city at once."""
    from data.city import load_city
    from data.files import held

    city = load_city(name)
    with held(settings.var / "cities" / city.name / ".lock"):
        yield city


def bring_in(city: City, settings: Settings) -> Records:
    """Return the records of a city, with what is new of its files."""
    from data.records import ingest

    return ingest(city, settings, click.echo)


def say_next(*commands: str) -> None:
    """Say which command comes next."""
    click.echo(f"Next: {' or '.join(f'`{command}`' for command in commands)}")
