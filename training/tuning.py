"""Tuning by Optuna over temporal folds: seeded, pruned, and the same after a kill as without one.

Every trial draws from a generator seeded by how many trials ended before it, and TPE looks at ended trials alone; so a
study that was killed goes on where it was and ends as an undisturbed one. The rows of a fold are binned once for all
trials. Threads work on trees, trials follow one another.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import lightgbm as lgb
import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.trial import TrialState
from sqlalchemy import event
from sqlalchemy.exc import SQLAlchemyError

from data.errors import StorageError
from data.progress import Progress
from training.additive import AdditiveModel
from training.experiment import OFFSET_SHARE, ROUNDS, Experiment, Search, Value
from training.fitting import Recipe, grown, start
from training.folds import FoldRows
from training.model import UNFILTERED, binned, grow
from training.objectives import Objective, objective

ENDED = (TrialState.COMPLETE, TrialState.PRUNED)


@dataclass(frozen=True)
class BinnedFold:
    """A fold whose training rows are binned, with the model before any tree."""

    rows: FoldRows
    recipe: Recipe
    begun: AdditiveModel
    dataset: lgb.Dataset

    def scores(self, aim: Objective, settings: Mapping[str, Any]) -> NDArray[np.float64]:
        """Return the scores (n,) of the fold's test rows by the model that some parameters give."""
        parameters = {name: value for name, value in settings.items() if name not in (ROUNDS, OFFSET_SHARE)}
        begun = self._begun_from(settings[OFFSET_SHARE]) if OFFSET_SHARE in settings else self.begun
        model = grown(begun, grow(self.dataset, parameters, settings[ROUNDS]))
        return aim.scores(model, self.rows.train, self.rows.test)

    def _begun_from(self, offset_share: float) -> AdditiveModel:
        """Let the trees begin from a share of the experts' log-odds that a trial chose; the bins stay."""
        recipe = replace(self.recipe, offset_share=offset_share)
        begun, expert_score = start(self.begun.kind, self.rows.train, recipe)
        self.dataset.set_init_score(expert_score)
        return begun


def bin_folds(kind: str, folds: Sequence[FoldRows], recipe: Recipe) -> list[BinnedFold]:
    """Bin the training rows of folds once; `kind` says whether trees begin from the experts' offset."""
    result = []
    for rows in folds:
        begun, expert_score = start(kind, rows.train, recipe)
        settings = {**recipe.lightgbm, **UNFILTERED}
        dataset = binned(rows.train.X, rows.train.y, expert_score, begun.names, settings, rows.train.weight)
        result.append(BinnedFold(rows, recipe, begun, dataset))
    return result


def run_study(
    experiment: Experiment,
    study_name: str,
    storage: str,
    folds: Sequence[BinnedFold],
    base: Mapping[str, Any],
    progress: Progress = print,
) -> optuna.Study:
    """Run the trials that are still to run; return the study.

    Parameters
    ----------
    study_name : str
        Stands for everything that the trials hang on.
    storage : str
        SQLAlchemy URL where trials are kept.
    base : mapping
        LightGBM's parameters and ROUNDS for what no trial chooses.

    Raises
    ------
    StorageError
        Where trials cannot be kept.
    """
    aim = objective(experiment.objective, experiment.capacity_percent)
    with _talking_to(storage):
        study = optuna.create_study(
            study_name=study_name,
            storage=_trials_kept_in(storage),
            direction="maximize",
            load_if_exists=True,
            pruner=_pruner(experiment),
        )
        _fail_left_behind(study, progress)
        while (ended := len(study.get_trials(deepcopy=False, states=ENDED))) < experiment.n_trials:
            study.sampler = _sampler(experiment.seed, ended)
            trial = study.ask()
            settings = {**base, **suggest(trial, experiment.search)}
            value = _value(trial, folds, aim, settings)
            study.tell(trial, value, state=None if value is not None else TrialState.PRUNED)
            progress(_said(experiment, ended + 1, value, study))
    return study


def suggest(trial: optuna.Trial, search: Mapping[str, Search]) -> dict[str, Value]:
    """Return what a trial chooses."""
    chosen: dict[str, Value] = {}
    for name, space in search.items():
        if space.choices:
            chosen[name] = trial.suggest_categorical(name, list(space.choices))
        elif isinstance(space.low, int) and isinstance(space.high, int):
            chosen[name] = trial.suggest_int(name, space.low, space.high, log=space.log)
        else:
            chosen[name] = trial.suggest_float(name, space.low, space.high, log=space.log)
    return chosen


def _value(
    trial: optuna.Trial, folds: Sequence[BinnedFold], aim: Objective, settings: Mapping[str, Any]
) -> float | None:
    """Return the mean of the objective over the folds; None where the trial is pruned on the way."""
    values: list[float] = []
    for fold in folds:
        test = fold.rows.test
        values.append(aim.value(test.y, fold.scores(aim, settings), test.weight))
        trial.set_user_attr(f"fold_{fold.rows.fold.number}", values[-1])
        trial.report(float(np.mean(values)), step=len(values) - 1)
        if len(values) < len(folds) and trial.should_prune():
            return None
    return float(np.mean(values))


def _sampler(seed: int, ended: int) -> optuna.samplers.TPESampler:
    own = int(np.random.SeedSequence([seed, ended]).generate_state(1)[0])
    return optuna.samplers.TPESampler(seed=own, multivariate=True, constant_liar=False)


def _pruner(experiment: Experiment) -> optuna.pruners.BasePruner:
    # Hyperband would not do: it picks a trial's budget by its number, which a killed trial takes along.
    declared = experiment.pruner
    if declared.kind == "none":
        return optuna.pruners.NopPruner()
    return optuna.pruners.MedianPruner(declared.n_startup_trials, n_warmup_steps=declared.n_warmup_folds - 1)


def _trials_kept_in(url: str) -> optuna.storages.RDBStorage:
    """Return Optuna's storage; one in SQLite does not wait for the disk at each of a trial's twenty notes.

    A killed study loses nothing by that. Where the power fails, the last trials may be missing, and are tried again.
    """
    storage = optuna.storages.RDBStorage(url)
    if storage.engine.dialect.name == "sqlite" and storage.engine.url.database not in (None, "", ":memory:"):
        event.listen(storage.engine, "connect", _write_ahead)
        # Connections that Optuna opened to prepare the tables know nothing of it yet.
        storage.engine.dispose()
    return storage


def _write_ahead(connection: Any, _: Any) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")


def _fail_left_behind(study: optuna.Study, progress: Progress) -> None:
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        progress(f"Trial {trial.number} was stopped on its way: it is tried again.")
        study.tell(trial.number, state=TrialState.FAIL)


def _said(experiment: Experiment, number: int, value: float | None, study: optuna.Study) -> str:
    of = f"Trial {number} of {experiment.n_trials}"
    return f"{of}: pruned." if value is None else f"{of}: {value:.4f}, best {study.best_value:.4f}."


@contextmanager
def _talking_to(storage: str) -> Iterator[None]:
    """Keep Optuna from talking over our progress, and explain what its storage refuses."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(logging.ERROR)
    try:
        yield
    except (optuna.exceptions.StorageInternalError, SQLAlchemyError) as error:
        raise StorageError(
            f"Trials must be kept in {storage}, they cannot be: {str(error).splitlines()[0]}. "
            "Free space, or correct QIANFEN_STUDIES_URL, and run again: ended trials stand."
        ) from error
    finally:
        optuna.logging.set_verbosity(level)
