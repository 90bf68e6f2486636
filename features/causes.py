"""Why an entity's values differ between two snapshots: records that came, went or changed, and the time that passed.

A value is worked out a third time, from the records of the first snapshot as of the date of the second: what differs
until there is age alone, what differs from there is records. Which of several records weighs how much is not told.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import ibis
import ibis.expr.types as ir
import pandas as pd

from data.errors import NotFoundError, RequestError, did_you_mean
from data.records import Records
from data.schemas import TABLES
from features.catalogue import Catalogue, catalogue_of
from features.declaration import Indicator
from features.matrix import tables_as_of
from features.point_in_time import known
from features.reach import looks_beyond, rate_in, within_reach
from features.snapshots import Snapshot

# No indicator reads them, or they act by whether the record counts at all.
_SILENT = ("as_of_date", "source_file", "source_row", "known_at", "withdrawn_at")


@dataclass(frozen=True)
class RecordChange:
    """One record that counts in one snapshot and not in the other, or not in the same way.

    Attributes
    ----------
    table, key, entity_id
        Which record, and whose.
    event_date : str
        When it happened; empty for a state of the register.
    what : str
        What became of it, in words.
    """

    table: str
    key: str
    entity_id: str
    event_date: str
    what: str


@dataclass(frozen=True)
class Cause:
    """Why one indicator of one entity differs.

    Attributes
    ----------
    indicator : str
        Its name.
    before, aged, after : float
        Value in the first snapshot, what the same records give as of the date of the second, value in the second.
    changes : list of RecordChange
        The candidates: records within reach that differ.
    n_older : dict
        Records by table that count in both and only grew older.
    rate : tuple or None
        Name of the rate of others that is in the value, and what it was in the first and the second.
    of_others : bool
        Whether records of others than the entity bear on the value.
    """

    indicator: str
    before: float
    aged: float
    after: float
    changes: list[RecordChange]
    n_older: dict[str, int]
    rate: tuple[str, float, float] | None
    of_others: bool = False

    @property
    def differs(self) -> bool:
        """Whether the value does; missing equals missing."""
        return self.before != self.after and not (math.isnan(self.before) and math.isnan(self.after))


def find_causes(
    before: Snapshot, after: Snapshot, records: tuple[Records, Records], entity_id: str, names: Sequence[str],
    threads: int,
) -> list[Cause]:  # fmt: skip
    """Return, for each indicator named, why an entity's value differs between two snapshots.

    Parameters
    ----------
    before, after : Snapshot
        Two snapshots as of a date each.
    records : pair of Records
        What each was made from; may be the same.
    names : sequence of str
        Indicators; empty for all whose value differs.

    Raises
    ------
    RequestError
        Where a snapshot is of pairs, or was made by other formulas than those here.
    NotFoundError
        Where the entity is in neither, or an indicator is unknown.
    """
    catalogue = catalogue_of(records[1])
    for snapshot in (before, after):
        _refuse_unfit(snapshot, catalogue)
    values = _values(before, entity_id), _values(after, entity_id)
    if values[0] is None and values[1] is None:
        raise NotFoundError(
            f"'{entity_id}' is neither in the snapshot as of {before.as_of_date} nor in that as of {after.as_of_date}: "
            "it was not known or not active. See the code."
        )
    for name in names:
        if name not in catalogue.names:
            raise NotFoundError(f"There is no indicator '{name}'.{did_you_mean(name, catalogue.names)}")
    sides = _Side(before, records[0], threads), _Side(after, records[1], threads)
    old, new = ({} if value is None else value for value in values)
    causes = []
    for item in catalogue:
        pair = float(old.get(item.name, math.nan)), float(new.get(item.name, math.nan))
        if item.name in names or (not names and _differ(*pair)):
            causes.append(_cause(item, pair, sides, entity_id))
    return causes


class _Side:
    """One snapshot's records as they were known on its date."""

    def __init__(self, snapshot: Snapshot, records: Records, threads: int) -> None:
        assert snapshot.as_of_date is not None, "snapshots of pairs are refused"
        self.as_of_date: date = snapshot.as_of_date
        self.records = records
        self.backend = records.connect(threads)
        self.tables: dict[str, ir.Table] = tables_as_of(self.backend, records.tables, [self.as_of_date])
        # Indicators see no ids of records; whoever looks for causes must.
        whole = {name: self._whole(name) for name in records.tables if name != "entities"}
        self.records_as_of: dict[str, ir.Table] = {**self.tables, **whole}

    def _whole(self, table: str) -> ir.Table:
        return known(self.backend.table(table), TABLES[table], [self.as_of_date])

    def as_of(self, day: date) -> dict[str, ir.Table]:
        """Return the same tables, looked at from another day."""
        return {name: table.mutate(as_of_date=ibis.literal(day, "date")) for name, table in self.tables.items()}

    def all_of(self, table: str, keys: list[dict[str, Any]]) -> pd.DataFrame:
        """Return the records with these keys, known or not."""
        if table not in self.records.tables or not keys:
            return pd.DataFrame()
        rows = self.backend.table(table)
        wanted = ibis.memtable(pd.DataFrame(keys))
        found: pd.DataFrame = rows.semi_join(wanted, list(keys[0])).execute()
        return found


def _cause(item: Indicator, values: tuple[float, float], sides: tuple[_Side, _Side], entity_id: str) -> Cause:
    changes: list[RecordChange] = []
    n_older = {}
    reached = [within_reach(item, side.records_as_of, entity_id) for side in sides]
    for name in (name for name in reached[0] if any(name in side.records.tables for side in sides)):
        changed, n_same = _compare(name, reached[0][name], reached[1][name], sides)
        changes += changed
        if n_same and sides[0].as_of_date != sides[1].as_of_date:
            n_older[name] = n_same
    aged = _one_value(item, sides[0].as_of(sides[1].as_of_date), entity_id, sides[0])
    return Cause(
        item.name, values[0], aged, values[1], changes, n_older, _rate(item, sides, entity_id), looks_beyond(item)
    )


def _compare(table: str, old: ir.Table, new: ir.Table, sides: tuple[_Side, _Side]) -> tuple[list[RecordChange], int]:
    """Return what differs among the records of a table, and how many are the same."""
    key = ("entity_id",) if table == "entities" else TABLES[table].key
    rows = [_by_key(side.execute(), key) for side in (old, new)]
    alone = [[k for k in mine if k not in other] for mine, other in (rows, rows[::-1])]
    changes = []
    # What only one side has is explained by what the other side's records say of it.
    for here, there in ((0, 1), (1, 0)):
        asked = [dict(zip(key, k, strict=True)) for k in alone[here]]
        elsewhere = _by_key(sides[there].all_of(table, asked), key, many=True)
        verb = "no longer counts" if here == 0 else "counts now"
        for k in alone[here]:
            why = _why_absent(table, elsewhere.get(k, []), sides[there], sides[1 - there])
            changes.append(_change(table, k, rows[here][k], f"{verb}: {why}"))
    both = [k for k in rows[0] if k in rows[1]]
    differing = {k: told for k in both if (told := _what_differs(rows[0][k], rows[1][k]))}
    changes += [_change(table, k, rows[1][k], f"changed: {told}") for k, told in differing.items()]
    return sorted(changes, key=lambda c: (c.event_date, c.key)), len(both) - len(differing)


def _why_absent(table: str, rows: list[dict[str, Any]], side: _Side, other: _Side) -> str:
    """Say why a record does not count on a side, from all that the side's records have of it."""
    day = pd.Timestamp(side.as_of_date)
    if not rows:
        there = side.records.records_id
        assert there != other.records.records_id, "both sides read the same records"
        return f"it is not in records {there}"
    known = [row for row in rows if row["known_at"] < day]
    if not known:
        return f"known from {_text(min(row['known_at'] for row in rows))}"
    withdrawn = [row["withdrawn_at"] for row in known if not pd.isna(row["withdrawn_at"])]
    if len(withdrawn) == len(known) and max(withdrawn) < day:
        return f"withdrawn on {_text(max(withdrawn))}"
    if table == "entities":
        return "the entity was not active, or had another address"
    # Through a person or an address that counts on one side only.
    return "it was known, but not within reach" if side.as_of_date <= other.as_of_date else "it is not within reach"


def _what_differs(old: dict[str, Any], new: dict[str, Any]) -> str:
    names = [name for name in new if name not in _SILENT and _text(old.get(name)) != _text(new[name])]
    return ", ".join(f"{name} {_text(old.get(name))} -> {_text(new[name])}" for name in names)


def _change(table: str, key: tuple[Any, ...], row: dict[str, Any], what: str) -> RecordChange:
    happened = row.get("event_date")
    day = "" if happened is None else _text(happened)
    return RecordChange(table, ", ".join(_text(part) for part in key), _text(row.get("entity_id")), day, what)


def _by_key(rows: pd.DataFrame, key: tuple[str, ...], many: bool = False) -> dict[tuple[Any, ...], Any]:
    found: dict[tuple[Any, ...], Any] = {}
    for row in rows.to_dict("records"):
        k = tuple(row[name] for name in key)
        if many:
            found.setdefault(k, []).append(row)
        else:
            found[k] = row
    return found


def _one_value(item: Indicator, tables: dict[str, ir.Table], entity_id: str, side: _Side) -> float:
    """Return an indicator of one entity; NaN where it is not active or the city lacks the tables."""
    active = tables["entities"].filter(tables["entities"].entity_id == entity_id).count().execute()
    if not active or not item.is_available(set(side.records.tables)):
        return math.nan
    values = item.compute(tables)
    found = values.filter(values.entity_id == entity_id).value.execute()
    value = float(found.iloc[0]) if len(found) else math.nan
    return item.absent if math.isnan(value) else value


def _rate(item: Indicator, sides: tuple[_Side, _Side], entity_id: str) -> tuple[str, float, float] | None:
    rate = rate_in(item)
    if rate is None or not item.is_available(set(sides[1].records.tables)):
        return None
    found = [_rate_of(rate.compute(side.tables), entity_id) for side in sides]
    return rate.name, found[0], found[1]


def _rate_of(rates: ir.Table, entity_id: str) -> float:
    own = rates.filter(rates.entity_id == entity_id) if "entity_id" in rates.columns else rates
    found = own.rate.execute()
    return float(found.iloc[0]) if len(found) and not pd.isna(found.iloc[0]) else math.nan


def _values(snapshot: Snapshot, entity_id: str) -> dict[str, Any] | None:
    rows = snapshot.lookup([entity_id])
    return dict(rows.iloc[0]) if len(rows) else None


def _refuse_unfit(snapshot: Snapshot, catalogue: Catalogue) -> None:
    if snapshot.as_of_date is None:
        raise RequestError(
            f"The values of one entity can be compared as of two dates, got {snapshot.folder.name}, which is of pairs. "
            "Name two snapshots as of a date each."
        )
    if snapshot.manifest["catalogue_hash"] != catalogue.hash:
        raise RequestError(
            f"Snapshot {snapshot.snapshot_id} must be made by the formulas that are here, it was made by others. "
            "Run this with the version of qianfen that built it, or build it anew."
        )


def _differ(old: float, new: float) -> bool:
    return old != new and not (math.isnan(old) and math.isnan(new))


def _text(value: Any) -> str:
    """Return a value as it is shown: days without a time, nothing as missing."""
    if pd.isna(value):
        return "missing"
    if isinstance(value, pd.Timestamp | date):
        return str(value)[:10]
    return f"{value:g}" if isinstance(value, float) else str(value)
