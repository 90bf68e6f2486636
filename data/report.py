"""What came in and what did not: counts by table, and the reasons of quarantine that a clerk can act on."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from data.city import City
from data.quality import literal
from data.records import Records
from data.schemas import TABLES


@dataclass(frozen=True)
class QuarantineReason:
    """One reason, without the value that broke the rule, how often in a file, and where to see it first.

    `first_reason` is that of the first row, with the value.
    """

    reason: str
    n_rows: int
    source_file: str
    source_row: int
    first_reason: str


@dataclass(frozen=True)
class TableReport:
    """One canonical table of a city; `mapped` is False where the city has no mapping for it."""

    name: str
    name_zh: str
    mapped: bool
    n_read: int = 0
    n_accepted: int = 0
    n_quarantined: int = 0
    n_flagged: int = 0
    n_linked: int = 0
    reasons: tuple[QuarantineReason, ...] = ()


def report_tables(city: City, records: Records) -> list[TableReport]:
    """Return one report for each of the 13 tables, in the order of the schema."""
    return [_report_table(name, city, records) for name in TABLES]


def _report_table(name: str, city: City, records: Records) -> TableReport:
    name_zh = TABLES[name].name_zh
    if name not in records.tables:
        return TableReport(name, name_zh, mapped=False)
    counts = records.manifest["tables"][name]
    return TableReport(
        name,
        name_zh,
        mapped=True,
        n_read=counts["n_read"],
        n_accepted=counts["n_accepted"],
        n_quarantined=counts["n_quarantined"],
        n_flagged=counts["n_flagged"],
        n_linked=counts["n_linked"],
        reasons=_reasons(records, name),
    )


def _reasons(records: Records, table: str) -> tuple[QuarantineReason, ...]:
    """Group the reasons of a table by rule and file; a row with two reasons counts under both."""
    path = records.folder / "quarantine" / f"{table}.parquet"
    with duckdb.connect() as connection:
        rows = connection.execute(
            f"""
            SELECT regexp_replace(reason, ', was (.|\n)*$', '') AS rule, count(*), source_file,
                min(source_row), min_by(reason, source_row)
            FROM (SELECT unnest(reasons) AS reason, source_file, source_row FROM read_parquet({literal(str(path))}))
            GROUP BY rule, source_file ORDER BY count(*) DESC, rule, source_file
            """
        ).fetchall()
    return tuple(QuarantineReason(*row) for row in rows)
