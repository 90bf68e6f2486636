"""What the gate is given, and the lines of its table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training.additive import AdditiveModel

PASSED, REFUSED, NOT_JUDGED = "passed", "refused", "not judged"


@dataclass(frozen=True)
class Row:
    """One line of the gate's table.

    Attributes
    ----------
    what : str
        What is judged.
    verdict : {"passed", "refused", "not judged"}
    challenger, champion, card : float or None
        Their values; None where there is none.
    tolerance : float or None
        By how much the challenger may be worse.
    against : str
        What `difference` is against: champion or card.
    difference, low, high : float or None
        Challenger less the other, and its 95% interval.
    said : str
        What the numbers do not say.
    """

    what: str
    verdict: str
    challenger: float | None = None
    champion: float | None = None
    card: float | None = None
    tolerance: float | None = None
    against: str = ""
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    said: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the row without what it does not have."""
        return {name: value for name, value in asdict(self).items() if value not in (None, "")}


@dataclass(frozen=True)
class Evidence:
    """What a challenger is judged on.

    Attributes
    ----------
    X : float64 (n, 18)
        Indicators of the newest labelled period.
    y : int8 (n,)
        Labels.
    entity_ids : (n,)
        Whose each row is.
    groups : DataFrame (n rows)
        A column for each kind of audited group.
    challenger, card : AdditiveModel
    champion : AdditiveModel or None
        None where there is none, or none that the rows can be scored with.
    weight : float64 (n,), optional
        What each row counts, where the challenger was trained with weights for who was inspected.
    """

    X: NDArray[np.float64]
    y: NDArray[np.int8]
    entity_ids: NDArray[Any]
    groups: pd.DataFrame
    challenger: AdditiveModel
    card: AdditiveModel
    champion: AdditiveModel | None
    weight: NDArray[np.float64] | None = None


def passes(rows: Sequence[Row]) -> bool:
    """Say whether a table refuses nothing."""
    return all(row.verdict != REFUSED for row in rows)


def checked(what: str, holds: bool, said: str = "") -> Row:
    """Return a row for something that holds or does not; `said` is shown where it does not."""
    return Row(what, PASSED if holds else REFUSED, said="" if holds else said)
