"""What differs between two snapshots: who came and left, how far each indicator moved, which formulas changed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import duckdb

from data.errors import RequestError
from data.quality import literal, quote
from features.snapshots import Snapshot

EXAMPLES = 5


@dataclass(frozen=True)
class Moved:
    """How an indicator moved among the rows that are in both snapshots.

    Attributes
    ----------
    name : str
        The indicator.
    n_changed : int
        Rows with another value, a value that came or went included.
    n_came, n_went : int
        Rows where a missing value became known, and where a value became missing.
    median_change, largest_change : float or None
        Of the absolute change where both have a value and it differs; None where there is none such.
    largest_of : str or None
        Entity with the largest change.
    """

    name: str
    n_changed: int
    n_came: int
    n_went: int
    median_change: float | None
    largest_change: float | None
    largest_of: str | None


@dataclass(frozen=True)
class Difference:
    """Two snapshots held against one another; `after` is the second one.

    Attributes
    ----------
    n_both, n_entered, n_left : int
        Rows in both, in the second alone, in the first alone.
    entered, left : list of str
        The first few of their entities.
    moved : list of Moved
        For each indicator that both have, in the order of the second.
    formulas : dict
        "added", "removed", "redefined": names of indicators, where the catalogues differ.
    same_records : bool
        Whether both were made from the same records.
    """

    before: Snapshot
    after: Snapshot
    n_both: int
    n_entered: int
    n_left: int
    entered: list[str]
    left: list[str]
    moved: list[Moved]
    formulas: dict[str, list[str]] = field(default_factory=dict)
    same_records: bool = True


def compare_snapshots(before: Snapshot, after: Snapshot, threads: int) -> Difference:
    """Hold two snapshots against one another: two as of a date each by entity, two of pairs by entity and date.

    Raises
    ------
    RequestError
        Where one is as of a date and the other of pairs.
    """
    if (before.as_of_date is None) != (after.as_of_date is None):
        raise RequestError(
            "Two snapshots as of a date each, or two of pairs, can be compared; "
            f"got {before.folder.name} and {after.folder.name}. Name two of one kind."
        )
    keys = ("entity_id",) if after.as_of_date else ("entity_id", "as_of_date")
    names = [name for name in after.indicators if name in before.indicators]
    with duckdb.connect(config={"threads": threads}) as connection:
        for view, snapshot in (("before", before), ("after", after)):
            connection.execute(f"CREATE VIEW {view} AS FROM read_parquet({literal(str(snapshot.path))})")
        n_both = _one(connection, f"SELECT count(*) FROM before JOIN after USING ({', '.join(keys)})")[0]
        entered = _only_in(connection, "after", "before", keys)
        left = _only_in(connection, "before", "after", keys)
        moved = [_moved(connection, name, keys) for name in names]
    return Difference(
        before, after, n_both, entered[0], left[0], entered[1], left[1], moved, _formulas(before, after),
        before.manifest["records_id"] == after.manifest["records_id"],
    )  # fmt: skip


def _only_in(
    connection: duckdb.DuckDBPyConnection, one: str, other: str, keys: tuple[str, ...]
) -> tuple[int, list[str]]:
    """Return how many rows are in one alone, and the first few of their entities."""
    query = f"""SELECT count(*), coalesce(min(entity_id, {EXAMPLES}), [])
        FROM {one} ANTI JOIN {other} USING ({", ".join(keys)})"""
    n, entities = _one(connection, query)
    return int(n), list(entities)


def _moved(connection: duckdb.DuckDBPyConnection, name: str, keys: tuple[str, ...]) -> Moved:
    # One column at a time: the memory is that of two columns.
    row = _one(
        connection,
        f"""WITH pairs AS (
                SELECT entity_id, before.{quote(name)} AS old, after.{quote(name)} AS new, abs(new - old) AS distance
                FROM before JOIN after USING ({", ".join(keys)}) WHERE old IS DISTINCT FROM new
            )
            SELECT count(*), count(*) FILTER (old IS NULL), count(*) FILTER (new IS NULL),
                median(distance), max(distance),
                arg_min(entity_id, row(-distance, entity_id)) FILTER (distance IS NOT NULL)
            FROM pairs""",
    )
    return Moved(name, *row)


def _formulas(before: Snapshot, after: Snapshot) -> dict[str, list[str]]:
    old, new = before.manifest["formulas"], after.manifest["formulas"]
    changes = {
        "added": [name for name in new if name not in old],
        "removed": [name for name in old if name not in new],
        "redefined": [name for name in new if name in old and new[name] != old[name]],
    }
    return {kind: names for kind, names in changes.items() if names}


def _one(connection: duckdb.DuckDBPyConnection, query: str) -> Any:
    row = connection.execute(query).fetchone()
    assert row is not None, "an aggregate always yields a row"
    return row
