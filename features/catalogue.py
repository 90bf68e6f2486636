"""The catalogue of indicators: each is declared where it is defined and found by crawling `features.indicators`."""

from __future__ import annotations

import importlib
import inspect
import math
import pkgutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Literal

import ibis
import ibis.expr.types as ir

from data.errors import ConfigurationError
from data.files import fingerprint
from data.schemas import TABLES
from features.outlook import STAYS, Ageing, Remedy
from features.point_in_time import known_schemas

DIMENSIONS = {
    "registration": "主体登记",
    "operation": "经营",
    "credit": "信用",
    "violation": "违法违规",
    "personnel": "涉企人员",
    "monitoring": "动态监测",
}
"""The six dimensions of risk, in their fixed order; each is a module of `features.indicators`."""

Formula = Callable[..., ir.Table]


@dataclass(frozen=True)
class Indicator:
    """One number per entity as of a date, with everything that is said of it.

    Attributes
    ----------
    name, name_zh, description, description_zh
        Column name, name and meaning. The description is the formula's docstring.
    dimension : str
        One of DIMENSIONS.
    unit, unit_zh : str
        Unit of the value.
    risk : {"rises", "falls"}
        Which way risk goes when the value grows; no model may learn the contrary.
    minimum, maximum : float or None
        Inclusive bounds of the value; None where there is none.
    absent : float
        Value of an entity for which the formula yields nothing: 0 where no record means that nothing happened, NaN
        where it means that nothing is known.
    source : str
        Where the definition comes from.
    optional : tuple of str
        Tables of which one is enough; all others that the formula names are needed.
    formula : callable
        From tables as of dates to (as_of_date, entity_id, value).
    remedy : Remedy or None
        What the entity itself can do about its value; None where it can do nothing, or nothing that lowers the risk.
    ageing : Ageing
        What time makes of the value while no record is added.
    """

    name: str
    name_zh: str
    description: str
    description_zh: str
    dimension: str
    unit: str
    unit_zh: str
    risk: Literal["rises", "falls"]
    minimum: float | None
    maximum: float | None
    absent: float
    source: str
    optional: tuple[str, ...]
    formula: Formula
    remedy: Remedy | None = None
    ageing: Ageing = STAYS

    @property
    def dimension_zh(self) -> str:
        """Name of the dimension in Chinese."""
        return DIMENSIONS[self.dimension]

    @property
    def monotone(self) -> int:
        """LightGBM's monotone constraint: 1 where risk rises with the value, -1 where it falls."""
        return 1 if self.risk == "rises" else -1

    @property
    def tables(self) -> tuple[str, ...]:
        """Canonical tables that the formula reads: the names of its parameters."""
        return tuple(inspect.signature(self.formula).parameters)

    def is_available(self, mapped: Mapping[str, Any] | set[str]) -> bool:
        """Say whether a city that maps these tables has this indicator."""
        needed = [table for table in self.tables if table not in self.optional]
        enough = not self.optional or any(table in mapped for table in self.optional)
        return enough and all(table in mapped for table in needed)

    def compute(self, tables: Mapping[str, ir.Table]) -> ir.Table:
        """Return (as_of_date, entity_id, value) from tables that hold only what was known as of each date."""
        values = self.formula(**{name: tables[name] for name in self.tables})
        return values.select("as_of_date", "entity_id", value=values.value.cast("float64"))

    @property
    def declaration(self) -> dict[str, Any]:
        """What the value is, but for the formula, as JSON can hold it; what can become of it makes no other value."""
        fields = {name: value for name, value in vars(self).items() if name not in ("formula", "remedy", "ageing")}
        return {**fields, "absent": None if math.isnan(self.absent) else self.absent, "tables": self.tables}

    @property
    def sql(self) -> str:
        """The formula as DuckDB SQL over tables as of dates; shared expressions and constants are written out."""
        return str(ibis.to_sql(self.compute(known_schemas()), dialect="duckdb"))


def indicator(
    *,
    dimension: str,
    name_zh: str,
    description_zh: str,
    unit: str,
    unit_zh: str,
    risk: Literal["rises", "falls"],
    source: str,
    minimum: float | None = None,
    maximum: float | None = None,
    absent: float = math.nan,
    optional: tuple[str, ...] = (),
    remedy: Remedy | None = None,
    ageing: Ageing = STAYS,
) -> Callable[[Formula], Indicator]:
    """Declare an indicator: the function's name is the column, its parameters name the tables that it reads."""

    def declare(formula: Formula) -> Indicator:
        return Indicator(
            name=formula.__name__,
            name_zh=name_zh,
            description=inspect.cleandoc(formula.__doc__ or ""),
            description_zh=description_zh,
            dimension=dimension,
            unit=unit,
            unit_zh=unit_zh,
            risk=risk,
            minimum=minimum,
            maximum=maximum,
            absent=absent,
            source=source,
            optional=optional,
            formula=formula,
            remedy=remedy,
            ageing=ageing,
        )

    return declare


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


@cache
def load_catalogue() -> Catalogue:
    """Return the catalogue of everything declared in `features.indicators`."""
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
        raise ConfigurationError(f"The parameters of {item.name} must name canonical tables, got {', '.join(unknown)}.")
    if not (item.description and item.description_zh and item.name_zh and item.unit and item.unit_zh):
        raise ConfigurationError(f"{item.name} must have a docstring, a Chinese name and meaning, and a unit.")
