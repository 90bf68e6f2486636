"""A city's source files: which are declared, which are new, and a folder that shows a mapping the ones it may read.

A declared path without `*` is a full extract: a new version replaces the old one. A path with `*` stands for
deliveries, one file each, which are kept as they came: a later one adds rows, and corrects earlier rows of its key.
"""

from __future__ import annotations

import fnmatch
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from data.city import City, SourceFile
from data.errors import PointInTimeError, SourceError, did_you_mean
from data.files import archive, read_json, sha256_of, write_json
from data.rows import stage_rows
from data.settings import Settings


@dataclass(frozen=True)
class Delivery:
    """One file of a pattern as it came.

    Attributes
    ----------
    path : str
        Path below the source folder.
    sha256 : str
        Of its bytes; a copy is kept under this name.
    received_on : date or None
        Day it came, before which none of its rows counts as known. None for the deliveries of the first run: they are
        the history, and known_at is as the mapping has it.
    """

    path: str
    sha256: str
    received_on: date | None

    @classmethod
    def from_json(cls, content: Mapping[str, str | None]) -> Delivery:
        """Read what `vars` wrote into a manifest."""
        day = content["received_on"]
        return cls(str(content["path"]), str(content["sha256"]), date.fromisoformat(day) if day else None)


@dataclass(frozen=True)
class Sources:
    """What a city has to read.

    Attributes
    ----------
    extracts : dict
        Path and SHA-256 of each file declared without `*`.
    deliveries : tuple of Delivery
        Every delivery so far, in the order in which they came.
    n_new : int
        How many of them came with this run.
    """

    extracts: dict[str, str]
    deliveries: tuple[Delivery, ...]
    n_new: int

    def of_pattern(self, pattern: str) -> list[Delivery]:
        """Return the deliveries of one declared pattern."""
        return [d for d in self.deliveries if fnmatch.fnmatchcase(d.path, pattern)]


def is_pattern(file: SourceFile) -> bool:
    """Say whether a declared path stands for deliveries."""
    return "*" in file.path


def find_sources(city: City, settings: Settings, so_far: tuple[Delivery, ...], received_on: date | None) -> Sources:
    """Return what is there to read: extracts as they are now, deliveries so far and new ones.

    Parameters
    ----------
    so_far : tuple of Delivery
        Those of the records in force; empty at the first run.
    received_on : date, optional
        Day on which new deliveries came; by default today.

    Raises
    ------
    SourceError
        Where a declared file is missing.
    PointInTimeError
        Where new deliveries would lie before those that are in force.
    """
    paths = source_paths(city, settings)
    hashes = _hashes(paths, settings.var / "cities" / city.name / "hashes.json", settings.threads)
    patterns = [file.path for file in city.sources.files if is_pattern(file)]
    delivered = {path: hash_ for path, hash_ in hashes.items() if any(fnmatch.fnmatchcase(path, p) for p in patterns)}
    extracts = {path: hash_ for path, hash_ in hashes.items() if path not in delivered}
    latest = {delivery.path: delivery.sha256 for delivery in so_far}
    new = sorted(path for path, hash_ in delivered.items() if latest.get(path) != hash_)
    day = (received_on or date.today()) if so_far else None
    last = max((d.received_on for d in so_far if d.received_on), default=None)
    if new and day and last and day < last:
        raise PointInTimeError(
            f"New deliveries of {city.name} must not lie before the last ones, received on {last}; got {day}. "
            "Give a later --received-on."
        )
    for path in new:
        archive(paths[path], archived(city, settings, delivered[path]))
    return Sources(extracts, so_far + tuple(Delivery(path, delivered[path], day) for path in new), len(new))


def archived(city: City, settings: Settings, sha256: str) -> Path:
    """Return where the copy of a delivery is kept."""
    return settings.var / "cities" / city.name / "deliveries" / sha256


def source_paths(city: City, settings: Settings) -> dict[str, Path]:
    """Return the path of every declared file; SourceError names the one that is missing."""
    folder = city.source_folder(settings)
    paths = {}
    for file in city.sources.files:
        found = sorted(folder.glob(file.path)) if is_pattern(file) else [folder / file.path]
        if not found or not all(path.is_file() for path in found):
            there = [p.name for p in folder.iterdir()]
            raise SourceError(
                f"The source file {file.path} of {city.name} must lie in {folder}, it is missing."
                f"{did_you_mean(file.path, there)} "
                "Put it there, or take it out of [sources] files in city.toml."
            )
        paths.update({str(path.relative_to(folder)): path for path in found})
    return paths


@contextmanager
def staged(
    city: City,
    settings: Settings,
    files: tuple[SourceFile, ...],
    delivery: Delivery | None,
    by_row: frozenset[str] = frozenset(),
) -> Iterator[Path]:
    """Yield a folder that shows these files and no others, in UTF-8; of a pattern the one delivery.

    `by_row` are the declared paths that a mapping reads through the macro `rows_of`.
    """
    folder = city.source_folder(settings)
    settings.var.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=".staging-", dir=settings.var))
    try:
        for file in files:
            if not is_pattern(file):
                source, path = folder / file.path, file.path
            elif delivery is not None and fnmatch.fnmatchcase(delivery.path, file.path):
                source, path = archived(city, settings, delivery.sha256), delivery.path
            else:
                continue
            if file.path in by_row:
                stage_rows(source, path, file.encoding, file.header_row, staging)
            else:
                _stage(file, source, staging / path)
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _stage(file: SourceFile, source: Path, shown: Path) -> None:
    shown.parent.mkdir(parents=True, exist_ok=True)
    if file.encoding.lower().replace("_", "-") in ("utf-8", "utf8"):
        shown.symlink_to(source)
        return
    try:
        shown.write_text(source.read_text(encoding=file.encoding), encoding="utf-8")
    except (UnicodeDecodeError, LookupError) as error:
        raise SourceError(
            f"{source} must be in {file.encoding}, as city.toml declares: {error}. Correct `encoding` of that file."
        ) from error


def _hashes(paths: dict[str, Path], cache: Path, threads: int) -> dict[str, str]:
    """Return the SHA-256 of each file; one that the file system says is untouched is not read again."""
    known = read_json(cache) if cache.is_file() else {}

    def entry(name: str) -> dict[str, Any]:
        status = paths[name].stat()
        stamp = [str(paths[name]), status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
        untouched = name in known and known[name]["stamp"] == stamp
        return dict(known[name]) if untouched else {"stamp": stamp, "sha256": sha256_of(paths[name])}

    with ThreadPoolExecutor(threads) as executor:
        entries = dict(zip(paths, executor.map(entry, paths), strict=True))
    if entries != known:
        write_json(cache, entries)
    return {name: str(entry["sha256"]) for name, entry in entries.items()}
