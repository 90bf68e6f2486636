"""All 18 indicators against slow, obvious Python, over small random record sets.

The plain versions below are written from the definitions in docs/indicators.md, one entity and one date at a time, in
loops over dictionaries; they share no expression with the formulas.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from data.records import Records
from features.catalogue import load_catalogue
from features.matrix import build_matrix
from features.pairs import matrix_for_pairs
from features.panel import build_panel
from features.parameters import Parameter

# An example takes seconds: to look for a smaller one would take minutes.
WITHOUT_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)

AS_OF_DATES = (date(2020, 7, 1), date(2021, 1, 1))
ENTITIES = [f"E{number}" for number in range(6)]
PEOPLE = ["P1", "P2", "P3", "P4"]

Row = dict[str, Any]
Tables = dict[str, list[Row]]
Given = dict[str, dict[str, float]]

DEFAULTS: Given = {
    "industry_category": {"industry_look_back_days": 1095, "industry_strength": 50},
    "annual_report_lapses": {"look_back_days": 1095},
    "registration_changes": {"look_back_days": 730},
    "abnormal_listing": {"look_back_days": 1095},
    "serious_dishonesty": {"half_life_days": 730, "look_back_days": 1825},
    "penalties": {"half_life_days": 730},
    "penalty_amount": {"look_back_days": 1095},
    "failed_inspections": {
        "half_life_days": 365, "strength": 2, "minor_counts": 0, "significant_counts": 0, "failed_counts": 1,
        "number_exponent": 0, "number_cap": 8,
    },
    "person_linked_violations": {"half_life_days": 730, "strength": 0},
    "complaint_reports": {"half_life_days": 365, "repeat_days": 30, "strength": 1},
    "sampling_failures": {"half_life_days": 365, "strength": 5, "look_back_days": 1095},
    "negative_mentions": {"half_life_days": 180, "least_score": 0.8},
}  # fmt: skip
"""What docs/indicators.md says, written out again: a default that moves fails here."""


# ---------------------------------------------------------------------------------------------------------------------
# What is known


def known_as_of(tables: Tables, as_of: date) -> Tables:
    known = {name: [blanked(row, as_of) for row in rows if counts(row, as_of)] for name, rows in tables.items()}
    latest: dict[str, Row] = {}
    for row in sorted(known["entities"], key=lambda state: state["known_at"]):
        latest[row["entity_id"]] = row
    return known | {"entities": [row for row in latest.values() if row["status"] == "active"]}


def counts(row: Row, as_of: date) -> bool:
    withdrawn_at = row.get("withdrawn_at")
    return row["known_at"] < as_of and (withdrawn_at is None or withdrawn_at >= as_of)


def blanked(row: Row, as_of: date) -> Row:
    row = dict(row)
    outcomes = (("ended_on", "ended_known_at"), ("settled_on", "settled_known_at"), ("amount", "amount_known_at"))
    for outcome, known_by in outcomes:
        if known_by in row and row[known_by] is not None and row[known_by] >= as_of:
            row[outcome] = None
    return row


# ---------------------------------------------------------------------------------------------------------------------
# The indicators


class Plain:
    """The 18 indicators as of one date, in plain Python; NaN is missing."""

    def __init__(self, tables: Tables, as_of: date, given: Given) -> None:
        self.tables = known_as_of(tables, as_of)
        self.as_of = as_of
        self.given = given

    def p(self, indicator: str, name: str) -> float:
        """A parameter: what was given, else what docs/indicators.md says."""
        return self.given.get(indicator, {}).get(name, DEFAULTS[indicator][name])

    def age(self, day: date) -> int:
        return (self.as_of - day).days

    def of(self, table: str, entity_id: str) -> list[Row]:
        return [row for row in self.tables[table] if row["entity_id"] == entity_id]

    def entity(self, entity_id: str) -> Row:
        return next(row for row in self.tables["entities"] if row["entity_id"] == entity_id)

    def decayed(self, rows: list[Row], half_life: float) -> float:
        return math.fsum(0.5 ** (self.age(row["event_date"]) / half_life) for row in rows)

    def stands(self, day: date | None) -> bool:
        return day is None or day >= self.as_of

    def result(self, row: Row) -> float:
        """What an inspection counts, by its gravity."""
        severity, counts = row["severity"], lambda name: self.p("failed_inspections", name)
        if row["failed"]:
            value = 1.0 if severity in (None, "crucial") else counts("failed_counts")
        elif severity in ("significant", "crucial"):
            value = counts("significant_counts")
        else:
            value = counts("minor_counts") if severity == "minor" else 0.0
        number = 1 if row["n_violations"] is None else row["n_violations"]
        cap = counts("number_cap")
        return value * (max(1, min(number, cap)) / cap) ** counts("number_exponent")

    def rate(self, rows: list[Row], days: float, result: Callable[[Row], float]) -> float:
        """Rate of what failed within so many days."""
        results = [result(r) for r in rows if r["failed"] is not None and self.age(r["event_date"]) <= days]
        return math.fsum(results) / len(results) if results else math.nan

    def registered_capital(self, entity_id: str) -> float:
        capital = self.entity(entity_id)["registered_capital"]
        return math.nan if capital is None else capital

    def industry_rate(self, industry: str | None) -> float:
        days, strength = (self.p("industry_category", f"industry_{name}") for name in ("look_back_days", "strength"))
        overall = self.rate(self.tables["inspections"], days, self.result)
        members = {e["entity_id"] for e in self.tables["entities"] if industry and e["industry_code"] == industry}
        inspections = [
            r for r in self.tables["inspections"]
            if r["entity_id"] in members and r["failed"] is not None and self.age(r["event_date"]) <= days
        ]  # fmt: skip
        return (math.fsum(map(self.result, inspections)) + strength * overall) / (len(inspections) + strength)

    def industry_category(self, entity_id: str) -> float:
        industry = self.entity(entity_id)["industry_code"]
        return self.industry_rate(industry) if industry else math.nan

    def years_in_operation(self, entity_id: str) -> float:
        day = self.entity(entity_id)["established_date"]
        return math.nan if day is None else max(self.age(day) / 365.25, 0.0)

    def address_sharing(self, entity_id: str) -> float:
        address = self.entity(entity_id)["address_key"]
        return sum(e["address_key"] == address for e in self.tables["entities"]) if address else math.nan

    def licence_validity(self, entity_id: str) -> float:
        latest: dict[str, int] = {}
        for row in self.of("licences", entity_id):
            if row["required"]:
                left = 3650 if row["valid_until"] is None else -self.age(row["valid_until"])
                latest[row["licence_type"]] = max(left, latest.get(row["licence_type"], -99999))
        return max(-3650, min(3650, *latest.values(), 3650)) if latest else math.nan

    def annual_report_lapses(self, entity_id: str) -> float:
        days = self.p("annual_report_lapses", "look_back_days")
        recent = [r for r in self.of("annual_reports", entity_id) if self.age(r["event_date"]) <= days]
        return len({r["report_year"] for r in recent if r["status"] != "filed"}) if recent else math.nan

    def registration_changes(self, entity_id: str) -> float:
        kinds = ("address", "representative", "scope", "name")
        days = self.p("registration_changes", "look_back_days")
        return sum(r["field"] in kinds and self.age(r["event_date"]) <= days for r in self.of("changes", entity_id))

    def entity_listings(self, entity_id: str, kind: str) -> list[Row]:
        return [r for r in self.of("listings", entity_id) if r["person_id"] is None and r["kind"] == kind]

    def abnormal_listing(self, entity_id: str) -> float:
        listings = self.entity_listings(entity_id, "abnormal_operation")
        days = [self.as_of - timedelta(days=n) for n in range(1, int(self.p("abnormal_listing", "look_back_days")) + 1)]
        return sum(any(r["event_date"] <= d and (r["ended_on"] or self.as_of) > d for r in listings) for d in days)

    def serious_dishonesty(self, entity_id: str) -> float:
        total = 0.0
        for row in self.entity_listings(entity_id, "serious_dishonesty"):
            if self.stands(row["ended_on"]):
                total += 1.0
            elif self.age(row["ended_on"]) <= self.p("serious_dishonesty", "look_back_days"):
                total += 0.5 ** (self.age(row["ended_on"]) / self.p("serious_dishonesty", "half_life_days"))
        return total

    def unpaid_obligations(self, entity_id: str) -> float:
        return math.fsum(r["amount"] for r in self.of("obligations", entity_id) if self.stands(r["settled_on"]))

    def penalties(self, entity_id: str) -> float:
        return self.decayed(self.of("penalties", entity_id), self.p("penalties", "half_life_days"))

    def penalty_amount(self, entity_id: str) -> float:
        days = self.p("penalty_amount", "look_back_days")
        recent = [r for r in self.of("penalties", entity_id) if self.age(r["event_date"]) <= days]
        return math.fsum(r["amount"] or 0.0 for r in recent)

    def failed_inspections(self, entity_id: str) -> float:
        known = [r for r in self.of("inspections", entity_id) if r["failed"] is not None]
        prior = self.industry_rate(self.entity(entity_id)["industry_code"])
        return self.shrunk("failed_inspections", known, prior, self.result) if known else math.nan

    def shrunk(self, name: str, checks: list[Row], prior: float, result: Callable[[Row], float]) -> float:
        half_life, strength = self.p(name, "half_life_days"), self.p(name, "strength")
        weights = [0.5 ** (self.age(row["event_date"]) / half_life) for row in checks]
        failed = math.fsum(weight * result(row) for weight, row in zip(weights, checks, strict=True))
        return (failed + strength * prior) / (math.fsum(weights) + strength)

    def offices(self, entity_id: str) -> set[str]:
        roles = ("legal_representative", "director", "supervisor", "owner")
        rows = self.of("people", entity_id)
        return {r["person_id"] for r in rows if r["role"] in roles and self.stands(r["ended_on"])}

    def person_dishonesty(self, entity_id: str) -> float:
        lists = ("serious_dishonesty", "judgment_defaulter")
        listed = {r["person_id"] for r in self.tables["listings"] if r["kind"] in lists and self.stands(r["ended_on"])}
        people = self.offices(entity_id)
        return len(people & listed) if people else math.nan

    def person_linked_violations(self, entity_id: str) -> float:
        people = self.offices(entity_id)
        linked = [e for e in ENTITIES if e != entity_id and people & self.offices(e)]
        if people and self.p("person_linked_violations", "strength"):
            known = [r for e in linked for r in self.of("inspections", e) if r["failed"] is not None]
            prior = self.industry_rate(self.entity(entity_id)["industry_code"])
            return self.shrunk("person_linked_violations", known, prior, self.result)
        failed = [r for e in linked for r in self.of("inspections", e) if r["failed"]]
        penalties = [r for e in linked for r in self.of("penalties", e)]
        half_life = self.p("person_linked_violations", "half_life_days")
        return self.decayed(failed + penalties, half_life) if people else math.nan

    def merged_complaints(self, entity_id: str) -> float:
        kept, last = [], {}
        for row in sorted(self.of("complaints", entity_id), key=lambda r: r["event_date"]):
            matter = (row["complainant_id"], row["topic"])
            within = self.p("complaint_reports", "repeat_days")
            repeat = matter in last and (row["event_date"] - last[matter]).days <= within
            last[matter] = row["event_date"]
            if row["complainant_id"] is None or not repeat:
                kept.append(row)
        return self.decayed(kept, self.p("complaint_reports", "half_life_days"))

    def complaint_reports(self, entity_id: str) -> float:
        me = self.entity(entity_id)
        peers = [
            self.merged_complaints(e["entity_id"]) for e in self.tables["entities"]
            if (e["industry_code"], e["size"]) == (me["industry_code"], me["size"])
        ]  # fmt: skip
        added = self.p("complaint_reports", "strength")
        return (self.merged_complaints(entity_id) + added) / (math.fsum(peers) / len(peers) + added)

    def sampling_failures(self, entity_id: str) -> float:
        tests, days = self.of("tests", entity_id), self.p("sampling_failures", "look_back_days")
        prior = self.rate(self.tables["tests"], days, lambda row: float(row["failed"]))
        return self.shrunk("sampling_failures", tests, prior, lambda row: float(row["failed"])) if tests else math.nan

    def negative_mentions(self, entity_id: str) -> float:
        least = self.p("negative_mentions", "least_score")
        certain = [r for r in self.of("mentions", entity_id) if r["match_score"] is None or r["match_score"] >= least]
        half_life = self.p("negative_mentions", "half_life_days")
        return self.decayed([r for r in certain if r["sentiment"] == "negative"], half_life)


# ---------------------------------------------------------------------------------------------------------------------
# Random records

# Few distinct days, some of them on the very edges of the look-backs.
_EDGES = [
    AS_OF_DATES[1] - timedelta(days=n) for n in (1, 2, 29, 30, 31, 60, 365, 730, 731, 1095, 1096, 1825, 1826, 3000)
]
days = st.one_of(st.sampled_from(_EDGES), st.dates(date(2014, 1, 1), date(2021, 3, 1)))
after = st.integers(0, 900).map(lambda n: timedelta(days=n))
amounts = st.integers(0, 10**9).map(lambda cents: cents / 100)


@st.composite
def record(draw: st.DrawFn, **columns: st.SearchStrategy[Any]) -> Row:
    """Draw a record: known some days after it happened, one in ten withdrawn later."""
    event_date = draw(days)
    known_at = event_date + timedelta(days=draw(st.sampled_from([0, 1, 1, 5, 200])))
    withdrawn_at = known_at + draw(after) if draw(st.integers(0, 9)) == 0 else None
    row = {name: draw(strategy) for name, strategy in columns.items()}
    return row | {"event_date": event_date, "known_at": known_at, "withdrawn_at": withdrawn_at}


@st.composite
def ending(draw: st.DrawFn, records: st.SearchStrategy[Row], end: str, known_by: str) -> Row:
    """Draw a record that may have ended, and known to have at some later day."""
    row = draw(records)
    if draw(st.booleans()):
        return row | {end: None, known_by: None}
    ended = row["event_date"] + draw(after)
    return row | {end: ended, known_by: max(ended, row["known_at"]) + timedelta(days=draw(st.integers(0, 60)))}


def nullable(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.none(), strategy)


of_entity = st.sampled_from(ENTITIES)
state = record(
    entity_id=of_entity,
    status=st.sampled_from(["active", "active", "active", "revoked"]),
    established_date=nullable(days),
    registered_capital=nullable(amounts),
    size=nullable(st.sampled_from(["micro", "large"])),
    industry_code=nullable(st.sampled_from(["62", "52"])),
    address_key=nullable(st.sampled_from(["road 1", "road 2"])),
)
listings = ending(
    record(
        entity_id=nullable(of_entity),
        person_id=nullable(st.sampled_from(PEOPLE)),
        kind=st.sampled_from(["abnormal_operation", "serious_dishonesty", "judgment_defaulter"]),
    ),
    "ended_on",
    "ended_known_at",
)
offices = ending(
    record(
        entity_id=of_entity,
        person_id=st.sampled_from(PEOPLE),
        role=st.sampled_from(["legal_representative", "director", "supervisor", "owner", "manager"]),
    ),
    "ended_on",
    "ended_known_at",
)
penalties = record(entity_id=of_entity, amount=nullable(amounts)).flatmap(
    lambda row: st.integers(0, 300).map(
        lambda n: row | {"amount_known_at": row["known_at"] + timedelta(days=n) if row["amount"] is not None else None}
    )
)
tables = st.fixed_dictionaries(
    {
        "entities": st.lists(state, max_size=8, unique_by=lambda row: (row["entity_id"], row["known_at"])),
        "licences": st.lists(
            record(
                entity_id=of_entity,
                licence_type=st.sampled_from(["food", "drug"]),
                required=st.booleans(),
                valid_from=days,
                valid_until=nullable(st.dates(date(2005, 1, 1), date(2035, 1, 1))),
            ),
            max_size=8,
        ),
        "annual_reports": st.lists(
            record(
                entity_id=of_entity,
                report_year=st.integers(2016, 2020),
                status=st.sampled_from(["filed", "late", "missed"]),
            ),
            max_size=8,
        ),
        "changes": st.lists(
            record(entity_id=of_entity, field=st.sampled_from(["address", "scope", "name", "capital"])), max_size=8
        ),
        "inspections": st.lists(
            record(
                entity_id=of_entity,
                failed=nullable(st.booleans()),
                severity=nullable(st.sampled_from(["none", "minor", "significant", "crucial"])),
                n_violations=nullable(st.integers(0, 9)),
            ),
            max_size=12,
        ),
        "tests": st.lists(record(entity_id=of_entity, failed=st.booleans()), max_size=8),
        "penalties": st.lists(penalties, max_size=8),
        "listings": st.lists(listings, max_size=10),
        "obligations": st.lists(
            ending(record(entity_id=of_entity, amount=amounts), "settled_on", "settled_known_at"), max_size=6
        ),
        "complaints": st.lists(
            record(
                entity_id=of_entity,
                complainant_id=nullable(st.sampled_from(["X", "Y"])),
                topic=nullable(st.sampled_from(["price", "food"])),
            ),
            max_size=12,
        ),
        "people": st.lists(offices, max_size=12),
        "mentions": st.lists(
            record(
                entity_id=of_entity,
                sentiment=st.sampled_from(["negative", "negative", "positive"]),
                match_score=nullable(st.sampled_from([0.5, 0.8, 0.95])),
            ),
            max_size=6,
        ),
    }
)
# An entity known long before the dates, so that the dates can be answered.
FOUNDER: Row = {
    "entity_id": "E0", "status": "active", "event_date": date(2010, 1, 1), "known_at": date(2010, 1, 2),
    "withdrawn_at": None, "established_date": date(2010, 1, 1), "registered_capital": 10.0, "size": "micro",
    "industry_code": "62", "address_key": "road 1",
}  # fmt: skip


@st.composite
def parameter_values(draw: st.DrawFn) -> Given:
    """Draw values of all parameters: in each of their bounds, at them, or the default."""
    return {
        item.name: {
            name: draw(st.sampled_from([p.default, p.low, p.high, _between(p)]))
            for name, p in item.parameters.items()
            if p.owner in ("", item.name)
        }
        for item in load_catalogue()
        if any(p.owner in ("", item.name) for p in item.parameters.values())
    }


def _between(parameter: Parameter) -> float:
    return type(parameter.default)(0.7 * parameter.low + 0.3 * parameter.high)


def test_the_defaults_written_here_are_those_declared() -> None:
    assert {
        item.name: own
        for item in load_catalogue()
        if (own := {name: p.default for name, p in item.parameters.items() if p.owner in ("", item.name)})
    } == DEFAULTS


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck), phases=WITHOUT_SHRINKING)
@given(drawn=tables)
def test_formulas_agree_with_plain_python(drawn: Tables, write_records: Callable[..., Records]) -> None:
    assert_all_agree(drawn, {}, write_records)


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck), phases=WITHOUT_SHRINKING)
@given(drawn=tables, values=parameter_values())
def test_formulas_agree_with_plain_python_whatever_a_city_declares(
    drawn: Tables, values: Given, write_records: Callable[..., Records]
) -> None:
    assert_all_agree(drawn, values, write_records)


def assert_all_agree(drawn: Tables, given: Given, write_records: Callable[..., Records]) -> None:
    drawn = drawn | {"entities": [FOUNDER, *drawn["entities"]]}

    records = replace(write_records(**drawn), indicator_parameters=given)
    panel = pd.concat(table.to_pandas() for table in build_panel(records, AS_OF_DATES, threads=1))
    alone = next(build_panel(records, AS_OF_DATES[:1], threads=1)).to_pandas()

    assert_as_plain_python(drawn, given, build_matrix(records, AS_OF_DATES, threads=1).to_pandas())
    assert_as_plain_python(drawn, given, panel)
    pd.testing.assert_frame_equal(alone, panel.head(len(alone)), check_exact=True)

    # Half of the entities as of either date, so that the records of the others are left to what asks for them.
    first_day = panel["as_of_date"] == panel["as_of_date"].min()
    some = panel.loc[panel["entity_id"].isin(ENTITIES[::2]) ^ first_day, ["entity_id", "as_of_date"]]
    if len(some):
        of_pairs = pd.concat(table.to_pandas() for table in matrix_for_pairs(records, some))
        assert_as_plain_python(drawn, given, of_pairs, whole=False)


def assert_as_plain_python(drawn: Tables, given: Given, values: pd.DataFrame, whole: bool = True) -> None:
    values = values.assign(as_of_date=pd.to_datetime(values["as_of_date"]))
    for as_of_date in AS_OF_DATES:
        plain = Plain(drawn, as_of_date, given)
        rows = values[values["as_of_date"].dt.date == as_of_date].set_index("entity_id")
        active = sorted(row["entity_id"] for row in plain.tables["entities"])
        assert sorted(rows.index) == active or not whole
        for name in load_catalogue().names:
            expected = {entity_id: float(getattr(plain, name)(entity_id)) for entity_id in rows.index}
            assert dict(rows[name]) == pytest.approx(expected, rel=1e-9, abs=1e-9, nan_ok=True), name


@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
@given(drawn=tables, values=st.one_of(st.just({}), parameter_values()))
def test_spark_agrees_with_plain_python(
    drawn: Tables, values: Given, write_records: Callable[..., Records], spark: Any
) -> None:
    from features.spark import SparkRecords

    drawn = drawn | {"entities": [FOUNDER, *drawn["entities"]]}
    records = write_records(**drawn)

    there = SparkRecords(records.tables, records.records_id, records.n_records, spark, values)
    assert_as_plain_python(drawn, values, build_matrix(there, AS_OF_DATES).to_pandas())
