"""The movement as a person reads it: grades before and after, who worsened, and sums that add up as they are shown."""

from __future__ import annotations

import asyncio
import dataclasses
import html
import re
import shutil
from datetime import date

import httpx
import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from sqlalchemy import select

from data.errors import NotFoundError, NotReadyError
from data.files import read_json, sha256_of, write_json
from features.snapshots import open_snapshot
from serving.commands import cli
from serving.database import LookupRow, open_database
from serving.grading import grade_population
from serving.gradings import kept_gradings, newest_in_force, previous_grading
from serving.movement import movement_between
from serving.movement_lines import MovementLines
from serving.scoring import Scorer
from serving.site import create_site

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
    with pytest.raises(NotFoundError, match="must have been in force as of a date before 2020-12-31.*--as-of DATE"):
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

    for line in re.findall(r"^Grade got .*$", said, re.MULTILINE):
        total, *parts = map(float, re.findall(r"[+-]\d+\.\d", line))
        assert sum(parts) == pytest.approx(total, abs=1e-9)
    for total, experts, history in re.findall(
        r"^\s+([+-]\S+)  .*\(experts ([+-]?\S+), history ([+-]?\S+)\)$", said, re.MULTILINE
    ):
        assert float(experts) + float(history) == pytest.approx(float(total), abs=1e-9)
    assert "60 entities in both, 0 entered, 0 left" in said
    assert "The model is the same" in said
    rows = re.findall(r"^  [A-D]\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)$", said, re.MULTILINE)
    assert len(rows) == 4
    assert sum(int(n) for row in rows for n in row) == 60
    entities = re.split(r"\n\n(?=E\d\d )", said)[1:]
    assert len(entities) == 4
    for entity in entities:
        old, new = map(float, re.search(r"([\d.]+) -> ([\d.]+) points", entity).groups())
        *lines, total = column(entity.split("\n\n")[0])
        assert sum(lines) == pytest.approx(total, abs=1e-9)
        assert new - old == pytest.approx(total, abs=1e-9)
    assert "penalties: Administrative penalties, faded with time, come to" in said
    shown = re.findall(r"^(E\d\d) 第\d+餐馆  ", said, re.MULTILINE)
    assert said.endswith(f" --from 2020-05-01 --to 2020-12-31 --entity {shown[0]}`\n")
    with open_database(settings.database_url).connect() as connection:
        lookups = connection.execute(select(LookupRow.__table__)).mappings().all()
    assert [row["entity_id"] for row in lookups] == shown
    assert {(row["why"], row["what"]) for row in lookups} == {("monthly review", "qianfen movement")}


def test_one_entity_is_shown_with_every_line_in_chinese(qianfen, grade):
    grade(BEFORE, in_force=False)

    said = qianfen("movement", "--from", "2020-05-01", "--entity", "E04", "--language", "zh")

    assert re.search(r"^E04 第4餐馆  [\d.]+ → [\d.]+ 分，[A-D] → [A-D] 级$", said, re.MULTILINE)
    assert "行政处罚：行政处罚按时间折算为" in said
    assert "；前次：没有行政处罚记录（专家" in said
    assert len(column(said)) > 10
    assert "合计" in said


def test_grading_tells_the_movement_since_the_grading_of_an_earlier_date(qianfen, settings, graded_city):
    for day in ("2020-05-01", "2020-12-31"):
        qianfen("features accept-drift", "--as-of", day, "--who", "张三", "--why", "a small city")
    said = qianfen("grade", "--as-of", "2020-05-01")

    # The grades as of the later date were in force, but time does not run backwards.
    assert "No grading of toy is of an earlier date" in said
    assert newest_in_force(graded_city.city, settings).as_of_date == BEFORE
    again = qianfen("grade")

    assert "玩具市：2020-05-01 至 2020-12-31 的变动" in again
    assert "等级变动" in again
    assert again.rstrip().splitlines()[-1].startswith("Next: `qianfen movement ")
    (kept,) = settings.var.glob("cities/toy/grades/2020-12-31-*/movement-2020-05-01-*/manifest.json")
    assert read_json(kept)["n"] == {"stayed": 60, "entered": 0, "left": 0}
    # Without dates, the same movement is shown again.
    assert "玩具市：2020-05-01 至 2020-12-31 的变动" in qianfen("movement")


def test_the_first_grading_says_that_it_is_the_first(qianfen):
    qianfen("features accept-drift", "--as-of", "2020-12-31", "--who", "张三", "--why", "a small city")
    said = qianfen("grade")

    assert "No grading of toy is of an earlier date: there is none to compare it with." in said
    assert "Next: `qianfen serve " in said


def test_the_grading_before_is_of_an_earlier_date_whatever_came_into_force_when(graded_city, settings, grade):
    later = kept_gradings(graded_city.city, settings)[0]
    early = grade(BEFORE)

    assert previous_grading(graded_city.city, settings, later).folder == early.folder
    assert previous_grading(graded_city.city, settings, early) is None


def test_a_grading_that_was_never_in_force_is_not_the_one_before(graded_city, settings, grade):
    later = kept_gradings(graded_city.city, settings)[0]
    grade(BEFORE, in_force=False)

    assert previous_grading(graded_city.city, settings, later) is None


def test_without_an_earlier_date_the_grading_before_is_the_one_that_another_model_made(graded_city, settings, grade):
    later = kept_gradings(graded_city.city, settings)[0]
    model = dataclasses.replace(graded_city.model, manifest=graded_city.model.manifest | {"model_version": "other"})
    snapshot = open_snapshot(graded_city.records, AFTER, settings)
    again = grade_population(graded_city.city, graded_city.records, settings, model, snapshot, silent)

    assert previous_grading(graded_city.city, settings, again).folder == later.folder
    assert previous_grading(graded_city.city, settings, later) is None
    # As soon as there is one of an earlier date, both are compared with that.
    early = grade(BEFORE)
    for grading in (again, later):
        assert previous_grading(graded_city.city, settings, grading).folder == early.folder


def test_after_a_return_to_the_first_model_the_grading_before_is_the_one_that_was_in_force(graded_city, settings):
    first = kept_gradings(graded_city.city, settings)[0]
    other = dataclasses.replace(graded_city.model, manifest=graded_city.model.manifest | {"model_version": "other"})
    snapshot = open_snapshot(graded_city.records, AFTER, settings)

    def grade_by(model):
        return grade_population(graded_city.city, graded_city.records, settings, model, snapshot, silent)

    second = grade_by(other)
    assert previous_grading(graded_city.city, settings, first) is None
    again = grade_by(graded_city.model)

    assert again.folder == first.folder
    assert previous_grading(graded_city.city, settings, again).folder == second.folder
    assert previous_grading(graded_city.city, settings, second).folder == first.folder
    # To be put in force anew is no other grading.
    again = grade_by(graded_city.model)
    assert previous_grading(graded_city.city, settings, again).folder == second.folder
    assert newest_in_force(graded_city.city, settings).folder == again.folder


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (2.0, 2.0, ", as before; other indicators bear on it"),
        (np.nan, np.nan, ", as before; other indicators bear on it"),
        (2.0, 2.001, ", nearly as before"),
        (2.0, 3.0, "; before: 2 years"),
    ],
)
def test_a_value_is_as_before_only_where_it_is_equal(graded_city, settings, grade, before, after, said):
    movement = movement_between(graded_city.city, settings, grade(BEFORE), grade(AFTER), silent)
    row = dict.fromkeys(movement.lines, 0.0) | {"entity_id": "E04", "points_before": 100.0, "points_after": 103.0}
    row |= {"learned_years_in_operation": 3.0}
    values = [pd.DataFrame({"years_in_operation": [value]}, index=["E04"]) for value in (before, after)]

    (line,) = MovementLines(graded_city.city, settings, movement, "en").of(row, values)

    assert line.fact.endswith(said)


@pytest.fixture
def page(graded_city, settings):
    """Show the review page of an entity of the copied city; return its part on what changed."""

    def show(path):
        scorer = Scorer(graded_city.city, settings)

        async def ask():
            transport = httpx.ASGITransport(create_site(lambda: scorer))
            async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
                return await client.get(path)

        response = asyncio.run(ask())
        assert response.status_code == 200
        return html.unescape(re.search(r'<h2 id="changed">.*?</section>', response.text, re.DOTALL)[0])

    return show


def shown_points(text):
    """Return the numbers of the last column, as they are shown."""
    return [
        float(number.replace("−", "-"))
        for number in re.findall(r'class="n sum-total"(?: data-label="[^"]+")?>([+−]?[\d.]+)<', text)
    ]


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_page_of_an_entity_shows_what_the_command_shows(qianfen, page, grade, language):
    early, late = grade(BEFORE), grade(AFTER)
    said = qianfen("movement", "--entity", "E04", "--language", language)

    shown = page(f"/entities/E04?lang={language}")

    before, after = (pd.read_parquet(g.path).set_index("entity_id").loc["E04"] for g in (early, late))
    assert [f"{float(p):.1f}" for p in re.findall(r"<strong>([\d.]+)</strong>", shown)] == [
        f"{before['points']:.1f}",
        f"{after['points']:.1f}",
    ]
    assert re.findall(r'class="grade grade-(\w)"', shown) == [before["grade"], after["grade"]]
    *lines, total = shown_points(shown)
    assert len(lines) >= 2
    assert sum(lines) == pytest.approx(total, abs=1e-9)
    assert total == pytest.approx(round(after["points"], 1) - round(before["points"], 1), abs=1e-9)
    assert [*lines, total] == column(said)
    for fact in re.findall(r"<small>(.*?)[。.]</small>", shown):
        assert fact in said
    assert "2020-05-01" in shown


@pytest.mark.parametrize(
    ("language", "said"),
    [("zh", "没有更早的分级可比。"), ("en", "There is no earlier grading to compare with.")],
)
def test_the_page_says_that_there_is_no_grading_before(page, language, said):
    shown = page(f"/entities/E04?lang={language}")

    assert said in shown
    assert "<table" not in shown


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("zh", "（程序升级后须重算一次）。请管理员运行："),
        ("en", "after an upgrade it is worked out anew. The administrator must run: "),
    ],
)
def test_the_page_says_that_the_movement_is_not_worked_out(page, grade, language, said):
    grade(BEFORE)
    grade(AFTER)

    shown = page(f"/entities/E04?lang={language}")

    assert f"{said}<code>qianfen movement toy --from 2020-05-01 --to 2020-12-31</code></p>" in shown


def test_a_damaged_movement_is_not_shown(page, qianfen, grade, settings):
    grade(BEFORE)
    grade(AFTER)
    qianfen("movement")
    (path,) = settings.var.glob("cities/toy/grades/*/movement-*/movement.parquet")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)

    assert "must run: <code>qianfen movement toy --from 2020-05-01 --to 2020-12-31" in page("/entities/E04?lang=en")


def test_the_page_as_of_a_date_without_grades_says_that_there_is_nothing_to_compare(page):
    # The snapshot is there, nobody was graded from it.
    shown = page("/entities/E04?lang=en&as_of=2020-05-01")

    assert "Nobody is graded as of this date by this model" in shown


def test_the_page_of_an_entity_that_is_new_says_so(page, qianfen, grade, settings):
    early = grade(BEFORE)
    grades = pq.read_table(early.path)
    pq.write_table(grades.filter(pc.not_equal(grades["entity_id"], "E04")), early.path)
    write_json(early.folder / "manifest.json", early.manifest | {"sha256": sha256_of(early.path)})
    grade(AFTER)
    said = qianfen("movement", "--entity", "E04", "--language", "en")

    assert re.search(r"^E04 第4餐馆  entered with [\d.]+ points, grade [A-D]$", said, re.MULTILINE)
    assert "This entity was not in the grading before" in page("/entities/E04?lang=en")
    assert "entered: " in qianfen("movement", "--language", "en")


def test_an_indicator_whose_two_parts_cancel_out_has_its_line_and_what_is_shown_adds_up(graded_city, settings, grade):
    movement = movement_between(graded_city.city, settings, grade(BEFORE), grade(AFTER), silent)
    row = dict.fromkeys(movement.lines, 0.0) | {"entity_id": "E04", "points_before": 100.04, "points_after": 103.26}
    row |= {"expert_penalties": 5.04, "learned_penalties": -5.03, "learned_address_sharing": 3.21}

    lines = MovementLines(graded_city.city, settings, movement, "en").of(row, [pd.DataFrame(), pd.DataFrame()])

    assert [(line.subject, line.expert, line.learned, line.total) for line in lines] == [
        ("address_sharing", 0, 32, 32),
        ("penalties", 50, -50, 0),
        # 100.0 to 103.3 are 3.3 as shown.
        ("rounding", None, None, 1),
    ]
