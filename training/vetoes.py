"""Vetoes: conditions under which a grade is never better than a stated one, whatever the points say.

A veto looks at one indicator, so that a model artifact and a row are enough to give the grade. It acts after the points
and leaves them, the probability and every contribution as they are.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.errors import ConfigurationError, did_you_mean
from training.expert_card import number, read_rows

_COLUMNS = ("veto", "indicator", "at_least", "best_grade", "reason_zh", "reason_en", "valid_from", "source")


@dataclass(frozen=True)
class Veto:
    """A grade never better than `best_grade` where `indicator` is `at_least` so much; a missing value is not."""

    veto: str
    indicator: str
    at_least: float
    best_grade: str
    reason_zh: str
    reason_en: str
    valid_from: str
    source: str


@dataclass(frozen=True)
class Vetoes:
    """All vetoes of a model, over its indicators and its grades from the lowest risk to the highest."""

    declared: tuple[Veto, ...]
    names: tuple[str, ...]
    grades: tuple[str, ...]

    def places(self, X: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return of rows X (n, 18) the place of the best grade that is open (n,), and which veto says so (n,).

        The place counts from 0 for the lowest risk; -1 stands for no veto. Of equal vetoes the first is named.
        """
        best, which = np.zeros(len(X), dtype=np.intp), np.full(len(X), -1, dtype=np.intp)
        for number_of, veto in enumerate(self.declared):
            place = self.grades.index(veto.best_grade)
            held = (X[:, self.names.index(veto.indicator)] >= veto.at_least) & (place > best)
            best[held], which[held] = place, number_of
        return best, which

    def applied(self, X: NDArray[np.float64], grade: NDArray[np.str_]) -> tuple[NDArray[np.str_], NDArray[np.str_]]:
        """Return the grades of rows after all vetoes, and the veto that changed each; '' where none did."""
        if not self.declared:
            return grade, np.full(len(grade), "")
        best, which = self.places(X)
        order = np.array(self.grades)
        by_points = np.argmax(grade[:, None] == order, axis=1)
        acts = best > by_points
        named = np.array([veto.veto for veto in self.declared])[which]
        return order[np.where(acts, best, by_points)], np.where(acts, named, "")

    def __getitem__(self, name: str) -> Veto:
        """Return the veto of that name."""
        return next(veto for veto in self.declared if veto.veto == name)

    def as_json(self) -> list[dict[str, Any]]:
        """Return what a manifest keeps."""
        return [asdict(veto) for veto in self.declared]

    @classmethod
    def from_csv(cls, path: Path, names: tuple[str, ...], grades: tuple[str, ...]) -> Vetoes:
        """Read vetoes; a file with its head alone declares none.

        Raises
        ------
        ConfigurationError
            Where an indicator or a grade is unknown or empty, a grade is the best one, a name comes twice, a number is
            none, or a reason or a source is missing.
        """
        declared = tuple(_veto(path, row, names, grades) for row in read_rows(path, _COLUMNS, may_be_empty=True))
        twice = {veto.veto for veto in declared if [other.veto for other in declared].count(veto.veto) > 1}
        if twice:
            raise ConfigurationError(f"{path} must name each veto once, got {sorted(twice)[0]} twice. Rename one.")
        return cls(declared, names, grades)


def _veto(path: Path, row: dict[str, str], names: tuple[str, ...], grades: tuple[str, ...]) -> Veto:
    for column in _COLUMNS:
        if not (row[column] or "").strip():
            raise ConfigurationError(f"{path} must give every veto its {column}, '{row['veto']}' has none. Fill it in.")
    if row["indicator"] not in names:
        raise ConfigurationError(
            f"{path} must hold vetoes over indicators, '{row['indicator']}' is none."
            f"{did_you_mean(row['indicator'], names)}"
        )
    if row["best_grade"] not in grades[1:]:
        raise ConfigurationError(
            f"{path} must name a grade worse than {grades[0]}, one of {', '.join(grades[1:])}, got "
            f"'{row['best_grade']}'. Correct it, or declare the city's own with [scale] vetoes in city.toml."
        )
    return Veto(**{**row, "at_least": number(path, row["at_least"])})  # type: ignore[arg-type]
