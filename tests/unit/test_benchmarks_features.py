"""All sides of the indicator benchmark give the same values, and a side that does not is refused."""

from __future__ import annotations

import importlib
from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.city import load_city
from data.records import ingest
from data.settings import Settings
from data.synthetic import SEED, build_synthetic_city
from experiments.benchmarks.features import OURS, SQL, TOLERANCE, apart_at_most, growth, ratios
from experiments.benchmarks.harness import BenchmarkError, Row
from experiments.benchmarks.indicators import ROWS_IN_A_GROUP, Task, by_panel
from features import snapshots

DATES = (date(2022, 7, 1), date(2025, 12, 26))


def quiet(_message):
    """Progress that nobody watches."""


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    """What our panel writes for a synthetic city of 2,000 entities as of two dates."""
    home = tmp_path_factory.mktemp("city")
    settings = Settings.from_environment({"QIANFEN_VAR": str(home / "var"), "QIANFEN_THREADS": "2"})
    build_synthetic_city(2_000, SEED, settings.var / "sources" / "synthetic", quiet)
    records = ingest(load_city("synthetic"), settings, quiet)
    task = Task(records.folder, DATES, home, 2)
    by_panel.write_indicators(task)
    return task


@pytest.mark.parametrize("side", ["by_sql", "by_pandas", "by_polars"])
def test_every_side_gives_our_values(side, ours, tmp_path):
    threads = 2
    if side == "by_polars":
        polars = pytest.importorskip("polars", reason="polars is not installed: run `make install-extra`")
        threads = polars.thread_pool_size()
    theirs = Task(ours.records, DATES, tmp_path, threads)

    importlib.import_module(f"experiments.benchmarks.indicators.{side}").write_indicators(theirs)

    for day in DATES:
        assert apart_at_most(ours.path(day), theirs.path(day)) <= TOLERANCE


def test_every_indicator_has_values_of_its_own_in_the_city_that_is_compared(ours):
    matrix = pq.read_table(ours.path(DATES[1]))

    assert matrix.num_columns == 2 + 18
    assert all(len(matrix[name].drop_null().unique()) > 1 for name in matrix.column_names[2:])


def test_peers_write_row_groups_as_a_snapshot_has_them():
    assert ROWS_IN_A_GROUP == snapshots.ROWS_IN_A_GROUP


def test_a_task_travels_to_another_process_unchanged(ours):
    assert Task.from_json(ours.as_json()) == ours


@pytest.fixture
def written(tmp_path):
    """Write a matrix of one indicator; returns its path."""

    def write(name, values, entity_ids=("A", "B")):
        days = pa.array([DATES[0]] * len(entity_ids), pa.date32())
        table = {"entity_id": list(entity_ids), "as_of_date": days, "penalties": pa.array(values, pa.float64())}
        pq.write_table(pa.table(table), tmp_path / name)
        return tmp_path / name

    return write


def test_the_largest_difference_is_relative_above_one_and_absolute_below(written):
    ours = written("ours", [0.5, 1000.0])

    assert apart_at_most(ours, written("below", [0.5 + 5e-10, 1000.0])) == pytest.approx(5e-10)
    assert apart_at_most(ours, written("above", [0.5, 1000.0 + 5e-7])) == pytest.approx(5e-10)


@pytest.mark.parametrize(
    ("values", "entity_ids", "message"),
    [
        ([0.5, 1000.01], ("A", "B"), "penalties must agree with"),
        ([0.5, None], ("A", "B"), "penalties must be missing where"),
        ([0.5, 1000.0], ("A", "C"), "must have the columns and rows"),
        ([0.5], ("A",), "must have the columns and rows"),
    ],
)
def test_a_side_that_gives_something_else_is_refused(values, entity_ids, message, written):
    ours = written("ours", [0.5, 1000.0])

    with pytest.raises(BenchmarkError, match=message):
        apart_at_most(ours, written("theirs", values, entity_ids))


def test_ratios_are_of_medians_and_growth_is_the_exponent():
    measured = {
        1_000: {("one date", OURS): _row(3.0, 1.0), ("one date", SQL): _row(2.0, 2.0)},
        10_000: {("one date", OURS): _row(30.0, 100.0), ("one date", SQL): _row(20.0, 2.0)},
    }

    assert ratios({1_000: measured[1_000]}) == {
        f"1,000: one date, ours vs {SQL}, wall (goal 1.5)": 1.5,
        f"1,000: one date, ours vs {SQL}, CPU (goal 1.5)": 0.5,
    }
    assert growth(measured) == {
        f"growth exponent of one date, {OURS}, wall": 1.0,
        f"growth exponent of one date, {OURS}, CPU": 2.0,
        f"growth exponent of one date, {SQL}, wall": 1.0,
        f"growth exponent of one date, {SQL}, CPU": 0.0,
    }
    assert growth({1_000: measured[1_000]}) == {}


def _row(seconds, cpu_seconds):
    return Row("a side", (seconds,), None, 1.0, (cpu_seconds,))
