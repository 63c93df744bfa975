"""Clearing what a database keeps of rows that are gone: free pages, dead rows, its log."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, Engine, inspect, text

from zdda.database.store_tables import metadata as store_metadata
from zdda.database.types import metadata
from zdda.model.errors import Unavailable


class PurgeIncomplete(Unavailable):
    """Somebody else has the database open and keeps it from being purged whole; nothing was lost."""

    code = "purge-incomplete"


@dataclass(frozen=True, slots=True)
class Purged:
    """``done``: what was cleared, in words; ``left``: what this database cannot promise, in words."""

    done: tuple[str, ...]
    left: tuple[str, ...]

    def and_also(self, other: Purged) -> Purged:
        """Both, what is alike said once."""
        return Purged(tuple(dict.fromkeys(self.done + other.done)), tuple(dict.fromkeys(self.left + other.left)))


def purge_database(engine: Engine) -> Purged:
    """Rewrites the database so that nothing of deleted rows is left in its files, as far as it can promise that.

    Call while nobody else works on it; raises ``PurgeIncomplete`` where somebody does.
    """
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            return _purge_sqlite(connection)
        return _purge_postgresql(connection)


def _purge_sqlite(connection: Connection) -> Purged:
    raw = connection.connection.driver_connection
    assert raw is not None
    connection.rollback()
    raw.execute("PRAGMA secure_delete=ON")
    raw.execute("VACUUM")
    (busy, _, _) = raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if busy:
        raise PurgeIncomplete("somebody reads or writes the database: its log could not be cleared")
    return Purged(
        ("free pages (secure_delete, VACUUM)", "the write-ahead log (checkpoint, truncated to nothing)"),
        ("blocks of the disk that the database file and its log held before: the file system's matter",),
    )


def _purge_postgresql(connection: Connection) -> Purged:
    done = []
    there = set(inspect(connection).get_table_names())  # a store's database has no catalog, and the other way round
    ours = (*metadata.sorted_tables, *store_metadata.sorted_tables)
    tables = [table.name for table in ours if table.name in there]
    connection.rollback()
    connection = connection.execution_options(isolation_level="AUTOCOMMIT")
    for name in tables:
        connection.execute(text(f'VACUUM (FULL, ANALYZE) "{name}"'))
    done.append("dead rows of the archive's tables (VACUUM FULL)")
    left = ["blocks of the disk that rewritten tables held before: the file system's matter"]
    try:
        for _ in range(2):  # segments before the last checkpoint are recycled by the one after it
            connection.execute(text("SELECT pg_switch_wal()"))
            connection.execute(text("CHECKPOINT"))
        done.append("segments of the write-ahead log that are needed no more (switched, two checkpoints)")
    except Exception:  # noqa: BLE001 - whatever the server says: the right is missing
        connection.rollback()
        left.append("the write-ahead log: this account may not switch it (pg_switch_wal, CHECKPOINT)")
    left.append(
        "recycled segments of the log keep old bytes until they are written again; archived logs and replicas too"
    )
    return Purged(tuple(done), tuple(left))
