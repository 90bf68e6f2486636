"""What a score and its grades are worth among everybody, where only the inspected have a label.

In diagnostics this is verification bias: who was tested was chosen. Four answers, from the plainest on:

- inspected: the inspected as they are;
- weighted: each of them by the inverse of its chance of being inspected (Horvitz and Thompson 1952);
- doubly robust: everybody by what a model of the outcome says, corrected by the weighted errors of the inspected. It is
  right when either model is (Robins, Rotnitzky and Zhao 1994; of the AUC Rotnitzky, Faraggi and Schisterman 2006);
- bounds: the uninspected may all have violated, or none (Manski 1989); or, under monotone selection, at most as often
  as the inspected of their stratum (Manski and Pepper 2000).

Weighted and doubly robust do not repair a choice by what no record shows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.metrics import roc_auc

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Everybody:
    """All active entities as of a date, of whom some were inspected.

    Attributes
    ----------
    score : float64 (n,)
        Rises with risk.
    grade : str (n,)
    inspected : bool (n,)
    y : float64 (n,)
        1 where the inspection found a violation, 0 where it did not; NaN where there was none.
    chance : float64 (n,)
        Of being inspected, above 0.
    expected : float64 (n,)
        Chance of a violation by a model of the outcome.
    """

    score: Floats
    grade: NDArray[np.str_]
    inspected: NDArray[np.bool_]
    y: Floats
    chance: Floats
    expected: Floats

    @property
    def pseudo_outcome(self) -> Floats:
        """The outcome by its model, corrected where it was seen: (n,), may lie outside 0 to 1."""
        seen = np.where(self.inspected, self.y, 0.0)
        error: Floats = np.where(self.inspected, (seen - self.expected) / self.chance, 0.0)
        return self.expected + error

    def take(self, chosen: NDArray[np.bool_]) -> Everybody:
        """Return the chosen, a mask."""
        return Everybody(**{name: getattr(self, name)[chosen] for name in self.__dataclass_fields__})

    def of_grade(self, grade: str) -> Everybody:
        """Return those of one grade."""
        return self.take(self.grade == grade)


def rates(people: Everybody) -> dict[str, float]:
    """Return the violation rate of all by each answer; NaN where nobody was inspected."""
    seen = people.inspected
    if not seen.any():
        return dict.fromkeys(("inspected", "weighted", "doubly robust"), np.nan)
    weight, y = 1.0 / people.chance[seen], people.y[seen]
    return {
        "inspected": float(y.mean()),
        "weighted": float(np.average(y, weights=weight)),
        "doubly robust": float(people.pseudo_outcome.mean()),
    }


def aucs(people: Everybody) -> dict[str, float]:
    """Return the AUC of the score among all by each answer."""
    seen = people.inspected
    y = people.y[seen].astype(np.int8)
    return {
        "inspected": roc_auc(y, people.score[seen]),
        "weighted": roc_auc(y, people.score[seen], 1.0 / people.chance[seen]),
        "doubly robust": fractional_auc(people.pseudo_outcome, people.score),
    }


def fractional_auc(outcome: Floats, score: Floats) -> float:
    """Return the AUC where each row is a violation in part: outcome_i (1 - outcome_j) summed over pairs of two rows.

    Parts may lie outside 0 to 1, as those of `Everybody.pseudo_outcome` do. Ties count half.
    """
    _, group = np.unique(score, return_inverse=True)
    positive, negative = np.bincount(group, weights=outcome), np.bincount(group, weights=1.0 - outcome)
    below = np.cumsum(negative) - negative
    itself = outcome * (1.0 - outcome)
    above = (positive * (below + negative / 2.0)).sum() - itself.sum() / 2.0
    return float(above / (positive.sum() * negative.sum() - itself.sum()))


def rate_bounds(people: Everybody, strata: NDArray[np.int64] | None = None) -> tuple[float, float]:
    """Return the lowest and highest violation rate of all that the inspected leave open.

    With `strata` (n,) under monotone selection: within a stratum the uninspected violate at most as often as the
    inspected. A stratum in which nobody was inspected stays open.
    """
    seen = people.inspected
    found = float(people.y[seen].sum())
    most = np.where(seen, 0.0, 1.0 if strata is None else _highest(people, strata))
    return found / len(seen), (found + float(most.sum())) / len(seen)


def auc_bounds(people: Everybody, strata: NDArray[np.int64] | None = None) -> tuple[float, float]:
    """Return the lowest and highest AUC of the score among all that the inspected leave open; strata as `rate_bounds`.

    The worst case lays the violations of the uninspected on their lowest scores, the best on their highest, as many as
    make it the worst or the best.
    """
    most = np.where(people.inspected, 0.0, 1.0 if strata is None else _highest(people, strata))
    order = np.argsort(people.score, kind="stable")
    low = np.nanmin(_extremes(people, most, order))
    return float(low), float(np.nanmax(_extremes(people, most, order[::-1])))


def _highest(people: Everybody, strata: NDArray[np.int64]) -> Floats:
    """Return the rate of the inspected of each one's stratum; 1 where there are none."""
    seen = people.inspected
    n = np.bincount(strata[seen], minlength=int(strata.max()) + 1)
    found = np.bincount(strata[seen], weights=people.y[seen], minlength=len(n))
    rate: Floats = np.where(n > 0, found / np.maximum(n, 1), 1.0)
    return rate[strata]


def _extremes(people: Everybody, most: Floats, order: NDArray[np.intp]) -> Floats:
    """Return the AUC after each step that gives one more of the uninspected, in an order, all that it may have."""
    score, n = people.score, len(people.score)
    _, group, size = np.unique(score, return_inverse=True, return_counts=True)
    # Rows below, ties by half and without itself: what a violation at this score wins against all others.
    wins = (np.cumsum(size) - size)[group] + (size[group] - 1) / 2.0
    seen = np.where(people.inspected, people.y, 0.0)
    # A pair of two violations is won once by one of them, or half by each: half a pair on either side.
    added = np.concatenate([[0.0], np.where(people.inspected, 0.0, most)[order]])
    positives = seen.sum() + np.cumsum(added)
    won = (seen * wins).sum() + np.cumsum(added * np.concatenate([[0.0], wins[order]]))
    squares = seen.sum() + np.cumsum(added**2)
    inner = (positives**2 - squares) / 2.0
    pairs = positives * n - positives**2 - (positives - squares)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((won - inner) / pairs)
