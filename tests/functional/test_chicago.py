"""Chicago, on the real records: the City's published figures to the last digit, and what is kept from the model."""

from __future__ import annotations

import os

import duckdb
import pytest

from data.accounting import account_files
from data.city import load_city
from data.records import ingest
from data.settings import Settings
from tests.functional.moved_card import require_card_of_its_day
from training.labels import inspection_labels
from training.published import agrees, evaluate_published


def quiet(_message):
    """Progress that nobody watches."""


@pytest.fixture(scope="module")
def city():
    return load_city("chicago")


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    here = Settings.from_environment(os.environ | {"QIANFEN_VAR": str(tmp_path_factory.mktemp("chicago"))})
    if here.real_data is None:
        pytest.skip("the real records are not here: set QIANFEN_REAL_DATA to the folder that holds them")
    return here


@pytest.fixture(scope="module")
def records(city, settings):
    return ingest(city, settings, quiet)


def ask(records, query):
    """One row of an answer over the tables of the records."""
    with duckdb.connect() as connection:
        for name, path in records.tables.items():
            connection.execute(f"CREATE VIEW {name} AS FROM '{path}'")
        return connection.execute(query).fetchone()


def test_the_rows_that_are_left_out_are_those_that_the_notes_tell(city, settings, records):
    assert {account.path: account.n_not_mapped for account in account_files(city, records, settings)} == {
        "inspections.parquet": 0,
        "inspection_events.parquet": 22_573,
        "licences.parquet": 2_846 + 3_048,
    }


def test_the_published_figures_come_out_to_the_last_published_digit(city, settings):
    rows = evaluate_published(city, settings)

    assert [(row.name, row.figures["n_rows"], row.figures["n_positive"]) for row in rows] == [
        ("xgboost", 1637, 258),
        ("glmnet", 1665, 263),
    ]
    assert [row.disagreeing for row in rows] == [(), ()]


@pytest.mark.parametrize(
    ("figure", "published", "same"),
    [(7.7868217, 7.787, True), (7.7868217, 7.7907, False), (0.67902817, 0.679028, True), (258, 258.0, True)],
)
def test_a_figure_agrees_where_its_published_digits_do(figure, published, same):
    assert agrees(figure, published) is same


def test_every_canvass_inspection_of_the_file_has_its_result(records):
    found = ask(
        records,
        "SELECT count(*), count(*) FILTER (severity = 'crucial') FROM inspections WHERE severity IS NOT NULL",
    )

    assert found == (27_600, 3_729)


def test_the_citys_own_test_rows_are_among_the_labelled_inspections(city, records, settings):
    labels = inspection_labels(records, city, city.split.test)
    scores = city.source_folder(settings) / "city_xgboost_scores.parquet"
    theirs = duckdb.execute(f"SELECT Inspection_ID::VARCHAR, criticalFound FROM '{scores}' WHERE Test").fetchall()
    ours = dict(zip(labels.record_id, labels.label, strict=True))

    assert {key: ours.get(key) for key, _ in theirs} == dict(theirs)


def test_who_inspected_and_what_was_known_later_is_not_read(city):
    mappings = "".join(path.read_text(encoding="utf-8") for path in (city.folder / "sources").glob("*.sql"))
    read = "\n".join(line for line in mappings.splitlines() if not line.strip().startswith("--"))

    assert "inspectors" not in read
    assert "maxDate" not in read
    assert "LICENSE_STATUS" not in read


def test_nothing_is_known_on_the_day_of_the_inspection_that_it_is_to_predict(records):
    for table in records.tables:
        assert ask(records, f"SELECT count(*) FROM {table} WHERE known_at <= event_date") == (0,)


def test_a_measure_is_a_published_result_or_a_re_inspection_that_no_measure_before_explains(records):
    found = ask(
        records,
        """SELECT count(*) FILTER (starts_with(record_id, 'result-')), count(*) FILTER (kind = 'warning'),
        count(*) FILTER (starts_with(record_id, 'event-')) FROM penalties""",
    )
    explained = ask(
        records,
        """SELECT count(*) FROM penalties AS ordered JOIN penalties AS result USING (entity_id)
        WHERE starts_with(ordered.record_id, 'event-') AND starts_with(result.record_id, 'result-')
        AND ordered.event_date - result.event_date BETWEEN 1 AND 60""",
    )

    assert (found, explained) == ((9_106, 3_651, 7_029), (0,))


def test_that_alcohol_is_served_is_known_from_an_inspection_and_the_risk_category_is_not_read(records):
    found = ask(
        records,
        """WITH states AS (
            SELECT industry_code LIKE '%, serves alcohol' AS serves, industry_code ILIKE '%risk%' AS says_risk, EXISTS (
                FROM inspections WHERE entity_id = e.entity_id AND severity IS NOT NULL AND known_at <= e.known_at
            ) AS was_inspected
            FROM entities AS e
        )
        SELECT count(*) FILTER (serves), count(*) FILTER (serves AND NOT was_inspected), count(*) FILTER (says_risk)
        FROM states""",
    )

    assert found == (3_492, 0, 0)


def test_the_card_is_what_its_day_could_know_and_the_cut_points_what_theirs_could(city, records):
    require_card_of_its_day(city, records)
