"""What a comparison says: who wins, in plain words and first; then the tables, and a picture of the differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from data.city import Period
from training.bootstrap import DRAWS, LEVEL
from training.comparison import Comparison, Contest
from training.plots import EXPERT, LEARNED, NEUTRAL
from training.rivals import CHAMPION, RIVALS, Rival
from training.rows import Rows
from training.splits import Stage

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
_PLACES = {"folds": "over the folds", "test": "on the test"}


def as_json(comparison: Comparison, rivals: Sequence[Rival] = RIVALS) -> dict[str, Any]:
    """Return the comparison as it is kept; the pages are written from this alone."""
    return {
        "city": comparison.city.name,
        "title": comparison.city.title,
        "champion": CHAMPION.name,
        "n_draws": DRAWS,
        "level": LEVEL,
        "folds": [
            {"train": _said(f.fold.train), "n_train": len(f.train.y), **_tested(f.fold.test, f.test)}
            for f in comparison.folds
        ],
        "test": _tested(comparison.city.split.test, comparison.test),
        "rivals": {
            rival.name: {"what": rival.what, "missing": rival.missing, "additive": rival.additive}
            | _results(rival.name, comparison.over_folds, comparison.on_test)
            for rival in rivals
        },
    }


def _results(name: str, over_folds: Contest, on_test: Contest) -> dict[str, Any]:
    reason = over_folds.left_out.get(name) or on_test.left_out.get(name)
    if reason:
        return {"left_out": reason}
    return {
        "fit_seconds": on_test.fit_seconds[name],
        "size_bytes": on_test.size_bytes[name],
        "folds": over_folds.measured[name].as_json(),
        "test": on_test.measured[name].as_json(),
    }


def _tested(stage: Stage, rows: Rows) -> dict[str, Any]:
    return {
        "test": _said(stage),
        "n_test": len(rows.y),
        "n_test_positive": int(rows.y.sum()),
        "n_entities": len(np.unique(rows.entity_ids)),
    }


def _said(stage: Stage) -> str:
    if isinstance(stage, Period):
        return f"{stage.start} to {stage.end}"
    return str(stage[0]) if len(stage) == 1 else f"{len(stage)} dates from {stage[0]} to {stage[-1]}"


def ranked(content: Content) -> list[str]:
    """Return the rivals that were measured, the highest AUC over the folds first."""
    measured = [name for name, rival in content["rivals"].items() if "left_out" not in rival]
    return sorted(measured, key=lambda name: -_figure(content, name, "folds", "roc_auc")["value"])


def winners(content: Content, where: str, metric: str) -> list[str]:
    """Return the rivals whose difference to the champion lies wholly on the better side of zero, the best first."""
    sign = -1.0 if metric in LOWER_IS_BETTER else 1.0
    found = {n: _difference(content, n, where, metric) for n in ranked(content) if n != content["champion"]}
    better = {n: sign * d["value"] for n, d in found.items() if d["low"] is not None and _side(d) == sign}
    return sorted(better, key=lambda name: -better[name])


def beaten(content: Content, where: str, metric: str) -> list[str]:
    """Return the rivals whose difference to the champion lies wholly on the worse side of zero."""
    sign = -1.0 if metric in LOWER_IS_BETTER else 1.0
    found = {n: _difference(content, n, where, metric) for n in ranked(content) if n != content["champion"]}
    return [n for n, d in found.items() if d["low"] is not None and _side(d) == -sign]


def _side(difference: Content) -> float:
    """Return 1 where an interval lies above zero, -1 below, 0 where it holds zero."""
    return float(difference["low"] > 0) - float(difference["high"] < 0)


def verdict(content: Content) -> list[str]:
    """Return who wins, in sentences: by AUC over the folds first, then by other figures, then on the test."""
    return [
        _by_auc(content, "folds"),
        _by_other_figures(content, "folds"),
        _champions_own(content),
        _by_auc(content, "test"),
        _by_other_figures(content, "test"),
    ]


def _by_auc(content: Content, where: str) -> str:
    place, found = _PLACES[where], winners(content, where, "roc_auc")
    champion = _figure(content, content["champion"], where, "roc_auc")["value"]
    if not found:
        return (
            f"**No rival ranks better than the champion {place}** (AUC {champion:.4f}): "
            "no interval of a difference in AUC lies above zero."
        )
    said = ", ".join(f"{name} by {_signed(_difference(content, name, where, 'roc_auc'))}" for name in found)
    return f"**{found[0]} ranks better than the champion {place}**, whose AUC is {champion:.4f}: {said}."


def _by_other_figures(content: Content, where: str) -> str:
    kept = content["rivals"][content["champion"]][where]["figures"]
    said = []
    for metric, title in METRICS.items():
        if metric != "roc_auc" and metric in kept and (found := winners(content, where, metric)):
            best = _signed(_difference(content, found[0], where, metric))
            said.append(f"{title}: {found[0]} by {best}" + "".join(f", {name}" for name in found[1:]))
    return f"Better than the champion {_PLACES[where]} by other figures: {'; '.join(said) or 'nobody'}."


def _champions_own(content: Content) -> str:
    worse = beaten(content, "folds", "roc_auc")
    told_apart = (*worse, *winners(content, "folds", "roc_auc"), content["champion"])
    alike = [name for name in ranked(content) if name not in told_apart]
    return (
        f"By AUC over the folds the champion beats {', '.join(worse) or 'nobody'}; "
        f"it cannot be told from {', '.join(alike) or 'nobody'}."
    )


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
                for where in _PLACES
                for cell in (
                    _plain(_figure(content, name, where, "roc_auc")),
                    _signed(_difference(content, name, where, "roc_auc")) if name != content["champion"] else "",
                )
            ),
        ]
        for name in ranked(content)
    ]
    return "\n\n".join([_by_auc(content, "folds"), _by_auc(content, "test"), _markdown(heads, rows)])


def lines(content: Content) -> list[str]:
    """Return the comparison for a terminal: the sentences, then a table."""
    table = [
        f"  {'':<24}{'AUC over the folds':>27}{'against the champion':>31}{'AUC on the test':>18}{'fit':>9}{'size':>11}"
    ]
    for name in ranked(content):
        rival = content["rivals"][name]
        against = "" if name == content["champion"] else _signed(_difference(content, name, "folds", "roc_auc"))
        table.append(
            f"  {name:<24}{_plain(_figure(content, name, 'folds', 'roc_auc')):>27}{against:>31}"
            f"{_figure(content, name, 'test', 'roc_auc')['value']:>18.4f}{rival['fit_seconds']:>7.1f} s"
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
        found = [_difference(content, name, where, "roc_auc") for name in names]
        value, low, high = (np.array([d[key] for d in found], dtype=np.float64) for key in ("value", "low", "high"))
        axes.errorbar(
            value, np.arange(len(names)) + shift, xerr=[value - low, high - value], fmt="o", markersize=4,
            color=colour, label=_PLACES[where],
        )  # fmt: skip
    axes.axvline(0.0, color=NEUTRAL, linewidth=0.8)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set(title=f"{content['title']}: AUC against the champion", xlabel="difference in AUC, 95% interval")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower left")
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
        against = "" if name == content["champion"] else _signed(_difference(content, name, where, "roc_auc"))
        others = [_plain(_figure(content, name, where, metric)) for metric in kept if metric != "roc_auc"]
        rows.append([_name(content, name), _plain(_figure(content, name, where, "roc_auc")), against, *others])
    if costs:
        heads += ["fit, s", "size, KiB", "additive"]
        for row, rival in zip(rows, (content["rivals"][name] for name in ranked(content)), strict=True):
            row += [f"{rival['fit_seconds']:.1f}", f"{rival['size_bytes'] / 1024:,.0f}", rival["additive"]]
    return _markdown(heads, rows)


def _markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (heads, ["---"] * len(heads), *rows))


def _name(content: Content, name: str) -> str:
    return f"**{name}** (champion)" if name == content["champion"] else name


def _figure(content: Content, name: str, where: str, metric: str) -> dict[str, Any]:
    figure: dict[str, Any] = content["rivals"][name][where]["figures"][metric]
    return figure


def _difference(content: Content, name: str, where: str, metric: str) -> dict[str, Any]:
    figure: dict[str, Any] = content["rivals"][name][where]["against_champion"][metric]
    return figure


def _plain(figure: Content) -> str:
    if figure["low"] is None:
        return f"{figure['value']:.3f}"
    return f"{figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})"


def _signed(figure: Content) -> str:
    if figure["low"] is None:
        return f"{figure['value']:+.4f}"
    return f"{figure['value']:+.4f} ({figure['low']:+.4f} to {figure['high']:+.4f})"
