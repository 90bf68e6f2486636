"""One grading is in force at any time: the old or the new, never a half."""

from __future__ import annotations

import subprocess
import sys
from datetime import date

import pytest
from sqlalchemy import func, insert, select
from sqlalchemy.exc import IntegrityError

from data.errors import ConfigurationError, StorageError
from serving.database import GradeRow, GradingRow, now, open_database
from serving.grades import grades_of, grading_in_force, put_in_force
from serving.lookups import Asker, record_lookups


def identity(day=1, version="m1"):
    return {"as_of_date": date(2025, 7, day), "model_version": version, "snapshot_id": f"s{day}"}


def block(*entity_ids, points=100.0):
    return [
        {"entity_id": e, "points": points, "grade": "A", "probability": 0.1, "expert_points": 90.0, "expert_grade": "A"}
        for e in entity_ids
    ]


@pytest.fixture
def engine(database_url):
    engine = open_database(database_url)
    yield engine
    engine.dispose()


def test_before_the_first_grading_none_is_in_force(engine):
    assert grading_in_force(engine, "toy") is None


def test_a_grading_comes_into_force_with_all_its_grades(engine):
    grading_id = put_in_force(engine, "toy", identity(), {"A": 3, "B": 0}, [block("E1", "E2"), block("E3")])

    grading = grading_in_force(engine, "toy")
    assert (grading.id, grading.as_of_date, grading.n_entities) == (grading_id, date(2025, 7, 1), 3)
    assert grading.grade_counts == {"A": 3, "B": 0}
    assert sorted(grades_of(engine, grading_id, ["E1", "E3", "E9"])) == ["E1", "E3"]


def test_the_next_grading_replaces_it_and_the_old_one_stays_on_file(engine):
    first = put_in_force(engine, "toy", identity(1), {"A": 1}, [block("E1")])
    second = put_in_force(engine, "toy", identity(2), {"A": 1}, [block("E1", points=200.0)])

    assert grading_in_force(engine, "toy").id == second
    assert grades_of(engine, first, ["E1"])["E1"]["points"] == 100.0
    assert grades_of(engine, second, ["E1"])["E1"]["points"] == 200.0


def test_cities_do_not_touch_each_other(engine):
    put_in_force(engine, "toy", identity(1), {"A": 1}, [block("E1")])
    put_in_force(engine, "other", identity(2), {"A": 1}, [block("E1")])

    assert grading_in_force(engine, "toy").as_of_date == date(2025, 7, 1)


def test_a_run_killed_between_two_blocks_leaves_the_old_grading_and_the_next_run_clears_up(engine):
    old = put_in_force(engine, "toy", identity(1), {"A": 1}, [block("E1")])

    def killed():
        yield block("E1", "E2")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        put_in_force(engine, "toy", identity(2), {"A": 3}, killed())
    assert grading_in_force(engine, "toy").id == old

    new = put_in_force(engine, "toy", identity(2), {"A": 3}, [block("E1", "E2"), block("E3")])
    assert grading_in_force(engine, "toy").id == new
    with engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(GradeRow)).scalar() == 4
        assert connection.execute(select(func.count()).select_from(GradingRow)).scalar() == 2


def test_a_grading_that_is_stored_is_only_put_in_force(engine):
    first = put_in_force(engine, "toy", identity(1), {"A": 1}, [block("E1")])
    put_in_force(engine, "toy", identity(2), {"A": 1}, [block("E1")])

    def must_not_run():
        raise AssertionError("the grades are stored")
        yield

    assert put_in_force(engine, "toy", identity(1), {"A": 1}, must_not_run()) == first
    assert grading_in_force(engine, "toy").id == first


def test_the_database_itself_refuses_two_gradings_in_force(engine):
    put_in_force(engine, "toy", identity(1), {"A": 1}, [block("E1")])
    row = {"city": "toy", **identity(2), "created_at": now(), "n_entities": 0, "grade_counts": {}}

    with pytest.raises(IntegrityError), engine.begin() as connection:
        connection.execute(insert(GradingRow).values(**row, complete=True, in_force=True))


def test_a_grade_stored_twice_is_a_storage_error_and_changes_nothing(engine):
    old = put_in_force(engine, "toy", identity(1), {"A": 1}, [block("E1")])

    with pytest.raises(StorageError, match="could not be written to"):
        put_in_force(engine, "toy", identity(2), {"A": 2}, [block("E1", "E1")])

    assert grading_in_force(engine, "toy").id == old


def test_an_upgraded_database_can_be_opened_again(database_url):
    open_database(database_url).dispose()
    open_database.cache_clear()

    engine = open_database(database_url)
    assert grading_in_force(engine, "toy") is None
    engine.dispose()


def test_of_several_who_open_a_fresh_database_at_once_one_upgrades_it_and_the_others_wait(database_url):
    program = f"from serving.database import open_database; open_database({database_url!r})"

    opening = [subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE) for _ in range(4)]

    assert [(process.communicate()[1], process.returncode) for process in opening] == [(b"", 0)] * 4


@pytest.mark.parametrize("url", ["postgresql+nodriver://nobody@nowhere/none", "mysql://nobody@nowhere/none", "a file"])
def test_a_database_without_its_driver_is_a_matter_of_configuration(url):
    with pytest.raises(ConfigurationError, match="QIANFEN_DATABASE_URL must name a database whose driver is installed"):
        open_database(url)


def test_the_migrations_make_what_the_declarations_say(engine):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from serving.database import Base
    from training.ledger import METADATA

    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), [Base.metadata, METADATA]) == []


def test_who_asked_is_read_from_the_headers_in_utf_8():
    headers = {"x-qianfen-user": "张三".encode().decode("latin-1"), "x-qianfen-reason": "%E5%A4%8D%E6%A0%B8"}

    assert Asker.of_request(headers, {}, "GET /") == Asker("张三", "复核", "GET /")


def test_who_asked_is_anonymous_and_why_may_come_with_the_address():
    assert Asker.of_request({}, {"why": "复核"}, "GET /") == Asker("anonymous", "复核", "GET /")


def test_a_lookup_is_written_down(engine):
    from serving.database import LookupRow

    record_lookups(engine, "toy", Asker("a", "b", "c"), [("E1", date(2025, 7, 1), "m1")])

    with engine.connect() as connection:
        row = connection.execute(select(LookupRow.__table__)).mappings().one()
    assert (row["who"], row["why"], row["what"], row["entity_id"]) == ("a", "b", "c", "E1")
    assert (row["city"], row["as_of_date"], row["model_version"]) == ("toy", date(2025, 7, 1), "m1")
