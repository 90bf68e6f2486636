"""Declarations: TOML files, validated; an error names the key, the value and the remedy, and the nearest known key."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from data.errors import ConfigurationError, did_you_mean


class Section(BaseModel):
    """A table of a declaration; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Declaration = TypeVar("Declaration", bound=BaseModel)


def declared(kind: type[Declaration], path: Path, page: str, **beside: Any) -> Declaration:
    """Return what a TOML file declares.

    Parameters
    ----------
    kind : type
        The sections and keys that it may have.
    page : str
        Page of the documentation that describes every key.
    beside
        Fields that the file does not hold; they are declared with ``exclude=True``.

    Raises
    ------
    ConfigurationError
        Where the file is not TOML, a key is unknown or missing, or a value is not allowed.
    """
    content = _read_toml(path)
    if taken := sorted(set(beside) & set(content)):
        raise ConfigurationError(f"{path} has 1 error(s):\n  {taken[0]}: unknown key. Remove it.")
    try:
        return kind.model_validate(content | beside)
    except ValidationError as error:
        raise ConfigurationError(_explain(kind, path, error, page)) from error


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} must be TOML in UTF-8: {error}. Correct that line.") from error


def _explain(kind: type[BaseModel], path: Path, error: ValidationError, page: str) -> str:
    lines = [f"{path} has {error.error_count()} error(s):"]
    for item in error.errors():
        where = ".".join(str(part) for part in item["loc"])
        if item["type"] == "extra_forbidden":
            known = _fields_at(kind, item["loc"][:-1])
            lines.append(f"  {where}: unknown key.{did_you_mean(str(item['loc'][-1]), known)}")
        elif item["type"] == "missing":
            lines.append(f"  {where}: missing. Add it; {page} describes every key.")
        else:
            message = item["msg"].removeprefix("Value error, ")
            # What concerns several sections has no place, and its value would be the whole file.
            lines.append(f"  {where}: {message}, got {item['input']!r}." if where else f"  {message}.")
    return "\n".join(lines)


def _fields_at(kind: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """Names of the keys allowed at a place of the file."""
    section = kind
    for part in location:
        if isinstance(part, str) and part in section.model_fields:
            section = _section_in(section.model_fields[part].annotation) or section
    return [name for name, field in section.model_fields.items() if not field.exclude]


def _section_in(annotation: Any) -> type[BaseModel] | None:
    """Return the section that a key holds, or holds several of; None for a plain value."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for item in get_args(annotation) if (found := _section_in(item))), None)
