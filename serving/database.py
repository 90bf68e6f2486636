"""The operational database: gradings, grades and the log of look-ups. SQLite embedded, PostgreSQL in production."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any

import alembic.command
import alembic.config
from sqlalchemy import JSON, DateTime, Double, Engine, ForeignKey, Index, String, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from data.database_errors import database_errors_explained
from data.errors import ConfigurationError

MIGRATIONS = Path(__file__).resolve().parent / "migrations"
_BUSY_SECONDS = 30
# Of several who open a database at once one upgrades it, whole, and the others wait. The number is any that no other
# program of that database locks.
_ALONE = {"sqlite": "BEGIN IMMEDIATE", "postgresql": "SELECT pg_advisory_xact_lock(1000000018)"}


class Base(DeclarativeBase):
    """Declarations of the tables; the migrations create them."""


class GradingRow(Base):
    """One grading of a city's whole population. `complete` once all its grades are in; at most one is `in_force`."""

    __tablename__ = "gradings"
    __table_args__ = (
        Index(
            "gradings_in_force", "city", unique=True, sqlite_where=text("in_force"), postgresql_where=text("in_force")
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    city: Mapped[str] = mapped_column(String(100))
    as_of_date: Mapped[date]
    model_version: Mapped[str] = mapped_column(String(64))
    snapshot_id: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    n_entities: Mapped[int]
    grade_counts: Mapped[dict[str, int]] = mapped_column(JSON)
    complete: Mapped[bool]
    in_force: Mapped[bool]


class GradeRow(Base):
    """One entity's grade in one grading; `veto` names what changed it from that of the points, '' where nothing did."""

    __tablename__ = "grades"
    # The key is the table in SQLite: half the size, and no second look-up.
    __table_args__ = {"sqlite_with_rowid": False}  # noqa: RUF012

    grading_id: Mapped[int] = mapped_column(ForeignKey("gradings.id", ondelete="CASCADE"), primary_key=True)
    entity_id: Mapped[str] = mapped_column(String(100), primary_key=True)
    points: Mapped[float] = mapped_column(Double)
    grade: Mapped[str] = mapped_column(String(8))
    probability: Mapped[float] = mapped_column(Double)
    expert_points: Mapped[float] = mapped_column(Double)
    expert_grade: Mapped[str] = mapped_column(String(8))
    veto: Mapped[str] = mapped_column(String(100), server_default="")


class SwitchRow(Base):
    """When a grading was put in force; it was until the next switch of its city."""

    __tablename__ = "switches"
    __table_args__ = (Index("switches_of_city", "city", "at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    city: Mapped[str] = mapped_column(String(100))
    grading_id: Mapped[int] = mapped_column(ForeignKey("gradings.id", ondelete="CASCADE"))
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class LookupRow(Base):
    """Who looked at what, and why."""

    __tablename__ = "lookups"
    __table_args__ = (Index("lookups_of_entity", "entity_id", "at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    who: Mapped[str] = mapped_column(String(200))
    why: Mapped[str] = mapped_column(String(500))
    what: Mapped[str] = mapped_column(String(100))
    city: Mapped[str] = mapped_column(String(100))
    entity_id: Mapped[str | None] = mapped_column(String(100))
    as_of_date: Mapped[date | None]
    model_version: Mapped[str | None] = mapped_column(String(64))


@cache
def open_database(url: str) -> Engine:
    """Return an engine on the operational database, its tables upgraded to the newest version.

    Raises
    ------
    ConfigurationError
        Where the URL is of a database that is not installed.
    UnreachableError, StorageError
        Where the database does not answer, or refuses.
    """
    engine = _engine(url)
    with storage_explained("opened"), engine.begin() as connection:
        connection.exec_driver_sql(_ALONE[engine.dialect.name])
        configuration = alembic.config.Config()
        configuration.set_main_option("script_location", str(MIGRATIONS))
        configuration.attributes["connection"] = connection
        alembic.command.upgrade(configuration, "head")
    return engine


def now() -> datetime:
    """Return the present, with its time zone."""
    return datetime.now(UTC)


def storage_explained(what: str) -> AbstractContextManager[None]:
    """Turn what the database raises into an UnreachableError or a StorageError."""
    return database_errors_explained("The operational database", what)


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
        backend = parsed.get_backend_name()
        if backend not in _ALONE:
            raise NoSuchModuleError(f"{backend} is neither SQLite nor PostgreSQL")
        if backend == "sqlite" and parsed.database:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(parsed, pool_pre_ping=backend != "sqlite", hide_parameters=True)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise ConfigurationError(
            f"QIANFEN_DATABASE_URL must name a database whose driver is installed: {error}. Write "
            "sqlite:////folder/file.db or postgresql+psycopg://user:password@host/database."
        ) from error
    if backend == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _: Any) -> None:
    """Let readers go on while a grading is written, wait for a busy writer, and keep references whole."""
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {_BUSY_SECONDS * 1000}")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()
