"""What `qianfen check` says: tables, quarantine, and what each missing table costs."""

from __future__ import annotations

from collections.abc import Iterator

from data.city import City
from data.records import Records
from data.report import TableReport, report_tables
from features.catalogue import Indicator, load_catalogue


def report_lines(city: City, records: Records) -> Iterator[str]:
    """Yield the lines of the report."""
    reports = report_tables(city, records)
    yield f"\n{city.title} {city.title_zh}: {records.n_records:,} records, {records.n_quarantined:,} in quarantine\n"
    yield f"  {'table':<16}{'read':>12}{'accepted':>12}{'quarantined':>13}{'flagged':>10}"
    for report in reports:
        yield _table_line(report)
    yield from _quarantine_lines(reports)
    yield from _missing_lines(reports)
    yield f"\nQuarantined rows with their reasons: {records.folder / 'quarantine'}"


def _table_line(report: TableReport) -> str:
    if not report.mapped:
        return f"  {report.name:<16}{'not mapped':>12}"
    counts = (report.n_read, report.n_accepted, report.n_quarantined, report.n_flagged)
    widths = (12, 12, 13, 10)
    return f"  {report.name:<16}" + "".join(f"{n:>{w},}" for n, w in zip(counts, widths, strict=True))


def _quarantine_lines(reports: list[TableReport]) -> Iterator[str]:
    if any(report.reasons for report in reports):
        yield "\nWhy rows are in quarantine (a row may break several rules):"
    for report in reports:
        for reason in report.reasons:
            seen = f"{reason.source_file} row {reason.source_row}"
            yield f"  {report.name:<16}{reason.n_rows:>8,}  {reason.reason}  (first: {seen})"
    if any(report.n_flagged for report in reports):
        yield "\nFlagged rows stay: their code has a wrong check character, as some codes in force do."


def _missing_lines(reports: list[TableReport]) -> Iterator[str]:
    mapped = {report.name for report in reports if report.mapped}
    lost = [item for item in load_catalogue() if not item.is_available(mapped)]
    if lost:
        yield "\nIndicators without a value, which get the card's neutral points:"
    for item in lost:
        yield f"  {item.name:<26}{item.name_zh}  needs {_needed(item, mapped)}"


def _needed(item: Indicator, mapped: set[str]) -> str:
    needed = [table for table in item.tables if table not in mapped and table not in item.optional]
    if item.optional and not mapped & set(item.optional):
        needed.append(" or ".join(item.optional))
    return ", ".join(needed)
