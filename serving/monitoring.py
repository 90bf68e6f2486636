"""Monitoring as the command does it: the kept gradings in, a report with its pages out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from data.city import City
from data.progress import Progress
from data.records import Records
from data.settings import Settings
from serving.gradings import kept_gradings
from serving.monitoring_page import write_pages
from serving.monitoring_words import MonitoringWords
from training.champions import load_champion
from training.monitoring.evidence import Graded
from training.monitoring.report import monitor_city
from training.monitoring.reports import keep_report, log_or_keep


def monitor(
    city: City, records: Records, settings: Settings, day: date | None, progress: Progress = print
) -> tuple[dict[str, Any], Path]:
    """Return the report as of a day and its folder: report.json, zh.html and en.html, logged to MLflow.

    Raises
    ------
    NotFoundError
        Where there is no champion, no grading by that day, or a snapshot is gone.
    RequestError
        Where the champion's test was not known by that day.
    ArtifactError
        Where a snapshot holds other indicators than the champion was made for.
    """
    gradings = [
        Graded(one.as_of_date, one.model_version, str(one.manifest["snapshot_id"]), one.path)
        for one in kept_gradings(city, settings)
    ]
    content = monitor_city(city, records, settings, load_champion(city, settings), gradings, day, progress)
    folder = keep_report(city, settings, content)
    write_pages(city, content, folder)
    log_or_keep(city, settings, folder, progress)
    return content, folder


def report_lines(content: Mapping[str, Any]) -> Iterator[str]:
    """Yield a report in short: its level, the findings, and the figures that matter most."""
    words = MonitoringWords("en")
    yield f"{content['city']} as of {content['as_of_date']}: {words[content['level']]}"
    for finding in content["findings"]:
        yield f"  {words[finding['level']]:<7}{words.finding(finding)}"
    yield f"  PSI of the points {content['moved']['points']['psi']:.3f}"
    for name, figure in content["expected"]["figures"].items():
        yield f"  {words[name]}, expected: {words.interval(name, figure)}"
    for outcome in content["outcomes"][:1]:
        yield f"  Graded as of {outcome['as_of_date']}, {outcome['n_labelled']:,} inspected since:"
        if words.made_by(content, outcome):
            yield f"  {words.made_by(content, outcome)}"
        for row in outcome["rates"]:
            yield f"    {row['grade']}  {row['n']:>7,} inspected  {words.interval('violation_rate', row['rate'])}"
        for name, one in (outcome["figures"] or {}).items():
            yield (
                f"    {words[name]}: expected {words.figure(name, one['before']['value'])}, "
                f"came true {words.interval(name, one['came_true'])}"
            )
    if not content["outcomes"]:
        yield f"  {words.no_outcomes(content)}"
    for name, one in content["told_apart"].items():
        if one is not None:
            yield f"  {words[f'against_{name}']}: AUC {words.interval('roc_auc', one['roc_auc'])}"
