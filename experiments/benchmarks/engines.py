"""One snapshot of all indicators on DuckDB and on Spark in local mode, with the same cores, at cities of several sizes.

Each build is `qianfen features build` in a process of its own, the start of Python and Spark included. The values are
checked equal before times are compared.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import click
import numpy as np

from data.city import load_city
from data.settings import ENGINES
from experiments.benchmarks.harness import BenchmarkError, Report, Row, Run, command_path, measure, take_turns
from features.snapshots import Snapshot, load_snapshot

CITY = "synthetic"
SIZES = (20_000, 200_000)
TOLERANCE = 1e-9


@click.command("engines", help=__doc__)
@click.option("--entities", "sizes", type=int, multiple=True, default=SIZES, show_default=True)
@click.option("--runs", default=3, show_default=True, help="Measured runs of each engine, after one to warm up.")
@click.pass_obj
def benchmark(environment: Mapping[str, str], sizes: Sequence[int], runs: int) -> Report:
    """Let the engines take turns at every size."""
    rows: list[Row] = []
    ratios: dict[str, float] = {}
    checks: dict[str, float] = {}
    for size in sizes:
        measured, checks[f"{size:,}: largest difference"] = _one_size(size, runs, environment)
        duckdb, spark = measured
        ratios[f"{size:,}: spark_vs_duckdb"] = round(spark.median_seconds / duckdb.median_seconds, 2)
        rows += measured
    work = f"one snapshot of 18 indicators, synthetic city of {' and '.join(f'{s:,}' for s in sizes)} entities"
    return Report("engines", work, tuple(rows), ratios, checks)


def _one_size(n_entities: int, runs: int, environment: Mapping[str, str]) -> tuple[tuple[Row, ...], float]:
    var = Path(tempfile.mkdtemp(prefix="qianfen-bench-"))
    own = {**environment, "QIANFEN_VAR": str(var)}
    try:
        measure([command_path(), "synthetic", "--entities", str(n_entities)], own)
        measure([command_path(), "ingest", CITY], own)
        sides = {f"{n_entities:,}: {engine}": _build(engine, var, own) for engine in ENGINES}
        rows = take_turns(sides, n_entities, runs)
        return rows, _largest_difference(*(_snapshot(var, engine) for engine in ENGINES))
    finally:
        shutil.rmtree(var, ignore_errors=True)


def _build(engine: str, var: Path, environment: Mapping[str, str]) -> Callable[[], Run]:
    """Return the build of the snapshot as of the day of grading; one that is there is removed first."""
    day = load_city(CITY).split.grading.isoformat()

    def once() -> Run:
        for snapshot in _snapshots(var):
            if snapshot.manifest["engine"] == engine:
                shutil.rmtree(snapshot.folder)
        command = [command_path(), "features", "build", CITY, "--as-of", day, "--engine", engine]
        run = measure(command, environment)
        click.echo(f"{engine} {run.seconds:.1f} s", err=True)
        return run

    return once


def _snapshots(var: Path) -> list[Snapshot]:
    return [load_snapshot(path.parent) for path in (var / "cities" / CITY / "snapshots").glob("*/manifest.json")]


def _snapshot(var: Path, engine: str) -> Snapshot:
    (snapshot,) = (found for found in _snapshots(var) if found.manifest["engine"] == engine)
    return snapshot


def _largest_difference(one: Snapshot, other: Snapshot) -> float:
    """Return the largest relative difference (absolute below 1); BenchmarkError where it is above the tolerance."""
    left, right = (snapshot.read().set_index(["entity_id", "as_of_date"]) for snapshot in (one, other))
    if not left.index.equals(right.index) or not left.isna().equals(right.isna()):
        raise BenchmarkError("The engines must give the same entities and the same missing values, they do not.")
    difference = float(np.nanmax((left - right).abs() / left.abs().clip(lower=1.0)))
    if difference > TOLERANCE:
        raise BenchmarkError(f"The engines must agree within {TOLERANCE}, they differ by {difference}.")
    return difference
