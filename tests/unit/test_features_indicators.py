"""Each indicator against values worked out by hand, as of 1 January 2021."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest

from data.records import Records
from features.catalogue import Catalogue, load_catalogue
from features.matrix import build_matrix

AS_OF_DATE = date(2021, 1, 1)

Row = dict[str, Any]
ValuesOf = Callable[..., dict[str, float]]


def days_before(days: int) -> date:
    return AS_OF_DATE - timedelta(days=days)


def entity(entity_id: str, **columns: Any) -> Row:
    return {"entity_id": entity_id, "event_date": date(2010, 1, 1)} | columns


def inspection(entity_id: str, days: int, failed: bool | None) -> Row:
    return {"entity_id": entity_id, "event_date": days_before(days), "failed": failed}


@pytest.fixture
def values_of(write_records: Callable[..., Records]) -> ValuesOf:
    """Return the values of one indicator by entity; entities A and B are there unless the test names its own."""

    def values(name: str, **tables: list[Row]) -> dict[str, float]:
        records = write_records(**{"entities": [entity("A"), entity("B")]} | tables)
        matrix = build_matrix(records, [AS_OF_DATE], Catalogue((load_catalogue()[name],)), threads=1)
        return dict(matrix.to_pandas().set_index("entity_id")[name])

    return values


def test_registered_capital_is_that_of_the_latest_known_state(values_of: ValuesOf) -> None:
    raised = entity("A", registered_capital=900.0, event_date=days_before(400))
    known_too_late = entity("A", registered_capital=7.0, event_date=days_before(5), known_at=AS_OF_DATE)

    found = values_of(
        "registered_capital",
        entities=[entity("A", registered_capital=100.0), raised, known_too_late, entity("B")],
    )

    assert found["A"] == 900.0
    assert math.isnan(found["B"])


def test_an_entity_that_is_no_longer_active_has_no_row_and_one_whose_deletion_was_revoked_has(
    values_of: ValuesOf,
) -> None:
    deleted = {"status": "deregistered", "event_date": days_before(100)}

    found = values_of(
        "registered_capital",
        entities=[
            entity("A"),
            entity("A", **deleted),
            entity("B", registered_capital=5.0),
            entity("B", **deleted, withdrawn_at=days_before(1)),
        ],
    )

    assert found == {"B": 5.0}


def test_industry_category_is_shrunk_to_the_overall_rate_with_fifty_inspections(values_of: ValuesOf) -> None:
    # given: 1 of 2 failed in restaurants, 0 of 2 elsewhere, one inspection too old, one without result; overall 1/4
    found = values_of(
        "industry_category",
        entities=[
            entity("A", industry_code="62"),
            entity("B", industry_code="52"),
            entity("C", industry_code="99"),
            entity("D"),
        ],
        inspections=[
            inspection("A", 10, True),
            inspection("A", 20, False),
            inspection("A", 1096, True),
            inspection("A", 30, None),
            inspection("B", 30, False),
            inspection("D", 40, False),
        ],
    )

    assert found["A"] == pytest.approx((1 + 50 * 0.25) / 52)
    assert found["B"] == pytest.approx((0 + 50 * 0.25) / 51)
    assert found["C"] == pytest.approx(0.25)
    assert math.isnan(found["D"])


def test_industry_category_is_missing_where_nobody_was_inspected(values_of: ValuesOf) -> None:
    found = values_of("industry_category", entities=[entity("A", industry_code="62")], inspections=[])

    assert math.isnan(found["A"])


def test_years_in_operation_are_counted_in_days_and_never_negative(values_of: ValuesOf) -> None:
    found = values_of(
        "years_in_operation",
        entities=[
            entity("A", established_date=date(2017, 1, 1)),
            entity("B", established_date=date(2021, 6, 1)),
            entity("C"),
        ],
    )

    assert found["A"] == pytest.approx(4.0)
    assert found["B"] == 0.0
    assert math.isnan(found["C"])


def test_address_sharing_counts_active_entities_and_the_entity_itself(values_of: ValuesOf) -> None:
    closed = entity("D", address_key="road 1", status="revoked")

    found = values_of(
        "address_sharing",
        entities=[
            entity("A", address_key="road 1"),
            entity("B", address_key="road 1"),
            entity("C", address_key="road 2"),
            closed,
            entity("E"),
            entity("F"),
        ],
    )

    assert (found["A"], found["B"], found["C"]) == (2.0, 2.0, 1.0)
    assert math.isnan(found["E"])


def licence(entity_id: str, kind: str, days_left: int | None, **columns: Any) -> Row:
    until = None if days_left is None else AS_OF_DATE + timedelta(days=days_left)
    return {
        "entity_id": entity_id, "licence_type": kind, "valid_until": until, "valid_from": date(2015, 1, 1),
        "event_date": date(2015, 1, 1), "required": True,
    } | columns  # fmt: skip


def test_licence_validity_is_that_of_the_first_kind_to_lapse_after_renewals(values_of: ValuesOf) -> None:
    found = values_of(
        "licence_validity",
        licences=[
            licence("A", "food", -30),
            licence("A", "food", 335),
            licence("A", "drug", 700),
            licence("A", "sign", -900, required=False),
            licence("B", "food", -12),
            licence("B", "drug", None),
        ],
    )

    assert found == {"A": 335.0, "B": -12.0}


def test_licence_validity_is_held_within_ten_years_and_a_licence_without_end_counts_as_ten(values_of: ValuesOf) -> None:
    found = values_of(
        "licence_validity",
        entities=[entity("A"), entity("B"), entity("C"), entity("D")],
        licences=[
            licence("A", "food", None),
            licence("B", "food", 9000),
            licence("C", "food", -5000),
            licence("D", "sign", 5, required=False),
        ],
    )

    assert (found["A"], found["B"], found["C"]) == (3650.0, 3650.0, -3650.0)
    assert math.isnan(found["D"])


def test_annual_report_lapses_count_years_once_and_reports_filed_as_none(values_of: ValuesOf) -> None:
    def report(entity_id: str, year: int, status: str, days: int) -> Row:
        return {"entity_id": entity_id, "report_year": year, "status": status, "event_date": days_before(days)}

    found = values_of(
        "annual_report_lapses",
        entities=[entity("A"), entity("B"), entity("C")],
        annual_reports=[
            report("A", 2018, "missed", 500),
            report("A", 2018, "late", 400),
            report("A", 2019, "late", 100),
            report("A", 2016, "missed", 1096),
            report("B", 2019, "filed", 200),
            report("C", 2016, "missed", 1096),
        ],
    )

    assert (found["A"], found["B"]) == (2.0, 0.0)
    assert math.isnan(found["C"])


def test_registration_changes_count_only_what_makes_another_entity_of_it(values_of: ValuesOf) -> None:
    def change(field: str, days: int) -> Row:
        return {"entity_id": "A", "field": field, "event_date": days_before(days)}

    found = values_of(
        "registration_changes",
        changes=[change("address", 10), change("name", 730), change("scope", 731), change("capital", 5)],
    )

    assert found == {"A": 2.0, "B": 0.0}


def listing(entity_id: str | None, kind: str, days: int, ended: int | None = None, **columns: Any) -> Row:
    ended_on = None if ended is None else days_before(ended)
    return {"entity_id": entity_id, "kind": kind, "event_date": days_before(days), "ended_on": ended_on} | columns


def test_abnormal_listing_counts_no_day_twice_and_a_standing_listing_up_to_the_date(values_of: ValuesOf) -> None:
    found = values_of(
        "abnormal_listing",
        entities=[entity("A"), entity("B"), entity("C"), entity("D")],
        listings=[
            # 300 to 100 days ago and, within and beyond it, 250 to 50: 250 days
            listing("A", "abnormal_operation", 300, 100),
            listing("A", "abnormal_operation", 250, 50),
            listing("A", "abnormal_operation", 280, 270),
            # begun before the three years, standing
            listing("B", "abnormal_operation", 3000),
            # its end was learned on the very day: it stands as far as known
            listing("C", "abnormal_operation", 90, 40, ended_known_at=AS_OF_DATE),
            listing("D", "serious_dishonesty", 90),
            listing(None, "abnormal_operation", 90, person_id="P"),
        ],
    )

    assert found == {"A": 250.0, "B": 1095.0, "C": 90.0, "D": 0.0}


def test_serious_dishonesty_halves_two_years_after_its_end_and_is_gone_after_five(values_of: ValuesOf) -> None:
    found = values_of(
        "serious_dishonesty",
        entities=[entity("A"), entity("B"), entity("C")],
        listings=[
            listing("A", "serious_dishonesty", 3000),
            listing("A", "serious_dishonesty", 2000, 730),
            listing("B", "serious_dishonesty", 3000, 1826),
            listing("C", "serious_dishonesty", 3000, 1825),
        ],
    )

    assert found["A"] == pytest.approx(1.5)
    assert found["B"] == 0.0
    assert found["C"] == pytest.approx(0.5**2.5)


def test_unpaid_obligations_are_outstanding_until_the_settlement_is_known(values_of: ValuesOf) -> None:
    def obligation(amount: float, settled: int | None, **columns: Any) -> Row:
        settled_on = None if settled is None else days_before(settled)
        return {
            "entity_id": "A", "amount": amount, "settled_on": settled_on, "event_date": days_before(500)
        } | columns  # fmt: skip

    found = values_of(
        "unpaid_obligations",
        obligations=[
            obligation(100.25, None),
            obligation(1000.0, 30),
            obligation(50.5, 30, settled_known_at=AS_OF_DATE),
        ],
    )

    assert found == {"A": 150.75, "B": 0.0}


def test_a_penalty_counts_half_after_two_years(values_of: ValuesOf) -> None:
    penalties = [{"entity_id": "A", "event_date": days_before(days)} for days in (730, 1460)]

    found = values_of("penalties", penalties=penalties)

    assert found["A"] == pytest.approx(0.75, abs=1e-11)
    assert found["B"] == 0.0


def test_a_withdrawn_penalty_counts_until_the_withdrawal_was_known(values_of: ValuesOf) -> None:
    def penalty(entity_id: str, withdrawn_at: date) -> Row:
        return {"entity_id": entity_id, "event_date": days_before(730), "withdrawn_at": withdrawn_at}

    found = values_of("penalties", penalties=[penalty("A", AS_OF_DATE), penalty("B", days_before(1))])

    assert found["A"] == pytest.approx(0.5, abs=1e-11)
    assert found["B"] == 0.0


def test_penalty_amount_leaves_out_old_ones_and_fines_set_later(values_of: ValuesOf) -> None:
    def penalty(amount: float | None, days: int, **columns: Any) -> Row:
        return {"entity_id": "A", "amount": amount, "event_date": days_before(days)} | columns

    found = values_of(
        "penalty_amount",
        penalties=[
            penalty(200.0, 100),
            penalty(0.1, 1095),
            penalty(1e6, 1096),
            penalty(None, 50),
            penalty(5000.0, 60, amount_known_at=AS_OF_DATE),
        ],
    )

    assert found == {"A": 200.1, "B": 0.0}


def test_failed_inspections_decay_over_a_year_and_lean_on_the_industry(values_of: ValuesOf) -> None:
    # given: no industry, so the prior is the overall rate of 3 years: 1 of 3
    found = values_of(
        "failed_inspections",
        entities=[entity("A"), entity("B"), entity("C")],
        inspections=[
            inspection("A", 365, True),
            inspection("A", 730, False),
            inspection("B", 365, False),
            inspection("C", 10, None),
        ],
    )

    assert found["A"] == pytest.approx((0.5 + 2 / 3) / (0.75 + 2))
    assert found["B"] == pytest.approx((0.0 + 2 / 3) / (0.5 + 2))
    assert math.isnan(found["C"])


def test_inspections_before_the_look_back_tell_no_rate_where_nobody_was_inspected_in_it(values_of: ValuesOf) -> None:
    old = [inspection("A", 1460, True), inspection("A", 1825, False)]

    assert math.isnan(values_of("failed_inspections", inspections=old)["A"])
    passed = values_of("failed_inspections", inspections=[*old, inspection("A", 365, False)])
    assert passed["A"] == pytest.approx((1 / 16 + 2 * 0.0) / (1 / 2 + 1 / 16 + 1 / 32 + 2))


def office(entity_id: str, person_id: str, role: str = "director", **columns: Any) -> Row:
    return {"entity_id": entity_id, "person_id": person_id, "role": role, "event_date": date(2015, 1, 1)} | columns


def test_person_dishonesty_counts_people_in_office_on_a_standing_list(values_of: ValuesOf) -> None:
    found = values_of(
        "person_dishonesty",
        entities=[entity("A"), entity("B"), entity("C")],
        people=[
            office("A", "P1"),
            office("A", "P1", "owner"),
            office("A", "P2", "supervisor"),
            office("A", "P3", "manager"),
            office("A", "P4", ended_on=days_before(10)),
            office("B", "P5"),
            office("C", "P1", "other"),
        ],
        listings=[
            listing(None, "serious_dishonesty", 50, person_id="P1"),
            listing(None, "judgment_defaulter", 40, person_id="P1"),
            listing(None, "judgment_defaulter", 40, person_id="P2"),
            listing(None, "judgment_defaulter", 40, person_id="P3"),
            listing(None, "judgment_defaulter", 40, person_id="P4"),
            listing(None, "serious_dishonesty", 400, 5, person_id="P5"),
            listing("B", "serious_dishonesty", 40),
        ],
    )

    assert (found["A"], found["B"]) == (2.0, 0.0)
    assert math.isnan(found["C"])


def test_person_linked_violations_count_each_other_entity_once_and_never_the_own(values_of: ValuesOf) -> None:
    # given: A and B share two people, A and C one, D runs alone, E is closed and was A's supervisor's
    found = values_of(
        "person_linked_violations",
        entities=[entity(name) for name in "ABCDF"] + [entity("E", status="revoked")],
        people=[
            office("A", "P1"),
            office("A", "P2", "owner"),
            office("B", "P1"),
            office("B", "P2"),
            office("C", "P1"),
            office("D", "P4"),
            office("E", "P2", "supervisor"),
        ],
        penalties=[
            {"entity_id": "A", "event_date": days_before(730)},
            {"entity_id": "B", "event_date": days_before(730)},
            {"entity_id": "D", "event_date": days_before(730)},
            {"entity_id": "E", "event_date": days_before(1460)},
        ],
        inspections=[inspection("B", 730, True), inspection("C", 730, False), inspection("F", 5, True)],
    )

    # violations: A 0.5, B 1.0, C 0, D 0.5, E 0.25
    assert found["A"] == pytest.approx(1.0 + 0.25)
    assert found["B"] == pytest.approx(0.5 + 0.25)
    assert found["C"] == pytest.approx(0.5 + 1.0)
    assert found["D"] == 0.0
    assert math.isnan(found["F"])


def test_person_linked_violations_need_only_one_kind_of_violation(values_of: ValuesOf) -> None:
    found = values_of(
        "person_linked_violations",
        people=[office("A", "P1"), office("B", "P1")],
        penalties=[{"entity_id": "A", "event_date": days_before(730)}],
    )

    assert found == {"A": 0.0, "B": pytest.approx(0.5)}


def complaint(entity_id: str, days: int, who: str | None = None, topic: str | None = "price") -> Row:
    return {"entity_id": entity_id, "event_date": days_before(days), "complainant_id": who, "topic": topic}


def test_complaint_reports_merge_repeats_and_compare_with_peers(values_of: ValuesOf) -> None:
    # given: A and B are peers; A has 2 complaints of a year ago (3 more are repeats), B none
    found = values_of(
        "complaint_reports",
        entities=[
            entity("A", industry_code="62", size="micro"),
            entity("B", industry_code="62", size="micro"),
            entity("C", industry_code="62", size="large"),
        ],
        complaints=[
            complaint("A", 365, "X"),
            complaint("A", 365, "X"),
            complaint("A", 335, "X"),
            complaint("A", 310, "X"),
            complaint("A", 365, "X", topic="food"),
        ],
    )

    assert found["A"] == pytest.approx((1.0 + 1) / (0.5 + 1))
    assert found["B"] == pytest.approx((0.0 + 1) / (0.5 + 1))
    assert found["C"] == 1.0


def test_complaints_of_the_unknown_and_after_a_month_are_no_repeats(values_of: ValuesOf) -> None:
    found = values_of(
        "complaint_reports",
        entities=[entity("A"), entity("B"), entity("C")],
        complaints=[
            complaint("A", 365),
            complaint("A", 365),
            complaint("B", 396, "X"),
            complaint("B", 365, "X"),
        ],
    )

    own_b = 0.5 + 0.5 ** (396 / 365)
    mean = (1.0 + own_b + 0.0) / 3
    assert found["A"] == pytest.approx(2 / (mean + 1))
    assert found["B"] == pytest.approx((own_b + 1) / (mean + 1))
    assert found["C"] == pytest.approx(1 / (mean + 1))


def test_sampling_failures_lean_on_the_rate_of_all_tests(values_of: ValuesOf) -> None:
    def sample(entity_id: str, days: int, failed: bool) -> Row:
        return {"entity_id": entity_id, "event_date": days_before(days), "failed": failed}

    found = values_of(
        "sampling_failures",
        entities=[entity("A"), entity("B"), entity("C")],
        tests=[sample("A", 365, True), sample("A", 730, False), sample("B", 365, False), sample("B", 365, False)],
    )

    assert found["A"] == pytest.approx((0.5 + 5 * 0.25) / (0.75 + 5))
    assert found["B"] == pytest.approx((0.0 + 5 * 0.25) / (1.0 + 5))
    assert math.isnan(found["C"])


def test_negative_mentions_leave_out_other_tones_and_doubtful_matches(values_of: ValuesOf) -> None:
    def mention(sentiment: str, days: int, match_score: float | None) -> Row:
        return {
            "entity_id": "A", "sentiment": sentiment, "event_date": days_before(days), "match_score": match_score
        }  # fmt: skip

    found = values_of(
        "negative_mentions",
        mentions=[
            mention("negative", 180, None),
            mention("negative", 360, 0.8),
            mention("negative", 1, 0.79),
            mention("positive", 1, None),
        ],
    )

    assert found["A"] == pytest.approx(0.75, abs=1e-11)
    assert found["B"] == 0.0
