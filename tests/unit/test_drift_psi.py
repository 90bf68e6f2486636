"""PSI: worked out by hand, by published formulas, and on the values that break it elsewhere: ties, zeros, gaps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import norm

from features.drift.psi import Bins, psi, psi_by_chance

VALUES = arrays(np.float64, st.integers(1, 40), elements=st.sampled_from([np.nan, -3.0, 0.0, 0.5, 1.0, 1.02, 2.0, 1e6]))


def moved(then, now, **options):
    """PSI of values against a reference."""
    bins = Bins.of(np.asarray(then, dtype=float), **options)
    return psi(bins.counts, bins.count(np.asarray(now, dtype=float)))


def test_psi_worked_out_by_hand():
    # given: shares 0.5, 0.3, 0.2 then and 0.4, 0.3, 0.3 now
    # (0.4 - 0.5) ln 0.8 = 0.0223144; nothing; (0.3 - 0.2) ln 1.5 = 0.0405465
    assert psi(np.array([50.0, 30.0, 20.0]), np.array([400.0, 300.0, 300.0])) == pytest.approx(0.0628609, abs=1e-7)


def test_an_empty_bin_has_a_share_of_one_in_ten_thousand():
    # (0.5 - 1) ln 0.5 + (0.5 - 0.0001) ln 5000 = 0.3465736 + 4.2577445
    assert psi(np.array([10.0, 0.0]), np.array([5.0, 5.0])) == pytest.approx(4.6043181, abs=1e-6)


@pytest.mark.parametrize(("shift", "in_the_limit"), [(0.5, 0.25), (0.3162, 0.1)])
def test_two_normal_distributions_are_as_far_apart_as_their_shift_squared(shift, in_the_limit):
    # given: Kullback and Leibler (1951): J of N(0, 1) and N(d, 1) is d squared; bins only lose a little of it
    then = norm.ppf((np.arange(20_000) + 0.5) / 20_000)
    edges = norm.ppf(np.arange(1, 10) / 10)
    shares = np.diff(np.concatenate([[0], norm.cdf(edges - shift), [1]]))
    by_formula = float(((shares - 0.1) * np.log(shares / 0.1)).sum())

    measured = moved(then, then + shift, tolerance=0.0)

    assert measured == pytest.approx(by_formula, abs=2e-3)
    assert 0.85 * in_the_limit < measured < in_the_limit


def test_what_comes_by_chance_is_exceeded_as_often_as_it_says():
    # given: two draws from one distribution, and the bound of Yurdakul and Naranjo (2020) for one in twenty
    generator = np.random.default_rng(20261126)
    exceeded = []
    for _ in range(400):
        bins = Bins.of(generator.normal(size=2000), tolerance=0.0)
        now = bins.count(generator.normal(size=1000))
        exceeded.append(psi(bins.counts, now) > psi_by_chance(bins.counts, now, 0.05))

    assert 0.02 < np.mean(exceeded) < 0.08


def test_the_bound_by_chance_is_that_of_the_table_of_chi_squared():
    # given: 10 bins of 100 rows then and of 50 now; chi-squared of 9 degrees of freedom exceeds 16.919 once in twenty
    bound = psi_by_chance(np.full(10, 100.0), np.full(10, 50.0), 0.05)

    assert bound == pytest.approx(16.919 * (1 / 1000 + 1 / 500), abs=1e-5)
    assert psi_by_chance(np.array([9.0, 0.0]), np.array([7.0, 0.0]), 0.05) == 0.0


def test_zero_has_a_bin_of_its_own_where_most_are_zero():
    then = np.r_[np.zeros(970), np.full(30, 2.0)]
    now = np.r_[np.zeros(800), np.full(200, 2.0)]

    bins = Bins.of(then)

    assert bins.edges.tolist() == [1.0]
    assert bins.counts.tolist() == [970.0, 30.0, 0.0]
    # 0.17 ln (0.2 / 0.03) - 0.17 ln (0.8 / 0.97)
    assert psi(bins.counts, bins.count(now)) == pytest.approx(0.3552667, abs=1e-6)


def test_a_constant_that_changes_has_moved_and_one_that_stays_has_not():
    assert moved([5.0] * 100, [5.0] * 40) == pytest.approx(0.0, abs=1e-12)
    assert moved([5.0] * 100, [5.25] * 40) == pytest.approx(0.0, abs=1e-12)
    assert moved([5.0] * 100, [3.0] * 40) > 18
    assert moved([5.0] * 100, [9.0] * 40, tolerance=0.0) > 18


@pytest.mark.parametrize("tolerance", [0.0, 0.1])
@pytest.mark.parametrize("constant", [0.0, 7.0, -7.0])
def test_a_constant_that_a_tenth_leave_has_moved_as_far_as_any_value_that_filled_a_bin(constant, tolerance):
    then, now = [constant] * 1000, [constant] * 900 + [constant + 30.0] * 100

    # (0.9 - 1) ln 0.9 + (0.1 - 0.0001) ln 1000 = 0.0105361 + 0.6900847
    assert moved(then, now, tolerance=tolerance) == pytest.approx(0.7006208, abs=1e-6)


def test_missing_values_are_a_bin():
    then = [np.nan] * 10 + [1.0] * 90
    now = [np.nan] * 50 + [1.0] * 50

    # 0.4 ln 5 + (0.5 - 0.9) ln (0.5 / 0.9)
    assert moved(then, now, tolerance=0.0) == pytest.approx(0.6437752 + 0.2351147, abs=1e-6)


def test_a_shared_rate_that_is_estimated_anew_has_hardly_moved():
    # given: three industries' failure rates, each shared by a third of the city, one part in a hundred higher today
    then = np.repeat([0.20, 0.23, 0.26], 1000)

    assert moved(then, then * 1.01) < 0.02
    assert moved(then, then * 1.3) > 0.25


def test_amounts_in_another_unit_have_moved():
    yuan = np.random.default_rng(1).lognormal(12, 2, 5000)

    assert moved(yuan, yuan / 10_000) > 2


def test_nothing_at_all_is_one_bin():
    bins = Bins.of(np.full(5, np.nan))

    assert bins.counts.tolist() == [0.0, 5.0]
    assert psi(bins.counts, bins.count(np.full(9, np.nan))) == 0.0
    assert np.isnan(psi(bins.counts, bins.count(np.empty(0))))


@given(VALUES, VALUES, st.sampled_from([0.0, 0.1, 0.4]))
def test_bins_count_every_row_once_whatever_the_order(then, now, tolerance):
    bins = Bins.of(then, tolerance=tolerance)

    assert bins.counts.sum() == pytest.approx(len(then))
    assert bins.count(now).sum() == pytest.approx(len(now))
    assert (bins.count(now) >= 0).all()
    assert bins.count(now[::-1]) == pytest.approx(bins.count(now))
    assert psi(bins.counts, bins.counts) == 0.0
    assert psi(bins.counts, bins.count(now)) >= 0.0


@given(VALUES, VALUES)
def test_values_near_an_edge_are_shared_out_as_one_by_one(then, now):
    bins = Bins.of(then, tolerance=0.1)
    known = now[~np.isnan(now)]
    half_width = np.maximum(np.abs(bins.edges) * 0.1, np.finfo(float).tiny)
    with np.errstate(over="ignore"):
        below = [
            sum(float(np.clip((edge - v) / (2 * h) + 0.5, 0, 1)) for v in known)
            for edge, h in zip(bins.edges, half_width, strict=True)
        ]
    below = np.maximum.accumulate(np.array([0.0, *below, len(known)]))

    assert bins.count(now)[:-1] == pytest.approx(np.diff(below), abs=1e-6)


def test_a_million_rows_are_all_counted_though_some_are_enough_to_place_the_edges():
    then = np.random.default_rng(3).normal(size=1_000_000)

    bins = Bins.of(then, tolerance=0.0)

    assert bins.counts.sum() == 1_000_000
    assert bins.counts[:-1] / 1_000_000 == pytest.approx(np.full(10, 0.1), abs=0.005)
    assert psi(bins.counts, bins.count(then)) == 0.0
