"""Both sides of the benchmark of grading give the same file, and one that does not is refused."""

from __future__ import annotations

import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from experiments.benchmarks.grade import part_error, written_error
from experiments.benchmarks.grade_sides import SIDES, Task, write_part
from experiments.benchmarks.harness import BenchmarkError
from serving.database import open_database
from serving.grades import grading_in_force


@pytest.fixture(scope="module")
def graded(graded_city, tmp_path_factory):
    """Grade the small city on both sides."""
    folder = tmp_path_factory.mktemp("sides")
    task = Task(graded_city.city, graded_city.settings, graded_city.model, graded_city.snapshot, folder)
    assert write_part(task.snapshot, folder / "part", 60) == 60
    for side in ("grades", "pred_contrib"):
        SIDES[side](task)
    return task


@pytest.fixture
def task(graded, tmp_path):
    """Return a copy that a test may damage."""
    shutil.copytree(graded.folder, tmp_path / "sides")
    return Task(graded.city, graded.settings, graded.model, graded.snapshot, tmp_path / "sides")


def with_column(path, name, change):
    """Change a column of a Parquet file."""
    table = pq.read_table(path)
    at = table.schema.get_field_index(name)
    pq.write_table(
        table.set_column(at, name, pa.array(change(table[name].to_numpy()), table.schema.field(name).type)), path
    )


def test_pred_contrib_and_the_tables_write_the_same_grades(task):
    assert part_error(task, 60) < 1e-4
    assert written_error(task.grading.path) == task.grading.max_written_error_points


def test_a_contribution_that_is_off_shows_in_both_checks(task):
    with_column(task.grading.path, "learned_penalties", lambda values: values + np.eye(1, 60, 7)[0])

    assert part_error(task, 60) == pytest.approx(1.0, abs=1e-4)
    assert written_error(task.grading.path) == pytest.approx(1.0, abs=1e-4)


def test_sides_that_differ_in_points_are_refused(task):
    with_column(task.grading.path, "points", lambda values: values + np.eye(1, 60, 59)[0] * 1e-9)

    with pytest.raises(BenchmarkError, match="Entities, points and grades of both sides must be the same"):
        part_error(task, 60)


def test_the_other_parts_of_a_grading_run_on_what_was_graded(task):
    for side in ("database", "online"):
        SIDES[side](task)

    in_force = grading_in_force(open_database(f"sqlite:///{task.folder / 'grades.db'}"), "toy")
    assert in_force.grade_counts == task.grading.grade_counts
    assert [path.name for path in (task.folder / "online").rglob("values.npy")] == ["values.npy"]
