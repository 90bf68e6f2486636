"""A calibration report as text: the finding first, then the calibrations side by side, then the groups."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_HEADS = {
    "brier": "Brier", "reliability": "reliability", "resolution": "resolution", "uncertainty": "uncertainty",
    "smooth_calibration_error": "smooth ECE",
}  # fmt: skip


def calibration_lines(report: Mapping[str, Any]) -> Iterator[str]:
    """Yield the report that a training left, each figure with its 95% interval."""
    yield report["finding"]
    yield f"Fitted on {report['n_calibration']:,} rows, judged on {report['n_test']:,} later ones; 95% intervals."
    yield f"  {'':<14}" + "".join(f"{head:>28}" for head in _HEADS.values())
    for name, figures in report["calibrations"].items():
        yield f"  {name:<14}" + "".join(f"{_figure(figures[key]):>28}" for key in _HEADS)
    yield ""
    judged = [row for row in report["groups"] if "predicted" in row]
    width = max([24, *(len(_name(row)) for row in judged)])
    yield f"  {'group':<{width}}{'rows':>9}{'violations':>12}{'predicted':>11}{'observed':>25}"
    for row in judged:
        numbers = f"{row['n']:>9,}{row['n_positive']:>12,}{row['predicted']:>11.1%}{_rate(row['observed']):>25}"
        yield f"  {_name(row):<{width}}{numbers}  {row['verdict']}"
    few = [_name(row) for row in report["groups"] if row["verdict"] == "too few"]
    if few:
        yield f"  Too few labels to be judged, {len(few)} groups: {', '.join(few)}."


def _name(row: Mapping[str, Any]) -> str:
    return f"{row['kind']} {row['group']}"


def stability_lines(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield how stable grades are."""
    month, refits = found["month"], found["refits"]
    said = f"From {month['from']} to {month['to']}, of {month['n']:,} entities in both"
    if month["n"]:
        yield (
            f"{said}, {month['moved']:.1%} change grade: {month['worse']:.1%} get worse, {month['better']:.1%} better, "
            f"{month['by_two_or_more']:.1%} by two grades or more."
        )
    else:
        yield f"{said}: there is nobody to compare."
    if refits is None:
        yield "The model has no refits that tell how far its grades hang on who was inspected: train it again."
        return
    moved, far = refits["grade_moved"], refits["grade_moved_by_two_or_more"]
    yield (
        f"Fitted again {refits['n_refits']} times on entities drawn with replacement, {moved['mean']:.1%} change grade "
        f"on average ({moved['low']:.1%} to {moved['high']:.1%}), {far['mean']:.1%} by two grades or more; of "
        f"{refits['n_rows_explained']:,} rows of the test."
    )


def _figure(figure: Mapping[str, float | None]) -> str:
    if figure["low"] is None:
        return f"{figure['value']:.5f}"
    return f"{figure['value']:.5f} ({figure['low']:.4f}, {figure['high']:.4f})"


def _rate(rate: Mapping[str, float | None]) -> str:
    if rate["low"] is None:
        return f"{rate['value']:.1%}"
    return f"{rate['value']:.1%} ({rate['low']:.1%}, {rate['high']:.1%})"
