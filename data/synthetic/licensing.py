"""Licence terms of those who need one: renewed in time, late, or not at all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.synthetic.grid import FIRST_DAY, LAST_DAY, Array
from data.synthetic.industries import values
from data.synthetic.population import Population

TERM_DAYS = 5 * 365
RENEWED_IN_TIME = 0.70
NEVER_RENEWED = 0.30
"""Share of those not renewed in time that never renew; the others are one to twelve months late."""

N_TERMS = 5


@dataclass(frozen=True)
class Terms:
    """Licence terms, one row each: entity's number, its days, and whether it was renewed late."""

    entity: Array
    valid_from: Array
    valid_until: Array


def draw_terms(population: Population, rng: np.random.Generator) -> Terms:
    """Draw the terms of all licences, from the one in force on the first day."""
    needs = rng.random(len(population)) < values("licensed")[population.industry]
    entity = np.flatnonzero(needs).astype(np.int32)
    risk = population.risk[entity]
    # Terms that ended before the records begin are left out: the first one is drawn at a random age.
    started = np.maximum(population.established[entity] + 20, FIRST_DAY - rng.integers(0, TERM_DAYS, len(entity)))
    parts: list[tuple[Array, Array]] = []
    for _ in range(N_TERMS):
        there = started <= LAST_DAY
        entity, risk, started = entity[there], risk[there], started[there]
        parts.append((entity, started.astype(np.int32)))
        in_time = rng.random(len(entity)) < RENEWED_IN_TIME - 0.06 * np.clip(risk, -2, 2)
        gone = ~in_time & (rng.random(len(entity)) < NEVER_RENEWED)
        late = np.where(in_time, 0, rng.integers(30, 360, len(entity)))
        started = started + TERM_DAYS + late
        entity, risk, started = entity[~gone], risk[~gone], started[~gone]
    valid_from = np.concatenate([started for _, started in parts])
    return Terms(np.concatenate([e for e, _ in parts]), valid_from, (valid_from + TERM_DAYS - 1).astype(np.int32))


def lapsed(population: Population, terms: Terms, day: int) -> Array:
    """Return 0 for a licence in force or none needed, 1 for a lapsed one, 2 for a lapsed one in food and catering."""
    last = np.zeros(len(population), np.int32)
    begun = terms.valid_from <= day
    np.maximum.at(last, terms.entity[begun], terms.valid_until[begun])
    state = ((last > 0) & (last < day)).astype(np.int8)
    return state * (1 + values("food")[population.industry]).astype(np.int8)
