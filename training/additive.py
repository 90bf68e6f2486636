"""The additive score: expert part, learned part, calibration and points, one sum per entity.

    e(x)      = alpha + s card(x)                      the experts' log-odds
    raw(x)    = e(x) + f(x)                            f: LightGBM, started from e(x)
    logit p   = a + b raw(x)                           Platt, on a later period
    points    = offset + factor logit p                held in [0, 1000]
    expert_i  = factor b s (card_i(x_i) - mean card_i)
    learned_i = factor b TreeSHAP_i(x)
    base      = offset + factor (a + b (mean e + expected f))

so that points before they are held in [0, 1000] are base + sum of (expert_i + learned_i), for every row. The card alone
has f = 0; the variant without offset has e = 0. Vetoes (training.vetoes) act on the grade and leave this sum alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import RequestError
from training.calibration import sigmoid
from training.expert_card import CutPoints, ExpertCard
from training.scale import MOST_POINTS, Scale
from training.shap_tables import TreeShapTables
from training.shap_tables import compile as compile_tables
from training.vetoes import Veto, Vetoes

KINDS = ("expert_card", "lightgbm", "lightgbm_offset")
BLOCK_ROWS = 20_000
_FEW_ROWS = 100


@dataclass(frozen=True)
class ExpertOffset:
    """The experts' log-odds: alpha + slope x card, and the card's means over the training rows. Zero without offset."""

    alpha: float
    slope: float
    mean_card: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean of the experts' log-odds over the training rows."""
        return self.alpha + self.slope * sum(self.mean_card)


@dataclass(frozen=True)
class Scores:
    """Scores of n rows.

    Attributes
    ----------
    raw_score, probability, points, unclipped_points, expert_points : float64 (n,)
        Log-odds before calibration; calibrated probability; points in [0, 1000]; points before they are held there; the
        card's points.
    grade, expert_grade : str (n,)
        Grades by points and by the experts' points, after all vetoes.
    veto : str (n,)
        The veto that changed the grade; '' where none did.
    base_points : float
        Points of the average training row.
    expert_parts, learned_parts : float64 (n, 18)
        Contributions in points; with `base_points` they sum to `unclipped_points`.
    """

    raw_score: NDArray[np.float64]
    probability: NDArray[np.float64]
    points: NDArray[np.float64]
    unclipped_points: NDArray[np.float64]
    expert_points: NDArray[np.float64]
    grade: NDArray[np.str_]
    expert_grade: NDArray[np.str_]
    veto: NDArray[np.str_]
    base_points: float
    expert_parts: NDArray[np.float64]
    learned_parts: NDArray[np.float64]

    def additivity_error(self) -> float:
        """Return the largest distance between the sum of the parts and the points before they are held, in points."""
        parts = [part.sum(axis=1, dtype=np.float64) for part in (self.expert_parts, self.learned_parts)]
        total = self.base_points + parts[0] + parts[1]
        return float(np.abs(total - self.unclipped_points).max(initial=0.0))


@dataclass(frozen=True)
class AdditiveModel:
    """A model whose points are a sum of contributions, in one of the KINDS.

    `expert_cut_points` grade the experts' points where `cut_points` were fitted to the model's.
    """

    kind: str
    names: tuple[str, ...]
    card: ExpertCard
    cut_points: CutPoints
    offset: ExpertOffset
    platt: tuple[float, float]
    scale: Scale
    booster: lgb.Booster | None = None
    expected_f: float = 0.0
    manifest: dict[str, Any] = field(default_factory=dict)
    declared_vetoes: tuple[Veto, ...] = ()
    expert_cut_points: CutPoints | None = None

    @property
    def model_version(self) -> str:
        """Stand for everything that made the model."""
        return str(self.manifest.get("model_version", "unsaved"))

    @cached_property
    def vetoes(self) -> Vetoes:
        """What holds a grade down whatever the points say."""
        return Vetoes(self.declared_vetoes, self.names, self.cut_points.grades)

    @property
    def card_cut_points(self) -> CutPoints:
        """Cut points that grade the experts' points."""
        return self.expert_cut_points or self.cut_points

    @property
    def base_points(self) -> float:
        """Points of the average training row."""
        a, b = self.platt
        return self.scale.offset + self.scale.factor * (a + b * (self.offset.mean + self.expected_f))

    def raw_score(self, X: NDArray[np.float64] | pd.DataFrame) -> NDArray[np.float64]:
        """Return log-odds before calibration (n,)."""
        values = self.values(X)
        raw = self.offset.alpha + self.offset.slope * self.card.points(values).sum(axis=1)
        if self.booster is not None:
            # One thread for a few rows: several would wait for each other, on a busy machine for milliseconds.
            threads = {"num_threads": 1} if len(values) <= _FEW_ROWS else {}
            raw = raw + np.asarray(self.booster.predict(values, raw_score=True, **threads))
        return np.asarray(raw, dtype=np.float64)

    def log_odds(self, X: NDArray[np.float64] | pd.DataFrame) -> NDArray[np.float64]:
        """Return calibrated log-odds (n,)."""
        a, b = self.platt
        return a + b * self.raw_score(X)

    def points(self, X: NDArray[np.float64] | pd.DataFrame) -> NDArray[np.float64]:
        """Return points in [0, 1000] (n,), without contributions."""
        return self.scale.points(self.log_odds(X)).clip(0.0, MOST_POINTS)

    def probability(self, X: NDArray[np.float64] | pd.DataFrame) -> NDArray[np.float64]:
        """Return calibrated probabilities (n,)."""
        return np.asarray(sigmoid(self.log_odds(X)), dtype=np.float64)

    def grade(self, X: NDArray[np.float64], points: NDArray[np.float64] | None = None) -> NDArray[np.str_]:
        """Return grades after all vetoes (n,), without contributions; `points` (n,) are worked out where not given."""
        return self.vetoes.applied(X, self.cut_points.grade(self.points(X) if points is None else points))[0]

    def score(self, X: NDArray[np.float64] | pd.DataFrame) -> Scores:
        """Return points, grades and contributions of rows X (n, 18); NaN is missing.

        Raises
        ------
        RequestError
            Where X does not have the model's columns in the model's order.
        """
        values = self.values(X)
        blocks = [self._score_block(values[at : at + BLOCK_ROWS]) for at in range(0, max(len(values), 1), BLOCK_ROWS)]
        joined = {
            name: np.concatenate([getattr(block, name) for block in blocks])
            for name in Scores.__dataclass_fields__
            if name != "base_points"
        }
        return Scores(base_points=self.base_points, **joined)

    def score_blocks(self, frame: pd.DataFrame, rows: int = BLOCK_ROWS) -> Iterator[tuple[pd.DataFrame, Scores]]:
        """Yield a frame in blocks with the scores of each, so that memory stays bounded."""
        for at in range(0, len(frame), rows):
            block = frame.iloc[at : at + rows]
            yield block, self._score_block(self.values(block[list(self.names)]))

    def values(self, X: NDArray[np.float64] | pd.DataFrame) -> NDArray[np.float64]:
        """Return X as float64 (n, 18), refusing other columns or another order."""
        if isinstance(X, pd.DataFrame):
            if tuple(X.columns) != self.names:
                raise RequestError(
                    f"The columns must be the {len(self.names)} indicators in the model's order, "
                    f"got {list(X.columns)}. Select them by the model's names."
                )
            X = X.to_numpy(dtype=np.float64, na_value=np.nan)
        if X.ndim != 2 or X.shape[1] != len(self.names):
            raise RequestError(f"X must have {len(self.names)} columns, got the shape {X.shape}.")
        return np.ascontiguousarray(X, dtype=np.float64)

    def _score_block(self, values: NDArray[np.float64]) -> Scores:
        a, b = self.platt
        card = self.card.points(values)
        learned = self._tree_shap(values)
        raw = self.raw_score(values)
        log_odds = a + b * raw
        unclipped = self.scale.points(log_odds)
        points = unclipped.clip(0.0, MOST_POINTS)
        expert_points = card.sum(axis=1)
        grade, veto = self.vetoes.applied(values, self.cut_points.grade(points))
        expert_grade, _ = self.vetoes.applied(values, self.card_cut_points.grade(expert_points))
        per_log_odds = self.scale.factor * b
        return Scores(
            raw_score=raw,
            probability=sigmoid(log_odds),
            points=points,
            unclipped_points=unclipped,
            expert_points=expert_points,
            grade=grade,
            expert_grade=expert_grade,
            veto=veto,
            base_points=self.base_points,
            expert_parts=per_log_odds * self.offset.slope * (card - np.array(self.offset.mean_card)),
            learned_parts=per_log_odds * learned,
        )

    @cached_property
    def tables(self) -> TreeShapTables | None:
        """Look-up tables of the trees, compiled when first asked for; None without trees."""
        return None if self.booster is None else compile_tables(self.booster)

    def warm_up(self) -> None:
        """Compile what the first score would wait for."""
        self.score(np.full((1, len(self.names)), np.nan))

    def _tree_shap(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.zeros_like(values) if self.tables is None else self.tables.shap_values(values)
