"""Ingestion against plain `COPY`: the same source files to Parquet, with every check on and with none.

Ours is `qianfen ingest` of the synthetic city on a `QIANFEN_VAR` of its own, process start included: it reads the
files, casts and checks each row, finds duplicates, quarantines, sorts by entity, hashes and publishes. The peers are
DuckDB's COPY of each file to Parquet as it stands, and the same with the rows sorted by entity, as ours are.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import click
import duckdb
import pyarrow.parquet as pq

from data.files import read_sealed
from data.quality import literal
from experiments.benchmarks.harness import BenchmarkError, Report, Run, command_path, measure, take_turns

N_ENTITIES = 1_300_000
CITY = "synthetic"
_TRUTH = "truth"


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
    finally:
        shutil.rmtree(home, ignore_errors=True)
    seconds = {row.what: row.median_seconds for row in rows}
    ratios = {f"ours vs {peer}": seconds["qianfen ingest"] / seconds[peer] for peer in list(seconds)[1:]}
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


def _copy(home: Path, environment: Mapping[str, str], how: str) -> Run:
    return measure([sys.executable, "-m", "experiments.benchmarks.ingest", str(home), how], environment)


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


if __name__ == "__main__":
    _copy_all(Path(sys.argv[1]), sys.argv[2])
