"""A contest: every rival fitted on the same rows and measured on the same draws of entities.

Every figure has an interval by a bootstrap of whole entities, and so has its difference to the champion, on the same
draws. Models are not fitted anew in a draw: the interval tells how far the figure hangs on who was inspected.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from data.errors import LabelError
from data.progress import Progress
from training.bootstrap import DRAWS, Interval, draw_weights, interval_of
from training.fitting import Recipe
from training.ranking import Ranking
from training.rivals import CHAMPION, RIVALS, FittedRival, Rival
from training.rivals.rival import Floats
from training.rows import Rows

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
    own = np.concatenate([np.ones(len(test.y)) if test.weight is None else test.weight for test in tests])
    drawn = draw_weights(np.concatenate([test.entity_ids for test in tests]), n_draws, seed)
    values: dict[str, list[dict[str, float]]] = {name: [] for name in rankings}
    for times in chain([np.ones(len(own))], drawn):
        weights = np.split(own * times, ends)
        for name, found in rankings.items():
            values[name].append(_mean(found, weights))
    return {
        name: Measured(_intervals(found, n_draws), _intervals(_less(found, values[CHAMPION.name]), n_draws))
        for name, found in values.items()
    }


def _mean(rankings: Sequence[Ranking], weights: Sequence[Floats]) -> dict[str, float]:
    figures = [ranking.figures(weight) for ranking, weight in zip(rankings, weights, strict=True)]
    return {name: float(np.mean([of_trial[name] for of_trial in figures])) for name in figures[0]}


def _less(found: list[dict[str, float]], champion: list[dict[str, float]]) -> list[dict[str, float]]:
    return [{name: a[name] - b[name] for name in a} for a, b in zip(found, champion, strict=True)]


def _intervals(found: list[dict[str, float]], n_draws: int) -> Figures:
    """Return intervals of figures: the first are those of the rows as they are, the others of the draws."""
    return {
        name: interval_of(found[0][name], np.array([drawn[name] for drawn in found[1:]]), n_draws) for name in found[0]
    }
