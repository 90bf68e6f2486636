"""Parameters of indicators: numbers of a formula that a city may set, each with bounds, a default and why it is that.

A city sets them in city.toml, ``[indicators.<indicator>]``; everything that is said of an indicator is made from the
values in force.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from data.errors import ConfigurationError, did_you_mean

Values = Mapping[str, float]
"""Values of an indicator's parameters by name."""

Phrases = Mapping[str, tuple[str, str]]
"""What texts say for a name in braces, in English and in Chinese."""

_YEAR_DAYS = 365
_YEARS_ZH = {1: "一年", 2: "两年", 3: "三年", 4: "四年", 5: "五年", 6: "六年", 8: "八年", 10: "十年"}


@dataclass(frozen=True)
class Parameter:
    """A number that a formula takes.

    Attributes
    ----------
    default : int or float
        Its value where a city sets none; a whole number where only whole numbers are allowed.
    low, high : float
        Inclusive bounds.
    unit, meaning, meaning_zh : str
        Unit, and what it does.
    why : str
        The reason for the default.
    owner : str
        Where several indicators share it, the one at which it is set; empty where it is the indicator's own.
    """

    default: float
    low: float
    high: float
    unit: str
    meaning: str
    meaning_zh: str
    why: str
    owner: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether only whole numbers are allowed."""
        return isinstance(self.default, int)

    def taken(self, value: float, where: str) -> float:
        """Return a value as formulas take it; ConfigurationError where it is not allowed."""
        if not self.low <= value <= self.high:
            raise ConfigurationError(
                f"{where} must lie between {self.low:g} and {self.high:g} {self.unit}, got {value:g}. Correct it."
            )
        if self.is_whole and value != int(value):
            raise ConfigurationError(f"{where} must be a whole number of {self.unit}, got {value:g}. Correct it.")
        return int(value) if self.is_whole else float(value)

    def phrase(self, value: float) -> tuple[str, str]:
        """Return how a value is said in English and in Chinese."""
        return period(value) if self.unit == "days" else (f"{value:g}", f" {value:g} ")


def period(days: float) -> tuple[str, str]:
    """Return a number of days in words, in English and in Chinese: whole years where it is so many."""
    years, rest = divmod(days, _YEAR_DAYS)
    if rest or not years:
        return f"{days:g} day{'' if days == 1 else 's'}", f" {days:g} 天"
    return f"{years:g} year{'' if years == 1 else 's'}", _YEARS_ZH.get(int(years), f" {years:g} 年")


def values_in_force(
    parameters: Mapping[str, Parameter], indicator: str, given: Mapping[str, Values]
) -> dict[str, float]:
    """Return the values in force for an indicator: what a city gave, at the parameter's owner, else the defaults.

    Parameters
    ----------
    given : mapping
        Values by indicator and name, as in city.toml.
    """
    values = {}
    for name, parameter in parameters.items():
        owner = parameter.owner or indicator
        value = given.get(owner, {}).get(name, parameter.default)
        values[name] = parameter.taken(value, f"[indicators.{owner}] {name}")
    return values


def refuse_unknown(parameters: Mapping[str, Mapping[str, Parameter]], given: Mapping[str, Values]) -> None:
    """Raise ConfigurationError where values are given for what no indicator has, or where it is not to be set.

    Parameters
    ----------
    parameters : mapping
        Parameters of every indicator by name.
    """
    for indicator, values in given.items():
        if indicator not in parameters:
            raise ConfigurationError(
                f"[indicators.{indicator}] must name an indicator.{did_you_mean(indicator, parameters)} "
                "docs/indicators.md lists them."
            )
        own = parameters[indicator]
        for name in values:
            if name not in own:
                raise ConfigurationError(
                    f"[indicators.{indicator}] must name parameters of {indicator}, got '{name}'."
                    f"{did_you_mean(name, own)} docs/indicators.md lists them."
                )
            if own[name].owner not in ("", indicator):
                raise ConfigurationError(
                    f"[indicators.{indicator}] must not set {name}, which is that of {own[name].owner}. "
                    f"Set it in [indicators.{own[name].owner}]."
                )


class _Kept(dict[str, str]):
    """Leaves a name in braces as it stands where nothing is said for it."""

    def __missing__(self, name: str) -> str:
        return f"{{{name}}}"


def said(text: str, phrases: Phrases, language: str) -> str:
    """Return a text with phrases in the place of their names in braces; other names stay."""
    at = 1 if language == "zh" else 0
    filled = text.format_map(_Kept({name: both[at] for name, both in phrases.items()}))
    # A number stands apart from Chinese text, and not from a bracket.
    return filled.replace("（ ", "（").strip()
