"""The offline store: which snapshots there are, what differs between two, whether all are whole, what can go."""

from __future__ import annotations

import click

from data.settings import Settings
from serving.commands.shared import CITY, held_city, say_next


@click.command("list")
@CITY
@click.pass_obj
def features_list(settings: Settings, city_name: str) -> None:
    """List the snapshots of a city, and the models and grades that stand on each."""
    from features.store import open_city
    from serving.claims import claims_of
    from serving.snapshot_tables import list_lines

    store = open_city(city_name, settings)
    snapshots = store.snapshots()
    for line in list_lines(snapshots, claims_of(store.city, settings)) if snapshots else ():
        click.echo(line)
    for folder in store.damaged():
        click.echo(f"{folder.name} is damaged: see `qianfen features verify {city_name}`")
    if snapshots:
        say_next(f"qianfen features show {city_name} {snapshots[-1].snapshot_id}")
    else:
        click.echo(f"{store.city.name} has no snapshots yet.")
        say_next(f"qianfen features build {city_name}")


@click.command("show")
@CITY
@click.argument("snapshot_name", metavar="SNAPSHOT")
@click.pass_obj
def features_show(settings: Settings, city_name: str, snapshot_name: str) -> None:
    """Show one snapshot: what it was made from, share missing and range of each indicator, what stands on it.

    SNAPSHOT is an id or its beginning, or an as-of date, which stands for the newest as of it.
    """
    from features.catalogue import catalogue_of
    from features.store import open_city
    from serving.claims import claims_of
    from serving.snapshot_tables import show_lines

    store = open_city(city_name, settings)
    for line in show_lines(store.find(snapshot_name), claims_of(store.city, settings), catalogue_of(store.city)):
        click.echo(line)


@click.command("diff")
@CITY
@click.argument("before", metavar="SNAPSHOT")
@click.argument("after", metavar="SNAPSHOT")
@click.option("--entity", "entity_id", default=None, help="Say why the values of this entity differ.")
@click.option("--indicator", "names", multiple=True, help="With --entity: this indicator, repeatable.")
@click.pass_obj
def features_diff(
    settings: Settings, city_name: str, before: str, after: str, entity_id: str | None, names: tuple[str, ...]
) -> None:
    """Tell what differs between two snapshots, or which records may have changed one entity's values.

    SNAPSHOT is an id or its beginning, or an as-of date, which stands for the newest as of it.
    """
    from features.causes import find_causes
    from features.differences import compare_snapshots
    from features.store import open_city
    from serving.snapshot_tables import cause_lines, difference_lines

    if names and entity_id is None:
        raise click.UsageError("--indicator needs --entity.")
    store = open_city(city_name, settings)
    pair = store.find(before), store.find(after)
    if entity_id is None:
        difference = compare_snapshots(*pair, settings.threads)
        for line in difference_lines(difference):
            click.echo(line)
        largest = next((moved.largest_of for moved in difference.moved if moved.largest_of), None)
        if largest and difference.after.as_of_date:
            ids = " ".join(snapshot.snapshot_id for snapshot in pair)
            say_next(f"qianfen features diff {city_name} {ids} --entity {largest}")
        return
    records = store.records_of(pair[0]), store.records_of(pair[1])
    for line in cause_lines(entity_id, pair, find_causes(*pair, records, entity_id, names, settings.threads)):
        click.echo(line)


@click.command("verify")
@CITY
@click.pass_obj
def features_verify(settings: Settings, city_name: str) -> None:
    """Hash everything stored of a city again; name what is not as it was written, with the remedy."""
    from data.errors import StorageError
    from features.store import FeatureStore
    from features.verification import verify_store
    from serving.claims import claims_of
    from serving.snapshot_tables import damage_lines

    with held_city(settings, city_name) as city:
        verified = verify_store(FeatureStore(city, settings), claims_of(city, settings), click.echo)
    for line in damage_lines(verified):
        click.echo(line)
    if verified.damages:
        raise StorageError(
            f"All that is stored of {city.name} must be as it was written, {len(verified.damages)} damages were found. "
            "Each line above says what to do."
        )


@click.command("prune")
@CITY
@click.option("--keep", default=5, show_default=True, help="How many of the newest snapshots stay in any case.")
@click.option("--yes", is_flag=True, help="Remove; without it, only what would go is shown.")
@click.pass_obj
def features_prune(settings: Settings, city_name: str, keep: int, yes: bool) -> None:
    """Remove snapshots, records, parts and leftovers that nothing stands on.

    What a model, a registered one or any served grade was made from is never removed.
    """
    from features.pruning import carry_out, plan_pruning
    from features.store import FeatureStore
    from serving.claims import claims_of
    from serving.snapshot_tables import pruning_lines

    with held_city(settings, city_name) as city:
        store = FeatureStore(city, settings)
        pruning = plan_pruning(store, claims_of(city, settings, ask_mlflow=True), keep)
        for line in pruning_lines(pruning, {s.snapshot_id: s for s in store.snapshots()}):
            click.echo(line)
        if yes:
            carry_out(pruning, click.echo)
        elif pruning.removals:
            say_next(f"qianfen features prune {city_name} --keep {keep} --yes")
