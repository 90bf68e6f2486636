from __future__ import annotations

import numpy as np
import pytest

from training.inspection_order import first_half_shares, mean_days_earlier

DAYS = np.array(["2014-09-01", "2014-09-01", "2014-09-02", "2014-09-03", "2014-09-05", "2014-09-05"], "datetime64[D]")


def test_a_score_that_puts_the_positives_first_finds_them_days_earlier() -> None:
    # Given positives on the 3rd and the 5th, when the score visits them first, both fall on the 1st: 2 and 4 days.
    y = np.array([0, 0, 0, 1, 0, 1], dtype=np.int8)
    score = np.array([0.1, 0.2, 0.3, 0.9, 0.4, 0.8])

    assert mean_days_earlier(DAYS, y, score) == pytest.approx(3.0)


def test_rows_with_one_score_share_the_days_that_fall_to_them() -> None:
    # Given one score for all, when visits are simulated, each row gets the mean day: (1+1+2+3+5+5)/6 = 17/6.
    y = np.array([0, 0, 0, 0, 0, 1], dtype=np.int8)

    assert mean_days_earlier(DAYS, y, np.ones(6)) == pytest.approx(5 - 17 / 6)


def test_the_first_half_is_whole_days_below_half_of_all_visits() -> None:
    # Given six visits, the 1st holds two (below three) and the 2nd would make three (not below): half = the 1st.
    y = np.array([1, 0, 0, 1, 0, 1], dtype=np.int8)
    score = np.array([0.1, 0.2, 0.3, 0.9, 0.4, 0.8])

    was, by_model = first_half_shares(DAYS, y, score)

    assert was == pytest.approx(1 / 3)
    assert by_model == pytest.approx(2 / 3)


def test_the_order_of_the_rows_does_not_matter() -> None:
    y = np.array([1, 0, 0, 1, 0, 1], dtype=np.int8)
    score = np.array([0.5, 0.5, 0.5, 0.9, 0.4, 0.4])
    turned = slice(None, None, -1)

    assert mean_days_earlier(DAYS[turned], y[turned], score[turned]) == mean_days_earlier(DAYS, y, score)
    assert first_half_shares(DAYS[turned], y[turned], score[turned]) == first_half_shares(DAYS, y, score)
