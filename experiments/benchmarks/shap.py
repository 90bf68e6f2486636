"""Exact contributions: look-up tables against LightGBM's pred_contrib and shap.TreeExplainer, on the same model.

Each side runs in a process of its own, in turns. The slow sides explain a stated part of the rows; rates are compared.
Before that, the contributions are checked against pred_contrib.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import click
import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from experiments.benchmarks.harness import BenchmarkError, Report, Row, Run, measure, take_turns

SHAPES = ("100x31", "300x31", "1000x31", "300x127")
"""Trees by leaves."""

N_ROWS, N_SLOW_ROWS, N_FEATURES = 1_300_000, 1_000, 18
TOLERANCE = 1e-9


@click.command("shap", help=__doc__)
@click.option("--rows", "n_rows", default=N_ROWS, show_default=True)
@click.option("--shape", "shapes", type=click.Choice(SHAPES), multiple=True, default=SHAPES, show_default=True)
@click.pass_obj
def benchmark(environment: Mapping[str, str], n_rows: int, shapes: Sequence[str]) -> Report:
    """Measure every shape of model."""
    rows: list[Row] = []
    ratios: dict[str, float] = {}
    checks: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="qianfen-bench-") as folder:
        for shape in shapes:
            click.echo(f"{shape}: training and explaining", err=True)
            n_trees, num_leaves = (int(part) for part in shape.split("x"))
            _train(Path(folder), n_trees, num_leaves)
            measured = _sides(Path(folder), n_rows, shape, environment, checks)
            rows += measured
            rates = {row.what.split(": ")[1]: row.rows_per_second or 0.0 for row in measured}
            for peer in ("pred_contrib", "TreeExplainer"):
                ratios[f"{shape}: tables vs {peer}"] = rates["tables"] / rates[peer]
    work = f"{n_rows:,} rows ({N_SLOW_ROWS:,} for the slow sides), {N_FEATURES} features, 10% missing"
    return Report("shap", work, tuple(rows), ratios, checks)


def _sides(
    folder: Path, n_rows: int, shape: str, environment: Mapping[str, str], checks: dict[str, float]
) -> tuple[Row, ...]:
    seconds: dict[str, list[float]] = {}
    sizes = {"tables": n_rows, "pred_contrib": N_SLOW_ROWS, "TreeExplainer": N_SLOW_ROWS}

    def once(side: str) -> Run:
        command = [sys.executable, "-m", "experiments.benchmarks.shap", side, str(folder), str(sizes[side])]
        run = measure(command, environment)
        said = json.loads(run.output.splitlines()[-1])
        seconds.setdefault(side, []).append(said.pop("seconds"))
        checks.update({f"{shape}: {name}": value for name, value in said.items()})
        return run

    taken = take_turns({side: lambda side=side: once(side) for side in sizes}, None)  # type: ignore[misc]
    if checks[f"{shape}: max_abs_error"] > TOLERANCE:
        raise BenchmarkError(
            f"{shape}: contributions must agree to {TOLERANCE}, got {checks[f'{shape}: max_abs_error']}."
        )
    # The first run warms up; what a side says it took leaves out the start of its process.
    return tuple(Row(f"{shape}: {r.what}", tuple(seconds[r.what][1:]), sizes[r.what], r.peak_rss_mib) for r in taken)


def _rows(n: int, seed: int = 0) -> NDArray[np.float64]:
    """Rows like a city's: counts with many zeros, rates, amounts, a tenth missing."""
    rng = np.random.default_rng(seed)
    X = rng.gamma(0.6, 2.0, size=(n, N_FEATURES))
    X[:, :9] = np.floor(X[:, :9])
    X[rng.random(X.shape) < 0.1] = np.nan
    return X


def _train(folder: Path, n_trees: int, num_leaves: int) -> None:
    X = _rows(60_000)
    log_odds = np.nan_to_num(X[:, :6]).sum(axis=1) * 0.2 + np.nan_to_num(X[:, 9] * X[:, 10]) * 0.1 - 3
    y = np.random.default_rng(1).random(len(X)) < 1 / (1 + np.exp(-log_odds))
    parameters = {"objective": "binary", "num_leaves": num_leaves, "learning_rate": 0.05, "verbosity": -1}
    lgb.train(parameters, lgb.Dataset(X, label=y), n_trees).save_model(str(folder / "model.txt"))


def _explain(side: str, folder: Path, n_rows: int) -> dict[str, float]:
    """Do one side's work in this process; return its seconds, and for the tables what was checked."""
    import time

    booster = lgb.Booster(model_file=str(folder / "model.txt"))
    X = _rows(n_rows, seed=2)
    if side == "pred_contrib":
        start = time.perf_counter()
        booster.predict(X, pred_contrib=True)
        return {"seconds": time.perf_counter() - start}
    if side == "TreeExplainer":
        import shap

        explainer = shap.TreeExplainer(booster)
        start = time.perf_counter()
        explainer.shap_values(X, check_additivity=False)
        return {"seconds": time.perf_counter() - start}
    return _explain_by_tables(booster, X)


def _explain_by_tables(booster: lgb.Booster, X: NDArray[np.float64]) -> dict[str, float]:
    import time

    from training.shap_tables import compile

    compile(booster).both(X[:10])
    start = time.perf_counter()
    tables = compile(booster)
    built = time.perf_counter() - start
    error = np.abs(
        tables.shap_values(X[:1000]) - np.asarray(booster.predict(X[:1000], pred_contrib=True))[:, :-1]
    ).max()
    one = []
    for row in range(200):
        start = time.perf_counter()
        tables.both(X[row : row + 1])
        one.append(time.perf_counter() - start)
    start = time.perf_counter()
    tables.both(X)
    seconds = time.perf_counter() - start
    return {
        "seconds": seconds,
        "max_abs_error": float(error),
        "build_seconds": built,
        "table_mib": tables.n_bytes / 2**20,
        "deep_edges": len(tables.deep.depth),
        "one_row_microseconds": float(np.median(one)) * 1e6,
    }


if __name__ == "__main__":
    print(json.dumps(_explain(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))))
