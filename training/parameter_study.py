"""Declared studies of indicators' parameters: which values are tried, on which folds; see docs/better-indicators.md."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, StrictFloat, StrictInt

from data.city import City
from data.declarations import Section, declared
from data.errors import ConfigurationError
from features.catalogue import load_catalogue
from features.parameters import Values
from training.experiment import FoldWindow, find_experiment

_PAGE = "docs/better-indicators.md"
Tried = dict[str, dict[str, tuple[StrictInt | StrictFloat, ...]]]


class ParameterStudy(Section):
    """A study: everything that its result hangs on, beside the records and the city's model."""

    name: str = Field(exclude=True)
    folder: Path = Field(exclude=True)
    city: str
    folds: FoldWindow
    passes: int = Field(default=2, ge=1, description="how often all parameters are gone through")
    least_gain: float = Field(default=0.0005, ge=0, description="mean AUC that a value must bring to be taken")
    n_draws: int = Field(default=500, ge=1, description="draws of entities for each interval")
    search: Tried = Field(min_length=1, description="values that are tried, by indicator and parameter, in this order")

    @property
    def title(self) -> str:
        """City and name, as the command takes it."""
        return f"{self.city}/{self.name}"

    def start(self, city: City) -> dict[str, dict[str, float]]:
        """Return the values with which the search begins: the city's own, but the defaults of what is searched."""
        return {
            indicator: kept
            for indicator, values in city.indicator_parameters.items()
            if (kept := {n: v for n, v in values.items() if n not in self.search.get(indicator, {})})
        }


def load_parameter_study(name_or_path: str) -> ParameterStudy:
    """Read and validate a study.

    Raises
    ------
    NotFoundError
        Where there is none of that name.
    ConfigurationError
        Where a key, an indicator or a parameter is unknown, or a value lies beyond its bounds.
    """
    path = find_experiment(name_or_path)
    study = declared(ParameterStudy, path, _PAGE, name=path.stem, folder=path.parent)
    for indicator, parameters in study.search.items():
        for name, values in parameters.items():
            if not values:
                raise ConfigurationError(f"{path} must try a value or more of {indicator} {name}, got none. Add some.")
            for value in values:
                _require_allowed({indicator: {name: value}}, path)
    return study


def _require_allowed(given: dict[str, Values], path: Path) -> None:
    try:
        load_catalogue().with_values(given)
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}, [search]: {error}") from error
