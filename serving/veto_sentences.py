"""Vetoes in plain sentences."""

from __future__ import annotations

from training.vetoes import Veto


def veto_sentence(veto: Veto, grade_by_points: str) -> tuple[str, str]:
    """Say in Chinese and in English why a grade is not that of the points."""
    reason = veto.reason_en[0].upper() + veto.reason_en[1:]
    return (
        f"{veto.reason_zh}，等级不得优于 {veto.best_grade} 级；仅按分数为 {grade_by_points} 级，分数本身不变。",
        f"{reason}. Its grade is then never better than {veto.best_grade}; by points alone it would be "
        f"{grade_by_points}. The points stay as they are.",
    )


def veto_stands(veto: Veto) -> tuple[str, str]:
    """Say what a veto means for whoever wants a better grade."""
    return (
        f"只要{veto.reason_zh}，等级就不会优于 {veto.best_grade} 级，分数再低也是如此。",
        f"As long as {veto.reason_en}, its grade is never better than {veto.best_grade}, however few points it has.",
    )
