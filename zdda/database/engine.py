"""Engines for SQLite (one machine) and PostgreSQL (many), with the durability that acknowledgements rest on."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from threading import Lock
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from zdda.model.errors import InvalidInput, Unavailable

_READ = "zdda_read"
_OTHERS = 16
"""Who may open a new SQLite file at the same moment."""
_turns: dict[str, Lock] = {}
"""By SQLite file: several engines may have it open."""


class DatabaseUnavailable(Unavailable):
    """The database does not answer, or stayed locked for longer than its busy timeout."""

    code = "database-unavailable"


def open_engine(url: str) -> Engine:
    """Opens ``sqlite:///PATH`` or ``postgresql+psycopg://…``; raises ``InvalidInput`` for any other database.

    SQLite runs in WAL with ``synchronous=FULL``: a commit that returned is on disk. Writers begin with
    ``BEGIN IMMEDIATE``, so that no transaction fails half-way for want of the write lock.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        engine = create_engine(
            parsed, pool_size=32, max_overflow=32, hide_parameters=True, connect_args={"check_same_thread": False}
        )
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    if parsed.get_backend_name() == "postgresql":
        return create_engine(
            parsed.set(drivername="postgresql+psycopg"),
            pool_size=16,
            max_overflow=16,
            pool_pre_ping=True,
            hide_parameters=True,
        )
    raise InvalidInput("the database is neither SQLite nor PostgreSQL")


@contextmanager
def write(engine: Engine) -> Iterator[Connection]:
    """One write transaction: committed when the block ends, rolled back when it raises.

    On SQLite the threads of this process queue for their turn here: SQLite itself would have them poll for it.
    """
    with _turn(engine), _answering(), engine.begin() as connection:
        yield connection


@contextmanager
def read(engine: Engine) -> Iterator[Connection]:
    """One read transaction that never waits for a writer."""
    with _answering(), engine.connect().execution_options(**{_READ: True}) as connection, connection.begin():
        yield connection


def _turn(engine: Engine) -> AbstractContextManager[object]:
    return _turns.setdefault(str(engine.url.database), Lock()) if engine.dialect.name == "sqlite" else nullcontext()


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except (OperationalError, InterfaceError, PoolTimeout):
        raise DatabaseUnavailable("the database does not answer") from None  # a driver's message quotes rows


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # SQLAlchemy's own BEGIN follows, not the driver's
    connection.execute("PRAGMA busy_timeout=15000")
    _keep_a_log(connection)
    for pragma in (
        "synchronous=FULL",
        "foreign_keys=ON",
        "secure_delete=ON",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _keep_a_log(connection: Any) -> None:
    """Journal mode WAL, which the file keeps. While another connection to a new file is at that, SQLite says at once
    that it is locked, whatever the busy timeout: so its end is waited for by a write lock, and then it is done."""
    for _ in range(_OTHERS):
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("COMMIT")
    connection.execute("PRAGMA journal_mode=WAL")


def _begin_sqlite(connection: Connection) -> None:
    """By the driver alone: for a word without parameters and rows SQLAlchemy does as much as for a query."""
    reading = connection.get_execution_options().get(_READ, False)
    driver: Any = connection.connection.driver_connection
    try:
        driver.execute("BEGIN" if reading else "BEGIN IMMEDIATE")
    except sqlite3.OperationalError:  # locked for longer than the busy timeout, or the disk fails
        raise DatabaseUnavailable("the database does not answer") from None


def answers(engine: Engine) -> bool:
    """Whether the database answers a trivial question; never raises for its absence."""
    try:
        with read(engine) as connection:
            connection.execute(text("SELECT 1"))
    except DatabaseUnavailable:
        return False
    return True
