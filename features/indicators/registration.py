"""Registration 主体登记: what the register says of an entity."""

from __future__ import annotations

from typing import Any

import ibis
import ibis.expr.types as ir

from features.declaration import indicator
from features.gravity import gravity_phrases
from features.measures import DAYS_PER_YEAR, age_days
from features.outlook import Ageing, Remedy
from features.rates import INDUSTRY, expected_failure_rate
from features.sharing import of_everybody


@indicator(
    dimension="registration",
    name_zh="注册资本",
    description_zh="登记的注册资本；登记未载明的，为缺失。",
    unit="currency units",
    unit_zh="元",
    risk="falls",
    minimum=0.0,
    source="entities.registered_capital",
)
def registered_capital(entities: ir.Table) -> ir.Table:
    """Registered capital, as the register has it. Missing where the register gives none."""
    return entities.select("as_of_date", "entity_id", value=entities.registered_capital)


@indicator(
    dimension="registration",
    name_zh="行业类别",
    description_zh="所属行业近{industry_look_back_days}检查{rate}，按检查次数向全体收缩（强度{industry_strength}次）；未登记行业的，为缺失。{by_gravity}",
    unit="{share}",
    unit_zh="{share}",
    risk="rises",
    minimum=0.0,
    maximum=1.0,
    source="inspections of the industry; GB/T 4754-2017 division or the city's own class",
    parameters=INDUSTRY,
    varying=lambda values: {"phrases": gravity_phrases(values)},
)
def industry_category(entities: ir.Table, inspections: ir.Table, **industry: Any) -> ir.Table:
    """{rate} of inspections of active entities in the entity's industry over the last {industry_look_back_days}.

    An industry with few inspections is held near the rate of all inspections, which counts as much as
    {industry_strength} inspections; one without any has that rate. Missing where the entity has no industry, or nobody
    was inspected. {by_gravity}
    """
    rates = expected_failure_rate(entities, inspections, **industry)
    return rates.filter(rates.industry_code.notnull()).select("as_of_date", "entity_id", value=rates.expected_rate)


@indicator(
    dimension="registration",
    name_zh="存续年限",
    description_zh="自成立之日起的年数；成立日期不明的，为缺失。",
    unit="years",
    unit_zh="年",
    risk="falls",
    minimum=0.0,
    source="entities.established_date",
    ageing=Ageing(per_day=1 / DAYS_PER_YEAR),
)
def years_in_operation(entities: ir.Table) -> ir.Table:
    """Years since establishment. 0 where it lies ahead, missing where its day is unknown."""
    # Of a whole number and a decimal literal Spark makes a decimal, of six places.
    years = ibis.greatest(age_days(entities, "established_date").cast("float64") / DAYS_PER_YEAR, 0.0)
    dated = entities.mutate(value=years).filter(entities.established_date.notnull())
    return dated.select("as_of_date", "entity_id", "value")


@indicator(
    dimension="registration",
    name_zh="一址多照",
    description_zh="同一规范化地址上的在营主体数（含本主体）；没有地址的，为缺失。",
    unit="entities",
    unit_zh="户",
    risk="rises",
    minimum=1.0,
    source="entities.address_key",
    remedy=Remedy(
        reach=(1.0,),
        effort=4.0,
        how="Register at an address of its own, which is one change of the register entry more",
        how_zh="迁至独立的登记地址（登记变更因此增加一次）",
        moves=(("registration_changes", 1.0),),
    ),
)
def address_sharing(entities: ir.Table) -> ir.Table:
    """Active entities registered at the same normalised address, this one included. Missing without an address."""
    placed, there = _placed(entities), _entities_by_address(entities)
    return placed.inner_join(there, ["as_of_date", "address_key"]).select("as_of_date", "entity_id", "value")


@of_everybody
def _entities_by_address(entities: ir.Table) -> ir.Table:
    """Return (as_of_date, address_key, value): how many entities are there."""
    placed = _placed(entities)
    return placed.group_by("as_of_date", "address_key").agg(value=placed.count())


def _placed(entities: ir.Table) -> ir.Table:
    return entities.filter(entities.address_key.notnull())
