"""Why grades changed between two gradings: by their points, by a veto, by new cut points, or by several of these.

With cut points c and vetoes v of the earlier (0) and the later (1) grading, a grade moves by three steps that sum:

    v1(c1(points1)) - v0(c0(points0)) = [c1(points1) - c1(points0)]      the points, under the present cut points
                                      + [c1(points0) - c0(points0)]      the cut points
                                      + [v1 - c1(points1)] - [v0 - c0(points0)]      the vetoes
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from serving.grading import Grading
from training.expert_card import CutPoints

CAUSES = ("points", "veto", "cut_points", "several", "untold")
"""What made a grade worse, or better; `untold` where the later grading does not keep its cut points."""

_ALONE = CAUSES[:3]


def cut_points_of(grading: Grading) -> CutPoints | None:
    """Return the cut points that graded; None of gradings from before these were kept."""
    kept = grading.manifest.get("cut_points")
    return None if kept is None else CutPoints.from_json(kept)


def causes(
    rows: pd.DataFrame, grades: Sequence[str], before: CutPoints | None, after: CutPoints | None
) -> NDArray[np.str_]:
    """Return what changed the grade of each entity that is in both gradings.

    Parameters
    ----------
    rows : DataFrame (n rows)
        points_before, points_after, grade_before, grade_after, veto_before, veto_after.
    grades : sequence of str
        All grades, from the lowest risk to the highest.
    before, after : CutPoints or None
        Cut points of the two gradings; those of the later one stand in for earlier ones that are not known.

    Returns
    -------
    str (n,)
        One of CAUSES; '' where the grade is the same.
    """
    old, new = (_places(rows[name], grades) for name in ("grade_before", "grade_after"))
    if after is None:
        return np.where(new != old, "untold", "")
    old_by_points = np.where(rows["veto_before"] == "", old, _graded(rows["points_before"], before or after, grades))
    new_by_points = _graded(rows["points_after"], after, grades)
    between = _graded(rows["points_before"], after, grades)
    steps = np.column_stack(
        [new_by_points - between, (new - new_by_points) - (old - old_by_points), between - old_by_points]
    )
    direction = np.sign(new - old)
    in_its_direction = steps * direction[:, None] > 0
    alone = np.array(_ALONE)[in_its_direction.argmax(axis=1)]
    named = np.where(in_its_direction.sum(axis=1) > 1, "several", alone)
    return np.where(direction == 0, "", named)


def _places(names: pd.Series[Any], grades: Sequence[str]) -> NDArray[np.int64]:
    place = {grade: number for number, grade in enumerate(grades)}
    return np.array([place[name] for name in names], dtype=np.int64)


def _graded(points: pd.Series[Any], cut_points: CutPoints, grades: Sequence[str]) -> NDArray[np.int64]:
    names = cut_points.grade(points.to_numpy(np.float64))
    return _places(pd.Series(names), grades)
