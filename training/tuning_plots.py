"""Pictures of a study: when its folds lie, how the search went, which parameters mattered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from data.city import City, Period
from training.folds import Fold, known_on
from training.plots import EXPERT, LEARNED, NEUTRAL, figure_of
from training.splits import Stage, first_day


def save_plots(
    city: City, folds: Sequence[Fold], trials: Sequence[Mapping[str, Any]], result: Mapping[str, Any], folder: Path
) -> list[Path]:
    """Draw folds, history and importance of a study; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    figures = {"folds": draw_folds(city, folds), "history": history(trials, result)}
    if result["importance"]:
        figures["importance"] = importance(result["importance"])
    paths = []
    for name, figure in figures.items():
        paths.append(folder / f"{name}.png")
        figure.savefig(paths[-1], dpi=120)
    return paths


def draw_folds(city: City, folds: Sequence[Fold]) -> Figure:
    """When does each fold train and test? As-of dates are marks, label windows bars, the city's test a line."""
    figure, axes = figure_of("When each fold trains and tests", "", "fold", height=1.7 + 0.7 * len(folds))
    for fold in folds:
        _draw_stage(axes, city, fold.train, fold.number - 0.15, EXPERT)
        _draw_stage(axes, city, fold.test, fold.number + 0.15, LEARNED)
        begins = date2num(first_day(fold.test))
        axes.plot([begins] * 2, [fold.number - 0.4, fold.number + 0.4], color=LEARNED, linewidth=0.8, linestyle=":")
    test = date2num(first_day(city.split.test))
    axes.axvline(test, color="black", linewidth=1.0)
    axes.text(test, 0.3, "the city's test begins ", ha="right", va="center", fontsize=8)
    axes.set_yticks([fold.number for fold in folds])
    axes.set_ylim(len(folds) + 0.6, 0.1)
    begins, ends = axes.get_xlim()
    axes.set_xlim(begins - 0.02 * (ends - begins), ends)
    axes.xaxis.set_major_locator(AutoDateLocator())
    axes.xaxis.set_major_formatter(ConciseDateFormatter(axes.xaxis.get_major_locator()))
    figure.legend(handles=_legend(city), loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    return figure


def history(trials: Sequence[Mapping[str, Any]], result: Mapping[str, Any]) -> Figure:
    """How did the search go? Each whole trial, the best so far, the pruned ones below, the present parameters."""
    figure, axes = figure_of("How the search went", "trial", f"{_words(result)}, mean over folds")
    whole = [trial for trial in trials if trial["value"] is not None]
    numbers, values = [trial["number"] for trial in whole], [trial["value"] for trial in whole]
    axes.plot(numbers, values, "o", markersize=4, color=NEUTRAL, label="trial")
    axes.step(numbers, np.maximum.accumulate(values), where="post", color=LEARNED, label="best so far")
    present = result["figures"]["present"]["value"]
    axes.axhline(present, color=EXPERT, linewidth=1.0, linestyle="--", label="present parameters")
    if pruned := [trial["number"] for trial in trials if trial["value"] is None]:
        below = min(*values, present) - 0.05 * np.ptp([*values, present])
        axes.plot(pruned, [below] * len(pruned), "x", markersize=4, color=NEUTRAL, label="pruned (value not shown)")
    axes.legend(frameon=False, fontsize=8)
    return figure


def importance(shares: Mapping[str, float]) -> Figure:
    """Which parameters mattered? Share of the objective's variance that each explains."""
    figure, axes = figure_of("Which parameters mattered", "share of the variance explained (fANOVA)", "")
    names = list(shares)[::-1]
    bars = axes.barh(names, [shares[name] for name in names], color=LEARNED)
    axes.bar_label(bars, [f"{shares[name]:.0%}" for name in names], fontsize=8, padding=2)
    return figure


def _draw_stage(axes: Axes, city: City, stage: Stage, place: float, color: str) -> None:
    days = [stage.start] if isinstance(stage, Period) else list(stage)
    ends = stage.end if isinstance(stage, Period) else max(days) + city.horizon
    known = known_on(city, stage)
    axes.barh(place, (ends - min(days)).days, left=date2num(min(days)), height=0.2, color=color, alpha=0.35)
    axes.barh(place, (known - ends).days, left=date2num(ends), height=0.2, color=NEUTRAL, alpha=0.6)
    if not isinstance(stage, Period):
        axes.plot(date2num(days), [place] * len(days), "|", color=color, markersize=9, markeredgewidth=2)


def _legend(city: City) -> list[Patch]:
    what = "inspections" if city.cohort.kind == "inspection" else "as-of dates and label windows"
    return [
        Patch(color=EXPERT, alpha=0.35, label=f"training: {what}"),
        Patch(color=LEARNED, alpha=0.35, label=f"test: {what}"),
        Patch(color=NEUTRAL, alpha=0.6, label="until results are known"),
    ]


def _words(result: Mapping[str, Any]) -> str:
    return str(result["declared"]["objective"]).replace("_", " ")
