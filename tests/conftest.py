"""Fixtures that more than one kind of test needs; each test gets fresh ones."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import psycopg
import psycopg.sql
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import settings

from data.city import City, load_city
from data.files import fingerprint, sha256_of, write_json
from data.records import Records, ingest
from data.schemas import TABLES, Table
from data.settings import Settings
from features.catalogue import load_catalogue
from features.snapshots import Snapshot, build_snapshot
from serving.grading import Grading, grade_population
from tests.toy import city_toml, write_files
from training.additive import AdditiveModel, ExpertOffset
from training.artifact import save_artifact
from training.expert_card import REFERENCE, CutPoints, ExpertCard
from training.model import expected_f
from training.scale import Scale

# Files of tests run side by side (`make test`): each process takes one thread, or they would wait for each other's.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ |= {"QIANFEN_THREADS": "1", "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}

# The same examples each time, so that a build passes or fails for what it changed; `--hypothesis-profile=thousands` and
# `=random` look for new ones.
settings.register_profile("same", derandomize=True)
settings.register_profile("random")
settings.register_profile("thousands", max_examples=3_000)
settings.load_profile("same")

CITY_TOML = city_toml("entities.csv", "penalties.csv", taken_on=date(2020, 12, 31))

ENTITIES_SQL = """
SELECT code AS entity_id, name, 'enterprise' AS entity_type, 'active' AS status, address,
    parse_date_zh(since) AS established_date, parse_date_zh(since) AS event_date, parse_date_zh(since) + 1 AS known_at,
    filename AS source_file, row_number() OVER () AS source_row
FROM read_csv(getvariable('source_folder') || '/entities.csv', all_varchar = true, filename = true)
"""

PENALTIES_SQL = """
SELECT number AS record_id, code AS entity_id, 'fine' AS kind, amount, decided AS event_date, known AS known_at,
    filename AS source_file, row_number() OVER () AS source_row
FROM read_csv(getvariable('source_folder') || '/penalties.csv', all_varchar = true, filename = true)
"""

ENTITIES_CSV = """code,name,address,since
91110000802100433B,北京（海淀）某某 有限责任公司,中关村大街１号,2010年1月2日
A1,乙,,2011-02-03
"""

PENALTIES_CSV = """number,code,amount,decided,known
P1,A1,500,2020-01-05,2020-01-06
"""

CityWriter = Callable[..., Path]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings whose everything lies below the test's own folder."""
    real = {name: value for name, value in os.environ.items() if name == "QIANFEN_REAL_DATA"}
    return Settings.from_environment({**real, "QIANFEN_VAR": str(tmp_path / "var"), "QIANFEN_THREADS": "2"})


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Callable[[], str]]:
    """Start a PostgreSQL server of the session's own, and make a fresh database at each call; its URL is returned."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    programs = [Path(found).resolve().parent for found in [shutil.which("initdb")] if found] or installed[-1:]
    if not programs:
        pytest.skip("PostgreSQL is not installed")
    # PostgreSQL refuses to run as root; the way to its folder must be open to another user.
    home = Path(tempfile.mkdtemp(prefix="qianfen-postgresql-"))
    as_whom: dict[str, Any] = {"user": "postgres"} if os.geteuid() == 0 else {}
    if as_whom:
        shutil.chown(home, "postgres")

    initdb = [programs[-1] / "initdb", "-D", home / "data", "--username=qianfen", "--auth=trust", "--encoding=UTF8"]
    subprocess.run([*initdb, "--locale=C", "--no-sync"], check=True, stdout=subprocess.DEVNULL, cwd=home, **as_whom)
    # A session that is killed stops nothing: the server is told by the kernel.
    dying_with_us = ["setpriv", "--pdeathsig", "QUIT"] if shutil.which("setpriv") else []
    postgres = [*dying_with_us, programs[-1] / "postgres", "-D", home / "data", "-k", home, "-c", "listen_addresses="]
    with (home / "log").open("wb") as log:
        server = subprocess.Popen([*postgres, "-c", "fsync=off"], stdout=log, stderr=log, cwd=home, **as_whom)
    while subprocess.run([programs[-1] / "pg_isready", "-q", "-t", "1", "-h", home]).returncode:
        assert server.poll() is None, (home / "log").read_text("utf-8")
        time.sleep(0.05)
    numbers = itertools.count()

    def create() -> str:
        name = f"test{next(numbers)}"
        with psycopg.connect(host=str(home), user="qianfen", dbname="postgres", autocommit=True) as connection:
            connection.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(name)))
        return f"postgresql://qianfen@/{name}?host={home}"

    yield create
    server.send_signal(signal.SIGQUIT)
    server.wait()
    shutil.rmtree(home)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of a fresh operational database, of each kind in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/qianfen.db"
    url: str = request.getfixturevalue("postgresql")()
    return url


@pytest.fixture
def write_city(tmp_path: Path) -> CityWriter:
    """Write a small city; keyword arguments replace one of its files each."""

    def write(
        toml: str = CITY_TOML,
        entities_sql: str = ENTITIES_SQL,
        penalties_sql: str = PENALTIES_SQL,
        entities_csv: str | bytes = ENTITIES_CSV,
        penalties_csv: str | bytes = PENALTIES_CSV,
    ) -> Path:
        contents = {
            "city.toml": toml,
            "sources/entities.sql": entities_sql,
            "sources/penalties.sql": penalties_sql,
            "files/entities.csv": entities_csv,
            "files/penalties.csv": penalties_csv,
        }
        return write_files(tmp_path / "toy", contents)

    return write


Row = dict[str, Any]
RecordsWriter = Callable[..., Records]

_ARROW_TYPES = {
    "VARCHAR": pa.string(), "DATE": pa.date32(), "DOUBLE": pa.float64(), "BIGINT": pa.int64(), "BOOLEAN": pa.bool_(),
}  # fmt: skip
_FALLBACKS = {
    "VARCHAR": "x", "DATE": date(2000, 1, 1), "DOUBLE": 0.0, "BIGINT": 2000, "BOOLEAN": True,
}  # fmt: skip


@pytest.fixture
def write_records(tmp_path: Path) -> RecordsWriter:
    """Write canonical tables as they stand after ingestion: a list of rows, or an Arrow table, for each table named.

    What a row leaves out is null, or stands for itself where it is required; `known_at` is the day after the event, and
    an outcome is known the day after it happened. Entities are active unless the row says otherwise.
    """

    def write(**tables: list[Row] | pa.Table) -> Records:
        folder = tmp_path / f"records-{len(list(tmp_path.glob('records-*')))}"
        (folder / "tables").mkdir(parents=True)
        manifest = {}
        for name, rows in tables.items():
            path = folder / "tables" / f"{name}.parquet"
            content = _arrow_table(TABLES[name], rows) if isinstance(rows, list) else rows
            pq.write_table(content, path)
            manifest[name] = {"n_accepted": content.num_rows, "n_quarantined": 0, "sha256": sha256_of(path)}
        records_id = fingerprint(manifest)
        return Records("toy", folder, records_id, {"records_id": records_id, "tables": manifest})

    return write


def _arrow_table(table: Table, rows: list[Row]) -> pa.Table:
    whole = [_whole_row(table, row, number) for number, row in enumerate(rows)]
    schema = pa.schema([(column.name, _ARROW_TYPES[column.type]) for column in table.columns])
    return pa.Table.from_pylist(whole, schema=schema)


def _whole_row(table: Table, row: Row, number: int) -> Row:
    defaults: Row = {"record_id": f"{table.name}-{number}", "status": "active" if table.name == "entities" else "filed"}
    for column in table.columns:
        if column.required and column.name not in defaults:
            defaults[column.name] = column.allowed[0] if column.allowed else _FALLBACKS[column.type]
    whole = {column.name: None for column in table.columns} | defaults | row
    if "known_at" not in row:
        whole["known_at"] = whole["event_date"] + timedelta(days=1)
    for column in table.columns:
        if column.known_by and whole[column.name] is not None and column.known_by not in row:
            happened = whole[column.name] if column.type == "DATE" else whole["event_date"]
            whole[column.known_by] = happened + timedelta(days=1)
    return whole


@dataclass(frozen=True)
class GradedCity:
    """A city of 60 entities with a champion and grades in force as of 2020-12-31, and a snapshot as of 2020-05-01."""

    city: City
    settings: Settings
    records: Records
    model: AdditiveModel
    snapshot: Snapshot
    grading: Grading


@pytest.fixture(scope="module")
def graded_city(tmp_path_factory: pytest.TempPathFactory) -> GradedCity:
    """Build the graded city; tests read it only. The one called E59 has a name with signs of HTML."""
    home = tmp_path_factory.mktemp("graded")
    rows = [f"E{n:02},{_name(n)},Road {n % 7} 号,{2000 + n % 20}-03-0{1 + n % 9}" for n in range(60)]
    fines = [f"P{n},E{n % 20:02},{500 + n},2020-0{1 + n % 9}-05,2020-0{1 + n % 9}-06" for n in range(45)]
    contents = {
        "city.toml": CITY_TOML,
        "sources/entities.sql": ENTITIES_SQL,
        "sources/penalties.sql": PENALTIES_SQL,
        "files/entities.csv": "\n".join(["code,name,address,since", *rows]),
        "files/penalties.csv": "\n".join(["number,code,amount,decided,known", *fines]),
    }
    settings = Settings.from_environment({"QIANFEN_VAR": str(home / "var"), "QIANFEN_THREADS": "2"})
    city = load_city(str(write_files(home / "toy", contents)))
    records = ingest(city, settings, _say_nothing)
    build_snapshot(records, date(2020, 5, 1), settings, _say_nothing)
    snapshot = build_snapshot(records, city.split.grading, settings, _say_nothing)
    model = _champion(settings.var / "cities" / "toy" / "models")
    grading = grade_population(city, records, settings, model, snapshot, _say_nothing)
    return GradedCity(city, settings, records, model, snapshot, grading)


def _name(number: int) -> str:
    return "<b>酒楼</b> & Sons" if number == 59 else f"第{number}餐馆"


def _say_nothing(_: str) -> None:
    """Take progress and show none."""


def _champion(home: Path) -> AdditiveModel:
    """Save a small random model on the experts' offset as champion."""
    names = load_catalogue().names
    generator = np.random.default_rng(7)
    X = np.abs(generator.normal(scale=3.0, size=(400, len(names))))
    X = np.where(generator.random(X.shape) < 0.3, np.nan, X)
    y = (np.nan_to_num(X[:, names.index("penalties")]) + generator.normal(size=400) > 2).astype(np.int8)
    card = ExpertCard.from_csv(REFERENCE / "expert_card.csv", names)
    points = card.points(X)
    data = lgb.Dataset(X, label=y, init_score=0.004 * points.sum(axis=1) - 1.5, feature_name=list(names))
    parameters = {"objective": "binary", "verbosity": -1, "min_data_in_leaf": 5, "seed": 1}
    booster = lgb.Booster(model_str=lgb.train(parameters, data, 20).model_to_string())
    model = AdditiveModel(
        "lightgbm_offset",
        names,
        card,
        CutPoints.from_csv(REFERENCE / "cut_points.csv"),
        ExpertOffset(-1.5, 0.004, tuple(points.mean(axis=0))),
        (-0.2, 0.9),
        Scale(330.0, 70.0),
        booster,
        expected_f(booster, len(names)),
    )
    folder = home / "t1" / "lightgbm_offset"
    folder.mkdir(parents=True)
    saved = save_artifact(model, folder, {"city": "toy", "catalogue_hash": load_catalogue().hash})
    write_json(home / "champion.json", {"artifact": "t1/lightgbm_offset", "registered_version": "1"})
    return saved
