"""Damage in a store that lies in a database, as one makes it who owns the tables."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, select, update

from zdda.database.store_tables import chunks, objects
from zdda.model.identifiers import ContentAddress


def rot(engine: Engine, address: ContentAddress, data: bytes) -> None:
    """Other bytes in an object's first chunk."""
    with without_triggers(engine) as connection:
        content = connection.scalars(select(objects.c.content).where(objects.c.address == address.digest)).one()
        first = (chunks.c.content == content) & (chunks.c.number == 0)
        assert connection.execute(update(chunks).where(first).values(data=data)).rowcount == 1


def whole_file(engine: Engine) -> bytes:
    """SQLite's file, with all that was in its log."""
    path = Path(str(engine.url.database))
    with closing(sqlite3.connect(path)) as connection:
        busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    assert not busy
    return path.read_bytes()


@contextmanager
def without_triggers(engine: Engine) -> Iterator[Connection]:
    """A transaction in which nothing keeps the chunks; afterwards everything is as it was."""
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("ALTER TABLE store_chunks DISABLE TRIGGER USER")
            yield connection
            connection.exec_driver_sql("ALTER TABLE store_chunks ENABLE TRIGGER USER")
            return
        kept = connection.exec_driver_sql(
            "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'store_chunks'"
        ).all()
        for name, _ in kept:
            connection.exec_driver_sql(f"DROP TRIGGER {name}")
        yield connection
        for _, statement in kept:
            connection.exec_driver_sql(statement)
