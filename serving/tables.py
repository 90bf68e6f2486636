"""Small tables that commands print."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from serving.wording import words
from training.hindsight import hindsight_said
from training.published import PublishedRow

MODEL_METRICS = (
    "roc_auc",
    "average_precision",
    "brier_score",
    "precision_at_10_percent",
    "expected_calibration_error",
)


def model_table(metrics: Mapping[str, Mapping[str, float]]) -> str:
    """Return the models side by side."""
    heads = ("AUC", "avg precision", "Brier", "precision@10%", "calibration error")
    lines = [f"  {'':<18}" + "".join(f"{head:>19}" for head in heads)]
    for name, values in metrics.items():
        lines.append(f"  {name:<18}" + "".join(f"{values[metric]:>19.4f}" for metric in MODEL_METRICS))
    return "\n".join(lines)


def study_table(result: Mapping[str, Any]) -> str:
    """Return what a study found, beside what the city's present parameters give on the same folds."""
    objective = result["declared"]["objective"].replace("_", " ")
    lines = [*(sentence.replace("**", "") for sentence in hindsight_said(result))]
    lines += [f"  {result['n_complete']} trials went to their end, {result['n_pruned']} were pruned.", ""]
    for name, said in (("tuned", "best"), ("present", "present parameters"), ("difference", "difference")):
        figure = result["figures"][name]
        interval = "" if figure["low"] is None else f"   95% interval {figure['low']:.4f} to {figure['high']:.4f}"
        lines.append(f"  {f'{objective}, {said}':<52}{figure['value']:>10.4f}{interval}")
    lines += ["", f"  {'parameter':<28}{'best':>12}{'importance':>14}"]
    for name, value in result["parameters"].items():
        shown = f"{value:.4g}" if isinstance(value, float) else str(value)
        share = f"{result['importance'][name]:.0%}" if name in result["importance"] else "fixed"
        lines.append(f"  {name:<28}{shown:>12}{share:>14}")
    return "\n".join(lines)


def study_page(result: Mapping[str, Any], metrics: Mapping[str, Mapping[str, float]] | None) -> str:
    """Return what a study found as Markdown, with the AUC of the models that it trained on the city's test, if any."""
    objective = result["declared"]["objective"].replace("_", " ")
    ran = f"{result['n_complete']} trials went to their end, {result['n_pruned']} were pruned."
    lines = [part for sentence in hindsight_said(result) for part in (sentence, "")]
    lines += [f"{ran} The {objective}, mean of {len(result['folds'])} folds:", "", "| | |", "|---|---|"]
    for name, said in (("tuned", "best found"), ("present", "parameters of `city.toml`"), ("difference", "difference")):
        figure = result["figures"][name]
        interval = "" if figure["low"] is None else f" ({figure['low']:.4f} to {figure['high']:.4f})"
        lines.append(f"| {said} | {figure['value']:.4f}{interval} |")
    lines += ["", "| parameter | best | share of the variance |", "|---|---|---|"]
    for name, value in result["parameters"].items():
        shown = f"{value:.4g}" if isinstance(value, float) else str(value)
        share = f"{result['importance'][name]:.0%}" if name in result["importance"] else "fixed"
        lines.append(f"| `{name}` | {shown} | {share} |")
    if metrics is not None:
        reached = ", ".join(f"{name} {values['roc_auc']:.4f}" for name, values in metrics.items())
        lines += ["", f"AUC on the city's test, which no trial saw, trained with the best: {reached}."]
    return "\n".join(lines)


def grade_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return share and violation rate of each grade."""
    lines = [f"  {'grade':<8}{'entities':>12}{'share':>9}{'inspected':>12}{'violations':>13}"]
    for row in rows:
        rate = "" if row["violation_rate"] is None else f"{row['violation_rate']:.1%}"
        lines.append(f"  {row['grade']:<8}{row['n']:>12,}{row['share']:>9.1%}{row['n_labelled']:>12,}{rate:>13}")
    return "\n".join(lines)


def published_table(rows: Sequence[PublishedRow]) -> str:
    """Return figures beside what was published."""
    lines = []
    for row in rows:
        lines.append(f"{row.name} on the rows of {row.on}")
        for name, figure in row.figures.items():
            expected = row.expected.get(name)
            verdict = (
                ""
                if expected is None
                else f"  published {expected}  {'as published' if name not in row.disagreeing else 'DIFFERS'}"
            )
            lines.append(f"  {name:<28}{figure:>14.8g}{verdict}")
    return "\n".join(lines)


def reason_table(reply: Mapping[str, Any], language: str) -> str:
    """Return a reply as text: the sum, the largest contributions first, each with its sentence."""
    contributions = sorted(reply["contributions"], key=lambda c: -abs(c["total"]))
    lines = [
        f"{reply['entity_id']} as of {reply['as_of_date']}: {reply['points']:.1f} points, grade {reply['grade']}, "
        f"probability {reply['probability']:.1%}. The experts' card alone: {reply['expert_points']:.1f}, "
        f"grade {reply['expert_grade']}.",
        f"{reply['base_points']:>8.1f}  base points",
        *(f"{c['total']:>+8.1f}  {c['name_zh']} {c['indicator']}: {c[f'sentence_{language}']}" for c in contributions),
    ]
    if reply["veto"]:
        lines.insert(1, reply["veto"][f"sentence_{language}"])
    if reply["clipping"]:
        lines.append(f"{reply['clipping']:>+8.1f}  held within 0 to 1000")
    lines.append(f"{reply['points']:>8.1f}  points (model {reply['model_version']}, snapshot {reply['snapshot_id']})")
    return "\n".join(lines)


def outlook_lines(outlook: Mapping[str, Any], language: str) -> Iterator[str]:
    """Yield what would change the grade: the finding, then each way with its steps and what comes of them."""
    yield ""
    yield outlook[f"sentence_{language}"]
    for way in outlook["ways"] or filter(None, [outlook["best"]]):
        yield f"{way['points']:>8.1f}  {way['grade']}  as of {way['as_of_date']}"
        for step in way["steps"]:
            yield f"{'':>13}{step[f'sentence_{language}']}"
    if outlook["target"]:
        yield outlook["target"][f"sentence_{language}"]
    if outlook["next_grade"]:
        yield words(language)["taken_for_granted"]
