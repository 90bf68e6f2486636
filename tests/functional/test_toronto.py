"""Toronto, on the real records: who gets a file, the cohort, and what the model reaches."""

from __future__ import annotations

import os
from datetime import date

import duckdb
import numpy as np
import pytest

from data.accounting import account_files
from data.city import load_city
from data.errors import ConfigurationError, LabelError, RequestError
from data.files import read_json
from data.records import ingest
from data.settings import Settings
from tests.functional.moved_card import require_card_of_its_day
from training.champions import Pointer, read_challenger, write_pointer
from training.labels import entity_labels
from training.recalibration import BaseRate, recalibrate
from training.runs import train_city
from training.splits import last_label_day

TEST_DATE = date(2018, 10, 7)


def quiet(_message):
    """Progress that nobody watches."""


@pytest.fixture(scope="module")
def city():
    return load_city("toronto")


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    here = Settings.from_environment(os.environ | {"QIANFEN_VAR": str(tmp_path_factory.mktemp("toronto"))})
    if here.real_data is None:
        pytest.skip("the real records are not here: set QIANFEN_REAL_DATA to the folder that holds them")
    return here


@pytest.fixture(scope="module")
def records(city, settings):
    return ingest(city, settings, quiet)


@pytest.fixture(scope="module")
def training(city, records, settings):
    return train_city(city, records, settings, quiet)


def ask(records, query):
    """One row of an answer over the tables of the records."""
    with duckdb.connect() as connection:
        for name, path in records.tables.items():
            connection.execute(f"CREATE VIEW {name} AS FROM '{path}'")
        return connection.execute(query).fetchone()


def test_the_rows_that_are_left_out_are_those_that_the_notes_tell(city, settings, records):
    assert {account.path: account.n_not_mapped for account in account_files(city, records, settings)} == {
        "dinesafe_2019-04-08.parquet": 0,
        "companies.parquet": 41,
    }


def test_every_establishment_and_inspection_of_the_file_is_a_record(records):
    assert ask(records, "SELECT count(*), count(DISTINCT entity_id) FROM entities") == (16_390, 16_390)
    assert ask(records, "SELECT count(*), count(*) FILTER (failed) FROM inspections") == (55_088, 12_977)
    assert records.n_quarantined == 0


def test_everybody_is_known_by_the_day_of_grading(city, records):
    known = ask(records, f"SELECT count(*) FROM entities WHERE known_at < DATE '{city.split.grading}'")

    assert known == (16_390,)


def test_no_fine_and_no_fallen_charge_is_known_before_the_day_of_the_file(records):
    first = ask(records, "SELECT min(amount_known_at) FILTER (amount IS NOT NULL), min(withdrawn_at) FROM penalties")

    assert first == (date(2019, 4, 8), date(2019, 4, 8))


def test_what_later_inspections_may_have_shaped_is_not_read(city):
    mappings = [path.read_text(encoding="utf-8") for path in (city.folder / "sources").glob("*.sql")]

    assert len(mappings) == 4
    assert not any("MINIMUM_INSPECTIONS" in mapping for mapping in mappings)


def test_the_cohort_of_the_test_date_is_the_one_on_the_data_page(city, records):
    labels = entity_labels(records, city, TEST_DATE)

    assert (len(labels), int(labels.label.sum())) == (9_382, 2_295)


def test_conditional_passes_and_closures_of_the_cohort_are_those_on_the_data_page(records):
    found = ask(
        records,
        f"""SELECT count(*), count(*) FILTER (worst) FROM (
            SELECT entity_id, bool_or(outcome <> 'pass') AS worst
            FROM inspections
            SEMI JOIN (SELECT entity_id FROM inspections WHERE known_at < DATE '{TEST_DATE}') USING (entity_id)
            WHERE event_date >= DATE '{TEST_DATE}' AND event_date < DATE '{TEST_DATE}' + 183
            GROUP BY entity_id
        )""",
    )

    assert found == (9_382, 902)


def test_history_corrects_the_experts_and_stays_below_what_would_be_a_leak(training):
    offset, card = training.metrics["lightgbm_offset"], training.metrics["expert_card"]

    assert 0.69 <= offset["roc_auc"] < 0.73
    assert offset["roc_auc"] > card["roc_auc"]
    assert offset["expected_calibration_error"] <= 0.03


def test_a_label_window_ends_before_the_next_stage_begins(city):
    split = city.split

    assert len({*split.trees, *split.calibration, *split.test}) >= 6
    assert last_label_day(city, "trees") <= min(split.calibration)
    assert last_label_day(city, "calibration") <= min(split.test)
    assert split.test == (TEST_DATE,)
    assert np.all(np.diff([d.toordinal() for d in split.trees]) > 0)


def test_the_calibration_is_judged_with_each_training_and_the_shorter_window_is_made_up_for(training):
    report = read_json(training.folder / "calibration" / "report.json")

    assert set(report["calibrations"]) == {"uncalibrated", "platt", "isotonic", "beta", "spline"}
    briers = {name: figures["brier"]["value"] for name, figures in report["calibrations"].items()}
    assert briers["platt"] == pytest.approx(training.metrics["lightgbm_offset"]["brier_score"])
    assert report["best"] == min(briers, key=briers.get)
    # All are shifted alike, so none stands out by the length of the calibration's window.
    assert max(briers[name] for name in ("platt", "isotonic", "beta", "spline")) < briers["uncalibrated"]
    assert {row["verdict"] for row in report["groups"]} >= {"too few", "as predicted"}
    assert (training.folder / "calibration" / "reliability.png").stat().st_size > 10_000


def test_another_base_rate_makes_a_challenger_of_the_same_trees(city, records, settings, training):
    champion = training.challenger_model
    write_pointer(city, settings, Pointer(f"{training.training_id}/lightgbm_offset", "1", champion.model_version))

    moved = recalibrate(city, records, settings, BaseRate(0.15, "a yearbook of 2018"), quiet)

    model = moved.challenger_model
    assert read_challenger(city, settings) == f"{moved.folder.name}/lightgbm_offset"
    assert model.model_version != champion.model_version
    assert model.manifest["recalibrated"]["from"] == champion.model_version
    assert model.manifest["recalibrated"]["source"] == "a yearbook of 2018"
    assert model.manifest["files"]["model.txt"] == champion.manifest["files"]["model.txt"]
    assert model.manifest["split"] == champion.manifest["split"]
    assert model.manifest["snapshots"]["trees"] == champion.manifest["snapshots"]["trees"]
    assert (model.scale, model.platt[1]) == (champion.scale, champion.platt[1])
    assert moved.metrics["lightgbm_offset"]["roc_auc"] == training.metrics["lightgbm_offset"]["roc_auc"]
    with pytest.raises(RequestError, match="it is the same"):
        recalibrate(city, records, settings, None, quiet)
    with pytest.raises(LabelError, match="2018-07-08, known on 2019-01-08"):
        recalibrate(city, records, settings, date(2018, 7, 8), quiet)
    fewer = city.split.model_copy(update={"trees": city.split.trees[1:]})
    with pytest.raises(ConfigurationError, match=r"\[split\] trees of toronto must be that of champion"):
        recalibrate(city.model_copy(update={"split": fewer}), records, settings, None, quiet)


def test_the_card_is_what_its_day_could_know_and_the_cut_points_what_theirs_could(city, records):
    require_card_of_its_day(city, records)
