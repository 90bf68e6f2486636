"""From parts to the tables of a city: deliveries correct one another, names are linked, one Parquet file results.

A later delivery's row supersedes the earlier row of its key: the earlier one is withdrawn on the day the later one
came, and the later one is known from that day. A row that says nothing new is left out, and counted. What stood in a
file and is missing from its corrected version is withdrawn. So what was known before that day stays as it was.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb

from data.columns import arrow_of, compact
from data.errors import StorageError
from data.parts import Part
from data.quality import literal, quote
from data.schemas import Table
from data.writing import write_parquet, write_records


@dataclass(frozen=True)
class TableCount:
    """What became of the rows of a table.

    n_read + n_relinked = n_accepted + n_quarantined + n_repeated. Flagged rows, corrected ones (withdrawn because a
    later delivery corrected them) and linked ones (that came with a name in place of a code) are among the accepted; so
    are relinked ones, which stand a second time for a row that moved from one entity to another.
    """

    n_read: int
    n_accepted: int
    n_quarantined: int
    n_flagged: int
    n_repeated: int = 0
    n_corrected: int = 0
    n_linked: int = 0
    n_relinked: int = 0


def assemble(table: Table, parts: Sequence[Part], links: Path | None, folder: Path, threads: int) -> TableCount:
    """Write tables/<table>.parquet and quarantine/<table>.parquet below `folder`.

    Parameters
    ----------
    table : Table
        Its declaration.
    parts : sequence of Part
        In the order in which their deliveries came.
    links : Path, optional
        Parquet of data.linking for the rows that carry a name; None where no part has any.
    folder : Path
        Folder of records, not yet published.
    threads : int
        Threads of DuckDB.
    """
    target, quarantine = (folder / kind / f"{table.name}.parquet" for kind in ("tables", "quarantine"))
    n_named = sum(part.manifest["n_named"] for part in parts)
    if len(parts) == 1 and not n_named:
        share(parts[0].accepted, target)
        share(parts[0].quarantine, quarantine)
        manifest = parts[0].manifest
        return TableCount(*(manifest[name] for name in ("n_read", "n_accepted", "n_quarantined", "n_flagged")))
    with duckdb.connect(config={"threads": threads, "preserve_insertion_order": True}) as connection:
        connection.execute(f"SET temp_directory = {literal(str(folder / '.spill'))}")
        _gather(connection, table, parts, links)
        _compare(connection, table, parts)
        _correct(connection, table)
        names = ", ".join(quote(name) for name in table.column_names)
        refused = (
            f"FROM refused UNION ALL BY NAME SELECT [refusal] AS reasons, {names} FROM kept WHERE refusal IS NOT NULL"
        )
        write_parquet(connection, f"SELECT * FROM ({refused}) ORDER BY source_file, source_row, known_at", quarantine)
        count = _count(connection, table, parts)
        columns = ", ".join(compact(column) for column in table.columns)
        rows = arrow_of(connection, f"SELECT {columns} FROM kept WHERE refusal IS NULL")
    write_records(rows, table, target)
    return count


def _gather(connection: duckdb.DuckDBPyConnection, table: Table, parts: Sequence[Part], links: Path | None) -> None:
    """Make `gathered` (accepted and linked rows with `delivery`, `received_on`) and `refused` (the quarantine)."""
    accepted, refused = [], []
    for number, part in enumerate(parts):
        day = part.plan.delivery.received_on if part.plan.delivery else None
        stamp = f"{number} AS delivery, {f'DATE {literal(str(day))}' if day else 'NULL::DATE'} AS received_on"
        accepted.append(f"SELECT *, {stamp}, 1 AS number FROM read_parquet({literal(str(part.accepted))})")
        refused.append(f"SELECT * FROM read_parquet({literal(str(part.quarantine))})")
        if part.manifest["n_named"]:
            named = f"read_parquet({literal(str(part.named))})"
            # A row of a file may make two records, an inspection and its repetition: each has its own links.
            linked = f"""{named} AS named LEFT JOIN read_parquet({literal(str(links))}) AS link
                ON link.table_name = {literal(table.name)} AND link.part_id = {literal(part.plan.part_id)}
                AND link.record_id = named.record_id"""
            # A link that ended withdraws the row, `least` and `greatest` skip nulls.
            known_at = "greatest(named.known_at, link.linked_at)"
            withdrawn_at = "least(named.withdrawn_at, link.unlinked_at)"
            accepted.append(f"""SELECT named.* REPLACE (
                    link.entity_id AS entity_id, {known_at} AS known_at,
                    CASE WHEN {withdrawn_at} IS NOT NULL THEN greatest({withdrawn_at}, {known_at}) END AS withdrawn_at,
                    link.method AS link_method, link.score AS link_score
                ), {stamp}, link.number AS number FROM {linked} WHERE link.entity_id IS NOT NULL""")
            refused.append(f"SELECT [link.reason] AS reasons, named.* FROM {linked} WHERE link.entity_id IS NULL")
    connection.execute(f"CREATE TEMP TABLE gathered AS {' UNION ALL BY NAME '.join(accepted)}")
    connection.execute(f"CREATE TEMP TABLE refused AS {' UNION ALL BY NAME '.join(refused)}")


def _compare(connection: duckdb.DuckDBPyConnection, table: Table, parts: Sequence[Part]) -> None:
    """Make `changes`: what each delivery says new of each record; a null content says that the record is gone."""
    silent = {"known_at", "source_file", "source_row", "link_method", "link_score"}
    content = ", ".join(quote(column.name) for column in table.columns if column.name not in silent)
    connection.execute("CREATE TEMP TABLE deliveries (delivery INTEGER, path VARCHAR, received_on DATE, next INTEGER)")
    for row in _deliveries(parts):
        connection.execute("INSERT INTO deliveries VALUES (?, ?, ?, ?)", row)
    # A state of the register is told by whose it is and since when: its key holds known_at, which moves with the
    # delivery. `nth` tells apart several of one day, and elsewhere the links that a row had one after the other.
    nth = "row_number() OVER (PARTITION BY delivery, entity_id, event_date ORDER BY known_at)"
    connection.execute(f"""
        CREATE TEMP TABLE said AS SELECT * EXCLUDE (number), {nth if table.name == "entities" else "number"} AS nth,
            hash(row({content})) AS content FROM gathered
    """)
    identity = _identity(table)
    connection.execute(f"""
        CREATE TEMP TABLE gone AS
        SELECT {identity}, next AS delivery FROM said JOIN deliveries USING (delivery) WHERE next IS NOT NULL
        EXCEPT SELECT {identity}, delivery FROM said
    """)
    connection.execute(f"""
        DELETE FROM gone USING (
            SELECT {identity}, gone.delivery FROM gone JOIN said USING ({identity})
            JOIN deliveries AS corrected ON corrected.delivery = gone.delivery
            JOIN deliveries AS other ON other.delivery = said.delivery AND other.path <> corrected.path
                AND other.delivery < gone.delivery AND coalesce(other.next > gone.delivery, true)
        ) AS elsewhere WHERE {" AND ".join(f"gone.{n} = elsewhere.{n}" for n in (*identity.split(", "), "delivery"))}
    """)
    if table.name != "entities":
        _end_later_links(connection, table)
    connection.execute(f"""
        CREATE TEMP TABLE changes AS
        SELECT * FROM (
            FROM said UNION ALL BY NAME SELECT gone.*, received_on FROM gone JOIN deliveries USING (delivery)
        )
        WINDOW same AS (PARTITION BY {identity} ORDER BY delivery)
        QUALIFY lag(delivery) OVER same IS NULL OR content IS DISTINCT FROM lag(content) OVER same
    """)


def _end_later_links(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    """Let a delivery that names a record with fewer links (its code, say) end those that an earlier one led to."""
    key = ", ".join(quote(name) for name in table.key)
    connection.execute(f"""
        INSERT INTO gone BY NAME
        SELECT DISTINCT {key}, linked.nth, other.delivery FROM said AS linked JOIN said AS other USING ({key})
        WHERE linked.nth > 1 AND other.delivery > linked.delivery
        EXCEPT SELECT {key}, nth, delivery FROM said
        EXCEPT SELECT {key}, nth, delivery FROM gone
    """)


def _correct(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    """Make `kept`: records as known from the day they came, each withdrawn when the next one of its kind came."""
    outcomes = "".join(f", {_not_before(c.known_by, c.name)} AS {c.known_by}" for c in table.columns if c.known_by)
    connection.execute(f"""
        CREATE TEMP TABLE kept AS
        SELECT * EXCLUDE (superseded) REPLACE (
            CASE WHEN superseded IS NULL THEN withdrawn_at ELSE least(withdrawn_at, greatest(superseded, known_at)) END
            AS withdrawn_at),
            superseded IS NOT NULL AS corrected, {_refusal(table)} AS refusal
        FROM (
            SELECT *, lead(coalesce(known_at, received_on)) OVER (
                PARTITION BY {_identity(table)} ORDER BY delivery
            ) AS superseded
            FROM (
                SELECT * REPLACE (
                    greatest(known_at, received_on) AS known_at,
                    {_not_before("withdrawn_at", "withdrawn_at")} AS withdrawn_at{outcomes}
                ) FROM changes
            )
        ) WHERE content IS NOT NULL
    """)


def _not_before(day: str, given: str) -> str:
    """Return the expression of a day that is not before the delivery, where `given` is; `greatest` skips nulls."""
    return f"CASE WHEN {given} IS NULL THEN {day} ELSE greatest({day}, received_on) END"


def _refusal(table: Table) -> str:
    """Return why a state of the register is of no use any more: the latest known one counts, and it is no news."""
    if table.name != "entities":
        return "NULL"
    later = "max(event_date) OVER (PARTITION BY entity_id ORDER BY delivery GROUPS UNBOUNDED PRECEDING EXCLUDE GROUP)"
    place = "row_number() OVER (PARTITION BY entity_id, known_at ORDER BY delivery DESC, event_date DESC, nth DESC)"
    return f"""CASE
        WHEN received_on IS NOT NULL AND event_date < {later}
            THEN 'the entry of ' || event_date || ' came after a later one, of ' || {later} || ', was known'
        WHEN {place} > 1 THEN 'a later entry of the entity became known on the same day'
    END"""


def _identity(table: Table) -> str:
    key = ("entity_id", "event_date") if table.name == "entities" else table.key
    return ", ".join(quote(name) for name in (*key, "nth"))


def _deliveries(parts: Sequence[Part]) -> list[tuple[int, str, date | None, int | None]]:
    """Return number, path, day received and number of the next version of the same file, for each part."""
    paths = [part.plan.delivery.path if part.plan.delivery else "" for part in parts]
    days = [part.plan.delivery.received_on if part.plan.delivery else None for part in parts]
    following = [next((j for j in range(i + 1, len(paths)) if paths[j] == path), None) for i, path in enumerate(paths)]
    return list(zip(range(len(paths)), paths, days, following, strict=True))


def _count(connection: duckdb.DuckDBPyConnection, table: Table, parts: Sequence[Part]) -> TableCount:
    linked = "link_method IS NOT NULL" if table.name != "entities" else "false"
    row = connection.execute(f"""
        SELECT
            (SELECT count(*) FROM kept WHERE refusal IS NULL),
            (SELECT count(*) FROM refused) + (SELECT count(*) FROM kept WHERE refusal IS NOT NULL),
            (SELECT count(*) FROM kept WHERE refusal IS NULL AND corrected),
            (SELECT count(*) FROM kept WHERE refusal IS NULL AND {linked}),
            (SELECT count(*) FROM kept WHERE refusal IS NULL AND {linked} AND nth > 1)
    """).fetchone()
    assert row is not None, "counts always yield a row"
    n_read, n_flagged = (sum(part.manifest[name] for part in parts) for name in ("n_read", "n_flagged"))
    n_accepted, n_quarantined, n_corrected, n_linked, n_relinked = row
    n_repeated = n_read + n_relinked - n_accepted - n_quarantined
    return TableCount(n_read, n_accepted, n_quarantined, n_flagged, n_repeated, n_corrected, n_linked, n_relinked)


def share(source: Path, target: Path) -> None:
    """Let a file stand in a second place without a second copy: both are immutable."""
    try:
        os.link(source, target)
    except OSError as error:
        raise StorageError(f"{target} could not be made from {source}: {error}. Free space and run again.") from error
