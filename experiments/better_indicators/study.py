"""One case: a city and a label, ranked on its test with the values of city.toml, one indicator after the other.

Nothing is chosen here. The values stand in city.toml, learned on folds before the test; each step trains on the dates
of the city's trees and is tested on its test. Steps are of LightGBM without the experts' offset, as in the learning.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.city import City, Label
from data.progress import Progress
from data.records import Records
from data.settings import Settings
from training.bootstrap import intervals
from training.fitting import Recipe, fit_uncalibrated
from training.metrics import fast_roc_auc
from training.published import read_scores
from training.rows import Rows, stage_rows

PLAIN, CHAMPION, CARD = "lightgbm", "lightgbm_offset", "expert_card"


@dataclass(frozen=True)
class Case:
    """A city and a label with the aim that was set; `label` None is the city's own."""

    city: str
    said: str
    aim: float
    yardstick: str
    label: Label | None = None
    published: str | None = None


CASES = (
    Case("toronto", "significant or crucial", 0.71, "LightGBM on everything honest, neighbourhood too: 0.715"),
    Case(
        "toronto",
        "conditional or closed",
        0.745,
        "LightGBM on everything honest, neighbourhood too: 0.733",
        label=Label(column="outcome", values=("conditional", "fail"), horizon_days=183),
    ),
    Case(
        "chicago",
        "critical, on the City's rows",
        0.61,
        "the City's learner without the inspector: 0.591",
        None,
        "xgboost",
    ),
    Case("chicago", "critical, on all rows", 0.61, ""),
)


def measure(case: Case, city: City, records: Records, settings: Settings, progress: Progress) -> dict[str, Any]:
    """Return AUC and gain of every step of a case, and of the champion's kind and the card, each with its interval."""
    labelled = city if case.label is None else city.model_copy(update={"label": case.label})
    scores: dict[str, NDArray[np.float64]] = {}
    test: Rows | None = None
    for name, given in steps(city):
        progress(f"{city.name}, {case.said}: {name}.")
        there = labelled.model_copy(update={"indicators": given})
        here = replace(records, indicator_parameters=given)
        trees, tested = (stage_rows(there, here, stage, settings, progress) for stage in ("trees", "test"))
        recipe = Recipe.of(there, settings.threads)
        scores[name] = fit_uncalibrated(PLAIN, trees, recipe).raw_score(tested.X)
        last = {kind: fit_uncalibrated(kind, trees, recipe).raw_score(tested.X) for kind in (CHAMPION, CARD)}
        test = tested
    assert test is not None, "there is a step to begin with"
    chosen = _rows_of(case, city, test, settings)
    return _measured(case, {**scores, **last}, test.take(chosen), chosen)


def steps(city: City) -> Iterator[tuple[str, dict[str, dict[str, float]]]]:
    """Yield the values in force, from the defaults to those of city.toml, one indicator after the other."""
    given: dict[str, dict[str, float]] = {}
    yield "defaults", given
    for indicator, values in city.indicator_parameters.items():
        given = {**given, indicator: dict(values)}
        yield indicator, given


def _rows_of(case: Case, city: City, test: Rows, settings: Settings) -> NDArray[np.bool_]:
    """Return which rows of the test count (n,): all, or those that published scores are of."""
    if case.published is None:
        return np.ones(len(test.y), dtype=bool)
    published = next(p for p in city.published if p.name == case.published)
    return np.asarray(test.keys["record_id"].isin(read_scores(city, published, settings)["key"]))


def _measured(
    case: Case, scores: Mapping[str, NDArray[np.float64]], test: Rows, chosen: NDArray[np.bool_]
) -> dict[str, Any]:
    names = list(scores)
    columns = np.column_stack([scores[name][chosen] for name in names])
    before = {name: earlier for earlier, name in pairwise(names) if name not in (CHAMPION, CARD)}

    def figures(y: NDArray[np.int8], drawn: NDArray[np.float64]) -> dict[str, float]:
        auc = {name: fast_roc_auc(y, drawn[:, at]) for at, name in enumerate(names)}
        return {**auc, **{f"gain {name}": auc[name] - auc[earlier] for name, earlier in before.items()}}

    found = intervals(figures, test.y, columns, test.entity_ids)
    return {
        "city": case.city,
        "label": case.said,
        "aim": case.aim,
        "yardstick": case.yardstick,
        "n": len(test.y),
        "n_positive": int(test.y.sum()),
        "names": names,
        "figures": {name: of.as_json() for name, of in found.items()},
    }
