"""Half-year by half-year: who would fail, who complains, whom the regulator visits, what it finds.

Inspections follow past complaints and past failures, so the inspected are not a fair sample of the city.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from data.synthetic import risk as planted
from data.synthetic.grid import N_PERIODS, PERIOD_DAYS, Array, period_start
from data.synthetic.industries import values
from data.synthetic.licensing import Terms, lapsed
from data.synthetic.population import Population

COMPLAINTS_PER_PERIOD = 0.105
COMPLAINT_LATENT = 0.75
COMPLAINT_PUBLICITY = 0.60
COMPLAINT_WHILE_VIOLATING = 1.5
"""Complaints while the entity violates, against the same entity while it does not."""

RANDOM_SHARE = 0.09
"""Chance of a visit in a half-year by lot alone: double random."""

VISIT_INTERCEPT = -2.95
VISIT_COMPLAINTS = 1.25
VISIT_FAILURES = 1.9
VISIT_FOOD = 0.5
LED_BY_COMPLAINT = 0.18
"""Chance that a complaint in the same half-year leads to a visit."""

AGAIN = 0.12
FOLLOW_UP = 0.45
FAILS_AGAIN = 0.40
PENALISED = 0.55
MEMORY = 0.5 ** (1 / 2)
"""Of past complaints and failures, after half a year: half-life one year."""

TYPES = ("random", "routine", "complaint", "follow_up", "special")


@dataclass
class History:
    """What happened: truth by period, and events as (entity, day, ...) arrays in the order of time."""

    probability: list[Array] = field(default_factory=list)
    outcome: list[Array] = field(default_factory=list)
    risk: list[Array] = field(default_factory=list)
    inspections: list[tuple[Array, Array, Array, Array]] = field(default_factory=list)
    complaints: list[tuple[Array, Array]] = field(default_factory=list)
    penalties: list[tuple[Array, Array]] = field(default_factory=list)


@dataclass
class _Memory:
    """What the regulator remembers of each entity, fading."""

    complaints: Array
    failures: Array
    violations: Array


def simulate(population: Population, terms: Terms, rng: np.random.Generator) -> History:
    """Run all periods, and draw the truth of the one after them."""
    n = len(population)
    history = History()
    memory = _Memory(*(np.zeros(n, np.float32) for _ in range(3)))
    fixed = planted.fixed_log_odds(population)
    risk = planted.initial_risk(population)
    for period in range(N_PERIODS + 1):
        if period > 0:
            risk = planted.drifted(risk, population, rng)
        chance = _chance(population, terms, memory, fixed, risk, period_start(period))
        outcome = rng.random(n, np.float32) < chance
        history.probability.append(chance)
        history.outcome.append(outcome)
        history.risk.append(risk)
        if period < N_PERIODS:
            _live(population, memory, history, outcome, period, rng)
    return history


def _chance(population: Population, terms: Terms, memory: _Memory, fixed: Array, risk: Array, day: int) -> Array:
    age_years = ((day - population.established) / 365.25).astype(np.float32)
    crowded = population.n_at_address >= planted.CROWDED
    linked = linked_violations(population, memory.violations)
    return planted.probability(fixed, risk, age_years, crowded, linked, lapsed(population, terms, day))


def linked_violations(population: Population, violations: Array) -> Array:
    """Return the violations of the other entities of each entity's main person."""
    of_person = np.bincount(population.person, weights=violations, minlength=population.n_persons)
    return np.maximum(of_person[population.person] - violations, 0).astype(np.float32)


def _live(
    population: Population, memory: _Memory, history: History, outcome: Array, period: int, rng: np.random.Generator
) -> None:
    """Draw one period's complaints, inspections and penalties, and remember them."""
    alive = population.alive(period_start(period))
    n_complaints = _complaints(population, history.risk[period], outcome, rng) * alive
    history.complaints.append(_spread(n_complaints, period, rng))
    inspections = _inspections(population, memory, n_complaints, outcome, alive, period, rng)
    history.inspections.append(inspections)
    entity, day, failed, _ = inspections
    penalised = failed & (rng.random(len(entity), np.float32) < PENALISED)
    decided = day[penalised] + rng.integers(15, 110, int(penalised.sum()), dtype=np.int32)
    history.penalties.append((entity[penalised], decided))
    _remember(memory, n_complaints, entity[failed], entity[penalised])


def _complaints(population: Population, risk: Array, outcome: Array, rng: np.random.Generator) -> Array:
    industry = values("complaints").astype(np.float32)[population.industry]
    size = np.array([0.85, 1.6, 3.0, 6.0], np.float32)[population.size]
    feeling = COMPLAINT_LATENT * risk + COMPLAINT_PUBLICITY * population.publicity
    rate = COMPLAINTS_PER_PERIOD * industry * size * np.exp(feeling)
    return rng.poisson(np.where(outcome, rate * COMPLAINT_WHILE_VIOLATING, rate)).astype(np.int16)


def _spread(counts: Array, period: int, rng: np.random.Generator) -> tuple[Array, Array]:
    entity = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    return entity, period_start(period) + rng.integers(0, PERIOD_DAYS, len(entity), dtype=np.int32)


def _inspections(
    population: Population,
    memory: _Memory,
    n_complaints: Array,
    outcome: Array,
    alive: Array,
    period: int,
    rng: np.random.Generator,
) -> tuple[Array, Array, Array, Array]:
    """Return (entity, day, failed, type): a first visit finds the truth, later ones nothing that is not there."""
    n = len(population)
    by_lot = rng.random(n, np.float32) < RANDOM_SHARE
    targeted = rng.random(n, np.float32) < _targeting(population, memory)
    led = rng.random(n, np.float32) < 1 - (1 - LED_BY_COMPLAINT) ** n_complaints
    entity = np.flatnonzero((by_lot | targeted | led) & alive).astype(np.int32)
    type_ = np.where(by_lot, 0, np.where(led, 2, 1)).astype(np.int8)[entity]
    failed = outcome[entity]
    day = rng.integers(0, PERIOD_DAYS, len(entity), dtype=np.int32)
    again = rng.random(len(entity), np.float32) < np.where(failed, FOLLOW_UP, AGAIN)
    day_again = day + rng.integers(15, 75, len(entity), dtype=np.int32)
    # A visit in the next half-year would have to agree with that one's truth.
    again &= day_again < PERIOD_DAYS
    failed_again = failed[again] & (rng.random(int(again.sum()), np.float32) < FAILS_AGAIN)
    type_again = np.where(failed[again], 3, 4).astype(np.int8)
    return (
        np.concatenate([entity, entity[again]]),
        period_start(period) + np.concatenate([day, day_again[again]]),
        np.concatenate([failed, failed_again]),
        np.concatenate([type_, type_again]),
    )


def _targeting(population: Population, memory: _Memory) -> Array:
    log_odds = (
        VISIT_INTERCEPT
        + VISIT_COMPLAINTS * np.log1p(memory.complaints)
        + VISIT_FAILURES * np.log1p(memory.failures)
        + VISIT_FOOD * values("food").astype(np.float32)[population.industry]
    )
    return 1 / (1 + np.exp(-log_odds))


def _remember(memory: _Memory, n_complaints: Array, failed: Array, penalised: Array) -> None:
    n = len(n_complaints)
    failures = np.bincount(failed, minlength=n)
    memory.complaints = (MEMORY * memory.complaints + n_complaints).astype(np.float32)
    memory.failures = (MEMORY * memory.failures + failures).astype(np.float32)
    fading = 0.5 ** (1 / planted.LINKED_HALF_LIFE_PERIODS)
    violations = failures + np.bincount(penalised, minlength=n)
    memory.violations = (fading * memory.violations + violations).astype(np.float32)
