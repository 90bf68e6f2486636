"""Of the model card: who approved the model, and what the gate said, from the ledger."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from serving.gate_words import gate_line, gate_remark, is_of_groups
from serving.report_page import Cell, Section, Table, number, signed, texts
from training.gate_table import NOT_JUDGED, PASSED

Content = Mapping[str, Any]
Words = Mapping[str, str]


def approval_sections(content: Content, t: Words, language: str) -> Iterator[Section]:
    """Yield who approved the model, and what the gate said."""
    approvals = content["approvals"]
    if not approvals:
        yield Section("approval", t["approval"], (t["not_approved"],))
        return
    rows = tuple(
        (
            Cell(str(one["sequence"])),
            *texts(
                (t[one["action"]], one["who"], one["at"][:19].replace("T", " "), one["why"],
                 one["former_version"] or t["none"], one["hash"][:16])
            ),
        )
        for one in approvals
    )  # fmt: skip
    heads = ("#", *(t[head] for head in ("action", "who", "at", "why", "former", "entry_hash")))
    gates = (table for one in approvals if one["gate"] for table in _gates(one, t, language))
    yield Section("approval", t["approval"], tables=(Table(heads, rows), *gates))


def _gates(approval: Content, t: Words, language: str) -> Iterator[Table]:
    """Yield what the gate said of the whole period, and folded what it said of each group."""
    rows, sequence = approval["gate"], approval["sequence"]
    whole = [row for row in rows if not is_of_groups(row)]
    yield Table(_gate_heads(t), _gate_rows(whole, t, language), t["gate"].format(sequence))
    if groups := [row for row in rows if is_of_groups(row)]:
        n_open = sum(row["verdict"] == NOT_JUDGED for row in groups)
        title = t["gate_groups"].format(n=len(groups), n_open=n_open, sequence=sequence)
        yield Table(_gate_heads(t), _gate_rows(groups, t, language), title, is_folded=True)


def _gate_heads(t: Words) -> tuple[str, ...]:
    heads = ("what", "its_value", "former_value", "card_value", "tolerance", "gate_difference", "verdict")
    return tuple(t[head] for head in heads)


def _gate_rows(rows: Sequence[Content], t: Words, language: str) -> tuple[tuple[Cell, ...], ...]:
    return tuple(
        (
            Cell(gate_line(row, language), gate_remark(row, language)),
            *(Cell(_judged(row.get(name))) for name in ("challenger", "champion", "card", "tolerance")),
            _difference(row),
            Cell(t[row["verdict"]], is_number=False),
        )
        for row in sorted(rows, key=lambda row: row["verdict"] == PASSED)
    )


def _difference(row: Content) -> Cell:
    if "difference" not in row:
        return Cell("—")
    interval = f"({signed(row['low'], 4)}, {signed(row['high'], 4)})" if "low" in row and "high" in row else ""
    return Cell(signed(row["difference"], 4), interval)


def _judged(value: float | None) -> str:
    return f"{value:.1e}" if value is not None and 0.0 < abs(value) < 5e-4 else number(value, 4)
