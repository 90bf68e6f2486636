"""Rivals of the champion: other ways to rank the same rows, each fitted and asked in the same way."""

from __future__ import annotations

from training.rivals.linear import LOGISTIC_REGRESSION
from training.rivals.past_rate import PAST_RATE
from training.rivals.ranges import EXPERT_CARD, REWEIGHTED_CARD
from training.rivals.rival import FittedRival, Rival
from training.rivals.scorecard import SCORECARD
from training.rivals.terms import BOOSTED_PAIRS, BOOSTED_TERMS
from training.rivals.trees import CHAMPION, HIST_GRADIENT_BOOSTING, LIGHTGBM, LIGHTGBM_FREE, LIGHTGBM_OFFSET_FREE

RIVALS: tuple[Rival, ...] = (
    CHAMPION,
    LIGHTGBM,
    LIGHTGBM_OFFSET_FREE,
    LIGHTGBM_FREE,
    HIST_GRADIENT_BOOSTING,
    BOOSTED_PAIRS,
    BOOSTED_TERMS,
    SCORECARD,
    REWEIGHTED_CARD,
    LOGISTIC_REGRESSION,
    EXPERT_CARD,
    PAST_RATE,
)
"""The champion first, then from the freest to the plainest."""

__all__ = ["CHAMPION", "RIVALS", "FittedRival", "Rival"]
