"""Random records for every canonical table, drawn from its declaration, so that a new column or table is covered."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from data.records import Records
from data.schemas import TABLES, Column, Table

N_ENTITIES = 300
FIRST_DAY = date(2019, 1, 1)
N_DAYS = 1200

# Few values, so that entities share people, addresses, industries, complainants and topics.
_POOLS = {
    "entity_id": [f"E{number:05}" for number in range(N_ENTITIES)],
    "person_id": [f"P{number:03}" for number in range(200)],
    "complainant_id": [f"C{number}" for number in range(3)],
    "topic": ["price", "food"],
    "licence_type": ["food", "drug"],
    "industry_code": [str(code) for code in range(10, 18)],
    "address_key": [f"road {number}" for number in range(150)],
}

RandomTables = Callable[..., dict[str, pa.Table]]
RecordsWriter = Callable[..., Records]


@pytest.fixture
def random_tables() -> RandomTables:
    """Draw all 13 tables: `n_rows` each, known from `first_day` on, the same for the same seed."""

    def draw(
        seed: int = 0, n_rows: int = 2000, first_day: date = FIRST_DAY, n_days: int = N_DAYS
    ) -> dict[str, pa.Table]:
        generator = np.random.default_rng(seed)
        start = np.datetime64(first_day)
        return {name: _table(table, generator, n_rows, start, n_days, seed) for name, table in TABLES.items()}

    return draw


@pytest.fixture
def random_records(random_tables: RandomTables, write_records: RecordsWriter) -> Records:
    """Records of all 13 tables, drawn once for the test."""
    return write_records(**random_tables())


def _table(
    table: Table, generator: np.random.Generator, n_rows: int, start: np.datetime64, n_days: int, seed: int
) -> pa.Table:
    known_at = start + generator.integers(0, n_days, n_rows)
    columns = {column.name: _column(column, generator, n_rows, known_at) for column in table.columns}
    columns["known_at"] = pa.array(known_at)
    columns["event_date"] = pa.array(known_at - generator.integers(1, 60, n_rows))
    columns["withdrawn_at"] = _with_nulls(known_at + generator.integers(0, 500, n_rows), generator, 0.9)
    if "record_id" in columns:
        columns["record_id"] = pa.array([f"{table.name}-{seed}-{number}" for number in range(n_rows)])
    _pair_outcomes_with_their_days(table, columns, known_at, generator)
    drawn = pa.table(columns)
    return drawn if "record_id" in columns else _without_repeated_keys(drawn, table.key)


def _column(column: Column, generator: np.random.Generator, n_rows: int, known_at: np.ndarray) -> pa.Array:
    share_null = 0.0 if column.required else 0.1
    if column.name == "status" and "active" in column.allowed:
        return pa.array(generator.choice(column.allowed, n_rows, p=(0.85, 0.05, 0.05, 0.05)))
    if column.type == "VARCHAR":
        pool = column.allowed or _POOLS.get(column.name, ("x", "y"))
        return _with_nulls(generator.choice(np.asarray(pool, dtype=object), n_rows), generator, share_null)
    if column.type == "BOOLEAN":
        return _with_nulls(generator.random(n_rows) < 0.3, generator, share_null)
    if column.type == "BIGINT":
        return _with_nulls(generator.integers(2015, 2022, n_rows), generator, share_null)
    if column.type == "DOUBLE":
        numbers = generator.random(n_rows) * (1.0 if column.maximum == 1.0 else 1e6)
        return _with_nulls(numbers, generator, share_null)
    return _with_nulls(known_at + generator.integers(-900, 900, n_rows), generator, share_null)


def _pair_outcomes_with_their_days(
    table: Table, columns: dict[str, Any], known_at: np.ndarray, generator: np.random.Generator
) -> None:
    for column in table.columns:
        if column.known_by:
            learned = pa.array(known_at + generator.integers(0, 400, len(known_at)))
            columns[column.known_by] = pa.compute.if_else(columns[column.name].is_null(), None, learned)


def _with_nulls(values: np.ndarray, generator: np.random.Generator, share: float) -> pa.Array:
    return pa.array(values, mask=generator.random(len(values)) < share)


def _without_repeated_keys(table: pa.Table, key: tuple[str, ...]) -> pa.Table:
    firsts = table.append_column("position", pa.array(range(table.num_rows))).group_by(list(key))
    return table.take(firsts.aggregate([("position", "min")])["position_min"])


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Spark on two cores of this machine, started once; skipped where PySpark or Java is missing."""
    pytest.importorskip("pyspark", reason="PySpark is not installed: run `make install-extra`")
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        pytest.skip("Spark needs Java 17 or later, and there is no java: install openjdk-17-jre-headless")
    from features.spark import local_options, start_spark

    options = {
        "spark.driver.memory": "1g",
        "spark.sql.shuffle.partitions": "2",
        # The tests plan much and compute little: a JVM that does not optimise itself takes half the time.
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    }
    session = start_spark(tmp_path_factory.mktemp("spark") / "spark.log", local_options(2) | options)
    yield session
    session.stop()
