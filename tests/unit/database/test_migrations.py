"""The migrations make the tables that the code knows, on every database, once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from uuid import UUID

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Engine, LargeBinary, Uuid, bindparam, text

import zdda.audit.tables
import zdda.catalog.tables
import zdda.identity.tables  # noqa: F401 - all tables are known
from tests.simulator.postgresql import fresh_database
from zdda.catalog.object_copies import CopyState, copies_of, sites_known
from zdda.database.engine import open_engine
from zdda.database.migration import DatabaseTooNew, migrate
from zdda.database.session import TenantDatabase
from zdda.database.types import metadata
from zdda.model.identifiers import TenantId
from zdda.model.objects import ObjectKind, ObjectName


def indexes(connection: Connection) -> set[str]:
    """What indexes the database has, as it tells it itself: columns, uniqueness, conditions."""
    statement = (
        "SELECT sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        if connection.dialect.name == "sqlite"
        else "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
    )
    return {str(row).lower().replace('"', "") for row in connection.execute(text(statement)).scalars()}


def test_the_migrated_schema_is_that_of_the_tables(database_url: str) -> None:
    engine = open_engine(database_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
def test_indexes_have_the_same_conditions(backend: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    found = []
    for migrated in (True, False):
        with fresh_database(backend, tmp_path_factory.mktemp(backend), migrated=migrated) as url:
            engine = open_engine(url)
            with engine.begin() as connection:
                if not migrated:
                    metadata.create_all(connection)
                found.append(indexes(connection))
            engine.dispose()
    assert found[0] == found[1]
    assert len(found[0]) >= 8


def test_migrating_again_changes_nothing(blank_database_url: str) -> None:
    engine = open_engine(blank_database_url)
    migrate(engine)
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO accounts (tenant_id, name, password_hash, roles, disabled, created_at) "
                "VALUES ('hospital', 'kis', '-', 'producer', false, 0)"
            )
        )
    migrate(engine)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM accounts")).scalar_one() == 1
    engine.dispose()


def test_objects_of_an_older_catalog_lie_at_the_one_site(blank_database_url: str) -> None:
    engine = open_engine(blank_database_url)
    migrate(engine, "0005")
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO objects (tenant_id, package_id, kind, sequence, address, length, sha512, generation, "
                "retain_until) VALUES ('hospital', :package, 'aip', 0, 'sha256:00', 1, :digest, 1, 0)"
            ).bindparams(bindparam("package", type_=Uuid()), bindparam("digest", type_=LargeBinary())),
            {"package": UUID(int=7), "digest": bytes(64)},
        )
    migrate(engine)
    with TenantDatabase(engine, TenantId("hospital")).read() as tx:
        (copy,) = copies_of(tx, ObjectName(tx.tenant, UUID(int=7), ObjectKind.AIP), sites_known(tx))
        assert (copy.site, copy.state, copy.attempts) == ("main", CopyState.PRESENT, 0)
    engine.dispose()


def test_two_processes_that_migrate_at_once(blank_database_url: str) -> None:
    engines = [open_engine(blank_database_url) for _ in range(4)]
    with ThreadPoolExecutor(len(engines)) as threads:
        list(threads.map(migrate, engines))
    for engine in engines:
        engine.dispose()


def test_a_newer_database_is_refused_and_left_alone(database_url: str) -> None:
    engine = open_engine(database_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'from-the-future'"))
    with pytest.raises(DatabaseTooNew):
        migrate(engine)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one() == "from-the-future"
    engine.dispose()


@pytest.mark.parametrize("attempt", range(10))
def test_many_may_open_a_new_file_at_once(attempt: int, tmp_path: Path) -> None:
    """Whoever finds another connection at the change to the log's mode waits for it instead of failing."""
    engines = [open_engine(f"sqlite:///{tmp_path}/catalog.db") for _ in range(6)]
    together = Barrier(len(engines))

    def opened(engine: Engine) -> str:
        together.wait()
        with engine.connect() as connection:
            return str(connection.exec_driver_sql("PRAGMA journal_mode").scalar_one())

    with ThreadPoolExecutor(len(engines)) as threads:
        assert list(threads.map(opened, engines)) == ["wal"] * len(engines)
    for engine in engines:
        engine.dispose()
