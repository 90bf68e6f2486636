"""Pages of a comparison: who wins first, then the tables; a table for the terminal; a picture of the differences."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from training.comparison.verdict import (
    METRICS,
    PLACES,
    Content,
    by_auc,
    difference_of,
    figure_of,
    plain,
    ranked,
    signed,
    verdict,
)  # fmt: skip
from training.hindsight import hindsight_said
from training.plots import EXPERT, LEARNED, NEUTRAL


def page(content: Content) -> str:
    """Return the whole comparison as Markdown."""
    left_out = [f"Left out: {n}. {r['left_out']}" for n, r in content["rivals"].items() if "left_out" in r]
    parts = [
        "\n".join(f"- {sentence}" for sentence in verdict(content)),
        _rows_said(content),
        f"Over the folds (mean of {len(content['folds'])}):",
        _table(content, "folds", costs=True),
        "On the city's test, fitted and calibrated as `qianfen train` does:",
        _table(content, "test", costs=False),
        *left_out,
    ]
    return "\n\n".join(parts)


def short_page(content: Content) -> str:
    """Return who wins and the AUCs as Markdown."""
    heads = ["", "AUC over the folds", "against the champion", "AUC on the test", "against the champion"]
    rows = [
        [
            _name(content, name),
            *(
                cell
                for where in PLACES
                for cell in (
                    plain(figure_of(content, name, where, "roc_auc")),
                    signed(difference_of(content, name, where, "roc_auc")) if name != content["champion"] else "",
                )
            ),
        ]
        for name in ranked(content)
    ]
    who_wins = [by_auc(content, "folds"), by_auc(content, "test")]
    return "\n\n".join([*hindsight_said(content), *who_wins, _markdown(heads, rows)])


def lines(content: Content) -> list[str]:
    """Return the comparison for a terminal: the sentences, then a table."""
    table = [
        f"  {'':<24}{'AUC over the folds':>27}{'against the champion':>31}{'AUC on the test':>18}{'fit':>9}{'size':>11}"
    ]
    for name in ranked(content):
        rival = content["rivals"][name]
        against = "" if name == content["champion"] else signed(difference_of(content, name, "folds", "roc_auc"))
        table.append(
            f"  {name:<24}{plain(figure_of(content, name, 'folds', 'roc_auc')):>27}{against:>31}"
            f"{figure_of(content, name, 'test', 'roc_auc')['value']:>18.4f}{rival['fit_seconds']:>7.1f} s"
            f"{rival['size_bytes'] / 1024:>7,.0f} KiB"
        )
    left_out = [f"  {n}: left out. {r['left_out']}" for n, r in content["rivals"].items() if "left_out" in r]
    return [*(sentence.replace("**", "") for sentence in verdict(content)), *table, *left_out]


def difference_plot(content: Content) -> Figure:
    """By how much does each rival's AUC exceed the champion's?"""
    names = [name for name in ranked(content) if name != content["champion"]][::-1]
    figure = Figure(figsize=(7.2, 4.6), layout="constrained")
    axes = figure.add_subplot()
    for shift, where, colour in ((0.15, "folds", LEARNED), (-0.15, "test", EXPERT)):
        found = [difference_of(content, name, where, "roc_auc") for name in names]
        value, low, high = (np.array([d[key] for d in found], dtype=np.float64) for key in ("value", "low", "high"))
        axes.errorbar(
            value, np.arange(len(names)) + shift, xerr=[value - low, high - value], fmt="o", markersize=4,
            color=colour, label=PLACES[where],
        )  # fmt: skip
    axes.axvline(0.0, color=NEUTRAL, linewidth=0.8)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set(title=f"AUC of rivals against the champion: {content['city']}", xlabel="difference in AUC, 95% interval")
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(frameon=False, loc="outside lower center", ncols=2)
    return figure


def _rows_said(content: Content) -> str:
    folds = [
        f"{n}. learns from {f['n_train']:,} rows ({f['train']}), is tested on {f['n_test']:,} of {f['n_entities']:,} "
        f"entities, {f['n_test_positive']:,} violated ({f['test']})"
        for n, f in enumerate(content["folds"], start=1)
    ]
    test = content["test"]
    folds.append(
        f"{len(folds) + 1}. the city's test: {test['n_test']:,} rows of {test['n_entities']:,} entities, "
        f"{test['n_test_positive']:,} violated ({test['test']})"
    )
    return "\n".join(folds)


def _table(content: Content, where: str, costs: bool) -> str:
    kept = [m for m in METRICS if m in content["rivals"][content["champion"]][where]["figures"]]
    heads = ["", "AUC", "against the champion", *(METRICS[m] for m in kept if m != "roc_auc")]
    rows = []
    for name in ranked(content):
        against = "" if name == content["champion"] else signed(difference_of(content, name, where, "roc_auc"))
        others = [plain(figure_of(content, name, where, metric)) for metric in kept if metric != "roc_auc"]
        rows.append([_name(content, name), plain(figure_of(content, name, where, "roc_auc")), against, *others])
    if costs:
        heads += ["fit, s", "size, KiB", "additive"]
        for row, rival in zip(rows, (content["rivals"][name] for name in ranked(content)), strict=True):
            row += [f"{rival['fit_seconds']:.1f}", f"{rival['size_bytes'] / 1024:,.0f}", rival["additive"]]
    return _markdown(heads, rows)


def _markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (heads, ["---"] * len(heads), *rows))


def _name(content: Content, name: str) -> str:
    return f"**{name}** (champion)" if name == content["champion"] else name
