"""The rules: what of a snapshot's sources and indicators breaks a limit. Small counts never do."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from scipy.stats import norm, poisson

from data.drift import IndicatorDrift, TableDrift
from features.drift.arrivals import Month, Source

CHANCE = 1e-4
"""A limit is only broken by what would come with less than this chance, were everything as usual."""

LEAST_MONTHS = 3
LEAST_ROWS = 30
"""Rows of a month below which a median delay or a share says too little."""


@dataclass(frozen=True)
class Breach:
    """One broken limit.

    Attributes
    ----------
    name : str
        The rule and what it is about: `psi:registered_capital`, `rows_fell:inspections/inspections.csv`.
    said : str
        The breach in a sentence.
    measured, limit : float
        What was measured, and what it must stay within.
    """

    name: str
    said: str
    measured: float
    limit: float


@dataclass(frozen=True)
class Usual:
    """What a month of a source is held against; None where there is too little to tell.

    Seasonality: the same month a year ago stands beside the median of the year before, and the source may lie as low as
    the lower of the two and as high as the higher.
    """

    lowest_rows: float | None = None
    highest_rows: float | None = None
    longest_delay_days: float | None = None
    share_quarantined: float | None = None


@dataclass(frozen=True)
class IndicatorDrifted:
    """How an indicator differs from its reference.

    Attributes
    ----------
    psi, psi_by_chance : float or None
        PSI, and what it exceeds by chance in one case of ten thousand; None without a reference.
    share_missing, reference_share_missing : float
        Shares of the entities; the second is None without a reference.
    n_outside : int
        Values below `minimum` or above `maximum`.
    n, n_reference : int
        Entities.
    """

    name: str
    n: int
    share_missing: float
    n_outside: int
    minimum: float | None
    maximum: float | None
    n_reference: int = 0
    reference_share_missing: float | None = None
    psi: float | None = None
    psi_by_chance: float | None = None


def usual(source: Source) -> Usual:
    """Return what the last month of a source is held against: the months that began after its first row."""
    history = [month for month in source.months[1:13] if month.start >= source.first_known]
    if len(history) < LEAST_MONTHS:
        return Usual()
    year_ago = [month for month in source.months[12:13] if month.start >= source.first_known]
    # A file that comes once or twice a year, or was only ever seen as a whole, has no usual month.
    is_regular = sum(month.n_rows > 0 for month in history) * 2 >= len(history)
    rows = [median(month.n_rows for month in history), *(month.n_rows for month in year_ago)]
    delays = [month.median_delay_days for month in _telling(history)]
    n_all = sum(month.n_rows + month.n_quarantined for month in history)
    return Usual(
        lowest_rows=min(rows) if is_regular else None,
        highest_rows=max(rows) if is_regular else None,
        longest_delay_days=_longest(delays, [month.median_delay_days for month in _telling(year_ago)]),
        share_quarantined=sum(month.n_quarantined for month in history) / n_all if n_all else None,
    )


def breaches_of_source(source: Source, limits: TableDrift) -> Iterator[Breach]:
    """Yield what the last month of a source breaks."""
    month, before = source.months[0], usual(source)
    when = f"in the month before {month.end}"
    if before.lowest_rows is not None and before.highest_rows is not None:
        yield from _rows(source.name, month, before.lowest_rows, before.highest_rows, limits, when)
    delay, usual_delay = month.median_delay_days, before.longest_delay_days
    if delay is not None and usual_delay is not None and month.n_rows >= LEAST_ROWS:
        limit = usual_delay + limits.delay_days
        if delay > limit:
            said = f"half of the rows of {source.name} {when} came {delay} days late or more, usual are {usual_delay:g}"
            yield Breach(f"delay:{source.name}", said, delay, limit)
    n_all = month.n_rows + month.n_quarantined
    if before.share_quarantined is not None and n_all >= LEAST_ROWS:
        share, limit = month.n_quarantined / n_all, before.share_quarantined + limits.quarantined
        by_chance = poisson.sf(month.n_quarantined - 1, before.share_quarantined * n_all)
        if share > limit and by_chance < CHANCE:
            usually = f"usual are {before.share_quarantined:.1%}"
            said = f"{share:.1%} of the rows of {source.name} {when} went to quarantine, {usually}"
            yield Breach(f"quarantined:{source.name}", said, _rounded(share), _rounded(limit))


def breaches_of_indicator(drifted: IndicatorDrifted, limits: IndicatorDrift) -> Iterator[Breach]:
    """Yield what an indicator breaks."""
    name = drifted.name
    if drifted.n_outside > limits.outside * drifted.n:
        said = f"{drifted.n_outside:,} values of {name} lie outside {_bounds(drifted)}"
        yield Breach(f"outside:{name}", said, _rounded(drifted.n_outside / drifted.n), limits.outside)
    then = drifted.reference_share_missing
    if then is not None and _missing_moved(drifted, then, limits.missing):
        said = f"{drifted.share_missing:.1%} of {name} are missing, {then:.1%} were in the reference"
        yield Breach(f"missing:{name}", said, _rounded(drifted.share_missing - then), limits.missing)
    if drifted.psi is not None and drifted.psi > (drifted.psi_by_chance or 0.0) and drifted.psi >= limits.psi:
        said = f"{name} has moved from the reference, PSI {drifted.psi:.3f}"
        yield Breach(f"psi:{name}", said, _rounded(drifted.psi), limits.psi)


def _rows(name: str, month: Month, lowest: float, highest: float, limits: TableDrift, when: str) -> Iterator[Breach]:
    n = month.n_rows
    least, most = limits.rows_fell * lowest, limits.rows_rose * highest
    if n < least and poisson.cdf(n, lowest) < CHANCE:
        said = f"{name} brought {n:,} rows {when}, usual are {lowest:,.0f}"
        yield Breach(f"rows_fell:{name}", said, n, least)
    if n > most and poisson.sf(n - 1, highest) < CHANCE:
        said = f"{name} brought {n:,} rows {when}, usual are {highest:,.0f}"
        yield Breach(f"rows_rose:{name}", said, n, most)


def _missing_moved(drifted: IndicatorDrifted, then: float, limit: float) -> bool:
    """Say whether the share of missing values changed by more than the limit, and not by chance."""
    pooled = (drifted.share_missing * drifted.n + then * drifted.n_reference) / (drifted.n + drifted.n_reference)
    error = math.sqrt(pooled * (1 - pooled) * (1 / drifted.n + 1 / drifted.n_reference))
    change = abs(drifted.share_missing - then)
    return change > limit and change > error * float(norm.isf(CHANCE / 2))


def _telling(months: Sequence[Month]) -> list[Month]:
    return [month for month in months if month.n_rows >= LEAST_ROWS]


def _longest(delays: Sequence[int | None], year_ago: Sequence[int | None]) -> float | None:
    if len(delays) < LEAST_MONTHS:
        return None
    return float(
        max(median(delay for delay in delays if delay is not None), *(d for d in year_ago if d is not None), 0)
    )


def _bounds(drifted: IndicatorDrifted) -> str:
    least = "" if drifted.minimum is None else f"{drifted.minimum:g}"
    most = "" if drifted.maximum is None else f"{drifted.maximum:g}"
    return f"{least} to {most}".strip()


def _rounded(value: float) -> float:
    return round(value, 6)
