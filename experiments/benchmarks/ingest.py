"""Ingestion against plain `COPY`: the same source files to Parquet, with every check on and with none.

Ours is `qianfen ingest` of the synthetic city on a `QIANFEN_VAR` of its own, process start included: it reads the
files, casts and checks each row, finds duplicates, quarantines, sorts by entity, hashes and publishes. The peers are
DuckDB's COPY of each file to Parquet as it stands, and the same with the rows sorted by entity, as ours are.

What ours spends its time on is told as shares of the CPU time of that COPY: to read the files as the mappings say, to
cast and check, to sort, to write; the rest is process start, hashes and publishing. They are taken once, in one thread.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import click
import duckdb
import pyarrow.parquet as pq

from data.city import load_city
from data.columns import arrow_of
from data.connection import connect
from data.files import read_sealed
from data.ordering import order_rows
from data.quality import literal
from data.schemas import TABLES
from data.settings import Settings
from data.sources import staged
from data.staging import select_of, stage
from data.writing import write_files
from experiments.benchmarks.harness import BenchmarkError, Report, Run, command_path, measure, take_turns

N_ENTITIES = 1_300_000
CITY = "synthetic"
_TRUTH = "truth"
_MODULE = "experiments.benchmarks.ingest"


@click.command("ingest", help=__doc__)
@click.option("--entities", "n_entities", default=N_ENTITIES, show_default=True, help="Size of the synthetic city.")
@click.option("--runs", default=3, show_default=True, help="Runs of each side, after one to warm up.")
@click.pass_obj
def benchmark(environment: Mapping[str, str], n_entities: int, runs: int) -> Report:
    """Measure the three sides in turns."""
    home = Path(tempfile.mkdtemp(prefix="qianfen-bench-"))
    own = {**environment, "QIANFEN_VAR": str(home)}
    try:
        measure([command_path(), "synthetic", "--entities", str(n_entities)], own)
        n_rows = sum(_n_rows(path) for path in _files(home))
        sides = {
            "qianfen ingest": lambda: _ingest(home, own, n_rows),
            "COPY": lambda: _copy(home, own, "plain"),
            "COPY sorted by entity": lambda: _copy(home, own, "sorted"),
        }
        rows = take_turns(sides, n_rows, runs)
        steps = json.loads(measure([sys.executable, "-m", _MODULE, str(home), "steps"], own).output)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    seconds = {row.what: row.median_seconds for row in rows}
    ratios = {f"ours vs {peer}": seconds["qianfen ingest"] / seconds[peer] for peer in list(seconds)[1:]}
    ratios |= _shares(steps, {row.what: row.median_cpu_seconds or 0.0 for row in rows})
    return Report(
        "ingest", f"synthetic city of {n_entities:,} entities, {n_rows:,} rows", rows, ratios, {"rows": n_rows}
    )


def _ingest(home: Path, environment: Mapping[str, str], n_rows: int) -> Run:
    """Ingest anew; every row of the files must have ended in a table or in quarantine."""
    shutil.rmtree(home / "cities", ignore_errors=True)
    run = measure([command_path(), "ingest", CITY], environment)
    (manifest,) = (home / "cities" / CITY / "records").glob("[!.]*/manifest.json")
    tables = read_sealed(manifest)["tables"].values()
    ended = sum(table["n_accepted"] + table["n_quarantined"] for table in tables)
    if ended != n_rows:
        raise BenchmarkError(f"Every row must end in a table or in quarantine: {n_rows:,} read, {ended:,} ended.")
    return run


def _shares(steps: dict[str, float], cpu_seconds: dict[str, float]) -> dict[str, float]:
    """Return the CPU time of each step of ours over that of the whole of COPY."""
    steps = {**steps, "start, hash and publish": cpu_seconds["qianfen ingest"] - sum(steps.values())}
    return {f"CPU of ours to {step} vs all of COPY": taken / cpu_seconds["COPY"] for step, taken in steps.items()}


def _copy(home: Path, environment: Mapping[str, str], how: str) -> Run:
    return measure([sys.executable, "-m", _MODULE, str(home), how], environment)


def _files(home: Path) -> list[Path]:
    return [p for p in sorted((home / "sources" / CITY).glob("*.*")) if p.stem != _TRUTH and p.suffix != ".json"]


def _reader(path: Path) -> str:
    text = literal(str(path))
    return f"read_csv({text}, all_varchar = true)" if path.suffix == ".csv" else f"read_parquet({text})"


def _n_rows(path: Path) -> int:
    if path.suffix == ".parquet":
        return int(pq.read_metadata(path).num_rows)
    with duckdb.connect() as connection:
        return int(connection.execute(f"SELECT count(*) FROM {_reader(path)}").fetchall()[0][0])


def _copy_all(home: Path, how: str) -> None:
    """Do a peer's work in this process."""
    with tempfile.TemporaryDirectory(dir=home) as folder, duckdb.connect(config={"threads": 2}) as connection:
        for path in _files(home):
            order = f"ORDER BY {_code(connection, path)}" if how == "sorted" else ""
            target = literal(str(Path(folder) / f"{path.stem}.parquet"))
            connection.execute(f"COPY (FROM {_reader(path)} {order}) TO {target} (FORMAT parquet, COMPRESSION lz4_raw)")


def _code(connection: duckdb.DuckDBPyConnection, path: Path) -> str:
    """Return the column of a source file that says whom a row is about."""
    names = [row[0] for row in connection.execute(f"DESCRIBE FROM {_reader(path)}").fetchall()]
    return "code" if "code" in names else str(names[0])


def _time_steps(settings: Settings) -> dict[str, float]:
    """Return the CPU seconds of each step of ingestion in this process, over all tables."""
    city, taken = load_city(CITY), dict.fromkeys(("read", "read, cast and check", "sort", "sort and write"), 0.0)
    for name in city.mapped_tables:
        table, mapping, taken_on = TABLES[name], city.folder / "sources" / f"{name}.sql", city.sources.taken_on
        with (
            staged(city, settings, city.sources.files, None) as shown,
            connect(1, shown, city, taken_on) as connection,
            tempfile.TemporaryDirectory(dir=settings.var) as target,
        ):
            with _timed(taken, "read"):
                arrow_of(connection, select_of(mapping))
            with _timed(taken, "read, cast and check"):
                rows = stage(connection, mapping, table, taken_on, shown)
            with _timed(taken, "sort"):
                order_rows(rows.rows, table, rows.stands)
            with _timed(taken, "sort and write"):
                write_files(rows, table, Path(target))
    return {
        "read": taken["read"],
        "cast and check": taken["read, cast and check"] - taken["read"],
        "sort": taken["sort"],
        "write": taken["sort and write"] - taken["sort"],
    }


@contextmanager
def _timed(taken: dict[str, float], step: str) -> Iterator[None]:
    started = time.process_time()
    yield
    taken[step] += time.process_time() - started


if __name__ == "__main__":
    if sys.argv[2] == "steps":
        print(json.dumps(_time_steps(Settings.from_environment(os.environ))))
    else:
        _copy_all(Path(sys.argv[1]), sys.argv[2])
