"""Declared experiments: `experiments/<city>/<name>.toml` says in full what a study tries, on which folds, for what."""

from __future__ import annotations

import math
from datetime import date
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from data.city import EXPERIMENTS, City, load_city
from data.declarations import Section, declared
from data.errors import ConfigurationError, NotFoundError, did_you_mean
from training.model import SETTABLE, UNFILTERED

Value = bool | int | float | str
ROUNDS = "num_boost_round"
OFFSET_SHARE = "offset_share"
PARAMETERS = (*(name for name in SETTABLE if name not in UNFILTERED), ROUNDS, OFFSET_SHARE)
"""What an experiment may fix or search."""

_PAGE = "docs/tuning.md"


class FoldWindow(Section):
    """When the folds lie; see `training.folds.temporal_folds`."""

    first: date
    last: date
    n_folds: int = Field(ge=1)
    every_days: int = Field(ge=1)


class Search(Section):
    """What a parameter may be: a number from `low` to `high`, a whole one where both are, or one of `choices`."""

    low: int | float | None = None
    high: int | float | None = None
    log: bool = Field(default=False, description="whether doubling counts the same everywhere")
    choices: tuple[Value, ...] = ()

    @model_validator(mode="after")
    def _one_kind(self) -> Search:
        ends = (self.low is not None) + (self.high is not None)
        if ends != (0 if self.choices else 2) or (self.choices and self.log):
            raise ValueError("give low and high, or choices")
        above = 0 if self.log else -math.inf
        if self.low is not None and self.high is not None and not above < self.low < self.high:
            raise ValueError("low must lie below high, and above 0 where log is true")
        return self


class Pruner(Section):
    """When a trial ends before its last fold: where its mean lies below the median of the trials before it."""

    kind: Literal["median", "none"] = "median"
    n_startup_trials: int = Field(default=5, ge=0, description="trials that go to their end before any is pruned")
    n_warmup_folds: int = Field(default=1, ge=1, description="folds that every trial is given")


class Experiment(Section):
    """A study: everything that its result hangs on, beside the records."""

    name: str = Field(exclude=True)
    folder: Path = Field(exclude=True)
    city: str
    kind: Literal["lightgbm_offset", "lightgbm"] = Field(
        default="lightgbm_offset", description="trees on the experts' offset, or without"
    )
    monotone: bool = Field(default=True, description="whether trees keep the direction of each indicator")
    selection: Literal["none", "weights"] = Field(
        default="none", description="whether rows count by the inverse of their chance of being inspected"
    )
    objective: Literal["roc_auc", "average_precision_at_capacity", "expected_points"]
    capacity_percent: float = Field(default=10.0, gt=0, le=100, description="share that can be inspected, in percent")
    n_trials: int = Field(ge=1)
    seed: int = Field(ge=0)
    folds: FoldWindow
    fixed: dict[str, Value] = Field(default_factory=dict, description="LightGBM's parameters that no trial changes")
    search: dict[str, Search] = Field(min_length=1, description="LightGBM's parameters that trials choose")
    pruner: Pruner = Pruner()

    @property
    def full_name(self) -> str:
        """City and name, as the command takes it."""
        return f"{self.city}/{self.name}"

    @property
    def trains(self) -> bool:
        """Whether what is found may train the city's model: it begins from the offset and keeps the directions."""
        return self.kind == "lightgbm_offset" and self.monotone


def find_experiment(name_or_path: str) -> Path:
    """Return the file of an experiment named by its path, or as `city/name` under experiments/."""
    for path in (Path(name_or_path), EXPERIMENTS / f"{name_or_path}.toml"):
        if path.is_file() and path.suffix == ".toml":
            return path.resolve()
    known = sorted(f"{p.parent.name}/{p.stem}" for p in EXPERIMENTS.glob("*/*.toml") if p.stem != "city")
    raise NotFoundError(
        f"An experiment must be a TOML file, or one of {', '.join(known)}; got '{name_or_path}'."
        f"{did_you_mean(name_or_path, known)} {_PAGE} tells how to declare one."
    )


def load_experiment(name_or_path: str) -> Experiment:
    """Read and validate an experiment.

    Raises
    ------
    NotFoundError
        Where there is none of that name.
    ConfigurationError
        Where a key or a parameter is unknown, or a value is not allowed; the nearest known one is named.
    """
    path = find_experiment(name_or_path)
    experiment = declared(Experiment, path, _PAGE, name=path.stem, folder=path.parent)
    for name in (*experiment.fixed, *experiment.search):
        if name not in PARAMETERS:
            raise ConfigurationError(
                f"{path} must fix and search parameters of LightGBM that an experiment may set, got '{name}'."
                f"{did_you_mean(name, PARAMETERS)} Those are: {', '.join(PARAMETERS)}."
            )
    if "max_bin" in experiment.search:
        raise ConfigurationError(f"{path} must not search max_bin: all trials share the same bins. Fix it instead.")
    _check_share(experiment, path)
    if both := sorted(set(experiment.fixed) & set(experiment.search)):
        raise ConfigurationError(f"{path} must fix {both[0]} or search it, it does both. Remove one.")
    return experiment


def _check_share(experiment: Experiment, path: Path) -> None:
    """Refuse a share of the offset that is none."""
    space = experiment.search.get(OFFSET_SHARE)
    given = [experiment.fixed[OFFSET_SHARE]] if OFFSET_SHARE in experiment.fixed else []
    tried = [*given, *([*space.choices, space.low, space.high] if space else [])]
    if tried and experiment.kind == "lightgbm":
        raise ConfigurationError(f"{path} must not set {OFFSET_SHARE} where trees begin without offset. Remove it.")
    for share in tried:
        if share is not None and not (isinstance(share, int | float) and 0 < share <= 1):
            raise ConfigurationError(f"{OFFSET_SHARE} of {path} must lie above 0 and at most at 1, got {share}.")


def city_of(experiment: Experiment) -> City:
    """Return the experiment's city, with the experiment's selection: the one in its folder, else the one of its name.

    Raises
    ------
    ConfigurationError
        Where the folder holds another city, or inspections are to be weighed.
    """
    is_beside = (experiment.folder / "city.toml").is_file()
    city = load_city(str(experiment.folder) if is_beside else experiment.city)
    if city.name != experiment.city:
        raise ConfigurationError(
            f"The city of {experiment.folder / experiment.name}.toml must be '{city.name}', which lies beside it, "
            f"got '{experiment.city}'. Correct it, or move the file."
        )
    if experiment.selection == "weights" and city.cohort.kind == "inspection":
        raise ConfigurationError(
            f'selection of {experiment.full_name} must be "none", for all inspections of a cohort have a label, '
            'got "weights". Remove it.'
        )
    return city.model_copy(update={"selection": city.selection.model_copy(update={"method": experiment.selection})})
