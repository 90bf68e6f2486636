"""The hunts. Each says what a training without a leak shows, what this one showed, and whether they agree."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd

from data.city import City
from data.progress import Progress
from data.records import Records
from data.settings import Settings
from experiments.leak_hunt.altered import cut_off, known_from_the_start, moved
from experiments.leak_hunt.rows import INDICATOR, Floats, changed, permuted, rows_from, values_as_of, with_labels
from training.bootstrap import DRAWS, Interval, draw_weights, interval_of
from training.fitting import Recipe
from training.labels import entity_labels, inspection_labels
from training.ranking import Ranking
from training.rivals import CHAMPION, RIVALS, Rival
from training.rows import Rows, stage_rows
from training.splits import first_day

N_PERMUTATIONS = 20
LEAST_WITHIN = 17
"""Of 20 intervals at 95%, fewer hold 0.5 in one of 60 trainings without a leak."""

PLANTED = 0.1

LEAST_JUMP = 0.02


@dataclass(frozen=True)
class Finding:
    """What a hunt found.

    Attributes
    ----------
    hunt, done, expected, found : str
        Its letter and name; what was done; what a training without a leak shows; what this one showed.
    is_clean : bool or None
        Whether they agree; None where a figure is told for comparison only.
    """

    hunt: str
    done: str
    expected: str
    found: str
    is_clean: bool | None

    def as_json(self) -> dict[str, Any]:
        """Return what is kept."""
        return dict(vars(self))


def hunt(city: City, records: Records, settings: Settings, progress: Progress) -> Iterator[Finding]:
    """Yield the findings of every hunt over the rows of the city's trees and test."""
    train, test = (stage_rows(city, records, stage, settings, progress) for stage in ("trees", "test"))
    recipe, seed = Recipe.of(city, settings.threads), city.model.seed
    yield from late_knowledge(city, records, train, test, recipe, settings, progress)
    yield from permuted_labels(train, test, recipe, seed, progress)
    yield from moved_dates(city, records, settings, progress)


def late_knowledge(
    city: City, records: Records, train: Rows, test: Rows, recipe: Recipe, settings: Settings, progress: Progress
) -> Iterator[Finding]:
    """(a) Let the indicators know what was known later only: the AUC must jump, or the hunt could not see a leak."""
    seed, threads = city.model.seed, settings.threads
    honest = ranking(CHAMPION, train, test, recipe, seed)
    days = city.label_lag.days
    progress(f"(a) Indicators as of {days} days later, when the labels are known.")
    ahead = [rows_from(rows, records, days, threads) for rows in (train, test)]
    by_window = ranking(CHAMPION, ahead[0], ahead[1], recipe, seed)
    progress("(a) Indicators from records that are known from the day they happened.")
    hindsight = known_from_the_start(records)
    early = [rows_from(rows, hindsight, 0, threads) for rows in (train, test)]
    by_event = ranking(CHAMPION, early[0], early[1], recipe, seed)
    value, jump, drift = gains(test, seed, honest, by_window, by_event)
    yield Finding(
        "(a) later knowledge",
        f"indicators as of {days} days later, when the labels are known",
        f"the AUC of {said(value)} jumps: the hunt sees a leak where there is one",
        f"{said(jump, signed=True)}",
        jump.low > LEAST_JUMP,
    )
    yield Finding(
        "(a) later knowledge",
        "`known_at` ignored: every record known on the day it happened, what was withdrawn never there",
        "what late reports, late outcomes and repaired listings would add",
        f"{said(drift, signed=True)}",
        None,
    )


def permuted_labels(train: Rows, test: Rows, recipe: Recipe, seed: int, progress: Progress) -> Iterator[Finding]:
    """(b) Shuffle labels within dates: nothing is left to learn; then plant a leak, which must be seen."""
    (free,) = (rival for rival in RIVALS if rival.name == "lightgbm_free")
    generator = np.random.default_rng(seed)
    progress(f"(b) {N_PERMUTATIONS} trainings on permuted labels.")
    shuffled = [(permuted(train, generator), permuted(test, generator)) for _ in range(N_PERMUTATIONS)]
    found = [auc(ranking(free, a, b, recipe, seed), b, seed) for a, b in shuffled]
    values = np.array([interval.value for interval in found])
    within = sum(interval.low <= 0.5 <= interval.high for interval in found)
    error = 3.0 * float(values.std(ddof=1)) / math.sqrt(len(values))
    yield Finding(
        "(b) permuted labels",
        f"labels shuffled within each date, trees without experts or directions, {N_PERMUTATIONS} times",
        f"AUC 0.5: within the interval of {LEAST_WITHIN} trainings or more, and of three standard errors on average",
        f"within {within}; on average {values.mean():.4f} ± {error:.4f}",
        within >= LEAST_WITHIN and abs(float(values.mean()) - 0.5) <= error,
    )
    a, b = (with_labels(rows, PLANTED, generator) for rows in shuffled[0])
    planted = auc(ranking(free, a, b, recipe, seed), b, seed)
    yield Finding(
        "(b) permuted labels",
        f"a leak planted: in {PLANTED:.0%} of the rows {INDICATOR} is the shuffled label",
        "AUC above 0.5: the hunt sees a leak where there is one",
        said(planted),
        planted.low > 0.5,
    )


def moved_dates(city: City, records: Records, settings: Settings, progress: Progress) -> Iterator[Finding]:
    """(d) Move, add and cut dates: values and labels as of the test's first day stay as they are."""
    day, days, threads = first_day(city.split.test), city.label.horizon_days, settings.threads
    progress(f"(d) Values and labels as of {day}, with dates moved, added and cut off.")
    values, labels = values_as_of(records, [day], threads), labels_as_of(city, records, day, settings)
    later = moved(records, days)
    then = day + timedelta(days=days)
    yield unchanged(
        f"every date of every record, and the as-of date, {days} days later",
        changed(values, values_as_of(later, [then], threads)),
        _labels_changed(labels, labels_as_of(city, later, then, settings)),
        len(values),
    )
    earlier = [day - timedelta(days=days), day]
    yield unchanged(
        f"a date {days} days earlier built in the same panel",
        changed(values, values_as_of(records, earlier, threads)),
        None,
        len(values),
    )
    yield unchanged(
        "values from records cut off on the day, labels from records cut off when they are known",
        changed(values, values_as_of(cut_off(records, day), [day], threads)),
        _labels_changed(labels, labels_as_of(city, cut_off(records, known_on(city, day)), day, settings)),
        len(values),
    )


def known_on(city: City, day: date) -> date:
    """Return when the labels as of a day, or of the inspections of the test's period from then on, are known."""
    test = city.split.test
    return (day if isinstance(test, tuple) else test.end - timedelta(days=city.label.horizon_days)) + city.label_lag


def labels_as_of(city: City, records: Records, day: date, settings: Settings) -> pd.Series:
    """Return the labels as of a day; for inspection cohorts those of the test's period, begun on that day."""
    test = city.split.test
    if isinstance(test, tuple):
        return entity_labels(records, city, day, threads=settings.threads).set_index("entity_id")["label"]
    period = test.model_copy(update={"start": day, "end": test.end + (day - test.start)})
    return inspection_labels(records, city, period, settings.threads).set_index("record_id")["label"]


def ranking(rival: Rival, train: Rows, test: Rows, recipe: Recipe, seed: int) -> Ranking:
    """Return how a rival that learned from some rows ranks others."""
    return Ranking.of(test.y, rival.fit(train, recipe, seed).raw_score(test.X))


def auc(found: Ranking, test: Rows, seed: int) -> Interval:
    """Return the AUC of a ranking with its interval by entity."""
    return gains(test, seed, found)[0]


def gains(test: Rows, seed: int, honest: Ranking, *others: Ranking) -> list[Interval]:
    """Return the AUC of the first ranking, and what each other adds to it, with intervals on the same draws."""
    weights: list[Floats | None] = [None]
    weights += [weight.astype(np.float64) for weight in draw_weights(test.entity_ids, DRAWS, seed)]
    drawn = np.array([[r.figures(weight)["roc_auc"] for r in (honest, *others)] for weight in weights])
    drawn[:, 1:] -= drawn[:, :1]
    return [interval_of(column[0], column[1:], DRAWS) for column in drawn.T]


def said(interval: Interval, signed: bool = False) -> str:
    """Return an interval in words."""
    form = "+.4f" if signed else ".4f"
    return f"{interval.value:{form}} ({interval.low:{form}} to {interval.high:{form}})"


def _labels_changed(before: pd.Series, after: pd.Series) -> int:
    both = before.index.intersection(after.index)
    return int((before[both] != after[both]).sum()) + len(before) + len(after) - 2 * len(both)


def unchanged(done: str, by_indicator: dict[str, int], n_labels: int | None, n_entities: int) -> Finding:
    """Return whether values and labels stayed; `n_labels` is None where labels were not asked."""
    moved_ones = ", ".join(f"{name} of {n:,}" for name, n in by_indicator.items() if n)
    labels = "" if n_labels is None else f", {n_labels:,} labels" if n_labels else ", no label"
    return Finding(
        "(d) shifted dates",
        done,
        f"no value of {n_entities:,} entities and {len(by_indicator)} indicators changes"
        f"{'' if n_labels is None else ', no label'}",
        f"{moved_ones or 'no value'} changed{labels}",
        not moved_ones and not n_labels,
    )
