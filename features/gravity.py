"""How much the result of an inspection counts: 1 where it failed, and where a city says so, by what it found.

One law for every indicator that looks at results. A result lies between 0 and 1, and one that found nothing is 0.
"""

from __future__ import annotations

from collections.abc import Mapping

import ibis
import ibis.expr.types as ir

from features.parameters import Parameter, Phrases

_OWNER = "failed_inspections"

GRAVITY: dict[str, Parameter] = {
    "minor_counts": Parameter(
        default=0.0,
        low=0.0,
        high=1.0,
        unit="of a failed inspection",
        meaning="what an inspection counts that found minor violations only and did not fail",
        meaning_zh="仅有轻微问题且未判不合格的检查计多少",
        why="what did not fail is no violation by the label",
        owner=_OWNER,
    ),
    "significant_counts": Parameter(
        default=0.0,
        low=0.0,
        high=1.0,
        unit="of a failed inspection",
        meaning="what an inspection counts that found significant or crucial violations and did not fail",
        meaning_zh="有较重问题但未判不合格的检查计多少",
        why="what did not fail is no violation by the label",
        owner=_OWNER,
    ),
    "failed_counts": Parameter(
        default=1.0,
        low=0.0,
        high=1.0,
        unit="of a failed inspection with a crucial violation",
        meaning="what a failed inspection counts that is known to have found nothing crucial",
        meaning_zh="不合格但没有严重问题的检查计多少",
        why="a failed inspection is one, whatever it found",
        owner=_OWNER,
    ),
    "number_exponent": Parameter(
        default=0.0,
        low=0.0,
        high=2.0,
        unit="exponent",
        meaning="how a result grows with the number of violations: (number / number_cap) to this power; 0: not at all",
        meaning_zh="结果随问题数增长的指数，0 为不随其增长",
        why="many sources give no number",
        owner=_OWNER,
    ),
    "number_cap": Parameter(
        default=8,
        low=1,
        high=50,
        unit="violations",
        meaning="number of violations from which a result is full; more count no more, an unknown number counts as one",
        meaning_zh="问题数的上限",
        why="of public food inspections one in a hundred found more",
        owner=_OWNER,
    ),
}
"""Parameters of the law, for every indicator that follows it."""

_NEUTRAL = {name: parameter.default for name, parameter in GRAVITY.items() if name != "number_cap"}


def is_neutral(gravity: Mapping[str, float]) -> bool:
    """Say whether a failed inspection counts 1 and every other 0."""
    return all(gravity.get(name, value) == value for name, value in _NEUTRAL.items())


def counts(
    checks: ir.Table,
    *,
    minor_counts: float = 0.0,
    significant_counts: float = 0.0,
    failed_counts: float = 1.0,
    number_exponent: float = 0.0,
    number_cap: int = 1,
) -> ir.FloatingValue:
    """Return what each check with a known result counts, between 0 and 1; checks that know no gravity take no more."""
    counted = ibis.ifelse(checks.failed, 1.0, 0.0)
    # What is neutral is left out: tests of samples have neither severity nor number.
    branches = []
    if minor_counts:
        branches.append((~checks.failed & (checks.severity == "minor"), minor_counts))
    if significant_counts:
        branches.append((~checks.failed & checks.severity.isin(("significant", "crucial")), significant_counts))
    if failed_counts != 1.0:
        branches.append((checks.failed & checks.severity.isin(("none", "minor", "significant")), failed_counts))
    if branches:
        counted = ibis.cases(*branches, else_=counted)
    if number_exponent:
        number = checks.n_violations.fill_null(1).clip(1, number_cap).cast("float64")
        counted = counted * (number / float(number_cap)) ** number_exponent
    return counted


def gravity_phrases(gravity: Mapping[str, float]) -> Phrases:
    """Return what texts say of the law in force: `rate`, `by_gravity` (a sentence or nothing) and `share`."""
    if is_neutral(gravity):
        return {
            "rate": ("Failure rate", "不合格率"),
            "by_gravity": ("", ""),
            "share": ("share of inspections failed", "不合格检查占比"),
        }
    minor, significant, failed = (f"{gravity[f'{name}_counts']:g}" for name in ("minor", "significant", "failed"))
    number_en, number_zh = "", ""
    if exponent := gravity["number_exponent"]:
        cap = f"{gravity['number_cap']:g}"
        number_en = f", each times (n/{cap})^{exponent:g} for n violations, at most {cap}"
        number_zh = f"，再乘以（问题数/{cap}）的 {exponent:g} 次方（问题数至多计 {cap}）"
    return {
        "rate": ("Mean gravity", "平均严重度"),
        "by_gravity": (
            f"A result counts by its gravity: failed with a crucial violation 1, failed otherwise {failed}, not failed "
            f"with significant violations {significant}, with minor ones only {minor}{number_en}; nothing found is 0.",
            f"检查结果按严重度计：不合格且有严重问题计 1，其他不合格计 {failed}，"
            f"未判不合格而有较重问题计 {significant}，仅有轻微问题计 {minor}{number_zh}；未发现问题计 0。",
        ),
        "share": ("share of the gravest result", "占最严重结果的比例"),
    }
