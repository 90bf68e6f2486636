"""The running service follows promotion and rollback; a served score is rebuilt years later; the commands say so."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner
from sqlalchemy import update

from data.errors import StorageError
from data.files import read_json, write_json
from features.catalogue import load_catalogue
from serving.commands import cli
from serving.database import GradeRow, open_database
from serving.reproduction import reproduce_scores
from tests.functional.test_full_disk import small_disk
from tests.functional.test_service import running
from training import promotion
from training.artifact import save_artifact
from training.champions import load_champion, read_pointer
from training.gate_table import PASSED, Row
from training.ledger import LEDGER, broken_links, entries, newest
from training.promotion import promote, roll_back, settle

__all__ = ["small_disk"]


def quiet(_line):
    """Progress that nobody watches."""


@pytest.fixture(scope="module")
def place(graded_city, tmp_path_factory):
    """A copy of the graded city with a second model; MLflow is not asked."""
    home = tmp_path_factory.mktemp("promotion") / "var"
    shutil.copytree(graded_city.settings.var, home)
    settings = dataclasses.replace(graded_city.settings, var=home, database_url=f"sqlite:///{home / 'qianfen.db'}")
    folder = home / "cities" / "toy" / "models" / "t2" / "lightgbm_offset"
    folder.mkdir(parents=True)
    model = dataclasses.replace(graded_city.model, platt=(0.4, 0.9))
    model = save_artifact(model, folder, {"city": "toy", "catalogue_hash": load_catalogue().hash})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(promotion, "registered_version", lambda *_: "2")
        patch.setattr(promotion, "write_champion_alias", lambda *_: None)
        yield dataclasses.replace(graded_city, settings=settings), model


@pytest.fixture(scope="module")
def switched(place, tmp_path_factory):
    """Replies before any promotion, after a promotion, and after a rollback, of one service that ran all the time."""
    city, model = place
    engine = open_database(city.settings.database_url)

    def reply():
        return client.post("/v1/score", json={"entity_id": "E07"}).json()

    with running(city, tmp_path_factory.mktemp("service") / "service.log") as client:
        replies = [reply()]
        table = [Row("AUC", PASSED, 0.75)]
        promote(city.city, city.settings, engine, "t2/lightgbm_offset", table, "李四", "better", None, quiet)
        replies.append(reply())
        page = client.get("/entities/E07?lang=en").text
        roll_back(city.city, city.settings, engine, "王五", "worse", None, quiet)
        replies.append(reply())
    return replies, page, model


def test_after_a_promotion_the_running_service_answers_by_the_new_champion(switched, graded_city):
    (before, after, _), page, model = switched

    assert before["model_version"] == graded_city.model.model_version
    assert after["model_version"] == model.model_version
    assert after["points"] > before["points"]
    assert after["snapshot_id"] == before["snapshot_id"]
    total = after["base_points"] + sum(c["total"] for c in after["contributions"]) + after["clipping"]
    assert abs(total - after["points"]) < 1e-6
    assert f"{after['points']:,.1f}" in page


def test_after_a_rollback_the_old_version_answers_the_same_as_before(switched):
    before, _, after = switched[0]

    assert after == before


def test_a_served_grade_is_rebuilt_from_ledger_snapshot_and_artifact(switched, place):
    city, model = place
    today = datetime.now(UTC).date()

    stored, replied = reproduce_scores(city.city, city.settings, "E07", today)

    assert (stored.model_version, stored.differences) == (city.model.model_version, [])
    assert stored.stored is not None
    assert stored.entry.action == "rolled back to"
    assert replied.model_version == model.model_version
    assert replied.rebuilt["points"] == switched[0][1]["points"]
    assert replied.stored is None
    as_of = reproduce_scores(city.city, city.settings, "E07", city.grading.as_of_date)
    assert [(one.model_version, one.differences) for one in as_of] == [(city.model.model_version, [])]


@pytest.mark.usefixtures("switched")
def test_a_stored_grade_that_was_changed_differs_from_what_is_rebuilt(place):
    city, _ = place
    engine = open_database(city.settings.database_url)
    day = str(city.grading.as_of_date)
    arguments = ["reproduce", str(city.city.folder), "E11", day]
    equal = CliRunner().invoke(cli, arguments, obj=city.settings, catch_exceptions=False)
    with engine.begin() as connection:
        connection.execute(update(GradeRow).where(GradeRow.entity_id == "E11").values(points=GradeRow.points + 1e-6))

    differs = CliRunner().invoke(cli, arguments, obj=city.settings)

    assert equal.exit_code == 0
    assert "EQUAL to what was stored and served." in equal.output
    assert type(differs.exception).__name__ == "ReproductionError"
    assert "DIFFERS  points: stored" in differs.output


@pytest.mark.usefixtures("switched")
@pytest.mark.parametrize(
    ("entity_id", "day", "said"),
    [
        ("E07", "2019-01-01", "must have grades in force on 2019-01-01 or as of it"),
        ("E07", "2999-01-01", "must have grades in force on 2999-01-01 or as of it"),
        ("none", "2020-12-31", "none has no grade as of 2020-12-31"),
    ],
)
def test_what_was_never_served_cannot_be_rebuilt_and_the_text_names_what_can(place, entity_id, day, said):
    city, _ = place

    answer = CliRunner().invoke(cli, ["reproduce", str(city.city.folder), entity_id, day], obj=city.settings)

    assert said in str(answer.exception)


@pytest.mark.usefixtures("switched")
def test_an_artifact_that_is_not_the_one_of_the_ledger_rebuilds_nothing(place):
    city, _ = place
    path = city.settings.var / "cities" / "toy" / "models" / "t1" / "lightgbm_offset" / "manifest.json"
    as_written = read_json(path)
    write_json(path, {**as_written, "city": "Toy"})

    answer = CliRunner().invoke(cli, ["reproduce", str(city.city.folder), "E07", "2020-12-31"], obj=city.settings)
    write_json(path, as_written)

    assert "its manifest is not. Restore t1/lightgbm_offset." in str(answer.exception)


@pytest.mark.usefixtures("switched")
def test_the_ledger_is_shown_with_names_and_reasons(place):
    city, model = place

    shown = CliRunner().invoke(cli, ["ledger", "show", str(city.city.folder)], obj=city.settings).output
    table = CliRunner().invoke(cli, ["ledger", "show", str(city.city.folder), "--gate", "2"], obj=city.settings).output

    assert f"promoted {model.model_version}, by 李四" in shown
    assert f"rolled back to {city.model.model_version}, by 王五" in shown
    assert "gate: 1 of 1 rows passed, none refused" in shown
    assert "passed      AUC" in table


@pytest.mark.usefixtures("switched")
def test_verifying_ends_with_an_exit_code_of_its_own_where_an_entry_was_edited(place, monkeypatch):
    city, _ = place
    monkeypatch.setattr("training.ledger_checks.read_champion_alias", lambda *_: None)
    engine = open_database(city.settings.database_url)
    arguments = ["ledger", "verify", str(city.city.folder)]
    whole = CliRunner().invoke(cli, arguments, obj=city.settings)
    every = CliRunner().invoke(cli, ["ledger", "verify"], obj=city.settings)
    with engine.begin() as connection:
        connection.execute(update(LEDGER).where(LEDGER.c.sequence == 2).values(who="nobody"))

    damaged = CliRunner().invoke(cli, arguments, obj=city.settings)
    refused = CliRunner().invoke(cli, ["rollback", str(city.city.folder), "--who", "a", "--why", ""], obj=city.settings)
    with engine.begin() as connection:
        connection.execute(update(LEDGER).where(LEDGER.c.sequence == 2).values(who="李四"))

    assert whole.exit_code == every.exit_code == 0
    assert "toy: 3 entries, newest hash" in whole.output
    assert "Only the ledger itself was checked" in every.output
    assert "DAMAGED  Entry 2 is not as it was written." in damaged.output
    assert (type(damaged.exception).__name__, damaged.exception.exit_code) == ("LedgerError", 16)
    assert type(refused.exception).__name__ == "RequestError"


def test_a_promotion_on_a_full_disk_leaves_the_old_champion_or_the_new(place, small_disk):
    city, _ = place
    subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
    models = small_disk / "cities" / "toy" / "models"
    shutil.copytree(city.settings.var / "cities" / "toy" / "models", models)
    (models / "champion.json").unlink()
    settings = dataclasses.replace(city.settings, var=small_disk, database_url=f"sqlite:///{small_disk / 'q.db'}")
    engine, filler, said = open_database(settings.database_url), small_disk / "filler", []
    for room in range(0, 400_000, 4_096):
        filler.write_bytes(bytes(max(shutil.disk_usage(small_disk).free - room, 0)))
        try:
            after = newest(engine, "toy")
            folder = f"t{1 if after else 2}/lightgbm_offset"
            promote(city.city, settings, engine, folder, [Row("AUC", PASSED)], "李四", "better", after, quiet)
        except StorageError as error:
            said.append(str(error))
        filler.unlink()
        chain = entries(engine, "toy")
        settle(city.city, settings, engine, quiet)
        assert broken_links(chain) == []
        assert (read_pointer(city.city, settings) is None) == (chain == [])
        if chain:
            assert load_champion(city.city, settings).model_version == chain[-1].model_version
        if len(chain) == 2:
            break
    engine.dispose()
    assert len(chain) == 2
    # It was full before the entry, and after it.
    assert any("The ledger of promotions could not be written to" in text for text in said)
    assert any("That stands as entry" in text for text in said)
    assert not list(small_disk.glob("**/*.partial"))
