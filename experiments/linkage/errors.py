"""Wrong links and rows that were not linked, as a sheet to be looked at one by one."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path

from data.files import write_atomically
from experiments.linkage.measure import Outcome
from experiments.linkage.trials import ABSENT

COLUMNS = ("what", "kind", "written", "own name", "taken", "taken name", "method", "score")


def write_errors(outcomes: Iterable[Outcome], names: Mapping[str, str], path: Path) -> None:
    """Write every wrong link, and then every row of an entity of the register that was not linked.

    Parameters
    ----------
    names : mapping
        Registered name by code.
    """
    lines = [_line(outcome, names) for outcome in outcomes if not outcome.is_right and _counts(outcome)]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([COLUMNS, *sorted(lines, reverse=True)])
    write_atomically(path, text.getvalue())


def _counts(outcome: Outcome) -> bool:
    return outcome.is_wrong or outcome.trial.kind != ABSENT


def _line(outcome: Outcome, names: Mapping[str, str]) -> tuple[str, ...]:
    choice, trial = outcome.choice, outcome.trial
    nearest, share = choice.shares[0] if choice.shares else ("", 0.0)
    entity = choice.taken or nearest
    what = "wrong" if outcome.is_wrong else "not linked" if outcome.is_blocked else "never met"
    own = names.get(trial.code or "", "")
    return (what, trial.kind, trial.name, own, entity, names.get(entity, ""), choice.method, f"{share:.4f}")
