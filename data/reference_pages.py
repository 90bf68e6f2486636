"""Reference pages that come from the declarations: docs/tables.md."""

from __future__ import annotations

from data.schemas import TABLES, Column, Table

_HEAD = """# Canonical tables

Written by `qianfen reference` from `data/schemas.py`; do not edit.

A mapping `sources/<table>.sql` is one DuckDB SELECT that yields these columns by name, in any order. Columns that are
not required may be left out. A row that breaks a rule goes to quarantine with the reason.
"""


def tables_page() -> str:
    """Return docs/tables.md."""
    return _HEAD + "".join(_table_section(table) for table in TABLES.values())


def _table_section(table: Table) -> str:
    lines = [
        f"\n## {table.name} {table.name_zh}\n",
        f"{table.description} {table.description_zh}。 Key: {', '.join(table.key)}.\n",
        "| column | type | unit | required | allowed | meaning | 含义 |",
        "|---|---|---|---|---|---|---|",
        *(_column_row(column) for column in table.columns),
    ]
    return "\n".join(lines) + "\n"


def _column_row(column: Column) -> str:
    required = "yes" if column.required else ""
    meaning = column.description
    if column.derived:
        meaning += f" Computed: `{column.derived}`."
    if column.known_by:
        meaning += f" Known from `{column.known_by}` on."
    cells = (column.name, column.type, column.unit, required, _allowed(column), meaning, column.description_zh)
    return f"| {' | '.join(cells)} |"


def _allowed(column: Column) -> str:
    if column.allowed:
        return ", ".join(column.allowed)
    bounds = [f"≥ {column.minimum:g}"] if column.minimum is not None else []
    bounds += [f"≤ {column.maximum:g}"] if column.maximum is not None else []
    return ", ".join(bounds)
