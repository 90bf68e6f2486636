"""One report of monitoring: what it says, that nothing known later changes it, its pages, its lines and exit code."""

from __future__ import annotations

import dataclasses
from datetime import date, timedelta
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner

from data.errors import ArtifactError, LabelError, NotFoundError, RegistryError, RequestError
from data.files import read_json
from features.snapshots import open_snapshot
from serving.commands import cli
from serving.monitoring import report_lines
from serving.monitoring_page import render, write_pages
from serving.monitoring_words import MonitoringWords
from training import registry
from training.monitoring.evidence import Graded
from training.monitoring.report import monitor_city
from training.monitoring.reports import keep_report, log_or_keep, push_reports

GRADED = date(2020, 12, 31)
OVER = GRADED + timedelta(days=91)
"""The label window of 90 days is over, and reported, on this day."""

LEARNED = date(2020, 5, 1)


def visits(known_late=()):
    """Everybody is inspected within the window; those with an even number fail."""
    rows = [
        {"entity_id": f"E{n:02}", "event_date": date(2021, 1, 5) + timedelta(days=n), "failed": n % 2 == 0}
        for n in range(60)
    ]
    # The day after the window, so that the records are known to reach that far.
    return [*rows, {"entity_id": "E00", "event_date": OVER - timedelta(days=1), "failed": False}, *known_late]


@pytest.fixture
def chances(monkeypatch):
    """Everybody is inspected with the chance 0.5; the calls are kept."""
    calls = []

    def chances_of(city, records, days, horizon, settings, progress):
        calls.append((city.selection.known_by, days, horizon))
        ids = np.array([f"E{n:02}" for n in range(60)], dtype=object)
        return [SimpleNamespace(active=SimpleNamespace(entity_ids=ids), chance=np.full(60, 0.5))]

    monkeypatch.setattr("training.monitoring.performance.inspection_chances", chances_of)
    return calls


@pytest.fixture
def monitored(graded_city, write_records, chances):
    """Return a function that monitors the graded city, with these inspections, as of a day."""
    reference = open_snapshot(graded_city.records, LEARNED, graded_city.settings)
    ids = {"reference_snapshot": reference.snapshot_id, "snapshots": {"trees": [reference.snapshot_id]}}
    model = graded_city.model
    model = dataclasses.replace(model, manifest={**model.manifest, **ids, "metrics": {"roc_auc": 0.9}})
    grading = graded_city.grading
    graded = Graded(
        grading.as_of_date, grading.model_version, str(grading.manifest["snapshot_id"]), grading.path
    )  # fmt: skip
    city = graded_city.city
    limits = city.monitoring.model_copy(update={"grade_labels": 5, "draws": 20})
    sources = city.sources.model_copy(update={"taken_on": None})
    city = city.model_copy(update={"monitoring": limits, "sources": sources})
    known = [{"entity_id": f"E{n:02}", "event_date": date(2015, 1, 1)} for n in range(60)]

    def monitor(inspections, day=OVER, model=model, gradings=(graded,)):
        # A failure long ago gives the training rows a label.
        before = [{"entity_id": f"E{n:02}", "event_date": date(2020, 5, 2), "failed": n % 3 == 0} for n in range(30)]
        records = write_records(entities=known, inspections=[*before, *inspections])
        return monitor_city(city, records, graded_city.settings, model, gradings, day, lambda _: None)

    monitor.city, monitor.settings, monitor.model, monitor.graded = city, graded_city.settings, model, graded
    return monitor


def test_a_report_holds_what_moved_what_came_true_and_what_is_expected(monitored):
    report = monitored(visits())

    outcome = report["outcomes"][0]
    assert report["reference"]["as_of_date"] == "2020-05-01"
    assert len(report["moved"]["indicators"]) == len(monitored.model.names)
    assert sum(row["then"] for row in report["moved"]["grades"]) == pytest.approx(1.0)
    assert (outcome["as_of_date"], outcome["n_labelled"]) == ("2020-12-31", 60)
    assert sum(row["n_violations"] for row in outcome["rates"]) == 30
    assert outcome["figures"]["violation_rate"]["came_true"]["value"] == 0.5
    assert report["expected"]["labels_known_on"] == str(OVER)
    assert report["told_apart"]["training"]["n_then"] == 30


def test_chances_are_read_from_the_past_alone_even_where_weights_look_into_the_window(monitored, chances):
    report = monitored(visits())

    assert chances == [("as_of_date", [GRADED], 90)] * 2
    assert report["expected"]["among"] == report["outcomes"][0]["among"] == "inspected"


def test_where_chances_cannot_be_learned_everybody_counts_and_that_is_said(monitored, monkeypatch):
    def too_few(*given):
        raise LabelError("Too few were inspected.")

    monkeypatch.setattr("training.monitoring.performance.inspection_chances", too_few)

    report = monitored(visits())

    assert report["expected"]["among"] == "everybody"
    assert MonitoringWords("en")["among_everybody"] in render(monitored.city, report, "en")


def test_what_becomes_known_later_changes_nothing(monitored):
    later = [
        # A violation within the window that is told too late, and one after the window.
        {"entity_id": "E01", "event_date": date(2021, 2, 1), "failed": True, "known_at": OVER + timedelta(days=5)},
        {"entity_id": "E03", "event_date": OVER, "failed": True},
    ]

    without, with_later = monitored(visits()), monitored(visits(later))

    assert without.pop("records_id") != with_later.pop("records_id")
    assert without == with_later


@pytest.mark.parametrize("day", [OVER - timedelta(days=1), GRADED])
def test_a_grading_whose_window_is_not_over_has_no_outcome_yet(monitored, day):
    report = monitored(visits(), day=day)

    assert report["outcomes"] == []
    assert any("2021-04-01" in line for line in report_lines(report))


def test_records_that_end_within_the_window_give_no_outcome_whatever_the_day(monitored):
    assert monitored(visits()[:-1], day=date(2030, 1, 1))["outcomes"] == []


def test_a_model_that_came_to_be_worse_than_its_test_rings(monitored):
    report = monitored(visits())

    found = {finding["kind"]: finding["level"] for finding in report["findings"]}
    assert found["came_true_auc"] == "alarm"
    assert report["level"] == "alarm"


def former(monitored, monkeypatch, label=(), **split):
    """Let another model have made the grading, whose AUC on its test was 0.5 and whose best grade is called A1."""
    manifest, points = monitored.model.manifest, monitored.model.cut_points.as_json()
    points |= {"grades": ["A1", *points["grades"][1:]]}
    manifest = {**manifest, "model_version": "former", "metrics": {"roc_auc": 0.5}, "cut_points": points}
    manifest |= {"label": monitored.city.label.model_dump(mode="json") | dict(label)}
    manifest |= {"split": {**monitored.city.split.model_dump(mode="json"), **split}}
    monkeypatch.setattr("training.monitoring.performance.artifact_of", lambda *given: "t0/lightgbm_offset")
    monkeypatch.setattr("training.monitoring.performance.read_json", lambda path: manifest)
    return monitored(visits(), gradings=(dataclasses.replace(monitored.graded, model_version="former"),))


def test_a_grading_of_a_former_model_is_held_against_that_models_test_and_grades(monitored, monkeypatch):
    report = former(monitored, monkeypatch)

    (outcome,) = report["outcomes"]
    assert report["champion"]["test"]["roc_auc"] == 0.9
    assert (outcome["model_version"], outcome["test_roc_auc"]) == ("former", 0.5)
    assert [row["grade"] for row in outcome["rates"]][:2] == ["A1", "B"]
    # Against the champion's 0.9 it would be an alarm below 0.85.
    assert [f["limit"] for f in report["findings"] if f["kind"] == "came_true_auc"] in ([], [0.45], [0.48])
    for language in ("zh", "en"):
        said = MonitoringWords(language).made_by(report, outcome)
        assert "former" in said
        assert "0.500" in said
        assert said in render(monitored.city, {**report, "outcomes": [outcome, outcome]}, language)
    assert any("Model former made this grading" in line for line in report_lines(report))
    assert MonitoringWords("en").made_by(monitored(visits()), monitored(visits())["outcomes"][0]) == ""


@pytest.mark.parametrize("changes", [{"test": ["2021-02-01"]}, {"label": {"horizon_days": 30}}])
def test_the_test_of_a_former_model_that_was_known_later_or_is_of_another_label_is_no_measure(
    monitored, monkeypatch, changes
):
    report = former(monitored, monkeypatch, **changes)

    (outcome,) = report["outcomes"]
    assert outcome["test_roc_auc"] is None
    assert "came_true_auc" not in {finding["kind"] for finding in report["findings"]}
    assert "a fall of the AUC is not judged" in MonitoringWords("en").made_by(report, outcome)


def test_a_day_before_the_champions_test_was_known_is_refused_and_the_first_day_named(monitored):
    split = monitored.city.split.model_dump(mode="json") | {"test": ["2020-12-31"]}
    model = dataclasses.replace(monitored.model, manifest={**monitored.model.manifest, "split": split})

    with pytest.raises(RequestError, match="as of 2021-04-01 or later"):
        monitored(visits(), day=OVER - timedelta(days=1), model=model)
    assert monitored(visits(), day=OVER, model=model)["as_of_date"] == "2021-04-01"


def test_a_grading_of_a_later_day_is_not_looked_at(monitored):
    with pytest.raises(NotFoundError, match="graded as of 2020-12-30 or before"):
        monitored(visits(), day=GRADED - timedelta(days=1))


def test_a_snapshot_that_is_gone_or_of_other_indicators_is_told(monitored):
    gone = dataclasses.replace(monitored.model, manifest={**monitored.model.manifest, "reference_snapshot": "gone"})
    other = dataclasses.replace(monitored.model, manifest={**monitored.model.manifest, "catalogue_hash": "other"})

    with pytest.raises(NotFoundError, match="Snapshot gone"):
        monitored(visits(), model=gone)
    with pytest.raises(ArtifactError, match="must hold the indicators other"):
        monitored(visits(), model=other)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_pages_say_every_finding_and_every_rate(monitored, language):
    report = monitored(visits())
    words = MonitoringWords(language)

    page = render(monitored.city, report, language)

    assert all(words.finding(finding) in page for finding in report["findings"])
    assert all(words.figure("violation_rate", row["rate"]["value"]) in page for row in report["outcomes"][0]["rates"])
    assert words["alarm"] in page
    assert words.no_outcomes(report) in render(monitored.city, {**report, "outcomes": []}, language)


def test_the_report_is_kept_and_goes_to_mlflow_when_it_is_back(monitored, monkeypatch, settings):
    report, said = monitored(visits()), []
    folder = keep_report(monitored.city, settings, report)
    write_pages(monitored.city, report, folder)

    def away(*given):
        raise RegistryError("MLflow must be reachable, it is not.")

    monkeypatch.setattr("training.monitoring.reports.log_monitoring", away)

    assert log_or_keep(monitored.city, settings, folder, said.append) is None
    assert "not in MLflow yet" in said[-1]
    assert read_json(folder / "report.json")["level"] == "alarm"
    assert {path.name for path in folder.iterdir()} == {"report.json", "zh.html", "en.html"}

    logged = []
    monkeypatch.setattr("training.monitoring.reports.log_monitoring", lambda *given: logged.append(given) or "run-1")
    assert push_reports(monitored.city, settings, said.append) == [folder]
    assert push_reports(monitored.city, settings, said.append) == []
    assert len(logged) == 1


def test_a_run_in_mlflow_has_the_figures_and_the_pages(monitored, settings):
    report = monitored(visits())
    folder = keep_report(monitored.city, settings, report)

    run_id = registry.log_monitoring(monitored.city, settings, report, folder)

    assert registry.log_monitoring(monitored.city, settings, report, folder) == run_id


def test_the_command_ends_with_the_code_of_its_gravest_finding(graded_city, monkeypatch, monitored, tmp_path):
    report = monitored(visits())
    monkeypatch.setattr("serving.monitoring.monitor", lambda *given: (report, tmp_path))
    monkeypatch.setattr("serving.promotions.settle_champion", lambda *given: None)

    for level, code in {"quiet": 0, "notice": 18, "alarm": 19}.items():
        report["level"] = level
        result = CliRunner().invoke(
            cli,
            ["monitor", str(graded_city.city.folder), "--html", str(tmp_path / "pages")],
            obj=graded_city.settings,
        )
        assert result.exit_code == code, result.output
    assert (tmp_path / "pages" / "zh.html").is_file()


def test_before_the_first_promotion_the_command_says_what_to_do(write_city, settings):
    result = CliRunner().invoke(cli, ["monitor", str(write_city())], obj=settings)

    assert isinstance(result.exception, NotFoundError)
    assert "no champion yet" in str(result.exception)
