"""Which indicators move the points most, and would they again: mean absolute contributions over bootstrap refits.

A refit draws entities with replacement and fits everything but the scale anew: experts' slope, trees and Platt. The
refits show how far the importance of an indicator hangs on who happened to be inspected.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from data.errors import LabelError
from data.files import write_json
from training.additive import AdditiveModel
from training.bootstrap import draw_weights
from training.calibration import fit_logistic
from training.fitting import Recipe, calibrated, fit_uncalibrated
from training.rows import Rows
from training.shap_tables import compile as compile_tables

LEVEL = 0.9
"""Share of the refits within an interval: with the usual 20 refits, all but the outermost on each side."""

MOST_ROWS, MOST_EXPLAINED = 40_000, 2_000
"""Rows of a refit, about, and rows whose contributions are averaged."""

# Small tables: a refit explains few rows, and must be compiled first.
_TABLES_MIB = 0.5


@dataclass(frozen=True)
class Importance:
    """Mean absolute points of each indicator.

    Attributes
    ----------
    names : tuple of str
    model : float64 (18,)
        Of the model itself.
    refits : float64 (n_refits, 18)
        Of the refits; fewer than asked for where a draw could not be fitted.
    moved : float64 (n_refits, 2)
        Share of the explained rows whose grade is another by the refit, and by two grades or more; rows count by their
        weights. Scale, cut points and vetoes are the model's.
    n_asked, n_rows, n_rows_of_refit, n_explained : int
        Refits asked for; training rows of the model; of a refit, about; rows over which the mean is taken.
    """

    names: tuple[str, ...]
    model: NDArray[np.float64]
    refits: NDArray[np.float64]
    moved: NDArray[np.float64]
    n_asked: int
    n_rows: int
    n_rows_of_refit: int
    n_explained: int

    def rank_correlations(self) -> NDArray[np.float64]:
        """Return Spearman's correlation of each refit's order of the indicators with the model's (n_refits,)."""
        own = rankdata(-self.model)
        return np.array([np.corrcoef(own, rankdata(-refit))[0, 1] for refit in self.refits])

    def table(self) -> pd.DataFrame:
        """Return a row for each indicator, the most important first; NaN where there is no refit.

        Columns: indicator, mean_absolute_points, low, high (interval over the refits), rank, rank_low, rank_high (the
        same of the rank; 1 is the most important).
        """
        quantiles = [(1.0 - LEVEL) / 2.0, (1.0 + LEVEL) / 2.0]
        ranks = np.array([rankdata(-refit, method="min") for refit in self.refits]).reshape(self.refits.shape)
        found = [np.quantile(v, quantiles, axis=0) if len(v) else np.full((2, len(self.names)), np.nan)
                 for v in (self.refits, ranks)]  # fmt: skip
        columns: dict[str, Any] = {
            "indicator": self.names,
            "mean_absolute_points": self.model,
            "low": found[0][0],
            "high": found[0][1],
            "rank": rankdata(-self.model, method="min").astype(np.int64),
            "rank_low": found[1][0],
            "rank_high": found[1][1],
        }
        return pd.DataFrame(columns).sort_values(["rank", "indicator"], ignore_index=True)

    def save(self, folder: Path) -> None:
        """Write importance.csv, and importance.json with what the refits were."""
        table = self.table()
        table.to_csv(folder / "importance.csv", index=False)
        correlations = self.rank_correlations()
        about: dict[str, Any] = {
            "n_refits": len(self.refits),
            "n_refits_asked_for": self.n_asked,
            "level": LEVEL,
            "n_rows": self.n_rows,
            "n_rows_of_refit": self.n_rows_of_refit,
            "n_rows_explained": self.n_explained,
            "mean_rank_correlation": float(correlations.mean()) if len(correlations) else None,
            "lowest_rank_correlation": float(correlations.min()) if len(correlations) else None,
        }
        about["grade_moved"] = _spread(self.moved[:, 0])
        about["grade_moved_by_two_or_more"] = _spread(self.moved[:, 1])
        rows = table.astype(object).where(table.notna(), None).to_dict("records")
        write_json(folder / "importance.json", {**about, "indicators": rows})


def importance_of(
    model: AdditiveModel, trees: Rows, calibration: Rows, test: Rows, recipe: Recipe, n_refits: int, seed: int = 0
) -> Importance:
    """Return the importance of the indicators to a model and to refits of it.

    Parameters
    ----------
    trees, calibration : Rows
        What the model was fitted on; both are drawn by the same entities.
    test : Rows
        Rows whose contributions are averaged, by their weights.
    n_refits : int
        Number of refits; 0 for none.
    """
    chosen = np.sort(np.random.default_rng(seed).permutation(len(test.y))[:MOST_EXPLAINED])
    explained = test.take(chosen.astype(np.intp))
    _, entities = np.unique(np.concatenate([trees.entity_ids, calibration.entity_ids]), return_inverse=True)
    share = min(1.0, MOST_ROWS / len(trees.y))
    n_drawn = max(1, round(share * (int(entities.max()) + 1)))
    # One fit of so few rows does not keep several threads busy. Nor may several fits run at a time: LightGBM keeps one
    # number of threads for the whole process, and a fit that meets another's can end the process.
    alone = replace(recipe, lightgbm={**recipe.lightgbm, "num_threads": 1})

    graded = _places(model, explained)
    # What a shorter label window misses, which refits miss as well.
    shift = model.platt[0] - fit_logistic(model.raw_score(calibration.X), calibration.y, calibration.weight)[0]

    def refit(number: int) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        counts = next(draw_weights(entities, 1, seed + number, n_drawn))
        try:
            again = _refitted(model, trees, calibration, counts, alone, shift)
        except LabelError:
            # The experts' points, or the model's, did not rise with violations among those who were drawn.
            return None
        steps = np.abs(_places(again, explained) - graded)
        moved = [np.average(steps >= least, weights=explained.weight) for least in (1, 2)]
        return _mean_absolute_points(again, explained), np.array(moved)

    found = [refitted for number in range(n_refits) if (refitted := refit(number)) is not None]
    return Importance(
        names=model.names,
        model=_mean_absolute_points(model, explained),
        refits=np.array([points for points, _ in found]).reshape(-1, len(model.names)),
        moved=np.array([moved for _, moved in found]).reshape(-1, 2),
        n_asked=n_refits,
        n_rows=len(trees.y),
        n_rows_of_refit=round(share * len(trees.y)),
        n_explained=len(explained.y),
    )


def _refitted(
    model: AdditiveModel, trees: Rows, calibration: Rows, counts: NDArray[np.int64], recipe: Recipe, shift: float
) -> AdditiveModel:
    """Fit a model again, on its own scale and as far shifted; `counts` says how often each row of both is drawn."""
    of_trees, of_calibration = np.split(counts, [len(trees.y)])
    drawn = _drawn(trees, of_trees)
    # LightGBM counts rows, not what they weigh: a leaf must hold as large a share as if they were repeated.
    least = recipe.lightgbm["min_data_in_leaf"] * len(drawn.y) / of_trees.sum()
    recipe = replace(recipe, lightgbm={**recipe.lightgbm, "min_data_in_leaf": max(1, round(least))})
    again = calibrated(fit_uncalibrated(model.kind, drawn, recipe), _drawn(calibration, of_calibration))
    cut_points = {name: getattr(model, name) for name in ("cut_points", "expert_cut_points")}
    return replace(again, scale=model.scale, platt=(again.platt[0] + shift, again.platt[1]), **cut_points)


def _drawn(rows: Rows, counts: NDArray[np.int64]) -> Rows:
    """Return the rows that were drawn, each once, with what it then counts."""
    own = np.ones(len(counts)) if rows.weight is None else rows.weight
    return replace(rows, weight=counts * own).take(counts > 0)


def _places(model: AdditiveModel, rows: Rows) -> NDArray[np.intp]:
    """Return the grade of each row as its place from the lowest risk (n,)."""
    places: NDArray[np.intp] = np.argmax(model.grade(rows.X)[:, None] == np.array(model.cut_points.grades), axis=1)
    return places


def _spread(shares: NDArray[np.float64]) -> dict[str, float | None]:
    """Return mean and interval of shares over the refits; None where there is no refit."""
    if not len(shares):
        return {"mean": None, "low": None, "high": None}
    low, high = np.quantile(shares, [(1.0 - LEVEL) / 2.0, (1.0 + LEVEL) / 2.0])
    return {"mean": float(shares.mean()), "low": float(low), "high": float(high)}


def _mean_absolute_points(model: AdditiveModel, rows: Rows) -> NDArray[np.float64]:
    """Return the mean absolute contribution, experts' and learned parts together, of each indicator (18,)."""
    per_log_odds = model.scale.factor * model.platt[1]
    parts = model.offset.slope * (model.card.points(rows.X) - np.array(model.offset.mean_card))
    if model.booster is not None:
        parts = parts + compile_tables(model.booster, max_mib=_TABLES_MIB).shap_values(rows.X, threads=1)
    points: NDArray[np.float64] = np.average(np.abs(per_log_odds * parts), axis=0, weights=rows.weight)
    return points
