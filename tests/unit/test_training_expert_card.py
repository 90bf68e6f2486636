"""The card gives points to ranges and neutral points to what is missing."""

from __future__ import annotations

import numpy as np
import pytest

from data.errors import ConfigurationError
from features.catalogue import load_catalogue
from training.expert_card import REFERENCE, CutPoints, ExpertCard

HEAD = "indicator,lower,upper,missing,points,valid_from,source\n"
CARD = HEAD + (
    "penalties,,1,,0,2026-01-01,test\npenalties,1,3,,40,2026-01-01,test\npenalties,3,,,90,2026-01-01,test\n"
    "penalties,,,yes,5,2026-01-01,test\n"
)


@pytest.fixture
def card_of(tmp_path):
    """Read a card for the indicator penalties alone."""

    def read(text):
        path = tmp_path / "card.csv"
        path.write_text(text, encoding="utf-8")
        return ExpertCard.from_csv(path, ["penalties"])

    return read


def test_a_range_holds_its_lower_bound_and_not_its_upper_one(card_of):
    points = card_of(CARD).points(np.array([[-1.0], [0.99], [1.0], [2.9], [3.0], [1e9], [np.nan]]))

    assert points[:, 0].tolist() == [0, 0, 40, 40, 90, 90, 5]


def test_points_are_those_that_a_search_for_the_range_gives():
    card = ExpertCard.from_csv(REFERENCE / "expert_card.csv", load_catalogue().names)
    on_edges = np.array([[ranges.edges[n % len(ranges.edges)] for ranges in card.ranges] for n in range(5)])
    beyond = np.full((3, 18), [[np.nan], [np.inf], [-np.inf]])
    X = np.concatenate([on_edges, np.nextafter(on_edges, -np.inf), beyond])

    expected = [
        np.array([*ranges.points, ranges.neutral])[np.searchsorted([*ranges.edges, np.nan], X[:, n], side="right")]
        for n, ranges in enumerate(card.ranges)
    ]

    assert (card.points(X) == np.column_stack(expected)).all()
    assert (card.points(np.asfortranarray(X)) == np.column_stack(expected)).all()


def test_totals_of_many_rows_are_the_sums_of_their_points(card_of):
    card, X = card_of(CARD), np.tile([[0.0], [2.0], [np.nan]], (10_001, 1))

    total, means = card.totals(X)

    assert total.tolist() == [0, 40, 5] * 10_001
    assert means == (15.0,)


def test_rows_with_another_number_of_indicators_have_no_points(card_of):
    with pytest.raises(ValueError, match="X must have 1 columns, got 2"):
        card_of(CARD).points(np.zeros((3, 2)))


def test_a_card_survives_its_own_json(card_of):
    card = card_of(CARD)

    assert ExpertCard.from_json(card.as_json()) == card


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("penalties,1,3", "penalties,2,3", "leave no gap"),
        (",90,", ",-90,", "no points below 0"),
        (",40,", ",many,", "must hold numbers, got 'many'"),
        ("penalties,,,yes,5,2026-01-01,test\n", "", "one row for missing"),
        ("penalties,,1", "penaltys,,1", "Did you mean 'penalties'"),
        ("missing", "absent", "must have the columns"),
        ("2026-01-01,test\npenalties,3", "last year,test\npenalties,3", "since which day each row holds"),
    ],
)
def test_a_card_that_is_not_whole_is_refused_by_name(card_of, old, new, says):
    with pytest.raises(ConfigurationError, match=says):
        card_of(CARD.replace(old, new))


def test_a_card_holds_since_the_day_of_its_newest_range(card_of):
    assert card_of(CARD).valid_from == "2026-01-01"
    assert card_of(CARD.replace("40,2026-01-01", "40,2026-02-01")).valid_from == "2026-02-01"


def test_the_initial_card_covers_the_catalogue_with_the_weights_of_a_thousand_points():
    card = ExpertCard.from_csv(REFERENCE / "expert_card.csv", load_catalogue().names)

    assert sum(card.weights.values()) == 1000
    assert (card.weights["serious_dishonesty"], card.weights["registered_capital"]) == (90, 30)


def test_points_move_as_the_catalogue_says_risk_does():
    card = ExpertCard.from_csv(REFERENCE / "expert_card.csv", load_catalogue().names)

    for ranges, direction in zip(card.ranges, load_catalogue().monotone, strict=True):
        assert (np.diff(ranges.points) * direction >= 0).all(), ranges.indicator


def test_a_grade_begins_at_its_cut_point():
    cuts = CutPoints(("A", "B", "C", "D"), (0, 250, 350, 450), "2026-01-01", "test")

    assert cuts.grade(np.array([0, 249.99, 250, 350, 449, 1000.0])).tolist() == ["A", "A", "B", "C", "C", "D"]


def test_cut_points_that_do_not_rise_are_refused(tmp_path):
    path = tmp_path / "cuts.csv"
    path.write_text("grade,from_points,valid_from,source\nA,0,x,x\nB,300,x,x\nC,200,x,x\n")

    with pytest.raises(ConfigurationError, match="rising from 0"):
        CutPoints.from_csv(path)
