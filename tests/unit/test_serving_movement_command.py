"""The movement as a person reads it: grades before and after, who worsened, and sums that add up as they are shown."""

from __future__ import annotations

import dataclasses
import re
import shutil
from datetime import date

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from data.errors import NotFoundError, NotReadyError
from data.files import read_json
from features.snapshots import open_snapshot
from serving.commands import cli
from serving.database import LookupRow, open_database
from serving.grading import grade_population
from serving.gradings import kept_gradings, newest_in_force, previous_grading

BEFORE, AFTER = date(2020, 5, 1), date(2020, 12, 31)


def silent(_):
    """Take progress and show none."""


@pytest.fixture
def settings(graded_city, tmp_path):
    """Settings of a copy of the graded city, whose grades are in force as of AFTER."""
    shutil.copytree(graded_city.settings.var, tmp_path / "var")
    database = graded_city.settings.database_url.replace(str(graded_city.settings.var), str(tmp_path / "var"))
    copied = dataclasses.replace(graded_city.settings, var=tmp_path / "var", database_url=database)
    open_database.cache_clear()
    return copied


@pytest.fixture
def grade(graded_city, settings):
    """Grade the copied city as of a date."""

    def run(day, in_force=True):
        snapshot = open_snapshot(graded_city.records, day, settings)
        city, model = graded_city.city, graded_city.model
        return grade_population(city, graded_city.records, settings, model, snapshot, silent, in_force=in_force)

    return run


@pytest.fixture
def qianfen(graded_city, settings):
    """Run a command on the copied city; return what it says."""

    def run(name, *arguments):
        command = [*name.split(), str(graded_city.city.folder), *arguments]
        result = CliRunner().invoke(cli, command, obj=settings, catch_exceptions=True)
        if result.exception is not None:
            raise result.exception
        return result.output

    return run


def column(text):
    """Return the signed numbers at the head of lines."""
    return [float(number) for number in re.findall(r"^\s+([+-]\d+\.\d)  ", text, re.MULTILINE)]


def test_without_an_earlier_grading_it_says_what_to_do(qianfen):
    with pytest.raises(NotFoundError, match="must have been in force before that as of 2020-12-31.*--as-of DATE"):
        qianfen("movement")


def test_before_the_first_grading_it_says_what_to_run(qianfen, settings):
    (settings.var / "qianfen.db").unlink(missing_ok=True)
    open_database.cache_clear()
    shutil.rmtree(settings.var / "cities/toy/grades")

    with pytest.raises(NotReadyError, match="is not graded yet. Run `qianfen grade toy`"):
        qianfen("movement")


def test_a_date_without_grades_is_named_with_those_that_there_are(qianfen):
    with pytest.raises(NotFoundError, match="must be graded as of 2019-01-01, it is graded as of: 2020-12-31. Name"):
        qianfen("movement", "--from", "2019-01-01")


def test_two_dates_are_compared_and_what_is_shown_adds_up(qianfen, grade, settings):
    grade(BEFORE, in_force=False)

    said = qianfen("movement", "--from", "2020-05-01", "--most", "4", "--language", "en", "--why", "monthly review")

    assert "60 entities in both, 0 entered, 0 left" in said
    assert "The model is the same" in said
    rows = re.findall(r"^  [A-D]\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)$", said, re.MULTILINE)
    assert len(rows) == 4
    assert sum(int(n) for row in rows for n in row) == 60
    entities = re.split(r"\n\n(?=E\d\d  )", said)[1:]
    assert len(entities) == 4
    for entity in entities:
        old, new = map(float, re.search(r"([\d.]+) -> ([\d.]+) points", entity).groups())
        *lines, total = column(entity.split("\n\n")[0])
        assert sum(lines) == pytest.approx(total, abs=1e-9)
        assert new - old == pytest.approx(total, abs=1e-9)
    assert "penalties: Administrative penalties, faded with time, come to" in said
    shown = re.findall(r"^(E\d\d)  ", said, re.MULTILINE)
    assert said.endswith(f" --from 2020-05-01 --to 2020-12-31 --entity {shown[0]}`\n")
    with open_database(settings.database_url).connect() as connection:
        lookups = connection.execute(select(LookupRow.__table__)).mappings().all()
    assert [row["entity_id"] for row in lookups] == shown
    assert {(row["why"], row["what"]) for row in lookups} == {("monthly review", "qianfen movement")}


def test_one_entity_is_shown_with_every_line_in_chinese(qianfen, grade):
    grade(BEFORE, in_force=False)

    said = qianfen("movement", "--from", "2020-05-01", "--entity", "E04", "--language", "zh")

    assert re.search(r"^E04  [\d.]+ → [\d.]+ 分，[A-D] → [A-D] 级$", said, re.MULTILINE)
    assert "行政处罚：行政处罚按时间折算为" in said
    assert "（前次：没有行政处罚记录）" in said
    assert len(column(said)) > 10
    assert "合计" in said


def test_grading_tells_the_movement_against_what_was_in_force(qianfen, settings, graded_city):
    said = qianfen("grade", "--as-of", "2020-05-01")

    # The grades as of the later date were in force before.
    assert "玩具市：2020-12-31 至 2020-05-01 的变动" in said
    assert "等级变动" in said
    assert said.rstrip().splitlines()[-1].startswith("Next: `qianfen movement ")
    (kept,) = settings.var.glob("cities/toy/grades/2020-05-01-*/movement-2020-12-31-*/manifest.json")
    assert read_json(kept)["n"] == {"stayed": 60, "entered": 0, "left": 0}
    assert newest_in_force(graded_city.city, settings).as_of_date == BEFORE
    # Without dates, the same movement is shown again.
    assert "玩具市：2020-12-31 至 2020-05-01 的变动" in qianfen("movement")


def test_the_first_grading_says_that_it_is_the_first(qianfen):
    qianfen("features accept-drift", "--as-of", "2020-12-31", "--who", "张三", "--why", "a small city")
    said = qianfen("grade")

    assert "This is the first grading: there is none to compare it with." in said
    assert "Next: `qianfen serve " in said


def test_the_grading_before_is_the_one_stored_before_it(graded_city, settings, grade):
    later = kept_gradings(graded_city.city, settings)[0]
    early = grade(BEFORE)

    assert previous_grading(graded_city.city, settings, early).folder == later.folder
    assert previous_grading(graded_city.city, settings, later) is None
