"""When the regulator learns of things: mostly the next day, some weeks or months later, and what was taken back."""

from __future__ import annotations

import numpy as np

from data.synthetic.grid import LAST_DAY, NEVER, Array

LAG_SHARES = (0.78, 0.13, 0.07, 0.02)
"""Shares of reports that arrive the next day, within a week, within 45 days, within 200 days."""

_LAG_BOUNDS = np.array([[1, 1], [2, 7], [8, 45], [46, 200]])


def known_after(events: Array, rng: np.random.Generator) -> Array:
    """Return the day on which each event became known."""
    kind = np.searchsorted(np.cumsum(LAG_SHARES)[:-1], rng.random(len(events), np.float32), side="right")
    low, high = _LAG_BOUNDS[kind, 0], _LAG_BOUNDS[kind, 1]
    lag = low + (rng.random(len(events), np.float32) * (high - low + 1)).astype(np.int64)
    return np.asarray((events + np.minimum(lag, high)).astype(np.int32))


def withdrawn_after(known: Array, share: float, rng: np.random.Generator) -> Array:
    """Return the day on which a share of the records was known to be repaired or wrong; NEVER for the others."""
    day = known + rng.integers(10, 400, len(known), dtype=np.int32)
    return yet(np.where(rng.random(len(known), np.float32) < share, day, NEVER).astype(np.int32))


def ended_after(events: Array, share: float, low: int, high: int, rng: np.random.Generator) -> Array:
    """Return the day on which a share of the spells ended, between `low` and `high` days on; NEVER for the others."""
    day = events + rng.integers(low, high, len(events), dtype=np.int32)
    return np.where(rng.random(len(events), np.float32) < share, day, NEVER).astype(np.int32)


def end_and_known(ended: Array, known: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Return the end as far as it is known when the files are taken, and the day it became known."""
    there = ended < NEVER
    learned = np.maximum(known_after(np.where(there, ended, 0), rng), known)
    seen = there & (learned <= LAST_DAY)
    return np.where(seen, ended, NEVER), np.where(seen, learned, NEVER)


def yet(days: Array) -> Array:
    """Return days that have come when the files are taken; NEVER for later ones."""
    return np.where(days <= LAST_DAY, days, NEVER).astype(np.int32)


def arrived(known: Array) -> Array:
    """Return the numbers of the rows that have arrived when the files are taken."""
    return np.flatnonzero(known <= LAST_DAY)
