"""Tables of stores that lie in a database: objects and their bytes, object records, whose they are. They are not the
catalog's: they may lie in another database, and no migration knows them.

The triggers keep what is locked from every client whose role does not own the tables, and from our own mistakes. Who
owns them, or has the database's files, can take the triggers away: such a store is not a guaranteed one.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    Index,
    LargeBinary,
    MetaData,
    String,
    Table,
    inspect,
    select,
)

from zdda.database.store_medium import reading, writing
from zdda.storage.blob_store import StoreFailed, StoreNotGuaranteed, WrongStore
from zdda.storage.store_marker import ABSENT, marker, problem_of

metadata = MetaData()

objects = Table(
    "store_objects",
    metadata,
    Column("address", LargeBinary(32), primary_key=True),
    Column("content", LargeBinary(16), nullable=False, unique=True),
    Column("length", BigInteger, nullable=False),
    Column("chunk", BigInteger, nullable=False),
    Column("retain_until", BigInteger, nullable=False),
)
"""What can be opened. ``content`` names its chunks, of ``chunk`` bytes each but the last; ``retain_until`` is the lock,
in seconds since 1970."""

chunks = Table(
    "store_chunks",
    metadata,
    Column("content", LargeBinary(16), primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("data", LargeBinary, nullable=False),
)

uploads = Table(
    "store_uploads",
    metadata,
    Column("content", LargeBinary(16), primary_key=True),
    Column("started", BigInteger, nullable=False),
)
"""Contents on their way in that no object names yet; ``started`` in seconds by the database's clock."""

records = Table(
    "store_records",
    metadata,
    Column("place", String(63), primary_key=True),
    Column("name", LargeBinary, primary_key=True),
    Column("tenant", String(63), nullable=False),
    Column("kind", String(63), nullable=False),
    Column("package", LargeBinary(16), nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index("ix_store_records_newest", "place", "tenant", "kind", "package", "sequence"),
)
"""Object records. ``name`` sorts as names do, in every collation."""

markers = Table(
    "store_marker",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("marker", LargeBinary, nullable=False),
)

_LOCK = 7266419
"""Of PostgreSQL's advisory locks: who makes tables has it."""

_POSTGRESQL = (
    """
    CREATE OR REPLACE FUNCTION store_objects_keep() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'DELETE' THEN
            IF OLD.retain_until > extract(epoch FROM clock_timestamp()) THEN
                RAISE integrity_constraint_violation USING MESSAGE = 'the object is locked';
            END IF;
            RETURN OLD;
        END IF;
        IF NEW.retain_until < OLD.retain_until OR NEW.address <> OLD.address OR NEW.length <> OLD.length THEN
            RAISE integrity_constraint_violation USING MESSAGE = 'a lock is never shortened';
        END IF;
        RETURN NEW;
    END $$
    """,
    """
    CREATE OR REPLACE FUNCTION store_chunks_keep() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'UPDATE' THEN
            RAISE integrity_constraint_violation USING MESSAGE = 'bytes are written once';
        ELSIF TG_OP = 'INSERT' THEN
            IF EXISTS (SELECT 1 FROM store_objects WHERE content = NEW.content) THEN
                RAISE integrity_constraint_violation USING MESSAGE = 'the object is whole';
            END IF;
            RETURN NEW;
        END IF;
        IF EXISTS (SELECT 1 FROM store_objects
                   WHERE content = OLD.content AND retain_until > extract(epoch FROM clock_timestamp())) THEN
            RAISE integrity_constraint_violation USING MESSAGE = 'the object is locked';
        END IF;
        RETURN OLD;
    END $$
    """,
    """
    CREATE OR REPLACE FUNCTION store_keep_all() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE integrity_constraint_violation USING MESSAGE = 'objects go one by one';
    END $$
    """,
    "CREATE TRIGGER store_objects_keep BEFORE UPDATE OR DELETE ON store_objects"
    " FOR EACH ROW EXECUTE FUNCTION store_objects_keep()",
    "CREATE TRIGGER store_chunks_keep BEFORE INSERT OR UPDATE OR DELETE ON store_chunks"
    " FOR EACH ROW EXECUTE FUNCTION store_chunks_keep()",
    "CREATE TRIGGER store_objects_all BEFORE TRUNCATE ON store_objects EXECUTE FUNCTION store_keep_all()",
    "CREATE TRIGGER store_chunks_all BEFORE TRUNCATE ON store_chunks EXECUTE FUNCTION store_keep_all()",
    "ALTER TABLE store_chunks ALTER COLUMN data SET STORAGE EXTERNAL",  # ciphertext does not compress
)
_SQLITE = (
    """
    CREATE TRIGGER store_objects_delete BEFORE DELETE ON store_objects
    WHEN OLD.retain_until > CAST(strftime('%s', 'now') AS INTEGER)
    BEGIN SELECT RAISE(ABORT, 'the object is locked'); END
    """,
    """
    CREATE TRIGGER store_objects_update BEFORE UPDATE ON store_objects
    WHEN NEW.retain_until < OLD.retain_until OR NEW.address <> OLD.address OR NEW.length <> OLD.length
    BEGIN SELECT RAISE(ABORT, 'a lock is never shortened'); END
    """,
    # INSERT OR REPLACE deletes a row of the same key without asking the trigger on deletions
    """
    CREATE TRIGGER store_objects_insert BEFORE INSERT ON store_objects
    WHEN EXISTS (SELECT 1 FROM store_objects WHERE address = NEW.address OR content = NEW.content)
    BEGIN SELECT RAISE(ABORT, 'the object is there'); END
    """,
    """
    CREATE TRIGGER store_chunks_insert BEFORE INSERT ON store_chunks
    WHEN EXISTS (SELECT 1 FROM store_objects WHERE content = NEW.content)
    BEGIN SELECT RAISE(ABORT, 'the object is whole'); END
    """,
    """
    CREATE TRIGGER store_chunks_update BEFORE UPDATE ON store_chunks
    BEGIN SELECT RAISE(ABORT, 'bytes are written once'); END
    """,
    """
    CREATE TRIGGER store_chunks_delete BEFORE DELETE ON store_chunks
    WHEN EXISTS (SELECT 1 FROM store_objects WHERE content = OLD.content
                  AND retain_until > CAST(strftime('%s', 'now') AS INTEGER))
    BEGIN SELECT RAISE(ABORT, 'the object is locked'); END
    """,
)

_KEEPERS = {
    "postgresql": {"store_objects_keep", "store_chunks_keep", "store_objects_all", "store_chunks_all"},
    "sqlite": {f"store_objects_{on}" for on in ("delete", "update", "insert")}
    | {f"store_chunks_{on}" for on in ("delete", "update", "insert")},
}
_TRIGGERS = {
    "postgresql": "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled IN ('O', 'A')"
    " AND tgrelid IN ('store_objects'::regclass, 'store_chunks'::regclass)",
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger'",
}


def make_tables(engine: Engine) -> None:
    """Makes what is not there. A role that may not make tables needs none of it once they are there."""
    with writing(engine) as connection:
        missing = _missing(connection)
        if not missing:
            return
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
            missing = _missing(connection)
        metadata.create_all(connection)
        if objects.name not in missing:
            return
        for statement in _POSTGRESQL if connection.dialect.name == "postgresql" else _SQLITE:
            connection.exec_driver_sql(statement)


def check_tables(engine: Engine) -> None:
    """Raises ``StoreFailed`` where tables are missing, ``StoreNotGuaranteed`` where triggers are gone or off."""
    with reading(engine) as connection:
        if _missing(connection):
            raise StoreFailed("the database holds no store")
        at_work = set(connection.exec_driver_sql(_TRIGGERS[connection.dialect.name]).scalars())
        if not _KEEPERS[connection.dialect.name] <= at_work:
            raise StoreNotGuaranteed("the triggers that keep locked objects are not at work")


def claim_database(engine: Engine, archive: str, tenants: Iterable[str]) -> None:
    """Makes the tables where they are not there, and marks them as this archive's, or checks that they are; raises
    ``WrongStore``."""
    wanted = list(tenants)
    make_tables(engine)
    with writing(engine) as connection:
        if connection.scalar(select(markers.c.marker)) is None:
            connection.execute(markers.insert().values(number=1, marker=marker(archive, wanted)))
    problem = database_problem(engine, archive, wanted)
    if problem is not None:
        raise WrongStore(problem)


def database_problem(engine: Engine, archive: str, tenants: Iterable[str]) -> str | None:
    """What is wrong with the marker; None where the store is this archive's. Writes nothing."""
    with reading(engine) as connection:
        if _missing(connection):
            return ABSENT
        data = connection.scalar(select(markers.c.marker))
    return ABSENT if data is None else problem_of(data, archive, tenants)


def _missing(connection: Connection) -> set[str]:
    return set(metadata.tables) - set(inspect(connection).get_table_names())
