"""The study of selection says which seeds weights help, and where they do not."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.selection.report import BEGIN, END, break_even, distance, nearer, parts_of_error, tables, write_page


def figures(auc, rate, grades):
    """What one answer says."""
    return {"roc_auc": auc, "rate": rate, "grades": dict(zip("ABCD", grades, strict=True))}


def result(seed, weighted_auc):
    """A seed of which the truth is 0.80 and 10%; weights help with the rate, and with the AUC where it says so."""
    truth = figures(0.80, 0.10, [0.05, 0.10, 0.20, 0.40])
    weighted = figures(weighted_auc, 0.11, [0.05, 0.12, 0.20, 0.40])
    metrics = {"roc_auc": 0.8, "average_precision": 0.3, "brier_score": 0.1, "expected_calibration_error": 0.02}
    ends = {"roc_auc": [0.7, 0.9], "rate": [0.03, 0.09], "grades": {grade: [0.01, 0.30] for grade in "ABCD"}}
    selection = {"clip": 2.0, "n": 100, "effective_n": 80.0, "worst_imbalance": {"before": 0.4, "after": 0.02}}
    return {
        "seed": seed, "n_entities": 2_000, "n_active": 1_500, "n_inspected": 300, "truth": truth,
        "answers": {
            "inspected": figures(0.78, 0.15, [0.09, 0.14, 0.24, 0.44]), "weighted, label": weighted,
            "doubly robust, label": weighted,
        },
        "bounds": {"no assumption": ends}, "fits": {"none": metrics, "label": metrics | {"brier_score": 0.09}},
        "selection": {"label": selection},
    }  # fmt: skip


def test_an_answer_of_grades_is_as_far_as_its_rates_are_on_average():
    one = result(1, 0.81)

    assert distance(one, "inspected", "grades") == pytest.approx(0.04)
    assert distance(one, "weighted, label", "grades") == pytest.approx(0.02 / 4)


def test_the_seeds_where_weights_do_not_help_are_named():
    results = [result(1, 0.81), result(2, 0.75), result(3, 0.79)]

    text = tables([results])

    assert nearer(results, "weighted, label", "roc_auc") == [1, 3]
    # Off by +0.01, -0.05 and -0.01: -0.0167 on average, 0.0249 around it.
    assert "| 2,000 | AUC | 2 of 3 | 2 | -0.0200 | -0.0167 | 0.0000 | 0.0249 | 0.0200 | 0.0300 |" in text
    assert "| 2,000 | violation rate | 3 of 3 |  | +5.00% | +1.00% |" in text
    # The true rate, 10%, lies above its bounds; three of the four grades' rates lie within theirs.
    assert "| 0.700 to 0.900 | 3 of 3 | 3.0% to 9.0% | 0 of 3 |" in text
    assert "| 9 of 12 |" in text
    assert "| 0.0900 | 3 of 3 |" in text


def test_weights_win_where_the_city_is_so_large_that_their_chance_is_less_than_the_bias_they_take_away():
    # No weights: off by -0.02 each time. Weights: +0.01 and -0.03, so a bias of -0.01 and a chance of 0.02.
    results = [result(1, 0.81), result(2, 0.77)]

    assert break_even(results, "roc_auc") == pytest.approx(2_000 * 0.02**2 / (0.02**2 - 0.01**2))
    assert break_even(results, "rate") == 0
    assert np.isnan(break_even([result(1, 0.85), result(2, 0.85)], "roc_auc"))


def test_the_page_is_written_between_its_marks_alone(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")

    write_page([[result(1, 0.81), result(2, 0.75)]], page)
    write_page([[result(1, 0.81)], [result(1, 0.80) | {"n_entities": 9_000}]], page)

    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"before\n{BEGIN}\n")
    assert text.endswith(f"{END}\nafter\n")
    assert "old" not in text
    assert "1 cities of 2,000 entities" in text
    assert "1 cities of 9,000 entities" in text


def test_bias_and_chance_add_up_to_the_mean_squared_error():
    results = [result(1, 0.81), result(2, 0.75), result(3, 0.80)]
    results[0]["answers"]["weighted, label"]["grades"] = {"A": 0.05, "B": 0.14, "C": 0.20, "D": 0.40}

    for what in ("roc_auc", "rate", "grades"):
        bias, chance, error = parts_of_error(results, "weighted, label", what)
        assert bias**2 + chance**2 == pytest.approx(error**2)
    # One grade of four is off, by 0.04, 0.02 and 0.02: on average by 8 / 300.
    assert parts_of_error(results, "weighted, label", "grades")[0] == pytest.approx(8 / 600)
