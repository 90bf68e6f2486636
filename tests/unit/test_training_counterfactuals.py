"""What would change the grade: every way is true when scored, possible, and asks for no more than another one."""

from __future__ import annotations

import dataclasses
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from features.catalogue import load_catalogue
from features.matrix import build_matrix
from training.counterfactuals import MARGIN_POINTS, MOST_ACTS, MOST_WAYS, WAITS_DAYS, later, what_would_change
from training.expert_card import CutPoints

CATALOGUE = load_catalogue()
NAMES = CATALOGUE.names
AS_OF_DATE = date(2021, 1, 1)
TOLD = ("years_in_operation", "licence_validity", "penalties", "negative_mentions", "person_linked_violations")
"""Indicators whose value alone tells what it will be."""


def row_of(**values):
    """Return a row of 18 values, NaN but for those named."""
    return np.array([values.get(name, np.nan) for name in NAMES])


def days_before(days):
    return AS_OF_DATE - timedelta(days=days)


def with_cut_points(model, *from_points):
    return dataclasses.replace(model, cut_points=CutPoints(("A", "B", "C", "D"), from_points, "2021-01-01", "test"))


@st.composite
def rows(draw):
    """Draw rows of values within their bounds, some missing."""
    values = []
    for item in CATALOGUE:
        low = 0.0 if item.minimum is None else item.minimum
        high = {"registered_capital": 1e7, "unpaid_obligations": 1e6}.get(item.name, item.maximum or 20.0)
        values.append(draw(st.one_of(st.just(np.nan), st.just(low), st.floats(low, high))))
    return np.array(values)


@given(row=rows(), place=st.integers(0, 3))
@hypothesis_settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_way_reaches_the_grade_when_scored_and_asks_for_nothing_impossible(graded_city, row, place):
    points = float(graded_city.model.score(row[np.newaxis]).points[0])
    # Cut points around the row's own points, so that each grade comes up; a way must bridge 15 of them.
    cuts = np.array([0.0, 5.0, 10.0, 15.0]) + max(points - 15.0 + 5.0 * place, 1.0) * np.array([0, 1, 1, 1])
    model = with_cut_points(graded_city.model, *cuts)

    outlook = what_would_change(model, CATALOGUE, row)

    grades = model.cut_points.grades
    if outlook.grade == grades[0]:
        assert (outlook.next_grade, outlook.ways, outlook.best) == (None, (), None)
        return
    assert grades.index(outlook.next_grade) == grades.index(outlook.grade) - 1
    assert len(outlook.ways) <= MOST_WAYS
    for way in outlook.ways:
        scored = model.score(way.row[np.newaxis])
        assert scored.points[0] == way.points < outlook.below_points - MARGIN_POINTS
        assert scored.grade[0] == way.grade <= outlook.next_grade
    for way in [*outlook.ways, *([outlook.best] if outlook.best else [])]:
        assert_possible(way, row)
    if outlook.target:
        assert_earned(outlook, model, row)
    assert not (outlook.ways and outlook.best)
    if outlook.best:
        assert outlook.best.points < outlook.points


def assert_earned(outlook, model, row):
    """Score the row with the target's value alone, and with a tenth of a percent more."""
    target, at = outlook.target, NAMES.index("failed_inspections")
    expected = row.copy()
    expected[at] = target.after
    np.testing.assert_array_equal(target.row, expected)
    scored = model.score(target.row[np.newaxis])
    assert scored.points[0] == target.points < outlook.below_points - MARGIN_POINTS
    assert scored.grade[0] == target.grade
    assert row[NAMES.index("industry_category")] / 4 <= target.after < target.before == row[at]
    if target.after + 0.001 < target.before:
        more = expected.copy()
        more[at] += 0.001
        assert model.score(more[np.newaxis]).points[0] >= outlook.below_points - MARGIN_POINTS


def assert_possible(way, row):
    """Rework the end of a way from its acts and its wait, and hold every act against its declaration."""
    assert way.wait_days in WAITS_DAYS
    assert len(way.acts) <= MOST_ACTS
    acted = row.copy()
    for act in way.acts:
        item = CATALOGUE[act.indicator]
        assert act.before == row[NAMES.index(act.indicator)]
        assert act.after in [min(v, item.maximum or v) for v in item.remedy.outcomes(act.before, way.wait_days)]
        assert (act.before - act.after) * item.monotone > 0
        acted[NAMES.index(act.indicator)] = act.after
        for name, added in item.remedy.moves:
            acted[NAMES.index(name)] += added
    assert not way.wait_days or not way.row[NAMES.index("licence_validity")] < 0, "no licence is left to lapse"
    expected = later(CATALOGUE, acted[np.newaxis], way.wait_days)[0] if way.wait_days else acted
    np.testing.assert_array_equal(way.row, expected)
    assert (np.isnan(way.row) == np.isnan(row)).all()
    declared = {act.indicator for act in way.acts}
    for item, before, after in zip(CATALOGUE, row, way.row, strict=True):
        if item.name in ("registered_capital", "industry_category", "complaint_reports", "sampling_failures"):
            assert after == before or np.isnan(before)
        if item.name in ("penalties", "negative_mentions") and before > 0:
            assert after > 0, "records age and do not vanish"
        if item.remedy is None and not way.wait_days and item.name != "registration_changes":
            assert after == before or np.isnan(before)
        if item.name == "licence_validity" and item.name not in declared and not np.isnan(before):
            assert after == max(before - way.wait_days, item.minimum)


@given(row=rows())
@hypothesis_settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_way_asks_for_all_that_another_asks_for_and_more(graded_city, row):
    model = with_cut_points(graded_city.model, 0.0, 1.0, 2.0, float(what_points(graded_city.model, row)) or 3.0)

    ways = what_would_change(model, CATALOGUE, row).ways

    assert [way.effort for way in ways] == sorted(way.effort for way in ways)
    for one in ways:
        for other in ways:
            same = one is not other and one.wait_days <= other.wait_days
            assert not (
                same
                and {a.indicator: a.after for a in one.acts}.items()
                <= {a.indicator: a.after for a in other.acts}.items()
            )


def what_points(model, row):
    return max(model.score(row[np.newaxis]).points[0], 3.0)


@pytest.fixture
def card_model(graded_city):
    """Return the experts' card alone, a hundred log-odds of it a point each, so that sums can be done by hand."""
    model = dataclasses.replace(graded_city.model, kind="expert_card", booster=None)
    offset = dataclasses.replace(model.offset, alpha=0.0, slope=0.01)
    scale = dataclasses.replace(model.scale, offset=0.0, factor=100.0)
    model = dataclasses.replace(model, offset=offset, scale=scale, platt=(0.0, 1.0))
    return with_cut_points(model, 0.0, 150.0, 200.0, 250.0)


NEUTRAL = 15 + 15 + 12 + 5 + 15 + 10 + 5 + 5 + 2 + 3 + 5 + 2 + 20 + 3 + 3 + 15 + 8 + 2
"""Points of a row of which nothing is known."""


def test_renewing_a_lapsed_licence_is_enough_where_its_points_are(card_model):
    row = row_of(licence_validity=-10.0)

    outlook = what_would_change(card_model, CATALOGUE, row)

    # Lapsed gives 60 points, a year or more 0, unknown 15: 190 is grade B, 130 is grade A.
    assert NEUTRAL == 145
    assert outlook.points == pytest.approx(190.0)
    assert (outlook.grade, outlook.next_grade, outlook.below_points) == ("B", "A", 150.0)
    easiest = outlook.ways[0]
    assert [(act.indicator, act.before, act.after) for act in easiest.acts] == [("licence_validity", -10.0, 365.0)]
    assert (easiest.wait_days, easiest.effort, easiest.grade) == (0, 1.0, "A")
    assert easiest.points == pytest.approx(130.0)
    # Every other way would ask for a renewal too, and for more.
    assert len(outlook.ways) == 1


@pytest.mark.parametrize(("days_left", "opens_after_days"), [(170.0, 0), (200.0, 90), (500.0, 365), (1000.0, 1096)])
def test_a_licence_is_renewed_when_it_is_due_and_for_a_term_from_its_last_day(days_left, opens_after_days):
    remedy = CATALOGUE["licence_validity"].remedy

    opens = [days for days in WAITS_DAYS if remedy.outcomes(days_left, days)]

    assert opens == [days for days in WAITS_DAYS if days >= opens_after_days]
    assert remedy.outcomes(days_left, 1096) == (days_left + 365, days_left + 1095, days_left + 1825)
    assert remedy.outcomes(-40.0, 0) == (365.0, 1095.0, 1825.0)


def test_nobody_waits_with_a_licence_that_lapses(card_model):
    outlook = what_would_change(card_model, CATALOGUE, row_of(penalties=1.6, licence_validity=80.0))

    # 145 - 5 + 70 - 15 + 25 = 220, grade C from 200. The penalties come to 50 points in 90 days, but by then the
    # licence has lapsed: the wait is told with a renewal only.
    assert outlook.points == pytest.approx(220.0)
    assert outlook.ways
    for way in outlook.ways:
        if way.wait_days:
            assert [act.indicator for act in way.acts] == ["licence_validity"]


def test_a_move_costs_a_change_of_the_register_entry(card_model):
    row = row_of(address_sharing=150.0, registration_changes=0.0)

    outlook = what_would_change(card_model, CATALOGUE, row)

    # 145 + 40 - 5 - 5 = 175; at its own address 0 for 40, and one change 6 for 0.
    assert outlook.points == pytest.approx(175.0)
    move = next(way for way in outlook.ways if not way.wait_days)
    assert move.points == pytest.approx(141.0)
    assert {change.indicator: change.after for change in move.values} == {
        "address_sharing": 1.0,
        "registration_changes": 1.0,
    }


def test_penalties_fade_and_time_runs_for_the_licence_too(card_model):
    row = row_of(penalties=1.6, licence_validity=400.0, years_in_operation=2.5)

    outlook = what_would_change(card_model, CATALOGUE, row)

    # 145 - 5 + 70 - 15 + 0 - 12 + 22 = 205, grade C. After 90 days the penalties are 1.47 (50 points) and the licence
    # has 310 days left (10 points): 195.
    assert outlook.points == pytest.approx(205.0)
    waiting = next(way for way in outlook.ways if not way.acts)
    assert waiting.wait_days == 90
    assert waiting.points == pytest.approx(195.0)
    values = {change.indicator: change.after for change in waiting.values}
    assert values["penalties"] == pytest.approx(1.6 * 0.5 ** (90 / 730))
    assert values["licence_validity"] == 310.0
    assert values["years_in_operation"] == pytest.approx(2.5 + 90 / 365.25)


def test_the_best_grade_has_nothing_to_reach(card_model):
    outlook = what_would_change(card_model, CATALOGUE, row_of())

    assert (outlook.grade, outlook.next_grade, outlook.below_points) == ("A", None, None)
    assert outlook.ways == ()
    assert outlook.best is None


def test_where_nothing_reaches_the_next_grade_the_fewest_points_are_told(card_model):
    # A dishonesty listing in force, capital, trade and complaints are beyond the entity; its licence is not enough.
    row = row_of(serious_dishonesty=1.0, industry_category=0.5, complaint_reports=9.0, licence_validity=20.0)

    outlook = what_would_change(card_model, CATALOGUE, row)

    # 145 + 88 + 35 + 65 + 30 = 363, grade D from 250; with the licence renewed 318.
    assert (outlook.grade, outlook.next_grade) == ("D", "C")
    assert outlook.ways == ()
    assert [act.indicator for act in outlook.best.acts] == ["licence_validity"]
    assert outlook.best.points == pytest.approx(318.0)
    assert outlook.best.wait_days == 0


def test_where_nothing_lowers_the_points_there_is_no_best(card_model):
    row = row_of(serious_dishonesty=2.0, industry_category=0.5, complaint_reports=9.0)

    outlook = what_would_change(card_model, CATALOGUE, row)

    assert outlook.ways == ()
    assert outlook.best is None


def test_passed_inspections_are_told_with_the_rate_that_reaches_the_grade(card_model):
    outlook = what_would_change(card_model, CATALOGUE, row_of(failed_inspections=0.4, industry_category=0.2))

    # 145 - 15 + 40 for the industry, - 20 + 65 for the rate: 215, grade C from 200. A rate from 20% gives 50 points,
    # which is 200 and not below; one from 10% gives 30.
    assert (outlook.points, outlook.next_grade) == (pytest.approx(215.0), "B")
    target = outlook.target
    assert (target.indicator, target.before, target.after) == ("failed_inspections", 0.4, 0.199)
    assert (target.points, target.grade) == (pytest.approx(180.0), "B")


@pytest.mark.parametrize(
    "values",
    [
        {"failed_inspections": 0.4},
        {"industry_category": 0.3},
        # A quarter of the industry's rate is the least that six passed inspections bring.
        {"failed_inspections": 0.1, "industry_category": 0.5},
    ],
)
def test_no_rate_is_told_where_none_is_known_or_none_can_be_earned(card_model, values):
    model = with_cut_points(card_model, 0.0, 1.0, 2.0, 3.0)

    assert what_would_change(model, CATALOGUE, row_of(**values)).target is None


def test_the_worst_grade_may_be_left_by_several_steps_together(card_model):
    row = row_of(
        licence_validity=-5.0, unpaid_obligations=2e5, person_dishonesty=2.0, registered_capital=5e4, penalties=0.3
    )

    outlook = what_would_change(card_model, CATALOGUE, row)

    # 145 + 45 + 37 + 47 + 15 + 25 = 314: 60 for the licence and 40 for the arrears bring 214, below 250.
    assert outlook.grade == "D"
    assert outlook.points == pytest.approx(314.0)
    assert {act.indicator for act in outlook.ways[0].acts} == {"licence_validity", "unpaid_obligations"}
    assert outlook.ways[0].points == pytest.approx(214.0)


@pytest.mark.parametrize("days", WAITS_DAYS[1:])
def test_time_does_what_is_declared_and_is_never_kinder_than_the_records(write_records, days):
    day = timedelta(days=1)
    entities = [
        {"entity_id": name, "event_date": date(2010, 1, 1), "established_date": days_before(age), "industry_code": "52"}
        for name, age in (("A", 800), ("B", 3000), ("C", -30))
    ]

    def of(entity_id, age, **columns):
        return {"entity_id": entity_id, "event_date": days_before(age)} | columns

    records = write_records(
        entities=entities,
        penalties=[of("A", 20, amount=500.0), of("A", 700, amount=90.0), of("B", 1500, amount=7.0)],
        mentions=[of("A", 3, sentiment="negative"), of("B", 200, sentiment="negative")],
        changes=[of("A", 2, field="address"), of("B", 600, field="name")],
        annual_reports=[
            of("A", 100, report_year=2019, status="late"),
            of("B", 100, report_year=2019, status="filed"),
            of("B", 500, report_year=2018, status="missed"),
        ],
        inspections=[
            of("A", 40, failed=True),
            of("A", 10, failed=False),
            of("B", 30, failed=False),
            of("B", 300, failed=False),
            of("C", 30, failed=True),
        ],
        listings=[
            of("A", 500, kind="abnormal_operation", ended_on=days_before(300)),
            of("A", 900, kind="serious_dishonesty", ended_on=days_before(400)),
            of("B", 900, kind="serious_dishonesty"),
        ],
        licences=[of("A", 100, required=True, valid_until=AS_OF_DATE + 200 * day, licence_type="food")],
        people=[
            of("A", 2000, person_id="p", role="director"),
            of("B", 2000, person_id="p", role="owner"),
        ],
    )
    then = AS_OF_DATE + timedelta(days=days)

    matrix = build_matrix(records, [AS_OF_DATE, then], CATALOGUE, threads=1).to_pandas().set_index("entity_id")
    dated = [matrix[matrix["as_of_date"].astype(str) == str(d)].sort_index() for d in (AS_OF_DATE, then)]
    before, true = (part[list(NAMES)].to_numpy(np.float64, na_value=np.nan) for part in dated)
    told = later(CATALOGUE, before, days)

    for at, item in enumerate(CATALOGUE):
        known = ~np.isnan(before[:, at]) & ~np.isnan(true[:, at])
        if item.name in TOLD:
            # An entity that begins after the date has 0 years, and is taken to have them still.
            known &= before[:, at] != 0
            np.testing.assert_allclose(told[known, at], true[known, at], rtol=1e-9, err_msg=item.name)
        # Rates of everybody are taken to stay: after three years in which nobody at all is inspected there is none.
        if item.name == "industry_category" or (item.name == "failed_inspections" and days > 3 * 365):
            continue
        kinder = (told[known, at] - true[known, at]) * item.monotone < -1e-9
        assert not kinder.any(), (item.name, told[:, at], true[:, at])
    assert np.isfinite(before[:, [NAMES.index(name) for name in TOLD]]).any(axis=0).all()


def test_what_is_declared_stays_within_the_bounds_and_names_indicators():
    for item in CATALOGUE:
        if item.ageing.no_better_than:
            assert item.ageing.no_better_than in NAMES
        for name, _ in item.remedy.moves if item.remedy else ():
            assert name in NAMES
        for value in item.remedy.outcomes(0.0, 0) if item.remedy else ():
            assert item.minimum is None or value >= item.minimum
            assert item.maximum is None or value <= item.maximum


def test_what_can_be_done_is_no_part_of_the_hash_of_the_catalogue():
    without = dataclasses.replace(CATALOGUE, indicators=tuple(dataclasses.replace(i, remedy=None) for i in CATALOGUE))

    assert without.hash == CATALOGUE.hash


@given(row=rows(), below=st.floats(1.0, 60.0))
@hypothesis_settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_plan_with_less_effort_reaches_the_grade(graded_city, row, below):
    points = what_points(graded_city.model, row)
    model = with_cut_points(graded_city.model, 0.0, max(points - below, 1.0) / 2, max(points - below, 1.0), points)

    outlook = what_would_change(model, CATALOGUE, row)

    if outlook.next_grade is None:
        return
    plans = list(plans_by_hand(row))
    reached = model.score(np.array([end for end, _ in plans])).points
    efforts = [effort for (_, effort), p in zip(plans, reached, strict=True) if p < outlook.below_points - 1e-6]
    assert bool(efforts) == bool(outlook.ways)
    if efforts:
        assert outlook.ways[0].effort == pytest.approx(min(efforts))
    else:
        fewest = min(reached, default=np.inf)
        told = outlook.best.points if outlook.best else outlook.points
        assert told == pytest.approx(min(fewest, outlook.points), abs=1e-5)


def plans_by_hand(row):
    """Yield the end and the effort of every plan, written out for the four remedies there are."""
    now = dict(zip(NAMES, row, strict=True))
    for days in WAITS_DAYS:
        left = now["licence_validity"]
        terms = (365.0, 1095.0, 1825.0) if left - days <= 180 else ()
        licences = [left, *(min(max(left, 0.0) + term, 3650.0) for term in terms)]
        addresses = [now["address_sharing"], 1.0] if now["address_sharing"] > 1 else [now["address_sharing"]]
        debts = [now["unpaid_obligations"], 0.0] if now["unpaid_obligations"] > 0 else [now["unpaid_obligations"]]
        persons = [now["person_dishonesty"], 0.0] if now["person_dishonesty"] > 0 else [now["person_dishonesty"]]
        for at in np.ndindex(len(licences), len(debts), len(persons), len(addresses)):
            acts = [place > 0 for place in at]
            if sum(acts) > 3 or not (days or any(acts)):
                continue
            end = now | {
                "licence_validity": licences[at[0]],
                "unpaid_obligations": debts[at[1]],
                "person_dishonesty": persons[at[2]],
                "address_sharing": addresses[at[3]],
                "registration_changes": now["registration_changes"] + acts[3],
            }
            values = np.array([[end[name] for name in NAMES]])
            values = later(CATALOGUE, values, days) if days else values
            if not (days and values[0, NAMES.index("licence_validity")] < 0):
                yield values[0], np.dot(acts, (1.0, 2.0, 3.0, 4.0)) + days / 90
