"""The truth that no record holds: what makes a violation likely in the synthetic city.

Everything planted stands here as a constant; docs/synthetic-city.md repeats them and a test holds the two together.
"""

from __future__ import annotations

import numpy as np

from data.synthetic.grid import Array
from data.synthetic.industries import values
from data.synthetic.population import Population

INTERCEPT = -3.75
LATENT = 1.05
"""Log-odds for each standard deviation of the latent risk. Complaints, lists, reports and tests follow it too, so the
card knows it in part."""

DRIFT = 0.93
"""Correlation of the latent risk from one half-year to the next: what is recent says more."""

CAPITAL = -0.20
"""Log-odds for each tenfold of registered capital above 500,000."""

YOUNG = 2.2
"""Log-odds of a new entity, falling with YOUNG_YEARS. The card gives years_in_operation 30 of 1000: clearly wrong."""

YOUNG_YEARS = 1.6

LINKED = 1.25
"""Log-odds for each natural logarithm of 1 + violations of the same people's other entities, capped at LINKED_CAP. The
card gives person_linked_violations 50 of 1000: clearly wrong."""

LINKED_CAP = 2.0
LINKED_HALF_LIFE_PERIODS = 4.0

CROWDED = 10
"""Entities at one address from which it counts as shared."""

SHARED_ADDRESS = 0.15
YOUNG_AT_SHARED_ADDRESS = 1.1
"""Interaction: younger than two years at a shared address."""

LAPSED = 0.25
LAPSED_FOOD = 1.6
"""Interaction: log-odds of a lapsed licence, and what comes on top of it in food and catering."""


def initial_risk(population: Population) -> Array:
    """Return the latent risk in the first period."""
    return population.risk.copy()


def drifted(risk: Array, population: Population, rng: np.random.Generator) -> Array:
    """Return the latent risk one period later: nearer to its start value's half, with a step of chance."""
    step = np.sqrt(1 - DRIFT**2) * rng.standard_normal(len(risk), np.float32)
    return np.asarray((DRIFT * risk + (1 - DRIFT) * population.risk * 0.5 + step).astype(np.float32))


def fixed_log_odds(population: Population) -> Array:
    """Return what does not change with time: industry, capital, shared address."""
    capital = np.nan_to_num(np.log10(np.maximum(population.capital, 100.0) / 500_000.0))
    shared = population.n_at_address >= CROWDED
    total = INTERCEPT + values("risk")[population.industry] + CAPITAL * capital + SHARED_ADDRESS * shared
    return total.astype(np.float32)


def probability(fixed: Array, risk: Array, age_years: Array, crowded: Array, linked: Array, lapsed: Array) -> Array:
    """Return the true chance that an inspection in the period would find a violation.

    Parameters
    ----------
    fixed : float array
        Of `fixed_log_odds`.
    risk, age_years, linked : float arrays
        Latent risk, years since establishment, decayed violations of the same people's other entities.
    crowded : bool array
        Whether the address is shared.
    lapsed : int array
        0 in force or none needed, 1 lapsed, 2 lapsed in food and catering.
    """
    age = np.maximum(age_years, 0)
    log_odds = fixed + LATENT * risk + YOUNG * np.exp(-age / YOUNG_YEARS)
    log_odds += LINKED * np.minimum(np.log1p(linked), LINKED_CAP)
    log_odds += YOUNG_AT_SHARED_ADDRESS * ((age < 2) & crowded)
    log_odds += np.array([0.0, LAPSED, LAPSED + LAPSED_FOOD], np.float32)[lapsed]
    return (1 / (1 + np.exp(-log_odds))).astype(np.float32)
