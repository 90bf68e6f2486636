"""The point-in-time join: anybody's table with the indicators as they were known on each row's date."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.errors import PointInTimeError, RequestError
from data.records import Records
from features.catalogue import load_catalogue
from features.join import point_in_time_join
from features.matrix import build_matrix

NAMES = list(load_catalogue().names)
FIRST_DAY = date(2020, 1, 1)

RecordsWriter = Callable[..., Records]


def rows_of_a_small_city() -> dict[str, list[dict]]:
    """Three entities, known from 2020-01-02, 2020-02-01 and never; penalties and inspections through 2020."""
    day = FIRST_DAY
    return {
        "entities": [
            {"entity_id": "E1", "event_date": day, "industry_code": "52", "registered_capital": 10.0},
            {"entity_id": "E2", "event_date": date(2020, 1, 31), "industry_code": "52"},
            {"entity_id": "E2", "event_date": date(2020, 8, 1), "industry_code": "62"},
        ],
        "penalties": [
            {"entity_id": f"E{1 + n % 2}", "event_date": day + timedelta(days=40 * n), "amount": 100.0 * n}
            for n in range(1, 8)
        ],
        "inspections": [
            {"entity_id": f"E{1 + n % 2}", "event_date": day + timedelta(days=29 * n), "failed": n % 3 == 0}
            for n in range(1, 11)
        ],
    }


@pytest.fixture
def records(write_records: RecordsWriter) -> Records:
    return write_records(**rows_of_a_small_city())


def naive_join(records: Records, frame: pd.DataFrame, everybody: dict[date, pd.DataFrame]) -> pd.DataFrame:
    """Build everybody's matrix one date at a time, kept in `everybody`, and merge it."""
    days = frame["as_of_date"].dt.date
    parts = []
    for day in sorted(set(days)):
        if day <= FIRST_DAY + timedelta(days=1):
            everybody[day] = pd.DataFrame({"entity_id": [], **{name: [] for name in NAMES}}).astype({"entity_id": str})
        if day not in everybody:
            everybody[day] = build_matrix(records, [day], threads=1).to_pandas().drop(columns="as_of_date")
        part = frame[days == day]
        parts.append(part.reset_index().merge(everybody[day], on="entity_id", how="left").set_index("index"))
    return pd.concat(parts).loc[frame.index]


# Before all, on and after the days on which the entities and their first records became known, and later.
DAYS = (0, 1, 2, 31, 32, 100, 214, 215, 400)
some_rows = st.lists(
    st.tuples(st.sampled_from(["E1", "E2", "nobody"]), st.sampled_from(DAYS), st.integers(0, 9)), min_size=1, max_size=6
)


@pytest.fixture
def everybody() -> dict[date, pd.DataFrame]:
    """The matrix of everybody by date, filled as examples ask."""
    return {}


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(some_rows)
def test_the_join_equals_the_matrix_of_one_date_at_a_time_merged(records: Records, everybody, drawn: list) -> None:
    frame = pd.DataFrame(drawn, columns=["entity_id", "days", "anything"])
    frame["as_of_date"] = pd.Timestamp(FIRST_DAY) + pd.to_timedelta(frame.pop("days"), unit="D")

    joined = point_in_time_join(records, frame, threads=1)

    expected = naive_join(records, frame, everybody)
    pd.testing.assert_frame_equal(joined, expected, check_names=False, check_exact=True)
    pd.testing.assert_frame_equal(joined[list(frame.columns)], frame)


def test_rows_index_types_and_order_stay_and_many_rows_may_ask_the_same(records: Records) -> None:
    frame = pd.DataFrame(
        {
            "shop": pd.Categorical(["E2", "E1", "E2", None]),
            "visited": [datetime(2020, 6, 1, 9, 30), datetime(2020, 6, 1, 23, 59), datetime(2020, 6, 1), "2020-06-02"],
            "note": pd.array([1, None, 3, 4], dtype="Int16"),
        },
        index=pd.MultiIndex.from_tuples([("b", 1), ("a", 1), ("b", 1), ("c", 0)], names=["x", "y"]),
    )

    joined = point_in_time_join(records, frame, "visited", "shop", ["penalties", "registered_capital"], threads=1)

    pd.testing.assert_frame_equal(joined[["shop", "visited", "note"]], frame)
    assert list(joined.columns[3:]) == ["penalties", "registered_capital"]
    assert (joined.dtypes.iloc[3:] == "float64").all()
    assert joined["penalties"].iloc[0] == joined["penalties"].iloc[2] > 0
    assert joined["registered_capital"].iloc[1] == 10.0
    assert joined.iloc[3, 3:].isna().all()


def test_a_timestamp_counts_as_its_day_where_it_was_written(records: Records) -> None:
    # 2020-02-11 01:00 in Shanghai is still 2020-02-10 in UTC; the penalty of 02-10 is known on 02-11, counts on 02-12.
    there = datetime(2020, 2, 12, 1, 0, tzinfo=ZoneInfo("Asia/Shanghai"))
    frame = pd.DataFrame({"entity_id": ["E2", "E2"], "at": pd.to_datetime([there, there - timedelta(days=1)])})

    joined = point_in_time_join(records, frame, "at", indicators=["penalties"], threads=1)

    assert joined["penalties"].iloc[0] > 0
    assert joined["penalties"].iloc[1] == 0
    assert joined["at"].dtype == frame["at"].dtype


def test_before_anything_was_known_all_is_missing_and_an_empty_table_stays_empty(
    records: Records, write_records: RecordsWriter
) -> None:
    early = pd.DataFrame({"entity_id": ["E1", "E1"], "as_of_date": ["1990-01-01", "2020-01-02"]})
    nobody = write_records(entities=[])

    assert point_in_time_join(records, early, threads=1)[NAMES].isna().all(axis=None)
    assert point_in_time_join(nobody, early, threads=1)[NAMES].isna().all(axis=None)
    empty = point_in_time_join(records, early.iloc[:0], threads=1)
    assert list(empty.columns) == ["entity_id", "as_of_date", *NAMES]
    assert len(empty) == 0


def test_rows_known_on_the_date_or_later_change_nothing(records: Records, write_records: RecordsWriter) -> None:
    rows = rows_of_a_small_city()
    day = date(2020, 6, 1)
    frame = pd.DataFrame({"entity_id": ["E1", "E2"], "as_of_date": [day, day]})
    later = {"known_at": day, "event_date": date(2020, 1, 5)}
    rows["penalties"] += [{"entity_id": "E1", **later} for _ in range(50)]
    rows["inspections"] += [{"entity_id": f"E{n % 2 + 1}", "failed": True, **later} for n in range(50)]
    rows["entities"] += [{"entity_id": "E1", "industry_code": "11", "registered_capital": 1e9, **later}]

    with_later = write_records(**rows)

    before = point_in_time_join(records, frame, threads=1)
    pd.testing.assert_frame_equal(before, point_in_time_join(with_later, frame, threads=1))
    day_after = frame.assign(as_of_date=day + timedelta(days=1))
    assert point_in_time_join(with_later, day_after, threads=1)["registered_capital"].iloc[0] == 1e9


@pytest.mark.parametrize(
    ("frame", "error", "text"),
    [
        (pd.DataFrame({"entity": ["E1"], "day": ["2020-05-01"]}), RequestError, "Did you mean 'entity'?"),
        (pd.DataFrame({"entity_id": ["E1"], "Day": ["2020-05-01"]}), RequestError, "Did you mean 'Day'?"),
        (pd.DataFrame({"entity_id": [1.0], "day": ["2020-05-01"]}), RequestError, "ids as text, it holds floating"),
        (pd.DataFrame({"entity_id": ["E1"], "day": [20200501]}), RequestError, "must hold dates, it is int64"),
        (
            pd.DataFrame({"entity_id": ["E1"], "day": ["3/4/2020"]}),
            RequestError,
            "3/4/2020 is not ISO8601 format. Conv",
        ),
        (pd.DataFrame({"entity_id": ["E1"], "day": ["2020-05-01"], "penalties": [1]}), RequestError, "has penalties"),
        (
            pd.DataFrame({"entity_id": ["E1"] * 3, "day": ["2020-05-01", None, None]}),
            PointInTimeError,
            r"2 are missing, first in row 1 \(counted from 0\)",
        ),
        (
            pd.DataFrame([["E1", "2020-05-01", "2020-05-02"]], columns=["entity_id", "day", "day"]),
            RequestError,
            "one column 'day', it has 2",
        ),
    ],
)
def test_a_table_of_no_use_is_refused_with_the_remedy(records: Records, frame, error, text) -> None:
    with pytest.raises(error, match=text):
        point_in_time_join(records, frame, "day", threads=1)


@pytest.mark.parametrize(
    ("indicators", "text"),
    [(["penaltys"], "Did you mean 'penalties'?"), ([], "must be given"), (["penalties"] * 2, "each once")],
)
def test_indicators_must_be_of_the_catalogue_each_once(records: Records, indicators, text) -> None:
    frame = pd.DataFrame({"entity_id": ["E1"], "as_of_date": ["2020-05-01"]})
    with pytest.raises(RequestError, match=text):
        point_in_time_join(records, frame, indicators=indicators)
