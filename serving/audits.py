"""Audits and model cards as the commands make them: the figures, the pages beside them, and their place in MLflow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from data.city import City
from data.files import write_atomically, write_json
from data.progress import Progress
from data.settings import Settings
from serving.audit_page import audit_report
from serving.database import open_database
from serving.model_card_page import card_report
from serving.promotions import settle_champion
from serving.report_page import Report, as_html, as_markdown
from serving.wording import LANGUAGES
from training.audits import CHALLENGER, CHAMPION, Subject, build_audit, log_audit, subject_of
from training.ledger import entries
from training.model_card import card_content

CARD = "card"


def audit_city(
    city: City, settings: Settings, challenger: bool, progress: Progress = print
) -> tuple[Iterator[str], Path]:
    """Audit a city's champion or challenger, write the pages, log them; return the lines to show and the folder.

    Raises as `training.audits.subject_of` and `build_audit`.
    """
    subject, folder, content = _audited(city, settings, challenger, progress)
    log_audit(city, settings, subject, folder, progress)
    return lines(audit_report(city, content, "en")), folder


def write_model_card(city: City, settings: Settings, challenger: bool, progress: Progress = print) -> Path:
    """Write the model card of a city's champion or challenger, as HTML and Markdown; return the folder.

    Raises as `audit_city`.
    """
    subject, folder, audit = _audited(city, settings, challenger, progress)
    chain = entries(open_database(settings.database_url), city.name)
    content = card_content(city, settings, subject, chain, audit)
    write_json(folder / f"{CARD}.json", content)
    for language in LANGUAGES:
        report = card_report(city, content, language)
        write_atomically(folder / f"{CARD}.{language}.md", as_markdown(report))
        other = LANGUAGES[1 - LANGUAGES.index(language)]
        write_atomically(folder / f"{CARD}.{language}.html", as_html(report, f"{CARD}.{other}.html"))
    log_audit(city, settings, subject, folder, progress)
    return folder


def lines(report: Report) -> Iterator[str]:
    """Yield a report as text: sentences, then each table with its cells in one line."""
    yield f"{report.product}: {report.title}"
    yield "  " + ", ".join(f"{label} {number}" for label, number in report.numbers)
    for section in report.sections:
        yield section.title
        yield from (f"  {sentence}" for sentence in section.sentences)
        yield from (f"  - {item}" for item in section.items)
        for table in section.tables:
            if table.title:
                yield f"  {table.title}"
            grid = [list(table.heads), *([cell.line for cell in row] for row in table.rows)]
            widths = [max(len(line[place]) for line in grid) for place in range(len(table.heads))]
            for line in grid:
                yield "    " + "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()


def _audited(
    city: City, settings: Settings, challenger: bool, progress: Progress
) -> tuple[Subject, Path, dict[str, Any]]:
    settle_champion(city, settings, progress)
    subject = subject_of(city, settings, CHALLENGER if challenger else CHAMPION)
    folder, content = build_audit(city, settings, subject, progress)
    for language in LANGUAGES:
        other = LANGUAGES[1 - LANGUAGES.index(language)]
        write_atomically(folder / f"{language}.html", as_html(audit_report(city, content, language), f"{other}.html"))
    return subject, folder, content
