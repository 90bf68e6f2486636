"""The picture of balance: do the inspected look like everybody, before and after they are weighed?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from training.plots import EXPERT, LEARNED, NEUTRAL, in_words

NOTABLE = 0.1
"""Standardised difference from which a covariate is usually called out of balance (Austin 2009)."""


def save_balance_plot(selection: Mapping[str, Any], folder: Path) -> list[Path]:
    """Draw the balance of the trees' rows; return the files, none where rows are not weighed."""
    if selection["method"] != "weights":
        return []
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "balance.png"
    balance_plot(selection["stages"]["trees"]["balance"]).savefig(path, dpi=120)
    return [path]


def balance_plot(balance: list[dict[str, Any]]) -> Figure:
    """Draw each indicator, and whether it is missing, with its standardised difference before and after (love plot)."""
    lines = [(in_words(row["indicator"]), row["before"], row["after"]) for row in balance]
    lines += [
        (f"{in_words(row['indicator'])} missing", row["missing_before"], row["missing_after"])
        for row in balance
        if row["missing_before"]
    ]
    lines = sorted((line for line in lines if line[1] is not None), key=lambda line: abs(line[1]))
    figure = Figure(figsize=(7.2, 1.2 + 0.22 * len(lines)), layout="constrained")
    axes, places = figure.add_subplot(), np.arange(len(lines))
    axes.scatter([abs(line[1]) for line in lines], places, color=EXPERT, s=22, label="inspected as they are")
    axes.scatter([abs(line[2]) for line in lines], places, color=LEARNED, s=22, label="weighed")
    axes.axvline(NOTABLE, color=NEUTRAL, linewidth=0.8, linestyle=":")
    axes.set_yticks(places, [line[0] for line in lines], fontsize=8)
    axes.set(title="Do the inspected look like everybody?", xlabel="difference of means, in standard deviations")
    axes.set_xlim(left=0.0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower right")
    return figure
