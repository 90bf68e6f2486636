"""Failure rates: of everybody, of an industry, of one entity, each small count held near a larger one's rate."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from features.measures import age_days, decay, exact_sum, within_days
from features.sharing import shared

LOOK_BACK_DAYS = 3 * 365
"""Rates of an industry and of everybody look back three years: one full inspection cycle of low-risk entities, short
enough to follow a change of rules."""

INDUSTRY_STRENGTH = 50.0
"""Inspections' worth of the overall rate mixed into an industry's rate. At a rate of one in four, 50 inspections have a
standard error of 6 percentage points, about how far industries lie apart."""


def overall_failure_rate(checks: ir.Table) -> ir.Table:
    """Return (as_of_date, overall_rate): share of failed checks among all with a known result in the look-back."""
    recent = _recent(checks)
    return recent.group_by("as_of_date").agg(overall_rate=recent.failed.cast("int64").mean())


@shared
def expected_failure_rate(entities: ir.Table, inspections: ir.Table) -> ir.Table:
    """Return (as_of_date, entity_id, industry_code, expected_rate) for every active entity.

    The rate is that of inspections of active entities in its industry, shrunk to the overall rate; the overall rate
    where it has no industry or its industry no inspection; null where nobody was inspected in the look-back.
    """
    industries = _industry_counts(entities, inspections)
    overall = overall_failure_rate(inspections)
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
    rate = shrunk_rate(joined.n_failed, joined.n, joined.overall_rate, INDUSTRY_STRENGTH)
    return joined.select("as_of_date", "entity_id", "industry_code", expected_rate=rate)


def decayed_failures(checks: ir.Table, half_life_days: float) -> ir.Table:
    """Return (as_of_date, entity_id, n_failed, n): failed and all checks with a known result, weighted by age."""
    weighted = checks.filter(checks.failed.notnull())
    weighted = weighted.mutate(weight=decay(age_days(weighted), half_life_days))
    return weighted.group_by("as_of_date", "entity_id").agg(
        n_failed=exact_sum(ibis.ifelse(weighted.failed, weighted.weight, 0.0)).cast("float64"),
        n=exact_sum(weighted.weight).cast("float64"),
    )


def shrunk_rate(
    n_failed: ir.NumericValue, n: ir.NumericValue, prior_rate: ir.FloatingValue, strength: float
) -> ir.FloatingValue:
    """Return (n_failed + strength x prior_rate) / (n + strength); n_failed / n where no prior rate is known."""
    return ibis.coalesce((n_failed + strength * prior_rate) / (n + strength), n_failed / n.nullif(0))


def _recent(checks: ir.Table) -> ir.Table:
    return checks.filter(checks.failed.notnull(), within_days(checks, LOOK_BACK_DAYS))


def _industry_counts(entities: ir.Table, inspections: ir.Table) -> ir.Table:
    # By entity first: that aggregate is small, and the join then is one to one.
    recent = _recent(inspections)
    by_entity = recent.group_by("as_of_date", "entity_id").agg(
        n=recent.count(), n_failed=recent.failed.cast("int64").sum()
    )
    counted = by_entity.inner_join(entities, ["as_of_date", "entity_id"]).select(
        by_entity.as_of_date, entities.industry_code, by_entity.n, by_entity.n_failed
    )
    return counted.group_by("as_of_date", "industry_code").agg(n=counted.n.sum(), n_failed=counted.n_failed.sum())
