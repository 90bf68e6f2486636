"""Which records bear on one entity's value: its own, and for some indicators those of others.

Here stands what an indicator's formula does across entities, so that a change of a value can be traced to records. A
contract test holds every formula against it: records beyond the reach of an entity leave its value as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import ibis
import ibis.expr.types as ir

from features.declaration import Indicator
from features.gravity import gravity_phrases
from features.indicators.monitoring import own_and_peers
from features.parameters import Values
from features.rates import INDUSTRY, expected_failure_rate, overall_failure_rate

Tables = Mapping[str, ir.Table]


@dataclass(frozen=True)
class Rate:
    """A number that many entities share and that moves an entity's value.

    Attributes
    ----------
    name : str
        What it is, in words.
    compute : callable
        From tables as of a date to a table with the column `rate`, and entity_id where it is not everybody's.
    """

    name: str
    compute: Callable[[Tables], ir.Table]


def _at_its_address(tables: Tables, entity_id: str) -> dict[str, ir.Table]:
    entities = tables["entities"]
    address = entities.filter(entities.entity_id == entity_id).select("address_key")
    return {"entities": entities.semi_join(address, "address_key")}


def _lists_of_its_people(tables: Tables, entity_id: str) -> dict[str, ir.Table]:
    people = _own(tables["people"], entity_id)
    return {"people": people, "listings": tables["listings"].semi_join(people, "person_id")}


def _other_entities_of_its_people(tables: Tables, entity_id: str) -> dict[str, ir.Table]:
    people = tables["people"].semi_join(_own(tables["people"], entity_id), "person_id")
    others = people.filter(people.entity_id != entity_id)
    own = {"entities": _own(tables["entities"], entity_id), "people": people}
    return {**own, **{name: tables[name].semi_join(others, "entity_id") for name in _VIOLATIONS}}


_VIOLATIONS = ("inspections", "penalties")
_BEYOND_ITS_OWN: dict[str, Callable[[Tables, str], dict[str, ir.Table]]] = {
    "address_sharing": _at_its_address,
    "person_dishonesty": _lists_of_its_people,
    "person_linked_violations": _other_entities_of_its_people,
}


def _industry(values: Values) -> Rate:
    given: dict[str, Any] = {name: values[name] for name in INDUSTRY}
    return Rate(
        f"{gravity_phrases(values)['rate'][0].lower()} of inspections in its industry",
        lambda tables: expected_failure_rate(tables["entities"], tables["inspections"], **given).rename(
            rate="expected_rate"
        ),
    )


def _peers(values: Values) -> Rate:
    given = {name: int(values[name]) for name in ("half_life_days", "repeat_days")}
    return Rate(
        "mean of the faded complaints of its peers",
        lambda tables: own_and_peers(tables["entities"], tables["complaints"], **given).rename(rate="peers"),
    )


def _all_tests(values: Values) -> Rate:
    days = int(values["look_back_days"])
    return Rate(
        "failure rate of all sampling tests",
        lambda tables: overall_failure_rate(tables["tests"], look_back_days=days).rename(rate="overall_rate"),
    )


_RATES: dict[str, Callable[[Values], Rate]] = {
    "industry_category": _industry,
    "failed_inspections": _industry,
    "person_linked_violations": _industry,
    "complaint_reports": _peers,
    "sampling_failures": _all_tests,
}


def rate_in(indicator: Indicator) -> Rate | None:
    """Return the rate of others that is in an indicator's value; None where there is none."""
    if indicator.name not in _RATES or _counts_only(indicator):
        return None
    return _RATES[indicator.name](indicator.values)


def within_reach(indicator: Indicator, tables: Tables, entity_id: str) -> dict[str, ir.Table]:
    """Return the rows of each table of an indicator that bear on one entity, its rate of others aside.

    Parameters
    ----------
    tables : mapping
        Tables as of one date, `entities` being the active population.
    """
    if indicator.name in _BEYOND_ITS_OWN:
        reached = _BEYOND_ITS_OWN[indicator.name](tables, entity_id)
        unread = _unread(indicator)
        return {name: t.filter(ibis.literal(False)) if name == unread else t for name, t in reached.items()}
    return {name: _own(tables[name], entity_id) for name in indicator.tables}


def looks_beyond(indicator: Indicator) -> bool:
    """Say whether records of others than the entity bear on its value."""
    return indicator.name in _BEYOND_ITS_OWN or rate_in(indicator) is not None


def _counts_only(indicator: Indicator) -> bool:
    return indicator.name == "person_linked_violations" and not indicator.values["strength"]


def _unread(indicator: Indicator) -> str | None:
    """Return the table that a formula names and does not read with the values in force."""
    if indicator.name != "person_linked_violations":
        return None
    # A count asks for no industry, and a rate of inspections for no penalty.
    return "entities" if _counts_only(indicator) else "penalties"


def _own(table: ir.Table, entity_id: str) -> ir.Table:
    return table.filter(table.entity_id == entity_id)
