"""Measure a command in a process of its own, and report many measurements in one format.

A benchmark yields a `Report`; `publish` writes it to ``var/bench/<name>.json`` and prints it as a table. Peak memory is
that of the whole process tree: the resident sets of a command and all its children, added, sampled every 50 ms. CPU
time, user and system, is that of the whole tree too; where others share the machine, it drifts less than wall time.
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from data.files import write_json

SAMPLING_SECONDS = 0.05
MIB = 2**20
_VERSIONS = ("duckdb", "ibis-framework", "lightgbm", "mlflow", "numpy", "pandas", "pyarrow", "scikit-learn")


class BenchmarkError(Exception):
    """A measured command failed, or a check between two sides did not hold; no figure is reported then."""


@dataclass(frozen=True)
class Run:
    """One run of a command: wall time, peak memory and CPU time of its process tree, and what it printed."""

    seconds: float
    peak_rss_mib: float
    output: str
    cpu_seconds: float


@dataclass(frozen=True)
class Row:
    """Runs of one thing.

    Attributes
    ----------
    what : str
        What was measured.
    seconds : tuple of float
        Wall time of each run.
    n_rows : int or None
        Rows that one run works on; None where a rate means nothing.
    peak_rss_mib : float
        Highest peak of all runs.
    cpu_seconds : tuple of float
        User and system time of each run, all threads and children added; empty where it was not taken.
    """

    what: str
    seconds: tuple[float, ...]
    n_rows: int | None
    peak_rss_mib: float
    cpu_seconds: tuple[float, ...] = ()

    @property
    def median_seconds(self) -> float:
        """Median wall time."""
        return statistics.median(self.seconds)

    @property
    def median_cpu_seconds(self) -> float | None:
        """Median CPU time."""
        return statistics.median(self.cpu_seconds) if self.cpu_seconds else None

    @property
    def rows_per_second(self) -> float | None:
        """Rows worked on in a second, at the median."""
        return self.n_rows / self.median_seconds if self.n_rows and self.median_seconds else None

    def as_json(self) -> dict[str, Any]:
        """Return the row as the benchmark format has it."""
        return {
            "what": self.what,
            "seconds": [round(s, 4) for s in self.seconds],
            "median_seconds": round(self.median_seconds, 4),
            "rows_per_second": round(self.rows_per_second, 1) if self.rows_per_second else None,
            "peak_rss_mib": round(self.peak_rss_mib, 1),
            "cpu_seconds": [round(s, 4) for s in self.cpu_seconds],
            "median_cpu_seconds": None if self.median_cpu_seconds is None else round(self.median_cpu_seconds, 4),
        }


@dataclass(frozen=True)
class Report:
    """All that a benchmark found."""

    name: str
    work: str
    rows: tuple[Row, ...]
    ratios: Mapping[str, float] = field(default_factory=dict)
    checks: Mapping[str, float] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return the report, with the machine it was measured on."""
        return {
            "name": self.name,
            "machine": machine(),
            "work": self.work,
            "rows": [row.as_json() for row in self.rows],
            "ratios": dict(self.ratios),
            "checks": dict(self.checks),
        }


def measure(command: Sequence[str], environment: Mapping[str, str], limit_seconds: float = 3600.0) -> Run:
    """Run a command to its end and measure it; BenchmarkError with its last lines where it fails."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
        started, used = time.perf_counter(), _cpu_of_ended_children()
        process = subprocess.Popen(list(command), env=dict(environment), stdout=output, stderr=subprocess.STDOUT)
        try:
            peak = _watch(process, started + limit_seconds)
        finally:
            process.kill()
        seconds, cpu_seconds = time.perf_counter() - started, _cpu_of_ended_children() - used
        output.seek(0)
        text = output.read()
    if process.returncode != 0:
        raise BenchmarkError(f"`{' '.join(command)}` must end with 0, got {process.returncode}:\n{text[-2000:]}")
    return Run(seconds, peak / MIB, text, cpu_seconds)


def take_turns(
    sides: Mapping[str, Callable[[], Run]], n_rows: int | None, runs: int = 3, warm_ups: int = 1
) -> tuple[Row, ...]:
    """Measure peers and ours in turns (A B A B) after a warm-up, so that a drift of the machine hits all alike."""
    kept: dict[str, list[Run]] = {what: [] for what in sides}
    for turn in range(warm_ups + runs):
        for what, once in sides.items():
            run = once()
            if turn >= warm_ups:
                kept[what].append(run)
    return tuple(
        Row(
            what,
            tuple(r.seconds for r in done),
            n_rows,
            max(r.peak_rss_mib for r in done),
            tuple(r.cpu_seconds for r in done),
        )
        for what, done in kept.items()
    )


def machine() -> dict[str, Any]:
    """Say what the figures were measured on."""
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in _VERSIONS},
    }


def publish(report: Report, var: Path) -> Path:
    """Write ``var/bench/<name>.json``, print the table, and return the path."""
    path = var / "bench" / f"{report.name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, report.as_json())
    print(as_table(report))
    print(f"\n{path}")
    return path


def as_table(report: Report) -> str:
    """Return the report as a table for a terminal."""
    width = max(len(row.what) for row in report.rows)
    lines = [f"{report.name}: {report.work}", ""]
    lines.append(f"{'':{width}}  {'median s':>9}  {'CPU s':>7}  {'runs':>4}  {'rows/s':>12}  {'peak MiB':>9}")
    for row in report.rows:
        rate = f"{row.rows_per_second:,.0f}" if row.rows_per_second else "-"
        cpu = "-" if row.median_cpu_seconds is None else f"{row.median_cpu_seconds:.2f}"
        figures_of_row = (
            f"{row.median_seconds:9.2f}  {cpu:>7}  {len(row.seconds):4d}  {rate:>12}  {row.peak_rss_mib:9,.0f}"
        )
        lines.append(f"{row.what:{width}}  {figures_of_row}")
    for title, figures in (("ratios", report.ratios), ("checks", report.checks)):
        lines += ["", *(f"{title}: {name} {value:.4g}" for name, value in figures.items())] if figures else []
    return "\n".join(lines)


def command_path() -> str:
    """Return the `qianfen` command that lies beside the Python in use."""
    return str(Path(sys.executable).with_name("qianfen"))


def _watch(process: subprocess.Popen[bytes], deadline: float) -> int:
    """Wait for a process; return the highest sum of resident sets of its tree, in bytes."""
    tree = psutil.Process(process.pid)
    peak = 0
    while process.poll() is None:
        if time.perf_counter() > deadline:
            raise BenchmarkError(f"{process.args!r} must end within its limit, it did not.")
        peak = max(peak, _resident(tree))
        time.sleep(SAMPLING_SECONDS)
    return peak


def _cpu_of_ended_children() -> float:
    """Return the CPU time of all processes that this one started and that have ended, their own children included."""
    times = os.times()
    return times.children_user + times.children_system


def _resident(tree: psutil.Process) -> int:
    total = 0
    try:
        members = [tree, *tree.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    for member in members:
        try:
            total += member.memory_info().rss
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            # It ended between the listing and the look.
            continue
    return total
