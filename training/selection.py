"""Weights for who was inspected: rows count by the inverse of their chance of having got a label.

Only inspected entities have a label, and inspectors do not draw by lot. A row as of T gets the stabilised weight

    mean chance of everybody active as of T / its own chance           held at or below the clip

so that the inspected together look like everybody. Chances come from the past alone (`training.inspection_chance`). The
clip is chosen on the trees' rows, whose labels are known before anything later begins, and looks at no label: it is the
one with the smallest estimated squared error of a weighted mean, in standard deviations,

    mean over indicators of (standardised mean difference to everybody)^2  +  1 / effective sample size

the first part being what the indicators still miss, the second the chance in what they do not explain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.city import City
from data.errors import LabelError
from data.progress import Progress
from data.records import Records
from data.settings import Settings
from features.catalogue import load_catalogue
from training.folds import FoldRows
from training.inspection_chance import Chances, inspection_chances
from training.rows import Rows, stage_rows
from training.splits import horizon_days

CLIPS = (1.5, 2.0, 3.0, 5.0, 8.0, 12.0, 20.0, 50.0)
"""Candidates. An entity whose weight would lie above the last is unreached: hardly anybody inspected stands for it."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Population:
    """Everybody active on the dates of a stage, as far as balance asks.

    Attributes
    ----------
    n : int
        Entities, counted once for each date.
    mean, spread : float64 (36,)
        Of the 18 indicators where they are not missing, and of whether they are missing; NaN where there is none.
    unreached : float
        Share whose stabilised weight would be above the last of CLIPS.
    """

    n: int
    mean: Floats
    spread: Floats
    unreached: float


@dataclass(frozen=True)
class StageWeights:
    """Weights of the rows of one stage before they are clipped (n,), and the population they are to stand for."""

    weight: Floats
    population: Population
    learned_from: dict[str, list[str]]


def weigh_stages(
    city: City, records: Records, rows: Mapping[str, Rows], settings: Settings, progress: Progress
) -> tuple[dict[str, Rows], dict[str, Any]]:
    """Return the stages' rows with their weights, and the report; as they are where the city declares no weights.

    Parameters
    ----------
    rows : dict by stage
        Among them `trees`, on which the clip is chosen.

    Raises
    ------
    LabelError
        Where the chances cannot be learned, or weights explode: see `require_overlap`.
    """
    if city.selection.method == "none":
        return dict(rows), {"method": "none"}
    return _held(city, rows, _by_stage(city, records, rows, settings, progress), progress)


def weigh_folds(
    city: City, records: Records, folds: Sequence[FoldRows], settings: Settings, progress: Progress
) -> tuple[FoldRows, ...]:
    """Return folds whose rows have weights, where the city declares them: each with a clip chosen on its training.

    Raises as `weigh_stages`.
    """
    if city.selection.method == "none":
        return tuple(folds)
    parts = [{"trees": fold.train, "test": fold.test} for fold in folds]
    dates = sorted({day for of_fold in parts for rows in of_fold.values() for day in rows.as_of_dates})
    chances = inspection_chances(city, records, dates, city.label.horizon_days, settings, progress)
    of_date = {one.active.as_of_date: one for one in chances}
    weighed = []
    for fold, of_fold in zip(folds, parts, strict=True):
        found = {
            name: stage_weights(rows, [of_date[day] for day in rows.as_of_dates]) for name, rows in of_fold.items()
        }
        rows, _ = _held(city, of_fold, found, progress)
        weighed.append(replace(fold, train=rows["trees"], test=rows["test"]))
    return tuple(weighed)


def _held(
    city: City, rows: Mapping[str, Rows], found: Mapping[str, StageWeights], progress: Progress
) -> tuple[dict[str, Rows], dict[str, Any]]:
    """Choose the clip, and return the rows with weights held at it, and the report."""
    errors = clip_errors(rows["trees"].X, found["trees"])
    clip = city.selection.clip or min(errors, key=lambda c: errors[c])
    for stage, weights in found.items():
        require_overlap(city, stage, np.minimum(weights.weight, clip), weights.population)
    progress(f"Rows are weighed by the inverse of their chance of being inspected, at most {clip:g}.")
    report = {
        "method": "weights",
        "clip": clip,
        "clip_errors": None if city.selection.clip else {f"{c:g}": error for c, error in errors.items()},
        "stages": {stage: stage_report(rows[stage].X, weights, clip) for stage, weights in found.items()},
    }
    return {stage: clipped(rows[stage], weights, clip) for stage, weights in found.items()}, report


def selection_of(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return how the rows of a model were weighed; one from before weights had none."""
    return dict(manifest.get("selection", {"method": "none"}))


def weighed_as(
    city: City, records: Records, rows: Rows, days: int, selection: Mapping[str, Any], settings: Settings,
    progress: Progress,
) -> Rows:  # fmt: skip
    """Return rows weighed as a model's manifest says of those that it learned from: with its clip, or not at all.

    `days` is the length of their label window.
    """
    if selection["method"] == "none":
        return rows
    chances = inspection_chances(city, records, rows.as_of_dates, days, settings, progress)
    return clipped(rows, stage_weights(rows, chances), selection["clip"])


def short_window(
    city: City, records: Records, selection: Mapping[str, Any], settings: Settings, progress: Progress
) -> Rows | None:
    """Return the trees' rows with the calibration's label window, weighed as a manifest's `selection` says.

    None where that window is no other than the label's.
    """
    days = horizon_days(city, "calibration")
    if days == city.label.horizon_days:
        return None
    rows = stage_rows(city, records, "trees", settings, progress, days)
    return weighed_as(city, records, rows, days, selection, settings, progress)


def _by_stage(
    city: City, records: Records, rows: Mapping[str, Rows], settings: Settings, progress: Progress
) -> dict[str, StageWeights]:
    """Return the weights of all stages; those of one window's length share what they are learned from."""
    days = {stage: horizon_days(city, stage) for stage in rows}
    chances: dict[tuple[int, date], Chances] = {}
    for length in sorted(set(days.values())):
        dates = sorted({day for stage, r in rows.items() if days[stage] == length for day in r.as_of_dates})
        found = inspection_chances(city, records, dates, length, settings, progress)
        chances |= {(length, one.active.as_of_date): one for one in found}
    return {stage: stage_weights(r, [chances[days[stage], day] for day in r.as_of_dates]) for stage, r in rows.items()}


def stage_weights(rows: Rows, chances: Sequence[Chances]) -> StageWeights:
    """Return the weights of rows before they are clipped, of the chances of everybody as of each of their dates."""
    keys = rows.keys.assign(place=np.arange(len(rows.y)))
    weight = np.empty(len(rows.y))
    for one in chances:
        mine = keys[keys["as_of_date"].dt.date == one.active.as_of_date]
        place = np.searchsorted(one.active.entity_ids.astype(str), mine["entity_id"].to_numpy(dtype=str))
        weight[mine["place"]] = stabilised(one.chance)[place]
    learned = {str(one.active.as_of_date): [str(day) for day in one.learned_from] for one in chances}
    return StageWeights(weight, population_of(chances), learned)


def stabilised(chance: Floats) -> Floats:
    """Return the mean chance of everybody over each one's own: (n,), its mean over the inspected is about 1."""
    weight: Floats = chance.mean() / chance
    return weight


def clipped(rows: Rows, weights: StageWeights, clip: float) -> Rows:
    """Return the rows with their weights, held at or below the clip."""
    return replace(rows, weight=np.minimum(weights.weight, clip))


def population_of(chances: Sequence[Chances]) -> Population:
    """Sum up everybody on some dates, one date at a time: there are a million rows for each."""
    counts, sums, squares, n, unreached = 0.0, 0.0, 0.0, 0, 0.0
    for one in chances:
        values = _columns(one.active.X)
        counts = counts + (~np.isnan(values)).sum(axis=0)
        sums = sums + np.nansum(values, axis=0)
        squares = squares + np.nansum(values**2, axis=0)
        n += len(values)
        unreached += float((stabilised(one.chance) > CLIPS[-1]).sum())
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.asarray(sums / counts)
        spread = np.sqrt(np.maximum(squares / counts - mean**2, 0.0))
    return Population(n, mean, spread, unreached / n)


def imbalance(X: Floats, weight: Floats | None, population: Population) -> Floats:
    """Return standardised mean differences to everybody (36,): of the indicators, then of whether they are missing.

    In standard deviations of everybody; 0 for what is the same for all, NaN for what no row has.
    """
    values = _columns(X)
    counted = (~np.isnan(values)) * (np.ones(len(X)) if weight is None else weight)[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.nansum(np.nan_to_num(values) * counted, axis=0) / counted.sum(axis=0)
        # What hardly varies is held against rounding.
        least = 1e-9 * np.maximum(np.abs(population.mean), 1.0)
        found: Floats = np.where(population.spread > least, (mean - population.mean) / population.spread, 0.0)
    return np.where(np.isnan(population.mean), np.nan, found)


def effective_sample_size(weight: Floats) -> float:
    """Return how many equally weighted rows would say as much: (sum w)^2 / sum w^2 (Kish 1965)."""
    return float(weight.sum() ** 2 / (weight**2).sum())


def clip_errors(X: Floats, weights: StageWeights, clips: Sequence[float] = CLIPS) -> dict[float, float]:
    """Return the estimated squared error of a weighted mean for each clip; the smallest is the best."""
    errors = {}
    for clip in clips:
        weight = np.minimum(weights.weight, clip)
        missed = float(np.nanmean(imbalance(X, weight, weights.population) ** 2))
        errors[clip] = missed + 1.0 / effective_sample_size(weight)
    return errors


def require_overlap(city: City, stage: str, weight: Floats, population: Population) -> None:
    """Raise LabelError where a few rows carry all the weight, or too many entities are hardly ever inspected."""
    declared = city.selection
    share = effective_sample_size(weight) / len(weight)
    if share < declared.least_effective_share:
        raise LabelError(
            f"The weights must leave at least {declared.least_effective_share:.0%} of the {stage} rows in effect, "
            f"{share:.1%} of {len(weight):,} are left: a few carry all. "
            'Set a smaller [selection] clip, a longer [label] horizon_days, or method = "none".'
        )
    if population.unreached > declared.most_unreached_share:
        raise LabelError(
            f"At most {declared.most_unreached_share:.0%} of the active entities may be hardly ever inspected, with "
            f"less than a {CLIPS[-1]:.0f}th of the usual chance; on the {stage} dates {population.unreached:.1%} are. "
            "No weight makes the inspected speak for them. Narrow the register to those who are inspected, or set "
            '[selection] method = "none" and read every figure as of the inspected alone.'
        )


def stage_report(X: Floats, weights: StageWeights, clip: float) -> dict[str, Any]:
    """Return what a manifest keeps of a stage's weights: numbers of rows, effective size, extremes, balance."""
    weight, population = np.minimum(weights.weight, clip), weights.population
    before, after = imbalance(X, None, population), imbalance(X, weight, population)
    names = load_catalogue().names
    columns = {"before": before, "after": after}
    return {
        "n": len(weight),
        "n_active": population.n,
        "effective_n": effective_sample_size(weight),
        "max_weight": float(weight.max()),
        "max_weight_before_clip": float(weights.weight.max()),
        "n_clipped": int((weights.weight > clip).sum()),
        "unreached_share": population.unreached,
        "learned_from": weights.learned_from,
        "balance": [
            {"indicator": name}
            | {key: _number(smd[i]) for key, smd in columns.items()}
            | {f"missing_{key}": _number(smd[len(names) + i]) for key, smd in columns.items()}
            for i, name in enumerate(names)
        ],
    }


def _columns(X: Floats) -> Floats:
    return np.column_stack([X, np.isnan(X).astype(np.float64)])


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
