"""The scorer of one city: the champion, the snapshots and the grading in force, behind one question and one answer."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine

from data.city import City, load_city
from data.errors import NotFoundError, NotReadyError, UnreachableError
from data.files import read_json
from data.settings import Settings
from features.online import OnlineStore
from features.snapshots import Snapshot, load_snapshot, snapshots_folder
from serving.champion import Champion, ChampionInForce
from serving.database import open_database
from serving.grades import GradingInForce, grading_in_force
from serving.lookups import Asker, record_lookups
from serving.newest import NewestValues
from serving.promotions import settle_champion
from serving.request import ScoreItem
from training.additive import AdditiveModel

_LOG = logging.getLogger(__name__)
_UNKNOWN_SHOWN = 5

Source = TypeVar("Source", OnlineStore, Snapshot)


@dataclass(frozen=True)
class _Found:
    """Values of one item, NaN where missing, and where they came from."""

    values: NDArray[np.float64]
    as_of_date: date | None
    snapshot_id: str | None


class Scorer:
    """Answers for one city. Safe to use from several threads."""

    def __init__(self, city: City, settings: Settings) -> None:
        self.city = city
        self.settings = settings
        self._champion = ChampionInForce(city, settings, self._settle)
        self._newest = NewestValues(city.name, settings)

    @classmethod
    def open(cls, settings: Settings) -> Scorer:
        """Return the scorer of the city that the settings name."""
        return cls(load_city(settings.city), settings)

    @cached_property
    def engine(self) -> Engine:
        """The operational database."""
        return open_database(self.settings.database_url)

    @property
    def champion(self) -> Champion:
        """The champion of the moment, with its words. What must be of one model asks for it once.

        NotReadyError where there is none yet.
        """
        return self._champion.get()

    @property
    def model(self) -> AdditiveModel:
        """The champion's model."""
        return self.champion.model

    def _settle(self) -> None:
        settle_champion(self.city, self.settings, _LOG.warning)

    def is_ready(self) -> bool:
        """Say whether entities can be scored."""
        try:
            self._source(None, self.grading(), self.model)
        except (NotReadyError, NotFoundError, UnreachableError):
            return False
        return True

    def grading(self) -> GradingInForce:
        """Return the grading in force; NotReadyError before the first."""
        grading = grading_in_force(self.engine, self.city.name)
        if grading is None:
            raise NotReadyError(f"{self.city.name} is not graded yet. Run `qianfen grade {self.city.name}`.")
        return grading

    def score(
        self,
        items: Sequence[ScoreItem],
        asker: Asker,
        champion: Champion | None = None,
        grading: GradingInForce | None = None,
    ) -> list[dict[str, Any]]:
        """Return one reply for each item, in order; who looked at which entity is written down first.

        All are of one champion and one grading: of those given, where the caller goes on with them, else of those of
        the moment.

        Raises
        ------
        NotReadyError
            Where nothing is trained, or an entity is asked for and nothing is graded.
        NotFoundError
            For an unknown entity or a date without a snapshot; nothing is answered then.
        """
        champion = champion or self.champion
        model = champion.model
        found = self._find(items, model, grading)
        record_lookups(
            self.engine,
            self.city.name,
            asker,
            [
                (item.entity_id, f.as_of_date, model.model_version)
                for item, f in zip(items, found, strict=True)
                if item.entity_id is not None
            ],
        )
        matrix = np.vstack([f.values for f in found])
        scores = model.score(matrix)
        return [
            champion.replies.reply(scores, row, matrix[row].tolist(), item.entity_id, f.as_of_date, f.snapshot_id)
            for row, (item, f) in enumerate(zip(items, found, strict=True))
        ]

    def snapshot(
        self, as_of_date: date | None, champion: Champion | None = None, grading: GradingInForce | None = None
    ) -> Snapshot:
        """Return the snapshot as of a date, by default of the grading; champion and grading as of `score`.

        Raises
        ------
        NotReadyError
            Where nothing is trained or graded, or the grades stem from other indicators than the champion's.
        NotFoundError
            Where there is none as of the date; the text names the dates there are.
        """
        model, grading = (champion or self.champion).model, grading or self.grading()
        if as_of_date in (None, grading.as_of_date):
            return self._graded_snapshot(grading, model)
        return self._other_snapshot(as_of_date, grading, model)

    def _graded_snapshot(self, grading: GradingInForce, model: AdditiveModel) -> Snapshot:
        return _fitting(load_snapshot(self._home / f"{grading.as_of_date}-{grading.snapshot_id}"), model)

    def _source(self, as_of_date: date | None, grading: GradingInForce, model: AdditiveModel) -> OnlineStore | Snapshot:
        """Return where the values as of a date are looked up; raises as `snapshot`."""
        if as_of_date not in (None, grading.as_of_date):
            return self._other_snapshot(as_of_date, grading, model)
        store = self._newest.store_of(grading)
        return self._graded_snapshot(grading, model) if store is None else _fitting(store, model)

    def _other_snapshot(self, as_of_date: date | None, grading: GradingInForce, model: AdditiveModel) -> Snapshot:
        folders = self.snapshot_folders(model)
        if as_of_date not in folders:
            there = ", ".join(str(day) for day in sorted({*folders, grading.as_of_date}))
            raise NotFoundError(
                f"{self.city.name} has no indicators as of {as_of_date}; there are those as of: {there}. "
                f"Ask for one of these, or run `qianfen features build {self.city.name} --as-of {as_of_date}`."
            )
        return load_snapshot(folders[as_of_date])

    def _find(self, items: Sequence[ScoreItem], model: AdditiveModel, grading: GradingInForce | None) -> list[_Found]:
        wanted: dict[date | None, list[str]] = {}
        for item in items:
            if item.entity_id is not None:
                wanted.setdefault(item.as_of_date, []).append(item.entity_id)
        by_date: dict[date | None, Mapping[str, _Found]] = {}
        if wanted:
            # Asked once: a request is answered from one grading, whatever is put in force meanwhile.
            asked = grading or self.grading()
            by_date = {day: self._look_up(day, entity_ids, asked, model) for day, entity_ids in wanted.items()}
        return [_given(item) if item.indicators else by_date[item.as_of_date][str(item.entity_id)] for item in items]

    def _look_up(
        self, as_of_date: date | None, entity_ids: Sequence[str], grading: GradingInForce, model: AdditiveModel
    ) -> Mapping[str, _Found]:
        source = self._source(as_of_date, grading, model)
        values = _values(source, entity_ids, model.names)
        unknown = [entity_id for entity_id in dict.fromkeys(entity_ids) if entity_id not in values]
        if unknown:
            raise NotFoundError(_unknown_entities(unknown, source.as_of_date))
        return {entity_id: _Found(row, source.as_of_date, source.snapshot_id) for entity_id, row in values.items()}

    @property
    def _home(self) -> Path:
        return snapshots_folder(self.settings, self.city.name)

    def snapshot_folders(self, model: AdditiveModel) -> dict[date, Path]:
        """Return the newest snapshot as of each date that has a model's indicators."""
        manifests = [(read_json(path), path.parent) for path in self._home.glob("[0-9]*/manifest.json")]
        fitting = [
            (manifest, folder)
            for manifest, folder in manifests
            if manifest["as_of_date"] and manifest["catalogue_hash"] == model.manifest["catalogue_hash"]
        ]
        fitting.sort(key=lambda pair: str(pair[0]["created_at"]))
        return {date.fromisoformat(manifest["as_of_date"]): folder for manifest, folder in fitting}


def _given(item: ScoreItem) -> _Found:
    assert item.indicators is not None, "an item has an entity or indicators"
    return _Found(np.array([np.nan if value is None else value for value in item.indicators]), None, None)


def _fitting(source: Source, model: AdditiveModel) -> Source:
    """Return values of the grading in force; NotReadyError where they are of other indicators than the model's."""
    manifest = source.manifest
    if manifest["catalogue_hash"] != model.manifest["catalogue_hash"]:
        raise NotReadyError(
            f"The grades of {manifest['city']} as of {source.as_of_date} must stem from the champion's indicators, "
            f"they do not. Run `qianfen grade {manifest['city']}`."
        )
    return source


def _values(
    source: OnlineStore | Snapshot, entity_ids: Sequence[str], names: Sequence[str]
) -> dict[str, NDArray[np.float64]]:
    """Return the values of those entities that are known, in the order of `names`."""
    if isinstance(source, Snapshot):
        rows = source.lookup(entity_ids)
        return dict(zip(rows["entity_id"], rows[list(names)].to_numpy(np.float64, na_value=np.nan), strict=True))
    values, known = source.lookup(entity_ids)
    if source.indicators != tuple(names):
        values = values[:, [source.indicators.index(name) for name in names]]
    return {entity_id: row for entity_id, row, is_known in zip(entity_ids, values, known, strict=True) if is_known}


def _unknown_entities(unknown: Sequence[str], as_of_date: date | None) -> str:
    shown = ", ".join(f"'{entity_id}'" for entity_id in unknown[:_UNKNOWN_SHOWN])
    more = f" and {len(unknown) - _UNKNOWN_SHOWN} more" if len(unknown) > _UNKNOWN_SHOWN else ""
    return f"No active entity {shown}{more} was known as of {as_of_date}. See the code, or ask for another date."
