"""Holding the ledger against itself, the pointer on disk, MLflow and the artifacts: what is not as it was written."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Engine

from data.city import City
from data.errors import RegistryError
from data.settings import Settings
from training import ledger
from training.champions import manifest_hash, read_pointer
from training.ledger import Entry
from training.registry import read_champion_alias


@dataclass(frozen=True)
class LedgerCheck:
    """What a check found.

    Attributes
    ----------
    entries : list of Entry
        The city's ledger.
    findings : list of str
        What is not as it was written.
    notes : list of str
        What is not wrong, or could not be checked.
    """

    entries: list[Entry]
    findings: list[str]
    notes: list[str]

    @property
    def newest_hash(self) -> str:
        """Hash of the newest entry, to be kept elsewhere; of an empty ledger, that before the first."""
        return self.entries[-1].hash if self.entries else ledger.BEFORE_THE_FIRST


def check_ledger(city: City, settings: Settings, engine: Engine) -> LedgerCheck:
    """Check a city's ledger.

    Each entry's hash and its link to the one before; that no entry is missing at the end, as far as the pointer on
    disk and the tags of MLflow's champion know; and that artifacts are those that were promoted.
    """
    chain = ledger.entries(engine, city.name)
    check = LedgerCheck(chain, ledger.broken_links(chain), [])
    _check_pointer(city, settings, check)
    _check_alias(city, settings, check)
    _check_artifacts(city, settings, check)
    return check


def _check_pointer(city: City, settings: Settings, check: LedgerCheck) -> None:
    pointer = read_pointer(city, settings)
    if pointer is None or pointer.sequence is None or pointer.entry_hash is None:
        if pointer is not None and not check.entries:
            check.notes.append("The champion is from before the ledger was kept.")
        return
    _compare("champion.json", pointer.sequence, pointer.entry_hash, check)


def _check_alias(city: City, settings: Settings, check: LedgerCheck) -> None:
    if not check.entries and read_pointer(city, settings) is None:
        return
    try:
        alias = read_champion_alias(city, settings)
    except RegistryError as error:
        check.notes.append(f"MLflow could not be asked: {error}")
        return
    if alias is None or "ledger_sequence" not in alias:
        check.notes.append("MLflow's alias names no entry of the ledger yet.")
        return
    _compare("MLflow's alias", int(alias["ledger_sequence"]), alias["ledger_hash"], check)
    newest = check.entries[-1] if check.entries else None
    if newest and alias["registered_version"] != newest.registered_version:
        check.notes.append("MLflow's alias names another version than the newest entry; the next command moves it.")


def _compare(who: str, sequence: int, digest: str, check: LedgerCheck) -> None:
    """Look for the entry that somebody else knows of."""
    by_sequence = {entry.sequence: entry for entry in check.entries}
    if sequence not in by_sequence:
        check.findings.append(f"{who} knows of entry {sequence}, which is not there: the end was cut off.")
    elif by_sequence[sequence].hash != digest:
        check.findings.append(f"{who} knows entry {sequence} by another hash: it was replaced.")
    elif sequence < check.entries[-1].sequence:
        check.notes.append(f"{who} is behind the newest entry; the next command brings it there.")


def _check_artifacts(city: City, settings: Settings, check: LedgerCheck) -> None:
    seen = {(entry.artifact, entry.manifest_sha256): entry for entry in check.entries}
    for (artifact, digest), entry in seen.items():
        found = manifest_hash(city, settings, artifact)
        if found is None:
            check.notes.append(f"The artifact of entry {entry.sequence}, {artifact}, is not on this disk.")
        elif found != digest:
            check.findings.append(f"The artifact of entry {entry.sequence}, {artifact}, is not the one promoted.")
