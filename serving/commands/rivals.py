"""The champion against its rivals."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from data.settings import Settings
from serving.commands.shared import CITY, bring_in, held_city, say_next


@click.command()
@CITY
@click.option(
    "--into",
    "pages",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Page to write the tables into, repeatable: between `<!-- compare CITY -->` and `<!-- /compare CITY -->`, or "
    "in short where the markers say `compare CITY in short`.",
)
@click.pass_obj
def compare(settings: Settings, city_name: str, pages: tuple[Path, ...]) -> None:
    """Compare the champion's kind with a dozen rivals, over temporal folds and on the test, with intervals.

    Who wins is said first. Tables and picture go to var/cities/CITY/comparisons/, the figures to MLflow.
    """
    from data.pages import require_section
    from training.comparison.kept import build_comparison
    from training.comparison.pages import lines

    with held_city(settings, city_name) as city:
        # Before the long work, not after it.
        for path in pages:
            require_section(path, *_sections(city.name))
        folder, content = build_comparison(city, bring_in(city, settings), settings, click.echo)
        for line in lines(content):
            click.echo(line)
        click.echo(f"Tables: {folder / 'comparison.md'}. Picture: {folder / 'comparison.png'}.")
        for path in pages:
            write_pages(path, content)
            click.echo(f"{path} holds these figures now.")
        say_next(f"qianfen train {city_name}")


def _sections(city_name: str) -> tuple[str, str]:
    """Return the names of the long section and of the short one."""
    return f"compare {city_name}", f"compare {city_name} in short"


def write_pages(path: Path, content: Mapping[str, Any]) -> None:
    """Write the tables, long or short, wherever the page has a place for them."""
    from data.pages import has_section, write_section
    from training.comparison.pages import page, short_page

    for name, text in zip(_sections(content["city"]), (page, short_page), strict=True):
        if has_section(path, name):
            write_section(path, name, text(content))
