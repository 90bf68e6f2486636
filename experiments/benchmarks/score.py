"""Raw scores: the tables' trees against LightGBM (predict, and its fast path for single rows), treelite and tl2cgen.

Each side runs in a process of its own, in turns, on one thread; its scores are checked against LightGBM's. lleaves is
left out: its newest version, 1.3.0, does not work with the llvmlite that numba needs.
"""

from __future__ import annotations

import ctypes
import json
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from typing import Any

import click
import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from experiments.benchmarks.harness import BenchmarkError, Report, Row, Run, measure, take_turns
from experiments.benchmarks.shap import N_FEATURES, city_rows, median_microseconds, timed, train

SHAPES = ("100x31", "300x31")
"""Trees by leaves. A compiler needs minutes for more."""

N_ROWS = 200_000
TOLERANCE = 1e-9

_Score = Callable[[NDArray[np.float64]], Any]


@click.command("score", help=__doc__)
@click.option("--rows", "n_rows", default=N_ROWS, show_default=True, help="Rows that every side scores.")
@click.option("--runs", default=3, show_default=True, help="Runs of each side, after one to warm up.")
@click.option(
    "--shape", "shapes", type=click.Choice(SHAPES), multiple=True, default=SHAPES, show_default=True,
    help="Trees by leaves; may be given more than once.",
)  # fmt: skip
@click.pass_obj
def benchmark(environment: Mapping[str, str], n_rows: int, runs: int, shapes: Sequence[str]) -> Report:
    """Measure every shape of model."""
    rows: list[Row] = []
    ratios: dict[str, float] = {}
    checks: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="qianfen-bench-") as folder:
        for shape in shapes:
            click.echo(f"{shape}: training and scoring", err=True)
            train(Path(folder), *(int(part) for part in shape.split("x")))
            measured = _sides(Path(folder), shape, n_rows, runs, environment, checks)
            rates = {row.what.split(": ")[1]: row.rows_per_second or 0.0 for row in measured}
            ratios |= {f"{shape}: tables vs {peer}": rates["tables"] / rate for peer, rate in rates.items()}
            rows += measured
    work = f"raw scores of {n_rows:,} rows, {N_FEATURES} features, 10% missing, one thread"
    return Report("score", work, tuple(rows), ratios, checks)


def _sides(
    folder: Path, shape: str, n_rows: int, runs: int, environment: Mapping[str, str], checks: dict[str, float]
) -> tuple[Row, ...]:
    taken: dict[str, list[tuple[float, float]]] = {}

    def once(side: str) -> Run:
        run = measure(
            [sys.executable, "-m", "experiments.benchmarks.score", side, str(folder), str(n_rows)], environment
        )
        said = json.loads(run.output.splitlines()[-1])
        taken.setdefault(side, []).append((said.pop("seconds"), said.pop("cpu_seconds")))
        checks.update({f"{shape}: {side}: {name}": value for name, value in said.items()})
        if said["max_abs_error"] > TOLERANCE:
            raise BenchmarkError(f"{shape}: scores of {side} must agree to {TOLERANCE}, got {said['max_abs_error']}.")
        return run

    rows = take_turns({side: partial(once, side) for side in SIDES if _installed(side)}, None, runs)
    measured = {side: tuple(zip(*times[1:], strict=True)) for side, times in taken.items()}
    return tuple(
        Row(f"{shape}: {r.what}", measured[r.what][0], n_rows, r.peak_rss_mib, measured[r.what][1]) for r in rows
    )


def _installed(side: str) -> bool:
    if side == "tl2cgen":
        return find_spec("tl2cgen") is not None and which("gcc") is not None
    return side != "treelite" or find_spec("treelite") is not None


def _tables(booster: lgb.Booster, model: Path) -> _Score:
    from training.shap_tables import compile

    return partial(compile(booster, max_mib=1.0).raw_score, threads=1)


def _lightgbm(booster: lgb.Booster, model: Path) -> _Score:
    return partial(booster.predict, raw_score=True, num_threads=1)


def _lightgbm_single_rows(booster: lgb.Booster, model: Path) -> _Score:
    """Return LightGBM's fast path, which its Python package does not offer, through the library itself."""
    library, fast, n, found = lgb.basic._LIB, ctypes.c_void_p(), ctypes.c_int64(), ctypes.c_double()
    raw, doubles = 1, 1
    failed = library.LGBM_BoosterPredictForMatSingleRowFastInit(
        booster._handle, raw, 0, -1, doubles, N_FEATURES, b"num_threads=1", ctypes.byref(fast)
    )
    if failed:
        raise BenchmarkError("LightGBM must open its path for single rows, it did not.")

    def score(X: NDArray[np.float64]) -> NDArray[np.float64]:
        scores = np.empty(len(X))
        for row in range(len(X)):
            place = ctypes.c_void_p(X.ctypes.data + row * X.strides[0])
            library.LGBM_BoosterPredictForMatSingleRowFast(fast, place, ctypes.byref(n), ctypes.byref(found))
            scores[row] = found.value
        return scores

    return score


def _treelite(booster: lgb.Booster, model: Path) -> _Score:
    import treelite

    loaded = treelite.frontend.load_lightgbm_model(str(model))
    return lambda X: treelite.gtil.predict(loaded, X, nthread=1, pred_margin=True).ravel()


def _tl2cgen(booster: lgb.Booster, model: Path) -> _Score:
    import tl2cgen
    import treelite

    library = model.with_suffix(".so")
    if not library.exists() or library.stat().st_mtime < model.stat().st_mtime:
        loaded = treelite.frontend.load_lightgbm_model(str(model))
        tl2cgen.export_lib(loaded, toolchain="gcc", libpath=str(library), params={"parallel_comp": 0})
    predictor = tl2cgen.Predictor(str(library), nthread=1)
    return lambda X: predictor.predict(tl2cgen.DMatrix(X, dtype="float64"), pred_margin=True).ravel()


SIDES: dict[str, Callable[[lgb.Booster, Path], _Score]] = {
    "tables": _tables,
    "LightGBM predict": _lightgbm,
    "LightGBM single rows": _lightgbm_single_rows,
    "treelite": _treelite,
    "tl2cgen": _tl2cgen,
}


def _score(side: str, folder: Path, n_rows: int) -> dict[str, float]:
    """Do one side's work in this process."""
    model = folder / "model.txt"
    booster, X = lgb.Booster(model_file=str(model)), city_rows(n_rows, seed=2)
    score = SIDES[side](booster, model)
    error = np.abs(np.asarray(score(X[:1000])) - np.asarray(booster.predict(X[:1000], raw_score=True))).max()
    return {
        "max_abs_error": float(error),
        "one_row_microseconds": median_microseconds(score, X),
        **timed(partial(score, X))[1],
    }


if __name__ == "__main__":
    print(json.dumps(_score(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))))
