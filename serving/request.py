"""What `POST /v1/score` may ask: an item, or an array of up to 1,000; anything else is refused, its place named."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from data.errors import MalformedRequestError, RequestError, RequestTooLargeError, did_you_mean
from features.catalogue import Catalogue

MOST_ITEMS = 1_000
MOST_BYTES = 4 * 1024 * 1024
_KEYS = ("entity_id", "as_of_date", "indicators")
_LONGEST_SHOWN = 60


@dataclass(frozen=True)
class ScoreItem:
    """One thing to score: an entity, as of a date or as of the grading in force; or 18 values, None where missing."""

    entity_id: str | None = None
    as_of_date: date | None = None
    indicators: tuple[float | None, ...] | None = None


@dataclass(frozen=True)
class ScoreRequest:
    """The items of one request; `is_array` says whether the reply is an array too."""

    items: tuple[ScoreItem, ...]
    is_array: bool


def parse_request(body: bytes, catalogue: Catalogue) -> ScoreRequest:
    """Read the body of a request.

    Raises
    ------
    MalformedRequestError
        Where the body is not JSON in UTF-8.
    RequestTooLargeError
        For more than 1,000 items or 4 MiB.
    RequestError
        Where an item is not as documented; the text names its place.
    """
    if len(body) > MOST_BYTES:
        raise too_many_bytes()
    content = _json(body)
    if not isinstance(content, list):
        return ScoreRequest((_item(content, "The body", catalogue),), is_array=False)
    if len(content) > MOST_ITEMS:
        raise RequestTooLargeError(
            f"A request must hold at most {MOST_ITEMS:,} items, got {len(content):,}. Send several requests."
        )
    if not content:
        raise RequestError("A request must hold at least one item, got an empty array.")
    items = tuple(_item(item, f"Item {number}", catalogue) for number, item in enumerate(content))
    return ScoreRequest(items, is_array=True)


def too_many_bytes() -> RequestTooLargeError:
    """Return the error for a body beyond the limit."""
    return RequestTooLargeError(
        f"The body of a request must be at most {MOST_BYTES // 1024 // 1024} MiB. Send several requests."
    )


def _json(body: bytes) -> Any:
    try:
        return json.loads(body.decode("utf-8"), parse_constant=_refuse_constant, object_pairs_hook=_object)
    except RecursionError as error:
        raise MalformedRequestError("The body must be JSON, it is nested too deeply.") from error
    except ValueError as error:
        raise MalformedRequestError(f"The body must be JSON in UTF-8: {error}.") from error


def _refuse_constant(name: str) -> float:
    raise RequestError(f"{name} is no number of JSON. A missing value is null; any other must be finite.")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise RequestError(f"Each key must stand once, got '{_short(twice)}' twice.")
    return content


def _item(content: Any, where: str, catalogue: Catalogue) -> ScoreItem:
    if not isinstance(content, dict):
        raise RequestError(f"{where} must be an object with entity_id or indicators, got {_shown(content)}.")
    for key in content:
        if key not in _KEYS:
            raise RequestError(f"{where} has the unknown key '{_short(key)}'.{did_you_mean(key, _KEYS)}")
    if ("entity_id" in content) == ("indicators" in content):
        raise RequestError(f"{where} must have either entity_id or indicators, got {_both(content)}.")
    if "indicators" in content:
        return _values_item(content, where, catalogue)
    return ScoreItem(
        entity_id=_entity_id(content["entity_id"], where), as_of_date=_date(content.get("as_of_date"), where)
    )


def _values_item(content: dict[str, Any], where: str, catalogue: Catalogue) -> ScoreItem:
    if content.get("as_of_date") is not None:
        raise RequestError(
            f"{where} must not have as_of_date beside indicators. The values are what they are; remove it."
        )
    return ScoreItem(indicators=_indicators(content["indicators"], where, catalogue))


def _both(content: dict[str, Any]) -> str:
    return "both" if "entity_id" in content else "neither"


def _entity_id(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise RequestError(f"{where}: entity_id must be text, got {_shown(value)}.")
    if len(value) > 100:
        raise RequestError(f"{where}: entity_id must be at most 100 characters, got {len(value)}.")
    return value.strip()


def _date(value: Any, where: str) -> date | None:
    if value is None:
        return None
    return parse_date(value, f"{where}: as_of_date")


def parse_date(value: Any, name: str) -> date:
    """Return the day that an ISO date names; RequestError for anything else."""
    try:
        if not isinstance(value, str) or len(value) != len("2025-07-01"):
            raise ValueError(value)
        return date.fromisoformat(value)
    except ValueError as error:
        raise RequestError(f"{name} must be a day such as 2025-07-01, got {_shown(value)}.") from error


def _indicators(content: Any, where: str, catalogue: Catalogue) -> tuple[float | None, ...]:
    names = catalogue.names
    if not isinstance(content, dict):
        raise RequestError(f"{where}: indicators must be an object of {len(names)} numbers, got {_shown(content)}.")
    missing = [name for name in names if name not in content]
    unknown = [name for name in content if name not in names]
    if missing or unknown:
        raise RequestError(_wrong_names(where, len(content), missing, unknown, names))
    return tuple(_value(content[item.name], where, item.name, item.minimum, item.maximum) for item in catalogue)


def _wrong_names(where: str, n: int, missing: Sequence[str], unknown: Sequence[str], names: Sequence[str]) -> str:
    text = f"{where}: indicators must name the {len(names)} indicators, got {n}."
    if missing:
        text += f" Missing: {', '.join(missing)}; a missing value is null."
    if unknown:
        shown = ", ".join(f"'{_short(name)}'" for name in unknown[:5])
        text += f" Unknown: {shown}.{did_you_mean(unknown[0], names)}"
    return text


def _value(value: Any, where: str, name: str, minimum: float | None, maximum: float | None) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not _is_finite(value):
        raise RequestError(f"{where}: {name} must be a finite number, or null where missing, got {_shown(value)}.")
    if (minimum is not None and value < minimum) or (maximum is not None and value > maximum):
        low = f"at least {minimum:g}" if minimum is not None else ""
        high = f"at most {maximum:g}" if maximum is not None else ""
        raise RequestError(f"{where}: {name} must be {' and '.join(filter(None, (low, high)))}, got {_shown(value)}.")
    return float(value)


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:
        # A whole number beyond the largest float.
        return False


def _shown(value: Any) -> str:
    """Name a value of a request without repeating much of it."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "an array"
    if isinstance(value, float) and not math.isfinite(value):
        return "a number beyond the largest"
    return _short(json.dumps(value, ensure_ascii=False))


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "…"
