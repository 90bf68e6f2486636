"""What predicts being inspected but not violating is found where it was planted, and nothing else is."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from training.audit_rows import Audited
from training.audit_selection import VIOLATING_NOT_VISITED, VISITED_NOT_VIOLATING, columns_of, selection_effects

NAMES = ("size", "failures", "arrears", "noise", "complaints")


def chance(log_odds, generator):
    return generator.random(len(log_odds)) < 1 / (1 + np.exp(-log_odds))


@pytest.fixture(scope="module")
def planted():
    """Size draws inspectors alone, failures draw both, arrears go with violations alone, noise with nothing.

    Where complaints are not known, inspectors come more often.
    """
    generator = np.random.default_rng(8)
    X = generator.normal(size=(4000, 5))
    X[:, 3] = np.where(X[:, 3] > 0, X[:, 3], 0.0)
    unknown = generator.random(4000) < 0.3
    X[unknown, 4] = np.nan
    inspected = chance(0.8 * X[:, 0] + 0.7 * X[:, 1] + 0.8 * unknown - 0.3, generator)
    y = np.where(inspected, chance(0.7 * X[:, 1] + 0.9 * X[:, 2] - 0.5, generator), np.nan)
    ids = np.array([f"E{n}" for n in range(4000)], dtype=object)
    return Audited(X, np.full(4000, 0.3), y, ids, pd.DataFrame(index=range(4000)))


@pytest.fixture(scope="module")
def found(planted):
    return selection_effects(planted, NAMES, 60)


def of(found, name, is_missing=False):
    return next(one for one in found["effects"] if (one["indicators"], one["is_missing"]) == ([name], is_missing))


def test_what_was_planted_is_named_and_nothing_else(found):
    verdicts = {(*one["indicators"], one["is_missing"]): one["verdict"] for one in found["effects"]}

    assert verdicts == {
        ("size", False): VISITED_NOT_VIOLATING,
        ("complaints", True): VISITED_NOT_VIOLATING,
        ("arrears", False): VIOLATING_NOT_VISITED,
        ("failures", False): "",
        ("noise", False): "",
        ("complaints", False): "",
    }


def test_effects_are_log_odds_for_one_standard_deviation(found):
    # Ranks are no normal values: a logit that is linear in these is nearly so in ranks.
    assert of(found, "size")["inspected"]["value"] == pytest.approx(0.8, abs=0.12)
    assert of(found, "failures")["violating"]["value"] == pytest.approx(0.7, abs=0.15)
    # Of a flag that 0.3 have, the standard deviation is 0.46.
    assert of(found, "complaints", True)["inspected"]["value"] == pytest.approx(0.8 * 0.458, abs=0.1)
    for one in found["effects"]:
        assert one["difference"]["value"] == pytest.approx(one["inspected"]["value"] - one["violating"]["value"])
        assert one["inspected"]["low"] < one["inspected"]["value"] < one["inspected"]["high"]


def test_the_outcome_of_those_whom_nobody_inspected_is_never_asked_for(planted, found):
    assert (found["n"], found["n_inspected"]) == (4000, int(planted.inspected.sum()))
    assert found["n_violations"] == int(np.nansum(planted.y))


def test_where_everybody_was_inspected_there_is_nothing_to_compare(planted):
    assert selection_effects(planted.take(planted.inspected), NAMES, 10) is None


def test_what_is_missing_together_stands_together_and_what_hardly_varies_is_left_out():
    generator = np.random.default_rng(4)
    X = generator.normal(size=(500, 5))
    X[:200, :2] = np.nan
    X[:, 2] = 1.0
    X[:, 3] = np.nan

    columns = columns_of(X, NAMES)

    assert columns.indicators == (("size",), ("failures",), ("complaints",), ("size", "failures"))
    assert columns.is_missing == (False, False, False, True)
    assert columns.values[:, 3].std() == pytest.approx(1.0)
