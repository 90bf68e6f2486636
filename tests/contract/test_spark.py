"""Spark gives what DuckDB gives, on every indicator: random tables, the synthetic city, Toronto's real records."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.city import load_city
from data.errors import ConfigurationError
from data.records import Records, ingest
from data.settings import Settings
from data.synthetic import SEED, build_synthetic_city
from features.catalogue import load_catalogue
from features.engines import records_on, rows_of
from features.matrix import build_matrix
from features.pairs import matrix_for_pairs
from features.snapshots import build_snapshot

AS_OF_DATE = date(2021, 6, 1)
NAMES = list(load_catalogue().names)

RandomTables = Callable[..., dict[str, pa.Table]]
RecordsWriter = Callable[..., Records]


def quiet(_message: str) -> None:
    """Progress that nobody watches."""


def on_spark(spark: Any, records: Records) -> Any:
    from features.spark import SparkRecords

    return SparkRecords(records.tables, records.records_id, records.n_records, spark, records.indicator_parameters)


def rows(matrix: pa.Table) -> pd.DataFrame:
    return matrix.to_pandas(date_as_object=False).sort_values(["as_of_date", "entity_id"], ignore_index=True)


def assert_equal_within_a_billionth(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(found[["entity_id", "as_of_date"]], expected[["entity_id", "as_of_date"]])
    for name in NAMES:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-9, atol=1e-9, err_msg=name)


def test_every_indicator_of_random_tables_is_the_same_on_both_engines_for_several_dates_at_once(
    spark: Any, random_records: Records
) -> None:
    dates = [AS_OF_DATE - timedelta(days=days) for days in (0, 90, 400)]

    found = rows(build_matrix(on_spark(spark, random_records), dates).to_pyarrow())

    expected = rows(build_matrix(random_records, dates, threads=1).to_pyarrow())
    assert found["as_of_date"].nunique() == 3
    assert_equal_within_a_billionth(found, expected)
    assert (expected[NAMES].nunique() > 1).all()


def test_stated_pairs_are_the_same_on_both_engines_the_unknown_among_them(
    spark: Any, random_tables: RandomTables, write_records: RecordsWriter
) -> None:
    records = write_records(**random_tables(n_rows=300))
    pairs = pd.DataFrame({"entity_id": ["E00001", "E00002", "nobody"], "as_of_date": [AS_OF_DATE] * 3})

    (found,) = matrix_for_pairs(on_spark(spark, records), pairs)

    (expected,) = matrix_for_pairs(records, pairs, threads=1)
    assert_equal_within_a_billionth(rows(found), rows(expected))


def test_the_snapshot_of_the_synthetic_city_is_the_same_on_both_engines_and_each_has_its_own(
    spark: Any, settings: Settings
) -> None:
    # given: a city of 3,000 entities and all 13 tables, as its source files give them
    city = load_city("synthetic")
    build_synthetic_city(3_000, SEED, settings.var / "sources" / "synthetic", quiet)
    records = ingest(city, settings, quiet)

    # when: each engine builds its snapshot
    expected = build_snapshot(records, city.split.grading, settings, quiet)
    found = build_snapshot(records, city.split.grading, replace(settings, engine="spark"), quiet)

    # then: the same rows in the same order and form, under ids of their own, and nothing is left of Spark's parts
    assert pq.read_schema(found.path).equals(pq.read_schema(expected.path))
    assert found.read()["entity_id"].is_monotonic_increasing
    assert found.manifest["n_rows"] > 1_500
    assert_equal_within_a_billionth(found.read(), expected.read())
    assert (found.manifest["engine"], expected.manifest["engine"]) == ("spark", "duckdb")
    assert found.snapshot_id != expected.snapshot_id
    assert found.manifest["share_missing"] == expected.manifest["share_missing"]
    assert sorted(path.name for path in found.folder.iterdir()) == ["manifest.json", "matrix.parquet"]


def test_every_indicator_of_toronto_is_the_same_on_both_engines(spark: Any, settings: Settings) -> None:
    if settings.real_data is None:
        pytest.skip("the real records are not here: set QIANFEN_REAL_DATA to the folder that holds them")
    city = load_city("toronto")
    records = ingest(city, settings, quiet)
    dates = [city.split.test[0], city.split.grading]

    found = rows(build_matrix(on_spark(spark, records), dates).to_pyarrow())

    assert len(found) > 25_000
    assert_equal_within_a_billionth(found, rows(build_matrix(records, dates).to_pyarrow()))


def test_rows_come_in_their_order_from_several_parts_and_the_parts_are_removed(
    spark: Any, random_records: Records, tmp_path: Path
) -> None:
    # given: an ordered result that Spark writes in more than one part
    backend = on_spark(spark, random_records).connect()
    backend.raw_sql("SET spark.sql.adaptive.coalescePartitions.enabled = false")
    penalties = backend.table("penalties").select("entity_id", "record_id").order_by("entity_id", "record_id")

    # when: they are read on
    folder = tmp_path / "snapshot"
    batches = rows_of(penalties, folder)
    first = next(batches)
    n_parts = len(list((folder / "parts").glob("part-*.parquet")))
    found = pa.Table.from_batches([first, *batches]).to_pandas()

    # then: all are there, in order
    expected = random_records.connect(1).table("penalties").select("entity_id", "record_id").to_pandas()
    assert n_parts > 1
    assert list(folder.iterdir()) == []
    pd.testing.assert_frame_equal(found, expected.sort_values(["entity_id", "record_id"], ignore_index=True))


def test_tables_are_found_by_uri_and_the_matrix_is_written_to_one(
    spark: Any, random_tables: RandomTables, write_records: RecordsWriter, tmp_path: Path
) -> None:
    # given: records of which only URIs are known, as on a cluster's file system
    from features.spark import SparkRecords

    tables = random_tables(n_rows=200)
    records = write_records(entities=tables["entities"], penalties=tables["penalties"])
    uris = {name: path.as_uri() for name, path in records.tables.items()}
    there = SparkRecords(uris, records.records_id, records.n_records, spark, records.indicator_parameters)

    build_matrix(there, [AS_OF_DATE]).to_parquet((tmp_path / "matrix").as_uri())

    found = pq.read_table(tmp_path / "matrix")
    assert_equal_within_a_billionth(rows(found), rows(build_matrix(records, [AS_OF_DATE]).to_pyarrow()))


def test_a_spark_that_does_not_start_is_explained(write_city: Callable[[], Path], tmp_path: Path) -> None:
    pytest.importorskip("pyspark", reason="PySpark is not installed: run `make install-extra`")
    command = ["-m", "serving.commands", "features", "build", str(write_city()), "--engine", "spark"]
    environment = os.environ | {"JAVA_HOME": "/nowhere", "QIANFEN_VAR": str(tmp_path / "var")}

    result = subprocess.run([sys.executable, *command], capture_output=True, text=True, env=environment, check=False)

    assert result.returncode == ConfigurationError.exit_code
    assert "Spark must start, it did not" in result.stderr
    assert "install it (on Debian the package openjdk-17-jre-headless) or set JAVA_HOME." in result.stderr
    assert "Traceback" not in result.stderr


def test_spark_without_pyspark_is_explained(
    monkeypatch: pytest.MonkeyPatch, write_records: RecordsWriter, settings: Settings
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)

    with pytest.raises(ConfigurationError, match="needs PySpark, it is not installed. Install `qianfen.spark.`"):
        records_on(write_records(entities=[]), replace(settings, engine="spark"))
