"""The gate: what is worse is refused by name, what leaks is caught, what is too small to judge is said to be so."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest

from data.gate import Gate
from features.catalogue import load_catalogue
from training.additive import AdditiveModel, ExpertOffset
from training.calibration import fit_logistic
from training.expert_card import REFERENCE, CutPoints, ExpertCard
from training.gate import judge, label_likeness
from training.gate_table import NOT_JUDGED, PASSED, REFUSED, Evidence, passes
from training.model import expected_f
from training.scale import Scale

NAMES = load_catalogue().names
N = 3_000
FEW_DRAWS = Gate(draws=20)


def city_rows(seed):
    generator = np.random.default_rng(seed)
    X = np.abs(generator.normal(scale=3.0, size=(N, len(NAMES))))
    X = np.where(generator.random(X.shape) < 0.2, np.nan, X)
    risk = np.nan_to_num(X[:, NAMES.index("penalties")]) - np.nan_to_num(X[:, NAMES.index("registered_capital")]) / 2
    return X, (risk + generator.normal(scale=2.0, size=N) > 3).astype(np.int8)


def fitted(labels_seed=None, kind="lightgbm"):
    """Return a model of the rows; with a seed, of labels that were shuffled."""
    X, y = city_rows(1)
    if labels_seed is not None:
        y = np.random.default_rng(labels_seed).permutation(y)
    card = ExpertCard.from_csv(REFERENCE / "expert_card.csv", NAMES)
    points = card.points(X)
    offset = ExpertOffset(0.0, 0.0, tuple(points.mean(axis=0)))
    booster, expected = None, 0.0
    if kind == "expert_card":
        offset = ExpertOffset(*fit_logistic(points.sum(axis=1), y), offset.mean_card)
    else:
        data = lgb.Dataset(X, label=y, feature_name=list(NAMES))
        settings = {"objective": "binary", "verbosity": -1, "num_leaves": 8, "seed": 1, "num_threads": 1}
        booster = lgb.Booster(model_str=lgb.train(settings, data, 20).model_to_string())
        expected = expected_f(booster, len(NAMES))
    cut_points = CutPoints.from_csv(REFERENCE / "cut_points.csv")
    model = AdditiveModel(kind, NAMES, card, cut_points, offset, (0.0, 1.0), None, booster, expected)
    raw = model.raw_score(X)
    model = dataclasses.replace(model, platt=fit_logistic(raw, y))
    low, high = np.quantile(model.log_odds(X), [0.3, 0.8])
    factor = float((cut_points.outermost[1] - cut_points.outermost[0]) / (high - low))
    return dataclasses.replace(model, scale=Scale(cut_points.outermost[0] - factor * float(low), factor))


GOOD, CARD = fitted(), fitted(kind="expert_card")


def evidence(challenger=GOOD, champion=GOOD, X=None, groups=None):
    rows, y = city_rows(2)
    groups = pd.DataFrame({"district": ["东", "西"] * (N // 2)}) if groups is None else groups
    return Evidence(rows if X is None else X, y, np.arange(N) // 2, groups, challenger, CARD, champion)


def verdicts(rows):
    return {f"{row.what}, against {row.against}" if row.against else row.what: row.verdict for row in rows}


def figures(rows):
    """All numbers of the lines that compare."""
    names = ("challenger", "champion", "card", "difference", "low", "high")
    found = [getattr(row, name) for row in rows if row.against for name in names]
    return [number for number in found if number is not None]


def refused(rows):
    return {name for name, verdict in verdicts(rows).items() if verdict == REFUSED}


def test_a_challenger_like_the_champion_passes_everywhere():
    rows = judge(evidence(), FEW_DRAWS)

    assert passes(rows)
    assert verdicts(rows)["AUC, against champion"] == PASSED
    (auc,) = [row for row in rows if row.what == "AUC" and row.against == "champion"]
    assert (auc.difference, auc.low, auc.high) == (0.0, 0.0, 0.0)
    (auc,) = [row for row in rows if row.what == "AUC" and row.against == "card"]
    assert auc.low < auc.difference < auc.high
    assert auc.challenger - auc.card == pytest.approx(auc.difference)


def test_a_challenger_that_learned_nothing_is_refused_against_champion_card_and_in_every_group():
    rows = judge(evidence(challenger=fitted(labels_seed=3)), FEW_DRAWS)

    assert not passes(rows)
    assert {"AUC, against champion", "AUC, against card", "Brier score, against champion",
            "Precision at 5%, against champion", "Precision at 10%, against card",
            "AUC, district 东, against champion", "AUC, district 西, against champion"} <= refused(rows)  # fmt: skip


def test_a_row_of_weight_two_counts_as_two_rows():
    plain = evidence(challenger=fitted(labels_seed=3))
    times = np.random.default_rng(8).integers(1, 3, N)
    at = np.repeat(np.arange(N), times)
    repeated = dataclasses.replace(
        plain, X=plain.X[at], y=plain.y[at], entity_ids=plain.entity_ids[at],
        groups=plain.groups.iloc[at].reset_index(drop=True),
    )  # fmt: skip

    weighed = judge(dataclasses.replace(plain, weight=times.astype(float)), FEW_DRAWS)

    expected = judge(repeated, FEW_DRAWS)
    told = "Rows stand for everybody, by weights"
    assert verdicts(weighed) == {told: PASSED} | verdicts(expected)
    assert figures(weighed) == pytest.approx(figures(expected))
    assert figures(weighed) != pytest.approx(figures(judge(plain, FEW_DRAWS)))


def test_the_difference_decides_to_the_tolerance_and_not_beyond():
    rows = judge(evidence(challenger=CARD), FEW_DRAWS)
    (auc,) = [row for row in rows if row.what == "AUC" and row.against == "champion"]

    for tolerance, verdict in ((-auc.difference + 1e-9, PASSED), (-auc.difference - 1e-9, REFUSED)):
        again = judge(evidence(challenger=CARD), Gate(draws=2, roc_auc=tolerance))
        assert verdicts(again)["AUC, against champion"] == verdict


def test_a_challenger_with_shifted_probabilities_is_refused_by_its_calibration_alone():
    a, b = GOOD.platt
    shifted = dataclasses.replace(GOOD, platt=(a + 1.0, b))

    rows = judge(evidence(challenger=shifted), FEW_DRAWS)

    assert refused(rows) == {
        "Brier score, against champion", "Calibration error, against champion", "Calibration error, against card",
        "Calibration gap, district 东, against champion", "Calibration gap, district 西, against champion",
    }  # fmt: skip


def test_grades_that_do_not_rise_with_the_risk_are_refused():
    upside_down = dataclasses.replace(GOOD, scale=dataclasses.replace(GOOD.scale, factor=-GOOD.scale.factor))

    assert "Violation rates rise with the grade" in refused(judge(evidence(challenger=upside_down), FEW_DRAWS))


def test_one_group_that_loses_is_refused_though_the_whole_does_not():
    rows, y = city_rows(2)
    challenger = fitted(labels_seed=3)
    # The rows on which the challenger ranks violations low.
    low = (challenger.raw_score(rows) < np.median(challenger.raw_score(rows))) == (y == 1)
    groups = pd.DataFrame({"district": np.where(low, "worse", "better")})

    found = refused(judge(evidence(challenger=challenger, groups=groups), Gate(draws=5, roc_auc=1.0)))

    assert "AUC, district worse, against champion" in found
    assert "AUC, against champion" not in found


def test_a_group_with_too_few_labels_is_said_to_be_not_judged():
    groups = pd.DataFrame({"district": ["东"] * (N - 60) + ["少"] * 60, "size": [None] * N})

    rows = {row.what: row for row in judge(evidence(groups=groups), FEW_DRAWS)}

    assert rows["district"].verdict == NOT_JUDGED
    assert rows["district"].said == "fewer than 50 violations, or 50 without: 少"
    assert rows["size"].said == "the city's records do not say it"


def test_without_a_champion_the_groups_are_held_against_the_card():
    rows = judge(evidence(champion=None), FEW_DRAWS)

    assert {row.against for row in rows if row.against} == {"card"}
    assert "AUC, district 东, against card" in verdicts(rows)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_an_indicator_built_from_the_label_is_caught(sign):
    X, y = city_rows(2)
    X[:, NAMES.index("negative_mentions")] = sign * y + np.random.default_rng(5).normal(scale=0.2, size=N)

    rows = judge(evidence(X=X), FEW_DRAWS)

    (row,) = [row for row in rows if row.verdict == REFUSED and "single indicator" in row.what]
    assert row.challenger > 0.99
    assert row.said == "made from the label, or from what is known only after it: negative_mentions"


def test_an_indicator_that_is_missing_just_where_nothing_was_found_is_caught():
    X, y = city_rows(2)

    assert label_likeness(np.where(y == 1, np.nan_to_num(X[:, 0]), np.nan), y) == 1.0
    assert label_likeness(np.full(N, np.nan), y) == 0.5
    assert label_likeness(np.nan_to_num(X[:, 0]), y) < 0.7


def test_explanations_that_are_off_are_refused():
    wrong = dataclasses.replace(GOOD)
    right = GOOD.tables.shap_values
    wrong.__dict__["tables"] = SimpleNamespace(shap_values=lambda values: right(values) + 1e-6)

    assert refused(judge(evidence(challenger=wrong), FEW_DRAWS)) == {
        "Explanations add up, largest error", "Explanations are TreeSHAP, largest error",
    }  # fmt: skip
