"""Rivals: what every one of them must do, whatever it is made of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from data.city import load_city
from data.errors import LabelError
from features.catalogue import load_catalogue
from training.calibration import sigmoid
from training.expert_card import REFERENCE, ExpertCard
from training.fitting import Recipe
from training.metrics import roc_auc
from training.rivals import RIVALS
from training.rivals.past_rate import PAST_RATE
from training.rivals.ranges import fit_weights, held, steps
from training.rivals.rival import informative
from training.rows import Rows

NAMES = load_catalogue().names
PENALTIES, PAST, EMPTY = NAMES.index("penalties"), NAMES.index("failed_inspections"), NAMES.index("negative_mentions")
KEEP_DIRECTIONS = ("lightgbm_offset", "lightgbm", "hist_gradient_boosting", "boosted_terms", "reweighted_card")


def some_rows(seed: int, n: int = 800) -> Rows:
    """Rows in which penalties and past failures foretell violations, and nobody has a mention."""
    generator = np.random.default_rng(seed)
    X = np.abs(generator.normal(size=(n, len(NAMES))))
    X[:, PAST] = generator.beta(2, 6, n)
    X = np.where(generator.random(X.shape) < 0.2, np.nan, X)
    X[:, EMPTY] = np.nan
    drive = np.nan_to_num(X[:, PENALTIES]) + 4.0 * np.nan_to_num(X[:, PAST], nan=0.25)
    y = (generator.random(n) < sigmoid(1.5 * drive - 4.0)).astype(np.int8)
    keys = pd.DataFrame({"entity_id": [f"E{i}" for i in range(n)], "as_of_date": pd.Timestamp("2020-01-01")})
    return Rows(X, y, keys, ())


@pytest.fixture(scope="module")
def recipe():
    here = Recipe.of(load_city("synthetic"), threads=1)
    return replace(here, num_boost_round=30, lightgbm={**here.lightgbm, "min_data_in_leaf": 20})


@pytest.fixture(scope="module")
def train():
    return some_rows(1)


@pytest.fixture(scope="module")
def fitted(recipe, train):
    """Every rival that is installed, fitted once."""
    return {rival.name: rival.fit(train, recipe, 3) for rival in RIVALS if rival.is_available}


def of(fitted, rival):
    if rival.name not in fitted:
        pytest.skip(f"{rival.package} is not installed: run `make install-extra`")
    return fitted[rival.name]


@pytest.fixture(params=RIVALS, ids=lambda rival: rival.name)
def rival(request):
    return request.param


def test_a_rival_ranks_rows_that_it_never_saw_better_than_chance(rival, fitted):
    later = some_rows(2)

    assert roc_auc(later.y, of(fitted, rival).raw_score(later.X)) > 0.6


def test_a_rival_answers_where_everything_is_missing(rival, fitted):
    score = of(fitted, rival).raw_score(np.full((2, len(NAMES)), np.nan))

    assert np.isfinite(score).all()
    assert score[0] == score[1]


def test_a_rival_scores_a_row_alike_alone_and_among_others(rival, fitted):
    later = some_rows(2, n=40)
    one = of(fitted, rival)

    alone = [one.raw_score(later.X[i : i + 1])[0] for i in range(10)]

    assert one.raw_score(later.X)[:10] == pytest.approx(alone, abs=1e-9)


def test_a_rival_that_is_fitted_again_on_the_same_rows_says_the_same(rival, fitted, recipe, train):
    again = of(fitted, rival)

    assert rival.fit(train, recipe, 3).raw_score(train.X[:50]) == pytest.approx(again.raw_score(train.X[:50]), abs=1e-9)


def test_a_calibrated_rival_expects_as_many_violations_as_the_later_rows_hold(rival, fitted):
    later = some_rows(3)

    calibrated = of(fitted, rival).calibrated(later)

    assert calibrated.probability(later.X).mean() == pytest.approx(later.y.mean(), abs=1e-5)


def test_a_rival_says_what_it_takes_to_keep_and_how_it_takes_missing_values(rival, fitted):
    assert of(fitted, rival).size_bytes > 100
    assert rival.what
    assert rival.missing


@pytest.mark.parametrize("name", KEEP_DIRECTIONS)
def test_more_penalties_never_lower_the_score_of_a_rival_that_keeps_directions(name, fitted):
    row = np.full((30, len(NAMES)), 0.5)
    row[:, PENALTIES] = np.linspace(0.0, 4.0, 30)

    assert (np.diff(fitted[name].raw_score(row)) >= -1e-9).all()


def test_the_first_rival_is_the_champions_kind_and_names_are_unique():
    assert RIVALS[0].name == "lightgbm_offset"
    assert len({rival.name for rival in RIVALS}) == len(RIVALS) == 12


def test_boundaries_of_the_card_are_passed_in_the_direction_of_risk():
    card, directions = ExpertCard.from_csv(REFERENCE / "expert_card.csv", NAMES), load_catalogue().monotone
    X = np.full((3, len(NAMES)), np.nan)
    X[:, NAMES.index("person_dishonesty")] = [0.0, 1.0, 2.5]
    X[:, NAMES.index("licence_validity")] = [-1e9, np.nan, 1e9]
    at, columns = 0, {}
    for ranges in card.ranges:
        columns[ranges.indicator] = slice(at, at := at + len(ranges.edges) + 1)

    found = steps(card, directions, X)

    assert found[:, columns["person_dishonesty"]].tolist() == [[0, 0, 0], [1, 0, 0], [1, 1, 0]]
    lapsed, unknown, valid = found[:, columns["licence_validity"]]
    assert lapsed[:-1].all()
    assert not lapsed[-1]
    assert unknown.tolist() == [0.0] * (len(unknown) - 1) + [1.0]
    assert not valid.any()
    assert held(card, directions).sum() == found.shape[1] - len(NAMES)


def test_weights_are_those_of_a_logistic_regression_except_where_they_are_held(train):
    columns = np.random.default_rng(0).integers(0, 2, (len(train.y), 2)).astype(np.float64)
    y = (columns @ [2.0, -1.5] + np.random.default_rng(1).logistic(size=len(columns)) > 0).astype(np.int8)
    rows = replace(train, y=y)
    free = fit_weights(columns, np.array([False, False]), rows)
    kept = fit_weights(columns, np.array([True, True]), rows)
    reference = LogisticRegression(C=1.0, tol=1e-8).fit(columns, y)

    assert free == pytest.approx([reference.intercept_[0], *reference.coef_[0]], abs=1e-3)
    assert kept[1] > 0
    assert kept[2] == 0.0


def test_past_rate_refuses_a_city_without_past_inspections(recipe, train):
    X = train.X.copy()
    X[:, PAST] = np.nan

    with pytest.raises(LabelError, match="failed_inspections must have two values"):
        PAST_RATE.fit(replace(train, X=X), recipe, 1)


def test_rows_that_nothing_tells_apart_are_refused():
    with pytest.raises(LabelError, match="none of 3 has"):
        informative(np.full((5, 3), np.nan))
