"""The experts' card: points for ranges of each indicator, and the cut points of the grades, from dated CSVs."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from data.errors import ConfigurationError, did_you_mean
from training.shap_tables.compiled import compiled

REFERENCE = Path(__file__).resolve().parent.parent / "data" / "reference"
_CARD_COLUMNS = ("indicator", "lower", "upper", "missing", "points", "valid_from", "source")
_BLOCK_ROWS = 20_000
_CUT_COLUMNS = ("grade", "from_points", "valid_from", "source")


@dataclass(frozen=True)
class Ranges:
    """Points of one indicator: `points[i]` from `edges[i - 1]` to below `edges[i]`; `neutral` where missing."""

    indicator: str
    edges: tuple[float, ...]
    points: tuple[float, ...]
    neutral: float

    @property
    def weight(self) -> float:
        """The most points that the indicator can give."""
        return max(self.points)


class _LaidOut(NamedTuple):
    """All ranges end to end: their edges, where each indicator's begin, and their points, the neutral ones last."""

    edges: NDArray[np.float64]
    starts: NDArray[np.int64]
    points: NDArray[np.float64]


@dataclass(frozen=True)
class ExpertCard:
    """Points for ranges of each indicator, in the order of the catalogue.

    `valid_from` is the day since which all of it holds; no record known on that day or later may have shaped it.
    """

    ranges: tuple[Ranges, ...]
    valid_from: str
    source: str

    @property
    def names(self) -> tuple[str, ...]:
        """Indicators, in order."""
        return tuple(r.indicator for r in self.ranges)

    @property
    def weights(self) -> dict[str, float]:
        """The most points that each indicator can give."""
        return {r.indicator: r.weight for r in self.ranges}

    def points(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the points (n, 18) of rows X (n, 18), columns in the order of `names`."""
        if X.shape[1] != len(self.ranges):
            raise ValueError(f"X must have {len(self.ranges)} columns, got {X.shape[1]}.")
        points = np.empty(X.shape)
        _look_up(np.ascontiguousarray(X, dtype=np.float64), *self._laid_out, points)
        return points

    @cached_property
    def _laid_out(self) -> _LaidOut:
        return _LaidOut(
            np.array([edge for r in self.ranges for edge in r.edges], dtype=np.float64),
            np.cumsum([0, *(len(r.edges) for r in self.ranges)], dtype=np.int64),
            np.array([point for r in self.ranges for point in (*r.points, r.neutral)], dtype=np.float64),
        )

    def totals(self, X: NDArray[np.float64]) -> tuple[NDArray[np.float64], tuple[float, ...]]:
        """Return the sum of the points of each row (n,), and the mean points of each indicator.

        Block by block: the points of millions of rows at once would take as much memory as the rows.
        """
        total, sums = np.empty(len(X)), np.zeros(len(self.ranges))
        for at in range(0, len(X), _BLOCK_ROWS):
            points = self.points(X[at : at + _BLOCK_ROWS])
            total[at : at + _BLOCK_ROWS] = points.sum(axis=1)
            sums += points.sum(axis=0)
        return total, tuple(float(mean) for mean in sums / len(X))

    def as_json(self) -> dict[str, Any]:
        """Return what a manifest keeps."""
        ranges = [
            {"indicator": r.indicator, "edges": list(r.edges), "points": list(r.points), "neutral": r.neutral}
            for r in self.ranges
        ]
        return {"valid_from": self.valid_from, "source": self.source, "ranges": ranges}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> ExpertCard:
        """Return the card that `as_json` described."""
        ranges = tuple(
            Ranges(r["indicator"], tuple(r["edges"]), tuple(r["points"]), r["neutral"]) for r in content["ranges"]
        )
        return cls(ranges, content["valid_from"], content["source"])

    @classmethod
    def from_csv(cls, path: Path, names: Sequence[str]) -> ExpertCard:
        """Read a card that gives points to every indicator named, and to no other.

        Raises
        ------
        ConfigurationError
            Where an indicator is missing or unknown, ranges leave a gap or overlap, or a number or day is none.
        """
        rows = read_rows(path, _CARD_COLUMNS)
        for row in rows:
            if row["indicator"] not in names:
                raise ConfigurationError(
                    f"{path} gives points to '{row['indicator']}', which is no indicator."
                    f"{did_you_mean(row['indicator'], names)}"
                )
        ranges = tuple(_ranges(path, name, [r for r in rows if r["indicator"] == name]) for name in names)
        return cls(ranges, str(max(_day(path, row["valid_from"]) for row in rows)), rows[0]["source"])


@dataclass(frozen=True)
class CutPoints:
    """Points from which each grade begins, from the lowest risk to the highest; the first begins at 0.

    `intervals` are those of all but the first where they were fitted; None where there are too few rows for one.
    """

    grades: tuple[str, ...]
    from_points: tuple[float, ...]
    valid_from: str
    source: str
    intervals: tuple[tuple[float | None, float | None], ...] = ()

    def grade(self, points: NDArray[np.float64]) -> NDArray[np.str_]:
        """Return the grade of points in [0, 1000]."""
        place = np.searchsorted(self.from_points[1:], points, side="right")
        grades: NDArray[np.str_] = np.array(self.grades)[place]
        return grades

    @property
    def outermost(self) -> tuple[float, float]:
        """The lowest and the highest boundary between two grades."""
        return self.from_points[1], self.from_points[-1]

    def as_json(self) -> dict[str, Any]:
        """Return what a manifest keeps."""
        fitted = {"intervals": [list(interval) for interval in self.intervals]} if self.intervals else {}
        return {
            "grades": list(self.grades),
            "from_points": list(self.from_points),
            "valid_from": self.valid_from,
            "source": self.source,
            **fitted,
        }

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> CutPoints:
        """Return the cut points that `as_json` described."""
        grades, from_points = tuple(content["grades"]), tuple(content["from_points"])
        intervals = tuple((low, high) for low, high in content.get("intervals", ()))
        return cls(grades, from_points, content["valid_from"], content["source"], intervals)

    @classmethod
    def from_csv(cls, path: Path) -> CutPoints:
        """Read cut points; ConfigurationError where they do not rise from 0 up to 1000 over three grades or more."""
        rows = read_rows(path, _CUT_COLUMNS)
        points = tuple(number(path, row["from_points"]) for row in rows)
        rising = all(a < b for a, b in pairwise(points))
        if len(points) < 3 or points[0] != 0 or points[-1] > 1000 or not rising:
            raise ConfigurationError(
                f"{path} must hold three grades or more, from_points rising from 0 up to at most 1000, got {points}."
            )
        return cls(tuple(row["grade"] for row in rows), points, rows[0]["valid_from"], rows[0]["source"])


@compiled
def _look_up(
    X: NDArray[np.float64],
    edges: NDArray[np.float64],
    starts: NDArray[np.int64],
    points: NDArray[np.float64],
    into: NDArray[np.float64],
) -> None:
    """Write the points of each value into `into` (n, 18)."""
    for row in range(X.shape[0]):
        for column in range(X.shape[1]):
            value = X[row, column]
            # An indicator has two points more than edges: of its first range, and of missing, the last.
            place = starts[column] + 2 * column
            for edge in range(starts[column], starts[column + 1]):
                # A missing value is below no edge: it passes all, and one place more.
                place += not (value < edges[edge])
            place += value != value
            into[row, column] = points[place]


def _ranges(path: Path, name: str, rows: list[dict[str, str]]) -> Ranges:
    neutral = [number(path, row["points"]) for row in rows if row["missing"]]
    bins = [row for row in rows if not row["missing"]]
    if len(neutral) != 1 or not bins:
        raise ConfigurationError(f"{path} must give {name} ranges and one row for missing, got {len(rows)} row(s).")
    edges = tuple(number(path, row["upper"]) for row in bins[:-1])
    lowers = tuple(number(path, row["lower"]) for row in bins[1:])
    if bins[0]["lower"] or bins[-1]["upper"] or edges != lowers or list(edges) != sorted(set(edges)):
        raise ConfigurationError(
            f"{path} must give {name} ranges that rise and leave no gap, got edges {edges}, {lowers}."
        )
    points = tuple(number(path, row["points"]) for row in bins)
    if min(*points, neutral[0]) < 0:
        raise ConfigurationError(f"{path} must give {name} no points below 0, got {min(*points, neutral[0])}.")
    return Ranges(name, edges, points, neutral[0])


def read_rows(path: Path, columns: tuple[str, ...], may_be_empty: bool = False) -> list[dict[str, str]]:
    """Return the rows of a reference CSV with these columns; ConfigurationError where it is another file, or empty."""
    if not path.is_file():
        raise ConfigurationError(f"{path} must be a file, it is missing. Correct [scale] in city.toml.")
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) != columns:
            raise ConfigurationError(f"{path} must have the columns {', '.join(columns)}, got {reader.fieldnames}.")
        rows = list(reader)
    if not rows and not may_be_empty:
        raise ConfigurationError(f"{path} must hold rows, it has none.")
    return rows


def number(path: Path, text: str) -> float:
    """Return a number of a reference CSV; ConfigurationError where it is none."""
    try:
        return float(text)
    except ValueError as error:
        raise ConfigurationError(f"{path} must hold numbers, got '{text}'. Correct that row.") from error


def _day(path: Path, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ConfigurationError(
            f"{path} must say since which day each row holds, as 2026-01-01, got '{text}'. Correct that row."
        ) from error
