"""Weights make the inspected look like everybody, and are made of what was known in time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from data.city import Selection, load_city
from data.errors import LabelError, PointInTimeError
from features.catalogue import load_catalogue
from training import inspection_chance
from training.folds import Fold, FoldRows
from training.inspection_chance import Active, Chances, learned_chance, past_dates
from training.labels import entity_labels
from training.rows import Rows
from training.selection import (
    CLIPS,
    Population,
    StageWeights,
    clip_errors,
    effective_sample_size,
    imbalance,
    population_of,
    require_overlap,
    stabilised,
    stage_report,
    weigh_folds,
    weigh_stages,
)
from training.selection_plot import save_balance_plot

DAY = date(2020, 1, 1)
N_INDICATORS = 18


def quiet(_message):
    """Progress that nobody watches."""


@pytest.fixture
def city(write_city):
    """A city with windows of 90 days, known a day after, whose rows are weighed."""
    return load_city(str(write_city())).model_copy(update={"selection": Selection(method="weights")})


def active(X, day=DAY, history=None):
    """Entities with these indicators and no history."""
    ids = np.array([f"E{n:05}" for n in range(len(X))], dtype=object)
    return Active(day, ids, X, np.zeros((len(X), 6)) if history is None else history)


def indicators(n, rng, first=None):
    """Indicators drawn at random; the first may be given."""
    X = rng.normal(size=(n, N_INDICATORS))
    if first is not None:
        X[:, 0] = first
    return X


def test_a_stabilised_weight_is_the_mean_chance_over_ones_own():
    assert stabilised(np.array([0.1, 0.2, 0.3])) == pytest.approx([2.0, 1.0, 2 / 3])


def test_equal_weights_leave_all_rows_in_effect_and_one_heavy_weight_leaves_one():
    assert effective_sample_size(np.full(40, 0.7)) == pytest.approx(40)
    assert effective_sample_size(np.array([1e6, 1.0, 1.0])) == pytest.approx(1, abs=1e-4)


def test_learned_chances_and_weights_come_near_the_true_ones():
    # Given a chance of 0.1 to 0.5 that rises with the first indicator, seen on two earlier dates.
    rng = np.random.default_rng(8)
    past = [active(indicators(12_000, rng)) for _ in range(2)]
    asked = active(indicators(12_000, rng))

    def chance(a):
        return 0.1 + 0.4 / (1 + np.exp(-1.5 * a.X[:, 0]))

    inspected = [rng.random(12_000) < chance(a) for a in past]
    learned = learned_chance(past, inspected, asked, threads=1)

    true = chance(asked)
    assert np.abs(learned - true).mean() < 0.3 * np.abs(true - true.mean()).mean()
    assert np.corrcoef(stabilised(learned), stabilised(true))[0, 1] > 0.9
    seen = rng.random(12_000) < true
    people = population_of([Chances(asked, learned, (DAY,))])
    before = imbalance(asked.X[seen], None, people)
    after = imbalance(asked.X[seen], stabilised(learned)[seen], people)
    assert before[0] > 0.3
    assert abs(after[0]) < 0.06


def test_chances_are_learned_from_enough_of_both():
    rng = np.random.default_rng(1)
    past = active(indicators(500, rng))

    with pytest.raises(LabelError, match="at least 50 entities .* got 3 and 497. Set .selection. method = .none."):
        learned_chance([past], [np.arange(500) < 3], past, threads=1)


def test_differences_are_in_standard_deviations_of_everybody_and_missing_has_its_own():
    # Given an indicator of 0 and 2 (mean 1, spread 1) that half of the entities lack, and one that never varies.
    X = np.full((4, N_INDICATORS), 7.0)
    X[:, 0] = [0.0, 2.0, np.nan, np.nan]
    people = population_of([Chances(active(X), np.full(4, 0.5), (DAY,))])
    inspected = X[[1, 1, 1, 2]]

    found = imbalance(inspected, None, people)

    assert found[0] == pytest.approx(1.0)
    # A quarter lacks it, of everybody a half: a quarter less, over a spread of a half.
    assert found[N_INDICATORS] == pytest.approx(-0.5)
    assert found[1] == 0.0
    weighed = imbalance(inspected, np.array([1.0, 1.0, 1.0, 3.0]), people)
    assert weighed[N_INDICATORS] == pytest.approx(0.0)


def test_an_indicator_that_nobody_has_has_no_difference():
    X = np.full((4, N_INDICATORS), np.nan)
    people = population_of([Chances(active(X), np.full(4, 0.5), (DAY,))])

    assert np.isnan(imbalance(X[:2], None, people)[:N_INDICATORS]).all()
    assert (imbalance(X[:2], None, people)[N_INDICATORS:] == 0.0).all()


def test_the_clip_keeps_weights_that_bring_balance_and_cuts_one_that_carries_all():
    # Given inspected of two kinds, 900 and 100, where everybody is half of each: weights 5/9 and 5 balance them.
    kind = np.repeat([0.0, 1.0], [900, 100])
    X = np.column_stack([kind, *[np.tile([0.0, 1.0], 500)] * (N_INDICATORS - 1)])
    people = Population(2_000, np.full(36, 0.5), np.r_[np.full(18, 0.5), np.zeros(18)], 0.0)
    right = np.where(kind == 1, 5.0, 5 / 9)
    errors = clip_errors(X, StageWeights(right, people, {}))
    assert min(errors, key=errors.get) == 5.0

    exploding = right.copy()
    exploding[-1] = 1e6
    errors = clip_errors(X, StageWeights(exploding, people, {}))
    assert min(errors, key=errors.get) < CLIPS[-1]


def test_weights_that_explode_stop_the_training_with_a_remedy(city):
    people = Population(1_000, np.zeros(36), np.ones(36), 0.0)
    weight = np.r_[np.full(200, 1e-3), 50.0]

    with pytest.raises(
        LabelError, match="at least 10% of the trees rows in effect, 0.5% of 201 are left.*Set a smaller"
    ):
        require_overlap(city, "trees", weight, people)


def test_entities_that_are_hardly_ever_inspected_stop_the_training(city):
    chance = np.r_[np.full(700, 0.3), np.full(300, 1e-4)]
    people = population_of([Chances(active(np.zeros((1_000, N_INDICATORS))), chance, (DAY,))])

    assert people.unreached == pytest.approx(0.3)
    with pytest.raises(LabelError, match="At most 10% .* on the test dates 30.0% are.* method = .none."):
        require_overlap(city, "test", np.ones(300), people)


def test_a_city_without_weights_keeps_its_rows(write_city, settings):
    city = load_city(str(write_city()))
    rows = {"trees": object()}

    assert weigh_stages(city, None, rows, settings, quiet) == (rows, {"method": "none"})


def test_chances_are_learned_from_dates_whose_labels_were_known(city):
    # Given windows of 90 days, known a day later: those of 2020-01-01 and 2020-05-01 were by 2020-09-01.
    assert past_dates(city, date(2020, 9, 1), 90) == (date(2020, 1, 1), date(2020, 5, 1))
    assert past_dates(city, date(2020, 4, 1), 90) == (date(2020, 1, 1),)
    assert past_dates(city, date(2020, 3, 31), 90) == (date(2019, 12, 31),)


@pytest.mark.parametrize(("kind", "types"), [("entity", ()), ("inspection", ("routine",))])
def test_the_chance_of_an_inspection_is_that_of_the_types_of_the_cohort(city, settings, monkeypatch, kind, types):
    cohort = city.cohort.model_copy(update={"kind": kind, "inspection_types": ("routine",)})
    asked = []

    def active(_city, _records, days, *rest):
        one = np.zeros((1, 1))
        return [inspection_chance.Active(day, np.array(["E0"], object), one, one) for day in days]

    def labels(_city, _records, _active, _days, _settings, types):
        asked.append(types)
        return np.zeros(1)

    monkeypatch.setattr(inspection_chance, "active_entities", active)
    monkeypatch.setattr(inspection_chance, "labels_of", labels)
    monkeypatch.setattr(inspection_chance, "learned_chance", lambda *given: np.ones(1))

    inspection_chance.inspection_chances(city.model_copy(update={"cohort": cohort}), None, [DAY], 90, settings, quiet)

    assert set(asked) == {types}


def test_records_that_do_not_reach_back_a_window_are_refused_with_a_remedy(city, settings, monkeypatch):
    def before_all_records(_records, days, *rest):
        raise PointInTimeError(f"An as-of date must lie after the first record, got {days[0]}.")

    monkeypatch.setattr(inspection_chance, "build_snapshots", before_all_records)

    with pytest.raises(
        LabelError, match="a window before the first as-of date.*got 2019-10-02.*Let .split. trees begin"
    ):
        inspection_chance.inspection_chances(city, None, [DAY], 90, settings, quiet)


@dataclass
class FakeSnapshot:
    """A snapshot whose indicators are drawn at random, the same for the same date."""

    day: date
    n: int

    def read(self, columns):
        """Return the columns asked for."""
        X = np.random.default_rng(self.day.toordinal()).normal(size=(self.n, N_INDICATORS))
        frame = pd.DataFrame(X, columns=list(load_catalogue().names))
        return frame.assign(entity_id=[f"E{i:04}" for i in range(self.n)])[columns]


N = 900
BEFORE = DAY - timedelta(days=91)


def records_of_visits():
    """Tables of 900 entities: of those with complaints more are visited, before the as-of date and after it."""
    rng = np.random.default_rng(4)
    entities = [
        {
            "entity_id": f"E{i:04}",
            "event_date": date(2015, 1, 1),
            "industry_code": str(i % 3),
            "region_code": str(i % 5),
        }
        for i in range(N)
    ]
    complaints, visits = [], []
    for start in (BEFORE, DAY):
        complained = rng.random(N) < 0.4
        visited = rng.random(N) < np.where(complained, 0.7, 0.2)
        for i in range(N):
            day = start + timedelta(days=int(rng.integers(0, 80)))
            if complained[i]:
                complaints.append({"entity_id": f"E{i:04}", "event_date": day, "kind": "complaint"})
            if visited[i]:
                visits.append({"entity_id": f"E{i:04}", "event_date": day, "failed": bool(rng.random() < 0.3)})
    return {"entities": entities, "complaints": complaints, "inspections": visits}


@pytest.fixture
def weights_of(city, settings, monkeypatch):
    """Return weights and report of the labelled rows of records as of DAY, or a fold of them with its weights."""
    monkeypatch.setattr(
        inspection_chance, "build_snapshots", lambda records, days, *rest: [FakeSnapshot(day, N) for day in days]
    )

    def weigh(records, city=city, in_folds=False):
        labels = entity_labels(records, city, DAY)
        X = FakeSnapshot(DAY, N).read(["entity_id", *load_catalogue().names]).set_index("entity_id")
        rows = Rows(
            X.loc[labels["entity_id"]].to_numpy(), labels["label"].to_numpy(), labels[["entity_id", "as_of_date"]], ()
        )
        if in_folds:
            fold = FoldRows(Fold(1, (DAY,), (DAY,)), rows, rows.take(rows.y == 1))
            (weighed,) = weigh_folds(city, records, [fold], replace(settings, threads=1), quiet)
            return weighed
        weighed, report = weigh_stages(city, records, {"trees": rows}, replace(settings, threads=1), quiet)
        return weighed["trees"].weight, report

    return weigh


def test_rows_known_later_change_no_weight_and_no_clip(write_records, weights_of):
    tables = records_of_visits()
    weight, report = weights_of(write_records(**tables))
    label_day = DAY + timedelta(days=91)
    later = [
        # Complaints and visits of either window that were learned of when the label was, or later.
        {
            "entity_id": f"E{i:04}",
            "event_date": start + timedelta(days=5),
            "known_at": label_day + timedelta(days=i % 30),
        }
        for i in range(N)
        for start in (BEFORE, DAY)
    ]
    more = {
        "complaints": tables["complaints"] + [{**row, "kind": "complaint"} for row in later],
        "inspections": tables["inspections"] + [{**row, "failed": True} for row in later],
    }

    after, report_after = weights_of(write_records(**{**tables, **more}))

    assert np.ptp(weight) > 0.3
    assert report["stages"]["trees"]["n_active"] == N
    assert report["stages"]["trees"]["learned_from"] == {"2020-01-01": ["2019-10-02"]}
    assert np.array_equal(weight, after)
    assert report == report_after


def test_rows_of_folds_have_the_weights_of_a_training_and_those_of_a_test_its_clip(write_records, weights_of, city):
    records = write_records(**records_of_visits())
    weight, _ = weights_of(records)

    fold = weights_of(records, in_folds=True)

    assert np.array_equal(fold.train.weight, weight)
    assert np.array_equal(fold.test.weight, weight[fold.train.y == 1])
    unweighed = city.model_copy(update={"selection": Selection(method="none")})
    assert weights_of(records, unweighed, in_folds=True).train.weight is None


def test_complaints_of_the_window_count_where_they_are_known_with_the_label_and_wanted(write_records, weights_of, city):
    tables = records_of_visits()
    early = city.model_copy(update={"selection": Selection(method="weights", known_by="as_of_date")})
    without = {**tables, "complaints": [row for row in tables["complaints"] if row["event_date"] < DAY]}

    whole, bare = write_records(**tables), write_records(**without)
    read_early = weights_of(whole, early)[0]

    assert np.array_equal(read_early, weights_of(bare, early)[0])
    assert not np.array_equal(read_early, weights_of(whole)[0])


def test_a_report_says_sizes_extremes_and_balance_and_is_drawn(tmp_path):
    rng = np.random.default_rng(2)
    X = indicators(300, rng)
    X[:30, 2] = np.nan
    people = population_of([Chances(active(X), np.full(300, 0.5), (DAY,))])
    weights = StageWeights(np.r_[np.full(99, 1.0), 9.0], people, {"2020-01-01": ["2019-10-02"]})

    report = stage_report(X[:100], weights, clip=3.0)

    assert report["n"] == 100
    assert report["n_active"] == 300
    assert report["effective_n"] == pytest.approx(102**2 / (99 + 9))
    assert (report["max_weight"], report["max_weight_before_clip"], report["n_clipped"]) == (3.0, 9.0, 1)
    assert [row["indicator"] for row in report["balance"]] == list(load_catalogue().names)
    assert report["balance"][2]["missing_before"] > 0.5
    drawn = save_balance_plot({"method": "weights", "stages": {"trees": report}}, tmp_path / "plots")
    assert [path.name for path in drawn] == ["balance.png"]
    assert drawn[0].stat().st_size > 10_000
    assert save_balance_plot({"method": "none"}, tmp_path / "none") == []
