"""A new base rate moves one number: base points. Rows known later move nothing."""

from __future__ import annotations

import dataclasses
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from data.city import load_city
from data.errors import ConfigurationError, NotFoundError, RequestError
from training.calibration import sigmoid
from training.monitoring.evidence import as_trained
from training.recalibration import BaseRate, _require_same_making, at_base_rate, on_newer_rows, recalibrate
from training.rows import Rows, labelled_rows


def quiet(_line):
    """Progress that nobody watches."""


def some_rows(model, n=400, shift=0.0, seed=0):
    """Rows whose labels come true as the model says, moved by a shift of log-odds."""
    rng = np.random.default_rng(seed)
    X = np.abs(rng.normal(scale=3.0, size=(n, len(model.names))))
    y = (rng.random(n) < sigmoid(model.log_odds(X) + shift)).astype(np.int8)
    return Rows(X, y, pd.DataFrame({"entity_id": np.arange(n).astype(str)}), ())


def test_only_base_points_move_and_explanations_stay_exact(graded_city):
    model = graded_city.model
    rows = some_rows(model, shift=-1.0)

    moved = on_newer_rows(model, rows)

    before, after = model.score(rows.X), moved.score(rows.X)
    shift = moved.platt[0] - model.platt[0]
    assert shift < -0.5
    assert (after.expert_parts == before.expert_parts).all()
    assert (after.learned_parts == before.learned_parts).all()
    assert moved.base_points - model.base_points == pytest.approx(model.scale.factor * shift)
    assert after.unclipped_points - before.unclipped_points == pytest.approx(model.scale.factor * shift)
    assert after.additivity_error() < 1e-9


def test_newer_rows_give_their_own_rate_counted_by_weight(graded_city):
    rows = some_rows(graded_city.model, shift=0.7)
    weight = np.where(rows.y == 1, 0.5, 2.0)

    plain = on_newer_rows(graded_city.model, rows)
    weighed = on_newer_rows(graded_city.model, dataclasses.replace(rows, weight=weight))

    assert sigmoid(plain.log_odds(rows.X)).mean() == pytest.approx(rows.y.mean())
    assert np.average(sigmoid(weighed.log_odds(rows.X)), weights=weight) == pytest.approx(
        np.average(rows.y, weights=weight)
    )


def test_a_stated_rate_moves_the_odds_by_the_ratio_of_the_odds(graded_city):
    # Given rows of which the model says 50% on average; 80% are four times the odds.
    model = graded_city.model
    rows = some_rows(model)
    even = on_newer_rows(model, dataclasses.replace(rows, y=np.tile([0, 1], 200).astype(np.int8)))

    moved = at_base_rate(even, rows, 0.8)

    assert moved.platt[0] - even.platt[0] == pytest.approx(np.log(4))


@pytest.mark.parametrize("rate", [0.0, 1.0, 20.0, -0.1, float("nan")])
def test_a_rate_that_is_none_is_refused(rate):
    with pytest.raises(RequestError, match="must lie between 0 and 1"):
        BaseRate(rate, "the yearbook")


def test_a_rate_without_a_source_is_refused():
    with pytest.raises(RequestError, match="must have a source"):
        BaseRate(0.2, " ")


def test_without_a_champion_there_is_nothing_to_recalibrate(write_city, settings):
    with pytest.raises(NotFoundError, match="must have a champion to recalibrate"):
        recalibrate(load_city(str(write_city())), None, settings, progress=quiet)


def test_a_champion_of_another_cohort_is_not_recalibrated_and_is_monitored_by_its_own(write_city):
    city = load_city(str(write_city()))
    manifest = {name: getattr(city, name).model_dump(mode="json") for name in ("label", "cohort", "split")}
    manifest |= {"model_version": "m1", "selection": {"method": city.selection.method}}
    cohort = city.cohort.model_copy(update={"kind": "inspection", "inspection_types": ("routine",)})
    changed = city.model_copy(update={"cohort": cohort})

    _require_same_making(city, manifest)
    with pytest.raises(ConfigurationError, match=r"\[cohort\] of toy must be that of champion m1"):
        _require_same_making(changed, manifest)
    assert as_trained(changed, manifest).cohort == city.cohort


INSPECTED_ON = date(2020, 2, 1)


@pytest.fixture
def city(write_city):
    return load_city(str(write_city()))


def inspections_of(n, **changes):
    return [
        {"entity_id": f"E{k:03}", "event_date": INSPECTED_ON, "failed": k % 3 == 0, "severity": None, **changes}
        for k in range(n)
    ]


def test_rows_known_later_move_no_shift(city, settings, write_records, graded_city):
    # Given inspections of the label window that were entered a month after its results are taken as known.
    entities = [{"entity_id": f"E{k:03}", "event_date": date(2015, 1, 1)} for k in range(180)]
    late = [
        {**row, "record_id": f"late-{n}", "failed": True, "known_at": INSPECTED_ON + timedelta(days=200)}
        for n, row in enumerate(inspections_of(180))
    ]
    on_time = write_records(entities=entities, inspections=inspections_of(180))
    with_late = write_records(entities=entities, inspections=[*inspections_of(180), *late])

    moved = [
        on_newer_rows(
            graded_city.model,
            labelled_rows(city, records, "recalibration", (date(2020, 1, 15),), 90, settings, quiet),
        ).platt
        for records in (on_time, with_late)
    ]

    assert moved[0] == moved[1]
    assert moved[0] != graded_city.model.platt
