"""Failure rates: of everybody, of an industry, of one entity, each small count held near a larger one's rate."""

from __future__ import annotations

from typing import Any

import ibis
import ibis.expr.types as ir

from features.gravity import GRAVITY, counts, is_neutral
from features.measures import age_days, decay, exact_sum, within_days
from features.parameters import Parameter
from features.sharing import of_everybody, shared

LOOK_BACK_DAYS = 3 * 365

INDUSTRY: dict[str, Parameter] = {
    "industry_look_back_days": Parameter(
        default=LOOK_BACK_DAYS,
        low=180,
        high=3650,
        unit="days",
        meaning="how far the rates of industries and of everybody look back",
        meaning_zh="行业与全体不合格率的回溯期",
        why="one full inspection cycle of low-risk entities, short enough to follow a change of rules",
        owner="industry_category",
    ),
    "industry_strength": Parameter(
        default=50.0,
        low=1.0,
        high=1000.0,
        unit="inspections",
        meaning="inspections' worth of the overall rate mixed into an industry's rate",
        meaning_zh="行业不合格率向全体收缩的强度（折合检查次数）",
        why="at a rate of one in four, 50 inspections have a standard error of 6 percentage points, about how far "
        "industries lie apart",
        owner="industry_category",
    ),
    **GRAVITY,
}
"""Parameters of the rate that is expected of an entity, for every indicator that uses it."""


@of_everybody
@shared
def overall_failure_rate(checks: ir.Table, *, look_back_days: int, **gravity: Any) -> ir.Table:
    """Return (as_of_date, overall_rate): share of failed checks among all with a known result in the look-back."""
    recent = _recent(checks, look_back_days)
    return recent.group_by("as_of_date").agg(overall_rate=_failed(recent, gravity) / recent.count())


def expected_failure_rate(
    entities: ir.Table,
    inspections: ir.Table,
    *,
    industry_look_back_days: int,
    industry_strength: float,
    **gravity: Any,
) -> ir.Table:
    """Return (as_of_date, entity_id, industry_code, expected_rate) for every active entity.

    The rate is that of inspections of active entities in its industry, shrunk to the overall rate; the overall rate
    where it has no industry or its industry no inspection; null where nobody was inspected in the look-back. A failed
    inspection counts 1, or results count as features.gravity says.
    """
    industries = _industry_counts(entities, inspections, look_back_days=industry_look_back_days, **gravity)
    overall = overall_failure_rate(inspections, look_back_days=industry_look_back_days, **gravity)
    joined = (
        entities.left_join(industries, ["as_of_date", "industry_code"])
        .left_join(overall, "as_of_date")
        .select(
            entities.as_of_date,
            entities.entity_id,
            entities.industry_code,
            overall.overall_rate,
            n=ibis.coalesce(industries.n, 0),
            n_failed=ibis.coalesce(industries.n_failed, 0),
        )
    )
    rate = shrunk_rate(joined.n_failed, joined.n, joined.overall_rate, industry_strength)
    return joined.select("as_of_date", "entity_id", "industry_code", expected_rate=rate)


def decayed_failures(checks: ir.Table, half_life_days: float, **gravity: Any) -> ir.Table:
    """Return (as_of_date, entity_id, n_failed, n): failed and all checks with a known result, weighted by age."""
    weighted = checks.filter(checks.failed.notnull())
    weighted = weighted.mutate(weight=decay(age_days(weighted), half_life_days))
    failed = (
        ibis.ifelse(weighted.failed, weighted.weight, 0.0)
        if is_neutral(gravity)
        else weighted.weight * counts(weighted, **gravity)
    )
    return weighted.group_by("as_of_date", "entity_id").agg(
        n_failed=exact_sum(failed).cast("float64"), n=exact_sum(weighted.weight).cast("float64")
    )


def shrunk_rate(
    n_failed: ir.NumericValue, n: ir.NumericValue, prior_rate: ir.FloatingValue, strength: float
) -> ir.FloatingValue:
    """Return (n_failed + strength x prior_rate) / (n + strength); null where no prior rate is known.

    Of old checks alone no rate is told: their weights fade towards the last decimal place of their sum.
    """
    return (n_failed + strength * prior_rate) / (n + strength)


def _recent(checks: ir.Table, look_back_days: int) -> ir.Table:
    return checks.filter(checks.failed.notnull(), within_days(checks, look_back_days))


def _failed(checks: ir.Table, gravity: dict[str, Any]) -> ir.NumericScalar:
    """Sum what checks count; of those that count 1 or nothing as whole numbers, which is faster."""
    if is_neutral(gravity):
        return checks.failed.cast("int64").sum()
    return exact_sum(counts(checks, **gravity)).cast("float64")


@of_everybody
@shared
def _industry_counts(entities: ir.Table, inspections: ir.Table, *, look_back_days: int, **gravity: Any) -> ir.Table:
    # By entity first: that aggregate is small, and the join then is one to one.
    recent = _recent(inspections, look_back_days)
    by_entity = recent.group_by("as_of_date", "entity_id").agg(n=recent.count(), n_failed=_failed(recent, gravity))
    counted = by_entity.inner_join(entities, ["as_of_date", "entity_id"]).select(
        by_entity.as_of_date, entities.industry_code, by_entity.n, by_entity.n_failed
    )
    failed = counted.n_failed.sum() if is_neutral(gravity) else exact_sum(counted.n_failed).cast("float64")
    return counted.group_by("as_of_date", "industry_code").agg(n=counted.n.sum(), n_failed=failed)
