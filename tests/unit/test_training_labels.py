"""A label is what inspections found within the horizon, as known when the label was cut."""

from __future__ import annotations

from datetime import date

import pandas as pd
import pytest

from data.city import Period, load_city
from data.errors import ConfigurationError, LabelError
from training.labels import entity_labels, inspection_labels, refuse_leads, require_both_classes
from training.splits import check_split, last_label_day

AS_OF = date(2020, 1, 1)


@pytest.fixture
def city(write_city):
    """A city with a horizon of 90 days, and results taken as known a day after it."""
    return load_city(str(write_city()))


def entities(*names):
    """Register entries known long before the as-of date."""
    return [{"entity_id": name, "event_date": date(2015, 1, 1)} for name in names]


def visit(entity_id, day, failed, **more):
    """An inspection, known the next day unless said otherwise."""
    return {"entity_id": entity_id, "event_date": day, "failed": failed, **more}


def labels(records, city, as_of=AS_OF):
    """Labels by entity."""
    return entity_labels(records, city, as_of).set_index("entity_id")["label"].to_dict()


def test_one_failure_in_the_horizon_is_a_violation_and_nobody_inspected_is_unknown(write_records, city):
    records = write_records(
        entities=entities("failed", "passed", "unseen"),
        inspections=[
            visit("failed", date(2020, 1, 10), False),
            visit("failed", date(2020, 2, 10), True),
            visit("passed", date(2020, 3, 1), False),
        ],
    )

    assert labels(records, city) == {"failed": 1, "passed": 0}


def test_the_window_holds_its_first_day_and_not_the_one_after_its_last(write_records, city):
    records = write_records(
        entities=entities("before", "first", "last", "after"),
        inspections=[
            visit("before", date(2019, 12, 31), True),
            visit("first", AS_OF, True),
            visit("last", date(2020, 3, 30), True),
            visit("after", date(2020, 3, 31), True),
        ],
    )

    assert labels(records, city) == {"first": 1, "last": 1}


def test_an_entity_that_was_not_known_or_not_active_has_no_label(write_records, city):
    records = write_records(
        entities=[
            {"entity_id": "new", "event_date": date(2020, 1, 5)},
            {"entity_id": "gone", "event_date": date(2015, 1, 1), "status": "deregistered"},
        ],
        inspections=[visit("new", date(2020, 2, 1), True), visit("gone", date(2020, 2, 1), True)],
    )

    assert labels(records, city) == {}


def test_a_result_that_is_not_known_in_time_gives_no_label_even_years_later(write_records, city):
    records = write_records(
        entities=entities("late", "unknown"),
        inspections=[
            visit("late", date(2020, 2, 1), True, known_at=date(2020, 4, 1)),
            visit("unknown", date(2020, 2, 1), None),
        ],
    )

    assert labels(records, city) == {}


def test_a_withdrawn_failure_counts_where_the_withdrawal_came_after_the_label(write_records, city):
    records = write_records(
        entities=entities("before", "after"),
        inspections=[
            visit("before", date(2020, 2, 1), True, withdrawn_at=date(2020, 3, 1)),
            visit("after", date(2020, 2, 1), True, withdrawn_at=date(2020, 6, 1)),
        ],
    )

    assert labels(records, city) == {"after": 1}


def test_an_inspection_cohort_has_one_row_for_each_inspection_of_its_types(write_records, write_city):
    toml = (write_city() / "city.toml").read_text(encoding="utf-8")
    cohort = '[cohort]\nkind = "inspection"\ninspection_types = ["routine"]\n\n[label]'
    city = load_city(str(write_city(toml=toml.replace("[label]", cohort))))
    records = write_records(
        entities=entities("a"),
        inspections=[
            visit("a", date(2020, 1, 5), True, inspection_type="routine", record_id="1"),
            visit("a", date(2020, 1, 6), True, inspection_type="complaint", record_id="2"),
            visit("a", date(2020, 2, 1), False, inspection_type="routine", record_id="3"),
        ],
    )

    rows = inspection_labels(records, city, Period(start=AS_OF, end=date(2020, 2, 2)))

    assert rows["record_id"].tolist() == ["1", "3"]
    assert rows["label"].tolist() == [1, 0]
    assert rows["as_of_date"].dt.date.tolist() == [date(2020, 1, 5), date(2020, 2, 1)]


def test_labels_of_one_class_are_refused_with_dates_and_counts():
    with pytest.raises(LabelError, match="test labels .2020-01-01. must hold at least 50 .* got 0 violations and 80"):
        require_both_classes(pd.Series([0] * 80), "test", [AS_OF])


def test_a_stage_that_begins_before_the_last_ones_labels_are_known_is_refused(write_city):
    # Given trees as of 2020-01-01 with a horizon of 90 days and a day's delay: known on 2020-04-01.
    text = (write_city() / "city.toml").read_text(encoding="utf-8")

    check_split(load_city(str(write_city(toml=text.replace("[2020-05-01]", "[2020-04-01]")))))
    with pytest.raises(ConfigurationError, match="calibration of toy must begin on 2020-04-01 or later.*2020-03-31"):
        check_split(load_city(str(write_city(toml=text.replace("[2020-05-01]", "[2020-03-31]")))))


def test_a_scale_anchored_after_the_test_begins_is_refused(write_city):
    text = (write_city() / "city.toml").read_text(encoding="utf-8")
    later = text.replace("reference = 2020-05-01", "reference = 2020-09-02")

    with pytest.raises(ConfigurationError, match="reference of toy must not lie after the test"):
        check_split(load_city(str(write_city(toml=later))))


def test_a_shorter_calibration_window_is_known_earlier(write_city):
    text = (write_city() / "city.toml").read_text(encoding="utf-8")
    shorter = text.replace("[split]", "[split]\ncalibration_horizon_days = 30")
    city = load_city(str(write_city(toml=shorter)))

    assert last_label_day(city, "calibration") == date(2020, 6, 1)
    assert last_label_day(city, "trees") == date(2020, 4, 1)


def test_labels_may_be_of_some_inspections_alone(write_records, city):
    records = write_records(
        entities=entities("drawn", "led"),
        inspections=[
            visit("drawn", date(2020, 2, 1), True, inspection_type="random"),
            visit("led", date(2020, 2, 1), True, inspection_type="complaint"),
        ],
    )

    assert entity_labels(records, city, AS_OF, types=["random"])["entity_id"].tolist() == ["drawn"]


def test_complaints_mapped_as_inspections_are_refused_since_no_check_is_never_clean(write_records, city):
    leads = [visit(f"e{n}", date(2020, 1, 5), True, inspection_type="complaint") for n in range(50)]
    clean = visit("e0", date(2020, 1, 6), False, inspection_type="complaint", known_at=date(2020, 3, 1))
    records = write_records(entities=entities("e0"), inspections=[*leads, clean])

    with pytest.raises(
        ConfigurationError, match="type 'complaint' of toy must be findings, all 50 found.*dispute or a lead"
    ):
        refuse_leads(records, city, date(2020, 2, 1))
    # One that came out clean, once it is known: they were looked into.
    refuse_leads(records, city, date(2020, 4, 1))


def test_a_cohort_of_leads_without_results_is_refused(write_records, write_city):
    toml = (write_city() / "city.toml").read_text(encoding="utf-8")
    cohort = '[cohort]\nkind = "inspection"\ninspection_types = ["complaint"]\n\n[label]'
    city = load_city(str(write_city(toml=toml.replace("[label]", cohort))))
    leads = [visit("a", date(2020, 1, 5), None, inspection_type="complaint") for _ in range(3)]
    records = write_records(entities=entities("a"), inspections=leads)

    with pytest.raises(ConfigurationError, match="none of 3 has a result in 'failed'.*Map complaints to sources"):
        refuse_leads(records, city, date(2020, 2, 1))
