"""A veto holds the grade down and leaves the points, and a file that cannot be followed is refused."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from data.errors import ConfigurationError
from features.catalogue import load_catalogue
from training.artifact import load_artifact, save_artifact
from training.counterfactuals import what_would_change
from training.expert_card import REFERENCE, CutPoints
from training.vetoes import Veto, Vetoes

NAMES = load_catalogue().names
GRADES = ("A", "B", "C", "D")
PLACE = NAMES.index("serious_dishonesty")
HEAD = "veto,indicator,at_least,best_grade,reason_zh,reason_en,valid_from,source\n"


def veto(name="listed", indicator="serious_dishonesty", at_least=1.0, best_grade="C"):
    return Veto(name, indicator, at_least, best_grade, "在列", "it is listed", "2026-01-01", "test")


def rows(*values):
    """Rows that have nothing but serious dishonesty."""
    X = np.zeros((len(values), len(NAMES)))
    X[:, PLACE] = values
    return X


def test_a_grade_is_never_better_than_the_veto_says_and_a_worse_one_stays():
    vetoes = Vetoes((veto(),), NAMES, GRADES)

    grade, acted = vetoes.applied(rows(1, 1, 1, 1, 2.5), np.array(["A", "B", "C", "D", "A"]))

    assert grade.tolist() == ["C", "C", "C", "D", "C"]
    assert acted.tolist() == ["listed", "listed", "", "", "listed"]


def test_a_listing_that_has_ended_and_an_unknown_one_hold_nothing():
    vetoes = Vetoes((veto(),), NAMES, GRADES)

    grade, acted = vetoes.applied(rows(0.0, 0.999, np.nan), np.array(["A", "B", "A"]))

    assert grade.tolist() == ["A", "B", "A"]
    assert acted.tolist() == ["", "", ""]


def test_of_several_the_strictest_is_named():
    vetoes = Vetoes((veto("mild", best_grade="B"), veto("strict", at_least=2.0, best_grade="D")), NAMES, GRADES)

    grade, acted = vetoes.applied(rows(1, 2), np.array(["A", "A"]))

    assert grade.tolist() == ["B", "D"]
    assert acted.tolist() == ["mild", "strict"]


def test_without_vetoes_grades_are_those_of_the_points():
    grade, acted = Vetoes((), NAMES, GRADES).applied(rows(9), np.array(["A"]))

    assert (grade.tolist(), acted.tolist()) == (["A"], [""])


@pytest.fixture
def vetoed(graded_city):
    """The model with the vetoes of the reference file, and points so low that everybody has the best grade."""
    model = graded_city.model
    declared = Vetoes.from_csv(REFERENCE / "vetoes.csv", NAMES, GRADES).declared
    low = CutPoints(GRADES, (0.0, 997.0, 998.0, 999.0), "2026-01-01", "test")
    return dataclasses.replace(model, cut_points=low, declared_vetoes=declared)


def test_points_probability_and_contributions_stay(graded_city, vetoed):
    before, after = (model.score(rows(0.5, 1.0)) for model in (graded_city.model, vetoed))

    assert after.grade.tolist() == ["A", "C"]
    assert after.expert_grade.tolist() == ["A", "C"]
    assert after.veto.tolist() == ["", "serious_dishonesty"]
    for name in ("points", "unclipped_points", "probability", "expert_points", "expert_parts", "learned_parts"):
        assert (getattr(after, name) == getattr(before, name)).all(), name
    assert after.additivity_error() < 1e-9


def test_an_artifact_and_a_row_give_the_grade(vetoed, tmp_path):
    save_artifact(vetoed, tmp_path, {"catalogue_hash": load_catalogue().hash})

    assert load_artifact(tmp_path).score(rows(1.0)).grade.tolist() == ["C"]


def test_an_artifact_from_before_vetoes_has_none(graded_city):
    assert graded_city.model.vetoes.declared == ()


def test_no_way_leads_past_a_veto_that_stands(vetoed):
    # Given no points to speak of, and a listing in force that waiting does not end.
    found = what_would_change(vetoed, load_catalogue(), rows(1.0)[0])

    assert (found.grade, found.next_grade, found.veto) == ("C", "B", "serious_dishonesty")
    assert found.points < found.below_points
    assert found.ways == ()
    assert found.best is None
    assert found.target is None


def test_where_no_veto_stands_ways_are_as_they_were(graded_city):
    declared = Vetoes.from_csv(REFERENCE / "vetoes.csv", NAMES, GRADES).declared
    X = rows(0.4)
    X[:, NAMES.index("licence_validity")] = -30
    X[:, NAMES.index("annual_report_lapses")] = 3

    cuts = CutPoints(GRADES, (0.0, float(graded_city.model.points(X)[0]) - 0.1, 998.0, 999.0), "2026-01-01", "test")
    model = dataclasses.replace(graded_city.model, cut_points=cuts)

    found = [
        what_would_change(dataclasses.replace(model, declared_vetoes=vetoes), load_catalogue(), X[0])
        for vetoes in ((), declared)
    ]

    assert found[0].ways
    assert [way.points for way in found[0].ways] == [way.points for way in found[1].ways]
    assert found[1].veto == ""


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("v,serious_dishonestly,1,C,因,why,2026-01-01,x", "'serious_dishonestly' is none.*Did you mean"),
        ("v,serious_dishonesty,1,E,因,why,2026-01-01,x", "one of B, C, D, got 'E'"),
        ("v,serious_dishonesty,1,A,因,why,2026-01-01,x", "a grade worse than A"),
        ("v,serious_dishonesty,1,,因,why,2026-01-01,x", "its best_grade, 'v' has none"),
        ("v,,1,C,因,why,2026-01-01,x", "its indicator, 'v' has none"),
        ("v,serious_dishonesty,one,C,因,why,2026-01-01,x", "must hold numbers, got 'one'"),
        ("v,serious_dishonesty,1,C,因,why,2026-01-01,", "its source, 'v' has none"),
        ("v,penalties,1,C,因,why,2026-01-01,x\nv,penalties,2,D,因,why,2026-01-01,x", "got v twice"),
    ],
)
def test_a_file_that_cannot_be_followed_is_refused(tmp_path, row, said):
    path = tmp_path / "vetoes.csv"
    path.write_text(HEAD + row + "\n", encoding="utf-8")

    with pytest.raises(ConfigurationError, match=said):
        Vetoes.from_csv(path, NAMES, GRADES)


def test_a_head_alone_declares_no_veto(tmp_path):
    path = tmp_path / "vetoes.csv"
    path.write_text(HEAD, encoding="utf-8")

    assert Vetoes.from_csv(path, NAMES, GRADES).declared == ()


def test_other_columns_are_refused(tmp_path):
    path = tmp_path / "vetoes.csv"
    path.write_text("veto,grade\n", encoding="utf-8")

    with pytest.raises(ConfigurationError, match="must have the columns veto, indicator"):
        Vetoes.from_csv(path, NAMES, GRADES)
