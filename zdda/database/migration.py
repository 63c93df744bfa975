"""Brings a database to this version's schema; refuses one that is newer."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine

from zdda.model.errors import Conflict


class DatabaseTooNew(Conflict):
    """The schema was made by a later version of the archive."""

    code = "database-too-new"


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def migrate(engine: Engine, revision: str = "head") -> None:
    """Runs every migration that is due (up to ``revision``), each in a transaction. Safe to repeat, safe to run from
    several processes on PostgreSQL (an advisory lock) and SQLite (its write lock)."""
    config = _config()
    script = ScriptDirectory.from_config(config)
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7266418)")
        current = MigrationContext.configure(connection).get_current_revision()
        if current is not None and current not in {each.revision for each in script.walk_revisions()}:
            raise DatabaseTooNew("the database was migrated by a later version of the archive")
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
