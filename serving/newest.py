"""The newest values in the service: the online store of the grading in force, opened once and kept until it changes."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from data.errors import NotFoundError, StorageError
from data.settings import Settings
from features.online import OnlineStore, online_folder, open_online
from serving.grades import GradingInForce

_LOG = logging.getLogger(__name__)


class NewestValues:
    """Keeps the store of a city's grading in force open. Safe to use from several threads."""

    def __init__(self, city_name: str, settings: Settings) -> None:
        self._city_name = city_name
        self._settings = settings
        self._lock = threading.Lock()
        self._store: OnlineStore | None = None
        self._refused: tuple[Path, int | None] | None = None

    def store_of(self, grading: GradingInForce) -> OnlineStore | None:
        """Return the store of a grading's snapshot; None, said once in the log, where it is not there or damaged.

        A store is checked when it is opened, which the first question after a switch waits for. One that was refused
        is opened again as soon as it is written anew.
        """
        folder = online_folder(self._settings, self._city_name, grading.as_of_date, grading.snapshot_id)
        store = self._store
        if store is not None and store.folder == folder:
            return store
        with self._lock:
            if self._store is None or self._store.folder != folder:
                # What other threads look up in the store before stays readable: they hold it themselves.
                self._store = self._open(folder)
            return self._store

    def _open(self, folder: Path) -> OnlineStore | None:
        seen = (folder, _written_at(folder))
        if seen == self._refused:
            return None
        try:
            return open_online(folder)
        except (NotFoundError, StorageError) as error:
            self._refused = seen
            _LOG.warning("%s Until then each look-up reads the snapshot's Parquet file, which is slower.", error)
            return None


def _written_at(folder: Path) -> int | None:
    """Return when a folder got its name; None where it is not there."""
    try:
        return folder.stat().st_ctime_ns
    except FileNotFoundError:
        return None
