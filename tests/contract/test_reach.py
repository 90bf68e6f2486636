"""What is said of whose records bear on an entity's value holds for every indicator of the catalogue."""

from __future__ import annotations

import math
from datetime import date
from typing import Any

import ibis.expr.types as ir
import pytest

from data.records import Records
from features.catalogue import load_catalogue
from features.point_in_time import known_population, known_tables
from features.reach import looks_beyond, rate_in, within_reach

AS_OF_DATE = date(2021, 6, 1)
NAMES = load_catalogue().names
GIVEN = {
    "failed_inspections": {"half_life_days": 200, "minor_counts": 0.5, "number_exponent": 0.7},
    "industry_category": {"industry_look_back_days": 500, "industry_strength": 20.0},
    "person_linked_violations": {"strength": 3.0},
    "complaint_reports": {"half_life_days": 90, "repeat_days": 10},
    "sampling_failures": {"look_back_days": 400},
}
CATALOGUES = {"defaults": load_catalogue(), "others": load_catalogue().with_values(GIVEN)}
OF_A_RATE = [(which, item.name) for which, c in CATALOGUES.items() for item in c if rate_in(item)]
N_ENTITIES = 12


@pytest.fixture
def tables(random_records: Records) -> dict[str, ir.Table]:
    backend = random_records.connect(1)
    population = known_population(backend.table("entities"), [AS_OF_DATE])
    kept = backend.create_table("population", population, temp=True)
    return {**known_tables(backend, random_records.tables, [AS_OF_DATE]), "entities": kept}


def values_of(item: Any, tables: dict[str, ir.Table]) -> dict[str, float]:
    found = item.compute(tables).execute()
    return dict(zip(found["entity_id"], found["value"].astype("float64"), strict=True))


@pytest.mark.parametrize("name", [item.name for item in load_catalogue() if not rate_in(item)])
def test_records_beyond_an_entitys_reach_leave_its_value_as_it_is(name: str, tables: dict[str, ir.Table]) -> None:
    item = load_catalogue()[name]
    everybody = values_of(item, tables)
    assert len(everybody) >= N_ENTITIES

    for entity_id in sorted(everybody, key=lambda e: (-everybody[e], e))[:N_ENTITIES]:
        reached = {**tables, **within_reach(item, tables, entity_id)}
        assert set(within_reach(item, tables, entity_id)) == set(item.tables)
        alone = values_of(item, reached)[entity_id]
        assert alone == everybody[entity_id] or (math.isnan(alone) and math.isnan(everybody[entity_id]))


@pytest.mark.parametrize(("which", "name"), OF_A_RATE)
def test_a_rate_of_others_is_in_the_value_and_is_told(which: str, name: str, tables: dict[str, ir.Table]) -> None:
    item = CATALOGUES[which][name]
    everybody = values_of(item, tables)
    entity_id = sorted(everybody)[0]

    alone = values_of(item, {**tables, **within_reach(item, tables, entity_id)})[entity_id]
    rate = rate_in(item)
    assert rate is not None
    rates = rate.compute(tables)
    own = rates.filter(rates.entity_id == entity_id) if "entity_id" in rates.columns else rates

    assert alone != everybody[entity_id]
    assert own.rate.execute().iloc[0] > 0
    assert looks_beyond(item)


@pytest.mark.parametrize("name", ["address_sharing", "person_dishonesty", "person_linked_violations"])
def test_where_others_are_within_reach_the_entitys_own_rows_alone_would_not_do(
    name: str, tables: dict[str, ir.Table]
) -> None:
    item = load_catalogue()[name]
    everybody = values_of(item, tables)
    entity_id = max(sorted(everybody), key=lambda e: everybody[e])
    own = {table: tables[table].filter(tables[table].entity_id == entity_id) for table in item.tables}

    assert values_of(item, {**tables, **own})[entity_id] < everybody[entity_id]
    assert looks_beyond(item)


def test_what_is_counted_has_no_rate_of_others_and_what_is_a_rate_has_one() -> None:
    assert rate_in(CATALOGUES["defaults"]["person_linked_violations"]) is None
    assert rate_in(CATALOGUES["others"]["person_linked_violations"]) is not None
    assert not looks_beyond(load_catalogue()["penalties"])
