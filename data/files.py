"""Files that are whole or not there: written to the side, then renamed into place."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from data.errors import BusyError, SourceError, StorageError

SEAL = "manifest_sha256"
"""Key under which a manifest carries the hash of the rest of it."""

UNFINISHED = ".unfinished"
"""End of the name of a hidden folder in which a run that is stopped leaves what the next one goes on with."""


@contextmanager
def atomic_folder(final: Path) -> Iterator[Path]:
    """Yield a folder beside `final`; rename it there at a clean exit, remove it otherwise.

    What is built is immutable: where `final` is there already, the new folder is dropped. Folders that a killed run
    left behind are removed first. A full disk raises StorageError.
    """
    final.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(final)
    beside = final.parent / f".{final.name}.{os.getpid()}.partial"
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir()
    try:
        with _disk_full_explained(final):
            yield beside
            if not final.exists():
                beside.rename(final)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def remove_folder(folder: Path) -> None:
    """Remove a folder so that it is there whole or not at all: what a killed run leaves of it is hidden."""
    hidden = folder.parent / f".{folder.name}.{os.getpid()}.partial"
    folder.rename(hidden)
    shutil.rmtree(hidden)


def abandoned(home: Path) -> list[Path]:
    """Return what killed runs left below a folder, hidden: of a process that is no more, or to go on with."""
    partial = [path for path in home.glob(".*.partial") if _is_abandoned(path)]
    return sorted([*partial, *home.glob(f".*{UNFINISHED}")])


def spill_beside(home: Path) -> Path:
    """Return where an engine may spill, in a folder of its own below `home`; `abandoned` knows that of a killed run."""
    return home / f".spill-{uuid4().hex}.{os.getpid()}.partial"


@contextmanager
def held(lock: Path, wait: bool = False) -> Iterator[None]:
    """Hold a lock file for as long as the block runs; BusyError where another process holds it.

    The lock belongs to the process: a killed one lets go. With `wait`, for what is held a moment only, wait for it.
    """
    with _disk_full_explained(lock):
        lock.parent.mkdir(parents=True, exist_ok=True)
        # Without a buffer: what a full disk did not take is not tried again at the close.
        file = lock.open("ab+", buffering=0)
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            raise BusyError(
                f"{lock.parent.name} is held by process {file.read().decode() or 'unknown'}, which is still at work. "
                "Wait until it ends, or stop it, and run again."
            ) from error
        with _disk_full_explained(lock):
            file.truncate(0)
            file.write(str(os.getpid()).encode())
        yield


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file so that a reader sees the old content or the new, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.parent / f".{path.name}.{os.getpid()}.partial"
    payload = content.encode("utf-8") if isinstance(content, str) else content
    try:
        with _disk_full_explained(path), beside.open("wb") as file:
            file.write(payload)
            file.flush()
            os.fsync(file.fileno())
        beside.rename(path)
    finally:
        beside.unlink(missing_ok=True)


def archive(source: Path, target: Path) -> None:
    """Keep a copy of a file under its SHA-256, the name of `target`; SourceError where the file is being changed."""
    if target.is_file():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.parent / f".{target.name}.{os.getpid()}.partial"
    try:
        with _disk_full_explained(target):
            shutil.copyfile(source, beside)
            if sha256_of(beside) != target.name:
                raise SourceError(f"{source} was changed while it was read. Wait until it is whole and run again.")
            beside.rename(target)
    finally:
        beside.unlink(missing_ok=True)


def write_json(path: Path, content: Any) -> None:
    """Write JSON atomically, readable and with stable order of keys as given."""
    write_atomically(path, _as_text(content))


def read_json(path: Path) -> Any:
    """Read a JSON file of ours; StorageError where it is damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise StorageError(f"{path} must be JSON, it is damaged: {error}. Remove it and run the step again.") from error


def write_sealed(path: Path, content: dict[str, Any]) -> None:
    """Write JSON with the SHA-256 of its own content, so that `read_sealed` finds a single changed bit."""
    write_json(path, {**content, SEAL: _seal(content)})


def read_sealed(path: Path, remedy: str = "") -> dict[str, Any]:
    """Read JSON of `write_sealed`, the seal left out; StorageError where a single bit is not as it was written."""
    try:
        content = read_json(path)
    except StorageError:
        # Its remedy is that of any JSON; here the caller knows better.
        content = None
    seal = content.pop(SEAL, None) if isinstance(content, dict) else None
    if seal is None or not _is_sealed(content, seal, path.read_bytes()):
        remedy = remedy or f"Remove {path.parent} and run the step again."
        raise StorageError(f"{path} must be as it was written, it is not. {remedy}")
    return dict(content)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    # One buffer for the whole file: to get memory for each piece of it costs nearly as much as its hash.
    with path.open("rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fingerprint(*parts: Any) -> str:
    """Return 16 hexadecimal digits that stand for the parts (anything JSON can hold; others by `str`)."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]


def source_fingerprint(*modules: str) -> str:
    """Return a fingerprint of the source of importable modules, so that changed code makes its outputs stale."""
    import importlib.util

    digests = []
    for module in modules:
        spec = importlib.util.find_spec(module)
        if spec is None or spec.origin is None:
            raise ModuleNotFoundError(module)
        digests.append(sha256_of(Path(spec.origin)))
    return fingerprint(digests)


def _as_text(content: Any) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False, default=str, allow_nan=False) + "\n"


def _seal(content: Any) -> str:
    return hashlib.sha256(_as_text(content).encode("utf-8")).hexdigest()


def _is_sealed(content: Any, seal: str, written: bytes) -> bool:
    """Compare the bytes too: a changed bit between two values may mean the same to a reader of JSON."""
    try:
        return seal == _seal(content) and written == _as_text({**content, SEAL: seal}).encode("utf-8")
    except ValueError:
        # A number that is none any more.
        return False


@contextmanager
def _disk_full_explained(target: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if _is_full(error):
            raise StorageError(
                f"The disk is full, {target} was not written and what was there stands. Free space and run again."
            ) from error
        raise


def _is_full(error: Exception) -> bool:
    """Say whether a disk was full; DuckDB and Spark tell so in words only."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    return "No space left on device" in str(error)


def _remove_abandoned(final: Path) -> None:
    for path in final.parent.glob(f".{final.name}.*.partial"):
        if _is_abandoned(path):
            shutil.rmtree(path, ignore_errors=True)


def _is_abandoned(partial: Path) -> bool:
    return not Path(f"/proc/{partial.name.split('.')[-2]}").exists()
