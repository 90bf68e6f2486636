"""Cut points fitted to a city: to wanted shares of the reference population, or to wanted violation rates.

They are fitted once, when a model is trained, to what was known then, and kept in its artifact with source, date and
intervals. A batch that is graded never moves them.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom
from sklearn.isotonic import IsotonicRegression

from data.city import City, FittedScale
from data.errors import ConfigurationError
from training.additive import AdditiveModel
from training.bootstrap import LEVEL, draw_weights, interval_of
from training.expert_card import CutPoints
from training.rows import Rows

DRAWS = 200
_DECIMALS = 1
_SEED = 20260101

Floats = NDArray[np.float64]
Fitted = tuple[tuple[float, ...], tuple[tuple[float | None, float | None], ...]]
"""Points from which each grade but the best begins, and their intervals."""


def with_fitted_cut_points(
    model: AdditiveModel, city: City, population: Floats, calibration: Rows, last_known: date
) -> AdditiveModel:
    """Return the model with the cut points that [scale.fitted] asks for; as it is where the city asks for none.

    The experts' points are still graded by the experts' own.

    Parameters
    ----------
    population : float64 (n, 18)
        Indicators of the reference population.
    calibration : Rows
        Labelled rows later than the trees'.
    last_known : date
        Day on which the calibration's labels are known.

    Raises
    ------
    ConfigurationError
        Where what is wanted does not fit the grades, or the model cannot tell them apart so.
    """
    wanted = city.scale.fitted
    if wanted is None:
        return model
    _require_fitting(city, wanted, model.cut_points)
    said = ", ".join(f"{value:g}" for value in wanted.wanted)
    if wanted.to == "shares":
        fitted = fit_shares(model.points(population), wanted.wanted)
        valid_from = city.split.reference
        source = f"fitted to the shares {said} of {len(population):,} active entities as of {valid_from}"
    else:
        fitted = fit_rates(model.points(calibration.X), calibration, wanted.wanted)
        valid_from = last_known
        source = f"fitted to the violation rates {said} on {len(calibration.y):,} labelled rows known by {valid_from}"
    from_points, intervals = (0.0, *fitted[0]), fitted[1]
    if any(a >= b for a, b in zip(from_points, [*from_points[1:], 1000.0], strict=True)):
        raise ConfigurationError(
            f"[scale.fitted] of {city.name} must part the grades, with {said} they would begin at {from_points}. "
            "Ask for shares or rates that lie further apart."
        )
    cut_points = CutPoints(model.cut_points.grades, from_points, str(valid_from), source, intervals)
    return replace(model, cut_points=cut_points, expert_cut_points=model.cut_points)


def fit_shares(points: Floats, shares: tuple[float, ...]) -> Fitted:
    """Return points that cut a population (n,) into these shares, from the lowest risk to the highest.

    The interval of a cut point is the percentile bootstrap's, which has a closed form where each row is an entity: the
    number of drawn entities below a point is binomial.
    """
    ordered, n = np.sort(points), len(points)
    cuts, intervals = [], []
    for below in np.cumsum(shares)[:-1]:
        place = int(np.clip(round(below * n), 1, n - 1))
        cuts.append(_rounded((ordered[place - 1] + ordered[place]) / 2))
        low, high = binom.ppf([(1 - LEVEL) / 2, (1 + LEVEL) / 2], n, below).astype(int).clip(0, n - 1)
        intervals.append((_rounded(ordered[low]), _rounded(ordered[high])))
    return tuple(cuts), tuple(intervals)


def fit_rates(points: Floats, rows: Rows, rates: tuple[float, ...]) -> Fitted:
    """Return the points (n,) from which violations are at least as frequent as each rate, by rising steps.

    Intervals are over draws of whole entities; None where less than half of the draws reach the rate.

    Raises
    ------
    ConfigurationError
        Where all rows, or none, reach a rate.
    """
    weight = np.ones(len(rows.y)) if rows.weight is None else rows.weight
    cuts = _crossings(points, rows.y, weight, rates)
    if np.isnan(cuts).any():
        reached = IsotonicRegression().fit(points, rows.y, sample_weight=weight).y_thresholds_
        raise ConfigurationError(
            f"[scale.fitted] wanted must lie within the violation rates that points tell apart, {reached.min():.3f} to "
            f"{reached.max():.3f}, got {', '.join(f'{rate:g}' for rate in rates)}. Ask for rates between them."
        )
    draws = np.array(
        [
            _crossings(points[counts > 0], rows.y[counts > 0], (weight * counts)[counts > 0], rates)
            for counts in draw_weights(rows.entity_ids, DRAWS, _SEED)
        ]
    )
    return tuple(map(_rounded, cuts)), tuple(_interval(column) for column in draws.T)


def _crossings(points: Floats, y: NDArray[np.int8], weight: Floats, rates: tuple[float, ...]) -> Floats:
    """Return where the rising rate reaches each of `rates`; NaN where it does nowhere, or everywhere."""
    values = np.unique(points)
    rising = IsotonicRegression().fit(points, y, sample_weight=weight).predict(values)
    # Steps that are equal but for rounding reach a rate together.
    places = np.searchsorted(rising, np.array(rates) - 1e-12)
    inside = (places > 0) & (places < len(values))
    at = places.clip(1, len(values) - 1)
    return np.where(inside, (values[at - 1] + values[at]) / 2, np.nan)


def _interval(draws: Floats) -> tuple[float | None, float | None]:
    found = interval_of(np.nan, draws, len(draws))
    return (None, None) if np.isnan(found.low) else (_rounded(found.low), _rounded(found.high))


def _rounded(points: float) -> float:
    return round(float(points), _DECIMALS)


def _require_fitting(city: City, wanted: FittedScale, experts: CutPoints) -> None:
    n, values = len(experts.grades), wanted.wanted
    if wanted.to == "shares":
        if len(values) != n or min(values) <= 0 or abs(sum(values) - 1) > 1e-9:
            raise ConfigurationError(
                f"[scale.fitted] wanted of {city.name} must be {n} shares above 0 that sum to 1, one for each of "
                f"{', '.join(experts.grades)}, got {values}. Correct them in city.toml."
            )
        return
    if len(values) != n - 1 or list(values) != sorted(set(values)) or not 0 < values[0] <= values[-1] < 1:
        raise ConfigurationError(
            f"[scale.fitted] wanted of {city.name} must be {n - 1} rising rates between 0 and 1, from which "
            f"{', '.join(experts.grades[1:])} begin, got {values}. Correct them in city.toml."
        )
    days = city.split.calibration_horizon_days
    if days is not None and days != city.label.horizon_days:
        raise ConfigurationError(
            f"[scale.fitted] of {city.name} must be to shares: its calibration has windows of {days} days, whose "
            f'violation rates are not those of {city.label.horizon_days} days. Write to = "shares".'
        )
