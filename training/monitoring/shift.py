"""Shift: by how much the indicators and the points of everybody have moved since the reference population."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.city import City
from features.drift.acceptance import Acceptance
from features.drift.psi import Bins, psi, psi_by_chance
from features.drift.rules import CHANCE
from training.monitoring.findings import Finding, Level, level_above

Values = NDArray[np.float64]


def shift_of(then: Values, now: Values, notable: float, limit: float, bins: Bins | None = None) -> dict[str, Any]:
    """Return how far values have moved: psi, psi_by_chance, missing_then, missing_now and level.

    What would come by chance in one of ten thousand times, were nothing moved, is quiet whatever the limits.

    Parameters
    ----------
    then, now : float64 (n,), (m,)
        NaN is missing.
    notable, limit : float
        PSI from which it is a notice, and an alarm.
    bins : Bins, optional
        Bins of `then`; by default those of the drift of data.
    """
    bins = bins or Bins.of(then)
    counted = bins.count(now)
    value, chance = psi(bins.counts, counted), psi_by_chance(bins.counts, counted, CHANCE)
    return {
        "psi": value,
        "psi_by_chance": chance,
        "missing_then": float(np.isnan(then).mean()),
        "missing_now": float(np.isnan(now).mean()),
        "level": level_above(value, notable, limit) if value > chance else "quiet",
    }


def shift_of_points(then: Values, now: Values, city: City) -> dict[str, Any]:
    """Return how far points have moved. Points are not estimates of one rate: a bin's edge is where it is."""
    limits = city.monitoring
    bins = Bins.of(then, tolerance=0.0)
    return shift_of(then, now, limits.points_psi_notable, limits.points_psi, bins)


def shift_of_indicators(then: Values, now: Values, names: Sequence[str], city: City) -> list[dict[str, Any]]:
    """Return how far each indicator has moved, columns of (n, k) and (m, k), the farthest first."""
    found = []
    for place, name in enumerate(names):
        limit = city.drift.of_indicator(name).psi
        shift = shift_of(then[:, place], now[:, place], city.drift.psi_notable, limit)
        found.append({"name": name, **shift, "limit": limit})
    return sorted(found, key=lambda one: -one["psi"])


def findings_of_shift(
    points: Mapping[str, Any], indicators: Sequence[Mapping[str, Any]], city: City, accepted: Sequence[Acceptance]
) -> Iterator[Finding]:
    """Yield what moved too far; an indicator is a notice where a person accepted a drift as large on that date."""
    if points["level"] != "quiet":
        limits = city.monitoring
        yield _finding("points_moved", "", points, limits.points_psi_notable, limits.points_psi, "")
    for one in indicators:
        if one["level"] != "quiet":
            who = _accepted_by(one, accepted)
            yield _finding("indicator_moved", one["name"], one, city.drift.psi_notable, one["limit"], who)


def _accepted_by(shift: Mapping[str, Any], accepted: Sequence[Acceptance]) -> str:
    """Return who accepted this shift or a larger one, the newest of them; empty where nobody did."""
    who = ""
    for one in accepted:
        if one.breach == f"psi:{shift['name']}" and (one.measured is None or shift["psi"] <= one.measured):
            who = one.who
    return who


def _finding(
    kind: str, subject: str, shift: Mapping[str, Any], notable: float, limit: float, accepted_by: str
) -> Finding:
    level: Level = "notice" if accepted_by else shift["level"]
    passed = limit if shift["level"] == "alarm" else notable
    return Finding(level, kind, subject, shift["psi"], passed, accepted_by)
