"""Monitoring: what is expected equals what was published and what came true, and nothing known later is looked at."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.isotonic import IsotonicRegression

from data.city import Cohort, load_city
from features.drift.acceptance import Acceptance
from training.bootstrap import Interval
from training.monitoring.adversarial import told_apart
from training.monitoring.estimation import FIGURES, expectation, expected_figures, realised
from training.monitoring.evidence import as_trained
from training.monitoring.findings import EXIT_CODES, Finding, fallen, level_above, worst
from training.monitoring.outcomes import (
    Outcomes,
    difference_of_rates,
    inversions,
    labels_known_until,
    outcomes_of,
    rate_with_interval,
    rates_of,
)
from training.monitoring.performance import held_against
from training.monitoring.shift import findings_of_shift, shift_of, shift_of_points

PUBLISHED = Path(__file__).parents[1] / "published" / "nannyml_car_loan.csv"
"""NannyML's synthetic car loan example (Apache 2.0), counted by score: how often it stands in each chunk of 5,000."""

# NannyML's documentation, tutorial "Estimating Standard Performance Metrics - Binary Classification": roc_auc by chunk.
PUBLISHED_AUC = (
    0.970744, 0.971011, 0.971407, 0.971091, 0.971123, 0.961090, 0.961825, 0.961073, 0.962533, 0.961316
)  # fmt: skip

AS_OF = date(2020, 1, 1)


@pytest.fixture
def city(write_city):
    """A city with a horizon of 90 days, and results taken as known a day after it."""
    return load_city(str(write_city()))


def test_the_expected_auc_is_the_one_that_nannyml_published_for_its_example():
    counts = pd.read_csv(PUBLISHED)
    # As there: scores are calibrated by isotonic regression on the reference period.
    rate = counts["reference_repaid"] / counts["reference"]
    calibration = IsotonicRegression().fit(counts["score"], rate, sample_weight=counts["reference"])
    probability = calibration.predict(counts["score"])

    found = [
        expected_figures(probability, counts[f"chunk_{chunk}"].to_numpy(np.float64), 10.0)["roc_auc"]
        for chunk in range(10)
    ]

    assert found == pytest.approx(PUBLISHED_AUC, abs=5e-7)


def test_expected_figures_of_three_rows_are_those_worked_out_by_hand():
    # Probabilities 0.8, 0.5, 0.1: 1.4 violations and 1.6 without. Pairs in the right order: 0.8 x (0.5 + 0.9) and
    # 0.5 x 0.9, and half of each row's own pair: 0.8 x 0.2, 0.5 x 0.5, 0.1 x 0.9.
    found = expected_figures(np.array([0.8, 0.5, 0.1]), np.ones(3), capacity_percent=100 / 3)

    assert found["roc_auc"] == pytest.approx((1.12 + 0.45 + 0.25) / (1.4 * 1.6))
    assert found["brier_score"] == pytest.approx((0.16 + 0.25 + 0.09) / 3)
    assert found["precision_at_capacity"] == pytest.approx(0.8)
    assert found["violation_rate"] == pytest.approx(1.4 / 3)


@pytest.mark.parametrize("seed", range(2))
def test_what_comes_true_of_calibrated_probabilities_lies_near_what_was_expected(seed):
    generator = np.random.default_rng(seed)
    probability, chance = generator.beta(1, 6, 6_000), generator.uniform(0.05, 0.6, 6_000)
    inspected = generator.random(6_000) < chance
    y = (generator.random(6_000) < probability).astype(np.int8)[inspected]

    expected = expectation(probability, chance, 10.0, n_draws=60)
    came_true = realised(y, probability[inspected], 10.0)

    for name in FIGURES:
        width = expected[name].high - expected[name].low
        assert abs(expected[name].value - came_true[name]) < width
        assert expected[name].low < expected[name].value < expected[name].high


def test_the_interval_of_what_is_expected_holds_about_95_of_100_truths():
    generator = np.random.default_rng(7)
    probability = generator.beta(1, 6, 1_000)
    expected = expectation(probability, np.ones(1_000), 10.0, n_draws=200)["roc_auc"]

    truths = [
        realised((generator.random(1_000) < probability).astype(np.int8), probability, 10.0)["roc_auc"]
        for _ in range(200)
    ]

    assert 0.90 <= np.mean([expected.low <= truth <= expected.high for truth in truths]) <= 0.99


def test_probabilities_that_no_longer_hold_fall_outside_the_interval():
    generator = np.random.default_rng(3)
    probability = generator.beta(1, 6, 4_000)
    y = (generator.random(4_000) < np.minimum(2 * probability, 1)).astype(np.int8)

    expected = expectation(probability, np.ones(4_000), 10.0, n_draws=50)

    assert realised(y, probability, 10.0)["violation_rate"] > expected["violation_rate"].high


def test_violations_where_hardly_any_was_promised_are_missed_though_no_auc_was_promised(city):
    # given: 60 of 300 violate, and 0.03 were to be expected
    probability, ids = np.linspace(1e-4, 1e-4 + 1e-9, 300), np.arange(300).astype(str).astype(object)
    y = (np.arange(300) % 5 == 0).astype(np.int8)
    outcomes = Outcomes(y, ids, probability, np.full(300, "A"))
    before = expectation(probability, np.ones(300), 10.0, n_draws=100)

    figures, findings = held_against(city, outcomes, before)

    assert [(f.subject, f.measured) for f in findings] == [("violation_rate", 0.2)]
    assert findings[0].limit <= 1 / 300
    assert figures["roc_auc"]["of_these"]["low"] is None


def test_those_who_are_hardly_inspected_hardly_count():
    probability = np.array([0.9, 0.1, 0.2])

    found = expected_figures(probability, np.array([1e-9, 1.0, 1.0]), 10.0)

    assert found["violation_rate"] == pytest.approx(0.15)


def test_the_interval_of_a_difference_of_rates_is_newcombes():
    # Newcombe (Statistics in Medicine 17, 1998), table II, column (a): 56 of 70 less 48 of 80, method 10.
    found = difference_of_rates(rate_with_interval(56, 70), rate_with_interval(48, 80))

    assert (found.value, found.low, found.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)


def rates(**counts):
    """Rates by grade from (violations, labels)."""
    return [
        {"grade": grade, "n": n, "n_violations": k, "rate": rate_with_interval(k, n).as_json()}
        for grade, (k, n) in counts.items()
    ]


def test_an_order_that_breaks_beyond_chance_is_an_alarm_and_within_chance_a_notice():
    held = rates(A=(10, 400), B=(40, 400), C=(80, 400), D=(120, 400))
    by_chance = rates(A=(10, 400), B=(42, 400), C=(40, 400), D=(120, 400))
    broken = rates(A=(10, 400), B=(120, 400), C=(40, 400), D=(130, 400))

    assert list(inversions(held, 50)) == []
    assert [(f.level, f.subject) for f in inversions(by_chance, 50)] == [("notice", "B C")]
    assert [(f.level, f.subject) for f in inversions(broken, 50)] == [("alarm", "B C")]


def test_rates_that_sink_step_by_step_within_chance_are_caught_over_two_steps():
    sinking = rates(A=(60, 300), B=(48, 300), C=(36, 300))

    found = {finding.subject: finding.level for finding in inversions(sinking, 50)}

    assert found == {"A B": "notice", "B C": "notice", "A C": "alarm"}


def test_a_grade_with_few_labels_is_not_judged():
    assert list(inversions(rates(A=(20, 49), B=(0, 400)), 50)) == []


def entities(n):
    """Register entries known long before the as-of date."""
    return [{"entity_id": f"E{number}", "event_date": date(2015, 1, 1)} for number in range(n)]


def test_outcomes_use_only_what_was_known_when_the_label_was_cut(write_records, city):
    visits = [
        {"entity_id": "E0", "event_date": date(2020, 1, 10), "failed": False},
        {"entity_id": "E1", "event_date": date(2020, 2, 10), "failed": True},
    ]
    later = [
        # Known after the label was cut; and after the window.
        {"entity_id": "E0", "event_date": date(2020, 2, 1), "failed": True, "known_at": date(2020, 6, 1)},
        {"entity_id": "E2", "event_date": date(2020, 4, 20), "failed": True},
    ]
    grades = pd.DataFrame({"entity_id": ["E0", "E1", "E2"], "probability": [0.1, 0.6, 0.3], "grade": ["A", "C", "B"]})
    found = [
        outcomes_of(city, write_records(entities=entities(3), inspections=rows), AS_OF, grades, 1)
        for rows in (visits, visits + later)
    ]

    for outcomes in found:
        assert outcomes.entity_ids.tolist() == ["E0", "E1"]
        assert outcomes.y.tolist() == [0, 1]
        assert outcomes.probability.tolist() == [0.1, 0.6]
    assert [row["n_violations"] for row in rates_of(found[0], ("A", "B", "C"))] == [0, 0, 1]


def test_where_the_cohort_is_of_inspections_the_first_one_after_the_grading_counts(write_records, city):
    cohort = city.cohort.model_copy(update={"kind": "inspection", "inspection_types": ("routine",)})
    city = city.model_copy(update={"cohort": cohort})
    visit = {"entity_id": "E0", "inspection_type": "routine"}
    visits = [
        {**visit, "event_date": date(2020, 2, 1), "failed": True},
        {**visit, "event_date": date(2020, 1, 5), "failed": False},
        {**visit, "event_date": date(2020, 1, 3), "failed": True, "inspection_type": "complaint"},
    ]
    grades = pd.DataFrame({"entity_id": ["E0"], "probability": [0.5], "grade": ["C"]})

    found = outcomes_of(city, write_records(entities=entities(1), inspections=visits), AS_OF, grades, 1)

    assert found.y.tolist() == [0]


def test_a_cohort_of_inspections_is_judged_over_the_window_that_is_declared_for_monitoring(write_records, city):
    cohort = city.cohort.model_copy(update={"kind": "inspection", "inspection_types": ("routine",)})
    label = city.label.model_copy(update={"horizon_days": 1})
    city = city.model_copy(update={"cohort": cohort, "label": label})
    visits = [
        {"entity_id": f"E{n}", "inspection_type": "routine", "event_date": AS_OF + timedelta(days=n), "failed": True}
        for n in range(4)
    ]
    records = write_records(entities=entities(4), inspections=visits)
    grades = pd.DataFrame({"entity_id": [f"E{n}" for n in range(4)], "probability": 0.5, "grade": "C"})

    by_days = {}
    for days in (None, 3):
        monitoring = city.monitoring.model_copy(update={"window_days": days})
        declared = city.model_copy(update={"monitoring": monitoring})
        by_days[days] = outcomes_of(declared, records, AS_OF, grades, 1).entity_ids.tolist()
        assert declared.monitoring_lag == timedelta(days=(days or 1) + 1)

    assert by_days == {None: ["E0"], 3: ["E0", "E1", "E2"]}


def test_a_champion_of_entities_waits_for_its_label_window_though_the_city_now_counts_inspections(city):
    now = city.model_copy(
        update={
            "cohort": Cohort(kind="inspection", inspection_types=("routine",)),
            "monitoring": city.monitoring.model_copy(update={"window_days": 3}),
        }
    )

    trained = as_trained(now, {"cohort": {"kind": "entity"}})

    assert (now.monitoring_days, trained.monitoring_days) == (3, 90)


def test_labels_reach_no_further_than_the_records_and_the_day(write_records, city):
    visits = [{"entity_id": "E0", "event_date": date(2020, 5, 1), "failed": True}]
    records = write_records(entities=entities(1), inspections=visits)
    open_ended = city.model_copy(update={"sources": city.sources.model_copy(update={"taken_on": None})})

    assert labels_known_until(city, records, date(2030, 1, 1)) == date(2021, 1, 1)
    assert labels_known_until(open_ended, records, date(2030, 1, 1)) == date(2020, 5, 3)
    assert labels_known_until(open_ended, records, date(2020, 2, 1)) == date(2020, 2, 1)


def test_what_has_not_moved_is_quiet_and_what_has_rings():
    generator = np.random.default_rng(1)
    then, same, far = (generator.normal(at, size=3_000) for at in (0.0, 0.0, 1.0))
    then[:300], same[:300] = np.nan, np.nan

    quiet, alarm = (shift_of(then, now, 0.1, 0.25) for now in (same, far))

    assert quiet["level"] == "quiet"
    assert (alarm["level"], alarm["missing_then"], alarm["missing_now"]) == ("alarm", 0.1, 0.0)


def test_a_shift_that_chance_explains_is_quiet_whatever_its_psi():
    generator = np.random.default_rng(1)
    found = shift_of(generator.normal(size=30), generator.normal(size=30), 0.1, 0.25)

    assert found["psi"] > 0.1
    assert found["level"] == "quiet"


def test_points_have_the_limits_of_the_city(city):
    generator = np.random.default_rng(1)
    then, now = generator.normal(500, 100, 4_000), generator.normal(540, 100, 4_000)
    strict = city.model_copy(update={"monitoring": city.monitoring.model_copy(update={"points_psi": 0.12})})

    assert shift_of_points(then, now, city)["level"] == "notice"
    assert shift_of_points(then, now, strict)["level"] == "alarm"


def test_an_accepted_drift_is_a_notice_and_a_larger_one_rings_all_the_same(city):
    def accepted(measured, who):
        return Acceptance(AS_OF, "psi:penalties", measured, who, "A new law.", "2020-01-02")

    def found(psi, *given):
        one = {"name": "penalties", "psi": psi, "limit": 0.25, "level": "alarm"}
        (finding,) = findings_of_shift({"level": "quiet"}, [one], city, given)
        return finding.level, finding.accepted_by

    small, large = accepted(0.3, "Li"), accepted(0.9, "Wang")
    assert found(0.3, small) == ("notice", "Li")
    assert found(0.8, small) == ("alarm", "")
    # Any acceptance that is large enough counts, wherever it stands.
    assert found(0.8, small, large) == found(0.8, large, small) == ("notice", "Wang")
    assert found(9.0, accepted(None, "city.toml's")) == ("notice", "city.toml's")


def test_rows_of_one_kind_are_not_told_apart_and_moved_ones_are_by_what_moved():
    generator = np.random.default_rng(5)
    then, same = generator.normal(size=(2, 1_500, 3))
    moved = same + np.array([0.0, 1.5, 0.0])
    ids = np.arange(1_500)

    alike, apart = (told_apart(then, ids, now, ids, ("a", "b", "c"), 50, 1) for now in (same, moved))

    assert alike["roc_auc"]["low"] < 0.5 < alike["roc_auc"]["high"]
    assert apart["roc_auc"]["low"] > 0.8
    assert apart["by"][0]["name"] == "b"
    assert apart["by"][0]["alone"] > 0.8


def test_entities_that_stay_as_they_are_are_not_recognised():
    # Each entity has a value of its own, the same on both sides: who learned it on one side must not gain by it.
    own = np.random.default_rng(2).normal(size=(800, 1))
    found = told_apart(own, np.arange(800), own, np.arange(800), ("own",), 50, 1)

    assert found["roc_auc"]["low"] <= 0.5 <= found["roc_auc"]["high"]


def test_a_rate_that_is_estimated_anew_every_day_is_no_time_stamp():
    # 20 industries, whose rates all move in the third digit from one date to the other.
    generator = np.random.default_rng(4)
    rates, industry = generator.uniform(0.1, 0.4, 20), generator.integers(0, 20, 1_500)
    then, now = rates[industry], (rates * generator.uniform(0.998, 1.002, 20))[industry]

    found = told_apart(then[:, None], np.arange(1_500), now[:, None], np.arange(1_500), ("rate",), 50, 1)

    assert found["roc_auc"]["value"] < 0.53


def test_too_few_entities_are_not_told_apart():
    assert told_apart(np.zeros((4, 1)), np.arange(4), np.zeros((9, 1)), np.arange(9), ("a",), 5, 1) is None


def test_the_gravest_finding_decides_the_exit_code():
    notice, alarm = (Finding(level, "missed", "roc_auc", 0.6, 0.7) for level in ("notice", "alarm"))

    assert [EXIT_CODES[worst(found)] for found in ([], [notice], [notice, alarm])] == [0, 18, 19]


def test_a_fall_is_an_alarm_only_beyond_its_limit_and_beyond_chance():
    def level(value, high):
        return fallen(Interval(value, value - 0.02, high, 100), 0.70, 0.02, 0.05)

    assert level(0.69, 0.71) == "quiet"
    assert level(0.67, 0.69) == "notice"
    assert level(0.63, 0.71) == "notice"
    assert level(0.63, 0.65) == "alarm"
    assert [level_above(value, 0.1, 0.2) for value in (0.05, 0.1, 0.2)] == ["quiet", "notice", "alarm"]
