"""What would change the grade: what an entity can do, and how long it must wait, to reach the next better grade.

Plans are few and all are tried: each remedy that the catalogue declares, to each value that it can reach, up to three
together, done on the as-of date; then each of a few waits, in which time runs for every indicator at once and no record
is added. Each row that comes out is scored by the model itself. docs/counterfactuals.md says what is taken for granted.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray

from features.catalogue import Catalogue
from features.declaration import Indicator
from training.additive import AdditiveModel
from training.scale import MOST_POINTS

WAITS_DAYS = (0, 90, 180, 365, 731, 1096)
"""A quarter, half a year, a year, and a day more than the look-backs of two and of three years."""

EFFORT_DAYS = 90.0
"""Days of waiting that count as an effort of 1."""

TARGET_STEP = 0.001
"""Rates are told in tenths of a percent."""

MOST_ACTS = 3
MOST_WAYS = 3
MARGIN_POINTS = 1e-6
"""A way must end so far below the cut point that no rounding can lift it back."""


@dataclass(frozen=True)
class Change:
    """A value before and after."""

    indicator: str
    before: float
    after: float


@dataclass(frozen=True)
class Way:
    """Something to do and a time to wait, and what comes of it.

    Attributes
    ----------
    acts : tuple of Change
        What the entity does on the as-of date.
    wait_days : int
        How long it then goes on without a new record; 0 where acting is enough.
    effort : float
        Sum of the declared efforts; 90 days of waiting count 1.
    values : tuple of Change
        Every indicator whose value is another one in the end.
    row : float64 (n,)
        Values in the end, as they were scored.
    points, grade
        Of that row.
    """

    acts: tuple[Change, ...]
    wait_days: int
    effort: float
    values: tuple[Change, ...]
    row: NDArray[np.float64]
    points: float
    grade: str


@dataclass(frozen=True)
class Target:
    """A value that good results to come would have to bring about; how many it takes, the value does not tell.

    Attributes
    ----------
    indicator, before, after
        The indicator, its value, and the highest value in steps of TARGET_STEP at which the grade is reached.
    row : float64 (n,)
        The row with that value and all others as they are.
    points, grade
        Of that row, as they were scored.
    """

    indicator: str
    before: float
    after: float
    row: NDArray[np.float64]
    points: float
    grade: str


@dataclass(frozen=True)
class Outlook:
    """What would change the grade of one row.

    Attributes
    ----------
    points, grade
        Now.
    next_grade, below_points : str and float, or None
        The next better grade, and the points below which it begins; None in the best grade.
    ways : tuple of Way
        Up to three that reach it, the least effort first; none asks for all that another asks for and more.
    best : Way or None
        Where none reaches it, the one with the fewest points; None where nothing lowers the points.
    target : Target or None
        What results would reach it by themselves, beside all ways; None where none can.
    veto : str
        The veto that keeps the next better grade from being reached by points, now; '' where none does.
    """

    points: float
    grade: str
    next_grade: str | None
    below_points: float | None
    ways: tuple[Way, ...]
    best: Way | None
    target: Target | None = None
    veto: str = ""


@dataclass(frozen=True)
class _Plan:
    acts: tuple[Change, ...]
    wait_days: int
    effort: float

    @property
    def rank(self) -> tuple[float, int, float]:
        """The least effort comes first, then the fewest acts, then the smallest."""
        return self.effort, len(self.acts), sum(abs(act.after - act.before) for act in self.acts)

    def asks_no_more_than(self, other: _Plan) -> bool:
        """Say whether whoever follows the other does all that this one asks for."""
        theirs = {act.indicator: act for act in other.acts}
        return self.wait_days <= other.wait_days and all(
            act.indicator in theirs and abs(act.after - act.before) <= abs(theirs[act.indicator].after - act.before)
            for act in self.acts
        )


def what_would_change(model: AdditiveModel, catalogue: Catalogue, row: NDArray[np.float64]) -> Outlook:
    """Search for ways to the next better grade of one row (n,), its columns in the catalogue's order.

    Raises
    ------
    RequestError
        Where the row does not have the model's columns.
    """
    now = model.score(row[np.newaxis, :])
    points, grade = float(now.points[0]), str(now.grade[0])
    place = model.cut_points.grades.index(grade)
    if place == 0:
        return Outlook(points, grade, None, None, (), None)
    below = model.cut_points.from_points[place]
    search = _Search.over(model, catalogue, row)
    ways = search.least_effort(below - MARGIN_POINTS, place)
    target = _target(model, catalogue, row, below - MARGIN_POINTS, place)
    held_at, which = (int(found[0]) for found in model.vetoes.places(row[np.newaxis, :]))
    veto = model.vetoes.declared[which].veto if held_at >= place else ""
    # Where a veto alone stands in the way, fewer points are no way.
    hopeless = veto and points < below
    best = None if ways or hopeless else search.fewest_points(points - MARGIN_POINTS)
    return Outlook(points, grade, model.cut_points.grades[place - 1], below, ways, best, target, veto)


def _target(
    model: AdditiveModel, catalogue: Catalogue, row: NDArray[np.float64], most_points: float, worse_than: int
) -> Target | None:
    """Return the first indicator that good results alone could bring far enough."""
    for at, item in enumerate(catalogue):
        values = _earned(catalogue, item, row)
        rows = np.repeat(row[np.newaxis], len(values), axis=0)
        rows[:, at] = values
        few = model.scale.points(model.log_odds(rows)).clip(0.0, MOST_POINTS) < most_points
        reached = np.flatnonzero(few & (model.vetoes.places(rows)[0] < worse_than))
        if len(reached):
            end = rows[reached[-1]]
            scores = model.score(end[np.newaxis, :])
            points, grade = float(scores.points[0]), str(scores.grade[0])
            return Target(item.name, float(row[at]), float(end[at]), end, points, grade)
    return None


def _earned(catalogue: Catalogue, item: Indicator, row: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the values that good results can bring about, in steps, the least first; none where there are none."""
    drawn_to, value = item.ageing.no_better_than, row[catalogue.names.index(item.name)]
    if drawn_to is None:
        return np.empty(0)
    floor = item.ageing.earned_share * row[catalogue.names.index(drawn_to)]
    if not floor < value:
        return np.empty(0)
    # Divided, not multiplied: so each step is the number that it is printed as.
    per_unit = round(1 / TARGET_STEP)
    return np.arange(math.ceil(floor * per_unit), math.ceil(value * per_unit)) / per_unit


@dataclass(frozen=True)
class _Search:
    """All plans of one row, the rows in which they end, and their points."""

    model: AdditiveModel
    names: tuple[str, ...]
    row: NDArray[np.float64]
    plans: tuple[_Plan, ...]
    ends: NDArray[np.float64]
    points: list[float]

    @classmethod
    def over(cls, model: AdditiveModel, catalogue: Catalogue, row: NDArray[np.float64]) -> _Search:
        plans = tuple(_plans(catalogue, row))
        ends = _ends(catalogue, row, plans)
        sound = np.array([not plan.wait_days for plan in plans]) | _may_be_waited_for(catalogue, ends)
        plans, ends = tuple(plan for plan, is_sound in zip(plans, sound, strict=True) if is_sound), ends[sound]
        points = model.scale.points(model.log_odds(ends)).clip(0.0, MOST_POINTS)
        return cls(model, catalogue.names, row, plans, ends, points.tolist())

    def least_effort(self, most_points: float, worse_than: int) -> tuple[Way, ...]:
        """Return up to MOST_WAYS ways to at most so many points, none of which asks for all of another and more.

        In the end no veto may stand that leaves only grades from the place `worse_than` on.
        """
        is_open = self.model.vetoes.places(self.ends)[0] < worse_than
        enough = [at for at in range(len(self.plans)) if self.points[at] < most_points and is_open[at]]
        chosen: list[_Plan] = []
        ways: list[Way] = []
        for at in sorted(enough, key=lambda at: self.plans[at].rank):
            if len(ways) == MOST_WAYS:
                break
            if any(plan.asks_no_more_than(self.plans[at]) for plan in chosen):
                continue
            way = self._way(at)
            # Scored alone and in full: what is shown is what the endpoint would answer.
            if way.points < most_points:
                chosen.append(self.plans[at])
                ways.append(way)
        return tuple(ways)

    def fewest_points(self, most_points: float) -> Way | None:
        """Return the way to the fewest points, the easier one of equals; None where none has at most so many."""
        # Rounded to a millionth, so that of two plans that come to the same the easier is shown.
        enough = [at for at in range(len(self.plans)) if self.points[at] < most_points]
        at = min(enough, key=lambda at: (round(self.points[at], 6), self.plans[at].rank), default=None)
        return None if at is None else self._way(at)

    def _way(self, at: int) -> Way:
        plan, end = self.plans[at], self.ends[at]
        scores = self.model.score(end[np.newaxis, :])
        values = tuple(
            Change(name, float(before), float(after))
            for name, before, after in zip(self.names, self.row, end, strict=True)
            if before != after and not np.isnan(before)
        )
        points, grade = float(scores.points[0]), str(scores.grade[0])
        return Way(plan.acts, plan.wait_days, plan.effort, values, end, points, grade)


def _plans(catalogue: Catalogue, row: NDArray[np.float64]) -> Iterator[_Plan]:
    """Yield every plan but the empty one."""
    for days in WAITS_DAYS:
        options = [_acts(item, float(value), days) for item, value in zip(catalogue, row, strict=True)]
        open_ones = [acts for acts in options if acts]
        for n_acts in range(MOST_ACTS + 1):
            for together in combinations(open_ones, n_acts):
                for acts in product(*together):
                    effort = sum(_effort(catalogue, act) for act in acts) + days / EFFORT_DAYS
                    if acts or days:
                        yield _Plan(acts, days, effort)


def _acts(item: Indicator, value: float, wait_days: int) -> tuple[Change, ...]:
    """Return what can be done about a value: nothing where it is missing or as good as can be."""
    outcomes = item.remedy.outcomes(value, wait_days) if item.remedy else ()
    most = math.inf if item.maximum is None else item.maximum
    return tuple(Change(item.name, value, min(to, most)) for to in outcomes if (value - to) * item.monotone > 0)


def _effort(catalogue: Catalogue, act: Change) -> float:
    remedy = catalogue[act.indicator].remedy
    assert remedy is not None, "acts come from remedies"
    return remedy.effort


def _ends(catalogue: Catalogue, row: NDArray[np.float64], plans: Sequence[_Plan]) -> NDArray[np.float64]:
    """Return the rows (n_plans, n) in which the plans end: first what is done, then time, for all values at once."""
    acted = np.tile(row, (len(plans), 1))
    for values, plan in zip(acted, plans, strict=True):
        for act in plan.acts:
            values[catalogue.names.index(act.indicator)] = act.after
            remedy = catalogue[act.indicator].remedy
            for name, added in remedy.moves if remedy else ():
                values[catalogue.names.index(name)] += added
    waits = np.array([plan.wait_days for plan in plans])
    ends = acted.copy()
    for days in WAITS_DAYS[1:]:
        ends[waits == days] = later(catalogue, acted[waits == days], days)
    return ends


def _may_be_waited_for(catalogue: Catalogue, ends: NDArray[np.float64]) -> NDArray[np.bool_]:
    never_below = np.array([item.ageing.never_below for item in catalogue])
    return np.asarray((ends < never_below).sum(axis=1) == 0)


def later(catalogue: Catalogue, rows: NDArray[np.float64], days: int) -> NDArray[np.float64]:
    """Return rows (m, n) as they are after so many days in which no record is added; NaN stays NaN."""
    aged = np.column_stack([_aged(item, rows[:, at], days) for at, item in enumerate(catalogue)])
    for at, item in enumerate(catalogue):
        if item.ageing.no_better_than is not None:
            drawn_to = aged[:, catalogue.names.index(item.ageing.no_better_than)]
            worse = np.fmax if item.risk == "rises" else np.fmin
            aged[:, at] = np.where(np.isnan(aged[:, at]), np.nan, worse(aged[:, at], drawn_to))
    return aged


def _aged(item: Indicator, values: NDArray[np.float64], days: int) -> NDArray[np.float64]:
    aged = item.ageing.after(values, days)
    return aged if item.minimum is None else np.maximum(aged, item.minimum)
