"""Credit 信用: lists the entity stands or stood on, and what it owes."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from features.declaration import indicator
from features.measures import age_days, days_covered, decay, exact_amount, exact_sum, in_force
from features.outlook import Ageing, Remedy
from features.parameters import Parameter

ABNORMAL_LOOK_BACK = Parameter(
    default=3 * 365,
    low=180,
    high=3650,
    unit="days",
    meaning="how far days on the list look back",
    meaning_zh="在列天数的回溯期",
    why="after three years on it without repair, an entity goes on to the list of serious violations",
)
DISHONESTY_LOOK_BACK = Parameter(
    default=5 * 365,
    low=365,
    high=3650,
    unit="days",
    meaning="time after its end from which a listing no longer counts",
    meaning_zh="移出后不再计入的期限",
    why="as long as such a record was shown to the public",
)
DISHONESTY_HALF_LIFE = Parameter(
    default=2 * 365,
    low=90,
    high=3650,
    unit="days",
    meaning="time after its end at which a listing counts half",
    meaning_zh="移出后的半衰期",
    why="an ended listing counts half after two years and a sixth when it drops out",
)


@indicator(
    dimension="credit",
    name_zh="经营异常名录",
    description_zh="近{look_back_days}列入经营异常名录的天数，重叠的不重复计算，仍在列的计至截至日期。",
    unit="days",
    unit_zh="天",
    risk="rises",
    minimum=0.0,
    absent=0.0,
    source="listings of kind abnormal_operation",
    parameters={"look_back_days": ABNORMAL_LOOK_BACK},
    varying=lambda values: {
        "maximum": float(values["look_back_days"]),
        "ageing": Ageing(
            look_back_days=values["look_back_days"],
            condition="off the list of abnormal operation",
            condition_zh="不在经营异常名录上",
        ),
    },
)
def abnormal_listing(listings: ir.Table, *, look_back_days: int) -> ir.Table:
    """Days on the list of abnormal operation within the last {look_back_days}.

    Overlapping listings are not counted twice; a listing in force counts up to the date.
    """
    listed = _of_entities(listings, "abnormal_operation")
    oldest = listed.as_of_date - ibis.interval(days=look_back_days)
    spells = listed.select(
        "as_of_date",
        "entity_id",
        start=ibis.greatest(listed.event_date, oldest.cast("date")),
        end=ibis.least(ibis.coalesce(listed.ended_on, listed.as_of_date), listed.as_of_date),
    )
    return days_covered(spells)


@indicator(
    dimension="credit",
    name_zh="严重违法失信",
    description_zh="严重违法失信名单记录：在列计 1，移出后按{half_life_days}半衰期递减，满{look_back_days}不计。",
    unit="listings, decayed",
    unit_zh="次（按时间衰减）",
    risk="rises",
    minimum=0.0,
    absent=0.0,
    source="listings of kind serious_dishonesty",
    # A listing in force counts 1 and does not fade; below 1 all have ended.
    varying=lambda values: {"ageing": Ageing(half_life_days=values["half_life_days"], fades_below=1.0)},
    parameters={"half_life_days": DISHONESTY_HALF_LIFE, "look_back_days": DISHONESTY_LOOK_BACK},
)
def serious_dishonesty(listings: ir.Table, *, half_life_days: int, look_back_days: int) -> ir.Table:
    """Listings for serious dishonesty: 1 while in force, halved every {half_life_days} after the end.

    Nothing counts {look_back_days} after its end.
    """
    listed = _of_entities(listings, "serious_dishonesty")
    since_end = age_days(listed, "ended_on")
    ended = decay(since_end, half_life_days)
    weighed = listed.mutate(weight=ibis.ifelse(in_force(listed, "ended_on"), 1.0, ended))
    counted = weighed.filter(in_force(weighed, "ended_on") | (since_end <= look_back_days))
    return counted.group_by("as_of_date", "entity_id").agg(value=exact_sum(counted.weight))


@indicator(
    dimension="credit",
    name_zh="欠税与未履行",
    description_zh="尚未缴清的税款与尚未履行的罚款、判决金额合计。",
    unit="currency units",
    unit_zh="元",
    risk="rises",
    minimum=0.0,
    absent=0.0,
    source="obligations",
    remedy=Remedy(
        reach=(0.0,),
        effort=2.0,
        how="Pay all taxes, penalties and judgments outstanding",
        how_zh="缴清全部税款、罚款与判决款",
    ),
)
def unpaid_obligations(obligations: ir.Table) -> ir.Table:
    """Arrears of tax, unpaid penalties and judgments outstanding, in total."""
    unpaid = obligations.filter(in_force(obligations, "settled_on"))
    return unpaid.group_by("as_of_date", "entity_id").agg(value=exact_amount(unpaid.amount))


def _of_entities(listings: ir.Table, kind: str) -> ir.Table:
    return listings.filter(listings.entity_id.notnull(), listings.person_id.isnull(), listings.kind == kind)
