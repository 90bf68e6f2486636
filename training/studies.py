"""A declared experiment, run: folds, trials, the best parameters against the city's present ones, pictures, the record.

What was found is used by the training that follows and written into its manifest. city.toml is never rewritten.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna

from data.city import City, Model
from data.files import atomic_folder, fingerprint, read_json, write_json
from data.progress import Progress
from data.records import Records
from data.settings import Settings
from features.catalogue import catalogue_of
from training.bootstrap import Interval, intervals
from training.code import code_of
from training.experiment import OFFSET_SHARE, ROUNDS, Experiment
from training.fitting import Recipe
from training.folds import FoldRows, fold_rows, temporal_folds
from training.hindsight import card_against
from training.kept_runs import logged_or_kept, waiting
from training.metrics import Labels, Score, Weight
from training.model import UNFILTERED
from training.objectives import Objective, objective
from training.registry import log_study
from training.selection import weigh_folds
from training.splits import Stage, check_split
from training.tuning import ENDED, bin_folds, run_study
from training.tuning_plots import save_plots

DRAWS = 200
_RESULT = "result.json"


@dataclass(frozen=True)
class Tuned:
    """What a study found.

    Attributes
    ----------
    folder : Path
        result.json, trials.csv and plots/.
    result : dict
        What result.json says.
    """

    folder: Path
    result: dict[str, Any]

    @property
    def study_id(self) -> str:
        """Stand for the experiment, the rows and the code."""
        return str(self.result["study_id"])

    @property
    def record(self) -> dict[str, Any]:
        """What the manifest of a model keeps of the study."""
        return {name: self.result[name] for name in ("experiment", "study_id", "declared", "value")}

    def applied_to(self, city: City) -> City:
        """Return the city with the parameters that were found, in place of those of city.toml."""
        parameters = {**self.result["parameters"]}
        rounds, share = parameters.pop(ROUNDS), parameters.pop(OFFSET_SHARE)
        seed = self.result["declared"]["seed"]
        found = {"seed": seed, "parameters": parameters | UNFILTERED, ROUNDS: rounds, OFFSET_SHARE: share}
        return city.model_copy(update={"model": city.model.model_copy(update=found)})


def tune(experiment: Experiment, city: City, records: Records, settings: Settings, progress: Progress = print) -> Tuned:
    """Run a study, go on with it, or open what it found where nothing changed.

    Raises
    ------
    ConfigurationError
        For a window too short for its folds, labels that reach the city's test, a split that leaks.
    LabelError
        Where the labels of a fold are too few or of one class.
    """
    check_split(city)
    folds = temporal_folds(city, **dict(experiment.folds))
    rows = fold_rows(city, records, folds, settings, progress)
    recipe = _recipe(experiment, city, settings)
    study_id = fingerprint(
        experiment.model_dump(mode="json"), [str(fold) for fold in folds], records.records_id, catalogue_of(city).hash,
        [part.snapshot_ids for fold in rows for part in (fold.train, fold.test)], str(city.label), str(city.cohort),
        str(city.selection), str(city.split), str(city.model), recipe.card.as_json(), recipe.cut_points.as_json(),
        code_of("training.studies", without=("training.tuning_plots", "training.plots", "training.shap_plots")),
    )  # fmt: skip
    folder = _home(city, settings) / f"{experiment.name}-{study_id}"
    if not (folder / _RESULT).is_file():
        rows = weigh_folds(city, records, rows, settings, progress)
        _run(experiment, city, rows, recipe, folder, study_id, settings, progress)
    else:
        progress(f"Study {study_id} is there already, nothing changed: skipped.")
    return Tuned(folder, read_json(folder / _RESULT))


def log_or_keep(tuned: Tuned, city: City, settings: Settings, progress: Progress = print) -> str | None:
    """Log a study to MLflow, unless that was done; return the run's id.

    Where MLflow is away, say so and return None: the study is whole on disk, and the next run logs it.
    """

    def log() -> str:
        return log_study(city, settings, tuned.result, _read_trials(tuned.folder / "trials.csv"), tuned.folder)

    return logged_or_kept(tuned.folder, "study", log, progress)


def push_studies(city: City, settings: Settings, progress: Progress = print) -> list[Tuned]:
    """Log every study that MLflow has not got; return those that it took."""
    found = [Tuned(folder, read_json(folder / _RESULT)) for folder in waiting(_home(city, settings), _RESULT)]
    return [tuned for tuned in found if log_or_keep(tuned, city, settings, progress)]


def _home(city: City, settings: Settings) -> Path:
    return settings.var / "cities" / city.name / "studies"


def _recipe(experiment: Experiment, city: City, settings: Settings) -> Recipe:
    """Return the recipe that the experiment fixes; what it searches has the project's defaults until it is chosen."""
    fixed = dict(experiment.fixed)
    ours = {name: fixed.pop(name) for name in (ROUNDS, OFFSET_SHARE) if name in fixed}
    model = Model.model_validate({"seed": experiment.seed, "parameters": fixed | UNFILTERED, **ours})
    recipe = Recipe.of(city.model_copy(update={"model": model}), settings.threads)
    if not experiment.monotone:
        recipe.lightgbm.pop("monotone_constraints")
    return recipe


def _run(
    experiment: Experiment, city: City, rows: Sequence[FoldRows], recipe: Recipe, folder: Path, study_id: str,
    settings: Settings, progress: Progress,
) -> None:  # fmt: skip
    settings.var.mkdir(parents=True, exist_ok=True)
    base = {**recipe.lightgbm, ROUNDS: recipe.num_boost_round}
    study = run_study(
        experiment,
        f"{experiment.full_name} {study_id}",
        settings.studies_url,
        bin_folds(experiment.kind, rows, recipe),
        base,
        progress,
    )
    progress("Comparing what was found with the city's present parameters.")
    not_lightgbm = {ROUNDS: recipe.num_boost_round, OFFSET_SHARE: recipe.offset_share}
    best = {**experiment.fixed, **not_lightgbm, **study.best_params}
    figures = _compare(experiment, city, rows, recipe, {**base, **study.best_params}, settings)
    trials = ended_trials(study)
    result = {
        "experiment": experiment.full_name,
        "study_id": study_id,
        "declared": experiment.model_dump(mode="json"),
        "folds": [_as_json(fold) for fold in rows],
        "card": card_against(city, recipe.card, [fold.fold.test for fold in rows]),
        "parameters": best,
        "value": study.best_value,
        "figures": {name: interval.as_json() for name, interval in figures.items()},
        "n_complete": sum(trial["state"] == "complete" for trial in trials),
        "n_pruned": sum(trial["state"] == "pruned" for trial in trials),
        "importance": importance(study, experiment.seed),
    }
    with atomic_folder(folder) as beside:
        _write_trials(beside / "trials.csv", trials)
        save_plots(city, [fold.fold for fold in rows], trials, result, beside / "plots")
        write_json(beside / _RESULT, result)


def importance(study: optuna.Study, seed: int) -> dict[str, float]:
    """Return the share of the objective's variance that each parameter explains (fANOVA), most first.

    Empty with fewer than two whole trials, or where all gave the same.
    """
    values = {trial.value for trial in study.trials if trial.state == ENDED[0]}
    if len(values) < 2:
        return {}
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=seed)
    shares = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {name: float(share) for name, share in shares.items()}


def ended_trials(study: optuna.Study) -> list[dict[str, Any]]:
    """Return number, state, value, parameters and the value of each fold of the trials that ended, in order.

    They are numbered as they ended: a trial that a kill left behind takes no number.
    """
    ended = study.get_trials(deepcopy=False, states=ENDED)
    return [
        {
            "number": number,
            "state": trial.state.name.lower(),
            "value": trial.value if trial.state == ENDED[0] else None,
            **trial.params,
            **{name: value for name, value in sorted(trial.user_attrs.items())},
        }
        for number, trial in enumerate(ended, start=1)
    ]


def _compare(
    experiment: Experiment, city: City, rows: Sequence[FoldRows], recipe: Recipe, best: Mapping[str, Any],
    settings: Settings,
) -> dict[str, Interval]:  # fmt: skip
    """Return the objective of the best and of the present parameters and their difference, with intervals.

    Entities are drawn, each with its rows of all folds.
    """
    aim = objective(experiment.objective, experiment.capacity_percent)
    present = Recipe.of(city, settings.threads)
    before = {**present.lightgbm, **UNFILTERED, ROUNDS: present.num_boost_round}
    scores = [
        [fold.scores(aim, parameters) for fold in bin_folds(experiment.kind, rows, used)]
        for used, parameters in ((recipe, best), (present, before))
    ]
    number = np.repeat(np.arange(len(rows)), [len(fold.test.y) for fold in rows])
    columns = np.column_stack([np.concatenate(scores[0]), np.concatenate(scores[1]), number])
    y = np.concatenate([fold.test.y for fold in rows])
    entity_ids = np.concatenate([fold.test.entity_ids for fold in rows])
    weights = [fold.test.weight for fold in rows if fold.test.weight is not None]

    def figures(labels: Labels, drawn: Score, weight: Weight = None) -> dict[str, float]:
        tuned, untuned = (_mean_over_folds(aim, labels, drawn[:, column], drawn[:, 2], weight) for column in (0, 1))
        return {"tuned": tuned, "present": untuned, "difference": tuned - untuned}

    weight = np.concatenate(weights) if weights else None
    return intervals(figures, y, columns, entity_ids, weight, n_draws=DRAWS, seed=experiment.seed)


def _mean_over_folds(aim: Objective, y: Labels, score: Score, fold: Score, weight: Weight) -> float:
    values = []
    for number in np.unique(fold):
        mine = fold == number
        values.append(aim.value(y[mine], score[mine], None if weight is None else weight[mine]))
    return float(np.mean(values))


def _as_json(rows: FoldRows) -> dict[str, Any]:
    parts = {"train": rows.train, "test": rows.test}
    counts = {name: {"n_rows": len(part.y), "n_positive": int(part.y.sum())} for name, part in parts.items()}
    return {
        "number": rows.fold.number,
        **{name: {"dates": _dates(getattr(rows.fold, name)), **counts[name]} for name in parts},
    }


def _dates(stage: Stage) -> list[str]:
    return [str(day) for day in stage] if isinstance(stage, tuple) else [str(stage.start), str(stage.end)]


def _write_trials(path: Path, trials: Sequence[Mapping[str, Any]]) -> None:
    names = list(dict.fromkeys(name for trial in trials for name in trial))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(trials)


def _read_trials(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
