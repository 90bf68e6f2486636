"""The online store: the newest values of every entity in two memory-mapped files, for the scoring endpoint.

A store is a folder, written once from a snapshot and never changed; any program that knows NumPy's format can read it.

    keys.npy       bytes (n,), entity_id in UTF-8, sorted
    values.npy     float64 (n, 18), a row for each key: the very bits of the snapshot, NaN where missing
    manifest.json  snapshot_id, as_of_date, city, catalogue_hash, indicators, n_entities, SHA-256 of both files

Which store is newest is not said here: it is that of the grading in force, so that grades and values change together.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from data.errors import NotFoundError, StorageError
from data.files import abandoned, atomic_folder, read_sealed, remove_folder, sha256_of, write_sealed
from data.progress import Progress
from data.settings import Settings
from features.snapshots import ROWS_IN_A_GROUP, Snapshot

_FILES = ("keys.npy", "values.npy")
_REMEDY = "Run `qianfen grade`, which writes it anew."
_TAKEN_OVER = ("snapshot_id", "city", "as_of_date", "catalogue_hash", "indicators")


@dataclass(frozen=True, eq=False)
class OnlineStore:
    """An open store. Safe to use from several threads; it stays readable when its folder is removed.

    Attributes
    ----------
    folder : Path
        Where it was opened.
    manifest : dict
        What is in manifest.json.
    keys, values : bytes (n,) and float64 (n, 18)
        The mapped files, read-only.
    """

    folder: Path
    manifest: dict[str, Any]
    keys: NDArray[np.bytes_]
    values: NDArray[np.float64]

    @property
    def snapshot_id(self) -> str:
        """The snapshot whose values these are."""
        return str(self.manifest["snapshot_id"])

    @property
    def as_of_date(self) -> date:
        """Day of the values."""
        return date.fromisoformat(self.manifest["as_of_date"])

    @property
    def indicators(self) -> tuple[str, ...]:
        """Names of the indicators, in the order of the columns."""
        return tuple(self.manifest["indicators"])

    def lookup(self, entity_ids: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return the values of n entities, float64 (n, 18), in the order asked, and which are known, bool (n,).

        A missing value is NaN, and so is every value of an entity that is not known.
        """
        texts = [entity_id.encode("utf-8", "surrogatepass") for entity_id in entity_ids]
        asked = np.array(texts, dtype=self.keys.dtype)
        if not len(self.keys):
            return np.full((len(texts), self.values.shape[1]), np.nan), np.zeros(len(texts), dtype=np.bool_)
        rows = np.minimum(self.keys.searchsorted(asked), len(self.keys) - 1)
        # NumPy cuts what is longer than the keys, and bytes of zero at the end: such a text is none of them.
        whole = np.strings.str_len(asked) == [len(text) for text in texts]
        known = (self.keys[rows] == asked) & whole
        values = self.values[rows]
        values[~known] = np.nan
        return values, known


def online_folder(settings: Settings, city_name: str, as_of_date: date, snapshot_id: str) -> Path:
    """Return where the store of a snapshot lies, or would lie."""
    return settings.var / "cities" / city_name / "online" / f"{as_of_date}-{snapshot_id}"


def publish_online(snapshot: Snapshot, settings: Settings, progress: Progress = print) -> OnlineStore:
    """Return the open store of a snapshot; write it unless it is there. A damaged one is written anew.

    It is seen whole or not at all, and is on the disk before it is seen.

    Raises
    ------
    StorageError
        Where the snapshot is not as it was written or not sorted by distinct entity_id, an entity_id ends in the
        character NUL, or the disk is full.
    """
    assert snapshot.as_of_date is not None, "a snapshot of pairs has no newest values"
    folder = online_folder(settings, str(snapshot.manifest["city"]), snapshot.as_of_date, snapshot.snapshot_id)
    if folder.exists():
        try:
            store = open_online(folder)
        except (NotFoundError, StorageError):
            progress(f"The online store as of {snapshot.as_of_date} is damaged: it is written anew.")
            remove_folder(folder)
        else:
            progress(f"The online store as of {snapshot.as_of_date} is there already: skipped.")
            return store
    snapshot.verify()
    with atomic_folder(folder) as beside:
        n_entities = _write(beside, snapshot)
    progress(f"Online store as of {snapshot.as_of_date}: {n_entities:,} entities.")
    return open_online(folder)


def open_online(folder: Path) -> OnlineStore:
    """Return the store in a folder, every byte of it checked against its manifest.

    Raises
    ------
    NotFoundError
        Where the folder holds no store.
    StorageError
        Where a file is truncated or changed; the text names it.
    """
    try:
        manifest = read_sealed(folder / "manifest.json", _REMEDY)
        keys, values = (_mapped(folder / name, manifest["sha256"][name]) for name in _FILES)
    except FileNotFoundError as error:
        raise NotFoundError(
            f"{folder} must be an online store, {Path(error.filename).name} is not there. {_REMEDY}"
        ) from error
    return OnlineStore(folder, manifest, keys, values)


def remove_old_stores(in_force: Path) -> None:
    """Remove all stores of a city but the one in force and the youngest of the others.

    Whoever has a removed store open reads on: the system keeps the bytes until the last reader lets go.
    """
    home = in_force.parent
    for folder in abandoned(home):
        shutil.rmtree(folder, ignore_errors=True)
    others = [folder for folder in home.glob("[!.]*") if folder != in_force]
    for folder in sorted(others, key=lambda folder: folder.stat().st_mtime_ns)[:-1]:
        remove_folder(folder)


def _write(folder: Path, snapshot: Snapshot) -> int:
    """Write the files of a store; return the number of entities. The same snapshot gives the same bytes."""
    n, width = int(snapshot.manifest["n_rows"]), _longest(snapshot.path)
    last: NDArray[np.bytes_] = np.empty(0, dtype=f"S{width}")
    # Written rather than mapped: a full disk is then an error to explain, not the end of the process.
    with (folder / "keys.npy").open("wb") as keys_file, (folder / "values.npy").open("wb") as values_file:
        _write_header(keys_file, f"|S{width}", (n,))
        _write_header(values_file, "<f8", (n, len(snapshot.indicators)))
        for entity_ids, values in _blocks(snapshot):
            keys = _keys(entity_ids, width, snapshot)
            ordered = np.concatenate([last, keys])
            if not (ordered[:-1] < ordered[1:]).all():
                raise _unfit(snapshot, "be sorted by distinct entity_id")
            keys_file.write(keys.tobytes())
            values_file.write(values.tobytes())
            last = keys[-1:]
        for file in (keys_file, values_file):
            file.flush()
            os.fsync(file.fileno())
    manifest = {name: snapshot.manifest[name] for name in _TAKEN_OVER}
    manifest |= {"n_entities": n, "sha256": {name: sha256_of(folder / name) for name in _FILES}}
    write_sealed(folder / "manifest.json", manifest)
    return n


def _write_header(file: BinaryIO, kind: str, shape: tuple[int, ...]) -> None:
    np.lib.format.write_array_header_1_0(file, {"descr": kind, "fortran_order": False, "shape": shape})


def _longest(path: Path) -> int:
    """Return the most bytes that an entity_id has, at least 1."""
    batches = pq.ParquetFile(path).iter_batches(ROWS_IN_A_GROUP, columns=["entity_id"])
    lengths = (pc.max(pc.binary_length(batch["entity_id"])).as_py() for batch in batches if batch.num_rows)
    return max((int(length) for length in lengths), default=1) or 1


def _blocks(snapshot: Snapshot) -> Iterator[tuple[pa.Array, NDArray[np.float64]]]:
    """Yield entity_id and values, block by block, so that memory stays bounded."""
    columns = ["entity_id", *snapshot.indicators]
    for batch in pq.ParquetFile(snapshot.path).iter_batches(ROWS_IN_A_GROUP, columns=columns):
        values = [batch[name].to_numpy(zero_copy_only=False) for name in snapshot.indicators]
        yield batch["entity_id"], np.column_stack(values).astype("<f8", copy=False)


def _keys(entity_ids: pa.Array, width: int, snapshot: Snapshot) -> NDArray[np.bytes_]:
    keys: NDArray[np.bytes_] = entity_ids.cast(pa.binary()).to_numpy(zero_copy_only=False).astype(f"S{width}")
    if (np.strings.str_len(keys) != pc.binary_length(entity_ids).to_numpy()).any():
        raise _unfit(snapshot, "have no entity_id that ends in the character NUL")
    return keys


def _mapped(path: Path, sha256: str) -> NDArray[Any]:
    """Map a file of NumPy's format; StorageError where it is not as it was written.

    The hash is taken of the mapped bytes: that brings every page in, so that no look-up waits for one.
    """
    with path.open("rb") as file:
        # An empty file cannot be mapped.
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if path.stat().st_size else None
    if mapped is None or hashlib.sha256(mapped).hexdigest() != sha256:
        raise StorageError(f"{path} must be as it was written, it is not. {_REMEDY}")
    np.lib.format.read_magic(mapped)
    shape, _, kind = np.lib.format.read_array_header_1_0(mapped)
    return np.frombuffer(mapped, dtype=kind, offset=mapped.tell()).reshape(shape)


def _unfit(snapshot: Snapshot, what: str) -> StorageError:
    return StorageError(f"{snapshot.path} must {what} to be put online, it is not so. Correct the records.")
