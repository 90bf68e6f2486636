"""The table of the study, written into docs/selection.md between two marks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data.files import write_atomically
from data.settings import PROJECT_ROOT

PAGE = PROJECT_ROOT / "docs" / "selection.md"
BEGIN, END = "<!-- begin: written by python -m experiments.selection -->", "<!-- end -->"
GRADES = ("A", "B", "C", "D")
PLAIN, WEIGHTED, ROBUST = "inspected", "weighted, label", "doubly robust, label"
WHAT = {"roc_auc": "AUC", "rate": "violation rate", "grades": "rates by grade"}
FORMS = {"roc_auc": "{:.4f}", "rate": "{:.2%}", "grades": "{:.2%}"}

Results = Sequence[dict[str, Any]]


def write_page(by_size: Sequence[Results], page: Path = PAGE) -> Path:
    """Replace what stands between the marks of the page by what the seeds of each size came to, the largest last."""
    text = page.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    write_atomically(page, f"{before}{BEGIN}\n\n{tables(by_size)}\n{END}{after}")
    return page


def tables(by_size: Sequence[Results]) -> str:
    """Return what the seeds came to, in Markdown: of every size whether weights help, the rest of the largest."""
    largest = by_size[-1]
    parts = [
        "\n".join(f"- {_cities(results)}" for results in by_size),
        _verdict(by_size),
        *(_answers(results) for results in by_size),
        _bounds(largest),
        _fits(largest),
        *(_seeds(results) for results in by_size),
    ]
    return "\n\n".join(parts) + "\n"


def _cities(results: Results) -> str:
    first, active = results[0], np.mean([r["n_active"] for r in results])
    inspected = np.mean([r["n_inspected"] / r["n_active"] for r in results])
    return (
        f"{len(results)} cities of {_size(results)} (seeds {first['seed']} to {results[-1]['seed']}): on average "
        f"{active:,.0f} active entities at the test date, of whom {inspected:.1%} were inspected."
    )


def _size(results: Results) -> str:
    return f"{results[0]['n_entities']:,} entities"


def off(result: dict[str, Any], answer: str, what: str) -> list[float]:
    """Return by how much an answer is off: of `roc_auc` or `rate` one number, of `grades` one for each."""
    said, true = result["answers"][answer][what], result["truth"][what]
    return [said[grade] - true[grade] for grade in GRADES] if what == "grades" else [said - true]


def distance(result: dict[str, Any], answer: str, what: str) -> float:
    """Return how far an answer is from the truth, of `grades` on average over them."""
    return float(np.mean(np.abs(off(result, answer, what))))


def nearer(results: Results, answer: str, what: str) -> list[int]:
    """Return the seeds where an answer is nearer to the truth than the inspected as they are."""
    return [r["seed"] for r in results if distance(r, answer, what) < distance(r, PLAIN, what)]


def parts_of_error(results: Results, answer: str, what: str) -> tuple[float, float, float]:
    """Return bias, chance and the root of the mean squared error over the seeds; their squares add up.

    Of `grades` each is the root of the mean square over the grades, so that their bias has no sign.
    """
    errors = np.array([np.atleast_1d(off(r, answer, what)) for r in results])
    biases = errors.mean(axis=0)
    bias = float(biases[0]) if len(biases) == 1 else float(np.sqrt((biases**2).mean()))
    return bias, float(np.sqrt(errors.var(axis=0).mean())), float(np.sqrt((errors**2).mean()))


def break_even(results: Results, what: str) -> float:
    """Return for how many entities weights and no weights have the same mean squared error; NaN where never.

    Chance falls with the number of entities and bias does not, so a smaller bias wins in every city that is larger.
    """
    plain, weighted = (parts_of_error(results, answer, what) for answer in (PLAIN, WEIGHTED))
    more_chance, less_bias = weighted[1] ** 2 - plain[1] ** 2, plain[0] ** 2 - weighted[0] ** 2
    return results[0]["n_entities"] * max(more_chance, 0.0) / less_bias if less_bias > 0 else float("nan")


def _verdict(by_size: Sequence[Results]) -> str:
    """Return in how many seeds weights bring an estimate nearer to the truth, in which they do not, and why."""
    head = ["entities", "", "nearer to the truth", "not in seeds", "bias: inspected", "weighted"]
    head += ["chance: inspected", "weighted", "root mean square: inspected", "weighted"]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for results in by_size:
        for what, name in WHAT.items():
            helped = nearer(results, WEIGHTED, what)
            others = ", ".join(str(r["seed"]) for r in results if r["seed"] not in helped)
            cells = [f"{results[0]['n_entities']:,}", name, f"{len(helped)} of {len(results)}", others]
            both = zip(*(parts_of_error(results, answer, what) for answer in (PLAIN, WEIGHTED)), strict=True)
            for place, pair in enumerate(both):
                signed = place == 0 and what != "grades"
                cells += [_signed(value, FORMS[what]) if signed else FORMS[what].format(value) for value in pair]
            lines.append(f"| {' | '.join(cells)} |")
    said = "**Do weights help?** (chances read by the label, against the inspected as they are)"
    after = "Entities of a city from which on weights make the mean squared error smaller, roughly (0: in any city): "
    after += f"{'; '.join(map(_from_on, by_size))}."
    return "\n".join([said, "", *lines, "", after])


def _from_on(results: Results) -> str:
    sizes = [f"{name} {_rounded(break_even(results, what))}" for what, name in WHAT.items()]
    return f"reckoned from cities of {results[0]['n_entities']:,}: {', '.join(sizes)}"


def _rounded(n: float) -> str:
    """Return a number with the one digit that it is good for."""
    return "never" if np.isnan(n) else f"{float(f'{n:.1g}'):,.0f}"


def _answers(results: Results) -> str:
    head = ["answer"]
    for name in WHAT.values():
        head += [f"{name}: bias", "chance", "root mean square", "nearer in"]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for answer in results[0]["answers"]:
        cells = [answer]
        for what, form in FORMS.items():
            bias, chance, error = parts_of_error(results, answer, what)
            cells += [_bias(bias, chance, len(results), what), form.format(chance), form.format(error)]
            cells.append("" if answer == PLAIN else f"{len(nearer(results, answer, what))} of {len(results)}")
        lines.append(f"| {' | '.join(cells)} |")
    said = f"**How far each answer is from the truth, cities of {_size(results)}**"
    return "\n".join([said, "", *lines])


def _bias(bias: float, chance: float, n: int, what: str) -> str:
    """Return a bias, of one number with its sign and the standard error of the mean over the seeds."""
    form = FORMS[what]
    if what == "grades":
        return form.format(bias)
    return f"{_signed(bias, form)} ± {form.format(chance / np.sqrt(n - 1) if n > 1 else np.nan)}"


def _bounds(results: Results) -> str:
    lines = [
        "| bounds | AUC | true inside | rate | true inside | rates of A, B, C, D | true inside |",
        "|---" * 7 + "|",
    ]
    for name in results[0]["bounds"]:
        cells = [name]
        for what, form in (("roc_auc", "{:.3f}"), ("rate", "{:.1%}")):
            low, high = np.array([r["bounds"][name][what] for r in results]).mean(axis=0)
            cells += [f"{form.format(low)} to {form.format(high)}"]
            cells += [f"{sum(_inside(r, name, what) for r in results)} of {len(results)}"]
        by_grade = [np.array([r["bounds"][name]["grades"][g] for r in results]).mean(axis=0) for g in GRADES]
        cells.append(", ".join(f"{low:.0%} to {high:.0%}" for low, high in by_grade))
        n_inside = sum(_inside(r, name, "grades", g) for r in results for g in GRADES)
        cells.append(f"{n_inside} of {len(results) * len(GRADES)}")
        lines.append(f"| {' | '.join(cells)} |")
    said = f"**What the inspected leave open, cities of {_size(results)}** (means of the ends)"
    return "\n".join([said, "", *lines])


def _fits(results: Results) -> str:
    names = {"roc_auc": 1, "average_precision": 1, "brier_score": -1, "expected_calibration_error": -1}
    head = ("trained with", "AUC", "better in", "average precision", "better in", "Brier score", "better in")
    lines = [f"| {' | '.join((*head, 'calibration error', 'better in'))} |", "|---" * 9 + "|"]
    for fit, values in results[0]["fits"].items():
        cells = ["no weights" if fit == "none" else f"weights, {fit}"]
        for name, sign in names.items():
            gains = [sign * (r["fits"][fit][name] - r["fits"]["none"][name]) for r in results]
            cells.append(f"{np.mean([r['fits'][fit][name] for r in results]):.4f}" if name in values else "")
            cells.append("" if fit == "none" else f"{sum(gain > 0 for gain in gains)} of {len(results)}")
        lines.append(f"| {' | '.join(cells)} |")
    said = f"**The models themselves, against everybody's true outcome, cities of {_size(results)}**"
    return "\n".join([said, "", *lines])


def _seeds(results: Results) -> str:
    shown = (PLAIN, WEIGHTED, ROBUST)
    head = ["seed"]
    for what in ("AUC", "rate"):
        head += [f"{what}: true", "inspected", "weighted", "doubly robust"]
    head += ["grades: inspected", "weighted", "doubly robust", "clip", "in effect", "imbalance", "weights do not help"]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for r in results:
        selection = r["selection"]["label"]
        worst = selection["worst_imbalance"]
        cells = [
            str(r["seed"]),
            *(f"{value:.4f}" for value in (r["truth"]["roc_auc"], *(r["answers"][a]["roc_auc"] for a in shown))),
            *(f"{value:.2%}" for value in (r["truth"]["rate"], *(r["answers"][a]["rate"] for a in shown))),
            *(f"{distance(r, answer, 'grades'):.2%}" for answer in shown),
            f"{selection['clip']:g}",
            f"{selection['effective_n'] / selection['n']:.0%}",
            f"{worst['before']:.2f} to {worst['after']:.2f}",
            ", ".join(name for what, name in WHAT.items() if not nearer([r], WEIGHTED, what)),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    said = (
        f"**Seed by seed, cities of {_size(results)}** (chances read by the label; grades: mean distance of four rates)"
    )
    return "\n".join([said, "", *lines])


def _inside(result: dict[str, Any], name: str, what: str, grade: str | None = None) -> bool:
    ends, true = result["bounds"][name][what], result["truth"][what]
    low, high = ends[grade] if grade else ends
    return bool(low <= (true[grade] if grade else true) <= high)


def _signed(value: float, form: str) -> str:
    return ("+" if value >= 0 else "-") + form.format(abs(value))
