"""The champion in the service: opened when the pointer names it, and kept until the pointer names another."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from data.city import City
from data.errors import NotFoundError, NotReadyError, QianfenError
from data.settings import Settings
from features.catalogue import catalogue_of
from serving.outlooks import Outlooks
from serving.reply import Replies
from training.additive import AdditiveModel
from training.champions import champion_path, load_champion, read_pointer

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Champion:
    """A model, what turns its scores into replies, and what tells of them what would change the grade."""

    model: AdditiveModel
    replies: Replies
    outlooks: Outlooks

    @classmethod
    def of(cls, city: City, model: AdditiveModel) -> Champion:
        """Return the champion that a model makes."""
        catalogue = catalogue_of(city)
        return cls(model, Replies(city, catalogue, model), Outlooks(catalogue, model, city.outlook.not_asked))


class ChampionInForce:
    """Gives the champion of the moment. Safe to use from several threads.

    `settle` is called before the first champion is opened: it brings the pointer to what the ledger says.
    """

    def __init__(self, city: City, settings: Settings, settle: Callable[[], None]) -> None:
        self._city = city
        self._settings = settings
        self._settle = settle
        self._lock = threading.Lock()
        self._path = champion_path(city, settings)
        self._seen: tuple[int, int] | None = None
        self._champion: Champion | None = None

    def get(self) -> Champion:
        """Return the champion; one that was switched is opened by the first that asks, and the others wait for it.

        One that cannot be opened leaves the one before in force, which is said once in the log.

        Raises
        ------
        NotReadyError
            Where there is none yet.
        ArtifactError
            Where the first one is damaged, or was made for other indicators.
        """
        with self._lock:
            if self._champion is None:
                self._settle()
                self._seen = _identity(self._path)
                self._champion = self._open_first()
            elif (seen := _identity(self._path)) != self._seen:
                self._seen = seen
                self._champion = self._next(self._champion)
            return self._champion

    def _open_first(self) -> Champion:
        try:
            return self._open()
        except NotFoundError as error:
            raise NotReadyError(str(error)) from error

    def _next(self, present: Champion) -> Champion:
        try:
            pointer = read_pointer(self._city, self._settings)
            if pointer is not None and pointer.model_version == present.model.model_version:
                return present
            champion = self._open()
        except QianfenError as error:
            _LOG.warning("Model %s goes on answering. %s", present.model.model_version, error)
            return present
        _LOG.info("Model %s answers from now on, after %s.", champion.model.model_version, present.model.model_version)
        return champion

    def _open(self) -> Champion:
        model = load_champion(self._city, self._settings)
        # Compiled before the first call, which should not wait for it.
        model.warm_up()
        return Champion.of(self._city, model)


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what tells one writing of a file from the next; None where it is not there."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns
