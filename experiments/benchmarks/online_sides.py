"""What the benchmark of the online store compares: each side writes a snapshot its own way and looks entities up in it.

A side is two functions: one writes and returns the path, one opens the path and returns the look-up. A look-up takes
entities that are there and returns their values, float64 (n, 18), in the order asked, NaN where missing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from data.settings import Settings
from features.online import open_online, publish_online
from features.snapshots import ROWS_IN_A_GROUP, Snapshot, load_snapshot

Values = NDArray[np.float64]
LookUp = Callable[[Sequence[str]], Values]


def _build_online(snapshot: Snapshot, folder: Path) -> Path:
    return publish_online(snapshot, Settings.from_environment({"QIANFEN_VAR": str(folder)}), lambda _: None).folder


def _open_online(path: Path) -> LookUp:
    store = open_online(path)
    return lambda entity_ids: store.lookup(entity_ids)[0]


def _build_sqlite_columns(snapshot: Snapshot, folder: Path) -> Path:
    columns = ", ".join(f"{name} REAL" for name in snapshot.indicators)
    rows = ((entity_id, *values.tolist()) for entity_id, values in _rows(snapshot))
    return _build_sqlite(folder / "columns.db", columns, 1 + len(snapshot.indicators), rows)


def _build_sqlite_bytes(snapshot: Snapshot, folder: Path) -> Path:
    rows = ((entity_id, values.tobytes()) for entity_id, values in _rows(snapshot))
    return _build_sqlite(folder / "bytes.db", "indicators BLOB", 2, rows)


def _build_sqlite(path: Path, columns: str, n_columns: int, rows: Iterator[tuple[object, ...]]) -> Path:
    connection = sqlite3.connect(path)
    connection.execute(f"CREATE TABLE newest (entity_id TEXT PRIMARY KEY, {columns}) WITHOUT ROWID")
    connection.executemany(f"INSERT INTO newest VALUES ({', '.join('?' * n_columns)})", rows)
    connection.commit()
    connection.close()
    return path


def _open_sqlite_columns(path: Path) -> LookUp:
    fetch = _sqlite_fetch(path)

    def look_up(entity_ids: Sequence[str]) -> Values:
        found = {row[0]: row[1:] for row in fetch(entity_ids)}
        return np.array([found[entity_id] for entity_id in entity_ids], dtype=np.float64)

    return look_up


def _open_sqlite_bytes(path: Path) -> LookUp:
    fetch = _sqlite_fetch(path)

    def look_up(entity_ids: Sequence[str]) -> Values:
        found = dict(fetch(entity_ids))
        joined = b"".join(found[entity_id] for entity_id in entity_ids)
        return np.frombuffer(joined, dtype=np.float64).reshape(len(entity_ids), -1)

    return look_up


def _sqlite_fetch(path: Path) -> Callable[[Sequence[str]], list[Any]]:
    connection = sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)
    connection.execute(f"PRAGMA mmap_size = {2**30}")
    one, many = "entity_id = ?", f"entity_id IN ({', '.join('?' * 1_000)})"

    def fetch(entity_ids: Sequence[str]) -> list[Any]:
        condition = one if len(entity_ids) == 1 else many
        return connection.execute(f"SELECT * FROM newest WHERE {condition}", entity_ids).fetchall()

    return fetch


def _build_duckdb_table(snapshot: Snapshot, folder: Path) -> Path:
    path = folder / "table.duckdb"
    columns = ", ".join(f"{name} DOUBLE" for name in snapshot.indicators)
    with duckdb.connect(str(path)) as connection:
        connection.execute(f"CREATE TABLE newest (entity_id VARCHAR PRIMARY KEY, {columns})")
        connection.execute("INSERT INTO newest SELECT * EXCLUDE as_of_date FROM read_parquet(?)", [str(snapshot.path)])
    return path


def _open_duckdb_table(path: Path) -> LookUp:
    connection = duckdb.connect(str(path), read_only=True)
    return _duckdb_look_up(connection, "newest")


def _open_duckdb_parquet(path: Path) -> LookUp:
    table = f"(SELECT * EXCLUDE as_of_date FROM read_parquet('{path / 'matrix.parquet'}'))"
    return _duckdb_look_up(duckdb.connect(), table)


def _duckdb_look_up(connection: duckdb.DuckDBPyConnection, table: str) -> LookUp:
    one = f"SELECT * FROM {table} WHERE entity_id = ?"
    many = f"SELECT * FROM {table} WHERE entity_id IN (SELECT unnest(?))"

    def look_up(entity_ids: Sequence[str]) -> Values:
        if len(entity_ids) == 1:
            return np.array([connection.execute(one, [entity_ids[0]]).fetchone()[1:]], dtype=np.float64)
        found = {row[0]: row[1:] for row in connection.execute(many, [list(entity_ids)]).fetchall()}
        return np.array([found[entity_id] for entity_id in entity_ids], dtype=np.float64)

    return look_up


def _open_snapshot(path: Path) -> LookUp:
    snapshot = load_snapshot(path)

    def look_up(entity_ids: Sequence[str]) -> Values:
        found = snapshot.lookup(entity_ids).set_index("entity_id")[list(snapshot.indicators)]
        return found.loc[list(entity_ids)].to_numpy(dtype=np.float64)

    return look_up


def _open_pandas(path: Path) -> LookUp:
    snapshot = load_snapshot(path)
    frame = snapshot.read().set_index("entity_id")[list(snapshot.indicators)]
    # The index makes its hash table when it is first asked.
    frame.index.get_loc(frame.index[0])

    def look_up(entity_ids: Sequence[str]) -> Values:
        if len(entity_ids) == 1:
            return frame.loc[entity_ids[0]].to_numpy()[None, :]
        return frame.loc[list(entity_ids)].to_numpy()

    return look_up


def _open_dictionary(path: Path) -> LookUp:
    snapshot = load_snapshot(path)
    frame = snapshot.read()
    row_of = {entity_id: row for row, entity_id in enumerate(frame["entity_id"])}
    values = np.ascontiguousarray(frame[list(snapshot.indicators)].to_numpy())
    return lambda entity_ids: values[[row_of[entity_id] for entity_id in entity_ids]]


def _rows(snapshot: Snapshot) -> Iterator[tuple[str, Values]]:
    for batch in pq.ParquetFile(snapshot.path).iter_batches(ROWS_IN_A_GROUP):
        columns = [batch[name].to_numpy(zero_copy_only=False) for name in snapshot.indicators]
        yield from zip(batch["entity_id"].to_pylist(), np.column_stack(columns), strict=True)


def nothing_to_build(snapshot: Snapshot, _: Path) -> Path:
    """Return the snapshot itself, which a side reads as it is."""
    return snapshot.folder


SIDES: Mapping[str, tuple[Callable[[Snapshot, Path], Path], Callable[[Path], LookUp]]] = {
    "online": (_build_online, _open_online),
    "SQLite columns": (_build_sqlite_columns, _open_sqlite_columns),
    "SQLite bytes": (_build_sqlite_bytes, _open_sqlite_bytes),
    "DuckDB table": (_build_duckdb_table, _open_duckdb_table),
    "DuckDB Parquet": (nothing_to_build, _open_duckdb_parquet),
    "snapshot Parquet": (nothing_to_build, _open_snapshot),
    "pandas": (nothing_to_build, _open_pandas),
    "dictionary": (nothing_to_build, _open_dictionary),
}
