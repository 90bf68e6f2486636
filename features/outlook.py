"""What can become of a value: what the entity itself can do about it, and what time makes of it.

Both are declared with the indicator. Neither is part of its formula, so neither is in the catalogue's hash.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Remedy:
    """What the entity can do about its value.

    Attributes
    ----------
    effort : float
        What it takes; 1 is as much as 90 days of waiting.
    how, how_zh : str
        What to do; `{value}` stands for the value reached.
    reach : tuple of float
        Values that it can bring about. It is asked only for those with less risk than the value it has.
    terms : tuple of float
        Instead: days that it can add to those left, or to 0 where the value has lapsed.
    due_days : float
        A term can be added only once no more than so many days are left.
    moves : tuple of (str, float)
        What doing it adds to other indicators at once.
    """

    effort: float
    how: str
    how_zh: str
    reach: tuple[float, ...] = ()
    terms: tuple[float, ...] = ()
    due_days: float = math.inf
    moves: tuple[tuple[str, float], ...] = ()

    def outcomes(self, value: float, wait_days: int) -> tuple[float, ...]:
        """Return the values that it can bring about on the as-of date, or in a wait as soon as a term is due."""
        is_due = value - wait_days <= self.due_days
        added = tuple(max(value, 0.0) + term for term in self.terms) if is_due else ()
        return self.reach + added


@dataclass(frozen=True)
class Ageing:
    """What time makes of a value while no record is added. What the value alone does not tell stays as it is.

    Attributes
    ----------
    half_life_days : float
        The value halves in so many days; infinite where it does not.
    fades_below : float
        Only a value below this is known to fade: one above may hold something that is still in force.
    per_day : float
        What a day adds. A growing value of 0 stays so: the day from which it counts may lie ahead.
    look_back_days : float
        A count over so many days is 0 when more have passed; infinite where it is none. Before, it stays as it is.
    no_better_than : str or None
        Indicator that the value is drawn to as its records grow old: it is taken to be there as soon as that is worse.
    earned_share : float
        Results to come that are good can bring the value down to this share of that indicator's; infinite where there
        is no such thing. How many it takes, and when they come, the value does not tell.
    earned_by, earned_by_zh : str
        What these results are.
    never_below : float
        Nobody is told to wait until the value is below it: with a lapsed licence there is no waiting.
    condition, condition_zh : str
        What must hold from the as-of date on for a value above 0 not to grow, after "and be".
    """

    half_life_days: float = math.inf
    fades_below: float = math.inf
    per_day: float = 0.0
    look_back_days: float = math.inf
    no_better_than: str | None = None
    earned_share: float = math.inf
    earned_by: str = ""
    earned_by_zh: str = ""
    never_below: float = -math.inf
    condition: str = ""
    condition_zh: str = ""

    def after(self, values: NDArray[np.float64], days: int) -> NDArray[np.float64]:
        """Return what values (n,) are after so many days; NaN stays NaN."""
        faded = np.where(values < self.fades_below, values * 0.5 ** (days / self.half_life_days), values)
        waits_to_grow = (faded == 0.0) & (self.per_day > 0)
        moved = np.where(waits_to_grow, faded, faded + self.per_day * days)
        return np.where((days > self.look_back_days) & ~np.isnan(moved), 0.0, moved)

    @property
    def words(self) -> str:
        """What happens to the value, for the reference page."""
        if math.isfinite(self.half_life_days):
            below = f" where it is below {self.fades_below:g}" if math.isfinite(self.fades_below) else ""
            return f"halves in {self.half_life_days:g} days{below}"
        if self.per_day:
            return f"{'grows' if self.per_day > 0 else 'falls'} day by day"
        if math.isfinite(self.look_back_days):
            return f"taken to stay as it is for {self.look_back_days:g} days, then 0"
        worse = f", or to be that of {self.no_better_than} where that is worse" if self.no_better_than else ""
        return f"taken to stay as it is{worse}"


STAYS = Ageing()
"""What time does is not to be told from the value: it stays as it is."""
