"""The `qianfen` command: one sub-command for each step, and `demo` for all of them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from data.errors import QianfenError
from data.settings import PROJECT_ROOT, Settings

# What a command needs is imported when it runs: `qianfen --help` answers at once.
if TYPE_CHECKING:
    from data.city import City
    from data.records import Records

_CITY = click.argument("city_name", metavar="CITY")
_DATE = click.DateTime(["%Y-%m-%d"])


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="qianfen")
def cli() -> None:
    """Grade the risk of a city's market entities, and explain every grade.

    CITY is a name under experiments/ (synthetic, toronto, chicago) or the path of a folder with a city.toml.
    """


@cli.command()
@click.option("--entities", default=50_000, show_default=True, help="Entities of the city, 2,000 to 1,300,000.")
@click.option("--seed", default=None, type=int, help="Seed; the same seed gives the same city.")
@click.pass_obj
def synthetic(settings: Settings, entities: int, seed: int | None) -> None:
    """Build the source files of the synthetic city."""
    from data.synthetic import SEED, build_synthetic_city

    build_synthetic_city(entities, SEED if seed is None else seed, synthetic_folder(settings), click.echo)


@cli.command()
@_CITY
@click.option(
    "--received-on", type=_DATE, default=None, help="Day on which new deliveries came; none of them counts before it."
)
@click.pass_obj
def ingest(settings: Settings, city_name: str, received_on: datetime | None) -> None:
    """Bring in what is new of a city's files: check every row, quarantine what breaks a rule, publish the rest.

    Files of a path with `*` are deliveries: each is read once, and corrects earlier rows of its key.
    """
    from data.records import ingest as bring_in

    with _city(settings, city_name) as city:
        bring_in(city, settings, click.echo, received_on.date() if received_on else None)
        _next(f"qianfen check {city_name}", f"qianfen features build {city_name}")


@cli.command()
@_CITY
@click.pass_obj
def check(settings: Settings, city_name: str) -> None:
    """Tell what of a city is mapped, what went to quarantine and why, and what missing tables cost."""
    from serving.check import report_lines

    with _city(settings, city_name) as city:
        records = _ingest(city, settings)
        for line in report_lines(city, records):
            click.echo(line)


@cli.group()
def features() -> None:
    """Indicators as of a date."""


@features.command("build")
@_CITY
@click.option(
    "--as-of", "as_of", type=_DATE, multiple=True, help="As-of date, repeatable; by default all of city.toml."
)
@click.pass_obj
def features_build(settings: Settings, city_name: str, as_of: tuple[datetime, ...]) -> None:
    """Build the snapshots of a city."""
    from features.snapshots import build_snapshot

    with _city(settings, city_name) as city:
        records = _ingest(city, settings)
        for day in [moment.date() for moment in as_of] or _declared_dates(city):
            build_snapshot(records, day, settings, click.echo)
        _next(f"qianfen train {city_name}")


@cli.command()
@_CITY
@click.pass_obj
def train(settings: Settings, city_name: str) -> None:
    """Train and compare the expert card, LightGBM, and LightGBM on the experts' offset; register the champion."""
    from serving.tables import model_table
    from training.runs import train_city

    with _city(settings, city_name) as city:
        result = train_city(city, _ingest(city, settings), settings, click.echo)
        click.echo(model_table(result.metrics))
        click.echo(
            f"Champion: {result.champion} {result.champion_model.model_version} (MLflow run {result.mlflow_run_id})"
        )
        _next(f"qianfen grade {city_name}")


@cli.command()
@_CITY
@click.option("--as-of", "as_of", type=_DATE, default=None, help="As-of date; by default that of city.toml.")
@click.pass_obj
def grade(settings: Settings, city_name: str, as_of: datetime | None) -> None:
    """Grade everybody as of a date with the champion, and put the grades in force."""
    from features.snapshots import build_snapshot
    from serving.grading import grade_population
    from training.registry import load_champion

    with _city(settings, city_name) as city:
        model = load_champion(city, settings)
        day = as_of.date() if as_of else city.split.grading
        records = _ingest(city, settings)
        snapshot = build_snapshot(records, day, settings, click.echo)
        grading = grade_population(city, records, settings, model, snapshot, click.echo)
        for name, n in grading.grade_counts.items():
            click.echo(f"  {name}  {n:>10,}  {n / grading.n_entities:6.1%}")
        _next(f"qianfen serve {city_name}")


@cli.command()
@_CITY
@click.argument("entity_id")
@click.option("--as-of", "as_of", type=_DATE, default=None, help="As-of date; by default that of the grades in force.")
@click.option("--language", type=click.Choice(["zh", "en"]), default=None, help="Language of the reasons.")
@click.option("--why", default="", help="Reason for the look-up; it is written down with your user name.")
@click.option("--json", "as_json", is_flag=True, help="Answer as `POST /v1/score` does.")
@click.pass_obj
def score(
    settings: Settings,
    city_name: str,
    entity_id: str,
    as_of: datetime | None,
    language: str | None,
    why: str,
    as_json: bool,
) -> None:
    """Score one entity and say why, indicator by indicator."""
    import getpass
    import json

    from data.city import load_city
    from serving.lookups import Asker
    from serving.request import ScoreItem
    from serving.scoring import Scorer
    from serving.tables import reason_table

    scorer = Scorer(load_city(city_name), settings)
    item = ScoreItem(entity_id, as_of.date() if as_of else None)
    reply = scorer.score([item], Asker(getpass.getuser(), why, "qianfen score"))[0]
    click.echo(
        json.dumps(reply, indent=2, ensure_ascii=False)
        if as_json
        else reason_table(reply, language or scorer.city.languages[0])
    )


@cli.command()
@_CITY
@click.option("--host", default=None, help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", default=None, type=click.IntRange(1, 65535), help="Port to listen on.  [default: 3000]")
@click.pass_obj
def serve(settings: Settings, city_name: str, host: str | None, port: int | None) -> None:
    """Serve the grades in force: review pages and `POST /v1/score`."""
    from serving.server import run_service

    run_service(settings, city_name, host or settings.host, port or settings.port, click.echo)


@cli.command()
@_CITY
@click.option("--entities", default=50_000, show_default=True, help="Entities of the synthetic city; others ignore it.")
@click.pass_obj
def demo(settings: Settings, city_name: str, entities: int) -> None:
    """Run every step, from records to a graded, explained, served entity."""
    from serving.demo import run_demo

    with _city(settings, city_name) as city:
        run_demo(city, city_name, entities, settings, click.echo)


@cli.command("evaluate-published")
@_CITY
@click.pass_obj
def evaluate_published(settings: Settings, city_name: str) -> None:
    """Compute the figures that a city published, from its own scores, with our metric code."""
    from serving.tables import published_table
    from training.published import evaluate_published as evaluate

    with _city(settings, city_name) as city:
        click.echo(published_table(evaluate(city, settings)))


@cli.command()
def reference() -> None:
    """Write the reference pages in docs/ from the declarations."""
    from data.files import write_atomically
    from data.reference_pages import tables_page
    from features.reference import indicators_page

    pages = {"tables.md": tables_page(), "indicators.md": indicators_page(), "commands.md": commands_page()}
    for name, text in pages.items():
        write_atomically(PROJECT_ROOT / "docs" / name, text)
        click.echo(f"docs/{name}")


def commands_page() -> str:
    """Return docs/commands.md: the help text of every command."""
    head = "# Commands\n\nWritten by `qianfen reference`; do not edit.\n"
    return head + "".join(f"\n## {path}\n\n```\n{text}\n```\n" for path, text in _help_texts(cli, "qianfen"))


def main() -> None:
    """Run the command; an error that a user can act on ends with its message and exit code, without a traceback."""
    try:
        settings = Settings.from_environment(os.environ)
        code = cli.main(obj=settings, prog_name="qianfen", standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except QianfenError as error:
        click.echo(f"qianfen: error: {error}", err=True)
        sys.exit(error.exit_code)
    sys.exit(code if isinstance(code, int) else 0)


def synthetic_folder(settings: Settings) -> Path:
    """Return where the synthetic city's source files lie."""
    return settings.var / "sources" / "synthetic"


@contextmanager
def _city(settings: Settings, name: str) -> Iterator[City]:
    """Load a city and hold it, so that two runs do not build the same city at once."""
    from data.city import load_city
    from data.files import held

    city = load_city(name)
    with held(settings.var / "cities" / city.name / ".lock"):
        yield city


def _ingest(city: City, settings: Settings) -> Records:
    from data.records import ingest as bring_in

    return bring_in(city, settings, click.echo)


def _declared_dates(city: City) -> list[date]:
    stages = (city.split.trees, city.split.calibration, city.split.test)
    dates = {day for stage in stages if isinstance(stage, tuple) for day in stage}
    return sorted(dates | {city.split.reference, city.split.grading})


def _next(*commands: str) -> None:
    click.echo(f"Next: {' or '.join(f'`{command}`' for command in commands)}")


def _help_texts(command: click.Command, name: str, parent: click.Context | None = None) -> Iterator[tuple[str, str]]:
    settings = {**command.context_settings, "max_content_width": 100, "terminal_width": 100}
    context = click.Context(command, info_name=name, parent=parent, **settings)
    yield context.command_path, command.get_help(context)
    if isinstance(command, click.Group):
        for below in sorted(command.commands):
            yield from _help_texts(command.commands[below], below, context)


if __name__ == "__main__":
    main()
