"""Dirty rows: ten kinds that must end in quarantine, planted beside the clean rows and counted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

DIRTY_SHARE = 0.004
"""Dirty rows added to a table, as a share of its rows, for each table that has any."""


@dataclass(frozen=True)
class Dirt:
    """One kind of dirty row: a copy of a clean one with a key of its own and one value spoilt.

    `value` replaces `column`; where `from_column` is named, its value comes from that column, `days` later.
    """

    name: str
    table: str
    column: str
    value: str | None = None
    from_column: str = ""
    days: int = 0


KINDS = (
    Dirt("unknown state", "entities", "state", "未知"),
    Dirt("impossible date", "complaints", "event", "2023-02-30"),
    Dirt("missing code", "complaints", "code", None),
    Dirt("text in an amount", "penalties", "amount", "约五千元"),
    Dirt("negative amount", "penalties", "amount", "-500"),
    Dirt("unreadable result", "tests", "result", "待定"),
    Dirt("known before it happened", "changes", "known", from_column="event", days=-30),
    Dirt("withdrawn before it was known", "penalties", "withdrawn", from_column="known", days=-5),
    Dirt("day out of all time", "annual_reports", "event", "1022/05/06"),
    Dirt("key used twice", "inspections", "number"),
)
"""The ten kinds."""


def soil(
    tables: dict[str, pa.Table], rng: np.random.Generator
) -> tuple[dict[str, pa.Table], dict[str, dict[str, int]]]:
    """Return the tables with dirty rows at their end, and how many of each kind went into each table."""
    planted: dict[str, dict[str, int]] = {}
    soiled = dict(tables)
    for dirt in KINDS:
        clean = tables[dirt.table]
        n = max(1, round(clean.num_rows * DIRTY_SHARE / sum(k.table == dirt.table for k in KINDS)))
        rows = clean.take(pa.array(np.sort(rng.choice(clean.num_rows, n, replace=False))))
        soiled[dirt.table] = pa.concat_tables([soiled[dirt.table], _spoilt(rows, dirt)])
        planted.setdefault(dirt.table, {})[dirt.name] = n
    return soiled, planted


def _spoilt(rows: pa.Table, dirt: Dirt) -> pa.Table:
    if dirt.column == "number":
        # The same key, and everything else too: a row that was sent twice.
        return rows
    if "number" in rows.column_names:
        fresh = pa.compute.binary_join_element_wise(rows["number"], f"-{KINDS.index(dirt)}", "")
        rows = rows.set_column(rows.column_names.index("number"), "number", fresh)
    place = rows.column_names.index(dirt.column)
    return rows.set_column(place, dirt.column, _value(rows, dirt))


def _value(rows: pa.Table, dirt: Dirt) -> pa.Array:
    type_ = rows.schema.field(dirt.column).type
    if not dirt.from_column:
        return pa.array([dirt.value] * rows.num_rows, type_)
    days = rows[dirt.from_column].cast(pa.int32()).to_numpy() + dirt.days
    return pa.array(days, pa.int32()).cast(type_)
