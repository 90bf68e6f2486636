"""A promotion killed at any moment leaves the old champion or the new one; two at once: one wins, one is told."""

from __future__ import annotations

import dataclasses
import multiprocessing
import random
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from data.city import City, load_city
from data.errors import BusyError
from data.files import held
from data.settings import Settings
from features.catalogue import load_catalogue
from serving.database import open_database
from training.artifact import save_artifact
from training.champions import read_pointer
from training.gate_table import PASSED, Row
from training.ledger import entries, newest
from training.ledger_checks import check_ledger
from training.promotion import promote, settle
from training.registry import (
    log_training,
    models_folder,
    read_champion_alias,
    register_challenger,
    registered_version,
)

KILLS, SEED = 50, 20261126
FOLDERS = ("t2/lightgbm_offset", "t3/lightgbm_offset")


def quiet(_line: str) -> None:
    """Progress that nobody watches."""


@dataclass(frozen=True)
class Place:
    """A city with two registered models beside its first champion."""

    city: City
    settings: Settings

    @property
    def agreed(self) -> tuple[int, str]:
        """Sequence and version on which ledger, pointer and alias agree; fails where they do not."""
        entry = newest(open_database(self.settings.database_url), self.city.name)
        pointer, alias = read_pointer(self.city, self.settings), read_champion_alias(self.city, self.settings)
        assert entry is not None
        assert pointer is not None
        assert alias is not None
        assert (pointer.sequence, pointer.entry_hash, pointer.model_version) == (
            entry.sequence, entry.hash, entry.model_version,
        )  # fmt: skip
        assert (alias["registered_version"], alias["model_version"], alias["ledger_hash"]) == (
            entry.registered_version, entry.model_version, entry.hash,
        )  # fmt: skip
        return entry.sequence, entry.model_version


def decide(city_folder: str, var: Path, begun: Any, seconds: Any) -> None:
    """Promote whichever of the two models is not the champion, as the command does once the gate has passed.

    Sets `begun` when MLflow is open and the decision begins, and `seconds` to how long it took.
    """
    settings = Settings.from_environment({"QIANFEN_VAR": str(var), "QIANFEN_THREADS": "1"})
    city = load_city(city_folder)
    with held(var / "cities" / city.name / ".lock"):
        engine = open_database(settings.database_url)
        after = settle(city, settings, engine, quiet)
        folder = FOLDERS[after is not None and after.artifact == FOLDERS[0]]
        registered_version(city, settings, "none")
        begun.set()
        started = time.perf_counter()
        promote(city, settings, engine, folder, [Row("AUC", PASSED)], "李四", "test", after, quiet)
        seconds.value = time.perf_counter() - started


def decide_at_once(
    city_folder: str, var: Path, who: str, both: multiprocessing.Barrier, said: multiprocessing.Queue
) -> None:
    """Promote from the state that both saw, whoever else does at the same moment; tell how it ended."""
    settings = Settings.from_environment({"QIANFEN_VAR": str(var), "QIANFEN_THREADS": "1"})
    city, engine = load_city(city_folder), open_database(settings.database_url)
    after = settle(city, settings, engine, quiet)
    folder = FOLDERS[after is not None and after.artifact == FOLDERS[0]]
    both.wait(30)
    try:
        entry = promote(city, settings, engine, folder, [Row("AUC", PASSED)], who, "test", after, quiet)
        said.put((who, entry.sequence, ""))
    except BusyError as error:
        said.put((who, 0, str(error)))


@pytest.fixture(scope="module")
def processes():
    context = multiprocessing.get_context("forkserver")
    # What MLflow imports late is most of the time of a short life.
    stores = [f"mlflow.store.{kind}.sqlalchemy_store" for kind in ("tracking", "model_registry")]
    context.set_forkserver_preload([*stores, "alembic.migration", "tests.functional.test_promotion_killed"])
    return context


@pytest.fixture(scope="module")
def place(graded_city, tmp_path_factory, processes) -> Place:
    var = tmp_path_factory.mktemp("promoted")
    settings = Settings.from_environment({"QIANFEN_VAR": str(var), "QIANFEN_THREADS": "1"})
    city = graded_city.city
    home = models_folder(city, settings)
    shutil.copytree(graded_city.settings.var / "cities" / "toy" / "models", home)
    for name, intercept in (("t2", -0.3), ("t3", -0.4)):
        folder = home / name / "lightgbm_offset"
        folder.mkdir(parents=True)
        (home / name / "plots").mkdir()
        model = dataclasses.replace(graded_city.model, platt=(intercept, 0.9))
        model = save_artifact(model, folder, {"city": "toy", "catalogue_hash": load_catalogue().hash})
        run_id = log_training(city, settings, {}, {"lightgbm_offset": model}, {"lightgbm_offset": {}}, home / name)
        register_challenger(city, settings, run_id, folder)
    place = Place(city, settings)
    assert run(processes, place) > 0
    return place


def run(processes, place: Place, kill_after: float | None = None) -> float:
    """Promote in a process of its own; return how long it took, 0 where it was killed so long after it began."""
    # Without a lock: who is killed holding one keeps it for ever.
    begun, seconds = processes.Event(), processes.Value("d", 0.0, lock=False)
    process = processes.Process(target=decide, args=(str(place.city.folder), place.settings.var, begun, seconds))
    process.start()
    assert begun.wait(60)
    process.join(kill_after)
    if process.exitcode is None:
        process.kill()
        process.join()
    assert process.exitcode in (0, -9)
    return float(seconds.value)


def test_killed_at_fifty_moments_ledger_pointer_and_alias_agree_after_the_next_start(place, processes):
    moments, engine = random.Random(SEED), open_database(place.settings.database_url)
    seconds = run(processes, place)
    killed = new = behind = 0
    while killed < KILLS:
        before = place.agreed
        if run(processes, place, moments.uniform(0.0, seconds)) > 0:
            assert place.agreed[0] == before[0] + 1
            continue
        killed += 1
        check = check_ledger(place.city, place.settings, engine)
        assert check.findings == []
        behind += any("is behind" in note for note in check.notes)

        settle(place.city, place.settings, engine, quiet)

        sequence, version = place.agreed
        assert check_ledger(place.city, place.settings, engine).notes == []
        assert sequence - before[0] in (0, 1)
        assert (version != before[1]) == (sequence > before[0])
        new += sequence > before[0]
    # Some died before the entry, some after it, and some of these before pointer and alias had followed.
    assert 0 < new < KILLS
    assert behind > 0


def test_of_two_people_at_once_one_wins_and_the_other_is_told_who(place, processes):
    engine = open_database(place.settings.database_url)
    before = len(entries(engine, place.city.name))
    both, said = processes.Barrier(2), processes.Queue()
    people = [
        processes.Process(target=decide_at_once, args=(str(place.city.folder), place.settings.var, who, both, said))
        for who in ("张三", "王五")
    ]
    for process in people:
        process.start()
    told = sorted((said.get(timeout=60) for _ in people), key=lambda one: one[1])
    for process in people:
        process.join(60)

    (loser, _, text), (winner, sequence, _) = told
    assert {loser, winner} == {"张三", "王五"}
    assert sequence == before + 1
    assert f"was promoted by {winner} at" in text
    assert len(entries(engine, place.city.name)) == before + 1
    assert check_ledger(place.city, place.settings, engine).findings == []
    settle(place.city, place.settings, engine, quiet)
    assert place.agreed[0] == sequence
