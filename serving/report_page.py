"""Reports that need no server: sections of sentences, facts and tables, written once and shown as HTML and Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from serving.pages import file_page

Mark = Literal["", "above", "below"]
MARKS: dict[Mark, str] = {"": "", "above": "▲", "below": "▼"}

_FEW_COLUMNS, _MANY_NUMBERS = 3, 5


@dataclass(frozen=True)
class Cell:
    """One cell: its text, what stands below it in small, a mark, and whether it is a number."""

    text: str
    small: str = ""
    mark: Mark = ""
    is_number: bool = True

    @property
    def line(self) -> str:
        """The cell in one line."""
        small = f"({self.small})" if self.small and not self.small.startswith("(") else self.small
        return " ".join(part for part in (self.text, MARKS[self.mark], small) if part)


@dataclass(frozen=True)
class Table:
    """A table: the first cell of a row names it. One that is folded shows its title until the reader opens it."""

    heads: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    title: str = ""
    note: str = ""
    is_folded: bool = False

    @property
    def shape(self) -> Literal["narrow", "", "wide"]:
        """How it is laid out: `narrow` on part of the page; `wide` moves sideways on a phone, others are stacked."""
        n_numbers = sum(cell.is_number for cell in self.rows[0][1:]) if self.rows else 0
        return "wide" if n_numbers >= _MANY_NUMBERS else "narrow" if len(self.heads) <= _FEW_COLUMNS else ""


@dataclass(frozen=True)
class Section:
    """A section: sentences, a list of them, terms with what they are, and tables, each where there are any.

    Links are pairs of a text and an address; `facts_title` stands above the terms.
    """

    key: str
    title: str
    sentences: tuple[str, ...] = ()
    items: tuple[str, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    tables: tuple[Table, ...] = ()
    facts_title: str = ""
    links: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Report:
    """A report in one language: what it is, of what, its numbers at a glance, its sections, and what it stands on."""

    language: str
    product: str
    title: str
    numbers: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]
    versions: str


def as_html(report: Report, other: str) -> str:
    """Return a report as one file, style included; `other` is where the other language lies."""
    return file_page(
        "report.html", report.language, other, product=report.product, title=report.title, report=report, marks=MARKS
    )


def as_markdown(report: Report) -> str:
    """Return a report as Markdown."""
    return "\n\n".join(_markdown(report)) + "\n"


def _markdown(report: Report) -> Iterator[str]:
    yield f"# {report.product}: {report.title}"
    if report.numbers:
        yield "\n".join(f"- {label}: {number}" for label, number in report.numbers)
    for section in report.sections:
        yield f"## {section.title}"
        yield from section.sentences
        if section.items:
            yield "\n".join(f"- {item}" for item in section.items)
        yield from (f"[{text}]({address})" for text, address in section.links)
        if section.facts_title:
            yield f"### {section.facts_title}"
        if section.facts:
            yield "\n".join(f"- **{term}**: {text}" for term, text in section.facts)
        for table in section.tables:
            if table.title:
                yield f"### {table.title}"
            yield _markdown_table(table)
            if table.note:
                yield table.note
    yield report.versions


def _markdown_table(table: Table) -> str:
    ruler = ["---", *(["---:" if cell.is_number else "---" for cell in table.rows[0][1:]] if table.rows else [])]
    lines = [list(table.heads), ruler[: len(table.heads)], *([_safe(cell.line) for cell in row] for row in table.rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _safe(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def share(value: float | None, digits: int = 1) -> str:
    """Return a share as percent; a dash where there is none."""
    return "—" if value is None else f"{value:.{digits}%}"


def number(value: float | None, digits: int = 3) -> str:
    """Return a number; a dash where there is none."""
    return "—" if value is None else f"{value:.{digits}f}".replace("-", "−")


def signed(value: float, digits: int = 3) -> str:
    """Return a difference with its sign."""
    return f"{value:+.{digits}f}".replace("-", "−")


def measured(figure: Mapping[str, Any] | None, less: Mapping[str, Any] | None, as_share: bool) -> Cell:
    """Return a figure with its interval below it, marked where its difference to all is of one sign throughout."""
    if figure is None or figure["value"] is None:
        return Cell("—")
    said = share if as_share else number
    digits = 1 if as_share else 2
    if figure["low"] is None:
        return Cell(said(figure["value"], digits))
    return Cell(
        said(figure["value"], digits), f"({said(figure['low'], digits)}, {said(figure['high'], digits)})", mark_of(less)
    )


def mark_of(difference: Mapping[str, Any] | None) -> Mark:
    """Say on which side of zero a difference lies with its whole interval, if on one."""
    if difference is None or difference["low"] is None:
        return ""
    return "above" if difference["low"] > 0 else "below" if difference["high"] < 0 else ""


def texts(row: Sequence[str]) -> tuple[Cell, ...]:
    """Return a row of plain text."""
    return tuple(Cell(text, is_number=False) for text in row)
