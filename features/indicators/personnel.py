"""Personnel 涉企人员: the people who run or own an entity, and what else they run."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from features.catalogue import indicator
from features.measures import decayed_count, exact_sum, in_force
from features.outlook import Ageing, Remedy
from features.sharing import shared

OFFICES = ("legal_representative", "director", "supervisor", "owner")
"""Who answers for an entity. Managers and others are employed and may serve many."""

PERSONAL_LISTS = ("serious_dishonesty", "judgment_defaulter")
"""Lists on which a person can stand that bar from office."""

LINKED_HALF_LIFE_DAYS = 2 * 365
"""Two years, as for the entity's own penalties."""


@indicator(
    dimension="personnel",
    name_zh="人员失信",
    description_zh="现任法定代表人、董事、监事、出资人中，目前在失信名单上的人数；人员不明的，为缺失。",
    unit="persons",
    unit_zh="人",
    risk="rises",
    minimum=0.0,
    source="people, listings of persons",
    remedy=Remedy(
        reach=(0.0,),
        effort=3.0,
        how="The listed people in office settle what put them on the list, so that their listings end",
        how_zh="在失信名单上的现任人员履行义务并移出名单",
    ),
)
def person_dishonesty(people: ir.Table, listings: ir.Table) -> ir.Table:
    """Legal representative, directors, supervisors and owners in office who stand on a list of dishonest persons.

    Each person counts once. Missing where nobody in office is known.
    """
    offices = _offices(people)
    standing = listings.filter(
        listings.person_id.notnull(), listings.kind.isin(PERSONAL_LISTS), in_force(listings, "ended_on")
    )
    listed = offices.semi_join(standing, ["as_of_date", "person_id"])
    counts = listed.group_by("as_of_date", "entity_id").agg(n=listed.count())
    return _for_all_with_people(offices, counts, counts.n)


@indicator(
    dimension="personnel",
    name_zh="关联违法",
    description_zh="现任人员任职或出资的其他主体的处罚与不合格检查，按两年半衰期递减；人员不明的，为缺失。",
    unit="violations, decayed",
    unit_zh="次（按时间衰减）",
    risk="rises",
    minimum=0.0,
    optional=("inspections", "penalties"),
    source="people; penalties and failed inspections of the other entities",
    ageing=Ageing(half_life_days=LINKED_HALF_LIFE_DAYS),
)
def person_linked_violations(people: ir.Table, inspections: ir.Table, penalties: ir.Table) -> ir.Table:
    """Penalties and failed inspections of other entities that share a person in office.

    Each violation counts half after 2 years. An entity that shares several people counts once; one that is no longer
    active counts too. 0 where people are known and no other entity of theirs violated, missing where nobody in office
    is known.
    """
    offices, violations = _offices(people), _violations(inspections, penalties)
    # From the violations outwards: few entities have any, so few pairs arise.
    violating = offices.inner_join(violations, ["as_of_date", "entity_id"]).select(
        offices.as_of_date, offices.person_id, other=offices.entity_id, violations=violations.value
    )
    pairs = offices.inner_join(
        violating,
        (
            offices.as_of_date == violating.as_of_date,
            offices.person_id == violating.person_id,
            offices.entity_id != violating.other,
        ),
    )
    others = pairs.select("as_of_date", "entity_id", "other", "violations").distinct()
    linked = others.group_by("as_of_date", "entity_id").agg(total=exact_sum(others.violations))
    return _for_all_with_people(offices, linked, linked.total)


@shared
def _offices(people: ir.Table) -> ir.Table:
    """Return (as_of_date, entity_id, person_id) of those in office; one who holds two offices comes once."""
    held = people.filter(people.role.isin(OFFICES), in_force(people, "ended_on"))
    return held.select("as_of_date", "entity_id", "person_id").distinct()


def _for_all_with_people(offices: ir.Table, values: ir.Table, value: ir.NumericColumn) -> ir.Table:
    """Return a value for every entity with somebody in office: 0 where `values` has none."""
    known = offices.select("as_of_date", "entity_id").distinct()
    joined = known.left_join(values, ["as_of_date", "entity_id"])
    return joined.select(known.as_of_date, known.entity_id, value=ibis.coalesce(value.cast("float64"), 0.0))


def _violations(inspections: ir.Table, penalties: ir.Table) -> ir.Table:
    """Return (as_of_date, entity_id, value) of penalties and failed inspections together, decayed."""
    columns = ("as_of_date", "entity_id", "event_date")
    failed = inspections.filter(inspections.failed)
    return decayed_count(penalties.select(*columns).union(failed.select(*columns)), LINKED_HALF_LIFE_DAYS)
