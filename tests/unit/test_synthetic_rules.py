"""The rules of the synthetic city against values worked out by hand."""

from __future__ import annotations

import dataclasses
from datetime import date, timedelta
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

from data.city import load_city
from data.synthetic import risk
from data.synthetic.columns import amount_texts, date_texts, identifiers
from data.synthetic.grid import GRID, NEVER, TAKEN_ON, day_number, period_of, period_start
from data.synthetic.identifiers import check_characters, unified_codes
from data.synthetic.industries import DIVISIONS, draw, values
from data.synthetic.licensing import Terms, lapsed
from data.synthetic.population import draw_population
from data.synthetic.reporting import end_and_known, known_after, withdrawn_after, yet
from data.synthetic.simulation import linked_violations

LAST_DAY = day_number(TAKEN_ON)


def random_numbers():
    """Random numbers that are the same each time."""
    return np.random.default_rng(3)


def as_bytes(*texts):
    """Texts of one length as rows of bytes."""
    return np.array([list(text.encode("ascii")) for text in texts], np.uint8)


def organisation_check(first_eight):
    """Check character of GB 11714-1997, as the standard words it."""
    total = sum(int(c, 36) * w for c, w in zip(first_eight, (3, 7, 9, 10, 5, 8, 4, 2), strict=True))
    check = 11 - total % 11
    return {10: "X", 11: "0"}.get(check, str(check))


@pytest.mark.parametrize(
    "code",
    # The standard's own example, then codes of well-known companies as published.
    ["91350100M000100Y43", "914403001922038216", "91330100799655058B", "9144030071526726XG"],
)
def test_check_characters_are_those_of_codes_in_force(code):
    assert bytes(check_characters(as_bytes(code[:17]))) == code[17].encode()


def test_the_organisation_code_inside_has_its_own_check_character():
    assert organisation_check("D2143569") == "X"  # the example of GB 11714-1997

    codes = [bytes(row).decode() for row in unified_codes(np.ones(500, bool), np.full(500, 110105), seed=5)]

    assert all(code[16] == organisation_check(code[8:16]) for code in codes)


def test_codes_say_kind_and_region_and_none_is_given_twice():
    enterprise = np.array([True, False] * 5_000)

    codes = [bytes(row).decode() for row in unified_codes(enterprise, np.full(10_000, 110108), seed=5)]

    assert codes[0].startswith("91110108")
    assert codes[1].startswith("92110108")
    assert len(set(codes)) == 10_000


def test_the_probability_is_the_sum_of_the_planted_parts():
    # New, at a shared address, with a lapsed food licence, e - 1 linked violations and latent risk 1, without industry
    # or capital: -3.75 + 1.05 + 2.2 + 1.25 + 1.1 + 0.25 + 1.6 = 3.70, and 1 / (1 + e^-3.70) = 0.975873.
    one = np.ones(1, np.float32)
    linked = np.array([np.e - 1])

    p = risk.probability(risk.INTERCEPT * one, one, 0 * one, np.array([True]), linked, np.array([2]))

    assert p[0] == pytest.approx(0.975873, abs=1e-5)


def test_linked_violations_are_those_of_the_same_persons_other_entities():
    # Entities 0, 1, 2 have one person, 3 stands alone.
    population = SimpleNamespace(person=np.array([0, 0, 0, 1]), n_persons=2)

    linked = linked_violations(population, np.array([1.0, 0.5, 0.0, 7.0], np.float32))

    assert linked.tolist() == [0.5, 1.0, 1.5, 0.0]


def test_a_licence_is_lapsed_after_its_last_day_until_the_next_term_begins():
    catering = [d.code for d in DIVISIONS].index("62")
    transport = [d.code for d in DIVISIONS].index("54")
    drawn = draw_population(3, 3, random_numbers())
    population = dataclasses.replace(drawn, industry=np.array([catering, transport, catering]))
    # Both licences run to day 109 and are renewed on day 130; the third entity has none.
    terms = Terms(np.array([0, 1, 0, 1]), np.array([10, 10, 130, 130]), np.array([109, 109, 229, 229]))

    assert lapsed(population, terms, 109).tolist() == [0, 0, 0]
    assert lapsed(population, terms, 110).tolist() == [2, 1, 0]
    assert lapsed(population, terms, 130).tolist() == [0, 0, 0]


def test_dates_of_the_city_lie_on_the_grid_and_each_stage_starts_when_the_last_ones_labels_are_known():
    city = load_city("synthetic")
    trees, calibration, test = city.split.trees, city.split.calibration, city.split.test

    assert {*trees, *calibration, *test, city.split.reference, city.split.grading} <= set(GRID)
    assert all(b - a == timedelta(days=182) for a, b in pairwise(GRID))
    assert max(trees) + city.label_lag <= min(calibration)
    assert max(calibration) + city.label_lag <= min(test)
    assert max(test) + city.label_lag <= city.split.grading
    assert city.sources.taken_on == TAKEN_ON


def test_days_belong_to_the_period_that_starts_with_them():
    days = np.array([period_start(3) - 1, period_start(3), period_start(3) + 181, period_start(4)])

    assert period_of(days).tolist() == [2, 3, 3, 4]


def test_most_reports_arrive_the_next_day_and_none_on_the_same():
    lag = known_after(np.zeros(100_000, np.int32), random_numbers())

    assert (lag.min(), lag.max()) == (1, 200)
    assert (lag == 1).mean() == pytest.approx(0.78, abs=0.01)
    assert (lag > 45).mean() == pytest.approx(0.02, abs=0.003)


def test_what_lies_after_the_day_the_files_were_taken_is_not_in_them():
    known = np.full(10_000, LAST_DAY - 100, np.int32)

    withdrawn = withdrawn_after(known, 0.5, random_numbers())
    ended, learned = end_and_known(np.full(10_000, LAST_DAY - 20, np.int32), known, random_numbers())

    assert yet(np.array([LAST_DAY, LAST_DAY + 1])).tolist() == [LAST_DAY, NEVER]
    assert set(withdrawn[withdrawn < NEVER]) <= set(range(LAST_DAY - 90, LAST_DAY + 1))
    # An end of which the news is still on its way is not known to have come.
    assert ((ended < NEVER) == (learned < NEVER)).all()
    assert 0 < (ended == NEVER).mean() < 0.2


def test_industry_shares_follow_the_census():
    codes = [d.code for d in DIVISIONS]
    trade, catering = [codes.index(c) for c in ("51", "52")], [codes.index(c) for c in ("61", "62")]

    for kind, of_trade, of_catering in (("enterprises", 0.30, 0.02), ("self_employed", 0.51, 0.12)):
        shares = values(kind) / values(kind).sum()
        assert shares[trade].sum() == pytest.approx(of_trade, abs=0.015)
        assert shares[catering].sum() == pytest.approx(of_catering, abs=0.01)


def test_draws_follow_the_shares():
    drawn = draw(np.array([3.0, 1.0]), 100_000, random_numbers())

    assert (drawn == 0).mean() == pytest.approx(0.75, abs=0.01)


def test_the_population_is_of_the_stated_make():
    population = draw_population(50_000, 3, random_numbers())
    day = day_number(date(2025, 6, 27))
    alive = population.alive(day)
    young = (day - population.established[alive]) < 2 * 365

    assert (population.type == 0).mean() == pytest.approx(0.667, abs=0.01)
    assert population.bad_code.mean() == pytest.approx(0.002, abs=0.001)
    assert population.shell.mean() == pytest.approx(0.05, abs=0.005)
    assert young.mean() == pytest.approx(0.25, abs=0.03)
    assert np.isnan(population.capital[population.type == 0]).mean() == pytest.approx(0.85, abs=0.01)
    # Serial founders' entities are worse than others.
    assert population.risk[population.shell].mean() == pytest.approx(0.6, abs=0.15)


def test_a_stated_capital_of_nothing_is_no_certain_violation():
    population = draw_population(2_000, 3, random_numbers())
    nothing = dataclasses.replace(population, capital=np.zeros(2_000))

    with np.errstate(all="ignore"):
        assert np.isfinite(risk.fixed_log_odds(nothing)).all()


def test_columns_write_numbers_as_offices_do():
    assert identifiers("TS", np.array([7, -1, 120]), 4).to_pylist() == ["TS0007", None, "TS0120"]
    assert date_texts(np.array([day_number(date(2024, 2, 29)), NEVER]), "%Y/%m/%d").to_pylist() == ["2024/02/29", None]
    assert amount_texts(np.array([500.0, np.nan])).to_pylist() == ["500", None]
