"""What is declared of an indicator, and the decorator that declares it beside its formula."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, Literal

import ibis
import ibis.expr.types as ir

from features.outlook import STAYS, Ageing, Remedy
from features.parameters import Parameter, Phrases, Values, said, values_in_force
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

_TEXTS = ("description", "description_zh", "unit", "unit_zh", "source")
# What can become of a value makes no other value, and a parameter that does is in the SQL.
_NOT_OF_THE_VALUE = ("formula", "remedy", "ageing", "parameters", "values", "phrases", "made_with")


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
    parameters, values : mapping
        Parameters of the formula by name, and their values in force, from which all of the above is made.
    phrases : mapping
        What texts say for the name of a parameter, in English and in Chinese.
    made_with : callable or None
        From values by indicator and name, as a city gives them, to this indicator with those values in force.
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
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    values: Values = field(default_factory=dict)
    phrases: Phrases = field(default_factory=dict)
    made_with: Callable[[Mapping[str, Values]], Indicator] | None = None

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
        """Canonical tables that the formula reads: the names of its positional arguments."""
        return tuple(name for name, is_table in _arguments(self.formula) if is_table)

    def is_available(self, mapped: Mapping[str, Any] | set[str]) -> bool:
        """Say whether a city that maps these tables has this indicator."""
        needed = [table for table in self.tables if table not in self.optional]
        enough = not self.optional or any(table in mapped for table in self.optional)
        return enough and all(table in mapped for table in needed)

    def compute(self, tables: Mapping[str, ir.Table]) -> ir.Table:
        """Return (as_of_date, entity_id, value) from tables that hold only what was known as of each date."""
        values = self.formula(**{name: tables[name] for name in self.tables}, **self.values)
        return values.select("as_of_date", "entity_id", value=values.value.cast("float64"))

    @property
    def declaration(self) -> dict[str, Any]:
        """What the value is, but for the formula, as JSON can hold it; what can become of it makes no other value."""
        kept = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in _NOT_OF_THE_VALUE}
        return {**kept, "absent": None if math.isnan(self.absent) else self.absent, "tables": self.tables}

    def says(self, text: str, language: str) -> str:
        """Return a text with the values in force in the place of the names of parameters in braces."""
        return said(text, self.phrases, language)

    @cached_property
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
    parameters: Mapping[str, Parameter] | None = None,
    varying: Callable[[Values], dict[str, Any]] | None = None,
) -> Callable[[Formula], Indicator]:
    """Declare an indicator: the function's name is the column, its positional arguments name the tables that it reads.

    Parameters
    ----------
    parameters : mapping, optional
        What the formula takes as keyword-only arguments. Texts may hold their names in braces.
    varying : callable, optional
        From the values in force to fields of Indicator that depend on them, and to further `phrases`.
    """
    declared, fixed = parameters or {}, {"ageing": ageing, "minimum": minimum, "maximum": maximum}
    texts = {"description_zh": description_zh, "unit": unit, "unit_zh": unit_zh, "source": source}

    def declare(formula: Formula) -> Indicator:
        def made_with(given: Mapping[str, Values]) -> Indicator:
            values = values_in_force(declared, formula.__name__, given)
            description = {"description": inspect.cleandoc(formula.__doc__ or "")}
            made = {**texts, **description, **fixed, **(varying(values) if varying else {})}
            phrases = {name: declared[name].phrase(value) for name, value in values.items()}
            phrases |= made.pop("phrases", {})
            for name in _TEXTS:
                made[name] = said(made[name], phrases, "zh" if name.endswith("_zh") else "en")
            return Indicator(
                name=formula.__name__,
                name_zh=name_zh,
                dimension=dimension,
                risk=risk,
                absent=absent,
                optional=optional,
                formula=formula,
                remedy=remedy,
                parameters=declared,
                values=values,
                phrases=phrases,
                made_with=made_with,
                **made,
            )

        return made_with({})

    return declare


def _arguments(formula: Formula) -> Iterator[tuple[str, bool]]:
    """Yield the arguments of a formula, and whether each is a table."""
    for name, argument in inspect.signature(formula).parameters.items():
        if argument.kind is not inspect.Parameter.VAR_KEYWORD:
            yield name, argument.kind is not inspect.Parameter.KEYWORD_ONLY


def takes(formula: Formula, parameters: Mapping[str, Parameter]) -> bool:
    """Say whether a formula takes these parameters, no fewer and no more; one with ``**`` hands others on."""
    named = {name for name, is_table in _arguments(formula) if not is_table}
    hands_on = any(a.kind is inspect.Parameter.VAR_KEYWORD for a in inspect.signature(formula).parameters.values())
    return named <= set(parameters) if hands_on else named == set(parameters)
