"""Trials as a city: a register and a table of rows with names, so that they run through `qianfen ingest` itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb

from data.files import read_json
from data.linking.timeline import Choice
from data.quality import literal
from experiments.linkage.measure import Outcome

CITY = "linkage_trials"
_TOML = """
name = "linkage_trials"
name_zh = "北京市"
title = "Trials of linking"
title_zh = "匹配试验"

[sources]
folder = "{city}/files"
files = ["register.parquet", "rows.parquet"]

[linking]
bar = BAR

[label]
column = "failed"
values = ["true"]
horizon_days = 90

[split]
trees = [2020-01-01]
calibration = [2020-05-01]
test = [2020-09-01]
reference = 2020-05-01
grading = 2020-12-31
"""
_ENTITIES = """
SELECT code AS entity_id, name, 'enterprise' AS entity_type, 'active' AS status,
    DATE '2010-01-01' AS event_date, DATE '2010-01-02' + number::INTEGER AS known_at,
    'register.parquet' AS source_file, row_number() OVER () AS source_row
FROM read_parquet(getvariable('source_folder') || '/register.parquet')
"""
_COMPLAINTS = """
SELECT id::VARCHAR AS record_id, name AS entity_name, 'report' AS kind, DATE '2020-01-05' AS event_date,
    DATE '2020-01-06' AS known_at, 'rows.parquet' AS source_file, id AS source_row
FROM read_parquet(getvariable('source_folder') || '/rows.parquet')
"""


def write_city(connection: duckdb.DuckDBPyConnection, folder: Path, bar: float) -> None:
    """Write a city of `dense` (code, name) and `rows` (id, name); the mapping of the rows is added by `add_rows`."""
    (folder / "sources").mkdir(parents=True)
    (folder / "files").mkdir()
    (folder / "city.toml").write_text(_TOML.replace("BAR", str(bar)), encoding="utf-8")
    (folder / "sources" / "entities.sql").write_text(_ENTITIES, encoding="utf-8")
    # A former name is a state of its own, known a day before the name in force.
    register = """
        SELECT code, name, row_number() OVER (PARTITION BY code ORDER BY name) AS number FROM dense ORDER BY code, name
    """
    for query, file in ((register, "register"), ("SELECT id, name FROM rows ORDER BY id", "rows")):
        connection.execute(f"COPY ({query}) TO {literal(str(folder / 'files' / f'{file}.parquet'))} (FORMAT parquet)")


def add_rows(folder: Path) -> None:
    """Let the rows with names be read too."""
    (folder / "sources" / "complaints.sql").write_text(_COMPLAINTS, encoding="utf-8")


def read_outcomes(connection: duckdb.DuckDBPyConnection, var: Path, outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Return what became of the trials in the city, in their order; whether a true pair met is as it was before.

    Blocking depends on the two names alone, so that it keeps the same pairs whatever else is registered.
    """
    home = var / "cities" / CITY / "records"
    folder = home / str(read_json(home / "current.json")["records_id"])
    found = connection.execute(f"""
        WITH bearers AS (
            SELECT normalise_name(name) AS name_key, min(code) AS code FROM dense GROUP BY name_key
            HAVING count(DISTINCT code) = 1
        )
        SELECT entity_id, coalesce(method, ''), coalesce(score, share, 0), likeliest, link.reason, bearers.code
        FROM read_parquet({literal(str(folder / "linkage.parquet"))}) AS link
        JOIN rows ON rows.id = source_row LEFT JOIN bearers ON bearers.name_key = normalise_name(rows.name)
        LEFT JOIN (
            SELECT name_key, candidates[1].entity_id AS likeliest, candidates[1].share AS share
            FROM read_parquet({literal(str(folder / "names.parquet"))})
        ) AS names ON names.name_key = normalise_name(rows.name)
        WHERE number = 1 ORDER BY source_row
    """).fetchall()
    return [
        Outcome(before.trial, _choice(*values), by_equality, before.is_blocked)
        for before, (*values, by_equality) in zip(outcomes, found[: len(outcomes)], strict=True)
    ]


def _choice(entity_id: str | None, method: str, score: float, likeliest: str | None, reason: str | None) -> Choice:
    nearest = entity_id or likeliest
    return Choice(((nearest, score),) if nearest else (), entity_id, method, reason)
