"""The gate's table and the ledger, as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import shorten

from training.gate_table import PASSED, Row
from training.ledger import Entry

_HEADS = ("challenger", "champion", "card", "tolerance")
_NARROWEST, _WIDEST = 40, 72
_LONGEST = 160


def gate_lines(rows: Sequence[Row]) -> Iterator[str]:
    """Yield the gate's table: a line for each row, and below it what the numbers do not say."""
    names = [f"{row.what}, against {row.against}" if row.against else row.what for row in rows]
    width = max([_NARROWEST, *(len(name) for name in names if len(name) <= _WIDEST)])
    yield f"  {'':<11} {'':<{width}}" + "".join(f"{head:>12}" for head in _HEADS) + "  difference (95% interval)"
    for name, row in zip(names, rows, strict=True):
        numbers = "".join(f"{_shown(getattr(row, head)):>12}" for head in _HEADS)
        yield f"  {row.verdict:<11} {name:<{width}}{numbers}{_difference(row)}".rstrip()
        if row.said:
            yield f"  {'':<11}   {shorten(row.said, _LONGEST, placeholder=' ...')}"


def ledger_lines(chain: Sequence[Entry]) -> Iterator[str]:
    """Yield the ledger of a city, the newest entry last."""
    for entry in chain:
        yield f"{entry.sequence:>4}  {entry.at[:19]} UTC  {entry.action} {entry.model_version}, by {entry.who}"
        yield f"      {entry.why}"
        former = entry.former_version or "none"
        yield f"      before: {former}; MLflow version {entry.registered_version}; {_gate(entry)}"
        yield f"      {entry.hash}"


def _gate(entry: Entry) -> str:
    rows = entry.gate_rows
    if not rows:
        return "no gate"
    return f"gate: {sum(row['verdict'] == PASSED for row in rows)} of {len(rows)} rows passed, none refused"


def _difference(row: Row) -> str:
    if row.difference is None:
        return ""
    if row.low is None or row.high is None:
        return f"  {row.difference:+.4f} (no interval: too few rows)"
    return f"  {row.difference:+.4f} ({row.low:+.4f} to {row.high:+.4f})"


def _shown(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.1e}" if 0 < abs(value) < 5e-4 else f"{value:.4f}"
