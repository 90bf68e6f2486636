"""Who wins, in plain words: a rival whose difference to the champion lies wholly on the better side of zero."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from training.hindsight import hindsight_said

Content = Mapping[str, Any]
METRICS = {
    "roc_auc": "AUC",
    "average_precision": "average precision",
    "precision_at_5_percent": "precision at 5%",
    "precision_at_10_percent": "precision at 10%",
    "brier_score": "Brier",
    "expected_calibration_error": "calibration error",
}
LOWER_IS_BETTER = ("brier_score", "expected_calibration_error")
PLACES = {"folds": "over the folds", "test": "on the test"}


def ranked(content: Content) -> list[str]:
    """Return the rivals that were measured, the highest AUC over the folds first."""
    measured = [name for name, rival in content["rivals"].items() if "left_out" not in rival]
    return sorted(measured, key=lambda name: -figure_of(content, name, "folds", "roc_auc")["value"])


def winners(content: Content, where: str, metric: str) -> list[str]:
    """Return the rivals whose difference to the champion lies wholly on the better side of zero, the best first."""
    sign = -1.0 if metric in LOWER_IS_BETTER else 1.0
    found = {n: difference_of(content, n, where, metric) for n in ranked(content) if n != content["champion"]}
    better = {n: sign * d["value"] for n, d in found.items() if d["low"] is not None and _side(d) == sign}
    return sorted(better, key=lambda name: -better[name])


def beaten(content: Content, where: str, metric: str) -> list[str]:
    """Return the rivals whose difference to the champion lies wholly on the worse side of zero."""
    sign = -1.0 if metric in LOWER_IS_BETTER else 1.0
    found = {n: difference_of(content, n, where, metric) for n in ranked(content) if n != content["champion"]}
    return [n for n, d in found.items() if d["low"] is not None and _side(d) == -sign]


def _side(difference: Content) -> float:
    """Return 1 where an interval lies above zero, -1 below, 0 where it holds zero."""
    return float(difference["low"] > 0) - float(difference["high"] < 0)


def verdict(content: Content) -> list[str]:
    """Return who wins, in sentences: by AUC over the folds first, then by other figures, then on the test.

    Where the card is newer than a test, that comes before all else.
    """
    return [
        *hindsight_said(content),
        by_auc(content, "folds"),
        *_by_directions(content),
        _by_other_figures(content, "folds"),
        _champions_own(content),
        by_auc(content, "test"),
        _by_other_figures(content, "test"),
    ]


def by_auc(content: Content, where: str) -> str:
    place, found = PLACES[where], winners(content, where, "roc_auc")
    champion = figure_of(content, content["champion"], where, "roc_auc")["value"]
    if not found:
        return (
            f"**No rival ranks better than the champion {place}** (AUC {champion:.4f}): "
            "no interval of a difference in AUC lies above zero."
        )
    what = content["rivals"][found[0]]["what"]
    said = ", ".join(f"{name} by {signed(difference_of(content, name, where, 'roc_auc'))}" for name in found)
    return f"**{found[0]} ({what}) ranks better than the champion {place}**, whose AUC is {champion:.4f}: {said}."


def _by_directions(content: Content) -> list[str]:
    """Say which directions cost the champion AUC, where that was asked."""
    costly = {name: gained for name, gained in content["directions"].items() if gained["low"] and gained["low"] > 0}
    if not content["directions"]:
        return []
    said = ", ".join(f"{name} {signed(gained)}" for name, gained in costly.items()) or "none of them alone"
    return [f"What a direction costs the champion's AUC over the folds, each given up alone: {said}."]


def _by_other_figures(content: Content, where: str) -> str:
    kept = content["rivals"][content["champion"]][where]["figures"]
    said = []
    for metric, title in METRICS.items():
        if metric != "roc_auc" and metric in kept and (found := winners(content, where, metric)):
            best = signed(difference_of(content, found[0], where, metric))
            said.append(f"{title}: {found[0]} by {best}" + "".join(f", {name}" for name in found[1:]))
    return f"Better than the champion {PLACES[where]} by other figures: {'; '.join(said) or 'nobody'}."


def _champions_own(content: Content) -> str:
    worse = beaten(content, "folds", "roc_auc")
    told_apart = (*worse, *winners(content, "folds", "roc_auc"), content["champion"])
    alike = [name for name in ranked(content) if name not in told_apart]
    return (
        f"By AUC over the folds the champion beats {', '.join(worse) or 'nobody'}; "
        f"it cannot be told from {', '.join(alike) or 'nobody'}."
    )


def figure_of(content: Content, name: str, where: str, metric: str) -> dict[str, Any]:
    figure: dict[str, Any] = content["rivals"][name][where]["figures"][metric]
    return figure


def difference_of(content: Content, name: str, where: str, metric: str) -> dict[str, Any]:
    figure: dict[str, Any] = content["rivals"][name][where]["against_champion"][metric]
    return figure


def plain(figure: Content) -> str:
    if figure["low"] is None:
        return f"{figure['value']:.3f}"
    return f"{figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})"


def signed(figure: Content) -> str:
    if figure["low"] is None:
        return f"{figure['value']:+.4f}"
    return f"{figure['value']:+.4f} ({figure['low']:+.4f} to {figure['high']:+.4f})"
