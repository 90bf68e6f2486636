"""Where every row of a city's source files ended: in a table, waiting for a link, in quarantine, or nowhere.

The rows of a file are counted by themselves, whatever the mappings make of them. A row that feeds several tables, or
makes several records, counts once, under the best of its ends; a record made of several rows (`source_rows`) accounts
for all of them.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from data.city import City, SourceFile
from data.files import read_sealed
from data.quality import literal
from data.records import Records
from data.rows import count_records
from data.settings import Settings
from data.sources import Delivery, archived, is_pattern

ENDS = ("mapped", "linked", "waiting", "quarantined", "repeated")
"""The ends of a row, the best first: in a table under its code; in a table, linked by its name; waiting for a link; in
quarantine; or left out because an earlier delivery said the same."""

_PARQUET, _DELIMITED = (".parquet", ".pq"), (".csv", ".txt")


@dataclass(frozen=True)
class FileAccount:
    """The rows of one file by their ends.

    Attributes
    ----------
    path : str
        Path below the source folder.
    n_rows : int or None
        Rows that stand in the file; None where it is of a kind that cannot be counted.
    ends : dict
        Number of rows for each of ENDS; each row counts once.
    tables : dict
        For each table that the file feeds, how many of the rows it holds; a row may be in several.
    n_beyond : int
        Rows that mappings name and the file does not have.
    """

    path: str
    n_rows: int | None
    ends: dict[str, int]
    tables: dict[str, int] = field(default_factory=dict)
    n_beyond: int = 0

    @property
    def n_not_mapped(self) -> int | None:
        """Rows that no mapping made anything of; None where the rows cannot be counted."""
        return None if self.n_rows is None else self.n_rows - sum(self.ends.values())

    @property
    def closes(self) -> bool:
        """Whether every row of the file ended somewhere, and no other was named."""
        return self.n_not_mapped == 0 and self.n_beyond == 0


def account_files(city: City, records: Records, settings: Settings) -> list[FileAccount]:
    """Return an account of each declared file and of the newest version of each delivery, in the order declared."""
    files = list(_files(city, records, settings))
    with duckdb.connect(config={"threads": settings.threads}) as connection:
        connection.execute("CREATE TABLE files (path VARCHAR, source_file VARCHAR, n_rows BIGINT)")
        for path, n_rows in files:
            connection.execute("INSERT INTO files VALUES (?, ?, ?)", [path, Path(path).name, n_rows])
        _gather(connection, city, records, settings)
        ends, tables = _ends(connection), _tables(connection)
        beyond = dict(
            connection.execute("""
                SELECT path, count(*) FROM rows_of_files JOIN files USING (source_file)
                WHERE source_row NOT BETWEEN 1 AND n_rows GROUP BY path
            """).fetchall()
        )
    return [
        FileAccount(
            path,
            n_rows,
            {end: ends.get((path, end), 0) for end in ENDS},
            {table: n for (of, table), n in tables.items() if of == path},
            beyond.get(path, 0),
        )
        for path, n_rows in files
    ]


def _files(city: City, records: Records, settings: Settings) -> Iterator[tuple[str, int | None]]:
    """Yield the path and the number of rows of every file; of a delivery the newest version."""
    deliveries = [Delivery.from_json(content) for content in records.manifest.get("deliveries", ())]
    newest = {delivery.path: delivery for delivery in deliveries}
    folder = city.source_folder(settings)
    for file in city.sources.files:
        if is_pattern(file):
            for delivery in newest.values():
                if fnmatch.fnmatchcase(delivery.path, file.path):
                    yield delivery.path, _count(archived(city, settings, delivery.sha256), delivery.path, file)
        else:
            yield file.path, _count(folder / file.path, file.path, file)


def _count(source: Path, path: str, file: SourceFile) -> int | None:
    suffix = Path(path).suffix.lower()
    if suffix in _DELIMITED:
        return count_records(source, file.encoding, file.header_row)
    if suffix in _PARQUET:
        row = duckdb.execute(f"SELECT sum(num_rows) FROM parquet_file_metadata({literal(str(source))})").fetchone()
        return int(row[0]) if row else None
    return None


def _gather(connection: duckdb.DuckDBPyConnection, city: City, records: Records, settings: Settings) -> None:
    """Make `rows_of_files`: of each row of a file, and each table that it feeds, the best end."""
    said = [query for table in records.tables for query in _table_queries(table, city, records, settings)]
    nothing = (
        "SELECT NULL::VARCHAR AS source_file, NULL::BIGINT AS source_row, '' AS table_name, 0 AS place WHERE false"
    )
    connection.execute(f"""
        CREATE TABLE rows_of_files AS
        SELECT source_file, source_row, table_name, min(place) AS place
        FROM ({" UNION ALL ".join([nothing, *said])}) GROUP BY ALL
    """)


def _table_queries(table: str, city: City, records: Records, settings: Settings) -> Iterator[str]:
    """Yield for each part of a table the query that says where its rows ended."""
    part_ids = records.manifest["tables"][table].get("parts", ())
    folders = [settings.var / "cities" / city.name / "parts" / f"{table}-{part_id}" for part_id in part_ids]
    manifests = [(folder, read_sealed(folder / "manifest.json")) for folder in folders]
    # A corrected delivery takes the place of what came before it.
    newest = {(manifest["delivery"] or {}).get("path"): folder for folder, manifest in manifests}
    whole = len(manifests) == 1 and not manifests[0][1]["n_named"]
    for folder, manifest in manifests:
        if folder in newest.values():
            yield _part_query(table, folder, None if whole else records, bool(manifest["sha256"].get("merged")))


def _part_query(table: str, folder: Path, records: Records | None, merged: bool) -> str:
    """Say where the rows of a part ended; `records` where that was decided after the part, by links and corrections."""
    outcomes = {"mapped": "accepted", "waiting": "named", "quarantined": "quarantine"}
    rows = " UNION ALL ".join(
        f"SELECT source_file, source_row, {ENDS.index(end)} AS place FROM {_parquet(folder / f'{name}.parquet')}"
        for end, name in outcomes.items()
    )
    if records is not None:
        rows = f"""
            SELECT source_file, source_row, CASE
                WHEN kept.linked THEN {ENDS.index("linked")}
                WHEN NOT kept.linked THEN {ENDS.index("mapped")}
                -- A name without a link lies in quarantine, with its reason.
                WHEN refused.source_row IS NOT NULL AND place = {ENDS.index("waiting")} THEN place
                WHEN refused.source_row IS NOT NULL THEN {ENDS.index("quarantined")}
                ELSE {ENDS.index("repeated")}
            END AS place
            FROM ({rows})
            LEFT JOIN (
                SELECT source_file, source_row, bool_and({_is_linked(table)}) AS linked
                FROM {_parquet(records.tables[table])} GROUP BY ALL
            ) AS kept USING (source_file, source_row)
            LEFT JOIN (
                SELECT DISTINCT source_file, source_row
                FROM {_parquet(records.folder / "quarantine" / f"{table}.parquet")}
            ) AS refused USING (source_file, source_row)
        """
    query = f"SELECT source_file, source_row, {literal(table)} AS table_name, place FROM ({rows})"
    if merged:
        query += f"""
            UNION ALL SELECT source_file, merged_row, {literal(table)}, place
            FROM ({rows}) JOIN {_parquet(folder / "merged.parquet")} USING (source_file, source_row)
        """
    return query


def _is_linked(table: str) -> str:
    return "false" if table == "entities" else "link_method IS NOT NULL"


def _parquet(path: Path) -> str:
    return f"read_parquet({literal(str(path))})"


def _ends(connection: duckdb.DuckDBPyConnection) -> dict[tuple[str, str], int]:
    """Count rows by path and end; a row that feeds several tables counts under its best end."""
    rows = connection.execute("""
        SELECT path, place, count(*) FROM (
            SELECT source_file, source_row, min(place) AS place FROM rows_of_files GROUP BY ALL
        ) JOIN files USING (source_file)
        WHERE n_rows IS NULL OR source_row BETWEEN 1 AND n_rows
        GROUP BY ALL
    """).fetchall()
    return {(path, ENDS[place]): n for path, place, n in rows}


def _tables(connection: duckdb.DuckDBPyConnection) -> dict[tuple[str, str], int]:
    """Count rows by path and the table that holds them; 0 where all that was meant for it waits or broke a rule."""
    rows = connection.execute(f"""
        SELECT path, table_name, count(*) FILTER (place <= {ENDS.index("linked")})
        FROM rows_of_files JOIN files USING (source_file) GROUP BY ALL ORDER BY ALL
    """).fetchall()
    return {(path, table): n for path, table, n in rows}
