"""Drift at the command: grading stops with its own exit code, the report says why, an acceptance lets it go on."""

from __future__ import annotations

import shutil
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from data.city import load_city
from data.errors import DriftError
from features.drift.report import DriftReport
from features.drift.rules import IndicatorDrifted
from serving.commands import main
from serving.drift import report_lines

DRIFTED = "\n[drift.indicators.address_sharing]\nmaximum = 8\n"
BREACH = "outside:address_sharing"
ACCEPTED = ("--as-of", "2020-12-31", "--who", "W", "--why", "New")


@pytest.fixture
def run(graded_city, tmp_path, monkeypatch, capsys):
    """Run `qianfen` on a copy of the graded city whose addresses are shared by more than the city allows."""
    home = graded_city.settings.var.parent
    shutil.copytree(home, tmp_path / "home")
    toml = tmp_path / "home" / "toy" / "city.toml"
    toml.write_text(toml.read_text(encoding="utf-8") + DRIFTED, encoding="utf-8")

    def command(*arguments):
        monkeypatch.setenv("QIANFEN_VAR", str(tmp_path / "home" / "var"))
        filled = [str(toml.parent) if argument == "TOY" else argument for argument in arguments]
        monkeypatch.setattr(sys, "argv", ["qianfen", *filled])
        with pytest.raises(SystemExit) as end:
            main()
        out, err = capsys.readouterr()
        return end.value.code, out, err

    return command


def test_grading_stops_until_the_breach_is_accepted(run):
    code, _, err = run("grade", "TOY")
    assert code == 13
    assert f"as of 2020-12-31  {BREACH}: 36 values of address_sharing lie outside 1 to 8" in err
    assert "Traceback" not in err

    code, out, _ = run("features", "accept-drift", "TOY", BREACH, *ACCEPTED)
    assert code == 0
    assert f"Accepted as of 2020-12-31: {BREACH}, 36 values of address_sharing lie outside 1 to 8." in out

    # Another breach of the same snapshot was not meant.
    code, _, err = run("grade", "TOY")
    assert code == 13
    assert BREACH not in err
    assert "psi:penalty_amount: penalty_amount has moved from the reference" in err

    run("features", "accept-drift", "TOY", *ACCEPTED)
    code, out, err = run("grade", "TOY")
    assert code == 0, err
    assert "Drift as of 2020-12-31: 2 limit(s) broken, 2 accepted." in out


def test_the_report_shows_sources_indicators_and_who_accepted_what(run):
    code, out, _ = run("features", "drift", "TOY")
    assert code == 0
    assert "Toy city: drift of the data as of 2020-12-31, against 2020-05-01" in out
    assert "nobody accepted it: training and grading stop here" in out
    assert "--as-of 2020-12-31 --who NAME --why TEXT" in out
    (penalties,) = [line for line in out.splitlines() if line.startswith("  penalties/")]
    assert penalties.split()[:1] == ["penalties/penalties.csv"]
    assert len([line for line in out.splitlines() if line.startswith("  address_sharing")]) == 1

    run("features", "accept-drift", "TOY", *ACCEPTED)
    _, out, _ = run("features", "drift", "TOY")
    assert "accepted by W (20" in out
    assert out.splitlines()[-1].startswith("Next: `qianfen grade")


@pytest.mark.parametrize(("now", "then", "is_shown"), [(1.0, 0.0, True), (0.0, 1.0, True), (1.0, 1.0, False)])
def test_an_indicator_that_lost_or_gained_all_its_values_is_shown(graded_city, now, then, is_shown):
    measured = IndicatorDrifted("penalties", 100, now, 0, 0.0, None, 100, then, 18.4, 0.1)
    reference = {"as_of_date": "2020-05-01"}
    content = {"as_of_date": "2020-12-31", "reference": reference, "sources": [], "breaches": []}
    report = DriftReport(Path("report.json"), content | {"indicators": [asdict(measured)]}, {})

    lines = list(report_lines(graded_city.city, report))

    assert any(line.startswith("  penalties ") and line.endswith("too far") for line in lines) == is_shown
    assert ("  1 indicators have no value, here or in the reference." in lines) != is_shown


def test_what_is_not_open_cannot_be_accepted(run):
    code, _, err = run(
        "features", "accept-drift", "TOY", "outside:adress", "--as-of", "2020-12-31", "--who", "W", "--why", "x"
    )

    assert code == 8
    assert f"toy has no open breach 'outside:adress' as of 2020-12-31. Did you mean '{BREACH}'?" in err


def test_an_acceptance_without_a_reason_is_refused(run):
    code, _, err = run("features", "accept-drift", "TOY", "--as-of", "2020-12-31", "--who", "W", "--why", " ")

    assert code == 9
    assert "--why must say something, got nothing" in err


def test_training_stops_before_anything_is_fitted(graded_city, run, monkeypatch, tmp_path):
    # given: a city that can be trained, but for its labels; the check comes before the fit
    from features.snapshots import build_snapshot
    from training import runs

    settings, records = graded_city.settings, graded_city.records
    city = load_city(str(tmp_path / "home" / "toy"))
    snapshot = build_snapshot(records, city.split.grading, settings, lambda line: None)
    rows = runs.Rows(None, None, None, (snapshot,))
    monkeypatch.setattr(runs, "stage_rows", lambda *arguments: rows)
    monkeypatch.setattr(runs, "_fit_all", None)

    with pytest.raises(DriftError, match=BREACH):
        runs.train_city(city, records, settings, lambda line: None)
