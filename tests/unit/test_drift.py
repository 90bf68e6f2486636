"""Drift of a snapshot: each limit broken and named, what is usual left alone, later-known rows without effect."""

from __future__ import annotations

import json
from datetime import date, timedelta

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.city import load_city
from data.drift import TableDrift
from data.errors import ConfigurationError, DriftError, StorageError
from features.drift.arrivals import count_arrivals
from features.drift.report import check_drift, kept_reports, measure_drift
from features.drift.rules import breaches_of_source
from features.snapshots import build_pairs_snapshot, build_snapshot

GRADING, REFERENCE = date(2020, 12, 31), date(2020, 5, 1)
N_ENTITIES = 400
PENALTIES = "penalties/penalties.csv"


def quiet(line):
    """Print nothing."""


@pytest.fixture
def city(write_city):
    """A city graded as of 2020-12-31, whose points stand on 2020-05-01."""

    def declared(drift=""):
        return with_more(write_city(), drift)

    return declared


def with_more(folder, toml):
    """Add to city.toml and load the city."""
    path = folder / "city.toml"
    path.write_text(path.read_text(encoding="utf-8") + toml, encoding="utf-8")
    return load_city(str(folder))


def entities(capital=lambda number: 1000.0 * (number + 1)):
    """400 entities known since 2010, each with a capital."""
    return [
        {"entity_id": f"E{n:03}", "event_date": date(2010, 1, 1), "source_file": "entities.csv"}
        | {"registered_capital": capital(n)}
        for n in range(N_ENTITIES)
    ]


def restated(capital, numbers=range(N_ENTITIES), known_at=date(2020, 8, 1)):
    """New states of entities, with another capital."""
    return [
        {"entity_id": f"E{n:03}", "event_date": known_at - timedelta(days=1), "known_at": known_at}
        | {"source_file": "entities.csv", "registered_capital": capital(n)}
        for n in numbers
    ]


def penalties(per_month, as_of=GRADING, delay_days=2, file="penalties.csv", start=0):
    """Penalties by month back from a date: `per_month[0]` in the last month before it, and so on."""
    rows = []
    for back, n in enumerate(per_month):
        day = (pd.Timestamp(as_of) - pd.DateOffset(months=back + 1)).date() + timedelta(days=3)
        late = delay_days[back] if isinstance(delay_days, list) else delay_days
        rows += [
            {"record_id": f"P{start}-{back}-{k}", "entity_id": f"E{(k + back) % N_ENTITIES:03}", "known_at": day}
            | {"event_date": day - timedelta(days=late), "source_file": file}
            for k in range(n)
        ]
    return rows


def drifted(city, records, settings, day=GRADING):
    """Return the one report as of a day."""
    (report,) = measure_drift(city, records, [build_snapshot(records, day, settings, quiet)], settings, quiet)
    return report


def names(report):
    return [breach.name for breach in report.breaches]


def named_of_sources(records):
    """Return the names of what the sources break as of the grading date."""
    arrivals = count_arrivals(records, {"penalties": ["penalties.csv"]}, GRADING, 1)
    return [b.name for source in arrivals.before(GRADING) for b in breaches_of_source(source, TableDrift())]


@pytest.fixture
def records_of(write_records):
    def written(per_month=(100,) * 16, more=(), **options):
        return write_records(entities=[*entities(), *more], penalties=penalties(per_month, **options))

    return written


def test_a_city_where_all_is_as_usual_breaks_no_limit(city, records_of, settings):
    report = drifted(city(), records_of(), settings)

    assert report.breaches == []
    assert report.content["reference"]["as_of_date"] == "2020-05-01"
    months = {s["table"]: s["months"] for s in report.content["sources"]}["penalties"]
    assert [month["n_rows"] for month in months[:3]] == [100, 100, 100]
    assert (months[0]["start"], months[0]["end"]) == ("2020-11-30", "2020-12-31")
    assert months[0]["median_delay_days"] == months[0]["p90_delay_days"] == 2


def test_a_source_that_fell_silent_is_named_and_stops_the_pipeline(city, records_of, settings):
    records = records_of((0, *(100,) * 15))
    snapshot = build_snapshot(records, GRADING, settings, quiet)

    with pytest.raises(DriftError) as stopped:
        check_drift(city(), records, [snapshot], settings, quiet)

    assert stopped.value.exit_code == 13
    assert str(stopped.value) == (
        "The data of toy must stay within the limits of [drift], or the breach be accepted:\n"
        f"  as of 2020-12-31  rows_fell:{PENALTIES}: {PENALTIES} brought 0 rows in the month before 2020-12-31, "
        "usual are 100\n"
        "See `qianfen features drift toy --as-of 2020-12-31`. Correct the source, or accept it with a reason: "
        "`qianfen features accept-drift toy --as-of 2020-12-31 --who NAME --why TEXT`."
    )


@pytest.mark.parametrize(
    ("per_month", "expected"),
    [
        ((51, *(100,) * 15), []),
        ((49, *(100,) * 15), [f"rows_fell:{PENALTIES}"]),
        ((199, *(100,) * 15), []),
        ((201, *(100,) * 15), [f"rows_rose:{PENALTIES}"]),
        # Nothing, where six are usual, comes once in four hundred months: too often for an alarm.
        ((0, *(6,) * 15), []),
        # The season: hardly anything comes in this month of the year, and a burst came a year ago.
        ((10, *(100,) * 11, 10, 100, 100), []),
        ((700, *(100,) * 11, 600, 100, 100), []),
        # A source that comes now and then, one that was seen once as a whole, and one too young to tell.
        ((0, 0, 0, 0, 0, 300, 0, 0, 0, 0, 0, 300, 0), []),
        ((300, *(0,) * 12, 300), []),
        ((0, 100, 100), []),
    ],
)
def test_a_month_is_held_against_the_year_before_and_the_same_month_of_last_year(per_month, expected, records_of):
    assert named_of_sources(records_of(per_month)) == expected


def test_a_file_that_fell_silent_shows_beside_another_of_the_same_table(write_records):
    both = [*penalties((300,) * 16, file="other.csv"), *penalties((0, *(100,) * 15), start=1)]

    assert named_of_sources(write_records(entities=entities(), penalties=both)) == [f"rows_fell:{PENALTIES}"]


def test_daily_deliveries_of_one_path_are_one_source(city, write_city, write_records, settings):
    path = write_city() / "city.toml"
    path.write_text(path.read_text(encoding="utf-8").replace('"penalties.csv"', '"daily/penalties-*.csv"'))
    rows = [row | {"source_file": f"penalties-{row['known_at']}.csv"} for row in penalties((100,) * 16)]

    report = drifted(load_city(str(path.parent)), write_records(entities=entities(), penalties=rows), settings)

    assert [s["file"] for s in report.content["sources"]] == ["entities.csv", "daily/penalties-*.csv"]
    assert names(report) == []


def test_deliveries_are_told_by_the_path_of_their_own_table_and_apart_from_a_file_that_its_mapping_names(write_records):
    rows = [*penalties((100,) * 16, file="2020-12.csv"), *penalties((100,) * 16, start=1, file="history.csv")]
    records = write_records(entities=[one | {"source_file": "2020-12.csv"} for one in entities()], penalties=rows)
    files = {"entities": ["register/*.csv"], "penalties": ["fines/*.csv", "fines/history.csv"]}

    names = [source.name for source in count_arrivals(records, files, GRADING, 1).before(GRADING)]

    assert names == ["entities/register/*.csv", "penalties/fines/*.csv", "penalties/fines/history.csv"]


@pytest.mark.parametrize(
    ("delays", "per_month", "expected"),
    [
        ([9, *[2] * 15], 100, []),
        ([10, *[2] * 15], 100, [f"delay:{PENALTIES}"]),
        ([60, *[2] * 11, 60, 2, 2], 100, []),
        ([60, *[2] * 15], 29, []),
    ],
)
def test_rows_that_come_later_than_usual_are_named(delays, per_month, expected, records_of):
    records = records_of((per_month,) * len(delays), delay_days=delays)

    assert named_of_sources(records) == expected


@pytest.mark.parametrize(("n_quarantined", "expected"), [(5, []), (40, [f"quarantined:{PENALTIES}"])])
def test_a_growing_share_in_quarantine_is_named(n_quarantined, expected, records_of):
    records = records_of()
    path = records.folder / "quarantine" / "penalties.parquet"
    path.parent.mkdir()
    days = [GRADING - timedelta(days=5)] * n_quarantined + [None]
    pq.write_table(
        pa.table(
            {"source_file": ["penalties.csv"] * len(days), "known_at": pa.array(days, pa.date32())}
            | {"event_date": pa.nulls(len(days), pa.date32())}
        ),
        path,
    )

    months = [source.months[0] for source in count_arrivals(records, {}, GRADING, 1).before(GRADING)]
    assert [(month.n_rows, month.n_quarantined) for month in months] == [(0, 0), (100, n_quarantined)]
    assert named_of_sources(records) == expected


def test_values_gone_missing_are_named(city, records_of, settings):
    lost = restated(lambda n: None, range(0, N_ENTITIES, 3))

    report = drifted(city("[drift]\npsi = inf\n"), records_of(more=lost), settings)

    assert names(report) == ["missing:registered_capital"]
    assert report.breaches[0].said == "33.5% of registered_capital are missing, 0.0% were in the reference"


def test_amounts_in_another_unit_have_moved(city, records_of, settings):
    report = drifted(city(), records_of(more=restated(lambda n: (n + 1) / 10)), settings)

    assert names(report) == ["psi:registered_capital"]
    assert report.breaches[0].measured > 2


def test_values_outside_the_bounds_are_named(city, records_of, settings):
    narrower = "[drift.indicators.registered_capital]\nmaximum = 399000\n"

    report = drifted(city(narrower), records_of(), settings)

    assert names(report) == ["outside:registered_capital"]
    assert report.breaches[0].said == "1 values of registered_capital lie outside 0 to 399000"
    assert report.breaches[0].measured == 1 / N_ENTITIES


def test_limits_may_differ_by_table_and_by_indicator(city, records_of, settings):
    patient = city("[drift.tables.penalties]\nrows_fell = 0.0\n[drift.indicators.registered_capital]\npsi = inf\n")

    report = drifted(patient, records_of((0, *(100,) * 15), more=restated(lambda n: (n + 1) / 10)), settings)

    assert report.breaches == []


def test_few_entities_never_break_a_limit_by_chance(city, write_records, settings):
    few = [row for row in entities() if row["entity_id"] < "E012"]
    lost = restated(lambda n: None, range(0, 12, 4))

    report = drifted(city(), write_records(entities=[*few, *lost]), settings)

    assert report.breaches == []
    assert report.content["indicators"][0]["share_missing"] == 0.25


def test_what_becomes_known_later_changes_nothing(city, write_records, settings):
    now = write_records(entities=entities(), penalties=penalties((60, *(100,) * 15)))
    later = write_records(
        entities=[*entities(), *restated(lambda n: 1.0, known_at=GRADING)],
        penalties=[
            *penalties((60, *(100,) * 15)),
            *penalties((900, 900), as_of=GRADING + timedelta(days=61), delay_days=50, start=1),
        ],
    )

    first, second = drifted(city(), now, settings), drifted(city(), later, settings)

    differing = {"report_id", "snapshot_id", "records_id"}
    assert {k: v for k, v in first.content.items() if k not in differing | {"reference"}} == {
        k: v for k, v in second.content.items() if k not in differing | {"reference"}
    }
    assert first.path != second.path


@pytest.mark.parametrize(
    ("day", "reference"),
    [
        (date(2020, 1, 1), None),
        (date(2020, 5, 1), "2020-01-01"),
        (date(2020, 9, 1), "2020-05-01"),
        (date(2021, 3, 1), "2020-05-01"),
    ],
)
def test_the_reference_always_lies_before_the_snapshot(day, reference, city, records_of, settings):
    report = drifted(city(), records_of(), settings, day)

    assert (report.content["reference"] or {}).get("as_of_date") == reference
    assert all((one["psi"] is None) == (reference is None) for one in report.content["indicators"])


def test_new_deliveries_do_not_call_for_another_reference(city, records_of, settings):
    built = build_snapshot(records_of(), REFERENCE, settings, quiet)
    newer = records_of((100,) * 16, as_of=GRADING + timedelta(days=1))

    report = drifted(city(), newer, settings)

    assert report.content["reference"]["snapshot_id"] == built.snapshot_id
    assert len(list(built.folder.parent.glob("2020-05-01-*"))) == 1


def test_pairs_are_held_against_the_pairs_of_the_stage_before(city, records_of, settings):
    records = records_of()
    stages = [pd.date_range("2020-02-01", periods=100), pd.date_range("2020-07-01", periods=100)]
    snapshots = [
        build_pairs_snapshot(
            records,
            pd.DataFrame({"entity_id": [f"E{n:03}" for n in range(100)], "as_of_date": days}),
            f"stage-{number}",
            settings,
            quiet,
        )
        for number, days in enumerate(stages)
    ]

    reports = measure_drift(city(), records, snapshots[::-1], settings, quiet)

    assert [report.as_of_date for report in reports] == [date(2020, 5, 10), date(2020, 10, 8)]
    assert [report.content["reference"] for report in reports] == [
        None,
        {"snapshot_id": snapshots[0].snapshot_id, "as_of_date": "2020-05-10"},
    ]
    assert [r.path for r in kept_reports(city(), records, date(2020, 10, 8), settings)] == [reports[1].path]


def test_what_was_measured_is_kept_as_json_and_not_measured_again(city, records_of, settings, monkeypatch):
    records = records_of()
    first = drifted(city(), records, settings)
    assert json.loads(first.path.read_text())["limits"]["psi"] == 0.25

    with monkeypatch.context() as broken:
        broken.setattr("features.drift.report.count_arrivals", None)
        assert drifted(city(), records, settings) == first

    stricter = drifted(city("[drift]\nrows_fell = 1.0\n"), records, settings)
    assert stricter.content["report_id"] != first.content["report_id"]
    assert stricter.path == first.path


def test_a_run_killed_while_it_writes_leaves_no_report(city, records_of, settings, monkeypatch):
    def killed(*arguments):
        raise KeyboardInterrupt

    records = records_of()
    snapshots = [build_snapshot(records, day, settings, quiet) for day in (REFERENCE, GRADING)]
    with monkeypatch.context() as broken:
        broken.setattr("data.files.os.fsync", killed)
        with pytest.raises(KeyboardInterrupt):
            check_drift(city(), records, snapshots, settings, quiet)

    assert not list((settings.var / "cities/toy/drift").glob("*"))
    assert drifted(city(), records, settings).breaches == []


def test_a_damaged_report_is_told(city, records_of, settings):
    records = records_of()
    report = drifted(city(), records, settings)
    report.path.write_text(report.path.read_text().replace('"n_rows": 100', '"n_rows": 101', 1))

    with pytest.raises(StorageError, match="must be as it was written, it is not. Remove it"):
        drifted(city(), records, settings)


@pytest.mark.parametrize(
    ("drift", "said"),
    [
        ("[drift]\nps = 1\n", "drift.ps: unknown key. Did you mean 'psi'"),
        ("[drift]\npsi = 0\n", "drift.psi: .*greater than 0, got 0"),
        ("[drift]\nrows_fell = 1.5\n", "drift.rows_fell: .*less than or equal to 1, got 1.5"),
        ("[drift.tables.penaltys]\nrows_fell = 0.1\n", "canonical tables. Did you mean 'penalties'"),
        ("[drift.tables.penalties]\nrows_fel = 0.1\n", "penalties.rows_fel: unknown key. Did you mean 'rows_fell'"),
        ("[drift.indicators.penalties]\nminimum = 2\nmaximum = 1\n", "minimum must not lie above maximum"),
        ('[[drift.accepted]]\nas_of_date = 2020-12-31\nbreaches = ["a"]\nwho = "x"\n', "accepted.0.why: missing"),
        (
            '[[drift.accepted]]\nas_of_date = 2020-12-31\nbreeches = ["a"]\n',
            "breeches: unknown key. Did you mean 'brea",
        ),
    ],
)
def test_what_is_wrong_in_the_limits_is_named(drift, said, city):
    with pytest.raises(ConfigurationError, match=said):
        city(drift)


def test_a_limit_of_an_unknown_indicator_names_the_nearest(city, records_of, settings):
    with pytest.raises(ConfigurationError, match=r"must name an indicator. Did you mean 'penalty_amount'"):
        drifted(city("[drift.indicators.penalty_amounts]\npsi = 1.0\n"), records_of(), settings)
