"""Scores: one entity, the service, and the whole job from records to a served entity."""

from __future__ import annotations

from datetime import datetime

import click

from data.settings import Settings
from serving.commands.shared import CITY, DAY, held_city


@click.command()
@CITY
@click.argument("entity_id")
@click.option("--as-of", "as_of", type=DAY, default=None, help="As-of date; by default that of the grades in force.")
@click.option("--language", type=click.Choice(["zh", "en"]), default=None, help="Language of the reasons.")
@click.option("--why", default="", help="Reason for the look-up; it is written down with your user name.")
@click.option("--what-if", "what_if", is_flag=True, help="Say also what would change the grade.")
@click.option("--json", "as_json", is_flag=True, help="Answer as `POST /v1/score` does.")
@click.pass_obj
def score(
    settings: Settings,
    city_name: str,
    entity_id: str,
    as_of: datetime | None,
    language: str | None,
    why: str,
    what_if: bool,
    as_json: bool,
) -> None:
    """Score one entity and say why, indicator by indicator."""
    import getpass
    import json

    from data.city import load_city
    from serving.lookups import Asker
    from serving.request import ScoreItem
    from serving.scoring import Scorer
    from serving.tables import outlook_lines, reason_table

    scorer = Scorer(load_city(city_name), settings)
    item = ScoreItem(entity_id, as_of.date() if as_of else None)
    champion = scorer.champion
    reply = scorer.score([item], Asker(getpass.getuser(), why, "qianfen score"), champion)[0]
    outlook = champion.outlooks.outlook(reply) if what_if else None
    if as_json:
        content = reply if outlook is None else {**reply, "what_would_change": outlook}
        click.echo(json.dumps(content, indent=2, ensure_ascii=False))
        return
    spoken = language or scorer.city.languages[0]
    click.echo(reason_table(reply, spoken))
    for line in outlook_lines(outlook, spoken) if outlook else ():
        click.echo(line)


@click.command()
@CITY
@click.option("--host", default=None, help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", default=None, type=click.IntRange(1, 65535), help="Port to listen on.  [default: 3000]")
@click.pass_obj
def serve(settings: Settings, city_name: str, host: str | None, port: int | None) -> None:
    """Serve the grades in force: review pages and `POST /v1/score`."""
    from serving.server import run_service

    run_service(settings, city_name, host or settings.host, port or settings.port, click.echo)


@click.command()
@CITY
@click.option("--entities", default=50_000, show_default=True, help="Entities of the synthetic city; others ignore it.")
@click.pass_obj
def demo(settings: Settings, city_name: str, entities: int) -> None:
    """Run every step, from records to a graded, explained, served entity."""
    from serving.demo import run_demo

    with held_city(settings, city_name) as city:
        run_demo(city, city_name, entities, settings, click.echo)
