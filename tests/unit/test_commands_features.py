"""Dates that `qianfen features build --every` stands for."""

from __future__ import annotations

from datetime import date

import pytest

from serving.commands.features import _dates_between


@pytest.mark.parametrize(
    ("first", "last", "every", "expected"),
    [
        ("2020-01-31", "2020-04-30", "month", ["2020-01-31", "2020-02-29", "2020-03-31", "2020-04-30"]),
        ("2020-01-15", "2020-03-14", "month", ["2020-01-15", "2020-02-15"]),
        ("2019-05-01", "2020-01-01", "quarter", ["2019-05-01", "2019-08-01", "2019-11-01"]),
        ("2018-06-30", "2020-06-30", "year", ["2018-06-30", "2019-06-30", "2020-06-30"]),
        ("2020-06-30", "2020-01-01", "month", ["2020-06-30"]),
    ],
)
def test_dates_lie_whole_months_apart_and_none_after_the_last(first, last, every, expected):
    dates = _dates_between(date.fromisoformat(first), date.fromisoformat(last), every)

    assert [day.isoformat() for day in dates] == expected
