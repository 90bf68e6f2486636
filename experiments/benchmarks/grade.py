"""Everybody graded and explained, from the snapshot on: the whole command, its parts, and pred_contrib on a part.

The city is the synthetic one, brought in and trained on as a user would, which is not measured; a grading half a year
earlier is in force, so that the movement is told as it is each month. Each side runs in a process of its own, in turns.
pred_contrib grades the first row groups alone; both must give the same before rates are compared.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import click
import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from data.city import load_city
from data.settings import Settings
from experiments.benchmarks.grade_sides import CITY, SIDES, Task, grading_in, ready_task, write_part
from experiments.benchmarks.harness import MIB, BenchmarkError, Report, Row, Run, command_path, measure, take_turns
from features.snapshots import ROWS_IN_A_GROUP
from serving.blocks import part_columns
from serving.grading import Grading
from training.champions import champion_path

N_ENTITIES = 1_412_000
"""Entities of the synthetic city, so that 1.3 million of them are active on its grading date."""

N_PART = 20_000
GOAL_SECONDS, GOAL_MIB, TOLERANCE_POINTS = 60.0, 2048.0, 1e-4
WHOLE = "qianfen grade"


@click.command("grade", help=__doc__)
@click.option("--entities", "n_entities", default=N_ENTITIES, show_default=True, help="Size of the synthetic city.")
@click.option("--part", "n_part", default=N_PART, show_default=True, help="Rows that pred_contrib explains.")
@click.option("--runs", default=3, show_default=True, help="Runs of each side, after one to warm up.")
@click.option("--var", type=click.Path(path_type=Path), help="Where the city is built, and kept for the next time.")
@click.pass_obj
def benchmark(environment: Mapping[str, str], n_entities: int, n_part: int, runs: int, var: Path | None) -> Report:
    """Build the city, and grade it in parts and as a whole."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="qianfen-bench-")))
        own = {**environment, "QIANFEN_VAR": str(var.resolve() if var else folder / "var")}
        _prepare(own, n_entities)
        task = ready_task(Settings.from_environment(own), folder)
        n_part = write_part(task.snapshot, folder / "part", n_part)
        rows = _measured(task, own, runs, n_part)
        checks = _checks(task, n_part)
        _forget_later(task)
    assert task.model.booster is not None, "the champion has trees"
    work = (
        f"{task.snapshot.manifest['n_entities']:,} entities of a synthetic city of {n_entities:,}, 18 indicators, "
        f"{task.model.booster.num_trees()} trees; pred_contrib {n_part:,}"
    )
    return Report("grade", work, tuple(rows.values()), _ratios(rows), checks)


def _prepare(environment: Mapping[str, str], n_entities: int) -> None:
    """Do, as commands and unmeasured, what comes before a monthly grading; what is done already is skipped."""
    city, settings = load_city(CITY), Settings.from_environment(environment)
    promote = ("promote", CITY, "--who", "benchmark", "--why", "a champion to grade with")
    earlier = str(city.split.test[-1])  # type: ignore[index]
    for arguments in (
        ("synthetic", "--entities", str(n_entities)),
        ("ingest", CITY),
        ("features", "build", CITY),
        ("train", CITY),
        promote,
        ("grade", CITY, "--as-of", earlier),
    ):
        if arguments is promote and champion_path(city, settings).is_file():
            continue
        run = measure([command_path(), *arguments], environment)
        click.echo(f"prepared: {arguments[0]} {run.seconds:.0f} s", err=True)


def _measured(task: Task, environment: Mapping[str, str], runs: int, n_part: int) -> dict[str, Row]:
    """Return a row for each side; what parts say they took leaves out the start of their process."""
    said: dict[str, list[dict[str, float]]] = {side: [] for side in SIDES}

    def part(side: str) -> Run:
        run = measure([sys.executable, "-m", "experiments.benchmarks.grade_sides", side, str(task.folder)], environment)
        said[side].append(json.loads(run.output.splitlines()[-1]))
        return run

    def whole() -> Run:
        _forget_later(task)
        database = task.folder / "whole.db"
        shutil.copyfile(task.settings.var / "qianfen.db", database)
        return measure(
            [command_path(), "grade", CITY], {**environment, "QIANFEN_DATABASE_URL": f"sqlite:///{database}"}
        )

    n_all = int(task.snapshot.manifest["n_entities"])
    taken = take_turns({**{side: partial(part, side) for side in SIDES}, WHOLE: whole}, n_all, runs)
    rows = {row.what: row for row in taken}
    for side, runs_said in said.items():
        seconds, cpu = (tuple(run[name] for run in runs_said[1:]) for name in ("seconds", "cpu_seconds"))
        n_rows = n_part if side == "pred_contrib" else n_all
        rows[side] = Row(side, seconds, n_rows, rows[side].peak_rss_mib, cpu)
    return rows


def _forget_later(task: Task) -> None:
    """Remove what the whole command wrote as of the grading date, so that it does it all again."""
    home = task.settings.var / "cities" / CITY
    for folder in (
        *home.glob(f"grades/{task.snapshot.as_of_date}-*"),
        *home.glob(f"online/{task.snapshot.as_of_date}-*"),
    ):
        shutil.rmtree(folder)


def _ratios(rows: Mapping[str, Row]) -> dict[str, float]:
    whole = rows[WHOLE]
    rates = {side: rows[side].rows_per_second or 0.0 for side in ("grades", "pred_contrib")}
    return {
        "rate of grades vs pred_contrib": rates["grades"] / rates["pred_contrib"],
        f"{WHOLE}: share of {GOAL_SECONDS:g} s": whole.median_seconds / GOAL_SECONDS,
        f"{WHOLE}: share of {GOAL_MIB:,g} MiB": whole.peak_rss_mib / GOAL_MIB,
    }


def _checks(task: Task, n_part: int) -> dict[str, float]:
    """Return how far sums and sides are apart, and what was written; BenchmarkError where they are too far apart."""
    errors = {
        "sum of 32-bit contributions to points, all rows": written_error(task.grading.path),
        "contributions to those of pred_contrib": part_error(task, n_part),
    }
    for name, error in errors.items():
        if not error <= TOLERANCE_POINTS:
            raise BenchmarkError(f"{name} must agree to {TOLERANCE_POINTS} points, they differ by {error}.")
    home = task.settings.var / "cities" / CITY
    written = {
        "grades": task.grading.path,
        "movement": next(task.grading.folder.glob("movement-*")) / "movement.parquet",
        "online": next(home.glob(f"online/{task.snapshot.as_of_date}-*")),
        "database": task.folder / "grades.db",
    }
    return {
        **{f"largest difference in points, {name}": error for name, error in errors.items()},
        "largest difference in points, sum of 64-bit contributions": task.grading.max_additivity_error_points,
        **{f"MiB written, {name}": _n_bytes(path) / MIB for name, path in written.items()},
    }


def written_error(path: Path) -> float:
    """Return how far points are from the sum of what is written, at most, over all rows of a file of grades."""
    largest = 0.0
    with pq.ParquetFile(path) as file:
        for number in range(file.num_row_groups):
            rows = file.read_row_group(number).to_pandas()
            total = rows["base_points"] + rows[part_columns(file.schema_arrow.names)].astype(np.float64).sum(axis=1)
            largest = max(largest, float((total - rows["unclipped_points"]).abs().max()))
    return largest


def part_error(task: Task, n_part: int) -> float:
    """Return how far contributions are from those of pred_contrib; BenchmarkError where anything else differs."""
    ours = _first_rows(task.grading, n_part)
    theirs = _first_rows(grading_in(task.folder / "pred_contrib"), n_part)
    parts = part_columns(list(ours.columns))
    if len(theirs) != n_part or not ours.drop(columns=parts).equals(theirs.drop(columns=parts)):
        raise BenchmarkError("Entities, points and grades of both sides must be the same, they are not.")
    return float((ours[parts].astype(np.float64) - theirs[parts].astype(np.float64)).abs().to_numpy().max())


def _first_rows(grading: Grading, n_rows: int) -> pd.DataFrame:
    with pq.ParquetFile(grading.path) as file:
        frame: pd.DataFrame = file.read_row_groups(range(-(-n_rows // ROWS_IN_A_GROUP))).to_pandas()
    return frame


def _n_bytes(path: Path) -> int:
    return path.stat().st_size if path.is_file() else sum(file.stat().st_size for file in path.iterdir())
