"""Grades in the operational database: whole gradings go in, and one is in force at any time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection, Engine, delete, insert, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from serving.database import GradeRow, GradingRow, SwitchRow, now, storage_explained

STORED = ("entity_id", "points", "grade", "probability", "expert_points", "expert_grade", "veto")


@dataclass(frozen=True)
class GradingInForce:
    """The grading that a city stands by."""

    id: int
    as_of_date: date
    model_version: str
    snapshot_id: str
    n_entities: int
    grade_counts: dict[str, int]
    created_at: Any


def grading_in_force(engine: Engine, city: str) -> GradingInForce | None:
    """Return the grading in force of a city; None before the first."""
    query = select(GradingRow).where(GradingRow.city == city, GradingRow.in_force)
    with storage_explained("read"), engine.connect() as connection:
        row = connection.execute(query).mappings().first()
    return None if row is None else GradingInForce(**{f: row[f] for f in GradingInForce.__dataclass_fields__})


def complete_gradings(engine: Engine, city: str) -> list[GradingRow]:
    """Return all gradings of a city whose grades are all in, the one in force and earlier ones, oldest first."""
    query = select(GradingRow).where(GradingRow.city == city, GradingRow.complete).order_by(GradingRow.id)
    with storage_explained("read"), Session(engine, expire_on_commit=False) as session:
        return list(session.scalars(query))


def switches(engine: Engine, city: str) -> list[SwitchRow]:
    """Return when each grading of a city was put in force, oldest first; `at` is UTC."""
    query = select(SwitchRow).where(SwitchRow.city == city).order_by(SwitchRow.id)
    with storage_explained("read"), Session(engine, expire_on_commit=False) as session:
        return list(session.scalars(query))


def grades_of(engine: Engine, grading_id: int, entity_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the grades of some entities by entity_id."""
    query = select(GradeRow).where(GradeRow.grading_id == grading_id, GradeRow.entity_id.in_(entity_ids))
    with storage_explained("read"), engine.connect() as connection:
        return {row["entity_id"]: dict(row) for row in connection.execute(query).mappings()}


def riskiest(engine: Engine, grading_id: int, most: int) -> list[dict[str, Any]]:
    """Return the grades of the entities with the most points."""
    query = select(GradeRow.__table__).where(GradeRow.grading_id == grading_id)
    query = query.order_by(GradeRow.points.desc(), GradeRow.entity_id).limit(most)
    with storage_explained("read"), engine.connect() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]


def put_in_force(
    engine: Engine, city: str, identity: dict[str, Any], counts: dict[str, int], blocks: Iterable[list[dict[str, Any]]]
) -> int:
    """Store a grading and put it in force; return its id. One that is stored already is only put in force.

    The grades go in first, block by block, out of sight. The switch is one transaction: a reader sees the old grading
    or the new one, whole. What a killed run left is removed.

    Parameters
    ----------
    identity : dict
        as_of_date, model_version and snapshot_id.
    counts : dict
        Entities by grade.
    blocks : iterable of list of dict
        Rows with the columns STORED.
    """
    with storage_explained("written to"):
        grading_id = _stored(engine, city, identity)
        if grading_id is None:
            grading_id = _store(engine, city, identity, counts, blocks)
        _switch(engine, city, grading_id)
    return grading_id


def _stored(engine: Engine, city: str, identity: dict[str, Any]) -> int | None:
    query = select(GradingRow.id).filter_by(city=city, complete=True, **identity).order_by(GradingRow.id.desc())
    with engine.connect() as connection:
        return connection.execute(query).scalars().first()


def _store(
    engine: Engine, city: str, identity: dict[str, Any], counts: dict[str, int], blocks: Iterable[list[dict[str, Any]]]
) -> int:
    with engine.begin() as connection:
        abandoned = select(GradingRow.id).filter_by(city=city, complete=False)
        connection.execute(delete(GradeRow).where(GradeRow.grading_id.in_(abandoned)))
        connection.execute(delete(GradingRow).filter_by(city=city, complete=False))
        fields = {"city": city, **identity, "created_at": now(), "grade_counts": counts}
        fields |= {"n_entities": sum(counts.values()), "complete": False, "in_force": False}
        key = connection.execute(insert(GradingRow).values(**fields)).inserted_primary_key
    assert key is not None, "a row was inserted"
    grading_id = int(key[0])
    for block in blocks:
        with engine.begin() as connection:
            _write(connection, [{"grading_id": grading_id, "veto": "", **row} for row in block])
    return grading_id


def _write(connection: Connection, rows: list[dict[str, Any]]) -> None:
    if connection.dialect.name != "postgresql":
        connection.execute(insert(GradeRow), rows)
        return
    # Row by row, the grades of a whole city would take PostgreSQL several times as long.
    columns = ("grading_id", *STORED)
    driver = connection.connection.driver_connection
    assert driver is not None, "the connection is open"
    try:
        with driver.cursor().copy(f"COPY grades ({', '.join(columns)}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row([row[column] for column in columns])
    except driver.Error as error:
        raise DBAPIError("COPY grades", None, error) from error


def _switch(engine: Engine, city: str, grading_id: int) -> None:
    with engine.begin() as connection:
        connection.execute(update(GradingRow).filter_by(city=city, in_force=True).values(in_force=False))
        connection.execute(update(GradingRow).filter_by(id=grading_id).values(complete=True, in_force=True))
        connection.execute(insert(SwitchRow).values(city=city, grading_id=grading_id, at=now()))
