"""Personnel 涉企人员: the people who run or own an entity, and what else they run."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from features.catalogue import indicator
from features.measures import decayed_count, exact_sum, in_force

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
)
def person_dishonesty(people: ir.Table, listings: ir.Table) -> ir.Table:
    """Legal representative, directors, supervisors and owners in office who stand on a list of dishonest persons.

    Each person counts once. Missing where nobody in office is known.
    """
    offices = _offices(people)
    standing = listings.filter(
        listings.person_id.notnull(), listings.kind.isin(PERSONAL_LISTS), in_force(listings, "ended_on")
    )
    listed = standing.select("as_of_date", "person_id").distinct().mutate(n=1)
    joined = offices.left_join(listed, ["as_of_date", "person_id"]).select(
        offices.as_of_date, offices.entity_id, n=ibis.coalesce(listed.n, 0)
    )
    return joined.group_by("as_of_date", "entity_id").agg(value=joined.n.sum())


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
)
def person_linked_violations(people: ir.Table, inspections: ir.Table, penalties: ir.Table) -> ir.Table:
    """Penalties and failed inspections of other entities that share a person in office.

    Each violation counts half after 2 years. An entity that shares several people counts once; one that is no longer
    active counts too. 0 where people are known and no other entity of theirs violated, missing where nobody in office
    is known.
    """
    # Entities with exactly the same people form a circle. Circles are joined, not entities: a person with thousands of
    # entities would otherwise give millions of pairs, and the sum stays exact.
    offices = _offices(people)
    circles = _circles(offices, _violations(inspections, penalties))
    linked = _linked(offices, circles)
    joined = circles.left_join(linked, ["as_of_date", "circle"]).select(
        circles.as_of_date, circles.entity_id, circles.own, total=ibis.coalesce(linked.total, circles.own)
    )
    return joined.select("as_of_date", "entity_id", value=joined.total - joined.own)


def _offices(people: ir.Table) -> ir.Table:
    """Return distinct (as_of_date, entity_id, person_id) of those in office."""
    held = people.filter(people.role.isin(OFFICES), in_force(people, "ended_on"))
    return held.select("as_of_date", "entity_id", "person_id").distinct()


def _violations(inspections: ir.Table, penalties: ir.Table) -> ir.Table:
    """Return (as_of_date, entity_id, value) of penalties and failed inspections together, decayed."""
    columns = ("as_of_date", "entity_id", "event_date")
    failed = inspections.filter(inspections.failed)
    return decayed_count(penalties.select(*columns).union(failed.select(*columns)), LINKED_HALF_LIFE_DAYS)


def _circles(offices: ir.Table, violations: ir.Table) -> ir.Table:
    """Return (as_of_date, entity_id, circle, own): the entity's people as one text, and its own violations."""
    circles = offices.group_by("as_of_date", "entity_id").agg(
        circle=offices.person_id.group_concat("\n", order_by=offices.person_id)
    )
    return circles.left_join(violations, ["as_of_date", "entity_id"]).select(
        circles.as_of_date, circles.entity_id, circles.circle, own=_amount_or_nothing(violations.value)
    )


def _linked(offices: ir.Table, circles: ir.Table) -> ir.Table:
    """Return (as_of_date, circle, total): violations of all that share a person with the circle, itself included."""
    members = (
        offices.inner_join(circles, ["as_of_date", "entity_id"])
        .select(offices.as_of_date, offices.person_id, circles.circle)
        .distinct()
    )
    totals = circles.group_by("as_of_date", "circle").agg(violations=exact_sum(circles.own))
    violating = members.inner_join(totals.filter(totals.violations > 0), ["as_of_date", "circle"]).select(
        members.as_of_date, members.person_id, other=members.circle, violations=totals.violations
    )
    pairs = (
        members.inner_join(violating, ["as_of_date", "person_id"])
        .select(members.as_of_date, members.circle, violating.other, violating.violations)
        .distinct()
    )
    return pairs.group_by("as_of_date", "circle").agg(total=exact_sum(pairs.violations))


def _amount_or_nothing(value: ir.DecimalValue) -> ir.DecimalValue:
    return ibis.coalesce(value, ibis.literal(0).cast("decimal(38,12)"))
