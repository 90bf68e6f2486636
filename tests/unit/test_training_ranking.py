"""One ranking under many weightings: the same figures as the metrics on repeated rows."""

from __future__ import annotations

import numpy as np
import pytest

from training import metrics
from training.ranking import Ranking


@pytest.fixture
def rows():
    generator = np.random.default_rng(5)
    score = generator.normal(size=300).round(1)
    y = (score + generator.normal(size=300) > 0.8).astype(np.int8)
    return y, score, 1.0 / (1.0 + np.exp(1.0 - score))


def expected(y, score, probability):
    return {
        "roc_auc": metrics.roc_auc(y, score),
        "average_precision": metrics.average_precision(y, score),
        "precision_at_5_percent": metrics.precision_at(y, score, 5),
        "precision_at_10_percent": metrics.precision_at(y, score, 10),
        "brier_score": metrics.brier_score(y, probability),
        "expected_calibration_error": metrics.expected_calibration_error(y, probability),
    }


def test_unweighted_figures_are_those_of_the_metrics(rows):
    assert Ranking.of(*rows).figures() == pytest.approx(expected(*rows), abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_weighted_figures_are_those_of_rows_repeated_as_often(rows, seed):
    times = np.random.default_rng(seed).integers(0, 4, len(rows[0]))

    figures = Ranking.of(*rows).figures(times)

    assert figures == pytest.approx(expected(*(np.repeat(column, times) for column in rows)), abs=1e-12)


def test_without_probabilities_there_is_nothing_to_calibrate(rows):
    assert set(Ranking.of(*rows[:2]).figures()) == {
        "roc_auc", "average_precision", "precision_at_5_percent", "precision_at_10_percent",
    }  # fmt: skip


def test_a_draw_without_violations_has_no_auc(rows):
    y, score, _ = rows

    figures = Ranking.of(y, score).figures(1 - y)

    assert np.isnan(figures["roc_auc"])
    assert np.isnan(figures["average_precision"])


def test_equal_scores_of_all_rows_rank_nobody():
    y = np.array([1, 0, 0, 1, 0], dtype=np.int8)

    figures = Ranking.of(y, np.zeros(5)).figures()

    assert figures["roc_auc"] == 0.5
    assert figures["precision_at_10_percent"] == pytest.approx(0.4)
