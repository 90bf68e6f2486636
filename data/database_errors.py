"""What a database says of itself, told apart: it does not answer, or it answers and refuses."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from data.errors import StorageError, UnreachableError

_NO_ANSWER = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_CANTOPEN)


@contextmanager
def database_errors_explained(subject: str, what: str, passed_on: type[DBAPIError] | None = None) -> Iterator[None]:
    """Turn what a database raises into an error of ours; parameters, which may be personal, stay out of the text.

    Parameters
    ----------
    subject, what : str
        What could not be dealt with, and how: "The ledger of promotions", "read".
    passed_on : type, optional
        An error that the caller answers itself.

    Raises
    ------
    UnreachableError
        Where it does not answer, or not in time.
    StorageError
        Where it answers and refuses: its disk is full, or a rule of its own is broken.
    """
    try:
        yield
    except (DBAPIError, PoolTimeoutError) as error:
        if passed_on is not None and isinstance(error, passed_on):
            raise
        said = " ".join(str(getattr(error, "orig", error.args[0])).split()).rstrip("?.")
        refused = f"{subject} could not be {what}: {said}."
        if _is_unreachable(error):
            raise UnreachableError(
                f"{refused} See that the operational database runs and QIANFEN_DATABASE_URL names it, and try again."
            ) from error
        raise StorageError(f"{refused} See that the operational database has space and may be written to.") from error


def _is_unreachable(error: DBAPIError | PoolTimeoutError) -> bool:
    """Say whether none answered: SQLite tells by its code, PostgreSQL's driver by an error without an SQLSTATE."""
    if not isinstance(error, DBAPIError) or error.connection_invalidated:
        return True
    if isinstance(error.orig, sqlite3.Error):
        # The last byte of an extended code says of what kind it is; errors of Python's own have none.
        return getattr(error.orig, "sqlite_errorcode", 0) & 0xFF in _NO_ANSWER
    return isinstance(error, OperationalError) and getattr(error.orig, "sqlstate", None) is None
