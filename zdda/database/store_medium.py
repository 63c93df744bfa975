"""Transactions of stores that lie in a database, and what the database's errors mean to a store."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, IntegrityError

from zdda.database.engine import DatabaseUnavailable, read, write
from zdda.model.errors import Unavailable, ZddaError
from zdda.storage.blob_store import StoreFailed

_SQLITE_BROKEN = frozenset({8, 10, 11, 14, 26})
"""Primary result codes: read-only, input/output error, corrupt, cannot open, not a database."""
_SQLITE_FULL = 13
_POSTGRESQL_BROKEN = ("58", "XX")
"""Classes of SQLSTATE: system error (also of input and output), internal error (also corrupted data)."""
_POSTGRESQL_FULL = "53100"
_POSTGRESQL_READ_ONLY = "25006"


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One write transaction: durable when the block has ended. Raises ``StoreFailed`` for an error of the medium,
    ``Unavailable`` where the database does not answer or has no room, SQLAlchemy's ``IntegrityError`` for a key that
    is there and for what a trigger refuses."""
    with _meaning(), write(engine) as connection:
        yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """One read transaction; errors as with ``writing``."""
    with _meaning(), read(engine) as connection:
        yield connection


@contextmanager
def _meaning() -> Iterator[None]:
    try:
        yield
    except DatabaseUnavailable as error:
        raise _of(error.__context__) or error from None
    except IntegrityError:
        raise
    except (
        DBAPIError,
        sqlite3.Error,
    ) as error:  # the second of a transaction's beginning; a driver's message quotes rows
        raise _of(error) or StoreFailed(f"the database refuses ({type(error).__name__})") from None


def _of(error: BaseException | None) -> ZddaError | None:
    driven = error.orig if isinstance(error, DBAPIError) else error
    code = getattr(driven, "sqlite_errorcode", 0) & 0xFF
    state = getattr(driven, "sqlstate", None) or ""
    if code == _SQLITE_FULL or state == _POSTGRESQL_FULL:
        return Unavailable("the store has no room")
    if code in _SQLITE_BROKEN or state[:2] in _POSTGRESQL_BROKEN or state == _POSTGRESQL_READ_ONLY:
        return StoreFailed("the database's medium fails")
    return None
