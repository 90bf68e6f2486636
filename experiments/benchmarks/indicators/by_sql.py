"""The indicators in hand-written SQL on DuckDB: one statement for each date, one after the other."""

from __future__ import annotations

from pathlib import Path

import duckdb

from experiments.benchmarks.indicators import ROWS_IN_A_GROUP, Task

STATEMENT = Path(__file__).with_name("indicators.sql")


def write_indicators(task: Task) -> None:
    """Write the indicators of every active entity as of each date."""
    statement = STATEMENT.read_text(encoding="utf-8")
    how = f"FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROWS_IN_A_GROUP}"
    with duckdb.connect(config={"threads": task.threads}) as connection:
        for name, path in task.tables.items():
            connection.execute(f"CREATE VIEW {name} AS FROM read_parquet('{path}')")
        for day in task.as_of_dates:
            rows = statement.replace("$as_of", f"DATE '{day}'")
            connection.execute(f"COPY ({rows}) TO '{task.path(day)}' ({how})")
