"""Everybody of a snapshot is graded once, by a model made for its indicators."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from data.errors import ArtifactError, RequestError
from serving.database import open_database
from serving.grades import grades_of, grading_in_force
from serving.grading import grade_population, grade_snapshot
from training.scale import Scale


def silent(_):
    """Take progress and show none."""


def test_everybody_of_the_snapshot_is_graded_as_the_model_scores(graded_city):
    matrix = graded_city.snapshot.read()
    scores = graded_city.model.score(matrix[list(graded_city.model.names)])

    graded = pd.read_parquet(graded_city.grading.path)

    assert graded["entity_id"].tolist() == matrix["entity_id"].tolist()
    assert np.array_equal(graded["points"], scores.points)
    assert graded["grade"].tolist() == scores.grade.tolist()
    assert graded_city.grading.n_entities == 60
    assert graded_city.grading.grade_counts == {g: scores.grade.tolist().count(g) for g in "ABCD"}


def test_contributions_in_the_file_hold_to_a_ten_thousandth_of_a_point(graded_city):
    graded = pd.read_parquet(graded_city.grading.path)
    parts = [c for c in graded.columns if c.startswith(("expert_", "learned_")) and graded[c].dtype == np.float32]

    total = graded["base_points"] + graded[parts].astype(np.float64).sum(axis=1)

    assert len(parts) == 36
    assert np.abs(total - graded["unclipped_points"]).max() < 1e-4
    assert graded_city.grading.max_additivity_error_points < 1e-9
    assert graded_city.grading.max_written_error_points == np.abs(total - graded["unclipped_points"]).max()


def test_contributions_are_written_in_64_bits_where_32_would_not_hold_them(graded_city, tmp_path):
    settings = dataclasses.replace(graded_city.settings, var=tmp_path)
    model = dataclasses.replace(graded_city.model, scale=Scale(500.0, 70_000.0))

    grading = grade_snapshot(graded_city.city, settings, model, graded_city.snapshot, silent)

    graded = pd.read_parquet(grading.path)
    parts = graded[[*[f"expert_{n}" for n in model.names], *[f"learned_{n}" for n in model.names]]]
    assert set(parts.dtypes) == {np.dtype(np.float64)}
    off_in_32_bits = parts.astype(np.float32).astype(np.float64).sum(axis=1) + graded["base_points"]
    assert np.abs(off_in_32_bits - graded["unclipped_points"]).max() > 1e-4
    assert np.abs(parts.sum(axis=1) + graded["base_points"] - graded["unclipped_points"]).max() < 1e-4
    assert grading.max_written_error_points == grading.max_additivity_error_points


def test_the_grades_are_in_force_in_the_database(graded_city):
    engine = open_database(graded_city.settings.database_url)

    grading = grading_in_force(engine, "toy")
    stored = grades_of(engine, grading.id, ["E07"])["E07"]

    graded = pd.read_parquet(graded_city.grading.path).set_index("entity_id").loc["E07"]
    assert grading.as_of_date == graded_city.grading.as_of_date
    assert grading.snapshot_id == graded_city.snapshot.snapshot_id
    assert stored["points"] == graded["points"]
    assert stored["expert_grade"] == graded["expert_grade"]


def test_grading_again_is_skipped(graded_city):
    said = []
    before = graded_city.grading.path.stat().st_mtime_ns

    again = grade_population(
        graded_city.city,
        graded_city.records,
        graded_city.settings,
        graded_city.model,
        graded_city.snapshot,
        said.append,
    )

    assert "there already: skipped" in said[0]
    assert again.path.stat().st_mtime_ns == before
    assert again.manifest == graded_city.grading.manifest


def test_grades_that_are_not_put_in_force_leave_the_database_alone(graded_city, tmp_path):
    settings = dataclasses.replace(graded_city.settings, var=tmp_path, database_url=f"sqlite:///{tmp_path}/q.db")

    grading = grade_population(
        graded_city.city, graded_city.records, settings, graded_city.model, graded_city.snapshot, silent, in_force=False
    )

    assert grading.n_entities == 60
    assert not (tmp_path / "q.db").exists()


def test_a_model_of_another_catalogue_is_refused_and_nothing_is_written(graded_city, tmp_path):
    settings = dataclasses.replace(graded_city.settings, var=tmp_path)
    other = dataclasses.replace(graded_city.model, manifest={**graded_city.model.manifest, "catalogue_hash": "other"})

    with pytest.raises(ArtifactError, match="it was made for other. Train again with `qianfen train toy`"):
        grade_population(graded_city.city, graded_city.records, settings, other, graded_city.snapshot, silent)

    assert list(tmp_path.iterdir()) == []


def test_a_snapshot_of_other_records_is_refused_and_nothing_is_written(graded_city, tmp_path):
    settings = dataclasses.replace(graded_city.settings, var=tmp_path)
    other = dataclasses.replace(graded_city.records, records_id="other")

    with pytest.raises(RequestError, match="must be made from the records other, it was made from"):
        grade_population(graded_city.city, other, settings, graded_city.model, graded_city.snapshot, silent)

    assert list(tmp_path.iterdir()) == []
