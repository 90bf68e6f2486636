"""The gate: what a challenger must show against the champion and the expert card before a person may promote it.

All are scored on the same rows, those of the newest labelled period. A difference counts as it is, on these rows; its
interval, by a bootstrap of entities, is shown beside it and does not excuse it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.gate import Gate
from training import metrics
from training.additive import AdditiveModel, Scores
from training.bootstrap import Interval, intervals
from training.evaluation import rates_by_grade

SAMPLE_ROWS = 2_000
_SEED = 20260101

PASSED, REFUSED, NOT_JUDGED = "passed", "refused", "not judged"

Metric = Callable[[NDArray[Any], NDArray[np.float64]], float]


@dataclass(frozen=True)
class Row:
    """One line of the gate's table.

    Attributes
    ----------
    what : str
        What is judged.
    verdict : {"passed", "refused", "not judged"}
    challenger, champion, card : float or None
        Their values; None where there is none.
    tolerance : float or None
        By how much the challenger may be worse.
    against : str
        What `difference` is against: champion or card.
    difference, low, high : float or None
        Challenger less the other, and its 95% interval.
    said : str
        What the numbers do not say.
    """

    what: str
    verdict: str
    challenger: float | None = None
    champion: float | None = None
    card: float | None = None
    tolerance: float | None = None
    against: str = ""
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    said: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the row without what it does not have."""
        return {name: value for name, value in asdict(self).items() if value not in (None, "")}


@dataclass(frozen=True)
class Evidence:
    """What a challenger is judged on.

    Attributes
    ----------
    X : float64 (n, 18)
        Indicators of the newest labelled period.
    y : int8 (n,)
        Labels.
    entity_ids : (n,)
        Whose each row is.
    groups : DataFrame (n rows)
        A column for each kind of audited group.
    challenger, card : AdditiveModel
    champion : AdditiveModel or None
        None where there is none, or none that the rows can be scored with.
    """

    X: NDArray[np.float64]
    y: NDArray[np.int8]
    entity_ids: NDArray[Any]
    groups: pd.DataFrame
    challenger: AdditiveModel
    card: AdditiveModel
    champion: AdditiveModel | None


@dataclass(frozen=True)
class _Measure:
    """A figure of the whole period: its name, its tolerance, whether more is better, and on which column."""

    key: str
    what: str
    metric: Metric
    more_is_better: bool
    of_probability: bool = False


MEASURES = (
    _Measure("roc_auc", "AUC", metrics.fast_roc_auc, True),
    _Measure("precision_at_5_percent", "Precision at 5%", partial(metrics.precision_at, percent=5), True),
    _Measure("precision_at_10_percent", "Precision at 10%", partial(metrics.precision_at, percent=10), True),
    _Measure("brier_score", "Brier score", metrics.brier_score, False, True),
    _Measure("expected_calibration_error", "Calibration error", metrics.expected_calibration_error, False, True),
)


def judge(evidence: Evidence, tolerances: Gate) -> list[Row]:
    """Return the rows of the gate's table that rest on labelled rows; the challenger passes where none is refused."""
    models = {"challenger": evidence.challenger, "champion": evidence.champion, "card": evidence.card}
    scores = {name: model.score(evidence.X) for name, model in models.items() if model is not None}
    return [
        *_leaks(evidence, tolerances),
        *_explanations(evidence, scores["challenger"], tolerances),
        *_measures(evidence, scores, tolerances),
        _grade_order(evidence, scores["challenger"], tolerances),
        *_groups(evidence, scores, tolerances),
    ]


def passes(rows: list[Row]) -> bool:
    """Say whether a table refuses nothing."""
    return all(row.verdict != REFUSED for row in rows)


def checked(what: str, holds: bool, said: str = "") -> Row:
    """Return a row for something that holds or does not; `said` is shown where it does not."""
    return Row(what, PASSED if holds else REFUSED, said="" if holds else said)


def label_likeness(values: NDArray[np.float64], y: NDArray[np.int8]) -> float:
    """Return the AUC by which an indicator, or its being missing, tells the label, whichever way it points.

    A missing value counts as the lowest, then as the highest; the larger of all is returned.
    """
    missing = np.isnan(values)
    filled = [np.where(missing, end, values) for end in (-np.inf, np.inf)]
    found = [metrics.fast_roc_auc(y, candidate) for candidate in (*filled, missing.astype(np.float64))]
    return max(max(auc, 1.0 - auc) for auc in found)


def _leaks(evidence: Evidence, tolerances: Gate) -> Iterator[Row]:
    """Refuse an indicator that tells the label so well that it must have been made from it."""
    names = evidence.challenger.names
    found = {name: label_likeness(evidence.X[:, place], evidence.y) for place, name in enumerate(names)}
    worst = max(found, key=lambda name: found[name])
    caught = ", ".join(name for name in names if found[name] >= tolerances.leak_auc)
    yield Row(
        "Largest AUC of a single indicator",
        REFUSED if caught else PASSED,
        challenger=found[worst],
        tolerance=tolerances.leak_auc,
        said=f"made from the label, or from what is known only after it: {caught}" if caught else f"that is {worst}",
    )


def _explanations(evidence: Evidence, scores: Scores, tolerances: Gate) -> Iterator[Row]:
    """Compare sums of parts with the points, and learned parts with LightGBM's own TreeSHAP."""
    chosen = np.random.default_rng(_SEED).permutation(len(evidence.y))[:SAMPLE_ROWS]
    model = evidence.challenger
    learned = np.zeros_like(evidence.X[chosen])
    if model.booster is not None:
        learned = np.asarray(model.booster.predict(evidence.X[chosen], pred_contrib=True))[:, :-1]
    peer = model.scale.factor * model.platt[1] * learned
    errors = {
        "Explanations add up, largest error": scores.additivity_error(),
        "Explanations are TreeSHAP, largest error": float(np.abs(scores.learned_parts[chosen] - peer).max(initial=0.0)),
    }
    for what, error in errors.items():
        verdict = PASSED if error <= tolerances.additivity_points else REFUSED
        yield Row(what, verdict, challenger=error, tolerance=tolerances.additivity_points)


def _measures(evidence: Evidence, scores: dict[str, Scores], tolerances: Gate) -> Iterator[Row]:
    others = [name for name in ("champion", "card") if name in scores]
    found = _figures(MEASURES, evidence.y, scores, evidence.entity_ids, tolerances.draws)
    for measure in MEASURES:
        values = {name: found[measure.key, name].value for name in scores}
        for other in others:
            yield _compared(
                measure.what, values, other, found[measure.key, f"less {other}"], getattr(tolerances, measure.key),
                measure.more_is_better,
            )  # fmt: skip


def _figures(
    measures: tuple[_Measure, ...], y: NDArray[np.int8], scores: dict[str, Scores], entity_ids: NDArray[Any], draws: int
) -> dict[tuple[str, str], Interval]:
    """Return each measure of each model, and of the challenger less each other on the same draws."""
    names = list(scores)
    columns = np.column_stack([c for s in scores.values() for c in (s.raw_score, s.probability)])

    def measured(y: NDArray[np.int8], drawn: NDArray[np.float64]) -> dict[str, float]:
        result: dict[str, float] = {}
        for measure in measures:
            values = {n: measure.metric(y, drawn[:, 2 * k + measure.of_probability]) for k, n in enumerate(names)}
            less = {f"less {n}": values["challenger"] - v for n, v in values.items() if n != "challenger"}
            result |= {f"{measure.key} {name}": value for name, value in (values | less).items()}
        return result

    found = intervals(measured, y, columns, entity_ids, n_draws=draws)
    return {(key.split(" ", 1)[0], key.split(" ", 1)[1]): value for key, value in found.items()}


def _compared(
    what: str, values: dict[str, float], other: str, less: Interval, tolerance: float, more_is_better: bool
) -> Row:
    worse = -less.value if more_is_better else less.value
    return Row(
        what,
        REFUSED if worse > tolerance else PASSED,
        values["challenger"],
        values.get("champion"),
        values.get("card"),
        tolerance=tolerance,
        against=other,
        difference=less.value,
        low=_number(less.low),
        high=_number(less.high),
    )


def _grade_order(evidence: Evidence, scores: Scores, tolerances: Gate) -> Row:
    """Refuse grades whose violation rates do not rise with the risk."""
    rates = rates_by_grade(scores.grade, evidence.y, evidence.challenger.cut_points.grades)
    judged = [row for row in rates if row["n_labelled"] >= tolerances.grade_labels]
    few = [row["grade"] for row in rates if row["n_labelled"] < tolerances.grade_labels]
    said = ", ".join(f"{row['grade']} {row['violation_rate']:.1%}" for row in judged)
    said += f"; too few labels: {', '.join(few)}" if few else ""
    if len(judged) < 2:
        return Row("Violation rates rise with the grade", NOT_JUDGED, tolerance=tolerances.grade_order, said=said)
    steps = np.diff([row["violation_rate"] for row in judged])
    verdict = REFUSED if steps.min() < -tolerances.grade_order else PASSED
    smallest = float(steps.min())
    return Row("Violation rates rise with the grade", verdict, smallest, tolerance=tolerances.grade_order, said=said)


def _groups(evidence: Evidence, scores: dict[str, Scores], tolerances: Gate) -> Iterator[Row]:
    """Compare each audited group with the champion's, or with the card's where there is no champion."""
    other = "champion" if "champion" in scores else "card"
    for kind in evidence.groups.columns:
        column = evidence.groups[kind]
        few = []
        for value in sorted(column.dropna().unique()):
            mask = (column == value).to_numpy()
            n_positive = int(evidence.y[mask].sum())
            if min(n_positive, int(mask.sum()) - n_positive) < tolerances.group_labels_of_each_class:
                few.append(str(value))
            else:
                yield from _group(f"{kind} {value}", mask, evidence, scores, other, tolerances)
        if few or not column.notna().any():
            yield Row(f"{kind}", NOT_JUDGED, said=_too_few(few, tolerances.group_labels_of_each_class))


def _group(
    name: str, mask: NDArray[np.bool_], evidence: Evidence, scores: dict[str, Scores], other: str, tolerances: Gate
) -> Iterator[Row]:
    both = {n: _rows_of(s, mask) for n, s in scores.items() if n in ("challenger", other)}
    y, entity_ids = evidence.y[mask], evidence.entity_ids[mask]
    found = _figures(_GROUP_MEASURES, y, both, entity_ids, tolerances.draws)
    limits = (tolerances.group_roc_auc, tolerances.group_calibration)
    for measure, tolerance in zip(_GROUP_MEASURES, limits, strict=True):
        values = {n: found[measure.key, n].value for n in both}
        less = found[measure.key, f"less {other}"]
        yield _compared(f"{measure.what}, {name}", values, other, less, tolerance, measure.more_is_better)


def _calibration_gap(y: NDArray[np.int8], probability: NDArray[np.float64]) -> float:
    return abs(float(probability.mean()) - float(y.mean()))


_GROUP_MEASURES = (
    _Measure("roc_auc", "AUC", metrics.fast_roc_auc, True),
    _Measure("calibration", "Calibration gap", _calibration_gap, False, True),
)


def _rows_of(scores: Scores, mask: NDArray[np.bool_]) -> Scores:
    taken = {n: getattr(scores, n)[mask] for n in Scores.__dataclass_fields__ if n != "base_points"}
    return Scores(base_points=scores.base_points, **taken)


def _too_few(few: list[str], least: int) -> str:
    if not few:
        return "the city's records do not say it"
    return f"fewer than {least} violations, or {least} without: {', '.join(few)}"


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
