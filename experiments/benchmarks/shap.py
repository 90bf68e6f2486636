"""Exact contributions: look-up tables against LightGBM's pred_contrib, shap.TreeExplainer and woodelf, on one model.

Each side runs in a process of its own, in turns. The slow sides explain a stated part of the rows; rates are compared.
Contributions are checked against pred_contrib. FastTreeSHAP is left out: its newest version, 0.1.6, does not start with
NumPy 2.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import lightgbm as lgb
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from experiments.benchmarks.harness import BenchmarkError, Report, Row, Run, measure, take_turns

SHAPES = ("100x31", "300x31", "1000x31", "300x127")
"""Trees by leaves."""

N_ROWS, N_FEATURES = 1_300_000, 18
SLOW_ROWS = {"pred_contrib": 1_000, "TreeExplainer": 1_000, "woodelf": 50_000}
"""Rows that the slow sides explain. woodelf prepares itself at every call, for some seconds."""

TOLERANCES = {"tables64": 1e-9, "tables32": 1e-6}
N_CHECKED, N_SINGLE = 500, 200


@click.command("shap", help=__doc__)
@click.option("--rows", "n_rows", default=N_ROWS, show_default=True, help="Rows that the tables explain.")
@click.option("--runs", default=3, show_default=True, help="Runs of each side, after one to warm up.")
@click.option("--threads", default=2, show_default=True, help="Threads of each side that can use several.")
@click.option(
    "--shape", "shapes", type=click.Choice(SHAPES), multiple=True, default=SHAPES, show_default=True,
    help="Trees by leaves; may be given more than once.",
)  # fmt: skip
@click.pass_obj
def benchmark(environment: Mapping[str, str], n_rows: int, runs: int, threads: int, shapes: Sequence[str]) -> Report:
    """Measure every shape of model."""
    rows: list[Row] = []
    ratios: dict[str, float] = {}
    checks: dict[str, float] = {}
    sizes = {**dict.fromkeys(TOLERANCES, n_rows), **{side: n for side, n in SLOW_ROWS.items() if _installed(side)}}
    with tempfile.TemporaryDirectory(prefix="qianfen-bench-") as folder:
        for shape in shapes:
            click.echo(f"{shape}: training and explaining", err=True)
            n_trees, num_leaves = (int(part) for part in shape.split("x"))
            train(Path(folder), n_trees, num_leaves)
            measured, said = _sides(Path(folder), sizes, runs, threads, environment)
            _check(shape, said)
            checks |= {
                f"{shape}: {side}: {name}": value for side, about in said.items() for name, value in about.items()
            }
            ratios |= _ratios(shape, measured)
            rows += [replace(row, what=f"{shape}: {row.what}") for row in measured]
    slow = ", ".join(f"{side} {n:,}" for side, n in sizes.items() if side in SLOW_ROWS)
    return Report("shap", f"{n_rows:,} rows ({slow}), {N_FEATURES} features, 10% missing", tuple(rows), ratios, checks)


def _ratios(shape: str, measured: Sequence[Row]) -> dict[str, float]:
    """Return how many times as fast as each peer the tables are, by wall time and by CPU time."""
    by_side = {row.what: row for row in measured}
    found: dict[str, float] = {}
    for ours in TOLERANCES:
        for peer in (side for side in SLOW_ROWS if side in by_side):
            share = (by_side[ours].n_rows or 1) / (by_side[peer].n_rows or 1)
            wall = by_side[peer].median_seconds / by_side[ours].median_seconds
            cpu = (by_side[peer].median_cpu_seconds or 0.0) / (by_side[ours].median_cpu_seconds or 1.0)
            found[f"{shape}: {ours} vs {peer}"] = share * wall
            found[f"{shape}: {ours} vs {peer}, CPU"] = share * cpu
    return found


def _installed(side: str) -> bool:
    return side != "woodelf" or find_spec("woodelf") is not None


def _check(shape: str, said: Mapping[str, Mapping[str, float]]) -> None:
    for side, tolerance in TOLERANCES.items():
        if said[side]["max_abs_error"] > tolerance:
            raise BenchmarkError(
                f"{shape}: contributions of {side} must agree to {tolerance}, got {said[side]['max_abs_error']}."
            )


def _sides(
    folder: Path, sizes: Mapping[str, int], runs: int, threads: int, environment: Mapping[str, str]
) -> tuple[tuple[Row, ...], dict[str, dict[str, float]]]:
    """Return what each side took, and what it said of itself in its last run."""
    taken: dict[str, list[tuple[float, float]]] = {side: [] for side in sizes}
    said: dict[str, dict[str, float]] = {}

    def once(side: str) -> Run:
        arguments = [side, str(folder), str(sizes[side]), str(threads)]
        run = measure([sys.executable, "-m", "experiments.benchmarks.shap", *arguments], environment)
        said[side] = json.loads(run.output.splitlines()[-1])
        taken[side].append((said[side].pop("seconds"), said[side].pop("cpu_seconds")))
        return run

    peaks = {row.what: row.peak_rss_mib for row in take_turns({s: partial(once, s) for s in sizes}, None, runs)}
    # The first run warms up; what a side says it took leaves out the start of its process.
    measured = {side: tuple(zip(*taken[side][1:], strict=True)) for side in sizes}
    return tuple(Row(side, measured[side][0], sizes[side], peaks[side], measured[side][1]) for side in sizes), said


def city_rows(n: int, seed: int = 0) -> NDArray[np.float64]:
    """Rows like a city's: counts with many zeros, rates, amounts, a tenth missing."""
    rng = np.random.default_rng(seed)
    X = rng.gamma(0.6, 2.0, size=(n, N_FEATURES))
    X[:, :9] = np.floor(X[:, :9])
    X[rng.random(X.shape) < 0.1] = np.nan
    return X


def train(folder: Path, n_trees: int, num_leaves: int) -> None:
    """Write a model of some shape to model.txt."""
    X = city_rows(60_000)
    log_odds = np.nan_to_num(X[:, :6]).sum(axis=1) * 0.2 + np.nan_to_num(X[:, 9] * X[:, 10]) * 0.1 - 3
    y = np.random.default_rng(1).random(len(X)) < 1 / (1 + np.exp(-log_odds))
    parameters = {"objective": "binary", "num_leaves": num_leaves, "learning_rate": 0.05, "verbosity": -1}
    lgb.train(parameters, lgb.Dataset(X, label=y), n_trees).save_model(str(folder / "model.txt"))


def timed(work: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """Return what some work returns, with its wall time and the CPU time of all its threads."""
    wall, cpu = time.perf_counter(), time.process_time()
    found = work()
    return found, {"seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - cpu}


def median_microseconds(explain: Callable[[NDArray[np.float64]], Any], X: NDArray[np.float64]) -> float:
    """Return the median time of single rows."""
    taken = [timed(partial(explain, X[row : row + 1]))[1]["seconds"] for row in range(N_SINGLE)]
    return float(np.median(taken)) * 1e6


def _explain(side: str, folder: Path, n_rows: int, threads: int) -> dict[str, float]:
    """Do one side's work in this process; return its seconds, and what else was measured of it."""
    booster, X = lgb.Booster(model_file=str(folder / "model.txt")), city_rows(n_rows, seed=2)
    if side in TOLERANCES:
        return _explain_by_tables(booster, X, np.float64 if side == "tables64" else np.float32, threads)
    expected = np.asarray(booster.predict(X[:N_CHECKED], pred_contrib=True))[:, :-1]
    if side == "pred_contrib":
        explain = partial(booster.predict, pred_contrib=True, num_threads=threads)
        one_row = median_microseconds(partial(booster.predict, pred_contrib=True, num_threads=1), X)
        return {**timed(partial(explain, X))[1], "one_row_microseconds": one_row}
    if side == "woodelf":
        from woodelf import WoodelfExplainer

        frame = pd.DataFrame(X, columns=booster.feature_name())
        explain = partial(WoodelfExplainer(booster).shap_values, verbose=False)
        found, taken = timed(partial(explain, frame))
    else:
        import shap

        found, taken = timed(partial(shap.TreeExplainer(booster).shap_values, X, check_additivity=False))
    return {**taken, "max_abs_error": float(np.abs(np.asarray(found)[:N_CHECKED] - expected).max())}


def _explain_by_tables(booster: lgb.Booster, X: NDArray[np.float64], dtype: Any, threads: int) -> dict[str, float]:
    from training.shap_tables import compile

    # What numba compiles at the first call of an installation is left out.
    compile(booster, dtype=dtype).both(X[:10])
    tables, built = timed(partial(compile, booster, dtype=dtype))
    expected = np.asarray(booster.predict(X[:N_CHECKED], pred_contrib=True))[:, :-1]
    return {
        "max_abs_error": float(np.abs(tables.shap_values(X[:N_CHECKED]) - expected).max()),
        "build_seconds": built["seconds"],
        "table_mib": tables.n_bytes / 2**20,
        "one_row_microseconds": median_microseconds(tables.both, X),
        **timed(partial(tables.both, X, threads))[1],
    }


if __name__ == "__main__":
    print(json.dumps(_explain(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))))
