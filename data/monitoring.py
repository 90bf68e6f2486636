"""From which figures monitoring speaks up, and from which it rings: the section [monitoring] of city.toml."""

from __future__ import annotations

from pydantic import Field

from data.declarations import Section


class Monitoring(Section):
    """Limits of `qianfen monitor`; docs/monitoring.md. `_notable` gives a notice, the limit itself an alarm.

    The limits of single indicators are those of [drift].
    """

    window_days: int | None = Field(
        default=None,
        gt=0,
        description="days after a grading whose inspections are counted, of a cohort of inspections; by default the "
        "label window",
    )
    points_psi_notable: float = Field(default=0.1, gt=0, description="PSI of the points that gives a notice")
    points_psi: float = Field(default=0.25, gt=0, description="PSI of the points that gives an alarm")
    roc_auc_notable: float = Field(default=0.02, gt=0, description="fall of the AUC below the test's: a notice")
    roc_auc: float = Field(default=0.05, gt=0, description="fall of the AUC below the test's: an alarm")
    told_apart_notable: float = Field(
        default=0.7, gt=0.5, le=1, description="AUC by which today is told from the reference: a notice"
    )
    told_apart: float = Field(
        default=0.85, gt=0.5, le=1, description="AUC by which today is told from the reference: an alarm"
    )
    capacity_percent: float = Field(
        default=10.0, gt=0, le=100, description="share of the entities that can be inspected, for precision at capacity"
    )
    grade_labels: int = Field(default=50, gt=0, description="fewest labels of a grade whose rate is judged")
    gradings: int = Field(default=6, gt=0, description="most gradings whose outcomes are shown, the newest")
    draws: int = Field(default=200, gt=0, description="draws behind an interval")
