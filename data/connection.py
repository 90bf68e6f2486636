"""DuckDB as a mapping finds it: the macros, its variables, and the regions of GB/T 2260."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa

from data.city import City
from data.codes import regions
from data.files import sha256_of
from data.quality import literal

MACROS = Path(__file__).parent / "macros"


def connect(
    threads: int, staging: Path | None = None, city: City | None = None, taken_on: date | None = None
) -> duckdb.DuckDBPyConnection:
    """Open DuckDB with the macros, and what a mapping reads: variables, and the regions of GB/T 2260."""
    connection = duckdb.connect(config={"threads": threads, "preserve_insertion_order": True})
    _create_regions(connection)
    # The others use the macros of names.sql.
    for macro in sorted(MACROS.glob("*.sql"), key=lambda path: (path.name != "names.sql", path.name)):
        connection.execute(macro.read_text(encoding="utf-8"))
    return connection if staging is None or city is None else show(connection, staging, city, taken_on)


def show(
    opened: duckdb.DuckDBPyConnection, staging: Path, city: City, taken_on: date | None
) -> duckdb.DuckDBPyConnection:
    """Return a second connection to what `connect` opened, with variables of its own: what a mapping reads."""
    connection = opened.cursor()
    connection.execute(f"SET VARIABLE source_folder = {literal(str(staging))}")
    units = [f"{literal(file.path)}: {literal(file.amount_unit or '')}" for file in city.sources.files]
    connection.execute(f"SET VARIABLE amount_units = MAP {{{', '.join(units)}}}")
    connection.execute(f"SET VARIABLE taken_on = {f'DATE {literal(str(taken_on))}' if taken_on else 'NULL::DATE'}")
    return connection


def macro_hashes() -> list[str]:
    """Return the SHA-256 of each file of macros."""
    return [sha256_of(path) for path in sorted(MACROS.glob("*.sql"))]


def _create_regions(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the table behind `region_of_text`: counties by code, with the name that stands before 区, 县 or 市."""
    known = regions()
    named = pa.table({"code": list(known), "name": list(known.values())})
    connection.register("named_regions", named)
    connection.execute("""
        CREATE TABLE regions AS
        SELECT code, left(code, 2) AS province_code, left(name, len(name) - 1) AS stem
        FROM named_regions WHERE code NOT LIKE '%00'
    """)
    connection.unregister("named_regions")
