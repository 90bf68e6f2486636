"""Pictures of contributions by the shap library, from our own exact values: experts' and learned parts, in points."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from training.additive import Scores
from training.plots import in_words

# pyplot and shap take a second to import, and only training draws.
if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_ROWS = 2_000
"""Rows that are drawn; more would lie on each other."""

N_FOLLOWED = 4
"""Indicators whose values are drawn against their contributions."""

N_STEPS = 12
"""Lines of a waterfall; the smallest share one, as their arrows would be drawn longer than they are."""

_POINTS = "points that the indicator adds or takes"
_WIDTH = 9.0
_ROOM = 0.08


def save_shap_plots(scores: Scores, X: NDArray[np.float64], names: tuple[str, ...], folder: Path) -> list[Path]:
    """Draw contributions of everybody, by value, and of the entity with most points; return the files.

    Parameters
    ----------
    scores : Scores
        Of the champion, on n rows.
    X : float64 (n, 18)
        Indicators of the same rows; NaN is missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    with own_figures():
        explanation = explain(scores, X, names)
        chosen = np.random.default_rng(0).permutation(len(X))[:MOST_ROWS]
        drawn = explanation[np.sort(chosen)]
        for name, figure in (
            ("beeswarm", beeswarm(drawn)),
            ("dependence", dependence(drawn)),
            ("waterfall", waterfall(explanation[int(np.argmax(scores.unclipped_points))])),
        ):
            paths.append(folder / f"{name}.png")
            figure.savefig(paths[-1], dpi=120, bbox_inches="tight")
    return paths


def explain(scores: Scores, X: NDArray[np.float64], names: tuple[str, ...]) -> Any:
    """Return scores as the shap library's Explanation: with `base_values` its values sum to points before clipping."""
    import shap

    words = [in_words(name) for name in names]
    values = scores.expert_parts + scores.learned_parts
    base = np.full(len(X), scores.base_points)
    return shap.Explanation(values, base, data=X, feature_names=words)


def beeswarm(explanation: Any) -> Figure:
    """What does each indicator do to the points? A dot for each entity, by its points."""
    import shap

    figure, axes = _figure("What does each indicator do to the points?", (_WIDTH, 8.0))
    shap.plots.beeswarm(
        explanation, max_display=len(explanation.feature_names), ax=axes, s=9, show=False, plot_size=None,
        color_bar_label="value of the indicator (grey: missing)",
    )  # fmt: skip
    axes.set_xlabel(_POINTS)
    return figure


def dependence(explanation: Any) -> Figure:
    """How do the points follow an indicator's value? The indicators that move most, one picture each."""
    import matplotlib.pyplot as plt
    import shap

    order = np.argsort(-np.abs(explanation.values).mean(axis=0))[:N_FOLLOWED]
    figure: Figure
    figure, all_axes = plt.subplots(2, 2, figsize=(11.0, 8.0), layout="constrained")
    figure.suptitle("How do the points follow the value of an indicator?")
    for place, axes in zip(order, all_axes.flat, strict=True):
        shap.plots.scatter(
            explanation[:, int(place)], color=explanation, hist=False, ax=axes, show=False, dot_size=7, x_jitter=0,
            xmax="percentile(99)",
        )  # fmt: skip
        axes.set_ylabel("points")
    note = "Colour: the indicator that bears on it most. Dots on the left edge: missing. Up to the 99th percentile."
    figure.supxlabel(note, fontsize=9)
    return figure


def waterfall(explanation: Any) -> Figure:
    """Why does the entity with most points have them? From the average entity to its points, indicator by indicator."""
    import shap

    figure, axes = _figure("", (_WIDTH, 8.0))
    # The library measures whether a number fits its bar, and must do so in the final layout.
    figure.set_layout_engine("none")
    shown = shap.Explanation(
        explanation.values, explanation.base_values, data=explanation.data,
        display_data=_shown(explanation.data), feature_names=explanation.feature_names,
    )  # fmt: skip
    # An indicator that moves nothing would get an arrow all the same; the others share the last line.
    n_moving = int((np.abs(explanation.values) > 0.0).sum())
    shap.plots.waterfall(shown, max_display=min(N_STEPS, max(n_moving, 1) + 1), show=False)
    # Room for the number of an arrow that points to the left.
    for one in figure.axes:
        low, high = one.get_xlim()
        one.set_xlim(low - _ROOM * (high - low), high)
    axes.set_title(
        "Why does the entity with the most points have them?\nFrom E[f(X)], the average entity, to f(x), its points",
        pad=36,
    )
    return figure


def _shown(values: NDArray[np.float64]) -> NDArray[np.object_]:
    """Return values as text, with a word for what is missing."""
    texts = [f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}" for value in values]
    return np.where(np.isnan(values), "missing", np.array(texts, dtype=object))


def _figure(title: str, size: tuple[float, float]) -> tuple[Figure, Any]:
    """Return a figure that is the current one: the shap library draws on that."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=size, layout="constrained")
    axes.set_title(title, pad=14)
    return figure, axes


@contextmanager
def own_figures() -> Iterator[None]:
    """Draw without a screen and the same each time, close what was drawn, and leave pyplot and NumPy as they were."""
    import matplotlib
    import matplotlib.pyplot as plt

    backend, there = matplotlib.get_backend(auto_select=False), set(plt.get_fignums())
    # The shap library draws on NumPy's global generator where dots overlap.
    state = np.random.get_state()
    np.random.seed(0)
    try:
        with plt.rc_context(), warnings.catch_warnings():
            # The shap library calls what newer versions of its own libraries will rename.
            warnings.simplefilter("ignore")
            plt.switch_backend("agg")
            yield
    finally:
        np.random.set_state(state)
        for number in set(plt.get_fignums()) - there:
            plt.close(number)
        if backend is not None:
            plt.switch_backend(backend)
