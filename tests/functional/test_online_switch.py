"""Grades are put in force while the city is read: each answer is wholly of one snapshot, also after a kill."""

from __future__ import annotations

import json
import multiprocessing
import random
import shutil
from collections import Counter
from datetime import date
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from data.city import load_city
from data.records import open_records
from data.settings import Settings
from features.online import open_online
from features.snapshots import Snapshot, build_snapshot, load_snapshot
from serving.grading import grade_population
from serving.lookups import Asker
from serving.request import ScoreItem
from serving.scoring import Scorer
from training.champions import load_champion

SWITCHES, KILLS, MOST_READ = 40, 20, 5_000
ASKED = [ScoreItem(f"E{n:02}") for n in range(0, 60, 7)]


def quiet(_: str) -> None:
    """Take progress and show none."""


def answers(snapshot: Snapshot) -> dict[str, list[float | None]]:
    """Return what a snapshot holds of the entities that are asked for, null where missing."""
    rows = snapshot.lookup([str(item.entity_id) for item in ASKED])
    matrix = rows[list(snapshot.indicators)].astype(object)
    return dict(zip(rows["entity_id"], matrix.where(matrix.notna(), None).to_numpy().tolist(), strict=True))


def snapshot_answered(replies: list[dict[str, Any]], expected: dict[str, dict[str, list[float | None]]]) -> str:
    """Return the snapshot that every reply names, having seen that all its values are of that one."""
    (snapshot_id,) = {reply["snapshot_id"] for reply in replies}
    for reply in replies:
        assert [c["value"] for c in reply["contributions"]] == expected[snapshot_id][reply["entity_id"]]
    return str(snapshot_id)


def read(city_folder: str, var: Path, expected: dict[str, dict[str, list[float | None]]]) -> None:
    """Ask until told to stop; write down how often each snapshot answered."""
    scorer = Scorer(load_city(city_folder), Settings.from_environment({"QIANFEN_VAR": str(var)}))
    seen: Counter[str] = Counter()
    while not (var / "stop").exists() and seen.total() < MOST_READ:
        seen[snapshot_answered(scorer.score(ASKED, Asker("reader", "", "test")), expected)] += 1
        if seen.total() == 1:
            (var / "reading").touch()
    (var / "seen.json").write_text(json.dumps(seen))


def put_in_force_for_ever(city_folder: str, var: Path, folders: list[Path]) -> None:
    """Put one grading after another in force until killed; the store of each is written anew."""
    settings = Settings.from_environment({"QIANFEN_VAR": str(var)})
    city = load_city(city_folder)
    records, model = open_records(city, settings), load_champion(city, settings)
    for folder in cycle(folders):
        grade_population(city, records, settings, model, load_snapshot(folder), quiet)


@pytest.fixture(scope="module")
def processes():
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.functional.test_online_switch"])
    return context


@pytest.fixture(scope="module")
def snapshots(graded_city):
    """Three snapshots: with two kept online, each switch to the next writes its store anew."""
    days = (date(2020, 5, 1), date(2020, 9, 1), date(2020, 12, 31))
    return [build_snapshot(graded_city.records, day, graded_city.settings, quiet) for day in days]


@pytest.fixture
def expected(snapshots):
    found = {snapshot.snapshot_id: answers(snapshot) for snapshot in snapshots}
    assert len({json.dumps(values) for values in found.values()}) == len(snapshots)
    return found


def test_a_reader_in_another_process_gets_answers_of_one_snapshot_while_others_are_put_in_force(
    graded_city, snapshots, expected, processes
):
    var = graded_city.settings.var
    reader = processes.Process(target=read, args=(str(graded_city.city.folder), var, expected))
    reader.start()
    while not (var / "reading").exists():
        reader.join(0.05)
        assert reader.exitcode is None
    for turn in range(SWITCHES):
        put_in_force(graded_city, snapshots[turn % 3])
    (var / "stop").touch()
    reader.join()

    seen = json.loads((var / "seen.json").read_text())
    assert reader.exitcode == 0
    assert set(seen) == set(expected)


def test_killed_at_any_moment_the_old_or_the_new_is_in_force_and_every_store_is_whole(
    graded_city, snapshots, expected, processes
):
    city_folder, var, moments = str(graded_city.city.folder), graded_city.settings.var, random.Random(3)
    home = var / "cities/toy/online"
    scorer, opened = Scorer(graded_city.city, graded_city.settings), 0
    for _ in range(KILLS):
        before = scorer.grading()
        writer = processes.Process(
            target=put_in_force_for_ever, args=(city_folder, var, [snapshot.folder for snapshot in snapshots])
        )
        writer.start()
        # Until it has put something in force, it does not reach what this is about.
        while scorer.grading() == before:
            writer.join(0.01)
        writer.join(moments.uniform(0.0, 0.2))
        writer.kill()
        writer.join()
        assert snapshot_answered(scorer.score(ASKED, Asker("reader", "", "test")), expected) in expected
        for folder in home.glob("[!.]*"):
            assert open_online(folder).manifest["n_entities"] == 60
            opened += 1

    put_in_force(graded_city, snapshots[2])
    assert opened > 0
    assert not list(home.glob(".*"))
    assert len(list(home.iterdir())) == 2


def test_without_its_store_or_with_a_damaged_one_the_city_answers_the_same_and_says_so_once(
    graded_city, snapshots, expected, caplog
):
    home, (snapshot, *_) = graded_city.settings.var / "cities/toy", snapshots
    store, parquet = (
        home / "online" / snapshot.folder.name,
        home / "snapshots" / snapshot.folder.name / "matrix.parquet",
    )
    scorer = Scorer(graded_city.city, graded_city.settings)

    def ask_twice(scorer):
        for _ in range(2):
            replies = scorer.score(ASKED, Asker("reader", "", "test"))
            assert snapshot_answered(replies, expected) == snapshot.snapshot_id
        return [record.getMessage() for record in caplog.records]

    put_in_force(graded_city, snapshot)
    shutil.rmtree(store)
    (missing,) = ask_twice(scorer)
    put_in_force(graded_city, snapshot)
    (store / "values.npy").write_bytes(b"damaged")
    _, damaged = ask_twice(scorer)
    put_in_force(graded_city, snapshot)
    # Now the store alone can answer.
    parquet.unlink()

    assert ask_twice(scorer) == [missing, damaged]
    assert "manifest.json is not there. Run `qianfen grade`" in missing
    assert "values.npy must be as it was written, it is not. Run `qianfen grade`" in damaged


def put_in_force(graded_city, snapshot):
    """Grade by the champion and put in force."""
    city = (graded_city.city, graded_city.records, graded_city.settings, graded_city.model)
    grade_population(*city, snapshot, quiet)
