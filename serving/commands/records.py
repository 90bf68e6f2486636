"""Records: the synthetic city, what comes in, what is missing."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from data.settings import Settings
from serving.commands.shared import CITY, DAY, bring_in, held_city, say_next


@click.command()
@click.option("--entities", default=50_000, show_default=True, help="Entities of the city, 2,000 to 1,500,000.")
@click.option("--seed", default=None, type=int, help="Seed; the same seed gives the same city.")
@click.pass_obj
def synthetic(settings: Settings, entities: int, seed: int | None) -> None:
    """Build the source files of the synthetic city."""
    from data.synthetic import SEED, build_synthetic_city

    build_synthetic_city(entities, SEED if seed is None else seed, synthetic_folder(settings), click.echo)


@click.command()
@CITY
@click.option(
    "--received-on", type=DAY, default=None, help="Day on which new deliveries came; none of them counts before it."
)
@click.pass_obj
def ingest(settings: Settings, city_name: str, received_on: datetime | None) -> None:
    """Bring in what is new of a city's files: check every row, quarantine what breaks a rule, publish the rest.

    Files of a path with `*` are deliveries: each is read once, and corrects earlier rows of its key.
    """
    from data.records import ingest as bring_in_new

    with held_city(settings, city_name) as city:
        bring_in_new(city, settings, click.echo, received_on.date() if received_on else None)
        say_next(f"qianfen check {city_name}", f"qianfen features build {city_name}")


@click.command()
@CITY
@click.pass_obj
def check(settings: Settings, city_name: str) -> None:
    """Tell where every row of every file ended, what went to quarantine and why, and which indicators have a value.

    Writes the same as pages in Chinese and English and as report.json.
    """
    from serving.check import check_city, report_lines
    from serving.check_page import write_report

    with held_city(settings, city_name) as city:
        report = check_city(city, bring_in(city, settings), settings)
        for line in report_lines(report):
            click.echo(line)
        folder = write_report(report, settings.var / "cities" / city.name / "check")
        click.echo(f"As a page: {folder / 'zh.html'} or {folder / 'en.html'}; for machines: {folder / 'report.json'}")


def synthetic_folder(settings: Settings) -> Path:
    """Return where the synthetic city's source files lie."""
    return settings.var / "sources" / "synthetic"
