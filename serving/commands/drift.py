"""Drift of the data: what was measured of a snapshot, and what a person accepts of it."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING

import click

from data.settings import Settings
from serving.commands.shared import CITY, DAY, bring_in, held_city, say_next

if TYPE_CHECKING:
    from data.city import City
    from data.records import Records
    from features.drift.report import DriftReport


@click.command()
@CITY
@click.option("--as-of", "as_of", type=DAY, default=None, help="As-of date; by default that of the grading.")
@click.pass_obj
def drift(settings: Settings, city_name: str, as_of: datetime | None) -> None:
    """Tell how the data of a snapshot differs from what is usual: rows, delays, missing and moved values.

    The snapshot is built where it is not there. Nothing is stopped here; training and grading stop at an open breach.
    """
    from serving.drift import report_lines

    with held_city(settings, city_name) as city:
        day = as_of.date() if as_of else city.split.grading
        for report in _reports(city, bring_in(city, settings), day, settings):
            for line in report_lines(city, report):
                click.echo(line)
            click.echo(f"\nReport: {report.path}")
            if report.open_breaches:
                say_next(f"qianfen features accept-drift {city_name} --as-of {day} --who NAME --why TEXT")
            else:
                say_next(f"qianfen grade {city_name} --as-of {day}")


@click.command("accept-drift")
@CITY
@click.argument("breaches", nargs=-1, metavar="[BREACH]...")
@click.option("--as-of", "as_of", type=DAY, required=True, help="As-of date of the snapshot.")
@click.option("--who", required=True, help="Name of the person who accepts.")
@click.option("--why", required=True, help="Reason; it is kept.")
@click.pass_obj
def accept_drift(
    settings: Settings, city_name: str, breaches: tuple[str, ...], as_of: datetime, who: str, why: str
) -> None:
    """Accept breaches of a snapshot, by name or all that stand open; who, when and why are kept for good.

    What is accepted is the breach as it was measured on that date. Another date, or another value, stops again.
    """
    from features.drift.acceptance import accept

    day = as_of.date()
    with held_city(settings, city_name) as city:
        reports = _reports(city, bring_in(city, settings), day, settings)
        standing = {(breach.name, breach.measured): breach for report in reports for breach in report.open_breaches}
        for breach in accept(city, settings, day, list(standing.values()), breaches, who, why):
            click.echo(f"Accepted as of {day}: {breach.name}, {breach.said}.")
        say_next(f"qianfen train {city_name}", f"qianfen grade {city_name} --as-of {day}")


def _reports(city: City, records: Records, day: date, settings: Settings) -> list[DriftReport]:
    """Return the report of everybody as of a day, and those of a training's pairs that end on it."""
    from features.drift.report import kept_reports, measure_drift
    from features.snapshots import build_snapshot

    snapshot = build_snapshot(records, day, settings, click.echo)
    measured = measure_drift(city, records, [snapshot], settings, click.echo)
    others = kept_reports(city, records, day, settings)
    return measured + [report for report in others if report.path != measured[0].path]
