"""The newest values of a whole city: the online store against databases and tables in memory.

Every side holds the same entities, looks them up one by one and a thousand at once in a process of its own, in turns,
and must give the same bits. The slow sides look up fewer single entities; medians are compared.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import click
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from data.files import sha256_of, write_sealed
from data.synthetic.identifiers import unified_codes
from experiments.benchmarks.harness import MIB, BenchmarkError, Report, Row, Run, measure, take_turns
from experiments.benchmarks.online_sides import SIDES, LookUp, nothing_to_build
from features.snapshots import ROWS_IN_A_GROUP, load_snapshot

N_ENTITIES, N_INDICATORS, N_AT_ONCE, N_TIMES = 1_300_000, 18, 1_000, 40
AS_OF_DATE = date(2026, 1, 1)
NAMES = tuple(f"indicator_{number}" for number in range(N_INDICATORS))
SINGLES = {"online": 5_000, "SQLite columns": 5_000, "SQLite bytes": 5_000, "DuckDB table": 300, "DuckDB Parquet": 50,
           "snapshot Parquet": 100, "pandas": 2_000, "dictionary": 5_000}  # fmt: skip
"""Sides, each with the number of single look-ups."""

GOALS = {"one, median microseconds": 50.0, "a thousand, median milliseconds": 5.0, "MiB on disk": 300.0}
"""What the online store is to stay below."""

_NAMES_OF_FIGURES = (*GOALS, "one, p99 microseconds", "a thousand, processor milliseconds")


@click.command("online", help=__doc__)
@click.option("--entities", "n_entities", default=N_ENTITIES, show_default=True)
@click.option("--side", "sides", type=click.Choice(list(SINGLES)), multiple=True, default=list(SINGLES))
@click.pass_obj
def benchmark(environment: Mapping[str, str], n_entities: int, sides: Sequence[str]) -> Report:
    """Build and read every side."""
    with tempfile.TemporaryDirectory(prefix="qianfen-bench-") as folder:
        write_snapshot(Path(folder), n_entities)
        said: dict[str, list[dict[str, Any]]] = {side: [] for side in sides}

        def once(side: str) -> Run:
            run = measure([sys.executable, "-m", "experiments.benchmarks.online", side, folder], environment)
            said[side].append(json.loads(run.output.splitlines()[-1]))
            return run

        taken = take_turns({side: lambda side=side: once(side) for side in sides}, None)  # type: ignore[misc]
    digests = {side: {answers["digest"] for answers in runs} for side, runs in said.items()}
    if len(set().union(*digests.values())) != 1:
        raise BenchmarkError(f"Every side must give the same bits, got {digests}.")
    rows = [row for measured in taken for row in _rows(measured, said[measured.what][1:], n_entities)]
    figures = {side: _figures(runs[1:]) for side, runs in said.items()}
    checks = {f"{side}: {name}": value for side, found in figures.items() for name, value in found.items()}
    work = f"{n_entities:,} entities, {N_INDICATORS} float64 each; one scattered look-up, and {N_AT_ONCE:,} at once"
    return Report("online", work, tuple(rows), _ratios(figures), checks)


def _rows(measured: Row, runs: Sequence[Mapping[str, Any]], n_entities: int) -> list[Row]:
    sizes: dict[str, int | None] = {"build": n_entities} if SIDES[measured.what][0] is not nothing_to_build else {}
    sizes |= {"open": None, "one at a time": SINGLES[measured.what], "many at once": N_AT_ONCE * N_TIMES}
    return [
        Row(f"{measured.what}: {what}", tuple(run[what] for run in runs), n, measured.peak_rss_mib)
        for what, n in sizes.items()
    ]


def _figures(runs: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    return {name: float(np.median([run[name] for run in runs])) for name in _NAMES_OF_FIGURES}


def _ratios(figures: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    if "online" not in figures:
        return {}
    goals = {f"goal vs online: {name}": goal / figures["online"][name] for name, goal in GOALS.items()}
    compared = {"one": "one, median microseconds", "a thousand": "a thousand, median milliseconds"}
    return goals | {
        f"{what}: online vs {side}": found[name] / figures["online"][name]
        for side, found in figures.items()
        for what, name in compared.items()
        if side != "online"
    }


def write_snapshot(var: Path, n_entities: int) -> Path:
    """Write a snapshot of a made-up city: unified social credit codes, counts and amounts, a tenth missing."""
    generator = np.random.default_rng(0)
    codes = unified_codes(generator.random(n_entities) < 0.5, generator.integers(110101, 110120, n_entities), 1)
    entity_ids = np.sort(codes.view("S18").ravel())
    columns: dict[str, Any] = {"entity_id": pa.array(entity_ids, pa.binary()).cast(pa.string())}
    columns["as_of_date"] = pa.array([AS_OF_DATE] * n_entities, pa.date32())
    for name in NAMES:
        values = generator.gamma(0.6, 2.0, n_entities)
        columns[name] = pa.array(values, mask=generator.random(n_entities) < 0.1)
    folder = var / f"cities/toy/snapshots/{AS_OF_DATE}-bench"
    folder.mkdir(parents=True)
    path = folder / "matrix.parquet"
    pq.write_table(pa.table(columns), path, row_group_size=ROWS_IN_A_GROUP, compression="zstd")
    manifest = {"snapshot_id": "bench", "city": "toy", "as_of_date": str(AS_OF_DATE), "catalogue_hash": "bench"}
    counts = {"indicators": list(NAMES), "n_rows": n_entities, "n_entities": n_entities, "sha256": sha256_of(path)}
    write_sealed(folder / "manifest.json", manifest | counts)
    return folder


def read_side(side: str, var: Path) -> dict[str, Any]:
    """Build one side, look up in it, and return what that took; the build's own memory is part of the peak."""
    snapshot = load_snapshot(var / f"cities/toy/snapshots/{AS_OF_DATE}-bench")
    build, open_side = SIDES[side]
    folder = Path(tempfile.mkdtemp(dir=var))
    start = time.perf_counter()
    path = build(snapshot, folder)
    built = time.perf_counter()
    look_up = open_side(path)
    opened = time.perf_counter()
    entity_ids = pq.read_table(snapshot.path, columns=["entity_id"])["entity_id"]
    generator = np.random.default_rng(1)

    def some(n: int) -> list[str]:
        return list(entity_ids.take(generator.integers(0, len(entity_ids), n)).to_pylist())

    digest = hashlib.sha256(look_up(some(N_AT_ONCE)).tobytes()).hexdigest()
    requests = [some(N_AT_ONCE) for _ in range(N_TIMES)]
    before = time.process_time()
    many = _seconds_each(look_up, requests)
    # Other work on the machine stretches a median of a thousand look-ups, but not what the processor spends on them.
    processor = time.process_time() - before
    one = _seconds_each(look_up, [[entity_id] for entity_id in some(SINGLES[side])])
    size = _size(path)
    shutil.rmtree(folder)
    return {
        "build": built - start,
        "open": opened - built,
        "one at a time": sum(one),
        "many at once": sum(many),
        "one, median microseconds": float(np.median(one)) * 1e6,
        "one, p99 microseconds": float(np.percentile(one, 99)) * 1e6,
        "a thousand, median milliseconds": float(np.median(many)) * 1e3,
        "a thousand, processor milliseconds": processor / N_TIMES * 1e3,
        "MiB on disk": size / MIB,
        "digest": digest,
    }


def _seconds_each(look_up: LookUp, requests: Sequence[Sequence[str]]) -> list[float]:
    seconds = []
    for entity_ids in requests:
        start = time.perf_counter()
        look_up(entity_ids)
        seconds.append(time.perf_counter() - start)
    return seconds


def _size(path: Path) -> int:
    files = path.iterdir() if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files)


if __name__ == "__main__":
    print(json.dumps(read_side(sys.argv[1], Path(sys.argv[2]))))
