"""The ledger of promotions: append-only, each entry chained to the one before by its hash.

It lies in the operational database; the engine is handed in. Of who is champion it alone is the truth: the pointer on
disk and MLflow's alias follow it (docs/decisions/0010-promotion-ledger.md).
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Column, Engine, Integer, MetaData, String, Table, Text, insert, select
from sqlalchemy.exc import IntegrityError

from data.database_errors import database_errors_explained
from data.errors import BusyError

PROMOTED, ROLLED_BACK, ADOPTED = "promoted", "rolled back to", "adopted"
BEFORE_THE_FIRST = "0" * 64

METADATA = MetaData()
LEDGER = Table(
    "ledger",
    METADATA,
    # Two promotions at once: the second to write the same sequence is refused by the key.
    Column("city", String(100), primary_key=True),
    Column("sequence", Integer, primary_key=True, autoincrement=False),
    Column("at", String(40), nullable=False),
    Column("action", String(20), nullable=False),
    Column("model_version", String(64), nullable=False),
    Column("artifact", String(200), nullable=False),
    Column("manifest_sha256", String(64), nullable=False),
    Column("registered_version", String(20), nullable=False),
    Column("former_version", String(64)),
    Column("gate", Text, nullable=False),
    Column("who", String(200), nullable=False),
    Column("why", Text, nullable=False),
    Column("previous_hash", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
)


@dataclass(frozen=True)
class Entry:
    """One entry: who made which model the champion, when, why, and on what evidence.

    Attributes
    ----------
    city : str
    sequence : int
        1 for the first entry of a city, then one more each.
    at : str
        Time in UTC, ISO 8601.
    action : {"promoted", "rolled back to", "adopted"}
        Adopted is a champion from before the ledger was kept.
    model_version, artifact, manifest_sha256, registered_version : str
        The new champion: its version, its folder below the city's models, the SHA-256 of its manifest, which holds
        those of its other files, and its version in MLflow.
    former_version : str or None
        Champion before.
    gate : str
        JSON of the gate's table; an empty list where there was no gate.
    who, why : str
        The person, and the reason.
    previous_hash, hash : str
        Of the entry before, and of this one without its own hash.
    """

    city: str
    sequence: int
    at: str
    action: str
    model_version: str
    artifact: str
    manifest_sha256: str
    registered_version: str
    former_version: str | None
    gate: str
    who: str
    why: str
    previous_hash: str
    hash: str = ""

    def computed_hash(self) -> str:
        """Return the SHA-256 over all fields but the hash, as canonical JSON."""
        content = {name: value for name, value in vars(self).items() if name != "hash"}
        text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)
        return hashlib.sha256(text.encode("utf-8")).hexdigest()

    @property
    def gate_rows(self) -> list[dict[str, Any]]:
        """The gate's table."""
        rows: list[dict[str, Any]] = json.loads(self.gate)
        return rows

    def said(self) -> str:
        """Return the entry in one sentence."""
        done = "brought back" if self.action == ROLLED_BACK else self.action
        at = self.at[:16].replace("T", " ")
        return f"Model {self.model_version} was {done} by {self.who} at {at} UTC, with the reason “{self.why}”."


def append(
    engine: Engine,
    after: Entry | None,
    city: str,
    action: str,
    champion: Mapping[str, str],
    who: str,
    why: str,
    gate: Sequence[Mapping[str, Any]] = (),
) -> Entry:
    """Write the entry that follows `after` and return it.

    Parameters
    ----------
    after : Entry or None
        The newest entry when the decision was taken; None for an empty ledger.
    champion : dict
        model_version, artifact, manifest_sha256 and registered_version of the new champion.
    who, why : str
        The person, and the reason.
    gate : sequence of dict
        The gate's table.

    Raises
    ------
    BusyError
        Where somebody else's entry came first; the text names who won.
    """
    entry = Entry(
        city=city,
        sequence=1 if after is None else after.sequence + 1,
        at=datetime.now(UTC).isoformat(timespec="microseconds"),
        action=action,
        former_version=None if after is None else after.model_version,
        gate=json.dumps(list(gate), ensure_ascii=False, allow_nan=False),
        who=who,
        why=why,
        previous_hash=BEFORE_THE_FIRST if after is None else after.hash,
        **champion,
    )
    entry = dataclasses.replace(entry, hash=entry.computed_hash())
    try:
        with _explained("written to"), engine.connect() as connection:
            if engine.dialect.name == "sqlite":
                # The pointer must never outlive, in a power cut, the entry that it follows.
                connection.exec_driver_sql("PRAGMA synchronous = FULL")
            connection.execute(insert(LEDGER).values(**vars(entry)))
            connection.commit()
    except IntegrityError as error:
        winner = entry_at(engine, city, entry.sequence)
        raise BusyError(
            f"{city} has another champion since, decide again. {winner.said() if winner else ''} "
            f"See `qianfen ledger show {city}`."
        ) from error
    return entry


def entries(engine: Engine, city: str) -> list[Entry]:
    """Return the entries of a city, by sequence."""
    query = select(LEDGER).where(LEDGER.c.city == city).order_by(LEDGER.c.sequence)
    with _explained("read"), engine.connect() as connection:
        return [Entry(**row) for row in connection.execute(query).mappings()]


def newest(engine: Engine, city: str) -> Entry | None:
    """Return the newest entry of a city; None where there is none."""
    query = select(LEDGER).where(LEDGER.c.city == city).order_by(LEDGER.c.sequence.desc()).limit(1)
    with _explained("read"), engine.connect() as connection:
        row = connection.execute(query).mappings().first()
    return None if row is None else Entry(**row)


def entry_at(engine: Engine, city: str, sequence: int) -> Entry | None:
    """Return one entry of a city; None where it is not there."""
    query = select(LEDGER).where(LEDGER.c.city == city, LEDGER.c.sequence == sequence)
    with _explained("read"), engine.connect() as connection:
        row = connection.execute(query).mappings().first()
    return None if row is None else Entry(**row)


def cities(engine: Engine) -> list[str]:
    """Return the cities that the ledger has entries of."""
    with _explained("read"), engine.connect() as connection:
        return list(connection.execute(select(LEDGER.c.city).distinct().order_by(LEDGER.c.city)).scalars())


def broken_links(chain: Sequence[Entry]) -> list[str]:
    """Return what is wrong with a city's entries, in words; an empty list where none was edited, removed or put in."""
    found = []
    expected, before = 1, BEFORE_THE_FIRST
    for entry in chain:
        if entry.sequence != expected:
            found.append(f"Before entry {entry.sequence} there must be entry {expected}, it is missing.")
        elif entry.previous_hash != before:
            found.append(f"Entry {entry.sequence} does not follow the entry before it: one of the two was replaced.")
        if entry.hash != entry.computed_hash():
            found.append(f"Entry {entry.sequence} is not as it was written.")
        expected, before = entry.sequence + 1, entry.hash
    return found


def succession(chain: Sequence[Entry]) -> list[str]:
    """Return the model versions that lead to the present champion, which is the last.

    A promotion adds one; a rollback goes back to one, and what came after it no longer counts.
    """
    line: list[str] = []
    for entry in chain:
        if entry.action == ROLLED_BACK and entry.model_version in line:
            # The last time that it was champion: it may have been so before.
            del line[len(line) - line[::-1].index(entry.model_version) :]
        elif entry.model_version not in line[-1:]:
            line.append(entry.model_version)
    return line


def champions_between(chain: Sequence[Entry], begins: datetime, ends: datetime) -> list[str]:
    """Return the versions that were champion at some moment of a time, in order."""
    times = [datetime.fromisoformat(entry.at) for entry in chain]
    # The newest champion is one still.
    until = [*times[1:], datetime.max.replace(tzinfo=UTC)][: len(times)]
    there = [
        entry.model_version
        for entry, since, end in zip(chain, times, until, strict=True)
        if since < ends and end > begins
    ]
    return list(dict.fromkeys(there))


def _explained(what: str) -> AbstractContextManager[None]:
    return database_errors_explained("The ledger of promotions", what, passed_on=IntegrityError)
