"""Toronto, on the real records: who gets a file, the cohort, and what the model reaches."""

from __future__ import annotations

from datetime import date

import duckdb
import numpy as np
import pytest

from data.city import load_city
from data.records import ingest
from data.settings import Settings
from training.labels import entity_labels
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
    here = Settings.from_environment({"QIANFEN_VAR": str(tmp_path_factory.mktemp("toronto"))})
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
