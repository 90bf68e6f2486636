"""Pictures of a model: one question each, drawn without a screen."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from training.additive import Scores
from training.evaluation import rates_by_grade
from training.importance import LEVEL, Importance
from training.metrics import calibration_bins

EXPERT, LEARNED, NEUTRAL = "#4c6a8f", "#c8702f", "#8a8f98"
_LINES = {"expert_card": EXPERT, "lightgbm": NEUTRAL, "lightgbm_offset": LEARNED}


def save_plots(
    scores: Mapping[str, Scores],
    y: NDArray[np.int8],
    champion: str,
    names: tuple[str, ...],
    grades: tuple[str, ...],
    folder: Path,
) -> list[Path]:
    """Draw reliability, gain, grades and contributions on the test rows; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    figures = {
        "reliability": reliability(scores, y),
        "gain": gain(scores, y),
        "grades": grade_rates(scores[champion], y, grades),
        "contributions": contributions(scores[champion], names),
    }
    paths = []
    for name, figure in figures.items():
        paths.append(folder / f"{name}.png")
        figure.savefig(paths[-1], dpi=120)
    return paths


def save_importance(found: Importance, folder: Path) -> None:
    """Draw the importance of the indicators and write its table."""
    found.save(folder)
    importance(found).savefig(folder / "importance.png", dpi=120)


def reliability(scores: Mapping[str, Scores], y: NDArray[np.int8]) -> Figure:
    """Does a probability come true? Observed rate over predicted, in ten bins of equal count."""
    figure, axes = figure_of("Does a probability come true?", "predicted probability", "observed violation rate")
    limit = 0.0
    for name, score in scores.items():
        predicted, observed, _ = calibration_bins(y, score.probability).T
        axes.plot(predicted, observed, marker="o", markersize=4, color=_LINES[name], label=name)
        limit = max(limit, 1.05 * float(predicted.max()), 1.05 * float(observed.max()))
    axes.plot([0, limit], [0, limit], color="black", linewidth=0.8, linestyle=":")
    axes.legend(frameon=False)
    return figure


def gain(scores: Mapping[str, Scores], y: NDArray[np.int8]) -> Figure:
    """How many violations do the first inspections find?"""
    figure, axes = figure_of(
        "Violations found by the first inspections", "share inspected", "share of violations found"
    )
    share = np.arange(len(y) + 1) / len(y)
    for name, score in scores.items():
        found = np.concatenate([[0], np.cumsum(y[np.argsort(-score.raw_score, kind="stable")])]) / y.sum()
        axes.plot(share, found, color=_LINES[name], label=name)
    axes.plot([0, 1], [0, 1], color="black", linewidth=0.8, linestyle=":")
    axes.legend(frameon=False)
    return figure


def grade_rates(scores: Scores, y: NDArray[np.int8], grades: tuple[str, ...]) -> Figure:
    """Do violations rise from grade to grade?"""
    figure, axes = figure_of("Violation rate by grade", "grade", "violation rate")
    rows = rates_by_grade(scores.grade, y, grades)
    bars = axes.bar(grades, [row["violation_rate"] or 0.0 for row in rows], color=LEARNED)
    axes.bar_label(bars, [f"{row['n_labelled']:,} inspected" for row in rows], fontsize=8, padding=2)
    return figure


def contributions(scores: Scores, names: tuple[str, ...]) -> Figure:
    """Which indicators move points, and is it the experts or history? Mean absolute points."""
    expert, learned = np.abs(scores.expert_parts).mean(axis=0), np.abs(scores.learned_parts).mean(axis=0)
    moving = np.flatnonzero(expert + learned > 0.0)
    order = moving[np.argsort((expert + learned)[moving], kind="stable")]
    figure, axes = figure_of("What moves the points", "mean absolute points", "")
    places = np.arange(len(order))
    axes.barh(places, expert[order], color=EXPERT, label="experts' card")
    axes.barh(places, learned[order], left=expert[order], color=LEARNED, label="learned from history")
    axes.set_yticks(places, [in_words(names[i]) for i in order], fontsize=8)
    axes.legend(frameon=False, loc="lower right")
    _say_still(axes, len(names) - len(order))
    return figure


def importance(found: Importance) -> Figure:
    """Which indicators matter, and would they matter again? Mean absolute points, with the interval over the refits."""
    table = found.table().iloc[::-1]
    still = table[["mean_absolute_points", *(["high"] if len(found.refits) else [])]].max(axis=1) <= 0.0
    table = table[~still]
    figure, axes = figure_of("Which indicators matter, and would they matter again?", "mean absolute points", "", 5.6)
    figure.set_figwidth(8.0)
    places = np.arange(len(table))
    if len(found.refits):
        label = f"{LEVEL:.0%} of {len(found.refits)} refits on entities drawn anew"
        axes.hlines(places, table["low"], table["high"], color=LEARNED, linewidth=5, alpha=0.55, label=label)
        right = table[["high", "mean_absolute_points"]].max(axis=1)
        for place, (at, low, high) in enumerate(zip(right, table["rank_low"], table["rank_high"], strict=True)):
            text = f"  rank {low:.0f} to {high:.0f}" if high > low else f"  rank {low:.0f}"
            axes.text(at, place, text, va="center", fontsize=7, color=NEUTRAL)
    axes.plot(table["mean_absolute_points"], places, "o", color=EXPERT, markersize=5, label="the model")
    axes.set_yticks(places, [in_words(name) for name in table["indicator"]], fontsize=8)
    _say_still(axes, int(still.sum()))
    # Room for the ranks.
    axes.set_xlim(0.0, 1.15 * axes.get_xlim()[1])
    axes.legend(frameon=False, loc="lower right")
    return figure


def in_words(name: str) -> str:
    """Return the name of an indicator as pictures show it."""
    return name.replace("_", " ")


def _say_still(axes: Axes, n: int) -> None:
    """Say how many indicators are left out because they move nobody's points."""
    if n:
        axes.set_xlabel(f"{axes.get_xlabel()}; {n} other indicator{'s move' if n > 1 else ' moves'} nobody's points")


def figure_of(title: str, x: str, y: str, height: float = 4.4) -> tuple[Figure, Axes]:
    """Return an empty picture in the style of all, with its title and the names of its axes; `height` in inches."""
    figure = Figure(figsize=(6.4, height), layout="constrained")
    axes = figure.add_subplot()
    axes.set(title=title, xlabel=x, ylabel=y)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes
