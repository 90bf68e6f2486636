"""Cut points fitted to shares and to rates: known answers, kept in the artifact, unmoved by what is known later."""

from __future__ import annotations

import dataclasses
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from data.city import FittedScale, load_city
from data.errors import ConfigurationError
from features.catalogue import load_catalogue
from features.snapshots import build_snapshot
from training.artifact import load_artifact, save_artifact
from training.cut_points import fit_rates, fit_shares, with_fitted_cut_points
from training.rows import Rows
from training.stability import moved_between

NAMES = load_catalogue().names
SHARES = (0.6, 0.2, 0.1, 0.1)


def quiet(_line):
    """Progress that nobody watches."""


def labelled(y, X=None, weight=None):
    """Rows of as many entities."""
    y = np.asarray(y, dtype=np.int8)
    X = np.zeros((len(y), len(NAMES))) if X is None else X
    return Rows(X, y, pd.DataFrame({"entity_id": np.arange(len(y)).astype(str)}), (), weight)


def test_shares_cut_halfway_between_the_entities_on_both_sides():
    # Given 1000 entities with 0 to 999 points.
    cuts, intervals = fit_shares(np.random.default_rng(0).permutation(1000).astype(float), SHARES)

    assert cuts == (599.5, 799.5, 899.5)
    # 1.96 standard deviations of a binomial of 1000 and 0.6 are 30.4.
    assert intervals[0] == pytest.approx((570, 630), abs=1.1)


def test_the_interval_of_a_share_is_that_of_a_bootstrap():
    rng = np.random.default_rng(1)
    points = 300 + 80 * rng.normal(size=400)

    _, intervals = fit_shares(points, (0.9, 0.1))

    drawn = [fit_shares(rng.choice(points, 400), (0.9, 0.1))[0][0] for _ in range(2000)]
    assert intervals[0] == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=4)


def test_rates_cut_where_the_violations_become_so_frequent():
    # Given 10% violations at 100 points, 30% at 200 and 60% at 300.
    points = np.repeat([100.0, 200.0, 300.0], 100)
    y = np.concatenate([[1] * 10 + [0] * 90, [1] * 30 + [0] * 70, [1] * 60 + [0] * 40])

    cuts, intervals = fit_rates(points, labelled(y), (0.2, 0.5))

    assert cuts == (150.0, 250.0)
    assert intervals[0] == (150.0, 150.0)


def test_rows_of_a_weight_count_as_often():
    points = np.repeat([100.0, 200.0], 10)
    y = np.array([1, 1, *[0] * 8, *[1] * 6, *[0] * 4])
    halved = np.where((points == 200) & (y == 1), 0.5, 1.0)

    # Then 3 of 7 violate at 200 points, in place of 6 of 10.
    assert fit_rates(points, labelled(y), (0.5,))[0] == (150.0,)
    with pytest.raises(ConfigurationError, match=r"0\.200 to 0\.429, got 0\.5"):
        fit_rates(points, labelled(y, weight=halved), (0.5,))


@pytest.mark.parametrize("rates", [(0.1, 0.5), (0.2, 0.9)])
def test_a_rate_that_all_or_none_reach_is_refused(rates):
    points, y = np.repeat([100.0, 200.0], 10), np.array([1] * 2 + [0] * 8 + [1] * 6 + [0] * 4)

    with pytest.raises(ConfigurationError, match="must lie within the violation rates that points tell apart"):
        fit_rates(points, labelled(y), rates)


@pytest.fixture
def city(write_city):
    return load_city(str(write_city()))


def asking(city, to, *wanted, **split):
    """Return the city with fitted cut points."""
    scale = city.scale.model_copy(update={"fitted": FittedScale(to=to, wanted=wanted)})
    return city.model_copy(update={"scale": scale, "split": city.split.model_copy(update=split)})


@pytest.mark.parametrize(
    ("to", "wanted", "said"),
    [
        ("shares", (0.5, 0.5), "4 shares above 0 that sum to 1"),
        ("shares", (0.5, 0.3, 0.2, 0.1), "sum to 1"),
        ("shares", (0.8, 0.2, 0.0, 0.0), "above 0"),
        ("violation_rates", (0.1, 0.2), "3 rising rates"),
        ("violation_rates", (0.1, 0.3, 0.2), "3 rising rates"),
        ("violation_rates", (0.1, 0.3, 1.0), "between 0 and 1"),
    ],
)
def test_what_does_not_fit_the_grades_is_refused(city, graded_city, to, wanted, said):
    with pytest.raises(ConfigurationError, match=said):
        with_fitted_cut_points(graded_city.model, asking(city, to, *wanted), np.zeros((5, 18)), labelled([0, 1]), None)


def test_rates_of_a_shorter_label_window_are_refused(city, graded_city):
    asked = asking(city, "violation_rates", 0.1, 0.2, 0.3, calibration_horizon_days=30)

    with pytest.raises(ConfigurationError, match="windows of 30 days, whose violation rates are not those of 90"):
        with_fitted_cut_points(graded_city.model, asked, np.zeros((5, 18)), labelled([0, 1]), None)


def test_a_population_with_the_same_points_cannot_be_cut(city, graded_city):
    with pytest.raises(ConfigurationError, match="must part the grades"):
        with_fitted_cut_points(
            graded_city.model, asking(city, "shares", *SHARES), np.zeros((50, 18)), labelled([0, 1]), None
        )


def test_fitted_cut_points_come_back_from_the_artifact_and_the_experts_keep_theirs(city, graded_city, tmp_path):
    X = np.abs(np.random.default_rng(2).normal(scale=3.0, size=(500, len(NAMES))))
    model = with_fitted_cut_points(graded_city.model, asking(city, "shares", *SHARES), X, labelled([0, 1]), None)

    save_artifact(model, tmp_path, {"catalogue_hash": load_catalogue().hash})
    loaded = load_artifact(tmp_path)

    scores = loaded.score(X)
    assert loaded.cut_points == model.cut_points
    assert len(loaded.cut_points.intervals) == 3
    assert "500 active entities as of 2020-05-01" in loaded.cut_points.source
    shares = [(scores.grade == grade).mean() for grade in "ABCD"]
    assert shares == pytest.approx(SHARES, abs=0.01)
    assert (scores.expert_grade == graded_city.model.score(X).expert_grade).all()
    assert (scores.points == graded_city.model.score(X).points).all()


def test_without_asking_the_experts_own_stay(city, graded_city):
    assert with_fitted_cut_points(graded_city.model, city, None, None, None) is graded_city.model


def test_rows_known_later_move_no_cut_point(city, settings, write_records, graded_city):
    # Given fines of the reference date that became known the day after.
    reference = city.split.reference
    entities = [{"entity_id": f"E{k:03}", "event_date": date(2000 + k % 19, 1, 1)} for k in range(100)]
    fines = [{"entity_id": f"E{k:03}", "event_date": date(2020, 1, 1) + timedelta(days=k)} for k in range(60)]
    late = [
        {"record_id": f"late-{k}", "entity_id": f"E{k:03}", "event_date": date(2020, 2, 1), "known_at": reference}
        for k in range(100)
    ]

    cuts = []
    for rows in (fines, [*fines, *late]):
        records = write_records(entities=entities, penalties=rows)
        snapshot = build_snapshot(records, reference, settings, quiet)
        X = snapshot.read(list(NAMES)).to_numpy(dtype=np.float64, na_value=np.nan)
        asked = asking(city, "shares", 0.4, 0.3, 0.2, 0.1)
        cuts.append(with_fitted_cut_points(graded_city.model, asked, X, labelled([0, 1]), None).cut_points)

    assert cuts[0] == cuts[1]


def test_the_share_that_moves_is_of_those_in_both(graded_city):
    X = np.zeros((4, len(NAMES)))
    X[:, NAMES.index("penalties")] = [0, 0, 9, 9]
    before = pd.DataFrame(X, columns=list(NAMES)).assign(entity_id=["a", "b", "c", "left"])
    after = pd.DataFrame(X[[2, 0, 2, 0]], columns=list(NAMES)).assign(entity_id=["b", "a", "c", "new"])
    points = graded_city.model.points(X[[0, 2]])
    cuts = dataclasses.replace(graded_city.model.cut_points, from_points=(0.0, points[0] + 0.1, points[0] + 0.2, 999.0))
    model = dataclasses.replace(graded_city.model, cut_points=cuts)

    # Then b alone moves, from the best grade to the third.
    assert moved_between(model, before, after) == {
        "n": 3, "moved": 1 / 3, "worse": 1 / 3, "better": 0.0, "by_two_or_more": 1 / 3,
    }  # fmt: skip
