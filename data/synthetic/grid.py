"""Time in the synthetic city: half-year periods of 182 days; days are whole numbers since 1970-01-01."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

PERIOD_DAYS = 182
N_PERIODS = 12
FIRST_DATE = date(2020, 1, 3)
GRID = tuple(FIRST_DATE + timedelta(days=PERIOD_DAYS * k) for k in range(N_PERIODS + 1))
"""First days of the periods with records, and of the one after them, of which only the truth is known."""

TAKEN_ON = GRID[-1] - timedelta(days=1)
"""Day the files were taken: what became known later is not in them."""

NEVER = 2**31 - 1
"""Stands for a day that has not come or is not known."""


def day_number(day: date) -> int:
    """Return days since 1970-01-01."""
    return (day - date(1970, 1, 1)).days


FIRST_DAY = day_number(FIRST_DATE)
LAST_DAY = day_number(TAKEN_ON)


def period_start(period: int) -> int:
    """Return the first day of a period."""
    return FIRST_DAY + PERIOD_DAYS * period


def period_of(days: Array) -> Array:
    """Return the period that holds each day, the first or the last one for days outside."""
    return np.asarray(np.clip((days - FIRST_DAY) // PERIOD_DAYS, 0, N_PERIODS - 1))
