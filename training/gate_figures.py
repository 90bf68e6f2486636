"""Figures of the gate: challenger, champion and card on the same rows and the same draws, as a whole and by group."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.gate import Gate
from training import metrics
from training.additive import Scores
from training.bootstrap import Interval, intervals
from training.gate_table import NOT_JUDGED, PASSED, REFUSED, Evidence, Row

Metric = Callable[..., float]
"""Takes (y, score) and the keyword weight."""


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


def measured_rows(evidence: Evidence, scores: dict[str, Scores], tolerances: Gate) -> Iterator[Row]:
    """Yield a row for each measure of the whole period, against the champion and against the card."""
    others = [name for name in ("champion", "card") if name in scores]
    found = _figures(MEASURES, evidence.y, scores, evidence.entity_ids, evidence.weight, tolerances.draws)
    for measure in MEASURES:
        values = {name: found[measure.key, name].value for name in scores}
        for other in others:
            yield _compared(
                measure.what, values, other, found[measure.key, f"less {other}"], getattr(tolerances, measure.key),
                measure.more_is_better,
            )  # fmt: skip


def _figures(
    measures: tuple[_Measure, ...], y: NDArray[np.int8], scores: dict[str, Scores], entity_ids: NDArray[Any],
    weight: metrics.Weight, draws: int,
) -> dict[tuple[str, str], Interval]:  # fmt: skip
    """Return each measure of each model, and of the challenger less each other on the same draws."""
    names = list(scores)
    columns = np.column_stack([c for s in scores.values() for c in (s.raw_score, s.probability)])

    def measured(y: NDArray[np.int8], drawn: NDArray[np.float64], weight: metrics.Weight = None) -> dict[str, float]:
        result: dict[str, float] = {}
        for measure in measures:
            columns = {n: drawn[:, 2 * k + measure.of_probability] for k, n in enumerate(names)}
            values = {n: measure.metric(y, column, weight=weight) for n, column in columns.items()}
            less = {f"less {n}": values["challenger"] - v for n, v in values.items() if n != "challenger"}
            result |= {f"{measure.key} {name}": value for name, value in (values | less).items()}
        return result

    found = intervals(measured, y, columns, entity_ids, weight, n_draws=draws)
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


def group_rows(evidence: Evidence, scores: dict[str, Scores], tolerances: Gate) -> Iterator[Row]:
    """Yield the rows of each audited group, against the champion, or against the card where there is none."""
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
    weight = None if evidence.weight is None else evidence.weight[mask]
    found = _figures(_GROUP_MEASURES, y, both, entity_ids, weight, tolerances.draws)
    limits = (tolerances.group_roc_auc, tolerances.group_calibration)
    for measure, tolerance in zip(_GROUP_MEASURES, limits, strict=True):
        values = {n: found[measure.key, n].value for n in both}
        less = found[measure.key, f"less {other}"]
        yield _compared(f"{measure.what}, {name}", values, other, less, tolerance, measure.more_is_better)


def _calibration_gap(y: NDArray[np.int8], probability: NDArray[np.float64], weight: metrics.Weight = None) -> float:
    return abs(float(np.average(probability, weights=weight)) - float(np.average(y, weights=weight)))


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
