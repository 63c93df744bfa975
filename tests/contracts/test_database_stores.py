"""What a store in a database promises beyond every store: bounded memory, locks that its triggers keep, crashes."""

from __future__ import annotations

import hashlib
import tracemalloc
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier, Thread

import pytest
from sqlalchemy import Engine, func, insert, select, text, update
from sqlalchemy.exc import IntegrityError, ProgrammingError

from tests.contracts.test_blob_store import DATA, UNTIL, Died, address_of, put, stream_of
from tests.contracts.test_erasing import PAST, permitted
from tests.simulator.database_rot import whole_file, without_triggers
from zdda.database.content_writer import CHUNK
from zdda.database.database_blobs import CRASH_POINTS, ERASE_POINTS, DatabaseBlobs
from zdda.database.engine import open_engine, read
from zdda.database.store_tables import chunks, claim_database, database_problem, objects, uploads
from zdda.model.clock import system_entropy
from zdda.model.errors import Unavailable
from zdda.model.identifiers import ContentAddress
from zdda.storage.blob_store import BlobDamaged, BlobMismatch, CrashPoint, StoreFailed, StoreNotGuaranteed, WrongStore
from zdda.storage.blob_store import no_crash as _no_crash
from zdda.storage.store_marker import ABSENT

LARGE = bytes(range(256)) * 4096 * 19 + b"and a little more"
"""Three transactions, the last chunk not full."""


@pytest.fixture
def url(blank_database_url: str) -> str:
    engine = open_engine(blank_database_url)
    claim_database(engine, "archive-1", ["nemocnice"])
    engine.dispose()
    return blank_database_url


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    opened = open_engine(url)
    yield opened
    opened.dispose()


@pytest.fixture
def store(url: str) -> Iterator[DatabaseBlobs]:
    with closing(reopened(url)) as opened:
        yield opened


def reopened(url: str, crash: CrashPoint = _no_crash) -> DatabaseBlobs:
    return DatabaseBlobs(open_engine(url), system_entropy, crash=crash)


def rows(engine: Engine) -> tuple[int, int, int]:
    """(objects, chunks, uploads)."""
    with engine.connect() as connection:
        found = [
            connection.scalars(select(func.count()).select_from(each)).one() for each in (objects, chunks, uploads)
        ]
    return found[0], found[1], found[2]


def test_a_large_object_is_read_from_anywhere(store: DatabaseBlobs, engine: Engine) -> None:
    address = put(store, LARGE)
    assert rows(engine) == (1, 20, 0)
    with store.open(address) as stream:
        assert hashlib.sha256(stream.read()).digest() == address.digest
        for start in (0, CHUNK - 1, 7 * CHUNK + 13, len(LARGE) - 3, len(LARGE)):
            stream.seek(start)
            assert stream.read(CHUNK + 5) == LARGE[start : start + CHUNK + 5]
        assert stream.seek(-4, 2) == len(LARGE) - 4
        with pytest.raises(ValueError, match="before"):
            stream.seek(-1)


class _Source:
    """So many zeros."""

    def __init__(self, length: int) -> None:
        self._left = length

    def __enter__(self) -> _Source:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def read(self, size: int) -> bytes:
        piece = bytes(min(size, self._left))
        self._left -= len(piece)
        return piece


def test_memory_is_bounded(store: DatabaseBlobs) -> None:
    def peak(length: int) -> int:
        digest = hashlib.sha256()
        for _ in range(length // CHUNK):
            digest.update(bytes(CHUNK))
        address = ContentAddress(digest.digest())
        tracemalloc.start()
        try:
            store.put(address, length, lambda: _Source(length), UNTIL)  # type: ignore[arg-type,return-value]
            with store.open(address) as stream:
                while stream.read(64 * 1024):
                    pass
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(96 * CHUNK) - peak(10 * CHUNK) < 4 * CHUNK


@pytest.mark.parametrize("wrong", [LARGE[:-1], LARGE + b"x", LARGE[:-1] + b"x"], ids=["short", "long", "other"])
def test_a_large_object_that_is_not_the_address_s_leaves_no_row(
    wrong: bytes, store: DatabaseBlobs, engine: Engine
) -> None:
    with pytest.raises(BlobMismatch):
        store.put(address_of(LARGE), len(LARGE), stream_of(wrong), UNTIL)
    assert rows(engine) == (0, 0, 0)


@pytest.mark.parametrize("point", CRASH_POINTS)
@pytest.mark.parametrize("data", [DATA, LARGE], ids=["small", "large"])
def test_after_a_crash_the_object_is_whole_or_not_there(data: bytes, point: str, url: str, engine: Engine) -> None:
    def crash(here: str) -> None:
        if here == point:
            raise Died

    with closing(reopened(url, crash)) as dying:
        if (data, point) == (DATA, "blob.part-written"):
            return
        with pytest.raises(Died):
            put(dying, data)
    with closing(reopened(url)) as again:
        for address in again.addresses():
            with again.open(address) as stream:
                assert stream.read() == data
        assert put(again, data) in again.addresses()
        assert again.stat(address_of(data)).retain_until == UNTIL
        assert list(again.strays()) == []
    with engine.begin() as connection:
        connection.execute(update(uploads).values(started=uploads.c.started - 25 * 60 * 60))
    with closing(reopened(url)):
        assert rows(engine) == (1, -(-len(data) // CHUNK), 0)


@pytest.mark.parametrize("point", ERASE_POINTS)
def test_after_a_crash_in_erasing_the_object_is_whole_or_gone(point: str, url: str, engine: Engine) -> None:
    def crash(here: str) -> None:
        if here == point:
            raise Died

    with closing(reopened(url, crash)) as dying:
        address = put(dying, LARGE, PAST)
        with pytest.raises(Died):
            dying.erase(address, permitted(dying, LARGE))
    with closing(reopened(url)) as again:
        if address in again.addresses():
            with again.open(address) as stream:
                assert stream.read() == LARGE
        again.erase(address, permitted(again, LARGE))
        assert rows(engine) == (0, 0, 0)


@pytest.mark.parametrize("blank_database_url", ["sqlite"], indirect=True)
def test_erased_bytes_are_nowhere_in_the_file(url: str, engine: Engine) -> None:
    """PostgreSQL keeps dead rows until they are vacuumed."""
    needle = b"a needle that is found in plain rows" * 3
    with closing(reopened(url)) as store:
        address = put(store, needle + bytes(3 * CHUNK), PAST)
        store.erase(address, permitted(store, needle + bytes(3 * CHUNK)))
    assert needle not in whole_file(engine)


_REFUSED = {
    "shortened": "UPDATE store_objects SET retain_until = retain_until - 1",
    "moved": "UPDATE store_objects SET address = content",
    "cut": "UPDATE store_objects SET length = 1",
    "deleted": "DELETE FROM store_objects",
    "a chunk deleted": "DELETE FROM store_chunks",
    "a chunk overwritten": "UPDATE store_chunks SET data = content",
    "a chunk added": "INSERT INTO store_chunks SELECT content, 9, data FROM store_chunks",
}
_REFUSED_BY = {
    "sqlite": {
        "replaced": "INSERT OR REPLACE INTO store_objects SELECT address, content, 1, chunk, 0 FROM store_objects",
        "a chunk replaced": "INSERT OR REPLACE INTO store_chunks SELECT content, number, content FROM store_chunks",
    },
    "postgresql": {
        "replaced": "INSERT INTO store_objects SELECT address, content, 1, chunk, 0 FROM store_objects"
        " ON CONFLICT (address) DO UPDATE SET retain_until = 0",
        "a chunk replaced": "INSERT INTO store_chunks SELECT content, number, content FROM store_chunks"
        " ON CONFLICT (content, number) DO UPDATE SET data = excluded.data",
        "emptied": "TRUNCATE store_objects",
        "chunks emptied": "TRUNCATE store_chunks",
    },
}


def test_what_is_locked_is_kept_from_every_statement(store: DatabaseBlobs, engine: Engine) -> None:
    address = put(store)
    for statement in (_REFUSED | _REFUSED_BY[engine.dialect.name]).values():
        with pytest.raises(IntegrityError), engine.begin() as connection:
            connection.execute(text(statement))
    with store.open(address) as stream:
        assert stream.read() == DATA
    assert store.stat(address).retain_until == UNTIL


@pytest.mark.parametrize("blank_database_url", ["postgresql"], indirect=True)
def test_a_role_that_does_not_own_the_tables_cannot_switch_the_locks_off(url: str, engine: Engine) -> None:
    """SQLite has no roles: who has the file owns the tables."""
    role = f"archive_{engine.url.database}"
    with engine.begin() as connection:
        connection.execute(text(f"CREATE ROLE {role} LOGIN"))
        connection.execute(text(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}"))
    try:
        lesser = url.replace("zdda@", f"{role}@")
        with closing(reopened(lesser)) as store:
            put(store)
            store.erase(put(store, b"gone", PAST), permitted(store, b"gone"))
        other = open_engine(lesser)
        for statement in (
            "ALTER TABLE store_objects DISABLE TRIGGER USER",
            "DROP TRIGGER store_objects_keep ON store_objects",
            "DROP TABLE store_objects",
            "SET session_replication_role = replica",
        ):
            with pytest.raises(ProgrammingError, match=r"(owner|permission)"), other.begin() as connection:
                connection.execute(text(statement))
        other.dispose()
    finally:
        with engine.begin() as connection:
            connection.execute(text(f"DROP OWNED BY {role}"))
            connection.execute(text(f"DROP ROLE {role}"))


def test_a_store_whose_locks_are_off_is_not_opened(url: str, engine: Engine) -> None:
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("ALTER TABLE store_objects DISABLE TRIGGER store_objects_keep"))
        else:
            connection.execute(text("DROP TRIGGER store_objects_update"))
    with pytest.raises(StoreNotGuaranteed):
        reopened(url)


def test_two_processes_that_store_the_same_object_store_it_once(url: str, engine: Engine) -> None:
    barrier, failed = Barrier(2), []

    def store_it() -> None:
        def wait(here: str) -> None:
            if here == "blob.before-write":
                barrier.wait(10)

        with closing(reopened(url, wait)) as one:
            try:
                put(one, LARGE)
            except Exception as error:  # noqa: BLE001 - whatever it was, the test tells
                failed.append(error)

    threads = [Thread(target=store_it) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert rows(engine) == (1, 20, 0)


def test_a_lost_chunk_is_damage_and_what_nobody_names_a_stray(store: DatabaseBlobs, engine: Engine) -> None:
    address = put(store, LARGE)
    with without_triggers(engine) as connection:
        connection.execute(chunks.delete().where(chunks.c.number == 3))
        connection.execute(insert(chunks).values(content=bytes(16), number=0, data=b"stray"))
        content = connection.scalars(select(objects.c.content)).one()
        connection.execute(insert(chunks).values(content=content, number=20, data=b"beyond"))
    with store.open(address) as stream, pytest.raises(BlobDamaged):
        stream.read()
    with pytest.raises(BlobDamaged):
        put(store, LARGE)
    assert sorted(store.strays()) == sorted([f"store_chunks/{'00' * 16}/0", f"store_chunks/{content.hex()}/20"])
    with store.open(address) as stream:
        stream.read(CHUNK)
        store.mend(address, len(LARGE), stream_of(LARGE), UNTIL)
        assert stream.read(3 * CHUNK) == LARGE[CHUNK : 4 * CHUNK]
    assert rows(engine) == (1, 21, 0)


@pytest.mark.parametrize("full", [False, True], ids=["broken", "full"])
def test_a_broken_medium_stops_the_store_and_a_full_one_a_put(full: bool, url: str, engine: Engine) -> None:
    store = reopened(url)
    put(store)
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            state = "53100" if full else "58030"
            connection.exec_driver_sql(
                "CREATE FUNCTION fails() RETURNS trigger LANGUAGE plpgsql AS"
                f" $$ BEGIN RAISE SQLSTATE '{state}' USING MESSAGE = 'secret'; END $$"
            )
            connection.exec_driver_sql("CREATE TRIGGER fails BEFORE INSERT ON store_chunks EXECUTE FUNCTION fails()")
    if engine.dialect.name == "sqlite":
        _spoil(store._engine, full=full)
    with pytest.raises(Unavailable) as caught:
        put(store, LARGE)
    assert isinstance(caught.value, StoreFailed) is not full
    assert "secret" not in repr(caught.value)
    assert caught.value.__cause__ is None
    if full:
        put(store)  # it is there: nothing is written
    elif engine.dialect.name == "postgresql":
        with engine.begin() as connection:
            connection.exec_driver_sql("DROP TRIGGER fails ON store_chunks")
    else:
        with read(store._engine) as connection:
            connection.exec_driver_sql("PRAGMA query_only = OFF")
    if not full:
        with pytest.raises(StoreFailed):
            put(store, LARGE)
    store.close()
    if not full:
        with closing(reopened(url)) as again:
            put(again, LARGE)


def _spoil(engine: Engine, *, full: bool) -> None:
    """For the one connection that the pool has."""
    if full:
        with engine.connect() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 8}")
    else:
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA query_only = ON")


@pytest.mark.parametrize("blank_database_url", ["sqlite"], indirect=True)
def test_a_file_that_is_no_database_any_more_stops_the_store(url: str) -> None:
    with closing(reopened(url)) as store:
        address = put(store)
        file = Path(str(store._engine.url.database))
        store._engine.dispose()  # the next connection finds it so
        file.write_bytes(b"rotten" * 1000)
        with pytest.raises(StoreFailed):
            store.extend(address, UNTIL + timedelta(days=1))


def test_a_database_that_does_not_answer_is_unavailable(store: DatabaseBlobs) -> None:
    store._engine.dispose()
    nowhere = "postgresql+psycopg://zdda@/none?host=/nonexistent"
    if store._engine.dialect.name == "sqlite":
        nowhere = "sqlite:////nonexistent/folder/file.db"
    with pytest.raises(Unavailable):
        DatabaseBlobs(open_engine(nowhere), system_entropy)


def test_a_database_belongs_to_one_archive(blank_database_url: str) -> None:
    engine = open_engine(blank_database_url)
    with pytest.raises(StoreFailed):
        DatabaseBlobs(engine, system_entropy)
    assert database_problem(engine, "archive-1", ["nemocnice"]) == ABSENT
    claim_database(engine, "archive-1", ["nemocnice"])
    claim_database(engine, "archive-1", ["nemocnice"])
    assert database_problem(engine, "archive-1", ["nemocnice"]) is None
    with pytest.raises(WrongStore):
        claim_database(engine, "archive-2", ["nemocnice"])
    engine.dispose()


def test_the_catalog_s_own_database_holds_a_store_too(database_url: str) -> None:
    engine = open_engine(database_url)
    claim_database(engine, "archive-1", ["nemocnice"])
    with closing(reopened(database_url)) as store:
        assert put(store) in store.addresses()
    engine.dispose()


def test_its_own_clock_is_the_database_s(store: DatabaseBlobs) -> None:
    now = store.own_time()
    assert now is not None
    assert abs(now - datetime.now(UTC)) < timedelta(minutes=1)
