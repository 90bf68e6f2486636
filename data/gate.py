"""What a challenger may lose against the champion and the card, and no more: the section [gate] of city.toml."""

from __future__ import annotations

from pydantic import Field

from data.declarations import Section


class Gate(Section):
    """Tolerances of `qianfen promote`; docs/promotion.md. A difference beyond its tolerance refuses."""

    roc_auc: float = Field(default=0.01, ge=0, description="most that the AUC may fall")
    precision_at_5_percent: float = Field(default=0.05, ge=0, description="most that precision at 5% may fall")
    precision_at_10_percent: float = Field(default=0.03, ge=0, description="most that precision at 10% may fall")
    brier_score: float = Field(default=0.005, ge=0, description="most that the Brier score may rise")
    expected_calibration_error: float = Field(
        default=0.02, ge=0, description="most that the expected calibration error may rise"
    )
    grade_order: float = Field(
        default=0.0,
        ge=0,
        description="most by which a grade's violation rate may lie below that of the grade before",
    )
    grade_labels: int = Field(default=50, gt=0, description="fewest labels of a grade whose rate is judged")
    group_roc_auc: float = Field(default=0.05, ge=0, description="most that the AUC of an audited group may fall")
    group_calibration: float = Field(
        default=0.05, ge=0, description="most that mean probability and violation rate of a group may draw apart"
    )
    group_labels_of_each_class: int = Field(
        default=50, gt=0, description="fewest violations, and fewest without, of a group that is judged"
    )
    additivity_points: float = Field(default=1e-6, gt=0, description="most points that explanations may be off")
    leak_auc: float = Field(
        default=0.95, gt=0.5, le=1, description="AUC from which a single indicator is taken for the label itself"
    )
    draws: int = Field(default=200, gt=0, description="draws of the bootstrap of entities for the intervals")
