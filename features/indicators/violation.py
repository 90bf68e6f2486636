"""Violation 违法违规: penalties and failed inspections."""

from __future__ import annotations

from typing import Any

import ibis.expr.types as ir

from features.declaration import indicator
from features.gravity import GRAVITY, gravity_phrases
from features.measures import decayed_count, exact_amount, within_days
from features.outlook import Ageing
from features.parameters import Parameter
from features.rates import INDUSTRY, decayed_failures, expected_failure_rate, shrunk_rate

PENALTY_HALF_LIFE = Parameter(
    default=2 * 365,
    low=30,
    high=3650,
    unit="days",
    meaning="age at which a penalty counts half",
    meaning_zh="行政处罚的半衰期",
    why="the ordinary limitation period of administrative penalties",
)
AMOUNT_LOOK_BACK = Parameter(
    default=3 * 365,
    low=180,
    high=3650,
    unit="days",
    meaning="how far fines and forfeitures look back",
    meaning_zh="罚没金额的回溯期",
    why="penalties are shown to the public for at most three years",
)
INSPECTION_HALF_LIFE = Parameter(
    default=365,
    low=30,
    high=3650,
    unit="days",
    meaning="age at which an inspection counts half",
    meaning_zh="检查结果的半衰期",
    why="on public food inspections one year predicted nearly as well as 120 days and two years, and an entity that is "
    "seen once a year keeps a memory",
)
INSPECTION_STRENGTH = Parameter(
    default=2.0,
    low=0.1,
    high=50.0,
    unit="inspections",
    meaning="inspections' worth of the industry's rate mixed into the entity's own",
    meaning_zh="向所属行业收缩的强度（折合检查次数）",
    why="one failed first visit is not a rate of 1",
)


@indicator(
    dimension="violation",
    name_zh="行政处罚",
    description_zh="行政处罚次数，按{half_life_days}半衰期随时间递减。",
    unit="penalties, decayed",
    unit_zh="次（按时间衰减）",
    risk="rises",
    minimum=0.0,
    absent=0.0,
    source="penalties",
    parameters={"half_life_days": PENALTY_HALF_LIFE},
    varying=lambda values: {"ageing": Ageing(half_life_days=values["half_life_days"])},
)
def penalties(penalties: ir.Table, *, half_life_days: int) -> ir.Table:
    """Administrative penalties, each counting half after {half_life_days}."""
    return decayed_count(penalties, half_life_days)


@indicator(
    dimension="violation",
    name_zh="罚没金额",
    description_zh="近{look_back_days}罚款与没收金额合计；金额尚不知悉的不计。",
    unit="currency units",
    unit_zh="元",
    risk="rises",
    minimum=0.0,
    absent=0.0,
    source="penalties.amount",
    parameters={"look_back_days": AMOUNT_LOOK_BACK},
    varying=lambda values: {"ageing": Ageing(look_back_days=values["look_back_days"])},
)
def penalty_amount(penalties: ir.Table, *, look_back_days: int) -> ir.Table:
    """Fines and forfeitures decided in the last {look_back_days}, as far as the amounts were known."""
    recent = penalties.filter(penalties.amount.notnull(), within_days(penalties, look_back_days))
    return recent.group_by("as_of_date", "entity_id").agg(value=exact_amount(recent.amount))


@indicator(
    dimension="violation",
    name_zh="检查不合格",
    description_zh="检查{rate}，按{half_life_days}半衰期近期检查权重大，并向所属行业收缩；从未检查的，或行业回溯期内全体均无检查的，为缺失。{by_gravity}",
    unit="{share}",
    unit_zh="{share}",
    risk="rises",
    minimum=0.0,
    maximum=1.0,
    source="inspections",
    parameters={"half_life_days": INSPECTION_HALF_LIFE, "strength": INSPECTION_STRENGTH, **INDUSTRY},
    varying=lambda values: {
        "phrases": gravity_phrases(values),
        "ageing": Ageing(
            no_better_than="industry_category",
            # Six inspections of today, all passed, beside the industry's rate.
            earned_share=values["strength"] / (values["strength"] + 6),
            earned_by="Passing the inspections to come",
            earned_by_zh="今后的检查均合格",
        ),
    },
)
def failed_inspections(
    entities: ir.Table, inspections: ir.Table, *, half_life_days: int, strength: float, **industry: Any
) -> ir.Table:
    """{rate} of the entity's inspections, each counting half after {half_life_days}, held near its industry's rate.

    The industry counts as much as {strength} inspections of today. Missing where no inspection with a known result is
    known: never inspected is not the same as never failed. Missing too where the look-back of industry_category holds
    nobody's inspection. {by_gravity}
    """
    gravity = {name: industry[name] for name in GRAVITY}
    own = decayed_failures(inspections, half_life_days, **gravity)
    expected = expected_failure_rate(entities, inspections, **industry)
    joined = own.inner_join(expected, ["as_of_date", "entity_id"])
    rate = shrunk_rate(joined.n_failed, joined.n, joined.expected_rate, strength)
    return joined.select("as_of_date", "entity_id", value=rate)
