"""Reports of monitoring on disk: report.json for machines, and a run in MLflow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from data.city import City
from data.files import fingerprint, read_json, write_json
from data.progress import Progress
from data.settings import Settings
from training.kept_runs import logged_or_kept, waiting
from training.registry import log_monitoring

REPORT = "report.json"


def keep_report(city: City, settings: Settings, content: dict[str, Any]) -> Path:
    """Write a report and return its folder, whose name has the day and stands for the content."""
    folder = _home(city, settings) / f"{content['as_of_date']}-{fingerprint(content)}"
    write_json(folder / REPORT, content)
    return folder


def log_or_keep(city: City, settings: Settings, folder: Path, progress: Progress = print) -> str | None:
    """Log a report to MLflow with what lies beside it, unless that was done; return the run's id.

    Where MLflow is away, say so and return None: the report is whole on disk, and `qianfen push` logs it later.
    """

    def log() -> str:
        return log_monitoring(city, settings, read_json(folder / REPORT), folder)

    return logged_or_kept(folder, "report", log, progress)


def push_reports(city: City, settings: Settings, progress: Progress = print) -> list[Path]:
    """Log every report that MLflow has not got; return the folders of those that it took."""
    found = waiting(_home(city, settings), REPORT)
    return [folder for folder in found if log_or_keep(city, settings, folder, progress)]


def _home(city: City, settings: Settings) -> Path:
    return settings.var / "cities" / city.name / "monitoring"
