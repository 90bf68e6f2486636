"""Records tampered with on purpose: known too early, moved in time, or cut off at a day. Nothing is copied."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from data.quality import quote
from data.records import Records
from data.schemas import TABLES, Table


@dataclass(frozen=True)
class AlteredRecords(Records):
    """Records of which every table is read through a SELECT.

    Attributes
    ----------
    selects : dict by table
        DuckDB SELECT over the table `original`.
    """

    selects: Mapping[str, str] = field(default_factory=dict)

    def connect(self, threads: int | None = None) -> Any:
        """Return an Ibis backend on DuckDB with one altered view for each mapped table."""
        backend = super().connect(threads)
        for name, select in self.selects.items():
            original = f"(SELECT * FROM read_parquet('{self.tables[name]}'))"
            backend.raw_sql(f"CREATE OR REPLACE TEMP VIEW {quote(name)} AS {select.format(original=original)}")
        return backend


def known_from_the_start(records: Records) -> AlteredRecords:
    """Return records as hindsight has them: each known on the day it happened, what was withdrawn never there."""
    return _altered(records, _without_known_at)


def moved(records: Records, days: int) -> AlteredRecords:
    """Return records of which every date lies some days later."""

    def select(table: Table) -> str:
        dates = [quote(column.name) for column in table.columns if column.type == "DATE"]
        return f"SELECT * REPLACE ({', '.join(f'{name} + {days} AS {name}' for name in dates)}) FROM {{original}}"

    return _altered(records, select)


def cut_off(records: Records, day: date) -> AlteredRecords:
    """Return records without anything that became known on a day or later: rows, withdrawals and outcomes."""

    def select(table: Table) -> str:
        later = [f"CASE WHEN withdrawn_at < DATE '{day}' THEN withdrawn_at END AS withdrawn_at"]
        for column in table.columns:
            if column.known_by:
                by, name = quote(column.known_by), quote(column.name)
                later.append(f"CASE WHEN {by} < DATE '{day}' THEN {name} END AS {name}")
        return f"SELECT * REPLACE ({', '.join(later)}) FROM {{original}} WHERE known_at < DATE '{day}'"

    return _altered(records, select)


def _without_known_at(table: Table) -> str:
    days = sorted({"known_at", *(column.known_by for column in table.columns if column.known_by)})
    early = [f"event_date AS {quote(day)}" for day in days]
    return f"SELECT * REPLACE ({', '.join(early)}) FROM {{original}} WHERE withdrawn_at IS NULL"


def _altered(records: Records, select: Callable[[Table], str]) -> AlteredRecords:
    selects = {name: select(TABLES[name]) for name in records.tables}
    altered_id, given = f"{records.records_id}-altered", records.indicator_parameters
    return AlteredRecords(records.city_name, records.folder, altered_id, records.manifest, given, selects)
