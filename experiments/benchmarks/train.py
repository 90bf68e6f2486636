"""Training: one whole fit against plain `lightgbm.train`, and a study's trials against the same trials run plainly.

A fit: the card's points, the logistic fit of the experts' log-odds, bins, trees, and the model read back from its text;
the peer bins and trains on the same rows with the same parameters, without offset. Fitted without offset, and with the
same one, ours must be the peer's model, to the letter; that is checked on a part of the rows.

Trials: ours share the bins of each fold, are pruned and kept in SQLite; the peer runs the very same parameters, each
trial to its end on bins of its own. What both ran to the end must have the same value.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import click
import lightgbm as lgb
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.files import read_json, write_json
from experiments.benchmarks.harness import BenchmarkError, Report, Row, Run, measure, take_turns
from experiments.benchmarks.shap import city_rows, timed
from features.catalogue import load_catalogue
from training.experiment import ROUNDS, Experiment
from training.expert_card import REFERENCE, CutPoints, ExpertCard
from training.fitting import Recipe, fit_uncalibrated, start
from training.folds import Fold, FoldRows
from training.metrics import fast_roc_auc
from training.model import DEFAULTS, UNFILTERED
from training.rows import Rows
from training.studies import ended_trials
from training.tuning import bin_folds, run_study
from training.vetoes import Vetoes

N_ROWS, N_ROUNDS, N_TRIALS, TRIAL_ROWS = 10_000_000, 30, 50, 18_000
"""The rows of the trials are as many as the studies of the cities have: windows expand, the last fold has them all."""
CHECKED_ROWS = 200_000
N_FOLDS = 3
PLAIN, OURS = "lightgbm.train", "qianfen"
SEARCH = {
    ROUNDS: {"low": 40, "high": 200, "log": True},
    "learning_rate": {"low": 0.01, "high": 0.2, "log": True},
    "num_leaves": {"low": 2, "high": 31, "log": True},
    "min_data_in_leaf": {"low": 20, "high": 1000, "log": True},
    "feature_fraction": {"low": 0.4, "high": 1.0},
}
_BLOCK = 500_000


@click.command("train", help=__doc__)
@click.option("--rows", "n_rows", default=N_ROWS, show_default=True, help="Rows of the fit.")
@click.option("--rounds", default=N_ROUNDS, show_default=True, help="Trees of the fit.")
@click.option("--trials", "n_trials", default=N_TRIALS, show_default=True, help="Trials of the study; 0 leaves it out.")
@click.option("--trial-rows", default=TRIAL_ROWS, show_default=True, help="Rows that the last fold trains on.")
@click.option("--runs", default=3, show_default=True, help="Runs of each side of the fit.")
@click.option("--warm-ups", default=0, show_default=True, help="Runs of each side before they count.")
@click.option("--threads", default=2, show_default=True, help="Threads of each side.")
@click.pass_obj
def benchmark(
    environment: Mapping[str, str], n_rows: int, rounds: int, n_trials: int, trial_rows: int, runs: int,
    warm_ups: int, threads: int,
) -> Report:  # fmt: skip
    """Measure the fit, then the trials."""
    with tempfile.TemporaryDirectory(prefix="qianfen-bench-") as name:
        folder = Path(name)
        write_rows(folder, n_rows)
        checks = {"fit: the peer's model, without offset and with": same_model(folder, threads)}
        fits = _sides("fit", folder, (rounds, threads), environment, runs, warm_ups, n_rows)
        studies: tuple[Row, ...] = ()
        if n_trials:
            studies = _sides("trials", folder, (n_trials, trial_rows, threads), environment, 1, 0, None)
            checks["trials: largest difference of values"] = same_values(folder)
    ratios = _ratios("fit", fits) | (_ratios("trials", studies) if studies else {})
    work = (
        f"{n_rows:,} rows, 18 indicators, {rounds} trees; {n_trials} trials on {N_FOLDS} expanding folds up to "
        f"{trial_rows:,} rows"
    )
    return Report("train", work, (*fits, *studies), ratios, checks)


def write_rows(folder: Path, n_rows: int) -> None:
    """Write rows like a city's to X.npy (n, 18) and y.npy, block by block."""
    X = np.lib.format.open_memmap(folder / "X.npy", mode="w+", dtype=np.float64, shape=(n_rows, 18))
    y = np.empty(n_rows, np.int8)
    for at in range(0, n_rows, _BLOCK):
        block, labels = labelled(min(_BLOCK, n_rows - at), seed=at)
        X[at : at + _BLOCK], y[at : at + _BLOCK] = block, labels
    X.flush()
    np.save(folder / "y.npy", y)


def labelled(n: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.int8]]:
    """Return rows like a city's and labels that hang on some of their indicators."""
    X = city_rows(n, seed)
    log_odds = np.nan_to_num(X[:, 11:14]).sum(axis=1) * 0.3 + np.nan_to_num(X[:, 15] * X[:, 16]) * 0.1 - 3
    y = np.random.default_rng(seed + 1).random(n) < 1 / (1 + np.exp(-log_odds))
    return X, y.astype(np.int8)


def recipe(rounds: int, threads: int) -> Recipe:
    """Return the project's recipe: its card, its defaults, the catalogue's directions."""
    catalogue = load_catalogue()
    settings = {
        **DEFAULTS, **UNFILTERED, "monotone_constraints": list(catalogue.monotone), "seed": 1, "deterministic": True,
        "force_row_wise": True, "num_threads": threads, "verbosity": -1,
    }  # fmt: skip
    card = ExpertCard.from_csv(REFERENCE / "expert_card.csv", catalogue.names)
    cut_points = CutPoints.from_csv(REFERENCE / "cut_points.csv")
    vetoes = Vetoes.from_csv(REFERENCE / "vetoes.csv", catalogue.names, cut_points.grades)
    return Recipe(card, cut_points, vetoes, settings, rounds)


def plain_fit(
    X: NDArray[np.float64], y: NDArray[np.int8], used: Recipe, init_score: NDArray[np.float64] | None = None
) -> lgb.Booster:
    """Train as anybody would."""
    dataset = lgb.Dataset(X, label=y, init_score=init_score, feature_name=list(used.card.names))
    return lgb.train(used.lightgbm, dataset, num_boost_round=used.num_boost_round)


def same_model(folder: Path, threads: int) -> float:
    """Return 1 where our fits are the peer's models, to the letter, without offset and with; else BenchmarkError."""
    X = np.array(np.load(folder / "X.npy", mmap_mode="r")[:CHECKED_ROWS])
    y, used = np.load(folder / "y.npy")[:CHECKED_ROWS], recipe(20, threads)
    rows = as_rows(X, y)
    for kind in ("lightgbm", "lightgbm_offset"):
        ours, expert_score = fit_uncalibrated(kind, rows, used).booster, start(kind, rows, used)[1]
        if ours is None or _trees(ours) != _trees(plain_fit(X, y, used, expert_score)):
            raise BenchmarkError(f"Our {kind} must be the model of lightgbm.train on the same rows, it is not.")
    return 1.0


def same_values(folder: Path) -> float:
    """Return the largest difference between what both sides gave the trials that ours ran to the end."""
    ours = read_json(folder / "trials.json")
    plain = read_json(folder / "plain.json")
    differences = [abs(t["value"] - p) for t, p in zip(ours, plain, strict=True) if t["value"] is not None]
    largest = float(max(differences))
    if largest > 0:
        raise BenchmarkError(f"Trials must have the values that plain fits give, they differ by {largest}.")
    return largest


def as_rows(X: NDArray[np.float64], y: NDArray[np.int8]) -> Rows:
    """Return labelled rows that nobody needs to tell apart."""
    return Rows(X, y, pd.DataFrame(index=pd.RangeIndex(len(y))), ())


def _trees(booster: lgb.Booster) -> str:
    # What follows the trees tells the parameters of the call.
    return str(booster.model_to_string()).split("\nparameters:")[0]


def _sides(
    part: str, folder: Path, sizes: Sequence[int], environment: Mapping[str, str], runs: int, warm_ups: int,
    n_rows: int | None,
) -> tuple[Row, ...]:  # fmt: skip
    """Return what each side took, by its own clock: reading the rows is left out of the time, not of the memory."""
    taken: dict[str, list[tuple[float, float]]] = {OURS: [], PLAIN: []}

    def once(side: str) -> Run:
        click.echo(f"{part}: {side}", err=True)
        arguments = [part, side, str(folder), *map(str, sizes)]
        run = measure([sys.executable, "-m", "experiments.benchmarks.train", *arguments], environment)
        said = json.loads(run.output.splitlines()[-1])
        taken[side].append((said["seconds"], said["cpu_seconds"]))
        return run

    rows = take_turns({side: partial(once, side) for side in taken}, n_rows, runs, warm_ups)
    return tuple(
        replace(row, what=f"{part}: {row.what}", seconds=seconds, cpu_seconds=cpu_seconds)
        for row in rows
        for seconds, cpu_seconds in [tuple(zip(*taken[row.what][warm_ups:], strict=True))]
    )


def _ratios(part: str, rows: Sequence[Row]) -> dict[str, float]:
    ours, plain = rows
    return {
        f"{part}: time of ours over plain": ours.median_seconds / plain.median_seconds,
        f"{part}: CPU time of ours over plain": (ours.median_cpu_seconds or 0.0) / (plain.median_cpu_seconds or 1.0),
        f"{part}: peak memory of ours over plain": ours.peak_rss_mib / plain.peak_rss_mib,
    }


def _fit(side: str, folder: Path, rounds: int, threads: int) -> dict[str, float]:
    X, y = np.load(folder / "X.npy"), np.load(folder / "y.npy")
    used = recipe(rounds, threads)
    work: Callable[[], Any] = partial(plain_fit, X, y, used)
    if side == OURS:
        work = partial(fit_uncalibrated, "lightgbm_offset", as_rows(X, y), used)
    return timed(work)[1]


def _trials(side: str, folder: Path, n_trials: int, n_rows: int, threads: int) -> dict[str, float]:
    folds = [
        FoldRows(
            Fold(n, (date(2020, 1, 1),), (date(2020, 7, 1),)),
            as_rows(*labelled(n_rows * n // N_FOLDS, seed=10 * n)),
            as_rows(*labelled(n_rows // 2, seed=10 * n + 5)),
        )
        for n in range(1, N_FOLDS + 1)
    ]
    if side == PLAIN:
        tried = read_json(folder / "trials.json")
        values, taken = timed(partial(_plain_trials, tried, folds, recipe(N_ROUNDS, threads)))
        write_json(folder / "plain.json", values)
        return taken
    trials, taken = timed(partial(_our_trials, n_trials, folder, folds, recipe(N_ROUNDS, threads)))
    write_json(folder / "trials.json", trials)
    return taken


def _our_trials(n_trials: int, folder: Path, folds: Sequence[FoldRows], used: Recipe) -> list[dict[str, Any]]:
    experiment = Experiment.model_validate({
        "name": "bench", "folder": folder, "city": "bench", "objective": "roc_auc", "n_trials": n_trials, "seed": 1,
        "folds": {"first": date(2020, 1, 1), "last": date(2020, 7, 1), "n_folds": N_FOLDS, "every_days": 1},
        "search": SEARCH,
    })  # fmt: skip
    binned = bin_folds(experiment.kind, folds, used)
    storage = f"sqlite:///{folder / f'{time.time_ns()}.db'}"
    base = {**used.lightgbm, ROUNDS: used.num_boost_round}
    return ended_trials(run_study(experiment, "bench", storage, binned, base, lambda _: None))


def _plain_trials(tried: Sequence[Mapping[str, Any]], folds: Sequence[FoldRows], used: Recipe) -> list[float]:
    """Run every trial to its end, each fit on bins of its own; the experts' log-odds are worked out once."""
    begun = [start("lightgbm_offset", fold.train, used) for fold in folds]
    values = []
    for trial in tried:
        settings = {**used.lightgbm, **{name: trial[name] for name in SEARCH if name != ROUNDS}}
        of_trial = []
        for fold, (model, expert_score) in zip(folds, begun, strict=True):
            dataset = lgb.Dataset(fold.train.X, fold.train.y, init_score=expert_score)
            booster = lgb.train(settings, dataset, num_boost_round=trial[ROUNDS])
            score = model.raw_score(fold.test.X) + np.asarray(booster.predict(fold.test.X, raw_score=True))
            of_trial.append(fast_roc_auc(fold.test.y, score))
        values.append(float(np.mean(of_trial)))
    return values


if __name__ == "__main__":
    part, side, place, *sizes = sys.argv[1:]
    print(json.dumps((_fit if part == "fit" else _trials)(side, Path(place), *map(int, sizes))))
