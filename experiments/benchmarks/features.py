"""The 18 indicators: our panel against hand-written DuckDB SQL, pandas and polars, on the same records.

Measured are one date, and the dates that the synthetic city declares: our panel of them against as many passes of the
SQL. Every side reads the same Parquet files with two threads and writes the same result, as a snapshot holds it, in a
process of its own; the start of the process and imports are left out of its time. Values are compared first. Cities of
two sizes are made for it, which says how time grows.
"""

from __future__ import annotations

import json
import math
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from pathlib import Path

import click
import numpy as np
import pyarrow.parquet as pq

from data.city import load_city
from data.files import read_json
from experiments.benchmarks.harness import BenchmarkError, Report, Row, Run, command_path, measure, take_turns
from experiments.benchmarks.indicators import Task

CITY = "synthetic"
SIZES = (130_000, 1_300_000)
THREADS = 2
TOLERANCE = 1e-9
OURS, SQL = "our panel", "hand-written SQL"
MODULES = {OURS: "by_panel", SQL: "by_sql", "pandas": "by_pandas", "polars": "by_polars"}
GOALS = {"one date": 1.5, "all dates": 0.5}
"""At most so many times as long as the hand-written SQL, that once for each date."""


@click.command("features", help=__doc__)
@click.option("--entities", "sizes", type=int, multiple=True, default=SIZES, show_default=True, help="Cities to make.")
@click.option(
    "--records",
    "folders",
    type=click.Path(exists=True, file_okay=False, resolve_path=True, path_type=Path),
    multiple=True,
    help="Records of synthetic cities that are there already (folders with tables/); none is made then.",
)
@click.option("--runs", default=3, show_default=True, help="Runs of each side, after one whose values are compared.")
@click.pass_obj
def benchmark(environment: Mapping[str, str], sizes: Sequence[int], folders: Sequence[Path], runs: int) -> Report:
    """Measure every side at every size."""
    measured: dict[int, dict[tuple[str, str], Row]] = {}
    checks: dict[str, float] = {}
    n_records = []
    for records in folders or _made(sizes, environment):
        with tempfile.TemporaryDirectory(prefix="qianfen-bench-") as folder:
            sides = Sides(records, Path(folder), environment)
            checks.update({f"{sides.n_entities:,}: {what}": value for what, value in sides.differences().items()})
            measured[sides.n_entities] = sides.measured(runs)
            checks.update({f"{sides.n_entities:,}: {what}": value for what, value in sides.starts().items()})
            n_records.append(f"{sides.n_records:,} records of {sides.n_entities:,} entities")
    rows = tuple(row for by_side in measured.values() for row in by_side.values())
    work = f"18 indicators of {' and '.join(n_records)}, {THREADS} threads, one date and {len(_dates())} dates"
    return Report("features", work, rows, {**ratios(measured), **growth(measured)}, checks)


@dataclass
class Sides:
    """All sides on the records of one city, each run in a process of its own.

    Attributes
    ----------
    records : Path
        Folder of the records.
    folder : Path
        Where the sides write, each in a folder of its own.
    """

    records: Path
    folder: Path
    environment: Mapping[str, str]
    _started: dict[str, list[float]] = field(default_factory=dict)

    @cached_property
    def n_entities(self) -> int:
        """Entities in the register, whatever their state."""
        return len(pq.read_table(self._table("entities"), columns=["entity_id"])["entity_id"].unique())

    @cached_property
    def n_records(self) -> int:
        """Records in all tables."""
        return sum(pq.read_metadata(path).num_rows for path in (self.records / "tables").glob("*.parquet"))

    def differences(self) -> dict[str, float]:
        """Run every side once; return how far each is from ours at most. BenchmarkError beyond TOLERANCE."""
        found = {}
        for work, dates in _works().items():
            for side in _sides_of(work):
                self._run(side, dates)
                if side != OURS:
                    apart = max(apart_at_most(self._path(OURS, day), self._path(side, day)) for day in dates)
                    found[f"{work}, difference of {side} from ours"] = apart
        return found

    def measured(self, runs: int) -> dict[tuple[str, str], Row]:
        """Return the row of each work and side, measured in turns."""
        rows = {}
        for work, dates in _works().items():
            sides = {side: self._once(side, dates) for side in _sides_of(work)}
            # The comparison of values was the warm-up.
            for row in take_turns(sides, self._n_values(dates), runs, warm_ups=0):
                rows[work, row.what] = replace(row, what=f"{self.n_entities:,}: {work}, {row.what}")
        return rows

    def starts(self) -> dict[str, float]:
        """Return the seconds by which the process of each side took longer than its work: Python and its imports."""
        return {f"start of {side}, s": statistics.median(seconds) for side, seconds in self._started.items()}

    def _once(self, side: str, dates: Sequence[date]) -> Callable[[], Run]:
        return lambda: self._run(side, dates)

    def _run(self, side: str, dates: Sequence[date]) -> Run:
        """Do one side's work; its time is what it says, its memory that of the whole process."""
        self._path(side, dates[0]).parent.mkdir(exist_ok=True)
        task = Task(self.records, tuple(dates), self.folder / MODULES[side], THREADS)
        command = [sys.executable, "-m", "experiments.benchmarks.indicators", MODULES[side], task.as_json()]
        threads = {name: str(THREADS) for name in ("POLARS_MAX_THREADS", "OMP_NUM_THREADS")}
        click.echo(f"{self.n_entities:,}: {side}, {len(dates)} dates", err=True)
        run = measure(command, {**self.environment, **threads})
        said = json.loads(run.output.splitlines()[-1])
        self._started.setdefault(side, []).append(run.seconds - said["seconds"])
        return replace(run, **said)

    def _n_values(self, dates: Sequence[date]) -> int:
        return sum(pq.read_metadata(self._path(OURS, day)).num_rows for day in dates)

    def _path(self, side: str, day: date) -> Path:
        return self.folder / MODULES[side] / f"{day}.parquet"

    def _table(self, name: str) -> Path:
        return self.records / "tables" / f"{name}.parquet"


def apart_at_most(ours: Path, theirs: Path) -> float:
    """Return the largest difference between two matrices: relative, absolute where a value is below 1.

    Raises
    ------
    BenchmarkError
        Where columns, rows or what is missing are not the same, or the difference is beyond TOLERANCE.
    """
    one, other = pq.read_table(ours), pq.read_table(theirs)
    if one.column_names != other.column_names or not one.select([0, 1]).equals(
        other.select([0, 1]).cast(one.select([0, 1]).schema)
    ):
        raise BenchmarkError(f"{theirs} must have the columns and rows of {ours}, it has not.")
    furthest = 0.0
    for name in one.column_names[2:]:
        a, b = (table[name].to_numpy() for table in (one, other))
        if not np.array_equal(np.isnan(a), np.isnan(b)):
            raise BenchmarkError(f"{theirs}: {name} must be missing where it is in {ours}, it is not.")
        apart = float(np.nanmax(np.abs(a - b) / np.maximum(1.0, np.abs(b)), initial=0.0))
        if apart > TOLERANCE:
            raise BenchmarkError(f"{theirs}: {name} must agree with {ours} to {TOLERANCE}, it is {apart} apart.")
        furthest = max(furthest, apart)
    return furthest


def ratios(measured: Mapping[int, Mapping[tuple[str, str], Row]]) -> dict[str, float]:
    """Return for each size, work and peer the time of ours by the peer's, of the wall and of the CPU."""
    found = {}
    for size, rows in measured.items():
        for (work, side), row in rows.items():
            if side != OURS:
                goal = f" (goal {GOALS[work]})" if side == SQL else ""
                for what, ours, theirs in zip(("wall", "CPU"), _times(rows[work, OURS]), _times(row), strict=True):
                    found[f"{size:,}: {work}, ours vs {side}, {what}{goal}"] = round(ours / theirs, 3)
    return found


def growth(measured: Mapping[int, Mapping[tuple[str, str], Row]]) -> dict[str, float]:
    """Return the exponent with which time grows from the smallest city to the largest; 1 is linear."""
    small, large = min(measured), max(measured)
    if small == large:
        return {}
    return {
        f"growth exponent of {work}, {side}, {what}": round(math.log(after / before) / math.log(large / small), 3)
        for work, side in measured[small]
        for what, before, after in zip(
            ("wall", "CPU"), _times(measured[small][work, side]), _times(measured[large][work, side]), strict=True
        )
    }


def _times(row: Row) -> tuple[float, float]:
    return row.median_seconds, row.median_cpu_seconds or math.nan


def _dates() -> tuple[date, ...]:
    return load_city(CITY).as_of_dates


def _works() -> dict[str, tuple[date, ...]]:
    return {"one date": _dates()[-1:], "all dates": _dates()}


def _sides_of(work: str) -> tuple[str, ...]:
    # Ours comes first: the others are compared with it.
    return tuple(MODULES) if work == "one date" else (OURS, SQL)


def _made(sizes: Sequence[int], environment: Mapping[str, str]) -> Iterator[Path]:
    """Make and bring in a city of each size, in a var of its own that is removed when it has been measured."""
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="qianfen-bench-") as var:
            own = {**environment, "QIANFEN_VAR": var}
            click.echo(f"{size:,}: making the city", err=True)
            measure([command_path(), "synthetic", "--entities", str(size)], own)
            measure([command_path(), "ingest", CITY], own)
            home = Path(var) / "cities" / CITY / "records"
            yield home / str(read_json(home / "current.json")["records_id"])
