"""Verification: every stored file of a city is hashed again; one changed bit is found and named, with the remedy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from data.errors import NotFoundError, StorageError
from data.files import read_json, read_sealed, sha256_of
from data.parts import damage_of_part
from data.progress import Progress
from data.records import read_manifest, sha256_of_files
from data.settings import ENGINES
from features.catalogue import catalogue_of
from features.online import open_online
from features.snapshots import Snapshot, load_snapshot
from features.store import Claim, FeatureStore


@dataclass(frozen=True)
class Damage:
    """One file that is not as it was written, or is missing: where, what is wrong, and what to do."""

    path: Path
    what: str
    remedy: str


@dataclass(frozen=True)
class Verified:
    """What a verification looked at, by kind, and the damages that it found."""

    counts: dict[str, int]
    damages: list[Damage]


def verify_store(store: FeatureStore, claims: Iterable[Claim], progress: Progress = print) -> Verified:
    """Hash every snapshot, all records, parts, online stores, kept deliveries and drift of a city again.

    Parameters
    ----------
    claims : iterable of Claim
        What stands on snapshots and records; one that is missing is a damage too.
    """
    kinds = {
        "snapshots": (_folders(store, "snapshots"), _snapshot_damages),
        "records": (_folders(store, "records"), _records_damages),
        "parts": (_folders(store, "parts"), _part_damages),
        "online stores": (_folders(store, "online"), _online_damages),
        "deliveries": (sorted((store.home / "deliveries").glob("[!.]*")), _delivery_damages),
        "reports of drift": (sorted((store.home / "drift").glob("[!.]*.json")), _drift_report_damages),
        "acceptances": (sorted((store.home / "drift" / "accepted").glob("[!.]*.json")), _acceptance_damages),
    }
    counts, damages = {}, []
    for kind, (paths, damages_of) in kinds.items():
        progress(f"Hashing {kind}: {len(paths):,}.")
        counts[kind] = len(paths)
        damages += [damage for path in paths for damage in damages_of(store, path)]
    return Verified(counts, [*damages, *_pointer_damages(store), *_missing(store, claims)])


def _folders(store: FeatureStore, kind: str) -> list[Path]:
    return sorted(path for path in (store.home / kind).glob("[!.]*") if path.is_dir())


def _snapshot_damages(store: FeatureStore, folder: Path) -> Iterator[Damage]:
    for name in ("matrix.parquet", "manifest.json"):
        if not (folder / name).is_file():
            yield Damage(folder / name, "is missing", _rebuild(store, folder, None))
            return
    try:
        snapshot = load_snapshot(folder)
    except StorageError:
        yield Damage(folder / "manifest.json", "is not as it was written", _rebuild(store, folder, None))
        return
    if not folder.name.endswith(f"-{snapshot.snapshot_id}"):
        yield Damage(folder, f"holds snapshot {snapshot.snapshot_id}", "Give the folder its name back.")
    if sha256_of(snapshot.path) != snapshot.manifest["sha256"]:
        yield Damage(snapshot.path, "is not as it was written", _rebuild(store, folder, snapshot))


def _rebuild(store: FeatureStore, folder: Path, snapshot: Snapshot | None) -> str:
    """Say how to make a snapshot again: the same records and formulas give the same bytes."""
    city = store.city.name
    if snapshot is None:
        again = f"`qianfen features build {city} --as-of` its date, or `qianfen train {city}` where it is of pairs"
        return f"Remove {folder} and run {again}."
    if snapshot.manifest["catalogue_hash"] != catalogue_of(store.city).hash:
        return "It was made by other formulas than those that are here. Restore it from a copy."
    records_id = snapshot.manifest["records_id"]
    in_force = records_id == _current_records_id(store)
    if snapshot.as_of_date is None:
        return f"Remove {folder} and run `qianfen train {city}`." if in_force else "Restore it from a copy."
    options = "" if in_force else f" --records {records_id}"
    if snapshot.manifest["engine"] != ENGINES[0]:
        options += f" --engine {snapshot.manifest['engine']}"
    return f"Remove {folder} and run `qianfen features build {city} --as-of {snapshot.as_of_date}{options}`."


def _records_damages(store: FeatureStore, folder: Path) -> Iterator[Damage]:
    try:
        manifest = read_manifest(folder)
    except FileNotFoundError:
        yield Damage(folder / "manifest.json", "is missing", "Restore it from a copy.")
        return
    except StorageError as error:
        # The remedy is the last sentence of the error.
        yield Damage(folder / "manifest.json", "is not as it was written", str(error).rsplit("not. ", 1)[-1])
        return
    if manifest["records_id"] != folder.name:
        yield Damage(folder, f"holds records {manifest['records_id']}", "Give the folder its name back.")
    for file, sha256 in sha256_of_files(manifest).items():
        path = folder / file
        if not path.is_file():
            yield Damage(path, "is missing", _bring_in_again(store, folder, ""))
        elif sha256_of(path) != sha256:
            yield Damage(path, "is not as it was written", _bring_in_again(store, folder, f"Remove {path}. "))


def _bring_in_again(store: FeatureStore, folder: Path, first: str) -> str:
    if folder.name != _current_records_id(store):
        return "It belongs to earlier records. Restore it from a copy."
    return (
        f"{first}Run `qianfen ingest {store.city.name}`: it is made again from the source files, if they are the same."
    )


def _part_damages(store: FeatureStore, folder: Path) -> Iterator[Damage]:
    if path := damage_of_part(folder):
        remedy = f"`qianfen ingest {store.city.name}` reads the source file again when it needs this part."
        yield Damage(path, "is not as it was written", remedy)


def _delivery_damages(store: FeatureStore, path: Path) -> Iterator[Damage]:
    if sha256_of(path) != path.name:
        yield Damage(path, "is not the delivery as it came", "Restore it from a copy, or from the source folder.")


def _online_damages(store: FeatureStore, folder: Path) -> Iterator[Damage]:
    try:
        open_online(folder)
    except (NotFoundError, StorageError):
        yield Damage(folder, "is not as it was written", f"Run `qianfen grade {store.city.name}`: it is written anew.")


def _drift_report_damages(store: FeatureStore, path: Path) -> Iterator[Damage]:
    if not _is_sealed(path):
        remedy = f"Remove {path}; `qianfen features drift {store.city.name}` measures again."
        yield Damage(path, "is not as it was written", remedy)


def _acceptance_damages(_store: FeatureStore, path: Path) -> Iterator[Damage]:
    if not _is_sealed(path):
        yield Damage(path, "is not as it was written", "Restore it from a copy: it alone says who accepted what.")


def _is_sealed(path: Path) -> bool:
    try:
        read_sealed(path)
    except StorageError:
        return False
    return True


def _missing(store: FeatureStore, claims: Iterable[Claim]) -> Iterator[Damage]:
    """What something stands on must be there; the folder's name tells, so a damaged one is not missing."""
    there = {folder.name.rsplit("-", 1)[-1] for folder in _folders(store, "snapshots")}
    records = {folder.name for folder in _folders(store, "records")}
    for claim in claims:
        for snapshot_id in sorted(claim.snapshot_ids - there):
            path = store.home / "snapshots" / f"*-{snapshot_id}"
            yield Damage(path, f"is missing, and {claim.by} stands on it", "Restore it from a copy.")
        for records_id in sorted(claim.records_ids - records):
            path = store.home / "records" / records_id
            yield Damage(path, f"are missing, and {claim.by} stands on them", "Restore them from a copy.")


def _pointer_damages(store: FeatureStore) -> Iterator[Damage]:
    records_id = _current_records_id(store)
    if records_id is not None and not (store.home / "records" / records_id).is_dir():
        ids = ", ".join(folder.name for folder in _folders(store, "records")) or "none"
        remedy = f"Write into it the id of the records in force; there are: {ids}."
        yield Damage(store.home / "records" / "current.json", "names no records that are there", remedy)


def _current_records_id(store: FeatureStore) -> str | None:
    """Return the id of the records in force; None before the first."""
    path = store.home / "records" / "current.json"
    try:
        return str(read_json(path)["records_id"])
    except FileNotFoundError:
        return None
    except (StorageError, KeyError, TypeError):
        return "of a damaged pointer"
