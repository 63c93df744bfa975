"""What was destroyed in a store that lies in a database is in none of its files once the database was purged."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from tests.contracts.test_blob_store import UNTIL, put
from tests.contracts.test_erasing import PAST, permitted
from tests.contracts.test_key_area import record
from zdda.database.database_blobs import DatabaseBlobs
from zdda.database.database_key_area import DatabaseKeyArea
from zdda.database.engine import open_engine
from zdda.database.purging import purge_database
from zdda.database.store_tables import make_tables
from zdda.model.clock import system_entropy

_RELATIONS = (
    "SELECT pg_relation_filepath(oid) FROM pg_class "
    "WHERE relkind IN ('r', 'i', 't') AND pg_relation_filepath(oid) IS NOT NULL"
)


@pytest.fixture
def engine(blank_database_url: str) -> Iterator[Engine]:
    opened = open_engine(blank_database_url)
    make_tables(opened)
    yield opened
    opened.dispose()


def everything(engine: Engine) -> bytes:
    """The database's files, PostgreSQL's log excepted: what it has recycled stays until it is written again."""
    if engine.dialect.name == "sqlite":
        file = Path(str(engine.url.database))
        return b"".join(each.read_bytes() for each in sorted(file.parent.glob(f"{file.name}*")))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("CHECKPOINT"))
        data = Path(connection.execute(text("SHOW data_directory")).scalar_one())
        relations = connection.execute(text(_RELATIONS)).scalars().all()
    return b"".join((data / each).read_bytes() for each in relations if (data / each).exists())


def test_nothing_is_left_and_neighbours_stay(engine: Engine, blank_database_url: str) -> None:
    needle, neighbour = os.urandom(3000), os.urandom(3000)
    name, other = record(2**100 + 7).name, record(2**100 + 8).name
    with (
        closing(DatabaseBlobs(open_engine(blank_database_url), system_entropy)) as blobs,
        closing(DatabaseKeyArea(open_engine(blank_database_url), "first", system_entropy)) as area,
    ):
        put(blobs, needle, PAST)
        kept = put(blobs, neighbour, UNTIL)
        for each in (name, other):
            area.write(record(each.package.int))
        before = everything(engine)
        assert needle[100:200] in before
        assert str(name.package).encode() in before
        blobs.erase(permitted(blobs, needle).address, permitted(blobs, needle))
        area.destroy(name)
        assert needle[100:200] in everything(engine)  # in PostgreSQL's dead rows, in SQLite's log
        assert len(purge_database(engine).done) == 2
        after = everything(engine)
        assert needle[100:200] not in after
        assert str(name.package).encode() not in after
        assert neighbour[100:200] in after
        with blobs.open(kept) as stream:
            assert stream.read() == neighbour
        assert area.read(other) == record(other.package.int)
