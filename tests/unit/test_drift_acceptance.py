"""Acceptances: exactly what was accepted passes; who, when and why are kept, whatever else is built or removed."""

from __future__ import annotations

import shutil
from datetime import date

import pytest

from data.city import load_city
from data.errors import DriftError, NotFoundError, RequestError, StorageError
from data.records import ingest
from features.drift.acceptance import accept, acceptances
from features.drift.report import check_drift, measure_drift
from features.drift.rules import Breach
from features.snapshots import build_snapshot
from features.store import FeatureStore
from features.verification import verify_store

DAY = date(2020, 12, 31)
SILENT = Breach("rows_fell:inspections/a.csv", "nothing came", 0.0, 50.0)
MOVED = Breach("psi:penalties", "has moved", 0.31, 0.25)


def quiet(line):
    """Print nothing."""


@pytest.fixture
def city(write_city):
    return load_city(str(write_city()))


def with_more(folder, toml):
    """Add to city.toml and load the city."""
    path = folder / "city.toml"
    path.write_text(path.read_text(encoding="utf-8") + toml, encoding="utf-8")
    return load_city(str(folder))


def covered(city, settings, *breaches, day=DAY):
    """Return the names of the breaches that some acceptance lets pass."""
    return [b.name for b in breaches if any(one.covers(day, b) for one in acceptances(city, settings))]


def test_who_when_and_why_are_kept(city, settings):
    accept(city, settings, DAY, [SILENT, MOVED], (), " Wang ", "the office moved")

    first, second = acceptances(city, settings)
    assert (first.breach, second.breach) == (SILENT.name, MOVED.name)
    assert (first.as_of_date, first.who, first.why) == (DAY, "Wang", "the office moved")
    assert first.accepted_at.startswith("20")
    assert first.accepted_at.endswith("+00:00")


def test_only_the_named_breach_of_that_date_with_that_value_passes(city, settings):
    accept(city, settings, DAY, [SILENT, MOVED], [SILENT.name], "Wang", "the office moved")

    assert covered(city, settings, SILENT, MOVED) == [SILENT.name]
    assert covered(city, settings, SILENT, day=date(2021, 1, 31)) == []
    assert covered(city, settings, Breach(SILENT.name, "hardly anything came", 3.0, 50.0)) == []


def test_an_acceptance_is_added_and_none_is_changed(city, settings):
    accept(city, settings, DAY, [SILENT], (), "Wang", "the office moved")
    (first,) = (settings.var / "cities/toy/drift/accepted").iterdir()
    content = first.read_bytes()

    accept(city, settings, DAY, [SILENT], (), "Li", "looked at again")

    assert first.read_bytes() == content
    assert [one.who for one in acceptances(city, settings)] == ["Wang", "Li"]


@pytest.mark.parametrize(
    ("breaches", "chosen", "who", "why", "error", "said"),
    [
        ([SILENT], [], "  ", "x", RequestError, "--who must say something, got nothing"),
        ([SILENT], [], "Wang", "", RequestError, "--why must say something, got nothing"),
        ([], [], "Wang", "x", NotFoundError, "has no open breach as of 2020-12-31. See `qianfen features drift toy"),
        ([MOVED], ["psi:penaltie"], "Wang", "x", NotFoundError, "'psi:penaltie'.*Did you mean 'psi:penalties'"),
    ],
)
def test_what_cannot_be_accepted_is_told_and_nothing_kept(breaches, chosen, who, why, error, said, city, settings):
    with pytest.raises(error, match=said):
        accept(city, settings, DAY, breaches, chosen, who, why)

    assert acceptances(city, settings) == []


def test_a_run_killed_while_it_accepts_keeps_nothing_half(city, settings, monkeypatch):
    def killed(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr("data.files.os.fsync", killed)
        with pytest.raises(KeyboardInterrupt):
            accept(city, settings, DAY, [SILENT], (), "Wang", "the office moved")

    assert acceptances(city, settings) == []
    assert not list((settings.var / "cities/toy/drift/accepted").iterdir())


def test_an_acceptance_that_was_changed_by_hand_is_told(city, settings):
    accept(city, settings, DAY, [SILENT], (), "Wang", "the office moved")
    (path,) = (settings.var / "cities/toy/drift/accepted").iterdir()
    path.write_text(path.read_text().replace("Wang", "Zhao"))

    with pytest.raises(StorageError, match="must be as it was written, it is not. Put it back from a backup"):
        acceptances(city, settings)


def test_what_is_accepted_passes_and_survives_that_all_is_built_again(write_city, write_records, settings):
    # given: a city whose capital limit is broken, and where somebody accepted that
    city = with_more(write_city(), "[drift.indicators.registered_capital]\nmaximum = 1\n")
    entities = [{"entity_id": f"E{n}", "event_date": date(2010, 1, 1), "registered_capital": n} for n in range(9)]
    records = write_records(entities=entities)
    snapshot = build_snapshot(records, DAY, settings, quiet)
    with pytest.raises(DriftError, match="outside:registered_capital: 7 values"):
        check_drift(city, records, [snapshot], settings, quiet)
    (report,) = measure_drift(city, records, [snapshot], settings, quiet)
    accept(city, settings, DAY, report.open_breaches, (), "Wang", "new companies")

    # when: rows become known later, and everything is built again
    later = write_records(entities=[*entities, {"entity_id": "E9", "event_date": DAY, "registered_capital": 9}])
    shutil.rmtree(settings.var / "cities/toy/snapshots")
    said = []
    (again,) = check_drift(city, later, [build_snapshot(later, DAY, settings, quiet)], settings, said.append)

    assert again.accepted["outside:registered_capital"].who == "Wang"
    assert said[-1] == "Drift as of 2020-12-31: 1 limit(s) broken, 1 accepted."

    # and: the next date stops again
    with pytest.raises(DriftError, match="8 values of registered_capital"):
        check_drift(city, later, [build_snapshot(later, date(2021, 1, 31), settings, quiet)], settings, quiet)


def test_verification_finds_a_changed_report_and_a_changed_acceptance(write_city, settings):
    city = load_city(str(write_city()))
    records = ingest(city, settings, quiet)
    (report,) = measure_drift(city, records, [build_snapshot(records, DAY, settings, quiet)], settings, quiet)
    accept(city, settings, DAY, [SILENT], (), "Wang", "the office moved")
    (accepted,) = (settings.var / "cities/toy/drift/accepted").iterdir()
    store = FeatureStore(city, settings)
    assert verify_store(store, [], quiet).damages == []

    report.path.write_text(report.path.read_text().replace('"n": 2', '"n": 3', 1))
    accepted.write_text(accepted.read_text().replace("Wang", "Wong"))

    damages = verify_store(store, [], quiet).damages
    assert [damage.path for damage in damages] == [report.path, accepted]
    assert "it alone says who accepted what" in damages[1].remedy


def test_city_toml_may_accept_breaches_of_one_date(write_city, settings):
    accepted = '[[drift.accepted]]\nas_of_date = 2020-12-31\nbreaches = ["psi:penalties"]\nwho = "A"\nwhy = "B"\n'
    city = with_more(write_city(), accepted)

    assert covered(city, settings, SILENT, MOVED) == [MOVED.name]
    assert covered(city, settings, MOVED, day=date(2021, 1, 31)) == []
