"""Decisions on names, made by persons: kept for good, each with who, why and when.

var/cities/<city>/link_decisions.jsonl has one line for each decision, in the order in which they were made. Lines are
only ever added, and the file is written whole to the side and renamed: it holds a decision or does not, never a part.
A later decision on a name counts from its own day; what was known before stays.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

from data.city import City
from data.errors import PointInTimeError, RequestError, StorageError
from data.files import fingerprint, write_atomically
from data.linking.timeline import Verdict
from data.settings import Settings


@dataclass(frozen=True)
class Decision:
    """A person's word on a name.

    Attributes
    ----------
    name, region : str
        The name in normal form, and the region that rows give with it ('' for none): it is about all rows with both.
    verdict : str
        ``accept``: they are of `entity_id`; ``reject``: they are not of it, or of none of the register where it is ''.
    entity_id : str
        The entity, or ''.
    who, why : str
        Who decided, and for what reason.
    decided_on : str
        Day, as YYYY-MM-DD: the link is known from then on.
    """

    name: str
    region: str
    verdict: str
    entity_id: str
    who: str
    why: str
    decided_on: str

    def __post_init__(self) -> None:
        for key in ("name", "who", "why"):
            if not str(getattr(self, key)).strip():
                raise RequestError(f"A decision must say {key}, it is empty. Give it.")
        if self.verdict not in ("accept", "reject"):
            raise RequestError(f"A verdict must be accept or reject, got '{self.verdict}'. Correct it.")
        if self.verdict == "accept" and not self.entity_id:
            raise RequestError(f"To accept {self.name}, an entity must be given, it is empty. Give its code.")
        _check_day(self.decided_on)

    @property
    def item(self) -> str:
        """The short identifier of the name and region, by which the review list shows them."""
        return item_of(self.name, self.region)


def item_of(name_key: str, region: str) -> str:
    """Return twelve hexadecimal digits that stand for a name in normal form and a region."""
    return fingerprint(name_key, region)[:12]


def read_decisions(city: City, settings: Settings) -> tuple[Decision, ...]:
    """Return all decisions in the order in which they were made; StorageError where the file is damaged."""
    path = decisions_path(city, settings)
    if not path.is_file():
        return ()
    decisions = []
    # Of bytes, for of text Python ends a line at signs too that a reason may hold as they are, such as U+2028.
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            decisions.append(Decision(**json.loads(line)))
        except (ValueError, TypeError, RequestError) as error:
            raise StorageError(
                f"{path}, line {number}, must be a decision: {str(error).rstrip('.')}. Restore it from a copy."
            ) from error
    return tuple(decisions)


def add_decisions(city: City, settings: Settings, new: Sequence[Decision]) -> None:
    """Keep decisions, all of them or none.

    Raises
    ------
    PointInTimeError
        Where one was made before the latest that is kept: what was known then would change. Or after today: until that
        day no other could be made.
    """
    kept = read_decisions(city, settings)
    latest = max((decision.decided_on for decision in kept), default="")
    today = str(date.today())
    for decision in new:
        if decision.decided_on > today:
            raise PointInTimeError(
                f"A decision must not lie after today, {today}; got {decision.decided_on}. Correct --decided-on."
            )
        if decision.decided_on < latest:
            raise PointInTimeError(
                f"A decision must not lie before the latest one, of {latest}; got {decision.decided_on}. "
                "Give a later --decided-on."
            )
    ordered = (*kept, *sorted(new, key=lambda decision: decision.decided_on))
    lines = [json.dumps(asdict(decision), ensure_ascii=False) for decision in ordered]
    write_atomically(decisions_path(city, settings), "".join(f"{line}\n" for line in lines))


def verdicts_by_name(decisions: Sequence[Decision]) -> dict[tuple[str, str], list[Verdict]]:
    """Return the verdicts on each (name, region), in the order in which they were made."""
    verdicts: dict[tuple[str, str], list[Verdict]] = defaultdict(list)
    for decision in decisions:
        day = date.fromisoformat(decision.decided_on)
        verdicts[decision.name, decision.region].append(
            Verdict(day, decision.verdict == "accept", decision.entity_id or None)
        )
    return dict(verdicts)


def decisions_path(city: City, settings: Settings) -> Path:
    """Return where the decisions of a city are kept."""
    return settings.var / "cities" / city.name / "link_decisions.jsonl"


def _check_day(text: str) -> None:
    try:
        is_day = str(date.fromisoformat(text)) == text
    except ValueError:
        is_day = False
    if not is_day:
        raise RequestError(f"The day of a decision must be YYYY-MM-DD, got '{text}'. Correct it.")
