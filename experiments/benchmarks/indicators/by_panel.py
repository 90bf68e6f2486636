"""The indicators by Qianfen's panel, each date written as a snapshot holds it."""

from __future__ import annotations

from data.records import Records
from experiments.benchmarks.indicators import Task
from features.catalogue import load_catalogue
from features.panel import build_panel
from features.snapshots import write_rows


def write_indicators(task: Task) -> None:
    """Write the indicators of every active entity as of each date."""
    # Of the manifest the panel needs which tables there are.
    records = Records("synthetic", task.records, task.records.name, {"tables": task.tables})
    names = load_catalogue().names
    matrices = build_panel(records, task.as_of_dates, threads=task.threads)
    for day, matrix in zip(sorted(task.as_of_dates), matrices, strict=True):
        write_rows(task.path(day), matrix.to_batches(), names)
