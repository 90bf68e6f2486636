"""Violation 违法违规: penalties and failed inspections."""

from __future__ import annotations

import ibis.expr.types as ir

from features.catalogue import indicator
from features.measures import decayed_count, exact_amount, within_days
from features.outlook import Ageing
from features.rates import decayed_failures, expected_failure_rate, shrunk_rate

PENALTY_HALF_LIFE_DAYS = 2 * 365
"""Two years: the ordinary limitation period of administrative penalties."""

AMOUNT_LOOK_BACK_DAYS = 3 * 365
"""Three years: penalties are shown to the public for at most three years."""

INSPECTION_HALF_LIFE_DAYS = 365
"""One year. On public food inspections one year predicted nearly as well as 120 days and two years, and an entity that
is seen once a year keeps a memory."""

INSPECTION_STRENGTH = 2.0
"""Inspections' worth of the industry's rate mixed into the entity's own: one failed first visit is not a rate of 1."""


@indicator(
    dimension="violation",
    name_zh="行政处罚",
    description_zh="行政处罚次数，按两年半衰期随时间递减。",
    unit="penalties, decayed",
    unit_zh="次（按时间衰减）",
    risk="rises",
    minimum=0.0,
    absent=0.0,
    source="penalties",
    ageing=Ageing(half_life_days=PENALTY_HALF_LIFE_DAYS),
)
def penalties(penalties: ir.Table) -> ir.Table:
    """Administrative penalties, each counting half after 2 years."""
    return decayed_count(penalties, PENALTY_HALF_LIFE_DAYS)


@indicator(
    dimension="violation",
    name_zh="罚没金额",
    description_zh="近三年罚款与没收金额合计；金额尚不知悉的不计。",
    unit="currency units",
    unit_zh="元",
    risk="rises",
    minimum=0.0,
    absent=0.0,
    source="penalties.amount",
    ageing=Ageing(look_back_days=AMOUNT_LOOK_BACK_DAYS),
)
def penalty_amount(penalties: ir.Table) -> ir.Table:
    """Fines and forfeitures decided in the last 3 years, as far as the amounts were known."""
    recent = penalties.filter(penalties.amount.notnull(), within_days(penalties, AMOUNT_LOOK_BACK_DAYS))
    return recent.group_by("as_of_date", "entity_id").agg(value=exact_amount(recent.amount))


@indicator(
    dimension="violation",
    name_zh="检查不合格",
    description_zh="检查不合格率，近期检查权重大，并向所属行业不合格率收缩；从未检查的，为缺失。",
    unit="share of inspections failed",
    unit_zh="不合格检查占比",
    risk="rises",
    minimum=0.0,
    maximum=1.0,
    source="inspections",
    ageing=Ageing(
        no_better_than="industry_category",
        # Six inspections of today, all passed, beside the industry's rate that counts as two.
        earned_share=0.25,
        earned_by="Passing the inspections to come",
        earned_by_zh="今后的检查均合格",
    ),
)
def failed_inspections(entities: ir.Table, inspections: ir.Table) -> ir.Table:
    """Failure rate of the entity's inspections, each counting half after 1 year, held near its industry's rate.

    The industry counts as much as two inspections of today. Missing where no inspection with a known result is known:
    never inspected is not the same as never failed.
    """
    own = decayed_failures(inspections, INSPECTION_HALF_LIFE_DAYS)
    expected = expected_failure_rate(entities, inspections)
    joined = own.inner_join(expected, ["as_of_date", "entity_id"])
    rate = shrunk_rate(joined.n_failed, joined.n, joined.expected_rate, INSPECTION_STRENGTH)
    return joined.select("as_of_date", "entity_id", value=rate)
