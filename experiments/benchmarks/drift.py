"""Drift of a snapshot against building it: what the check before every grading costs, at the scale of a city.

Both are the `qianfen` command in a process of its own. What it takes where all is done already is taken off both.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import click

from data.city import load_city
from data.files import read_json
from experiments.benchmarks.harness import BenchmarkError, Report, Run, command_path, measure, take_turns

CITY = "synthetic"
BUILD, DRIFT, NOTHING = "build the snapshot", "measure its drift", "find all done"


@click.command("drift", help=__doc__)
@click.option("--entities", default=1_300_000, show_default=True)
@click.option("--runs", default=3, show_default=True)
@click.pass_obj
def benchmark(environment: Mapping[str, str], entities: int, runs: int) -> Report:
    """Build and measure in turns."""
    var = Path(tempfile.mkdtemp(prefix="qianfen-bench-"))
    own = {**environment, "QIANFEN_VAR": str(var)}
    home, split = var / "cities" / CITY, load_city(CITY).split
    build = [command_path(), "features", "build", CITY, "--as-of", split.grading.isoformat()]
    drift = [command_path(), "features", "drift", CITY]

    def built() -> Run:
        for folder in (home / "snapshots").glob(f"{split.grading}-*"):
            shutil.rmtree(folder)
        return measure(build, own)

    def drifted() -> Run:
        shutil.rmtree(home / "drift", ignore_errors=True)
        return measure(drift, own)

    try:
        measure([command_path(), "synthetic", "--entities", str(entities)], own)
        measure([*build, "--as-of", split.reference.isoformat()], own)
        rows = take_turns({BUILD: built, DRIFT: drifted, NOTHING: lambda: measure(drift, own)}, entities, runs)
        n_measured = _entities_measured(home)
    finally:
        shutil.rmtree(var, ignore_errors=True)
    seconds = {row.what: row.median_seconds for row in rows}
    ratio = (seconds[DRIFT] - seconds[NOTHING]) / (seconds[BUILD] - seconds[NOTHING])
    work = f"synthetic city of {entities:,} entities, as of {split.grading} against {split.reference}"
    return Report("drift", work, rows, {"drift_vs_build": round(ratio, 3)}, {"entities_measured": n_measured})


def _entities_measured(home: Path) -> int:
    """Return how many entities the report is about; BenchmarkError where it is not all of the snapshot."""
    (report,) = map(read_json, (home / "drift").glob("*.json"))
    (manifest,) = map(read_json, (home / "snapshots").glob(f"{report['as_of_date']}-*/manifest.json"))
    counts = {one["n"] for one in report["indicators"]}
    if counts != {manifest["n_entities"]}:
        raise BenchmarkError(f"The report must be about {manifest['n_entities']} entities, got {counts}.")
    return int(manifest["n_entities"])
