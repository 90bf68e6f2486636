"""A process killed at any moment leaves what was published whole; the next run ends as an undisturbed one would."""

from __future__ import annotations

import multiprocessing
import random
import shutil
import time
from datetime import date
from pathlib import Path

import pytest

from data.city import load_city
from data.files import read_json, read_sealed, sha256_of
from data.records import ingest, open_records
from data.settings import Settings
from features.online import open_online, publish_online
from features.snapshots import build_snapshots, load_snapshot
from tests.toy import city_toml, write_files

KILLS = 100
SEED = 20261124
_ENTITIES = 400
DATES = (date(2020, 6, 1), date(2020, 9, 1))

ENTITIES_SQL = """
SELECT code AS entity_id, name, 'enterprise' AS entity_type, 'active' AS status,
    DATE '2010-01-01' AS event_date, DATE '2010-01-02' AS known_at
FROM read_csv(getvariable('source_folder') || '/entities.csv', all_varchar = true)
"""
PENALTIES_SQL = """
SELECT number AS record_id, code AS entity_id, name AS entity_name, 'fine' AS kind, amount,
    decided AS event_date, decided::DATE + 1 AS known_at, filename AS source_file, row_number() OVER () AS source_row
FROM read_csv(getvariable('source_folder') || '/penalties-*.csv', all_varchar = true, filename = true)
"""


def write_city(folder: Path) -> None:
    """Write a city whose penalties come by code and by name."""
    entities = "".join(f"E{n},北京第{n}百货有限公司\n" for n in range(_ENTITIES))
    contents = {
        "city.toml": city_toml("entities.csv", "penalties-*.csv"),
        "sources/entities.sql": ENTITIES_SQL,
        "sources/penalties.sql": PENALTIES_SQL,
        "files/entities.csv": "code,name\n" + entities,
    }
    write_files(folder, contents)
    deliver(folder, "a", range(300), "2020-01-05", 1)


def deliver(folder: Path, name: str, numbers: range, day: str, factor: int) -> None:
    """Deliver penalties, every other one with a name in place of a code."""
    rows = "".join(
        f"P{n},{'' if n % 2 else f'E{n % _ENTITIES}'},{f'北京第{n % _ENTITIES}百货有限责任公司' if n % 2 else ''},"
        f"{n * factor},{day}\n"
        for n in numbers
    )
    write_files(folder, {f"files/penalties-{name}.csv": "number,code,name,amount,decided\n" + rows})


def run_all(city_folder: Path, var: Path) -> None:
    """Run a city's life: history, a correction, a further delivery; after each, indicators for the endpoint."""
    settings = Settings.from_environment({"QIANFEN_VAR": str(var), "QIANFEN_THREADS": "1"})
    city = load_city(str(city_folder))
    stage = _stage(city_folder, var)
    for number, (name, numbers, day, factor, received) in enumerate(
        [("a", range(300), "2020-01-05", 1, None), ("a", range(10, 300), "2020-01-05", 2, date(2020, 3, 1)),
         ("b", range(250, 500), "2020-03-05", 3, date(2020, 7, 1))]
    ):  # fmt: skip
        if stage.exists() and int(stage.read_text(encoding="utf-8")) > number:
            continue
        if number == 0:
            # Nothing that an earlier life of the city delivered is there yet.
            (city_folder / "files/penalties-b.csv").unlink(missing_ok=True)
        deliver(city_folder, name, numbers, day, factor)
        records = ingest(city, settings, _quiet, received)
        for snapshot in build_snapshots(records, DATES, settings, _quiet):
            publish_online(snapshot, settings, _quiet)
        # What the test itself keeps: which delivery is next.
        beside = stage.with_suffix(".new")
        beside.write_text(str(number + 1), encoding="utf-8")
        beside.rename(stage)


def _stage(city_folder: Path, var: Path) -> Path:
    return city_folder / f"{var.name}.stage"


def _quiet(_line: str) -> None:
    """Progress that nobody watches."""


def digest(var: Path) -> dict[str, str]:
    """Return the hash of everything published."""
    home = var / "cities/toy"
    files = [
        *home.glob("records/[!.]*/**/*.parquet"),
        *home.glob("snapshots/[!.]*/*.parquet"),
        *home.glob("online/[!.]*/*.npy"),
    ]
    current = read_json(home / "records/current.json")["records_id"]
    return {"current": current, **{str(path.relative_to(home)): sha256_of(path) for path in sorted(files)}}


def assert_whole(var: Path, city_folder: Path) -> None:
    """What can be seen is whole: records in force, and every snapshot."""
    settings = Settings.from_environment({"QIANFEN_VAR": str(var)})
    home = var / "cities/toy"
    if (home / "records/current.json").exists():
        records = open_records(load_city(str(city_folder)), settings)
        for name, path in records.tables.items():
            assert sha256_of(path) == records.manifest["tables"][name]["sha256"]
    for folder in home.glob("parts/[!.]*"):
        manifest = read_sealed(folder / "manifest.json")
        assert {path.stem: sha256_of(path) for path in folder.glob("*.parquet")} == manifest["sha256"]
    for folder in home.glob("snapshots/[!.]*"):
        load_snapshot(folder).verify()
    for folder in home.glob("online/[!.]*"):
        open_online(folder)


@pytest.fixture(scope="module")
def processes():
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["data.records", "features.snapshots", "tests.functional.test_killed"])
    return context


def _run(processes, city_folder: Path, var: Path, seconds: float | None = None) -> bool:
    """Run the city's life in a process of its own; kill it after so many seconds; say whether it came to its end."""
    process = processes.Process(target=run_all, args=(city_folder, var))
    process.start()
    process.join(seconds)
    if process.exitcode is None:
        process.kill()
        process.join()
    assert process.exitcode in (0, -9)
    return process.exitcode == 0


def test_killed_at_a_hundred_moments_the_result_is_that_of_an_undisturbed_run(tmp_path, processes):
    city_folder, moments = tmp_path / "toy", random.Random(SEED)
    write_city(city_folder)
    assert _run(processes, city_folder, tmp_path / "warm")
    started = time.perf_counter()
    assert _run(processes, city_folder, tmp_path / "undisturbed")
    seconds = time.perf_counter() - started
    expected = digest(tmp_path / "undisturbed")

    killed = finished = 0
    var = tmp_path / "var"
    while killed < KILLS:
        if _run(processes, city_folder, var, moments.uniform(0.0, seconds)):
            assert digest(var) == expected
            finished += 1
            shutil.rmtree(var)
            _stage(city_folder, var).unlink()
        else:
            killed += 1
            assert_whole(var, city_folder)
    _run(processes, city_folder, var)

    assert digest(var) == expected
    assert finished > 0
    assert not list(var.glob("**/*.partial"))
