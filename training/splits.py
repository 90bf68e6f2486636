"""Splits in time: trees, then calibration, then test, each after the last one's labels are known.

A city with a short history may calibrate on a shorter label window (`calibration_horizon_days`): it then lies nearer to
the test, and the trees keep more dates.
"""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

from data.city import City, Period
from data.errors import ConfigurationError

Stage = tuple[date, ...] | Period
STAGES = ("trees", "calibration", "test")


def first_day(stage: Stage) -> date:
    """Return the first as-of date of a stage."""
    return stage.start if isinstance(stage, Period) else min(stage)


def horizon_days(city: City, stage: str) -> int:
    """Return the length of the label window of a stage."""
    if stage == "calibration" and city.split.calibration_horizon_days is not None:
        return city.split.calibration_horizon_days
    return city.label.horizon_days


def last_label_day(city: City, stage: str) -> date:
    """Return the day on which the last labels of a stage are known."""
    dates: Stage = getattr(city.split, stage)
    last = dates.end if isinstance(dates, Period) else max(dates)
    return last + timedelta(days=horizon_days(city, stage) + city.label.reporting_delay_days)


def check_split(city: City) -> None:
    """Refuse a split in which one stage could know another's labels.

    Raises
    ------
    ConfigurationError
        Where a stage is empty, begins before the labels of the one before are known, or the points scale is anchored
        after the test begins.
    """
    for stage in STAGES:
        if getattr(city.split, stage) == ():
            raise ConfigurationError(f"[split] {stage} of {city.name} must name a date or more, got none.")
    for before, after in pairwise(STAGES):
        known, begins = last_label_day(city, before), first_day(getattr(city.split, after))
        if begins < known:
            raise ConfigurationError(
                f"[split] {after} of {city.name} must begin on {known} or later, when the labels of {before} are "
                f"known, got {begins}. Move the dates apart, or shorten the horizon."
            )
    if city.split.reference > first_day(city.split.test):
        raise ConfigurationError(
            f"[split] reference of {city.name} must not lie after the test begins on {first_day(city.split.test)}, "
            f"got {city.split.reference}."
        )
