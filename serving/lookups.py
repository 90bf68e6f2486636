"""The log of look-ups: every answer about an entity is written down, with who asked and why, before it is given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from urllib.parse import unquote_to_bytes

from sqlalchemy import Engine, insert

from serving.database import LookupRow, now, storage_explained

USER_HEADER = "x-qianfen-user"
REASON_HEADER = "x-qianfen-reason"
_WHO_LENGTH, _WHY_LENGTH = 200, 500


@dataclass(frozen=True)
class Asker:
    """Who asks, why, and through which route."""

    who: str
    why: str
    what: str

    @classmethod
    def of_request(cls, headers: Mapping[str, str], query: Mapping[str, str], what: str) -> Asker:
        """Read the headers, else `?why=`; text may be UTF-8, plain or percent-encoded."""
        who = _text(headers.get(USER_HEADER, "")) or "anonymous"
        why = _text(headers.get(REASON_HEADER, "")) or query.get("why", "")
        return cls(who[:_WHO_LENGTH], why[:_WHY_LENGTH], what)


def record_lookups(
    engine: Engine, city: str, asker: Asker, looked_up: Iterable[tuple[str | None, date | None, str | None]]
) -> None:
    """Write one row for each (entity_id, as_of_date, model_version); StorageError where that fails."""
    common = {"at": now(), "who": asker.who, "why": asker.why, "what": asker.what, "city": city}
    rows = [
        {**common, "entity_id": entity_id, "as_of_date": as_of_date, "model_version": model_version}
        for entity_id, as_of_date, model_version in looked_up
    ]
    if rows:
        with storage_explained("written to"), engine.begin() as connection:
            connection.execute(insert(LookupRow), rows)


def _text(header: str) -> str:
    return unquote_to_bytes(header.encode("latin-1", "replace")).decode("utf-8", "replace").strip()
