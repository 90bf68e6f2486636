"""Pictures of calibration: does a probability come true, by each calibration and by each group?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from data.codes import industry_name
from training.plots import EXPERT, LEARNED, NEUTRAL, figure_of

_MOST_GROUPS = 40


def save_calibration_plots(report: Mapping[str, Any], folder: Path) -> None:
    """Draw a calibration report into a folder: reliability.png, and groups.png where a group is judged."""
    reliability(report).savefig(folder / "reliability.png", dpi=120)
    if any("gap" in row for row in report["groups"]):
        groups(report).savefig(folder / "groups.png", dpi=120)


def reliability(report: Mapping[str, Any]) -> Figure:
    """Does a probability come true? Observed rate over predicted with intervals, a panel for each calibration."""
    curves = report["curves"]
    figure = Figure(figsize=(3.1 * len(curves), 3.4), layout="constrained")
    all_axes = figure.subplots(1, len(curves), sharex=True, sharey=True, squeeze=False)[0]
    limit = max(_end(point) for curve in curves.values() for point in curve)
    for name, axes in zip(curves, all_axes, strict=True):
        axes.plot([0, limit], [0, limit], color="black", linewidth=0.8, linestyle=":")
        observed = [point["observed"] for point in curves[name]]
        _with_intervals(axes, [point["predicted"] for point in curves[name]], observed)
        brier = report["calibrations"][name]["brier"]["value"]
        axes.set_title(f"{name}, Brier {brier:.4f}", fontsize=9)
        axes.spines[["top", "right"]].set_visible(False)
    all_axes[0].set(ylabel="observed violation rate")
    figure.supxlabel("predicted probability", fontsize=10)
    return figure


def groups(report: Mapping[str, Any]) -> Figure:
    """Whom does the served calibration promise too much or too little? Observed less predicted, with intervals."""
    rows = [row for row in report["groups"] if "gap" in row]
    # The largest groups are drawn; report.json has all.
    rows = sorted(sorted(rows, key=lambda row: -row["n"])[:_MOST_GROUPS], key=lambda r: (r["kind"], r["group"]))[::-1]
    figure, axes = figure_of(
        "Observed less predicted, by group", "violation rate less mean probability", "", 1.2 + 0.22 * len(rows)
    )
    axes.axvline(0, color="black", linewidth=0.8, linestyle=":")
    for place, row in enumerate(rows):
        color = NEUTRAL if row["verdict"] == "as predicted" else LEARNED
        gap = row["gap"]
        axes.plot([gap["low"], gap["high"]], [place, place], color=color, linewidth=2)
        axes.plot(gap["value"], place, marker="o", markersize=4, color=color)
    axes.locator_params(axis="x", nbins=5)
    names = [f"{row['kind']} {_name(row)} ({row['n']:,})" for row in rows]
    axes.set_yticks(range(len(rows)), names, fontsize=8)
    return figure


def _name(row: Mapping[str, Any]) -> str:
    # Names of regions are in Chinese, which the font of the pictures does not have.
    return industry_name(row["group"], "en") if row["kind"] == "industry" else str(row["group"])


def _with_intervals(axes: Axes, predicted: list[float], observed: list[Mapping[str, Any]]) -> None:
    values = [rate["value"] for rate in observed]
    for x, rate in zip(predicted, observed, strict=True):
        if rate["low"] is not None and rate["high"] is not None:
            axes.plot([x, x], [rate["low"], rate["high"]], color=EXPERT, linewidth=1.2)
    axes.plot(predicted, values, marker="o", markersize=4, color=EXPERT, linewidth=0.8)


def _end(point: Mapping[str, Any]) -> float:
    observed = point["observed"]
    return 1.05 * float(max(point["predicted"], observed["value"], observed["high"] or 0.0))
