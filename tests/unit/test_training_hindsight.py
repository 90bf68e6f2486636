"""A city's own card must be older than the tests that it enters; one that is not is told of first."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from data.city import Period, load_city
from serving.tables import study_page, study_table
from training.comparison.trials import comparison_folds
from training.experiment import load_experiment
from training.fitting import Recipe
from training.folds import known_on, temporal_folds
from training.hindsight import card_against, hindsight_said
from training.parameter_study import load_parameter_study

TESTS = ((date(2018, 2, 1), date(2018, 3, 1)), (date(2018, 4, 1),))


def card_of(city, **changes):
    return replace(Recipe.of(city, threads=1).card, **changes)


def test_tests_that_begin_before_a_citys_own_card_holds_are_named():
    city = load_city("toronto")

    def newer_than(valid_from):
        return card_against(city, card_of(city, valid_from=valid_from), TESTS)["newer_than"]

    # A card that holds from the first day of a test knows what was known before that day, as the test's values do.
    assert newer_than("2018-02-01") == []
    assert newer_than("2018-02-02") == ["2018-02-01"]
    assert newer_than("2018-04-02") == ["2018-02-01", "2018-04-01"]


def test_a_period_begins_on_its_first_day():
    city, period = load_city("chicago"), Period(start=date(2013, 3, 3), end=date(2013, 9, 1))

    assert card_against(city, card_of(city, valid_from="2014-09-02"), [period])["newer_than"] == ["2013-03-03"]


def test_the_initial_card_stands_on_no_citys_records():
    city = load_city("synthetic")

    assert Recipe.of(city, threads=1).card.valid_from > "2025-12-31"
    assert card_against(city, Recipe.of(city, threads=1).card, TESTS)["newer_than"] == []


@pytest.mark.parametrize("name", ["toronto", "chicago", "synthetic"])
def test_no_fold_of_a_shipped_city_learns_from_labels_known_before_its_card_holds(name):
    city = load_city(name)
    studies = [load_experiment(f"{name}/tuning")]
    if city.indicators:
        studies.append(load_parameter_study(f"{name}/indicators"))
    windows = [temporal_folds(city, **dict(study.folds)) for study in studies]

    card = card_of(city)

    for fold in (*comparison_folds(city), *(fold for window in windows for fold in window)):
        assert card_against(city, card, [fold.test])["newer_than"] == []
        # Stricter than the warning: no later than the labels that the fold learns from.
        assert city.scale.card is None or date.fromisoformat(card.valid_from) <= known_on(city, fold.train)


def test_a_card_that_is_newer_is_told_of_before_what_a_study_found():
    figure = {"value": 0.7, "low": 0.6, "high": 0.8}
    result = {
        "declared": {"objective": "roc_auc"}, "n_complete": 2, "n_pruned": 0, "folds": [{}], "parameters": {},
        "figures": {"tuned": figure, "present": figure, "difference": figure}, "importance": {},
        "card": {"valid_from": "2018-04-06", "newer_than": ["2018-02-03"]},
    }  # fmt: skip

    (said,) = hindsight_said(result)

    assert said.startswith("**The card is newer than what it is tested on**: it holds from 2018-04-06, and tests begin")
    assert study_page(result, None).startswith(f"{said}\n\n2 trials")
    assert study_table(result).startswith("The card is newer")
    older = result | {"card": {"valid_from": "2018-02-01", "newer_than": []}}
    assert hindsight_said(older) == []
    assert study_page(older, None).startswith("2 trials")
