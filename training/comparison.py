"""The champion and its rivals on the same rows: over temporal folds, which choose, and on the city's test, beside them.

Every figure has an interval by a bootstrap of whole entities, and so has its difference to the champion, on the same
draws. Models are not fitted anew in a draw: the interval tells how far the figure hangs on who was inspected.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.city import City
from data.errors import ConfigurationError, LabelError
from data.progress import Progress
from data.records import Records
from data.settings import Settings
from training.bootstrap import DRAWS, Interval, draw_weights, interval_of
from training.fitting import Recipe, shifted_platt
from training.folds import Fold, FoldRows, fold_rows, temporal_folds
from training.ranking import Ranking
from training.rivals import CHAMPION, RIVALS, FittedRival, Rival
from training.rows import Rows, stage_rows
from training.splits import STAGES, first_day, horizon_days

N_FOLDS = 3
Figures = dict[str, Interval]


@dataclass(frozen=True)
class Measured:
    """What a rival reached on some rows.

    Attributes
    ----------
    figures, against_champion : dict by metric
        The figures, and what they exceed the champion's by; over folds the mean of the folds.
    """

    figures: Figures
    against_champion: Figures

    def as_json(self) -> dict[str, Any]:
        """Return the intervals, null for NaN."""
        return {
            "figures": {name: figure.as_json() for name, figure in self.figures.items()},
            "against_champion": {name: figure.as_json() for name, figure in self.against_champion.items()},
        }


@dataclass(frozen=True)
class Contest:
    """Rivals on some rows, in the order of declaration, the champion first.

    Attributes
    ----------
    measured : dict by rival
        What each reached.
    fit_seconds, size_bytes : dict by rival
        For the fit on the most rows.
    left_out : dict by rival
        Why it has no figures.
    """

    measured: dict[str, Measured]
    fit_seconds: dict[str, float]
    size_bytes: dict[str, int]
    left_out: dict[str, str]


@dataclass(frozen=True)
class Trial:
    """Rows to learn from and later rows to be tested on; `calibrate` puts what was fitted on probabilities, if any."""

    train: Rows
    test: Rows
    calibrate: Callable[[FittedRival], FittedRival] | None = None


def comparison_folds(city: City) -> tuple[Fold, ...]:
    """Return the folds before the city's test on which rivals are compared.

    Entity cohorts: as-of dates from the first of the trees on, as far apart as leaves room for all folds, at most one
    horizon. Inspection cohorts: each fold is tested on a sixth of the time, so that the first learns from half of it.

    Raises
    ------
    ConfigurationError
        Where there is no room.
    """
    first, last = first_day(city.split.trees), first_day(city.split.test) - city.label_lag
    if city.cohort.kind == "inspection":
        return temporal_folds(city, first, last, N_FOLDS, max(1, (last - first).days // (2 * N_FOLDS)))
    for days in range(city.label.horizon_days, 1, -1):
        try:
            return temporal_folds(city, first, last, N_FOLDS, days)
        except ConfigurationError:
            continue
    return temporal_folds(city, first, last, N_FOLDS, 1)


def fold_trials(folds: Sequence[FoldRows]) -> list[Trial]:
    """Return the trials of folds: they rank only, for there is no room for calibration between training and test."""
    return [Trial(fold.train, fold.test) for fold in folds]


def test_trial(city: City, records: Records, settings: Settings, progress: Progress) -> Trial:
    """Return the trial of the city's split: trees, then Platt on later rows, then the test, as `qianfen train` does."""
    rows = {stage: stage_rows(city, records, stage, settings, progress) for stage in STAGES}
    short, days = None, horizon_days(city, "calibration")
    if days != city.label.horizon_days:
        short = stage_rows(city, records, "trees", settings, progress, days)

    def calibrate(fitted: FittedRival) -> FittedRival:
        later = fitted.calibrated(rows["calibration"])
        return later if short is None else later.with_platt(shifted_platt(later, rows["trees"], short))

    return Trial(rows["trees"], rows["test"], calibrate)


def contest(
    trials: Sequence[Trial], recipe: Recipe, seed: int, progress: Progress, rivals: Sequence[Rival] = RIVALS,
    n_draws: int = DRAWS,
) -> Contest:  # fmt: skip
    """Fit every rival on every trial, and measure all of them on the same draws of entities.

    Raises
    ------
    LabelError
        Where the champion itself cannot be fitted.
    """
    rankings: dict[str, list[Ranking]] = {}
    seconds, sizes, left_out = {}, {}, {}
    for rival in rivals:
        if not rival.is_available:
            left_out[rival.name] = f"{rival.package} is not installed. Run `make install-extra`."
            continue
        progress(f"Fitting {rival.name}.")
        try:
            fitted = [_fit(rival, trial, recipe, seed) for trial in trials]
        except LabelError as error:
            if rival is CHAMPION:
                raise
            left_out[rival.name] = str(error)
            continue
        rankings[rival.name] = [ranking for ranking, _, _ in fitted]
        _, seconds[rival.name], sizes[rival.name] = fitted[-1]
    progress(f"Drawing entities {n_draws} times.")
    measured = _measured(rankings, [trial.test for trial in trials], n_draws, seed)
    return Contest(measured, seconds, sizes, left_out)


def _fit(rival: Rival, trial: Trial, recipe: Recipe, seed: int) -> tuple[Ranking, float, int]:
    """Return the ranking of the test rows, the seconds of the fit and the size of what was learned."""
    began = time.perf_counter()
    fitted = rival.fit(trial.train, recipe, seed)
    seconds = time.perf_counter() - began
    probability = None
    if trial.calibrate is not None:
        probability = trial.calibrate(fitted).probability(trial.test.X)
    return Ranking.of(trial.test.y, fitted.raw_score(trial.test.X), probability), seconds, fitted.size_bytes


def _measured(
    rankings: dict[str, list[Ranking]], tests: Sequence[Rows], n_draws: int, seed: int
) -> dict[str, Measured]:
    """Measure all rivals under the same weights, drawn by entity over all trials: one entity may be in several."""
    ends = np.cumsum([len(test.y) for test in tests])[:-1]
    drawn = draw_weights(np.concatenate([test.entity_ids for test in tests]), n_draws, seed)
    weightings = [np.split(weight, ends) for weight in drawn]
    values = {
        name: [_mean(r, [None] * len(tests)), *(_mean(r, weights) for weights in weightings)]
        for name, r in rankings.items()
    }
    return {
        name: Measured(_intervals(found, n_draws), _intervals(_less(found, values[CHAMPION.name]), n_draws))
        for name, found in values.items()
    }


def _mean(rankings: Sequence[Ranking], weights: Sequence[NDArray[np.int64] | None]) -> dict[str, float]:
    figures = [
        ranking.figures(None if weight is None else weight.astype(np.float64))
        for ranking, weight in zip(rankings, weights, strict=True)
    ]
    return {name: float(np.mean([of_trial[name] for of_trial in figures])) for name in figures[0]}


def _less(found: list[dict[str, float]], champion: list[dict[str, float]]) -> list[dict[str, float]]:
    return [{name: a[name] - b[name] for name in a} for a, b in zip(found, champion, strict=True)]


def _intervals(found: list[dict[str, float]], n_draws: int) -> Figures:
    """Return intervals of figures: the first are those of the rows as they are, the others of the draws."""
    return {
        name: interval_of(found[0][name], np.array([drawn[name] for drawn in found[1:]]), n_draws) for name in found[0]
    }


@dataclass(frozen=True)
class Comparison:
    """Rivals over the folds and on the city's test.

    Attributes
    ----------
    folds : tuple of FoldRows
        What the folds hold.
    over_folds, on_test : Contest
        Who reached what.
    """

    city: City
    folds: tuple[FoldRows, ...]
    over_folds: Contest
    on_test: Contest
    test: Rows


def compare_rivals(city: City, records: Records, settings: Settings, progress: Progress = print) -> Comparison:
    """Fit the champion and all rivals over the folds and on the city's split.

    Raises
    ------
    ConfigurationError
        Where the folds find no room, or the card is not whole.
    LabelError
        Where labels are too few or of one class.
    """
    recipe, seed = Recipe.of(city, settings.threads), city.model.seed
    folds = fold_rows(city, records, comparison_folds(city), settings, progress)
    over_folds = contest(fold_trials(folds), recipe, seed, progress)
    trial = test_trial(city, records, settings, progress)
    on_test = contest([trial], recipe, seed, progress)
    return Comparison(city, folds, over_folds, on_test, trial.test)
