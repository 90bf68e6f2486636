"""Linking the rows of a city: names and register in, linkage.parquet and names.parquet out."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import duckdb

from data.city import City
from data.connection import connect
from data.files import fingerprint, sha256_of, source_fingerprint
from data.linking.choices import decide_rows
from data.linking.decisions import read_decisions, verdicts_by_name
from data.linking.model import FILE, score
from data.linking.names import REFERENCE_FILES, create_names, load_names
from data.linking.timeline import Verdict
from data.parts import Part
from data.progress import Progress
from data.quality import literal
from data.settings import Settings
from data.writing import write_parquet

SURE = 1e9
"""Odds of the one entity that bears exactly the name of a row."""
NO_WORD = "entity_name must be a name, it has neither letters nor digits"
_CODE = ("linkage", "names", "model", "choices", "timeline", "decisions")


def linkage_fingerprint(city: City, settings: Settings) -> str:
    """Return what stands for everything that decides on links beside the records: model, bar, code, decisions."""
    files = [sha256_of(path) for path in (FILE, *REFERENCE_FILES)]
    decisions = [asdict(decision) for decision in read_decisions(city, settings)]
    code = source_fingerprint(*(f"data.linking.{module}" for module in _CODE))
    return fingerprint(city.name, city.linking.model_dump(), city.places, files, code, decisions)


def link_parts(city: City, settings: Settings, tables: dict[str, list[Part]], folder: Path, progress: Progress) -> Path:
    """Link every row with a name and no code, as far as the bar and the decisions allow.

    Parameters
    ----------
    tables : dict
        Parts of every table; the register lies in ``folder/tables/entities.parquet`` already.
    folder : Path
        Folder of records, not yet published.

    Returns
    -------
    Path
        linkage.parquet: for each row its links in order (`number` 1, 2, ...), or one line with the reason why there is
        none. Beside it lies names.parquet: each name with its rows and candidates, for the review list.
    """
    spill = folder / ".spill"
    with connect(settings.threads) as connection:
        connection.execute(f"SET temp_directory = {literal(str(spill))}")
        load_names(connection)
        _load_rows(connection, tables)
        _load_register(connection, folder / "tables" / "entities.parquet")
        verdicts = verdicts_by_name(read_decisions(city, settings))
        _settle(connection, verdicts)
        _score_others(connection, city, progress)
        decide_rows(connection, verdicts, city.linking.bar)
        target = _publish(connection, folder, progress)
    shutil.rmtree(spill, ignore_errors=True)
    return target


def _load_rows(connection: duckdb.DuckDBPyConnection, tables: dict[str, list[Part]]) -> None:
    """Make `named_rows`, `given` (each name in normal form with each region, once: id, name, name_key, region)."""
    rows = " UNION ALL ".join(
        f"""SELECT {literal(name)} AS table_name, {literal(part.plan.part_id)} AS part_id, record_id,
            source_file, source_row, entity_name, coalesce(entity_region, '') AS region, known_at,
            greatest(known_at, {_received_on(part)}) AS came_on FROM read_parquet({literal(str(part.named))})"""
        for name, parts in tables.items()
        for part in parts
        if part.manifest["n_named"]
    )
    connection.execute(f"""
        CREATE TEMP TABLE named_rows AS SELECT *, normalise_name(entity_name) AS name_key FROM ({rows});
        CREATE TEMP TABLE given AS
        -- As the first row writes it: how a later one puts brackets must not move what was linked.
        SELECT row_number() OVER (ORDER BY name_key, region) AS id, name_key, region,
            arg_min(entity_name, (came_on, entity_name)) AS name
        FROM named_rows WHERE name_key IS NOT NULL GROUP BY name_key, region
    """)


def _received_on(part: Part) -> str:
    """Return the day on which a part's delivery came, as SQL; null where it is no delivery (`greatest` skips nulls)."""
    day = part.plan.delivery.received_on if part.plan.delivery else None
    return f"DATE {literal(str(day))}" if day else "NULL::DATE"


def _load_register(connection: duckdb.DuckDBPyConnection, register: Path) -> None:
    """Make `bearers` (an entity, a name, a region) and `states` (when each became known, and was withdrawn)."""
    connection.execute(f"""
        CREATE TEMP TABLE bearers AS
        SELECT row_number() OVER (ORDER BY entity_id, name, region_code) AS id, entity_id, name, name_key,
            region_code AS region
        FROM read_parquet({literal(str(register))}) GROUP BY entity_id, name, name_key, region_code;
        CREATE TEMP TABLE states AS
        SELECT DISTINCT id, state.known_at, state.withdrawn_at FROM read_parquet({literal(str(register))}) AS state
        JOIN bearers ON bearers.entity_id = state.entity_id AND bearers.name = state.name
            AND bearers.region IS NOT DISTINCT FROM state.region_code
    """)


def _settle(connection: duckdb.DuckDBPyConnection, verdicts: Mapping[tuple[str, str], list[Verdict]]) -> None:
    """Make `settled` (id, bearer): names that one entity alone ever bore, and bore before any of their rows came.

    Nothing but that entity can be taken for them, so that they need no score; nor are there decisions on them.
    """
    connection.execute("CREATE TEMP TABLE judged (name_key VARCHAR, region VARCHAR)")
    if verdicts:
        connection.executemany("INSERT INTO judged VALUES (?, ?)", [list(name) for name in sorted(verdicts)])
    connection.execute("""
        CREATE TEMP TABLE settled AS
        WITH first_rows AS (
            SELECT given.id, name_key, region, min(known_at) AS first_row FROM named_rows JOIN given
            USING (name_key, region) ANTI JOIN judged USING (name_key, region) GROUP BY ALL
        )
        SELECT first_rows.id, min(bearers.id) AS bearer
        FROM first_rows JOIN bearers USING (name_key) JOIN states ON states.id = bearers.id
        GROUP BY first_rows.id, first_row
        HAVING count(DISTINCT bearers.id) = 1 AND count(withdrawn_at) = 0 AND min(states.known_at) <= first_row
            AND bool_and(coalesce(is_region_of(nullif(first_rows.region, ''), bearers.region), true))
    """)


def _score_others(connection: duckdb.DuckDBPyConnection, city: City, progress: Progress) -> None:
    """Make `scored`: the odds of every pair that may be one entity; settled names have their one."""
    (n_settled,), (n_other,) = connection.execute("""
        SELECT count(*) FROM settled UNION ALL (SELECT count(*) FROM given ANTI JOIN settled USING (id))
    """).fetchall()
    progress(f"  {n_settled:,} names are borne by one entity alone, {n_other:,} others are compared with the register")
    if n_other:
        others = "SELECT id, name, nullif(region, '') AS region FROM given ANTI JOIN settled USING (id)"
        create_names(connection, "row_names", others, city.places)
        create_names(connection, "entity_names", "SELECT id, name, region FROM bearers", city.places)
        score(connection, city.linking.prior_odds)
    else:
        connection.execute("CREATE TEMP TABLE scored (left_id BIGINT, right_id BIGINT, odds DOUBLE)")
    connection.execute(f"INSERT INTO scored SELECT id, bearer, {SURE} FROM settled")


def _publish(connection: duckdb.DuckDBPyConnection, folder: Path, progress: Progress) -> Path:
    target = folder / "linkage.parquet"
    query = f"""
        SELECT given.id, table_name, part_id, record_id, source_file, source_row, item,
            coalesce(number, 1) AS number, entity_id, method, score, linked_at, unlinked_at,
            CASE WHEN given.id IS NULL THEN {literal(NO_WORD)} ELSE reason END AS reason
        FROM named_rows LEFT JOIN given USING (name_key, region)
        LEFT JOIN candidates ON candidates.id = given.id
        LEFT JOIN links ON links.id = given.id AND links.known_at = named_rows.known_at
    """
    connection.execute(f"CREATE TEMP TABLE linked AS {query}")
    write_parquet(
        connection, "SELECT * EXCLUDE (id) FROM linked ORDER BY table_name, part_id, record_id, number", target
    )
    write_parquet(connection, _names_query(), folder / "names.parquet")
    counts = connection.execute("""
        SELECT count(*) FILTER (method = 'name' AND number = 1), count(*) FILTER (method = 'score' AND number = 1),
            count(*) FILTER (method = 'decision' AND number = 1), count(*) FILTER (entity_id IS NULL) FROM linked
    """).fetchone()
    assert counts is not None, "counts always yield a row"
    by_name, by_score, by_decision, waiting = counts
    progress(
        f"  {by_name:,} rows linked by name, {by_score:,} by score, {by_decision:,} by decision; {waiting:,} have no "
        "entity"
    )
    return target


def _names_query() -> str:
    """Return the query of names.parquet: each name, what became of its rows, and its candidates."""
    return """
        WITH standing AS (
            SELECT id, table_name, record_id,
                bool_or(entity_id IS NOT NULL AND unlinked_at IS NULL) AS is_linked,
                max(entity_id) FILTER (unlinked_at IS NULL) AS entity_id,
                max(method) FILTER (unlinked_at IS NULL) AS method, max(score) FILTER (unlinked_at IS NULL) AS score,
                max(reason) AS reason
            FROM linked WHERE id IS NOT NULL GROUP BY ALL
        ),
        counted AS (
            SELECT id, count(*) AS n_rows, count(*) FILTER (NOT is_linked) AS n_waiting,
                list_sort(list(DISTINCT table_name)) AS tables, max(reason) FILTER (NOT is_linked) AS reason,
                list_sort(list(DISTINCT entity_id) FILTER (is_linked)) AS entity_ids,
                min(method) FILTER (is_linked) AS method, min(score) FILTER (is_linked) AS score
            FROM standing GROUP BY id
        )
        SELECT item, name, name_key, region, n_rows, n_waiting, tables, entity_ids, method, score, reason, candidates
        FROM given JOIN candidates USING (id) JOIN counted USING (id)
        ORDER BY name_key, region
    """
