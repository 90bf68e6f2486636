"""Monitoring after promotion: one report, one exit code."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from data.settings import Settings
from serving.commands.shared import CITY, DAY, bring_in, held_city, say_next


@click.command()
@CITY
@click.option(
    "--as-of", "as_of", type=DAY, default=None,
    help="Look at nothing that became known later.  [default: date of the newest grading]",
)  # fmt: skip
@click.option(
    "--html", "html", type=click.Path(file_okay=False, path_type=Path), default=None,
    help="Folder for the pages zh.html and en.html.  [default: beside report.json]",
)  # fmt: skip
@click.pass_context
def monitor(context: click.Context, city_name: str, as_of: datetime | None, html: Path | None) -> None:
    """Hold the newest grading against what the champion learned from, and earlier ones against what came true.

    The exit code is 0 where all is quiet, 18 where there are notices, 19 where there is an alarm; errors have others.
    """
    from serving.monitoring import monitor as monitor_city
    from serving.monitoring import report_lines
    from serving.monitoring_page import write_pages
    from serving.promotions import settle_champion
    from training.monitoring.findings import EXIT_CODES

    settings: Settings = context.obj
    with held_city(settings, city_name) as city:
        settle_champion(city, settings, click.echo)
        records = bring_in(city, settings)
        content, folder = monitor_city(city, records, settings, as_of.date() if as_of else None, click.echo)
        if html is not None:
            write_pages(city, content, html)
        for line in report_lines(content):
            click.echo(line)
        pages = html or folder
        click.echo(f"As a page: {pages / 'zh.html'} or {pages / 'en.html'}; for machines: {folder / 'report.json'}")
        if content["level"] != "quiet":
            say_next(f"qianfen train {city_name}", f"qianfen features drift {city_name}")
    context.exit(EXIT_CODES[content["level"]])
