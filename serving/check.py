"""What `qianfen check` says: where every row of every file ended, why rows are in quarantine, and what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from data.accounting import ENDS, FileAccount, account_files
from data.city import City
from data.errors import PointInTimeError
from data.records import Records
from data.report import TableReport, report_tables
from data.settings import Settings
from features.catalogue import catalogue_of
from features.declaration import Indicator
from features.matrix import build_matrix

_MOST_REASONS = 12


@dataclass(frozen=True)
class IndicatorReport:
    """How many entities have a value of an indicator, and what the others wait for.

    Attributes
    ----------
    n_with_value : int
        Active entities with a value, zero among them.
    n_not_zero : int
        Those whose value is not 0. Where no record means that nothing happened, everybody has a value, and these are
        the ones with a record.
    not_mapped : tuple of str
        Tables that the city does not map and the indicator needs.
    one_of : tuple of str
        Tables of which the indicator needs one, where the city maps none of them.
    waits_for : tuple of str
        Tables of which a missing value waits: those not mapped, else those that have nothing of the entity.
    """

    name: str
    name_zh: str
    n_with_value: int
    n_not_zero: int
    not_mapped: tuple[str, ...]
    one_of: tuple[str, ...]
    waits_for: tuple[str, ...]


@dataclass(frozen=True)
class CheckReport:
    """Everything that the check found; the table, the page and report.json all show this.

    `n_entities` is the number of active entities as of `as_of_date`; 0 where none was known then.
    """

    city: City
    records: Records
    as_of_date: date
    n_entities: int
    files: tuple[FileAccount, ...]
    tables: tuple[TableReport, ...]
    indicators: tuple[IndicatorReport, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON can hold it."""
        return {
            "city": self.city.name,
            "records_id": self.records.records_id,
            "as_of_date": str(self.as_of_date),
            "n_entities": self.n_entities,
            "files": [
                {**asdict(file), "n_not_mapped": file.n_not_mapped, "closes": file.closes, **_declared(self.city, file)}
                for file in self.files
            ],
            "tables": [asdict(table) for table in self.tables],
            "indicators": [
                {**asdict(item), "share_with_value": item.n_with_value / self.n_entities if self.n_entities else None}
                for item in self.indicators
            ],
        }


def check_city(city: City, records: Records, settings: Settings) -> CheckReport:
    """Check a city's records; the shares of the indicators are as of its day of grading."""
    tables = tuple(report_tables(city, records))
    mapped = {table.name for table in tables if table.mapped}
    counts = _count_values(records, city.split.grading, settings)
    return CheckReport(
        city,
        records,
        city.split.grading,
        counts["n"],
        tuple(account_files(city, records, settings)),
        tables,
        tuple(_report_indicator(item, mapped, counts) for item in catalogue_of(city)),
    )


def _count_values(records: Records, as_of_date: date, settings: Settings) -> dict[str, int]:
    """Count entities, and per indicator those with a value, and those with one that is not 0."""
    try:
        matrix = build_matrix(records, [as_of_date], threads=settings.threads)
    except PointInTimeError:
        return {"n": 0}
    counted = {"n": matrix.count()}
    for item in catalogue_of(records):
        value = matrix[item.name]
        counted[item.name] = value.count()
        counted[f"{item.name}, not zero"] = (value != 0).sum().fill_null(0)
    row = matrix.aggregate(**counted).execute().iloc[0]
    return {name: int(row[name]) for name in counted}


def _report_indicator(item: Indicator, mapped: set[str], counts: dict[str, int]) -> IndicatorReport:
    missing = tuple(table for table in item.tables if table not in mapped and table not in item.optional)
    one_of = item.optional if item.optional and not mapped & set(item.optional) else ()
    n_with_value = counts.get(item.name, 0)
    waits_for = (*missing, *one_of) or (item.tables if n_with_value < counts["n"] else ())
    n_not_zero = counts.get(f"{item.name}, not zero", 0)
    return IndicatorReport(item.name, item.name_zh, n_with_value, n_not_zero, missing, one_of, waits_for)


def _declared(city: City, account: FileAccount) -> dict[str, Any]:
    declared = next((file for file in city.sources.files if file.path == account.path), None)
    return declared.model_dump(exclude={"path"}) if declared else {}


def report_lines(report: CheckReport) -> Iterator[str]:
    """Yield the lines of the report."""
    records = report.records
    yield (
        f"\n{report.city.title} {report.city.title_zh}: "
        f"{records.n_records:,} records, {records.n_quarantined:,} in quarantine"
    )
    yield from _file_lines(report.files)
    yield from _table_lines(report.tables)
    yield from _quarantine_lines(report.tables)
    yield from _indicator_lines(report)
    yield f"\nQuarantined rows with their reasons: {records.folder / 'quarantine'}"


def _file_lines(files: tuple[FileAccount, ...]) -> Iterator[str]:
    shown = [end for end in ENDS if end != "repeated" or any(file.ends[end] for file in files)]
    heads = ["rows", *shown, "not mapped"]
    yield "\nWhere every row of every file ended (a row counts once):"
    yield "  " + "".join(f"{head:>12}" for head in heads) + "  file"
    for file in files:
        counts = [file.n_rows, *(file.ends[end] for end in shown), file.n_not_mapped]
        beyond = f"  ({file.n_beyond:,} rows named that it does not have)" if file.n_beyond else ""
        yield "  " + "".join(f"{_number(n):>12}" for n in counts) + f"  {file.path}{beyond}"
    lost = [file.path for file in files if not file.closes]
    if not lost:
        yield "  Every row is accounted for."
    else:
        yield f"  Rows without an end in {len(lost)} of {len(files)} files: no mapping made a record of them."
        yield "  What is left out on purpose is told in [sources.notes] of city.toml, and on the page."


def _number(n: int | None) -> str:
    return "unknown" if n is None else f"{n:,}"


def _table_lines(tables: tuple[TableReport, ...]) -> Iterator[str]:
    yield f"\n  {'table':<16}{'read':>12}{'accepted':>12}{'quarantined':>13}{'linked':>10}{'flagged':>10}"
    for table in tables:
        if not table.mapped:
            yield f"  {table.name:<16}{'not mapped':>12}"
            continue
        counts = (table.n_read, table.n_accepted, table.n_quarantined, table.n_linked, table.n_flagged)
        widths = (12, 12, 13, 10, 10)
        yield f"  {table.name:<16}" + "".join(f"{n:>{w},}" for n, w in zip(counts, widths, strict=True))


def _quarantine_lines(tables: tuple[TableReport, ...]) -> Iterator[str]:
    if any(table.reasons for table in tables):
        yield "\nWhy rows are in quarantine (a row may break several rules):"
    for table in tables:
        for reason in table.reasons[:_MOST_REASONS]:
            seen = f"{reason.source_file} row {reason.source_row}"
            yield f"  {table.name:<16}{reason.n_rows:>8,}  {reason.reason}  (first: {seen})"
        if len(table.reasons) > _MOST_REASONS:
            yield f"  {table.name:<16}{'':>8}  and {len(table.reasons) - _MOST_REASONS} more: see the page"
    if any(table.n_flagged for table in tables):
        yield "\nFlagged rows stay: their code has a wrong check character, as some codes in force do."


def _indicator_lines(report: CheckReport) -> Iterator[str]:
    if not report.n_entities:
        yield f"\nNo entity was known as of {report.as_of_date}, so no indicator has a value."
    else:
        yield f"\nIndicators of {report.n_entities:,} active entities as of {report.as_of_date}:"
        yield f"  {'indicator':<26}{'with value':>11}{'not zero':>12}"
    for item in report.indicators:
        shares = "".join(f"{_share(n, report.n_entities):>11} " for n in (item.n_with_value, item.n_not_zero))
        yield f"  {item.name:<26}{shares.rstrip()}  {item.name_zh}{_waiting(item)}"
    if any(item.not_mapped or item.one_of for item in report.indicators):
        yield "  An indicator without a value gets the card's neutral points."


def _share(n: int, total: int) -> str:
    return f"{n / total:.1%}" if total else ""


def _waiting(item: IndicatorReport) -> str:
    if item.not_mapped or item.one_of:
        return f"  needs {', '.join([*item.not_mapped, *([' or '.join(item.one_of)] if item.one_of else [])])}"
    return f"  the others wait for {', '.join(item.waits_for)}" if item.waits_for else ""
