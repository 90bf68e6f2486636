"""The audit by groups: figures counted by hand, intervals by entities, small and many groups, and what a group adds."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from training.audit import OTHERS, UNKNOWN, audit_groups, cut_at, drawn_at, exact_interval, kinds_of
from training.audit_group_effects import rates_at_equal_probability, what_groups_add
from training.audit_rows import Audited, AuditRows
from training.bootstrap import Interval, interval
from training.metrics import auc_in_order, fast_roc_auc, precision_at


def rows(probability, y, entity_ids=None, **groups):
    ids = [f"E{n}" for n in range(len(y))] if entity_ids is None else entity_ids
    return Audited(
        np.zeros((len(y), 1)), np.array(probability, float), np.array(y, float), np.array(ids, object),
        pd.DataFrame(groups).astype("object") if groups else pd.DataFrame(index=range(len(y))),
    )  # fmt: skip


def audited(everybody, test, n_draws=50, least=1):
    kinds = audit_groups(AuditRows(everybody, test, test), n_draws, least)
    return {kind["name"]: {group["group"]: group for group in kind["groups"]} for kind in kinds}


@pytest.fixture
def two_districts():
    """Twenty entities, 10 in each district; half of north and all of south were inspected."""
    district = ["north"] * 10 + ["south"] * 10
    probability = [0.9, 0.2, 0.2, 0.2, 0.2] + [0.1] * 5 + [0.95] + [0.3] * 9
    y = [1, 1, 0, 0, 0] + [np.nan] * 5 + [0] + [1] * 3 + [0] * 6
    everybody = rows(probability, y, district=district)
    return everybody, everybody.take(everybody.inspected)


def test_figures_of_a_group_are_those_counted_by_hand(two_districts):
    by_district = audited(*two_districts)["district"]
    north, south, everybody = (by_district[name] for name in ("north", "south", "all"))

    def value(group, figure):
        return group["figures"][figure]["value"]

    assert [(g["n"], g["n_labelled"], g["n_violations"]) for g in (north, south, everybody)] == [
        (10, 5, 2), (10, 10, 3), (20, 15, 5),
    ]  # fmt: skip
    assert [value(g, "inspected") for g in (north, south, everybody)] == [0.5, 1.0, 0.75]
    # Ten percent of twenty are the two with 0.95 and 0.9; five percent the one with 0.95, which did not violate.
    assert [value(g, "drawn_10") for g in (north, south, everybody)] == [0.1, 0.1, 0.1]
    assert [value(g, "drawn_5") for g in (north, south)] == [0.0, 0.1]
    assert [value(g, "precision_10") for g in (north, south, everybody)] == [1.0, 0.0, 0.5]
    assert value(south, "false_alarms_10") == pytest.approx(1 / 7)
    assert value(north, "false_alarms_10") == 0.0
    assert value(north, "observed") == pytest.approx(2 / 5)
    assert value(north, "calibration") == pytest.approx(2 / 1.7)
    assert value(north, "roc_auc") == pytest.approx((1 + 0.5) / 2)


def test_what_is_not_defined_is_null_and_nothing_is_against_all_for_all(two_districts):
    by_district = audited(*two_districts)["district"]

    assert by_district["north"]["figures"]["precision_5"]["value"] is None
    assert by_district["all"]["against_all"] is None
    assert by_district["north"]["against_all"]["inspected"]["value"] == pytest.approx(-0.25)


def test_an_interval_holds_the_figure_and_knows_that_rows_of_an_entity_are_one():
    generator = np.random.default_rng(3)
    y, p = (generator.random(400) < 0.3).astype(float), np.full(400, 0.3)
    single = rows(p, y, district=["north"] * 400)
    ids = np.repeat([f"E{n}" for n in range(400)], 4)
    fourfold = rows(np.repeat(p, 4), np.repeat(y, 4), ids, district=["north"] * 1600)

    one, four = (audited(r, r, 300)["district"]["north"]["figures"]["observed"] for r in (single, fourfold))

    assert one["low"] < one["value"] < one["high"]
    assert four["high"] - four["low"] == pytest.approx(one["high"] - one["low"], rel=0.2)
    # The normal interval of a share of 400.
    assert one["high"] - one["low"] == pytest.approx(2 * 1.96 * np.sqrt(0.3 * 0.7 / 400), rel=0.2)


def test_a_disparity_is_taken_on_the_same_draws_and_vanishes_for_a_group_that_is_everybody():
    generator = np.random.default_rng(5)
    everybody = rows(generator.random(200), generator.random(200) < 0.4, district=["north"] * 200)

    less = audited(everybody, everybody)["district"]["north"]["against_all"]

    assert all((one["value"], one["low"], one["high"]) == (0.0, 0.0, 0.0) for one in less.values())


def test_a_figure_of_all_has_the_interval_that_gate_and_card_tell_of_it(two_districts):
    everybody, test = two_districts

    of_all = audited(everybody, test)["district"]["all"]["figures"]

    asked = {"roc_auc": fast_roc_auc, "observed": lambda y, _: float(y.mean())}
    for figure, metric in asked.items():
        told = interval(metric, test.y, test.probability, test.entity_ids.astype(str), n_draws=50)
        assert of_all[figure] == pytest.approx(told.as_json(), abs=1e-12)


def test_none_of_few_is_no_certainty(two_districts):
    """By hand: none of three leaves up to 1 - 0.025^(1/3)."""
    north = audited(*two_districts)["district"]["north"]
    false_alarms = north["figures"]["false_alarms_10"]

    assert (false_alarms["value"], false_alarms["low"]) == (0.0, 0.0)
    assert false_alarms["high"] == pytest.approx(1 - 0.025 ** (1 / 3))
    # Of all, one in ten without a violation is drawn.
    assert north["against_all"]["false_alarms_10"]["high"] == pytest.approx(1 - 0.025 ** (1 / 3) - 0.1)
    assert exact_interval(Interval(1.0, 1.0, 1.0, 50), 5).low == pytest.approx(0.025 ** (1 / 5))


def test_a_group_without_any_violation_may_still_have_some_rate():
    """By hand: none of four leaves up to 1 - 0.025^(1/4), over the mean probability of 0.2."""
    group = rows([0.2] * 4 + [0.2] * 4, [0] * 4 + [1] * 4, district=["north"] * 4 + ["south"] * 4)

    calibration = audited(group, group)["district"]["north"]["figures"]["calibration"]

    assert (calibration["value"], calibration["low"]) == (0.0, 0.0)
    assert calibration["high"] == pytest.approx((1 - 0.025 ** (1 / 4)) / 0.2)


def test_a_group_with_few_violations_is_said_to_be_small(two_districts):
    by_district = audited(*two_districts, least=3)["district"]

    assert (by_district["north"]["is_small"], by_district["south"]["is_small"]) == (True, False)


def test_of_many_groups_the_largest_are_shown_and_the_rest_summed():
    district = pd.Series([f"D{n:02}" for n in range(20) for _ in range(n + 1)] + [None] * 3, dtype="object")
    frame = pd.DataFrame({"district": district})

    (kind,) = kinds_of(frame, frame, most=4)

    assert kind.names == ("D16", "D17", "D18", "D19", OTHERS, UNKNOWN)
    assert kind.n_others == 16
    assert np.bincount(kind.labelled).tolist() == [17, 18, 19, 20, sum(range(1, 17)), 3]


def test_a_kind_that_only_the_inspected_have_says_nothing_of_who_is_inspected(two_districts):
    everybody, test = two_districts
    inspector = ["blue"] * 5 + ["green"] * 10
    test = rows(test.probability, test.y, test.entity_ids, inspector=inspector)

    by_inspector = audited(everybody, test)["inspector"]

    assert "inspected" not in by_inspector["blue"]["figures"]
    assert by_inspector["blue"]["n"] == by_inspector["blue"]["n_labelled"] == 5
    assert by_inspector["blue"]["figures"]["drawn_10"]["value"] == pytest.approx(1 / 5)


def test_ties_at_the_cut_are_drawn_by_their_share_so_that_the_capacity_holds_exactly():
    probability = np.array([0.9, 0.5, 0.5, 0.5, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1])
    drawn = drawn_at(probability, cut_at(probability, 30))

    assert drawn.tolist() == pytest.approx([1, 2 / 3, 2 / 3, 2 / 3, 0, 0, 0, 0, 0, 0])
    y = np.array([1, 1, 0, 0, 1, 0, 0, 0, 0, 0], dtype=np.int8)
    assert (drawn * y).sum() / drawn.sum() == pytest.approx(precision_at(y, probability, 30))


def test_a_weighted_auc_is_that_of_repeated_rows():
    generator = np.random.default_rng(1)
    y, score = generator.integers(0, 2, 60).astype(np.int8), np.round(generator.random(60), 1)
    times = generator.integers(0, 4, 60)

    found = auc_in_order(y.astype(float), np.unique(score, return_inverse=True)[1], times.astype(float))

    assert found == pytest.approx(fast_roc_auc(np.repeat(y, times), np.repeat(score, times)))


@pytest.fixture
def two_inspectors():
    """Rows whose probability is right on average, and whose second inspector finds three times as much as the first."""
    generator = np.random.default_rng(11)
    p = generator.uniform(0.1, 0.3, 4000)
    strict = generator.random(4000) < 0.5
    y = generator.random(4000) < p * np.where(strict, 1.5, 0.5)
    return rows(p, y, inspector=np.where(strict, "strict", "mild"))


def test_who_inspects_adds_to_the_ranking_where_some_find_more_at_equal_probability(two_inspectors):
    first, second = two_inspectors.take(np.arange(4000) < 2000), two_inspectors.take(np.arange(4000) >= 2000)

    added = what_groups_add(first, second, "inspector", 50)
    rates = rates_at_equal_probability(second, "inspector", 50)

    assert added["difference"]["low"] > 0.05
    assert added["with_group"]["value"] - added["roc_auc"]["value"] == pytest.approx(added["difference"]["value"])
    assert len(rates) == 6
    assert sum(one["n"] for one in rates) == 2000
    strict, mild = ([one for one in rates if one["group"] == group] for group in ("strict", "mild"))
    assert all(s["rate"]["value"] > 2 * m["rate"]["value"] for s, m in zip(strict, mild, strict=True))
    assert all(s["predicted"] == pytest.approx(m["predicted"], abs=0.01) for s, m in zip(strict, mild, strict=True))


def test_a_group_that_says_nothing_adds_nothing(two_inspectors):
    generator = np.random.default_rng(2)
    two_inspectors.groups["inspector"] = np.where(generator.random(4000) < 0.5, "left", "right")
    first, second = two_inspectors.take(np.arange(4000) < 2000), two_inspectors.take(np.arange(4000) >= 2000)

    added = what_groups_add(first, second, "inspector", 50)["difference"]

    assert added["low"] <= 0.005
    assert abs(added["value"]) < 0.02


def test_one_group_alone_adds_nothing_that_could_be_measured(two_inspectors):
    two_inspectors.groups["inspector"] = "one"

    assert what_groups_add(two_inspectors, two_inspectors, "inspector", 10) is None
