"""Indicators: snapshots as of a date."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import click

from data.settings import ENGINES, Settings
from serving.commands.shared import CITY, DAY, bring_in, held_city, say_next


@click.group()
def features() -> None:
    """Indicators as of a date."""


@features.command("build")
@CITY
@click.option("--as-of", "as_of", type=DAY, multiple=True, help="As-of date, repeatable; by default all of city.toml.")
@click.option(
    "--engine",
    type=click.Choice(ENGINES),
    default=None,
    help="What works them out: duckdb on this machine, spark past it; by default QIANFEN_ENGINE, else duckdb.",
)
@click.option("--records", "records_id", default=None, help="Build from earlier records, by their id.")
@click.pass_obj
def features_build(
    settings: Settings, city_name: str, as_of: tuple[datetime, ...], engine: str | None, records_id: str | None
) -> None:
    """Build the snapshots of a city, from its present records or from earlier ones."""
    from data.records import open_records
    from features.snapshots import build_snapshot

    settings = replace(settings, engine=engine or settings.engine)
    with held_city(settings, city_name) as city:
        records = open_records(city, settings, records_id) if records_id else bring_in(city, settings)
        for day in [moment.date() for moment in as_of] or city.as_of_dates:
            build_snapshot(records, day, settings, click.echo)
        say_next(f"qianfen train {city_name}")
