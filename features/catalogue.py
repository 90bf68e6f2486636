"""The catalogue of indicators: each is declared where it is defined and found by crawling `features.indicators`."""

from __future__ import annotations

import importlib
import pkgutil
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Protocol

from data.errors import ConfigurationError
from data.files import fingerprint
from data.schemas import TABLES
from features.declaration import DIMENSIONS, Indicator, takes
from features.parameters import Values, refuse_unknown


class Declares(Protocol):
    """What says of parameters of indicators which values are in force: a city, or its records."""

    @property
    def indicator_parameters(self) -> Mapping[str, Values]: ...


@dataclass(frozen=True)
class Catalogue:
    """All indicators in their fixed order: by dimension, then as they stand in its module."""

    indicators: tuple[Indicator, ...]

    def __post_init__(self) -> None:
        if not self.indicators:
            raise ConfigurationError("The catalogue must hold indicators, it is empty. Reinstall qianfen.")
        for name, count in Counter(i.name for i in self.indicators).items():
            if count > 1:
                raise ConfigurationError(f"Indicator names must be unique, got {count} of '{name}'. Rename one.")
        for item in self.indicators:
            _check(item)

    def __iter__(self) -> Iterator[Indicator]:
        return iter(self.indicators)

    def __len__(self) -> int:
        return len(self.indicators)

    def __getitem__(self, name: str) -> Indicator:
        return self._by_name[name]

    @cached_property
    def _by_name(self) -> dict[str, Indicator]:
        return {i.name: i for i in self.indicators}

    def with_values(self, given: Mapping[str, Values]) -> Catalogue:
        """Return the catalogue with values in force, by indicator and parameter; the others have their defaults.

        Raises
        ------
        ConfigurationError
            Where a name is unknown, or a value beyond its bounds.
        """
        refuse_unknown({item.name: item.parameters for item in self}, given)
        if not given:
            return self
        made = [item.made_with(given) if item.made_with else item for item in self]
        # What no value changed stays, with its SQL.
        pairs = zip(made, self, strict=True)
        return Catalogue(tuple(item if new.values == item.values else new for new, item in pairs))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the indicators, the columns of every X."""
        return tuple(i.name for i in self.indicators)

    @cached_property
    def monotone(self) -> tuple[int, ...]:
        """Monotone constraints in the order of `names`."""
        return tuple(i.monotone for i in self.indicators)

    @cached_property
    def _formulas(self) -> list[tuple[dict[str, Any], str]]:
        return [(i.declaration, i.sql) for i in self.indicators]

    @cached_property
    def hash(self) -> str:
        """Stand for the declarations and the SQL of every formula; in every snapshot and model manifest."""
        return fingerprint(self._formulas)

    @cached_property
    def hashes(self) -> dict[str, str]:
        """Stand for the declaration and the SQL of each indicator by name: two catalogues differ in these."""
        return {name: fingerprint(formula) for name, formula in zip(self.names, self._formulas, strict=True)}


def catalogue_of(city: Declares) -> Catalogue:
    """Return the catalogue with the values in force that a city declares, or the city that records are of.

    Raises
    ------
    ConfigurationError
        Where it names an indicator or a parameter that is none, or gives a value beyond its bounds.
    """
    given = {name: tuple(sorted(values.items())) for name, values in city.indicator_parameters.items() if values}
    return _with_values(tuple(sorted(given.items())))


@cache
def _with_values(given: tuple[tuple[str, tuple[tuple[str, float], ...]], ...]) -> Catalogue:
    return load_catalogue().with_values({name: dict(values) for name, values in given})


@cache
def load_catalogue() -> Catalogue:
    """Return the catalogue of everything declared in `features.indicators`, parameters at their defaults."""
    package = importlib.import_module("features.indicators")
    found = {module.name for module in pkgutil.iter_modules(package.__path__)}
    if unknown := found - set(DIMENSIONS):
        raise ConfigurationError(f"A module of features.indicators must be named after a dimension, got {unknown}.")
    modules = [importlib.import_module(f"features.indicators.{name}") for name in DIMENSIONS if name in found]
    return Catalogue(tuple(item for module in modules for item in vars(module).values() if isinstance(item, Indicator)))


def _check(item: Indicator) -> None:
    if item.dimension not in DIMENSIONS:
        raise ConfigurationError(
            f"The dimension of {item.name} must be one of {', '.join(DIMENSIONS)}, got '{item.dimension}'."
        )
    if unknown := [table for table in item.tables if table not in TABLES]:
        raise ConfigurationError(f"The arguments of {item.name} must name canonical tables, got {', '.join(unknown)}.")
    if not takes(item.formula, item.parameters):
        raise ConfigurationError(
            f"The parameters of {item.name} must be the keyword-only arguments of its formula, got "
            f"{', '.join(item.parameters) or 'none'}."
        )
    if not (item.description and item.description_zh and item.name_zh and item.unit and item.unit_zh):
        raise ConfigurationError(f"{item.name} must have a docstring, a Chinese name and meaning, and a unit.")
