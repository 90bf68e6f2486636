"""The champion against its rivals."""

from __future__ import annotations

from pathlib import Path

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
    from training.comparison.kept import build_comparison
    from training.comparison.pages import lines

    with held_city(settings, city_name) as city:
        folder, content = build_comparison(city, bring_in(city, settings), settings, click.echo)
        for line in lines(content):
            click.echo(line)
        click.echo(f"Tables: {folder / 'comparison.md'}. Picture: {folder / 'comparison.png'}.")
        for path in pages:
            _write(path, content)
            click.echo(f"{path} holds these figures now.")
        say_next(f"qianfen train {city_name}")


def _write(path: Path, content: dict[str, object]) -> None:
    """Write the tables, long or short, wherever the page has a place for them."""
    from data.pages import has_section, write_section
    from training.comparison.pages import page, short_page

    name = f"compare {content['city']}"
    short = f"{name} in short"
    if has_section(path, short):
        write_section(path, short, short_page(content))
    if has_section(path, name) or not has_section(path, short):
        write_section(path, name, page(content))
