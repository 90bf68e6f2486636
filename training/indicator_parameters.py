"""Parameters of indicators learned from temporal folds, all of whose labels are known before the city's test begins.

Coordinate search: one parameter after the other, each to the value with the best mean AUC over the folds, as long as
that is a gain. The model is the champion's kind without the experts' offset, since the ranges of a card hold for the
scale of the values for which they were written. Each candidate works out only the indicators that it changes. Folds
choose and intervals are of the chosen, so what a step is said to bring is hopeful; the city's test is not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from data.city import City
from data.progress import Progress
from data.records import Records
from data.settings import Settings
from features.catalogue import Catalogue, catalogue_of, load_catalogue
from features.pairs import PairsAsOf, pairs_as_of
from features.parameters import Values
from training.bootstrap import Interval, interval
from training.fitting import Recipe, fit_uncalibrated
from training.folds import Fold, FoldRows, fold_rows, temporal_folds
from training.metrics import Weight, fast_roc_auc
from training.parameter_study import ParameterStudy
from training.selection import weigh_folds
from training.splits import check_split

Given = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Trial:
    """Values in force, and how they rank on the tests of the folds.

    Attributes
    ----------
    given : dict
        Values by indicator and parameter where they are not the defaults.
    scores : tuple of float64 (n_k,)
        Log-odds of the rows that fold k is tested on.
    by_fold : tuple of float
        AUC of each fold.
    """

    given: Given
    scores: tuple[NDArray[np.float64], ...]
    by_fold: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean AUC of the folds."""
        return float(np.mean(self.by_fold))


@dataclass(frozen=True)
class Step:
    """One parameter that took another value, and what that brought: the gain in mean AUC with its interval."""

    indicator: str
    parameter: str
    before: float
    after: float
    gain: Interval


@dataclass(frozen=True)
class Learned:
    """What a study found: the trial it began with, its steps, the trial it ended with, and all trials as they came."""

    folds: tuple[Fold, ...]
    first: Trial
    steps: tuple[Step, ...]
    best: Trial
    gain: Interval
    trials: tuple[dict[str, Any], ...]


def study_folds(study: ParameterStudy, city: City) -> tuple[Fold, ...]:
    """Return the folds of a study; ConfigurationError where they find no room or reach the city's test."""
    check_split(city)
    return temporal_folds(city, **dict(study.folds))


def learn_parameters(
    study: ParameterStudy, city: City, records: Records, settings: Settings, progress: Progress = print
) -> Learned:
    """Search the values that a study declares.

    Raises
    ------
    ConfigurationError
        For a window too short for its folds, labels that reach the city's test, a split that leaks.
    LabelError
        Where the labels of a fold are too few or of one class.
    """
    folds = study_folds(study, city)
    start: Given = study.start(city)
    records = replace(records, indicator_parameters=start)
    beginning = city.model_copy(update={"indicators": start})
    rows = fold_rows(beginning, records, folds, settings, progress)
    rows = weigh_folds(beginning, records, rows, settings, progress)
    with closing(_Columns(records, rows, settings)) as columns:
        trying = _Trying(rows, columns, Recipe.of(city, settings.threads))
        return _learned(study, folds, trying, start, progress)


def _learned(
    study: ParameterStudy, folds: tuple[Fold, ...], trying: _Trying, start: Given, progress: Progress
) -> Learned:
    """Go through the parameters, pass after pass, and return what came of it."""
    first = best = trying.trial(start)
    progress(f"Mean AUC of {len(folds)} folds with the values to begin with: {first.mean:.4f}.")
    steps: list[Step] = []
    for number in range(1, study.passes + 1):
        n_before = len(steps)
        for indicator, parameter, values in _searched(study):
            progress(f"Trying {len(values)} value(s) of {indicator} {parameter}.")
            found = max((trying.trial(_with(best.given, indicator, parameter, v)) for v in values), key=_mean)
            if found.mean - best.mean < max(study.least_gain, 1e-12):
                continue
            before, after = (_value(t.given, indicator, parameter) for t in (best, found))
            gain = trying.gain(best, found, study.n_draws)
            steps.append(Step(indicator, parameter, before, after, gain))
            progress(
                f"  {indicator} {parameter}: {before:g} to {after:g}, mean AUC {best.mean:.4f} to {found.mean:.4f}."
            )
            best = found
        progress(f"Pass {number}: {len(steps) - n_before} parameter(s) changed.")
        if len(steps) == n_before:
            break
    return Learned(folds, first, tuple(steps), best, trying.gain(first, best, study.n_draws), tuple(trying.said))


class _Trying:
    """Fits and ranks candidates on the same folds; one whose formulas were tried before is not fitted again."""

    def __init__(self, rows: tuple[FoldRows, ...], columns: _Columns, recipe: Recipe) -> None:
        self._rows = rows
        self._columns = columns
        self._recipe = recipe
        self._done: dict[str, Trial] = {}
        self.said: list[dict[str, Any]] = []
        self._y = np.concatenate([fold.test.y for fold in rows])
        self._entities = np.concatenate([fold.test.entity_ids for fold in rows])
        weights = [fold.test.weight for fold in rows if fold.test.weight is not None]
        self._weight = np.concatenate(weights) if weights else None
        self._fold = np.repeat(np.arange(len(rows)), [len(fold.test.y) for fold in rows])

    def trial(self, given: Given) -> Trial:
        """Return how values rank."""
        catalogue = load_catalogue().with_values(given)
        if catalogue.hash not in self._done:
            X = self._columns.of(catalogue)
            scores = tuple(self._score(fold, *parts) for fold, parts in zip(self._rows, X, strict=True))
            by_fold = tuple(fast_roc_auc(f.test.y, s, f.test.weight) for f, s in zip(self._rows, scores, strict=True))
            self._done[catalogue.hash] = Trial(given, scores, by_fold)
            self.said.append({"given": given, "by_fold": by_fold, "mean": float(np.mean(by_fold))})
        return replace(self._done[catalogue.hash], given=given)

    def gain(self, before: Trial, after: Trial, n_draws: int) -> Interval:
        """Return what one trial's mean AUC exceeds another's by, on the same draws of entities."""
        columns = [np.concatenate(trial.scores) for trial in (before, after)]
        both = np.column_stack([*columns, self._fold])
        return interval(_mean_difference, self._y, both, self._entities, self._weight, n_draws)

    def _score(self, fold: FoldRows, X: NDArray[np.float64], X_test: NDArray[np.float64]) -> NDArray[np.float64]:
        return fit_uncalibrated("lightgbm", replace(fold.train, X=X), self._recipe).raw_score(X_test)


class _Columns:
    """The values of candidates for the rows of the folds; each indicator with each formula is worked out once.

    The pairs of entity and date are brought in at the first candidate and kept with all that hangs on no parameter.
    """

    def __init__(self, records: Records, rows: tuple[FoldRows, ...], settings: Settings) -> None:
        keys = [part.keys[["entity_id", "as_of_date"]] for fold in rows for part in (fold.train, fold.test)]
        self._pairs = pd.concat(keys).drop_duplicates().sort_values(["as_of_date", "entity_id"], ignore_index=True)
        index = pd.MultiIndex.from_frame(self._pairs)
        places = [index.get_indexer(pd.MultiIndex.from_frame(frame)) for frame in keys]
        self._places = list(zip(places[::2], places[1::2], strict=True))
        hashes, X = catalogue_of(records).hashes.values(), self._gathered(rows)
        # The folds came with the values to begin with.
        self._known = {digest: X[:, at] for at, digest in enumerate(hashes)}
        self._bring_in = partial(pairs_as_of, records, self._pairs, settings.threads)

    @cached_property
    def _batches(self) -> list[PairsAsOf]:
        return list(self._bring_in())

    def close(self) -> None:
        """Let what was kept go."""
        for batch in self.__dict__.pop("_batches", ()):
            batch.close()

    def _gathered(self, rows: tuple[FoldRows, ...]) -> NDArray[np.float64]:
        """Return X of all pairs from that of the folds."""
        X = np.full((len(self._pairs), rows[0].train.X.shape[1]), np.nan)
        for fold, (train, test) in zip(rows, self._places, strict=True):
            X[train], X[test] = fold.train.X, fold.test.X
        return X

    def of(self, catalogue: Catalogue) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
        """Return X of the training and of the test of each fold."""
        missing = tuple(item for item in catalogue if catalogue.hashes[item.name] not in self._known)
        if missing:
            # Batches and their rows come in the order of the pairs.
            found = pa.concat_tables([batch.matrix(Catalogue(missing)) for batch in self._batches]).to_pandas()
            for item in missing:
                self._known[catalogue.hashes[item.name]] = found[item.name].to_numpy(np.float64, na_value=np.nan)
        X = np.column_stack([self._known[catalogue.hashes[name]] for name in catalogue.names])
        return [(X[train], X[test]) for train, test in self._places]


def _searched(study: ParameterStudy) -> Iterator[tuple[str, str, tuple[float, ...]]]:
    for indicator, parameters in study.search.items():
        for name, values in parameters.items():
            yield indicator, name, values


def _with(given: Given, indicator: str, parameter: str, value: float) -> Given:
    return {**given, indicator: {**given.get(indicator, {}), parameter: value}}


def _value(given: dict[str, Any], indicator: str, parameter: str) -> float:
    values: Values = given.get(indicator, {})
    return values.get(parameter, load_catalogue()[indicator].values[parameter])


def _mean(trial: Trial) -> float:
    return trial.mean


def _mean_difference(y: NDArray[np.int8], both: NDArray[np.float64], weight: Weight = None) -> float:
    """Return the mean over folds of what the AUC of the second column exceeds that of the first by."""
    found = []
    for fold in np.unique(both[:, 2]):
        of_fold = both[:, 2] == fold
        labels, own = y[of_fold], None if weight is None else weight[of_fold]
        if 0 < labels.sum() < len(labels):
            before, after = (fast_roc_auc(labels, both[of_fold, at], own) for at in (0, 1))
            found.append(after - before)
    return float(np.mean(found)) if found else float("nan")
