"""Links: names in place of codes, the review list, and the decisions that persons take."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from data.settings import Settings
from serving.commands.shared import CITY, DAY, bring_in, held_city, say_next

if TYPE_CHECKING:
    from data.linking.review import ReviewItem

WHO = click.option("--who", required=True, help="Who decides; kept with the decision.")
WHY = click.option("--why", required=True, help="For what reason; kept with the decision.")
DECIDED_ON = click.option(
    "--decided-on", type=DAY, default=None, help="Day of the decision, by default today; links are known from then on."
)
_ITEM = click.argument("item", metavar="ITEM")


@click.group()
def links() -> None:
    """Rows that carry a name in place of a code: which wait for a person, and what persons decided."""


@links.command("list")
@CITY
@click.option("--linked", is_flag=True, help="Show the names that were linked by score instead, to be checked.")
@click.option("--limit", default=20, show_default=True, help="How many names to show.")
@click.pass_obj
def links_list(settings: Settings, city_name: str, linked: bool, limit: int) -> None:
    """Print the names that wait for a decision, those with most rows first, with their candidates."""
    from data.linking.review import read_items

    with held_city(settings, city_name) as city:
        items = [item for item in read_items(bring_in(city, settings)) if _is_asked_for(item, linked)]
    for item in items[:limit]:
        _show(item)
    what = "were linked by score" if linked else "wait for a decision"
    click.echo(f"{len(items):,} names {what}, {min(limit, len(items)):,} are shown.")
    if items:
        say_next(f"qianfen links accept {city_name} ITEM ENTITY", f"qianfen links reject {city_name} ITEM [ENTITY]")


@links.command("accept")
@CITY
@_ITEM
@click.argument("entity_id", metavar="ENTITY")
@WHO
@WHY
@DECIDED_ON
@click.pass_obj
def links_accept(
    settings: Settings, city_name: str, item: str, entity_id: str, who: str, why: str, decided_on: datetime | None
) -> None:
    """Decide that all rows with a name are of an entity. ITEM is the identifier in the list, or the name."""
    _decide(settings, city_name, item, "accept", entity_id, who, why, decided_on)


@links.command("reject")
@CITY
@_ITEM
@click.argument("entity_id", metavar="[ENTITY]", required=False, default="")
@WHO
@WHY
@DECIDED_ON
@click.pass_obj
def links_reject(
    settings: Settings, city_name: str, item: str, entity_id: str, who: str, why: str, decided_on: datetime | None
) -> None:
    """Decide that a name is not of an entity; without ENTITY, that it is of none in the register."""
    _decide(settings, city_name, item, "reject", entity_id, who, why, decided_on)


@links.command("export")
@CITY
@click.argument("sheet", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE")
@click.pass_obj
def links_export(settings: Settings, city_name: str, sheet: Path) -> None:
    """Write the names that wait as a CSV sheet; a clerk fills in the columns verdict (accept, reject) and why."""
    from data.files import write_atomically
    from data.linking.review import read_items, write_sheet

    with held_city(settings, city_name) as city:
        items = [item for item in read_items(bring_in(city, settings)) if item.n_waiting]
    write_atomically(sheet, write_sheet(items))
    click.echo(f"{len(items):,} names are in {sheet}.")
    say_next(f"qianfen links import {city_name} {sheet} --who NAME")


@links.command("import")
@CITY
@click.argument("sheet", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE")
@WHO
@DECIDED_ON
@click.pass_obj
def links_import(settings: Settings, city_name: str, sheet: Path, who: str, decided_on: datetime | None) -> None:
    """Take the decisions of a filled-in sheet: all of them, or none where a row is wrong."""
    from data.linking.decisions import add_decisions
    from data.linking.review import read_items, read_sheet

    with held_city(settings, city_name) as city:
        records = bring_in(city, settings)
        decisions = read_sheet(sheet, read_items(records), records, who, _day(decided_on))
        add_decisions(city, settings, decisions)
    click.echo(f"{len(decisions):,} decisions are kept.")
    say_next(f"qianfen ingest {city_name}")


@links.command("decisions")
@CITY
@click.pass_obj
def links_decisions(settings: Settings, city_name: str) -> None:
    """Print all decisions in the order in which they were made."""
    from data.city import load_city
    from data.linking.decisions import read_decisions

    decisions = read_decisions(load_city(city_name), settings)
    for d in decisions:
        region = f" ({d.region})" if d.region else ""
        click.echo(f"{d.decided_on}  {d.item}  {d.name}{region}  {d.verdict} {d.entity_id or 'all'}  {d.who}: {d.why}")
    click.echo(f"{len(decisions):,} decisions.")


def _decide(
    settings: Settings,
    city_name: str,
    text: str,
    verdict: str,
    entity_id: str,
    who: str,
    why: str,
    decided_on: datetime | None,
) -> None:
    from data.linking.decisions import add_decisions
    from data.linking.review import decide, find_item, read_items

    with held_city(settings, city_name) as city:
        records = bring_in(city, settings)
        item = find_item(read_items(records), text)
        decision = decide(records, item, verdict, entity_id, who, why, _day(decided_on))
        add_decisions(city, settings, [decision])
    click.echo(f"Kept: {verdict} {entity_id or 'no entity'} for {item.name} ({item.n_rows:,} rows).")
    say_next(f"qianfen ingest {city_name}", f"qianfen links list {city_name}")


def _day(decided_on: datetime | None) -> str:
    return str(decided_on.date() if decided_on else date.today())


def _is_asked_for(item: ReviewItem, linked: bool) -> bool:
    return item.method == "score" if linked else item.n_waiting > 0


def _show(item: ReviewItem) -> None:
    region = f", region {item.region}" if item.region else ""
    click.echo(f"{item.item}  {item.name}{region}: {item.n_waiting or item.n_rows:,} rows in {', '.join(item.tables)}")
    if item.n_waiting:
        click.echo(f"  {item.reason}")
    for s in item.suggestions:
        mark = " (linked)" if s.entity_id in item.linked_to else ""
        click.echo(f"  {s.score:6.1%}  {s.entity_id}  {s.name}{f', {s.region}' if s.region else ''}{mark}")
