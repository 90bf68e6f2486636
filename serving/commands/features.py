"""Indicators: snapshots as of a date."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime

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
    "--every",
    type=click.Choice(["month", "quarter", "year"]),
    default=None,
    help="With --as-of: from the first such date on, to the last, or to the grading date of city.toml.",
)
@click.option(
    "--engine",
    type=click.Choice(ENGINES),
    default=None,
    help="What works them out: duckdb on this machine, spark past it; by default QIANFEN_ENGINE, else duckdb.",
)
@click.option("--records", "records_id", default=None, help="Build from earlier records, by their id.")
@click.pass_obj
def features_build(
    settings: Settings,
    city_name: str,
    as_of: tuple[datetime, ...],
    every: str | None,
    engine: str | None,
    records_id: str | None,
) -> None:
    """Build the snapshots of a city that are not there yet, all from one reading of its present or earlier records."""
    from data.records import open_records
    from features.snapshots import build_snapshots

    if every and not as_of:
        raise click.UsageError("--every needs --as-of, the date to begin with. Give one, or a second to end with.")
    settings = replace(settings, engine=engine or settings.engine)
    with held_city(settings, city_name) as city:
        records = open_records(city, settings, records_id) if records_id else bring_in(city, settings)
        dates = sorted({moment.date() for moment in as_of}) or city.as_of_dates
        if every:
            dates = _dates_between(dates[0], dates[-1] if len(dates) > 1 else city.split.grading, every)
        build_snapshots(records, dates, settings, click.echo)
        say_next(f"qianfen train {city_name}")


def _dates_between(first: date, last: date, every: str) -> list[date]:
    """Return the dates from the first to the last, whole months apart; a day that a month lacks becomes its last."""
    import pandas as pd

    step = {"month": 1, "quarter": 3, "year": 12}[every]
    n = max((last.year - first.year) * 12 + last.month - first.month, 0) // step
    moments = [pd.Timestamp(first) + pd.DateOffset(months=step * k) for k in range(n + 1)]
    return [moment.date() for moment in moments if moment.date() <= last] or [first]
