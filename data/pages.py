"""Sections of pages that a command writes, between two markers; the rest of the page is people's."""

from __future__ import annotations

from pathlib import Path

from data.errors import ConfigurationError
from data.files import write_atomically


def markers(name: str) -> tuple[str, str]:
    """Return the lines between which a section stands."""
    return f"<!-- {name} -->", f"<!-- /{name} -->"


def has_section(path: Path, name: str) -> bool:
    """Say whether a page has a place for a section."""
    begin, end = markers(name)
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    return begin in text and end in text.split(begin, 1)[1]


def require_section(path: Path, *names: str) -> None:
    """Raise ConfigurationError where a page is missing, or has no place for any of some sections."""
    if not any(has_section(path, name) for name in names):
        begin, end = markers(names[0])
        raise ConfigurationError(
            f"{path} must hold the lines `{begin}` and `{end}`, between which the section goes; it does not. "
            "Add them where it is to stand."
        )


def write_section(path: Path, name: str, text: str) -> None:
    """Replace what stands between the markers of a section.

    Raises
    ------
    ConfigurationError
        Where the page is missing, or has no such markers.
    """
    require_section(path, name)
    begin, end = markers(name)
    before, rest = path.read_text(encoding="utf-8").split(begin, 1)
    after = rest.split(end, 1)[1]
    write_atomically(path, f"{before}{begin}\n\n{text.strip()}\n\n{end}{after}")
