"""One seed of the synthetic city: what the answers of `training.verification_bias` say, and what is true."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from data.city import City, Selection, load_city
from data.progress import Progress
from data.records import Records, ingest
from data.settings import Settings
from data.synthetic import build_synthetic_city
from data.synthetic.truth import read_truth
from features.catalogue import load_catalogue
from features.snapshots import build_snapshot
from training.additive import AdditiveModel
from training.evaluation import evaluate
from training.fitting import Recipe, anchored, calibrated, fit_uncalibrated
from training.inspection_chance import (
    HISTORY,
    Active,
    active_entities,
    labels_of,
    learned_chance,
    past_dates,
    predicted,
)
from training.rows import Rows, stage_rows
from training.selection import weigh_stages
from training.splits import STAGES
from training.verification_bias import Everybody, auc_bounds, aucs, rate_bounds, rates

KIND = "lightgbm_offset"
LOT = ("random",)
"""Inspections whose entities were drawn by lot."""

KNOWN_BY: tuple[Literal["as_of_date", "label"], ...] = ("as_of_date", "label")
"""What the chances may be read from: `[selection] known_by`."""

STRATA = 10
"""Strata of monotone selection: as many classes of equal count of the expected outcome."""

Floats = NDArray[np.float64]


def study_seed(seed: int, n_entities: int, settings: Settings, progress: Progress) -> dict[str, Any]:
    """Build a city, train without and with weights, and hold every answer against the truth.

    `settings.var` is filled with the city and everything built from it.
    """
    build_synthetic_city(n_entities, seed, settings.var / "sources" / "synthetic", progress)
    city = load_city("synthetic")
    records = ingest(city, settings, progress)
    rows = {stage: stage_rows(city, records, stage, settings, progress) for stage in STAGES}
    reference = build_snapshot(records, city.split.reference, settings, progress)
    population = reference.read(list(load_catalogue().names)).to_numpy(dtype=np.float64, na_value=np.nan)
    models = {"none": _model(city, rows, population, settings)}
    reports: dict[str, dict[str, Any]] = {}
    for known_by in KNOWN_BY:
        declared = city.model_copy(update={"selection": Selection(method="weights", known_by=known_by)})
        weighed, reports[known_by] = weigh_stages(declared, records, rows, settings, progress)
        models[known_by] = _model(declared, weighed, population, settings)
    # `declared` reads by the label, the last of KNOWN_BY: its covariates but those of the window are the others'.
    actives = {"label": _actives(declared, records, settings, progress)}
    actives["as_of_date"] = [replace(one, history=one.history[:, : len(HISTORY)]) for one in actives["label"]]
    return {
        "seed": seed,
        "n_entities": n_entities,
        "selection": {known_by: _short(report) for known_by, report in reports.items()},
        "fits": _fits(models, actives["label"][-1], settings),
        **_answers(city, records, models["none"], actives, reports, settings),
    }


def _model(city: City, rows: Mapping[str, Rows], population: Floats, settings: Settings) -> AdditiveModel:
    recipe = Recipe.of(city, settings.threads)
    return anchored(calibrated(fit_uncalibrated(KIND, rows["trees"], recipe), rows["calibration"]), population)


def _actives(city: City, records: Records, settings: Settings, progress: Progress) -> list[Active]:
    """Return everybody as of the dates that the test's chances are learned from, then as of the test."""
    test, days = _test_date(city), city.label.horizon_days
    return active_entities(city, records, [*past_dates(city, test, days), test], days, settings, progress)


def _answers(
    city: City,
    records: Records,
    model: AdditiveModel,
    actives: Mapping[str, list[Active]],
    reports: Mapping[str, dict[str, Any]],
    settings: Settings,
) -> dict[str, Any]:
    """Return the truth, and each answer, of the model's AUC and of the violation rate by its grades."""
    days, test, grades = city.label.horizon_days, actives["label"][-1], model.cut_points.grades
    labels = [labels_of(city, records, active, days, settings) for active in actives["label"]]
    score, grade, truth = model.raw_score(test.X), model.grade(test.X), _truth(test, settings)

    def everybody(y: Floats, chance: Floats, expected: Floats) -> Everybody:
        return Everybody(score, grade, ~np.isnan(y), y, chance, expected).take(~np.isnan(truth))

    people = {
        known_by: everybody(
            labels[-1],
            _chance(actives[known_by], labels, reports[known_by]["clip"], settings),
            _expected(actives[known_by], labels, settings),
        )
        for known_by in KNOWN_BY
    }
    plain = people["as_of_date"]
    by_lot = labels_of(city, records, test, days, settings, LOT)
    lot = everybody(by_lot, np.full(len(by_lot), np.isfinite(by_lot).mean()), np.zeros(len(by_lot)))
    whole = replace(plain, inspected=np.ones(len(plain.y), dtype=bool), y=truth[~np.isnan(truth)])
    answers = {"inspected": _figures(plain, "inspected", grades)}
    for known_by, some in people.items():
        answers |= {f"{answer}, {known_by}": _figures(some, answer, grades) for answer in ("weighted", "doubly robust")}
    return {
        "n_active": len(plain.y),
        "n_inspected": int(plain.inspected.sum()),
        "truth": _figures(whole, "inspected", grades),
        "answers": answers | {"drawn by lot": _figures(lot, "inspected", grades)},
        "bounds": {"no assumption": _bounds(plain, grades, False), "monotone": _bounds(plain, grades, True)},
    }


def _figures(people: Everybody, answer: str, grades: tuple[str, ...]) -> dict[str, Any]:
    by_grade = {grade: rates(people.of_grade(grade))[answer] for grade in grades}
    return {"roc_auc": aucs(people)[answer], "rate": rates(people)[answer], "grades": by_grade}


def _bounds(people: Everybody, grades: tuple[str, ...], is_monotone: bool) -> dict[str, Any]:
    def strata(some: Everybody) -> NDArray[np.int64] | None:
        if not is_monotone:
            return None
        edges = np.quantile(some.expected, np.linspace(0.0, 1.0, STRATA + 1)[1:-1])
        return np.searchsorted(edges, some.expected).astype(np.int64)

    by_grade = {grade: people.of_grade(grade) for grade in grades}
    return {
        "roc_auc": auc_bounds(people, strata(people)),
        "rate": rate_bounds(people, strata(people)),
        "grades": {grade: rate_bounds(some, strata(some)) for grade, some in by_grade.items()},
    }


def _chance(actives: list[Active], labels: list[Floats], clip: float, settings: Settings) -> Floats:
    inspected = [np.isfinite(y) for y in labels[:-1]]
    chance = learned_chance(actives[:-1], inspected, actives[-1], settings.threads)
    held: Floats = np.maximum(chance, chance.mean() / clip)
    return held


def _expected(actives: list[Active], labels: list[Floats], settings: Settings) -> Floats:
    """Return the chance of a violation, learned from the labels of the past dates."""
    X = np.concatenate([a.covariates[np.isfinite(y)] for a, y in zip(actives[:-1], labels[:-1], strict=True)])
    y = np.concatenate([y[np.isfinite(y)] for y in labels[:-1]]).astype(np.int8)
    return predicted(X, y, actives[-1].covariates, settings.threads)


def _truth(active: Active, settings: Settings) -> Floats:
    """Return the true outcome of each (n,); NaN of the few whom the register shows longer than they were there."""
    truth = read_truth(settings.var / "sources" / "synthetic", active.as_of_date).set_index("entity_id")["outcome"]
    return np.asarray(truth.astype("float64").reindex(active.entity_ids), dtype=np.float64)


def _fits(models: Mapping[str, AdditiveModel], test: Active, settings: Settings) -> dict[str, dict[str, float]]:
    """Return the metrics of each model against the truth of everybody."""
    truth = _truth(test, settings)
    there = ~np.isnan(truth)
    y, X = truth[there].astype(np.int8), test.X[there]
    return {name: evaluate(y, model.raw_score(X), model.probability(X)) for name, model in models.items()}


def _short(selection: Mapping[str, Any]) -> dict[str, Any]:
    trees = selection["stages"]["trees"]
    kept = ("n", "n_active", "effective_n", "max_weight", "max_weight_before_clip")
    worst = {key: max(abs(row[key]) for row in trees["balance"] if row[key] is not None) for key in ("before", "after")}
    return {"clip": selection["clip"], "worst_imbalance": worst} | {name: trees[name] for name in kept}


def _test_date(city: City) -> date:
    assert isinstance(city.split.test, tuple), "the synthetic city is graded on dates"
    return city.split.test[-1]
