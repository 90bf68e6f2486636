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


def write_section(path: Path, name: str, text: str) -> None:
    """Replace what stands between the markers of a section.

    Raises
    ------
    ConfigurationError
        Where the page is missing, or has no such markers.
    """
    begin, end = markers(name)
    if not has_section(path, name):
        raise ConfigurationError(
            f"{path} must hold the lines `{begin}` and `{end}`, between which the section goes; it does not. "
            "Add them where it is to stand."
        )
    before, rest = path.read_text(encoding="utf-8").split(begin, 1)
    after = rest.split(end, 1)[1]
    write_atomically(path, f"{before}{begin}\n\n{text.strip()}\n\n{end}{after}")
