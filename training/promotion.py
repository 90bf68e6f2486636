"""Promotion, rollback, and bringing pointer and alias to what the ledger says.

The order is: ledger, pointer on disk, MLflow's alias. The entry in the ledger is the one moment in which the champion
changes; `settle` does the rest, and does it at the next start where a run was killed in between.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Engine

from data.city import City
from data.errors import ArtifactError, LedgerError, NotFoundError, RegistryError, RequestError, StorageError
from data.files import held
from data.progress import Progress
from data.settings import Settings
from features.catalogue import catalogue_of
from training import ledger
from training.artifact import load_artifact
from training.champions import Pointer, manifest_hash, read_challenger, read_pointer, version_of, write_pointer
from training.gate_table import Row, passes
from training.ledger import Entry
from training.registry import models_folder, registered_version, write_champion_alias

_LONGEST_NAME, _LONGEST_REASON = 200, 2_000


def settle(city: City, settings: Settings, engine: Engine, progress: Progress = print) -> Entry | None:
    """Bring the pointer and MLflow's alias to what the ledger says; return its newest entry, None for an empty one.

    Where MLflow is away the alias waits for the next time, which is said.

    Raises
    ------
    LedgerError
        Where the pointer knows of an entry that the ledger does not have, or the newest entry is not as it was
        written: nothing is changed then.
    """
    entry, pointer = ledger.newest(engine, city.name), read_pointer(city, settings)
    _refuse_cut_off(city, engine, pointer)
    if entry is None or (pointer is not None and pointer == _pointer(entry, alias_written=True)):
        return entry
    # Held for a moment only, so that no run writes what an older entry says over what a newer one says.
    with held(models_folder(city, settings) / ".lock", wait=True):
        entry, pointer = ledger.newest(engine, city.name), read_pointer(city, settings)
        assert entry is not None, "entries stay"
        if entry.hash != entry.computed_hash():
            raise LedgerError(_broken(city, f"Entry {entry.sequence} is not as it was written."))
        if pointer is None or pointer.entry_hash != entry.hash:
            pointer = _pointer(entry)
            write_pointer(city, settings, pointer)
        if not pointer.alias_written:
            _write_alias(city, settings, entry, progress)
    return entry


def challenger_of(city: City, settings: Settings, engine: Engine) -> str:
    """Return the artifact of the challenger.

    Raises
    ------
    NotFoundError
        Where nothing was trained, or what was trained last is the champion already; the text says since when.
    """
    artifact, entry = read_challenger(city, settings), ledger.newest(engine, city.name)
    if artifact is None:
        raise NotFoundError(f"{city.name} has no challenger. Run `qianfen train {city.name}`.")
    if entry is not None and entry.model_version == version_of(city, settings, artifact):
        raise NotFoundError(
            f"{city.name} has no challenger: what was trained last is the champion. {entry.said()} "
            f"For another challenger, change what it is trained on and run `qianfen train {city.name}`."
        )
    return artifact


def promote(
    city: City, settings: Settings, engine: Engine, artifact: str, rows: Sequence[Row], who: str, why: str,
    after: Entry | None, progress: Progress = print,
) -> Entry:  # fmt: skip
    """Make a challenger that passed the gate the champion.

    Parameters
    ----------
    artifact : str
        Its folder below the city's models.
    rows : sequence of Row
        The gate's table, which goes into the ledger.
    who, why : str
        The person who decides, and the reason.
    after : Entry or None
        Newest entry when the table was made.

    Raises
    ------
    RequestError
        Where the name or the reason is empty or too long.
    RegistryError
        Where MLflow is away or does not know the model; nothing is written then.
    BusyError
        Where somebody else's promotion came first.
    LedgerError
        Where the ledger is not as it was written.
    """
    require_person(who, why)
    _refuse_broken(city, ledger.entries(engine, city.name))
    assert passes(list(rows)), "a challenger that was refused is not promoted"
    model = load_artifact(models_folder(city, settings) / artifact)
    version = registered_version(city, settings, model.model_version)
    if version is None:
        raise RegistryError(
            f"Model {model.model_version} must be registered in MLflow, it is not. Run `qianfen push {city.name}`."
        )
    after = after or _adopt(city, settings, engine, who)
    champion = _described(city, settings, model.model_version, artifact, version)
    gate = [row.as_json() for row in rows]
    entry = ledger.append(engine, after, city.name, ledger.PROMOTED, champion, who.strip(), why.strip(), gate)
    _follow(city, settings, engine, entry, progress)
    return entry


def roll_back(
    city: City, settings: Settings, engine: Engine, who: str, why: str, to: str | None = None,
    progress: Progress = print,
) -> Entry:  # fmt: skip
    """Go back to the champion before the present one, or to a former one by (the beginning of) its version.

    MLflow may be away: its alias then follows when it is back.

    Raises
    ------
    RequestError
        Where the name or the reason is empty or too long.
    NotFoundError
        Where there is no such former champion.
    ArtifactError
        Where its artifact is not as it was promoted, or is made for other indicators.
    LedgerError
        Where the ledger is not as it was written.
    """
    require_person(who, why)
    chain = ledger.entries(engine, city.name)
    _refuse_broken(city, chain)
    former = _former(city, chain, to)
    if manifest_hash(city, settings, former.artifact) not in (None, former.manifest_sha256):
        raise ArtifactError(
            f"Model {former.model_version} must be as it was promoted, its manifest is not. Restore {former.artifact}."
        )
    load_artifact(models_folder(city, settings) / former.artifact, catalogue_of(city).hash)
    champion = {name: getattr(former, name) for name in _DESCRIBED}
    entry = ledger.append(engine, chain[-1], city.name, ledger.ROLLED_BACK, champion, who.strip(), why.strip())
    _follow(city, settings, engine, entry, progress)
    return entry


def require_person(who: str, why: str) -> None:
    """Refuse a decision without a name or a reason: RequestError."""
    for option, text, longest in (("--who", who, _LONGEST_NAME), ("--why", why, _LONGEST_REASON)):
        if not text.strip():
            raise RequestError(f"{option} must not be empty. Every decision has a name and a reason: give both.")
        if len(text) > longest:
            raise RequestError(f"{option} must have at most {longest} characters, got {len(text)}. Shorten it.")


_DESCRIBED = ("model_version", "artifact", "manifest_sha256", "registered_version")


def _described(city: City, settings: Settings, model_version: str, artifact: str, version: str) -> dict[str, str]:
    digest = manifest_hash(city, settings, artifact)
    assert digest is not None, "an artifact that loads has a manifest"
    return dict(zip(_DESCRIBED, (model_version, artifact, digest, version), strict=True))


def _adopt(city: City, settings: Settings, engine: Engine, who: str) -> Entry | None:
    """Enter a champion from before the ledger was kept, so that one can roll back to it."""
    pointer = read_pointer(city, settings)
    if pointer is None:
        return None
    model = load_artifact(models_folder(city, settings) / pointer.artifact)
    champion = _described(city, settings, model.model_version, pointer.artifact, pointer.registered_version)
    why = "It was the champion before the ledger was kept."
    return ledger.append(engine, None, city.name, ledger.ADOPTED, champion, who.strip(), why)


def _former(city: City, chain: list[Entry], to: str | None) -> Entry:
    line = ledger.succession(chain)
    were = list(dict.fromkeys(entry.model_version for entry in chain))
    wanted = line[-2:-1] if to is None else [v for v in were if v.startswith(to) and v != line[-1]]
    if len(wanted) != 1:
        named = "" if to is None else f" '{to}'"
        others = ", ".join(v for v in were if v not in line[-1:])
        if not others:
            raise NotFoundError(
                f"{city.name} must have a former champion to go back to, there is none: no other model was promoted. "
                f"See `qianfen ledger show {city.name}`."
            )
        raise NotFoundError(
            f"{city.name} must have one former champion{named} to go back to, there are: {others}. "
            f"Name one with --to; see `qianfen ledger show {city.name}`."
        )
    return next(entry for entry in reversed(chain) if entry.model_version == wanted[0])


def _follow(city: City, settings: Settings, engine: Engine, entry: Entry, progress: Progress) -> None:
    """Settle after an entry; where that fails, say that the entry stands."""
    try:
        settle(city, settings, engine, progress)
    except StorageError as error:
        raise StorageError(
            f"{entry.said()} That stands as entry {entry.sequence} of the ledger, but the champion's pointer could not "
            f"be written. {error} The next command that reads the champion finishes it."
        ) from error


def _pointer(entry: Entry, alias_written: bool = False) -> Pointer:
    return Pointer(
        entry.artifact, entry.registered_version, entry.model_version, entry.sequence, entry.hash, alias_written
    )


def _write_alias(city: City, settings: Settings, entry: Entry, progress: Progress) -> None:
    tags = {"ledger_sequence": str(entry.sequence), "ledger_hash": entry.hash}
    try:
        write_champion_alias(city, settings, entry.registered_version, tags)
    except RegistryError as error:
        progress(f"MLflow's alias will follow when MLflow is back. {error}")
    else:
        write_pointer(city, settings, _pointer(entry, alias_written=True))


def _refuse_broken(city: City, chain: Sequence[Entry]) -> None:
    """Refuse to build on entries that were edited: they say which artifact a former champion is."""
    if found := ledger.broken_links(chain):
        raise LedgerError(_broken(city, found[0]))


def _broken(city: City, finding: str) -> str:
    return (
        f"The ledger of {city.name} must be as it was written, it is not. {finding} Restore the operational database; "
        f"see `qianfen ledger verify {city.name}` and docs/promotion.md."
    )


def _refuse_cut_off(city: City, engine: Engine, pointer: Pointer | None) -> None:
    if pointer is None or pointer.sequence is None:
        return
    entry = ledger.entry_at(engine, city.name, pointer.sequence)
    if entry is None or entry.hash != pointer.entry_hash:
        raise LedgerError(
            f"The ledger of {city.name} must hold entry {pointer.sequence} as the champion's pointer names it, "
            f"{'it is not there' if entry is None else 'it holds another'}. Restore the operational database; "
            f"see `qianfen ledger verify {city.name}` and docs/promotion.md."
        )
