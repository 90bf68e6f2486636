"""Who is champion: promotion through the gate, rollback, the ledger of both, and any served score rebuilt."""

from __future__ import annotations

from datetime import datetime

import click

from data.settings import Settings
from serving.commands.shared import CITY, held_city, say_next

WHO = click.option("--who", required=True, help="Name of the person who decides; it goes into the ledger.")
WHY = click.option("--why", required=True, help="The reason; it goes into the ledger.")


@click.command()
@CITY
@WHO
@WHY
@click.option("--re-anchor", is_flag=True, help="Accept a challenger with a points scale of its own.")
@click.pass_obj
def promote(settings: Settings, city_name: str, who: str, why: str, re_anchor: bool) -> None:
    """Hold the challenger against the champion and the expert card, and make it the champion.

    Shows a table with a verdict in each row. Where one refuses, nothing changes and the exit code is 15.
    """
    from serving.promotions import promote_challenger

    with held_city(settings, city_name) as city:
        entry = promote_challenger(city, settings, who, why, re_anchor, click.echo)
        click.echo(f"Champion: {entry.model_version} (ledger entry {entry.sequence}). A running service answers by it.")
        say_next(f"qianfen grade {city_name}")


@click.command()
@CITY
@WHO
@WHY
@click.option("--to", default=None, help="Version of a former champion, or its beginning.  [default: the one before]")
@click.pass_obj
def rollback(settings: Settings, city_name: str, who: str, why: str, to: str | None) -> None:
    """Go back to the champion before, or to a former one."""
    from serving.database import open_database
    from training.promotion import roll_back, settle

    with held_city(settings, city_name) as city:
        engine = open_database(settings.database_url)
        settle(city, settings, engine, click.echo)
        entry = roll_back(city, settings, engine, who, why, to, click.echo)
        click.echo(f"Champion: {entry.model_version} (ledger entry {entry.sequence}). A running service answers by it.")
        say_next(f"qianfen grade {city_name}")


@click.command()
@CITY
@click.pass_obj
def push(settings: Settings, city_name: str) -> None:
    """Bring to MLflow what was trained, studied, compared and monitored while it was away."""
    from training.comparison.kept import push_comparisons
    from training.monitoring.reports import push_reports
    from training.studies import push_studies
    from training.trainings import push_all

    with held_city(settings, city_name) as city:
        pushed = push_all(city, settings, click.echo)
        others = [push(city, settings, click.echo) for push in (push_studies, push_comparisons, push_reports)]
    for training in pushed:
        click.echo(f"Training {training.training_id}: MLflow run {training.mlflow_run_id}.")
    if not pushed and not any(others):
        click.echo("MLflow has everything.")


@click.group()
def ledger() -> None:
    """The ledger of promotions: who made which model the champion, when and why."""


@ledger.command("show")
@CITY
@click.option("--gate", "sequence", type=int, default=None, help="Show the gate's table of this entry.")
@click.pass_obj
def ledger_show(settings: Settings, city_name: str, sequence: int | None) -> None:
    """Show the entries of a city, the newest last."""
    from data.city import load_city
    from data.errors import NotFoundError
    from serving.database import open_database
    from serving.promotion_tables import gate_lines, ledger_lines
    from training.gate_table import Row
    from training.ledger import entries, entry_at

    city, engine = load_city(city_name), open_database(settings.database_url)
    if sequence is None:
        for line in ledger_lines(entries(engine, city.name)):
            click.echo(line)
        return
    entry = entry_at(engine, city.name, sequence)
    if entry is None:
        raise NotFoundError(f"The ledger of {city.name} has no entry {sequence}. Leave out --gate to see all.")
    for line in gate_lines([Row(**row) for row in entry.gate_rows]):
        click.echo(line)


@ledger.command("verify")
@click.argument("city_name", metavar="[CITY]", required=False)
@click.pass_obj
def ledger_verify(settings: Settings, city_name: str | None) -> None:
    """Find any edit, removal or insertion in the ledger of a city, or of all; the exit code is then 16.

    Compares it with the champion's pointer, MLflow and the artifacts as well.
    """
    from data.errors import LedgerError
    from serving.promotions import check_ledgers

    n_findings = 0
    for name, check in check_ledgers(settings, city_name):
        click.echo(f"{name}: {len(check.entries)} entries, newest hash {check.newest_hash}")
        for finding in check.findings:
            click.echo(f"  DAMAGED  {finding}")
        for note in check.notes:
            click.echo(f"  note     {note}")
        n_findings += len(check.findings)
    if n_findings:
        raise LedgerError(
            f"The ledger must be as it was written, {n_findings} damage(s) were found. "
            "Restore the operational database from a copy; docs/promotion.md tells how."
        )
    click.echo("Everything is as it was written.")


@click.command()
@CITY
@click.argument("entity_id")
@click.argument("day", metavar="DATE", type=click.DateTime(["%Y-%m-%d"]))
@click.pass_obj
def reproduce(settings: Settings, city_name: str, entity_id: str, day: datetime) -> None:
    """Rebuild the scores of an entity that were served on a day, and compare them with what is stored.

    DATE is a day on which grades were in force, or an as-of date of grades; all that fit are rebuilt, from ledger,
    snapshot and artifact. Where one differs the exit code is 17.
    """
    from data.city import load_city
    from data.errors import ReproductionError
    from serving.reproduction import reproduce_scores

    rebuilt = reproduce_scores(load_city(city_name), settings, entity_id, day.date())
    for one in rebuilt:
        for line in one.lines():
            click.echo(line)
    if any(one.differences for one in rebuilt):
        raise ReproductionError(
            f"The grades of {entity_id} must be those that were stored, some differ. "
            f"See `qianfen ledger verify` and `qianfen features verify {city_name}`."
        )
