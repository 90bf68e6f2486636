"""What rivals are tried on: temporal folds before the city's test, and the city's own split."""

from __future__ import annotations

from collections.abc import Sequence

from data.city import City
from data.errors import ConfigurationError
from data.progress import Progress
from data.records import Records
from data.settings import Settings
from training.comparison.contest import Trial
from training.fitting import shifted_platt
from training.folds import Fold, FoldRows, temporal_folds
from training.rivals import FittedRival
from training.rows import stage_rows
from training.selection import short_window, weigh_stages
from training.splits import STAGES, first_day

N_FOLDS = 3


def comparison_folds(city: City) -> tuple[Fold, ...]:
    """Return the folds before the city's test on which rivals are compared.

    Entity cohorts: as-of dates from the first of the trees on, as far apart as leaves room for all folds, at most one
    horizon. Inspection cohorts: each fold is tested on a sixth of the time, so that the first learns from half of it.

    Raises
    ------
    ConfigurationError
        Where there is no room.
    """
    first, last = first_day(city.split.trees), first_day(city.split.test) - city.label_lag
    if city.cohort.kind == "inspection":
        return temporal_folds(city, first, last, N_FOLDS, max(1, (last - first).days // (2 * N_FOLDS)))
    for days in range(city.label.horizon_days, 1, -1):
        try:
            return temporal_folds(city, first, last, N_FOLDS, days)
        except ConfigurationError:
            continue
    return temporal_folds(city, first, last, N_FOLDS, 1)


def fold_trials(folds: Sequence[FoldRows]) -> list[Trial]:
    """Return the trials of folds: they rank only, for there is no room for calibration between training and test."""
    return [Trial(fold.train, fold.test) for fold in folds]


def split_trial(city: City, records: Records, settings: Settings, progress: Progress) -> Trial:
    """Return the trial of the city's split: trees, then Platt on later rows, then the test, as `qianfen train` does.

    Rows carry weights where the city declares them.
    """
    rows = {stage: stage_rows(city, records, stage, settings, progress) for stage in STAGES}
    rows, selection = weigh_stages(city, records, rows, settings, progress)
    short = short_window(city, records, selection, settings, progress)

    def calibrate(fitted: FittedRival) -> FittedRival:
        later = fitted.calibrated(rows["calibration"])
        return later if short is None else later.with_platt(shifted_platt(later, rows["trees"], short))

    return Trial(rows["trees"], rows["test"], calibrate)
