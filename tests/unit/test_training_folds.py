"""Folds in time: no label reaches past the next as-of date, is newer than its fold, or touches the city's test."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest

from data.city import Period, load_city
from data.errors import ConfigurationError, LabelError
from training.folds import Fold, fold_rows, known_on, temporal_folds
from training.tuning_plots import draw_folds

FIRST = date(2020, 1, 1)
MID_MONTHS, MAY = [date(2020, month, 15) for month in range(1, 5)], date(2020, 5, 15)
INSPECTIONS = '[cohort]\nkind = "inspection"\ninspection_types = ["routine"]\n\n[label]'


@pytest.fixture
def city(write_city):
    """A city with a horizon of 90 days, results taken as known a day after it, and its test on 2020-09-01."""
    return load_city(str(write_city()))


@pytest.fixture
def inspected_city(write_city):
    """A city whose rows are inspections, with labels known 3 days after."""
    toml = (write_city() / "city.toml").read_text(encoding="utf-8")
    toml = toml.replace("[label]", INSPECTIONS).replace("horizon_days = 90", "horizon_days = 2")
    for stage, day in (("trees", "2020-01-01"), ("calibration", "2020-05-01"), ("test", "2020-09-01")):
        month = int(day[5:7]) + 1
        toml = toml.replace(f"{stage} = [{day}]", f"{stage} = {{ start = {day}, end = 2020-{month:02}-01 }}")
    return load_city(str(write_city(toml=toml)))


def visit(number, day, *, failed=None, **more):
    """A routine inspection of entity `number`; every second entity fails."""
    found = number % 2 == 0 if failed is None else failed
    return {"entity_id": f"E{number}", "event_date": day, "failed": found, "inspection_type": "routine", **more}


def entities(n=120):
    """Register entries known long before."""
    return [{"entity_id": f"E{number}", "event_date": date(2015, 1, 1)} for number in range(n)]


def monthly(n=120):
    """Inspections of everybody in the middle of every month from December 2019 on."""
    months = [date(2019, 12, 15), *(date(2020, month, 15) for month in range(1, 12))]
    return [visit(number, day, record_id=f"{number}-{day}") for day in months for number in range(n)]


def test_each_test_lies_a_horizon_and_the_delay_after_its_training_and_windows_expand(city):
    # 91 days before 30 April is 30 January, before 30 May 29 February.
    assert temporal_folds(city, FIRST, date(2020, 5, 30), n_folds=2, every_days=30) == (
        Fold(1, (FIRST,), (date(2020, 4, 30),)),
        Fold(2, (FIRST, date(2020, 1, 31)), (date(2020, 5, 30),)),
    )


def test_periods_are_tested_one_after_the_other_up_to_the_end_of_the_window(inspected_city):
    assert temporal_folds(inspected_city, FIRST, date(2020, 7, 1), n_folds=2, every_days=30) == (
        Fold(1, Period(start=FIRST, end=date(2020, 4, 29)), Period(start=date(2020, 5, 2), end=date(2020, 6, 1))),
        Fold(2, Period(start=FIRST, end=date(2020, 5, 29)), Period(start=date(2020, 6, 1), end=date(2020, 7, 1))),
    )


@pytest.mark.parametrize(("n_folds", "every_days"), [(1, 1), (1, 30), (2, 30), (3, 7), (2, 91), (1, 200)])
@pytest.mark.parametrize("kind", ["entity", "inspection"])
def test_a_window_too_short_is_refused_and_the_one_that_the_error_names_is_the_shortest(
    kind, n_folds, every_days, request
):
    city = request.getfixturevalue("city" if kind == "entity" else "inspected_city")
    # A city whose test never comes in the way.
    city = city.model_copy(update={"split": city.split.model_copy(update={"test": (date(2030, 1, 1),)})})

    with pytest.raises(ConfigurationError, match="must reach from 2020-01-01 to .* ask for fewer folds") as error:
        temporal_folds(city, FIRST, FIRST + timedelta(days=1), n_folds, every_days)
    needed = date.fromisoformat(str(error.value).split(" to ")[1][:10])

    assert len(temporal_folds(city, FIRST, needed, n_folds, every_days)) == n_folds
    with pytest.raises(ConfigurationError, match=f"to {needed} or later"):
        temporal_folds(city, FIRST, needed - timedelta(days=1), n_folds, every_days)


def test_no_label_of_a_fold_reaches_the_citys_test(city):
    # Its test begins on 2020-09-01, so the last as-of date of a fold is 91 days before it.
    folds = temporal_folds(city, date(2020, 1, 3), date(2020, 6, 2), n_folds=1, every_days=151)

    assert known_on(city, folds[-1].test) == date(2020, 9, 1)
    with pytest.raises(ConfigurationError, match="must end on 2020-06-02 or earlier.*got 2020-06-03"):
        temporal_folds(city, FIRST, date(2020, 6, 3), n_folds=1, every_days=30)


@pytest.mark.parametrize("kind", ["entity", "inspection"])
def test_rows_of_a_fold_are_those_of_its_dates_and_unchanged_by_what_is_known_later(
    kind, write_records, settings, request
):
    city = request.getfixturevalue("city" if kind == "entity" else "inspected_city")
    folds = temporal_folds(city, FIRST, date(2020, 5, 30), n_folds=1, every_days=30)
    known = known_on(city, folds[0].train)
    visits = monthly()
    later = [
        # A result that came late, and one that was taken back late.
        visit(1, date(2020, 1, 20), failed=True, known_at=known, record_id="late"),
        *({**v, "withdrawn_at": known} if v["record_id"] == "2-2020-01-15" else v for v in visits),
    ]

    before = fold_rows(city, write_records(entities=entities(), inspections=visits), folds, settings, print)[0]
    after = fold_rows(city, write_records(entities=entities(), inspections=later), folds, settings, print)[0]

    days = [rows.keys["as_of_date"].dt.date.unique().tolist() for rows in (before.train, before.test)]
    assert days == ([[FIRST, date(2020, 1, 31)], [date(2020, 5, 30)]] if kind == "entity" else [MID_MONTHS, [MAY]])
    assert len(before.train.y) == 120 * len(days[0])
    assert before.train.y.mean() == before.test.y.mean() == 0.5
    np.testing.assert_array_equal(before.train.X, after.train.X)
    np.testing.assert_array_equal(before.train.y, after.train.y)


def test_a_class_missing_in_a_fold_is_refused_with_the_fold_and_the_remedy(write_records, city, settings):
    passed = [v | {"failed": False} if v["event_date"] >= date(2020, 4, 30) else v for v in monthly()]
    records = write_records(entities=entities(), inspections=passed)
    folds = temporal_folds(city, FIRST, date(2020, 4, 30), n_folds=1, every_days=30)

    with pytest.raises(LabelError, match="test .fold 1. labels .2020-04-30. must .* got 0 violations and 120 .*fewer"):
        fold_rows(city, records, folds, settings, print)


def test_the_picture_shows_that_each_fold_knows_its_labels_before_its_test(city):
    folds = temporal_folds(city, FIRST, date(2020, 5, 30), n_folds=2, every_days=30)

    (axes,) = draw_folds(city, folds).axes

    # Four bars a fold: training's labels and the wait for their results, and the same of its test.
    ends = [date.fromordinal(date(1970, 1, 1).toordinal() + int(bar.get_x() + bar.get_width())) for bar in axes.patches]
    assert ends[1::4] == [known_on(city, fold.train) for fold in folds]
    assert ends[3::4] == [known_on(city, fold.test) for fold in folds]
    assert all(known <= fold.test[0] for known, fold in zip(ends[1::4], folds, strict=True))
