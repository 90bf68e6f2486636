"""Link trials as a city's rows are linked, and count what came of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

import duckdb

from data.city import Linking
from data.linking.model import score
from data.linking.timeline import Candidate, Choice, choose
from experiments.linkage.trials import ABSENT, Trial

_DAY = date(2020, 1, 1)


@dataclass(frozen=True)
class Outcome:
    """A trial, what was chosen, what equality alone would have chosen, and whether blocking kept the true pair."""

    trial: Trial
    choice: Choice
    by_equality: str | None
    is_blocked: bool

    @property
    def is_right(self) -> bool:
        """Whether it was linked to its entity."""
        return self.choice.taken is not None and self.choice.taken == self.trial.code

    @property
    def is_wrong(self) -> bool:
        """Whether it was linked to another entity."""
        return self.choice.taken is not None and self.choice.taken != self.trial.code


@dataclass(frozen=True)
class Figures:
    """Counts over trials that have an entity in the register, and those of them that were linked."""

    n: int
    n_right: int
    n_wrong: int
    n_lost: int

    @property
    def precision(self) -> float:
        """Share of the links that are right; NaN where there is none."""
        n_linked = self.n_right + self.n_wrong
        return self.n_right / n_linked if n_linked else float("nan")

    @property
    def recall(self) -> float:
        """Share of the rows linked to their entity."""
        return self.n_right / self.n if self.n else float("nan")

    @property
    def blocking_loss(self) -> float:
        """Share of the true pairs that never met."""
        return self.n_lost / self.n if self.n else float("nan")


def link_trials(connection: duckdb.DuckDBPyConnection, trials: Sequence[Trial], bar: float) -> list[Outcome]:
    """Link what `load_trials` loaded, as data.linking does, on a day on which everything is known."""
    score(connection, Linking().prior_odds)
    scored = connection.execute("""
        SELECT trials.id, register.code, odds, l.name_key = r.name_key FROM scored
        JOIN trials ON trials.id = left_id JOIN register ON register.id = right_id
        JOIN row_names AS l ON l.id = left_id JOIN entity_names AS r ON r.id = right_id
    """).fetchall()
    candidates: dict[int, list[Candidate]] = defaultdict(list)
    for number, code, odds, is_exact in scored:
        candidates[number].append(Candidate(code, odds, is_exact, _DAY))
    met = connection.execute("""
        SELECT DISTINCT trials.id FROM pairs JOIN trials ON trials.id = left_id
        JOIN register ON register.id = right_id AND register.code = trials.code
    """).fetchall()
    kept = {number for (number,) in met}
    return [
        Outcome(trial, choose(candidates[n], _DAY, bar), _by_equality(candidates[n]), n in kept)
        for n, trial in enumerate(trials, start=1)
    ]


def figures(outcomes: Iterable[Outcome]) -> Figures:
    """Count outcomes."""
    counted = list(outcomes)
    present = [o for o in counted if o.trial.kind != ABSENT]
    return Figures(
        len(present),
        sum(o.is_right for o in counted),
        sum(o.is_wrong for o in counted),
        sum(not o.is_blocked for o in present),
    )


def figures_of_equality(outcomes: Iterable[Outcome]) -> Figures:
    """Count what equality of the normal form alone would have linked."""
    counted = list(outcomes)
    linked = [o for o in counted if o.by_equality is not None]
    n_right = sum(o.by_equality == o.trial.code for o in linked)
    present = sum(o.trial.kind != ABSENT for o in counted)
    return Figures(present, n_right, len(linked) - n_right, 0)


def _by_equality(candidates: Sequence[Candidate]) -> str | None:
    exact = {candidate.entity_id for candidate in candidates if candidate.is_exact}
    return exact.pop() if len(exact) == 1 else None
