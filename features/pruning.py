"""Pruning: what nothing stands on any more is removed, and never what a model or a grade has to be rebuilt from.

Kept are the newest snapshots, what a claim names, the records that any kept snapshot or claim was made from, those in
force, and the parts of all kept records. Kept deliveries are never touched: they are the city's history as it came.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from data.errors import RequestError
from data.files import abandoned, read_json, remove_folder
from data.progress import Progress
from data.records import read_manifest
from features.snapshots import Snapshot
from features.store import Claim, FeatureStore, age_order, claims_on

_KINDS = ("snapshots", "records", "parts", "models", "grades", "deliveries")


@dataclass(frozen=True)
class Removal:
    """One folder or leftover file to remove, and why nothing needs it."""

    path: Path
    why: str


@dataclass(frozen=True)
class Pruning:
    """What goes, what stays and why, and the bytes that become free.

    Attributes
    ----------
    removals : list of Removal
        In the order in which they go: snapshots before their records, records before their parts.
    kept : dict
        Why each snapshot stays, by its id.
    untouched : list of str
        What is left alone because it cannot be judged.
    freed_bytes : int
        Bytes on disk; a file that also stands in a place that stays frees nothing.
    """

    removals: list[Removal]
    kept: dict[str, str]
    untouched: list[str]
    freed_bytes: int


def plan_pruning(store: FeatureStore, claims: Iterable[Claim], keep: int) -> Pruning:
    """Return what of a city's built files can go.

    Parameters
    ----------
    claims : iterable of Claim
        Everything that stands on snapshots and records. What they name is kept, without exception.
    keep : int
        How many of the newest snapshots stay, whatever stands on them.

    Raises
    ------
    StorageError
        Where a manifest of records is damaged: what was made from them is unknown.
    """
    if keep < 0:
        raise RequestError(f"The number of snapshots to keep must not be negative, got {keep}.")
    claims, snapshots = list(claims), store.snapshots()
    kept = _kept_snapshots(snapshots, claims, keep)
    removals = [
        Removal(snapshot.folder, "nothing stands on it, and newer ones are there")
        for snapshot in snapshots
        if snapshot.snapshot_id not in kept
    ]
    damaged = store.damaged()
    untouched = [f"{folder} is damaged; see `qianfen features verify {store.city.name}`" for folder in damaged]
    # The records of a damaged snapshot are unknown, so all records stay until it is mended.
    if not damaged:
        stays = [s for s in snapshots if s.snapshot_id in kept]
        kept_records = _kept_records(store, stays, claims)
        removals += _removable_records(store, kept_records)
        removals += _removable_parts(store, kept_records)
    removals += [Removal(path, "a run that was stopped left it") for home in _homes(store) for path in abandoned(home)]
    return Pruning(removals, kept, untouched, _freed_bytes(r.path for r in removals))


def carry_out(pruning: Pruning, progress: Progress = print) -> None:
    """Remove what was planned. Each folder goes whole or stays; after a kill, the next pruning goes on."""
    for removal in pruning.removals:
        if removal.path.name.startswith("."):
            _remove_leftover(removal.path)
        else:
            remove_folder(removal.path)
        progress(f"Removed {removal.path.parent.name}/{removal.path.name}.")


def _kept_snapshots(snapshots: list[Snapshot], claims: list[Claim], keep: int) -> dict[str, str]:
    newest = {s.snapshot_id for s in sorted(snapshots, key=age_order, reverse=True)[:keep]}
    kept = {}
    for snapshot in snapshots:
        standing = claims_on(snapshot, claims)
        if standing:
            kept[snapshot.snapshot_id] = "; ".join(standing)
        elif snapshot.snapshot_id in newest:
            kept[snapshot.snapshot_id] = f"among the newest {keep}"
    return kept


def _kept_records(store: FeatureStore, snapshots: list[Snapshot], claims: list[Claim]) -> set[str]:
    """Return the ids of the records in force, and of those that kept snapshots and claims were made from."""
    current = store.home / "records" / "current.json"
    in_force = {str(read_json(current)["records_id"])} if current.is_file() else set()
    made_from = {str(snapshot.manifest["records_id"]) for snapshot in snapshots}
    return in_force | made_from | {records_id for claim in claims for records_id in claim.records_ids}


def _removable_records(store: FeatureStore, kept: set[str]) -> list[Removal]:
    folders = _folders(store.home / "records")
    return [Removal(f, "no kept snapshot was made from them") for f in folders if f.name not in kept]


def _removable_parts(store: FeatureStore, kept_records: set[str]) -> list[Removal]:
    used = set()
    for folder in _folders(store.home / "records"):
        if folder.name in kept_records:
            tables = read_manifest(folder)["tables"]
            used |= {f"{name}-{part_id}" for name, table in tables.items() for part_id in table["parts"]}
    folders = _folders(store.home / "parts")
    return [Removal(f, "no kept records were made from it") for f in folders if f.name not in used]


def _folders(home: Path) -> list[Path]:
    return sorted(path for path in home.glob("[!.]*") if path.is_dir())


def _homes(store: FeatureStore) -> list[Path]:
    return [store.home, *(store.home / kind for kind in _KINDS)]


def _remove_leftover(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _freed_bytes(paths: Iterable[Path]) -> int:
    """Add up the files whose every name goes: records and parts share files."""
    gone: dict[tuple[int, int], int] = {}
    freed = 0
    for path in paths:
        for file in [path] if path.is_file() else path.rglob("*"):
            if file.is_file() and not file.is_symlink():
                status = file.stat()
                inode = (status.st_dev, status.st_ino)
                gone[inode] = gone.get(inode, 0) + 1
                freed += status.st_size if gone[inode] == status.st_nlink else 0
    return freed
