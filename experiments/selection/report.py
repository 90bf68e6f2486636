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

Results = Sequence[dict[str, Any]]


def write_page(results: Results, page: Path = PAGE) -> Path:
    """Replace what stands between the marks of the page."""
    text = page.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    write_atomically(page, f"{before}{BEGIN}\n\n{tables(results)}\n{END}{after}")
    return page


def tables(results: Results) -> str:
    """Return what the seeds came to, in Markdown."""
    first = results[0]
    n = f"{len(results)} cities of {first['n_entities']:,} entities (seeds {first['seed']} to {results[-1]['seed']})"
    mean = f"{np.mean([r['n_active'] for r in results]):,.0f} active entities at the test date, of whom "
    mean += f"{np.mean([r['n_inspected'] / r['n_active'] for r in results]):.1%} were inspected"
    parts = [
        f"{n}, on average {mean}.",
        _verdict(results),
        _answers(results),
        _bounds(results),
        _fits(results),
        _seeds(results),
    ]
    return "\n\n".join(parts) + "\n"


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


def _verdict(results: Results) -> str:
    """Return in how many seeds weights bring an estimate nearer to the truth, and in which they do not."""
    lines = []
    for what, name in WHAT.items():
        helped = nearer(results, WEIGHTED, what)
        others = [str(r["seed"]) for r in results if r["seed"] not in helped]
        said = f"- {name}: nearer to the truth in {len(helped)} of {len(results)} seeds"
        lines.append(f"{said}; not in {', '.join(others)}." if others else f"{said}.")
    return "\n".join(["Weights whose chances are read by the label, against the inspected as they are:", "", *lines])


def _answers(results: Results) -> str:
    head = ["answer"]
    for what in ("AUC", "rate", "rates by grade"):
        head += [f"{what}: bias", "distance", "nearer in"]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for answer in results[0]["answers"]:
        cells = [answer]
        for what, form in (("roc_auc", "{:.4f}"), ("rate", "{:.2%}"), ("grades", "{:.2%}")):
            biases = np.array([np.mean(off(r, answer, what)) for r in results])
            # The standard error of the mean over the seeds; NaN for a single one.
            chance = biases.std(ddof=1) / np.sqrt(len(biases)) if len(biases) > 1 else np.nan
            cells += [
                f"{_signed(float(biases.mean()), form)} ± {form.format(chance)}",
                form.format(np.mean([distance(r, answer, what) for r in results])),
            ]
            cells.append("" if answer == PLAIN else f"{len(nearer(results, answer, what))} of {len(results)}")
        lines.append(f"| {' | '.join(cells)} |")
    said = "**How far each answer is from the truth** (bias ± standard error over the seeds; nearer than inspected)"
    return "\n".join([said, "", *lines])


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
    return "\n".join(["**What the inspected leave open** (means of the ends)", "", *lines])


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
    return "\n".join(["**The models themselves, against everybody's true outcome**", "", *lines])


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
    said = "**Seed by seed** (chances read by the label; grades: mean distance of the four rates from the truth)"
    return "\n".join([said, "", *lines])


def _inside(result: dict[str, Any], name: str, what: str, grade: str | None = None) -> bool:
    ends, true = result["bounds"][name][what], result["truth"][what]
    low, high = ends[grade] if grade else ends
    return bool(low <= (true[grade] if grade else true) <= high)


def _signed(value: float, form: str) -> str:
    return ("+" if value >= 0 else "-") + form.format(abs(value))
