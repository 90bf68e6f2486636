"""Personnel 涉企人员: the people who run or own an entity, and what else they run."""

from __future__ import annotations

from typing import Any

import ibis
import ibis.expr.types as ir

from features.declaration import indicator
from features.gravity import GRAVITY, gravity_phrases
from features.measures import decayed_count, exact_sum, in_force
from features.outlook import Ageing, Remedy
from features.parameters import Parameter, Values
from features.rates import INDUSTRY, decayed_failures, expected_failure_rate, shrunk_rate
from features.sharing import of_everybody, shared

OFFICES = ("legal_representative", "director", "supervisor", "owner")
"""Who answers for an entity. Managers and others are employed and may serve many."""

PERSONAL_LISTS = ("serious_dishonesty", "judgment_defaulter")
"""Lists on which a person can stand that bar from office."""

LINKED_HALF_LIFE = Parameter(
    default=2 * 365,
    low=30,
    high=3650,
    unit="days",
    meaning="age at which a record of another entity counts half",
    meaning_zh="其他主体记录的半衰期",
    why="as for the entity's own penalties",
)
LINKED_STRENGTH = Parameter(
    default=0.0,
    low=0.0,
    high=50.0,
    unit="inspections",
    meaning="0: violations are counted; above: the rate at which the other entities' inspections failed, with so many "
    "inspections' worth of the industry's rate mixed in",
    meaning_zh="0 为计次；大于 0 为其他主体检查的不合格率，并按此强度向行业收缩",
    why="few people run more than one or two entities, so that a count says as much as a rate",
)


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
    listed = offices.semi_join(_standing(listings), ["as_of_date", "person_id"])
    counts = listed.group_by("as_of_date", "entity_id").agg(n=listed.count())
    return _for_all_with_people(offices, counts, counts.n)


@of_everybody
def _standing(listings: ir.Table) -> ir.Table:
    """Return the listings in force of persons; they name no entity."""
    return listings.filter(
        listings.person_id.notnull(), listings.kind.isin(PERSONAL_LISTS), in_force(listings, "ended_on")
    )


def _linked_in_words(values: Values) -> dict[str, Any]:
    half_life = values["half_life_days"]
    if not values["strength"]:
        return {"ageing": Ageing(half_life_days=half_life)}
    # With age the others' inspections say less and less, and what is left is the industry's rate.
    return {
        "ageing": Ageing(no_better_than="industry_category"),
        "maximum": 1.0,
        "phrases": gravity_phrases(values),
        "unit": "{share}",
        "unit_zh": "{share}",
        "source": "people; inspections of the other entities",
        "description": (
            "{rate} of inspections of other entities that share a person in office, held near its industry's rate.\n\n"
            "Each inspection counts half after {half_life_days}. An entity that shares several people counts once; one "
            "that is no longer active counts too. The industry counts as much as {strength} inspections of today, and "
            "alone where the others were never inspected. Missing where nobody in office is known, or the look-back "
            "of industry_category holds nobody's inspection. {by_gravity}"
        ),
        "description_zh": (
            "现任人员任职或出资的其他主体的检查{rate}，按{half_life_days}半衰期近期检查权重大，并向本主体所属行业收缩"
            "（强度{strength}次）；人员不明的，或行业回溯期内全体均无检查的，为缺失。{by_gravity}"
        ),
    }


@indicator(
    dimension="personnel",
    name_zh="关联违法",
    description_zh="现任人员任职或出资的其他主体的处罚与不合格检查，按{half_life_days}半衰期递减；人员不明的，为缺失。",
    unit="violations, decayed",
    unit_zh="次（按时间衰减）",
    risk="rises",
    minimum=0.0,
    optional=("inspections", "penalties"),
    source="people; penalties and failed inspections of the other entities",
    parameters={"half_life_days": LINKED_HALF_LIFE, "strength": LINKED_STRENGTH, **INDUSTRY},
    varying=_linked_in_words,
)
def person_linked_violations(
    entities: ir.Table, people: ir.Table, inspections: ir.Table, penalties: ir.Table, *, half_life_days: int,
    strength: float, **industry: Any,
) -> ir.Table:  # fmt: skip
    """Penalties and failed inspections of other entities that share a person in office.

    Each violation counts half after {half_life_days}. An entity that shares several people counts once; one that is no
    longer active counts too. 0 where people are known and no other entity of theirs violated, missing where nobody in
    office is known.
    """
    offices = _offices(people)
    if not strength:
        violations = _violations(inspections, penalties, half_life_days=half_life_days)
        others = _of_others(people, offices, violations, ("value",))
        linked = others.group_by("as_of_date", "entity_id").agg(total=exact_sum(others.value))
        return _for_all_with_people(offices, linked, linked.total)
    gravity = {name: industry[name] for name in GRAVITY}
    checks = _failures_of_everybody(inspections, half_life_days=half_life_days, **gravity)
    others = _of_others(people, offices, checks, ("n_failed", "n"))
    linked = others.group_by("as_of_date", "entity_id").agg(
        n_failed=exact_sum(others.n_failed).cast("float64"), n=exact_sum(others.n).cast("float64")
    )
    # The prior rate is that of active entities, who alone have a row.
    known = expected_failure_rate(entities, inspections, **industry).semi_join(offices, ["as_of_date", "entity_id"])
    joined = known.left_join(linked, ["as_of_date", "entity_id"]).select(
        known.as_of_date, known.entity_id, known.expected_rate,
        n_failed=linked.n_failed.fill_null(0.0), n=linked.n.fill_null(0.0),
    )  # fmt: skip
    rate = shrunk_rate(joined.n_failed, joined.n, joined.expected_rate, strength)
    return joined.select("as_of_date", "entity_id", value=rate)


@shared
def _offices(people: ir.Table) -> ir.Table:
    """Return (as_of_date, entity_id, person_id) of those in office; one who holds two offices comes once."""
    held = people.filter(people.role.isin(OFFICES), in_force(people, "ended_on"))
    return held.select("as_of_date", "entity_id", "person_id").distinct()


_offices_of_everybody = of_everybody(_offices)
_failures_of_everybody = of_everybody(decayed_failures)


def _for_all_with_people(offices: ir.Table, values: ir.Table, value: ir.NumericColumn) -> ir.Table:
    """Return a value for every entity with somebody in office: 0 where `values` has none."""
    known = _with_people(offices)
    joined = known.left_join(values, ["as_of_date", "entity_id"])
    return joined.select(known.as_of_date, known.entity_id, value=ibis.coalesce(value.cast("float64"), 0.0))


@shared
def _with_people(offices: ir.Table) -> ir.Table:
    return offices.select("as_of_date", "entity_id").distinct()


def _of_others(people: ir.Table, offices: ir.Table, values: ir.Table, names: tuple[str, ...]) -> ir.Table:
    """Return (as_of_date, entity_id, other, the named values) of each other entity that shares a person in office."""
    # From the values outwards: few entities have any, so few pairs arise.
    everybody = _offices_of_everybody(people)
    theirs = everybody.inner_join(values, ["as_of_date", "entity_id"]).select(
        everybody.as_of_date, everybody.person_id, other=everybody.entity_id, **{name: values[name] for name in names}
    )
    pairs = offices.inner_join(
        theirs,
        (
            offices.as_of_date == theirs.as_of_date,
            offices.person_id == theirs.person_id,
            offices.entity_id != theirs.other,
        ),
    )
    return pairs.select("as_of_date", "entity_id", "other", *names).distinct()


@of_everybody
def _violations(inspections: ir.Table, penalties: ir.Table, *, half_life_days: int) -> ir.Table:
    """Return (as_of_date, entity_id, value) of penalties and failed inspections together, decayed."""
    columns = ("as_of_date", "entity_id", "event_date")
    failed = inspections.filter(inspections.failed)
    return decayed_count(penalties.select(*columns).union(failed.select(*columns)), half_life_days)
