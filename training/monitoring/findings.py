"""Findings: what a scheduler or a person must hear of, as a notice or as an alarm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from training.bootstrap import Interval

Level = Literal["quiet", "notice", "alarm"]

EXIT_CODES: dict[Level, int] = {"quiet": 0, "notice": 18, "alarm": 19}
"""What `qianfen monitor` ends with; errors have codes of their own (data.errors)."""


@dataclass(frozen=True)
class Finding:
    """One thing to look at.

    Attributes
    ----------
    level : {"notice", "alarm"}
    kind : str
        points_moved, indicator_moved, grade_order, expected_auc, came_true_auc, missed or told_apart.
    subject : str
        What it is about: an indicator, two grades (`B C`), a figure, or a date.
    measured, limit : float
        What was measured, and what it passed.
    accepted_by : str
        Who accepted it as drift of the data; empty where nobody did.
    """

    level: Level
    kind: str
    subject: str
    measured: float
    limit: float
    accepted_by: str = ""


def worst(findings: Sequence[Finding]) -> Level:
    """Return the gravest level among findings; quiet where there is none."""
    levels = {finding.level for finding in findings}
    return "alarm" if "alarm" in levels else "notice" if levels else "quiet"


def level_above(measured: float, notable: float, limit: float) -> Level:
    """Return the level of a figure that should stay low."""
    return "alarm" if measured >= limit else "notice" if measured >= notable else "quiet"


def fallen(figure: Interval, before: float, notable: float, limit: float) -> Level:
    """Return the level of a figure that should stay as high as it was.

    A fall beyond the limit is an alarm where the interval lies wholly below the figure before, too; a fall that may be
    chance, or lies beyond `notable` alone, is a notice.
    """
    fall = before - figure.value
    if fall > limit and figure.high < before:
        return "alarm"
    return "notice" if fall > notable else "quiet"
