"""To which entity a row belongs, and from which day on: decided from what was known on that day and nothing later.

A link is made on the first day, from the row's own `known_at` on, on which one candidate known by then clears the bar.
It then stands: an entity that becomes known later and bears the same name does not unmake it, since nobody could have
known better. It ends where a person decides otherwise, or where the register withdraws the state that bore the name.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

NO_NAME = "no entity of the register has a name like this one"
SEVERAL = "more than one entity may bear this name: decide in the review list"
BELOW = "the likeliest entity is below the bar: decide in the review list"
REFUSED = "a person decided that this name is none of the register's"


@dataclass(frozen=True)
class Candidate:
    """An entity that a row may belong to, by one state of the register.

    Attributes
    ----------
    entity_id : str
        The entity.
    odds : float
        Of the pair alone, against the row belonging to no entity of the register.
    is_exact : bool
        Whether the names are equal in normal form, and the regions do not contradict.
    known_at, withdrawn_at : date
        Days on which the state became known, and was learned to be wrong (None while it stands).
    """

    entity_id: str
    odds: float
    is_exact: bool
    known_at: date
    withdrawn_at: date | None = None

    def is_known_on(self, day: date) -> bool:
        """Say whether the state was known on a day, and not yet known to be wrong."""
        return self.known_at <= day and (self.withdrawn_at is None or day < self.withdrawn_at)


@dataclass(frozen=True)
class Verdict:
    """A person's decision on a name: `accept` links it to an entity; `reject` excludes one, or all where it is None."""

    decided_on: date
    accepts: bool
    entity_id: str | None


@dataclass(frozen=True)
class Link:
    """A row belongs to an entity from one day on, and until another where a decision or a withdrawal ended it."""

    entity_id: str
    method: str
    score: float
    linked_at: date
    unlinked_at: date | None = None


@dataclass(frozen=True)
class Choice:
    """What the candidates known on a day say: shares of all that may be meant, largest first, and the entity taken."""

    shares: tuple[tuple[str, float], ...]
    taken: str | None
    method: str
    reason: str | None

    @property
    def score(self) -> float:
        """Share of the entity taken; 1 where it alone bears exactly this name."""
        return 1.0 if self.method == "name" else dict(self.shares).get(self.taken or "", 0.0)


def choose(candidates: Iterable[Candidate], day: date, bar: float, excluded: frozenset[str] = frozenset()) -> Choice:
    """Weigh the candidates known on a day against one another, and against none of them being meant.

    The share of an entity is its odds over one (for "no entity of the register") plus the odds of all: two entities
    that are equally likely have less than one half each, so that a bar above one half is also a margin between them.
    """
    odds: dict[str, float] = {}
    exact: set[str] = set()
    for candidate in candidates:
        if candidate.is_known_on(day) and candidate.entity_id not in excluded:
            odds[candidate.entity_id] = max(candidate.odds, odds.get(candidate.entity_id, 0.0))
            if candidate.is_exact:
                exact.add(candidate.entity_id)
    total = 1.0 + sum(odds.values())
    shares = tuple(sorted(((e, o / total) for e, o in odds.items()), key=lambda share: (-share[1], share[0])))
    if len(exact) == 1:
        return Choice(shares, next(iter(exact)), "name", None)
    if not shares:
        return Choice(shares, None, "", NO_NAME)
    if shares[0][1] >= bar:
        return Choice(shares, shares[0][0], "score", None)
    return Choice(shares, None, "", SEVERAL if _is_close(shares, bar) else BELOW)


def standing(verdicts: Sequence[Verdict]) -> tuple[str | None, bool, frozenset[str]]:
    """Return what verdicts come to, in the order in which they were made.

    The entity that was accepted, whether the name is none of the register's, and the entities that are ruled out.
    """
    excluded: set[str] = set()
    accepted, is_refused = None, False
    for verdict in verdicts:
        if verdict.accepts:
            accepted, is_refused = verdict.entity_id, False
            excluded.discard(str(accepted))
        elif verdict.entity_id is None:
            accepted, is_refused = None, True
        else:
            excluded.add(verdict.entity_id)
            accepted = None if accepted == verdict.entity_id else accepted
    return accepted, is_refused, frozenset(excluded)


def links_of(
    known_at: date, candidates: Sequence[Candidate], verdicts: Sequence[Verdict], bar: float
) -> tuple[list[Link], str | None]:
    """Return the links of a row that became known on a day, in order, and why there is none at the end.

    Parameters
    ----------
    known_at : date
        Day on which the row became known.
    candidates : sequence of Candidate
        Of the row's name and region, whenever they became known.
    verdicts : sequence of Verdict
        On the row's name and region, in the order in which they were made.
    bar : float
        Share from which an entity is taken.
    """
    links: list[Link] = []
    current: Link | None = None
    reason: str | None = None
    for day in _turning_points(known_at, candidates, verdicts):
        wanted, reason = _wanted_on(day, current, candidates, [v for v in verdicts if v.decided_on <= day], bar)
        if current is not None and (wanted is None or wanted.entity_id != current.entity_id):
            links.append(Link(current.entity_id, current.method, current.score, current.linked_at, day))
            current = None
        if current is None and wanted is not None:
            current = wanted
    if current is not None:
        links.append(current)
    return [link for link in links if link.linked_at != link.unlinked_at], reason


def _wanted_on(
    day: date, current: Link | None, candidates: Sequence[Candidate], verdicts: Sequence[Verdict], bar: float
) -> tuple[Link | None, str | None]:
    """Return the link that a row should have on a day, given the one it has."""
    accepted, is_refused, excluded = standing(verdicts)
    if accepted is not None:
        return Link(accepted, "decision", 1.0, day), None
    if is_refused:
        return None, REFUSED
    if current is not None and _still_stands(current, day, candidates, excluded):
        return current, None
    choice = choose(candidates, day, bar, excluded)
    return (None if choice.taken is None else Link(choice.taken, choice.method, choice.score, day)), choice.reason


def _still_stands(current: Link, day: date, candidates: Sequence[Candidate], excluded: frozenset[str]) -> bool:
    return (
        current.method != "decision"
        and current.entity_id not in excluded
        and any(c.entity_id == current.entity_id and c.is_known_on(day) for c in candidates)
    )


def _turning_points(known_at: date, candidates: Sequence[Candidate], verdicts: Sequence[Verdict]) -> list[date]:
    """Return the days on which something may change for a row, the first being its own."""
    days = {c.known_at for c in candidates} | {v.decided_on for v in verdicts}
    days |= {c.withdrawn_at for c in candidates if c.withdrawn_at is not None}
    return [known_at, *sorted(day for day in days if day > known_at)]


def _is_close(shares: tuple[tuple[str, float], ...], bar: float) -> bool:
    """Say whether several entities together would clear the bar that none clears alone."""
    return len(shares) > 1 and sum(share for _, share in shares) >= bar
