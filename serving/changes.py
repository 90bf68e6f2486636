"""Changes of points between two gradings, line by line, in points that sum exactly.

    change = model + base_points + sum of (expert_i + learned_i) + clipping + rounding

Every number is a multiple of GRID, 2^-32 points, and so small that float64 adds such numbers without error, in any
order. `rounding` is what the 32-bit contributions of the files leave over.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads
import pyarrow.parquet as pq

from data.errors import ArtifactError
from data.progress import Progress
from serving.grade_causes import CAUSES, causes, cut_points_of
from serving.grading import Grading
from training.expert_card import CutPoints

GRID = 2.0**-32
"""Points of which every number of a movement is a multiple."""

MOST_ROUNDING_POINTS = 1e-3
"""Where 32-bit contributions leave more than this over, they do not belong to the points."""

STATES = ("stayed", "entered", "left")


def write_changes(path: Path, before: Grading, start: Grading, after: Grading, progress: Progress) -> dict[str, Any]:
    """Write everybody's changes to a Parquet file, a row group of the later grading at a time.

    Parameters
    ----------
    before, after : Grading
        The two gradings.
    start : Grading
        The entities of `before`, graded by the model of `after` where that is known; else `before` itself.

    Returns
    -------
    dict
        indicators, n, grades_of, transitions, changed and max_rounding_points, as `Movement` documents them.
    """
    names = list(dict.fromkeys([*_indicators(after), *_indicators(start)]))
    grades = list(dict.fromkeys([*after.grade_counts, *before.grade_counts]))
    lines, totals = lines_of(names), _Totals(grades, (cut_points_of(before), cut_points_of(after)))
    with pq.ParquetWriter(path, _schema(lines), compression="zstd") as writer:
        for late, low, high in _intervals(after):
            old = _rows_between(before, low, high)
            old_by_new = old if start is before else _rows_between(start, low, high)
            rows = _moved(old, old_by_new, late, names)
            _refuse_unexplained(rows, lines, before, after)
            totals.add(rows, lines)
            writer.write_table(pa.Table.from_pandas(rows, schema=_schema(lines), preserve_index=False))
    n = totals.n
    progress(f"Compared {n['stayed']:,} entities; {n['entered']:,} entered, {n['left']:,} left.")
    return {"indicators": names, **totals.as_json()}


def lines_of(names: list[str]) -> list[str]:
    """Return the columns that sum to the change, for these indicators."""
    return ["model", "base_points", *_parts(names), "clipping", "rounding"]


@dataclass
class _Kind:
    """Entities whose grade changed one way, for one cause: how many, their lines summed, vetoes by name."""

    n: int = 0
    sums: Any = 0.0
    vetoes: Counter[str] = field(default_factory=Counter)

    def as_json(self) -> dict[str, Any]:
        return {"n": self.n, "points": (self.sums / self.n).to_dict(), "vetoes": dict(self.vetoes)}


@dataclass
class _Totals:
    """What blocks of a movement come to."""

    grades: list[str]
    cut_points: tuple[CutPoints | None, CutPoints | None]
    n: Counter[str] = field(default_factory=Counter)
    transitions: Counter[tuple[str, str]] = field(default_factory=Counter)
    kinds: dict[tuple[str, str], _Kind] = field(default_factory=lambda: defaultdict(_Kind))
    rounding: float = 0.0
    grades_of: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, rows: pd.DataFrame, lines: list[str]) -> None:
        self.n.update(rows["state"].tolist())
        for state, grade in (("entered", "grade_after"), ("left", "grade_before")):
            self.grades_of.update((state, name) for name in rows.loc[rows["state"] == state, grade])
        stayed = rows[rows["state"] == "stayed"]
        pairs = list(zip(stayed["grade_before"], stayed["grade_after"], strict=True))
        self.transitions.update(pairs)
        steps = np.array([self.grades.index(new) - self.grades.index(old) for old, new in pairs], dtype=np.int64)
        cause = causes(stayed, self.grades, *self.cut_points)
        for name, moved, side in (("worse", steps > 0, "veto_after"), ("better", steps < 0, "veto_before")):
            for one in np.unique(cause[moved]):
                self._add_kind(self.kinds[name, str(one)], stayed[moved & (cause == one)], lines, side)
        self.rounding = max(self.rounding, float(stayed["rounding"].abs().max())) if len(stayed) else self.rounding

    @staticmethod
    def _add_kind(kind: _Kind, rows: pd.DataFrame, lines: list[str], side: str) -> None:
        kind.n += len(rows)
        kind.sums = kind.sums + rows[lines].sum()
        kind.vetoes.update(veto for veto in rows[side] if veto)

    def as_json(self) -> dict[str, Any]:
        return {
            "n": {state: self.n[state] for state in STATES},
            "grades_of": {
                state: {grade: self.grades_of[state, grade] for grade in self.grades} for state in STATES[1:]
            },
            "transitions": {old: {new: self.transitions[old, new] for new in self.grades} for old in self.grades},
            "changed": {name: self._changed(name) for name in ("worse", "better")},
            "max_rounding_points": self.rounding,
        }

    def _changed(self, name: str) -> dict[str, Any]:
        found = {cause: self.kinds[name, cause] for cause in CAUSES if (name, cause) in self.kinds}
        return {
            "n": sum(kind.n for kind in found.values()),
            "by": {cause: kind.as_json() for cause, kind in found.items()},
        }


def _intervals(grading: Grading) -> Iterator[tuple[pd.DataFrame, str | None, str | None]]:
    """Yield the rows of each row group with the entity_id after which it begins and the one up to which it counts.

    None stands for no bound, so that the intervals hold whatever entities another grading has.
    """
    with pq.ParquetFile(grading.path) as file:
        low = None
        for number in range(file.num_row_groups):
            rows = file.read_row_group(number).to_pandas().set_index("entity_id")
            high = None if number == file.num_row_groups - 1 else str(rows.index[-1])
            yield rows, low, high
            low = high


def _rows_between(grading: Grading, low: str | None, high: str | None) -> pd.DataFrame:
    entity_id, wanted = pc.field("entity_id"), pc.scalar(True)
    if low is not None:
        wanted = wanted & (entity_id > low)
    if high is not None:
        wanted = wanted & (entity_id <= high)
    rows: pd.DataFrame = pads.dataset(grading.path).to_table(filter=wanted).to_pandas()
    return rows.set_index("entity_id")


def _moved(old: pd.DataFrame, old_by_new: pd.DataFrame, late: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Return the movement of the entities in either; lines are NaN for those in one alone."""
    ids = old.index.union(late.index)
    in_old, in_late = ids.isin(old.index), ids.isin(late.index)
    old, start, late = (frame.reindex(ids) for frame in (old, old_by_new, late))
    points = {"points_before": _on_grid(old["points"]), "points_after": _on_grid(late["points"])}
    change = points["points_after"] - points["points_before"]
    lines = {"model": _on_grid(start["points"]) - points["points_before"]}
    for column in ("base_points", *_parts(names)):
        lines[column] = _column(late, column) - _column(start, column)
    held_after, held_before = (_on_grid(frame["points"] - frame["unclipped_points"]) for frame in (late, start))
    lines["clipping"] = held_after - held_before
    lines["rounding"] = change - np.column_stack(list(lines.values())).sum(axis=1)
    columns = {
        "entity_id": ids,
        "state": np.where(in_old & in_late, "stayed", np.where(in_late, "entered", "left")),
        **points,
        "change": change,
        "grade_before": old["grade"].to_numpy(),
        "grade_after": late["grade"].to_numpy(),
        "veto_before": _vetoes(old),
        "veto_after": _vetoes(late),
        **{name: np.where(in_old & in_late, line, np.nan) for name, line in lines.items()},
    }
    return pd.DataFrame(columns)


def _vetoes(frame: pd.DataFrame) -> np.ndarray[Any, np.dtype[np.object_]]:
    """Return what changed each grade from that of the points; '' where nothing did, as before there were vetoes."""
    return np.asarray(frame["veto"].fillna("") if "veto" in frame else np.full(len(frame), "", dtype=object))


def _column(frame: pd.DataFrame, name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return points on the grid; 0 where a model does not have the indicator, which then adds nothing to its points."""
    return _on_grid(frame[name]) if name in frame else np.zeros(len(frame))


def _on_grid(points: pd.Series[Any]) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.asarray(np.round(points.to_numpy(np.float64) / GRID) * GRID)


def _refuse_unexplained(rows: pd.DataFrame, lines: list[str], before: Grading, after: Grading) -> None:
    stayed = rows[rows["state"] == "stayed"]
    exact = (stayed[lines].sum(axis=1) == stayed["change"]) & (stayed["rounding"].abs() <= MOST_ROUNDING_POINTS)
    if not exact.all():
        raise ArtifactError(
            f"The contributions of {stayed['entity_id'][~exact].iloc[0]} must explain its change from "
            f"{before.as_of_date} to {after.as_of_date} within {MOST_ROUNDING_POINTS:g} points, they do not. "
            "Grade both dates again."
        )


def _indicators(grading: Grading) -> list[str]:
    columns = pq.read_schema(grading.path).names
    return [column.removeprefix("learned_") for column in columns if column.startswith("learned_")]


def _parts(names: list[str]) -> list[str]:
    return [f"{part}_{name}" for part in ("expert", "learned") for name in names]


def _schema(lines: list[str]) -> pa.Schema:
    texts = ("entity_id", "state", "grade_before", "grade_after", "veto_before", "veto_after")
    order = ("entity_id", "state", "points_before", "points_after", "change", *texts[2:], *lines)
    return pa.schema([(name, pa.string() if name in texts else pa.float64()) for name in order])
