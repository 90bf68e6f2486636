"""What every rival is: declared once, fitted on training rows, asked for log-odds, calibrated on later rows."""

from __future__ import annotations

import importlib.util
import pickle
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from data.errors import LabelError
from training.calibration import fit_logistic, sigmoid
from training.fitting import Recipe
from training.rows import Rows

Floats = NDArray[np.float64]
Additive = Literal["yes", "with pairs", "by TreeSHAP"]
"""Log-odds are a sum of one term for each indicator; of such terms and of pairs; or only explained as such a sum."""


@dataclass(frozen=True)
class FittedRival:
    """A rival that has learned.

    Attributes
    ----------
    log_odds : callable
        Takes X (n, 18), NaN where missing, and returns log-odds before calibration (n,).
    size_bytes : int
        What it takes to keep what was learned.
    platt : (float, float)
        Intercept and slope of the calibration; neutral until `calibrated`.
    """

    log_odds: Callable[[Floats], Floats]
    size_bytes: int
    platt: tuple[float, float] = (0.0, 1.0)

    def raw_score(self, X: Floats) -> Floats:
        """Return log-odds before calibration (n,), of rows X (n, 18)."""
        return np.asarray(self.log_odds(X), dtype=np.float64)

    def probability(self, X: Floats) -> Floats:
        """Return the calibrated probability (n,) of rows X (n, 18)."""
        a, b = self.platt
        return sigmoid(a + b * self.raw_score(X))

    def calibrated(self, later: Rows) -> FittedRival:
        """Return the rival with Platt scaling fitted on rows of a later period; LabelError where that cannot be."""
        return self.with_platt(fit_logistic(self.raw_score(later.X), later.y, later.weight))

    def with_platt(self, platt: tuple[float, float]) -> FittedRival:
        """Return the rival with another calibration."""
        return replace(self, platt=platt)


@dataclass(frozen=True)
class Rival:
    """A way to rank, as it is declared.

    Attributes
    ----------
    name : str
        As in tables.
    what, missing : str
        What it is, and how it takes a missing value, in a few plain words.
    additive : {"yes", "with pairs", "by TreeSHAP"}
        Whether its log-odds are a sum by indicator.
    fit : callable
        Takes rows, the city's recipe and a seed.
    package : str
        What must be importable for it; empty for what is always there.
    """

    name: str
    what: str
    missing: str
    additive: Additive
    fit: Callable[[Rows, Recipe, int], FittedRival]
    package: str = ""

    @property
    def is_available(self) -> bool:
        """Say whether the package that it stands on is installed."""
        return not self.package or importlib.util.find_spec(self.package) is not None


def informative(X: Floats) -> NDArray[np.intp]:
    """Return the positions of the columns that have two values or more; the others tell no rows apart.

    Raises
    ------
    LabelError
        Where there is none.
    """
    found = [at for at, column in enumerate(X.T) if len(np.unique(column[~np.isnan(column)])) > 1]
    if not found:
        raise LabelError(
            f"An indicator must have two values in the training rows, none of {X.shape[1]} has. "
            "Map more tables, or add as-of dates."
        )
    return np.array(found, dtype=np.intp)


def stored_bytes(learned: Any) -> int:
    """Return the size of what was learned as Python would store it; nothing is stored."""
    return len(pickle.dumps(learned))
