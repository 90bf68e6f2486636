"""Acceptances: who let which breach of which date pass, when and why. Kept for good; nothing is ever changed in them.

An acceptance is of a statement: this date, this breach, this measured value. A snapshot that is built again says the
same, so it stands; where anything else is measured, it does not hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from data.city import City
from data.errors import NotFoundError, RequestError, did_you_mean
from data.files import fingerprint, read_sealed, write_sealed
from data.settings import Settings
from features.drift.rules import Breach

_REMEDY = "Put it back from a backup; without it the breach stands open again."


@dataclass(frozen=True)
class Acceptance:
    """One breach, accepted; `measured` is None where city.toml accepts it, whatever was measured.

    Attributes
    ----------
    accepted_at : str
        Moment in UTC; "city.toml" where it stands there.
    """

    as_of_date: date
    breach: str
    measured: float | None
    who: str
    why: str
    accepted_at: str

    def covers(self, as_of_date: date, breach: Breach) -> bool:
        """Say whether this lets a breach of a date pass."""
        is_meant = self.as_of_date == as_of_date and self.breach == breach.name
        return is_meant and self.measured in (None, breach.measured)


def acceptances(city: City, settings: Settings) -> list[Acceptance]:
    """Return all acceptances of a city: those of city.toml, then those on file, the oldest first."""
    declared = [
        Acceptance(given.as_of_date, name, None, given.who, given.why, "city.toml")
        for given in city.drift.accepted
        for name in given.breaches
    ]
    kept = [read_sealed(path, _REMEDY) for path in sorted(_folder(city, settings).glob("[!.]*.json"))]
    return declared + [
        Acceptance(
            date.fromisoformat(one["as_of_date"]), b["name"], b["measured"], one["who"], one["why"], one["accepted_at"]
        )
        for one in kept
        for b in one["breaches"]
    ]


def accept(
    city: City,
    settings: Settings,
    as_of_date: date,
    breaches: Sequence[Breach],
    names: Sequence[str],
    who: str,
    why: str,
) -> list[Breach]:
    """Keep the acceptance of some breaches that stand open as of a date, of all without `names`; return them.

    Raises
    ------
    NotFoundError
        Where no breach stands open, or none of that name.
    RequestError
        Without a name or a reason.
    """
    for option, text in (("--who", who), ("--why", why)):
        if not text.strip():
            raise RequestError(
                f"{option} must say something, got nothing. An acceptance is kept with its name and reason."
            )
    if not breaches:
        raise NotFoundError(
            f"{city.name} has no open breach as of {as_of_date}. "
            f"See `qianfen features drift {city.name} --as-of {as_of_date}`."
        )
    known = [breach.name for breach in breaches]
    for name in names:
        if name not in known:
            raise NotFoundError(
                f"{city.name} has no open breach '{name}' as of {as_of_date}.{did_you_mean(name, known)} "
                f"Open are: {', '.join(known)}."
            )
    chosen = [breach for breach in breaches if not names or breach.name in names]
    accepted_at = datetime.now(tz=UTC).isoformat(timespec="microseconds")
    content = {
        "city": city.name, "as_of_date": as_of_date.isoformat(), "who": who.strip(), "why": why.strip(),
        "accepted_at": accepted_at, "breaches": [asdict(breach) for breach in chosen],
    }  # fmt: skip
    # A file of its own for each acceptance: it is there whole or not at all, and none touches another.
    write_sealed(_folder(city, settings) / f"{accepted_at.replace(':', '')}-{fingerprint(content)}.json", content)
    return chosen


def _folder(city: City, settings: Settings) -> Path:
    return settings.var / "cities" / city.name / "drift" / "accepted"
