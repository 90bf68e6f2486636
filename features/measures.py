"""Expressions that several indicators share: ages, decay with time, spells, exact sums.

Every table that comes in has the column `as_of_date` and holds only what was known before it.
"""

from __future__ import annotations

import math

import ibis
import ibis.expr.types as ir

DAYS_PER_YEAR = 365.25
"""Mean length of a year, leap days included."""

_EXACT = "decimal(18,12)"


def age_days(table: ir.Table, column: str = "event_date") -> ir.IntegerValue:
    """Return days from a date column to the as-of date; negative where it lies ahead."""
    return table.as_of_date.delta(table[column], unit="day")


def within_days(table: ir.Table, days: int, column: str = "event_date") -> ir.BooleanValue:
    """Say whether a date lies at most so many days before the as-of date."""
    return age_days(table, column) <= days


def in_force(table: ir.Table, end: str) -> ir.BooleanValue:
    """Say whether a spell has not ended before the as-of date, as far as known."""
    return table[end].isnull() | (table[end] >= table.as_of_date)


def decay(age: ir.IntegerValue, half_life_days: float) -> ir.FloatingValue:
    """Return the weight 0.5 ^ (age / half-life): 1 at age 0, a half after one half-life."""
    # Of a whole number and a long literal DuckDB makes a 128-bit decimal, ten times slower.
    return (age.cast("float64") * (-math.log(2.0) / half_life_days)).exp()


def exact_sum(value: ir.NumericValue) -> ir.DecimalScalar:
    """Sum numbers below a million to 12 decimal places.

    Sums of 64-bit floats depend on the order of the rows, and an engine with several threads has none. Sums of
    decimals do not, so the same records give the same bytes.
    """
    return value.cast(_EXACT).sum()


def exact_amount(amount: ir.NumericValue) -> ir.DecimalScalar:
    """Sum amounts of money to a hundredth of a cent, whatever the order of the rows."""
    return amount.cast("decimal(38,4)").sum()


def decayed_count(records: ir.Table, half_life_days: float) -> ir.Table:
    """Return per entity the number of its records, each weighted by `decay` of its age."""
    weighted = records.mutate(weight=decay(age_days(records), half_life_days))
    return weighted.group_by("as_of_date", "entity_id").agg(value=exact_sum(weighted.weight))


def days_covered(spells: ir.Table) -> ir.Table:
    """Return per entity the days that lie in at least one of its spells [start, end); no day counts twice."""
    so_far = ibis.window(group_by=["as_of_date", "entity_id"], order_by=["start", "end"], preceding=(None, 1))
    seen = spells.mutate(covered_until=spells.end.max().over(so_far))
    first_new_day = ibis.greatest(seen.start, ibis.coalesce(seen.covered_until, seen.start))
    new = seen.mutate(new_days=ibis.greatest(seen.end.delta(first_new_day, unit="day"), 0))
    return new.group_by("as_of_date", "entity_id").agg(value=new.new_days.sum())
