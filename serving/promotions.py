"""Promoting as the command and the demo do it; checking ledgers; settling who is champion before it is read."""

from __future__ import annotations

from collections.abc import Iterator

from data.city import City, load_city
from data.errors import GateError, LedgerError, NotFoundError, UnknownCityError
from data.progress import Progress
from data.settings import Settings
from serving.database import open_database
from serving.promotion_tables import gate_lines
from training.gate_table import REFUSED, passes
from training.judging import judge_challenger
from training.ledger import Entry, broken_links, cities, entries
from training.ledger_checks import LedgerCheck, check_ledger
from training.promotion import challenger_of, promote, require_person, settle
from training.registry import models_folder, registered_version
from training.trainings import open_training, push_training


def promote_challenger(
    city: City, settings: Settings, who: str, why: str, re_anchor: bool = False, progress: Progress = print
) -> Entry:
    """Hold the challenger against the champion and the card, show the table, and promote it where nothing is refused.

    Raises
    ------
    RequestError
        Where the name or the reason is empty.
    NotFoundError
        Where there is no challenger.
    RegistryError
        Where MLflow is away; nothing is written then.
    GateError
        Where the table refuses.
    LedgerError
        Where the end of the ledger is missing.
    BusyError
        Where somebody else's promotion came first.
    """
    require_person(who, why)
    engine = open_database(settings.database_url)
    after = settle(city, settings, engine, progress)
    artifact = challenger_of(city, settings, engine)
    training = open_training((models_folder(city, settings) / artifact).parent)
    if registered_version(city, settings, training.challenger_model.model_version) is None:
        push_training(city, settings, training, progress)
    rows = judge_challenger(city, settings, artifact, re_anchor, progress)
    for line in gate_lines(rows):
        progress(line)
    if not passes(rows):
        n_refused = sum(row.verdict == REFUSED for row in rows)
        raise GateError(
            f"The challenger of {city.name} must be refused nowhere, it is in {n_refused} of {len(rows)} rows above. "
            f"Train a better one, or declare other tolerances in [gate] of city.toml, where everybody sees them."
        )
    return promote(city, settings, engine, artifact, rows, who, why, after, progress)


def check_ledgers(settings: Settings, city_name: str | None) -> Iterator[tuple[str, LedgerCheck]]:
    """Yield the check of a city's ledger, or of every city that has one or a champion."""
    engine = open_database(settings.database_url)
    names = [city_name] if city_name else sorted({*cities(engine), *_with_champion(settings)})
    for name in names:
        try:
            city = load_city(name)
        except UnknownCityError:
            if city_name:
                raise
            note = "Only the ledger itself was checked. To check the rest, give the path of the city's folder."
            chain = entries(engine, name)
            yield name, LedgerCheck(chain, broken_links(chain), [note])
        else:
            yield city.name, check_ledger(city, settings, engine)


def _with_champion(settings: Settings) -> set[str]:
    return {path.parents[1].name for path in (settings.var / "cities").glob("*/models/champion.json")}


def challenger_waits(city: City, settings: Settings) -> bool:
    """Say whether what was trained last is not the champion."""
    try:
        challenger_of(city, settings, open_database(settings.database_url))
    except NotFoundError:
        return False
    return True


def settle_champion(city: City, settings: Settings, progress: Progress = print) -> None:
    """Bring pointer and alias to what the ledger says, before the champion is read.

    Where the ledger's end is missing, that is said, and the champion stays what the pointer names.
    """
    try:
        settle(city, settings, open_database(settings.database_url), progress)
    except LedgerError as error:
        progress(f"Warning: {error}")
