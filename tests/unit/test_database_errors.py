"""A database that does not answer is told apart from one that is full or refuses."""

from __future__ import annotations

import sqlite3

import pytest
from sqlalchemy import create_engine
from sqlalchemy.pool import QueuePool

from data.database_errors import database_errors_explained
from data.errors import StorageError, UnreachableError
from serving.database import open_database


def test_a_database_where_nobody_listens_does_not_answer():
    with pytest.raises(UnreachableError, match="could not be opened: .*refused.*. See that the operational"):
        open_database("postgresql://qianfen@127.0.0.1:1/none")


def test_a_file_that_cannot_be_opened_does_not_answer(tmp_path):
    with pytest.raises(UnreachableError, match="could not be opened: unable to open database file. See that"):
        open_database(f"sqlite:///{tmp_path}")


def test_a_file_that_another_writer_holds_too_long_does_not_answer(tmp_path):
    holder = sqlite3.connect(tmp_path / "held.db", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    engine = create_engine(f"sqlite:///{tmp_path}/held.db", connect_args={"timeout": 0})

    with (
        pytest.raises(UnreachableError, match="The ledger could not be read: database is locked. "),
        database_errors_explained("The ledger", "read"),
        engine.connect() as connection,
    ):
        connection.exec_driver_sql("CREATE TABLE more (n INTEGER)")

    holder.close()
    engine.dispose()


def test_connections_that_are_all_in_use_do_not_answer(tmp_path):
    url = f"sqlite:///{tmp_path}/busy.db"
    engine = create_engine(url, poolclass=QueuePool, pool_size=1, max_overflow=0, pool_timeout=0.01)

    with (
        engine.connect(),
        pytest.raises(UnreachableError, match="could not be read: QueuePool limit"),
        database_errors_explained("The ledger", "read"),
        engine.connect(),
    ):
        pass

    engine.dispose()


def test_a_server_that_ends_the_connection_does_not_answer(postgresql):
    engine = create_engine(postgresql().replace("postgresql:", "postgresql+psycopg:"))

    with (
        pytest.raises(UnreachableError, match="could not be read: terminating connection"),
        database_errors_explained("The ledger", "read"),
        engine.connect() as connection,
    ):
        connection.exec_driver_sql("SELECT pg_terminate_backend(pg_backend_pid())")

    engine.dispose()


def test_a_full_disk_is_no_lack_of_an_answer(tmp_path):
    engine = create_engine(f"sqlite:///{tmp_path}/full.db")

    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 2")
        with (
            pytest.raises(StorageError, match="could not be written to: database or disk is full.* has space") as full,
            database_errors_explained("The ledger", "written to"),
        ):
            connection.exec_driver_sql("CREATE TABLE blobs AS SELECT randomblob(100000) AS it")

    assert full.value.http_status == 507
    engine.dispose()


def test_a_statement_that_the_server_refuses_is_no_lack_of_an_answer(postgresql):
    engine = create_engine(postgresql().replace("postgresql:", "postgresql+psycopg:"))

    with (
        pytest.raises(StorageError, match='relation "nowhere" does not exist') as refused,
        database_errors_explained("The ledger", "read"),
        engine.connect() as connection,
    ):
        connection.exec_driver_sql("SELECT * FROM nowhere")

    assert refused.value.http_status == 507
    engine.dispose()
