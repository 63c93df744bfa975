"""What every store of blobs promises, on every back end."""

from __future__ import annotations

import errno
import hashlib
import io
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread

import pytest

from tests.services.blob_stores import KINDS_OF_STORES, empty_store
from tests.simulator.cmis_server import server_at
from tests.simulator.database_rot import rot
from tests.simulator.faulty_disk import failing
from zdda.database.database_blobs import DatabaseBlobs
from zdda.model.errors import NotFound, Unavailable
from zdda.model.identifiers import ContentAddress
from zdda.storage.blob_store import BlobDamaged, BlobMismatch, BlobStore, OpenStream, StoreFailed
from zdda.storage.cmis_blobs import CmisBlobs
from zdda.storage.durable_files import set_immutable
from zdda.storage.filesystem_blobs import CRASH_POINTS, MENDING, FilesystemBlobs
from zdda.storage.fsspec_blobs import FsspecBlobs
from zdda.storage.memory_blobs import MemoryBlobs
from zdda.storage.s3_blobs import S3Blobs
from zdda.storage.s3_client import content_md5
from zdda.storage.s3_versions import DIGEST

UNTIL = datetime(2032, 1, 1, tzinfo=UTC)
DATA = b"stored for good " * 10_000


class Died(BaseException):
    """The process stops here."""


def address_of(data: bytes) -> ContentAddress:
    return ContentAddress(hashlib.sha256(data).digest())


def stream_of(data: bytes) -> OpenStream:
    return lambda: io.BytesIO(data)


def put(store: BlobStore, data: bytes = DATA, until: datetime = UNTIL) -> ContentAddress:
    store.put(address_of(data), len(data), stream_of(data), until)
    return address_of(data)


@pytest.fixture(params=KINDS_OF_STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BlobStore]:
    with empty_store(request.param, tmp_path / "store") as made:
        yield made


def test_what_was_put_is_there_and_locked(store: BlobStore) -> None:
    address = put(store)
    with store.open(address) as stream:
        assert stream.read() == DATA
        stream.seek(16)
        assert stream.read(16) == DATA[16:32]
    assert store.stat(address).length == len(DATA)
    assert store.stat(address).retain_until == UNTIL
    assert list(store.addresses()) == [address]


def test_a_put_may_be_repeated(store: BlobStore) -> None:
    assert put(store) == put(store)
    assert list(store.addresses()) == [address_of(DATA)]


def test_a_lock_is_prolonged_and_never_shortened(store: BlobStore) -> None:
    address = put(store)
    put(store, until=UNTIL - timedelta(days=400))
    assert store.stat(address).retain_until == UNTIL
    store.extend(address, UNTIL - timedelta(days=1))
    assert store.stat(address).retain_until == UNTIL
    store.extend(address, UNTIL + timedelta(days=366))
    assert store.stat(address).retain_until == UNTIL + timedelta(days=366)
    far = min(datetime(2226, 1, 1, tzinfo=UTC), store.latest_lock)
    put(store, until=far)
    assert store.stat(address).retain_until == far


@pytest.mark.parametrize(
    "wrong", [DATA[:-1], DATA + b"x", b"", DATA[:-1] + b"x"], ids=["short", "long", "empty", "other"]
)
def test_other_bytes_than_the_address_are_refused_and_leave_nothing(wrong: bytes, store: BlobStore) -> None:
    with pytest.raises(BlobMismatch):
        store.put(address_of(DATA), len(DATA), stream_of(wrong), UNTIL)
    assert list(store.addresses()) == []
    with pytest.raises(NotFound):
        store.open(address_of(DATA))
    put(store)


def test_a_lock_is_told_to_the_second(store: BlobStore) -> None:
    assert store.stat(put(store, until=UNTIL + timedelta(milliseconds=250))).retain_until == UNTIL


def damage(store: BlobStore, address: ContentAddress, data: bytes) -> None:
    """Other bytes of the same length under the address, as a disk's rot leaves them."""
    if isinstance(store, MemoryBlobs):
        store._blobs[address] = (data, store._blobs[address][1])
    elif isinstance(store, FilesystemBlobs):
        path = store.path(address)
        status = path.stat()
        set_immutable(path, immutable=False)
        path.chmod(0o600)
        path.write_bytes(data)
        path.chmod(0o400)
        os.utime(path, (status.st_atime, status.st_mtime))
    elif isinstance(store, DatabaseBlobs):
        rot(store._engine, address, data)
    elif isinstance(store, FsspecBlobs):
        Path(store._path(address)).write_bytes(data)
    elif isinstance(store, CmisBlobs):
        server_at(store._repository._root).at(store._path(address)).content = data
    else:
        assert isinstance(store, S3Blobs)  # the lock binds us too: a version of ours with wrong bytes is put on top
        store._client.put_object(
            Bucket=store._bucket,
            Key=f"objects/{address.digest.hex()}",
            Body=data,
            ContentMD5=content_md5(data),
            Metadata={DIGEST: address.digest.hex()},
            ObjectLockMode="COMPLIANCE",
            ObjectLockRetainUntilDate=UNTIL,
        )


def test_damaged_bytes_are_replaced_and_whole_ones_kept(store: BlobStore) -> None:
    address = put(store)
    damage(store, address, DATA[:-1] + b"x")
    with pytest.raises(BlobDamaged):
        put(store)
    with pytest.raises(BlobMismatch):
        store.mend(address, len(DATA), stream_of(DATA[:-1]), UNTIL)
    for _ in range(2):
        store.mend(address, len(DATA), stream_of(DATA), UNTIL - timedelta(days=90))
        with store.open(address) as stream:
            assert stream.read() == DATA
        assert store.stat(address).retain_until == UNTIL
    store.mend(address_of(b"gone"), 4, stream_of(b"gone"), UNTIL)
    with store.open(address_of(b"gone")) as stream:
        assert stream.read() == b"gone"


def test_what_is_not_there_is_not_found(store: BlobStore) -> None:
    for ask in (store.open, store.stat, lambda address: store.extend(address, UNTIL)):
        with pytest.raises(NotFound):
            ask(address_of(b"nothing"))


def test_objects_are_listed_in_the_order_of_addresses(store: BlobStore) -> None:
    addresses = [put(store, bytes([n])) for n in range(20)]
    assert list(store.addresses()) == sorted(addresses)


def test_an_empty_object_is_an_object(store: BlobStore) -> None:
    with store.open(put(store, b"")) as stream:
        assert stream.read() == b""


def test_a_lock_for_longer_than_a_store_can_tell_is_as_long_as_it_can(store: BlobStore) -> None:
    """The object record keeps the whole retention; the lock is prolonged before it ends."""
    forever = datetime(3026, 1, 1, tzinfo=UTC)
    address = put(store, until=forever)
    assert store.latest_lock >= datetime(2106, 1, 1, tzinfo=UTC)
    assert store.stat(address).retain_until == min(forever, store.latest_lock)
    put(store, until=forever)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


def path_of(folder: Path, data: bytes = DATA) -> Path:
    digits = address_of(data).digest.hex()
    return folder / "objects" / digits[:2] / digits[2:4] / digits


def test_one_process_opens_a_folder(folder: Path) -> None:
    first = FilesystemBlobs(folder, immutable=False)
    with pytest.raises(StoreFailed):
        FilesystemBlobs(folder, immutable=False)
    first.close()
    FilesystemBlobs(folder, immutable=False).close()


def test_nobody_may_write_an_object(folder: Path) -> None:
    put(FilesystemBlobs(folder, immutable=False))
    assert path_of(folder).stat().st_mode & 0o777 == 0o400


def test_the_immutable_flag_stops_even_root(folder: Path) -> None:
    put(FilesystemBlobs(folder, immutable=True))
    if not set_immutable(path_of(folder), immutable=True):
        pytest.skip("this file system has no immutable flag")
    try:
        with pytest.raises(PermissionError):
            path_of(folder).unlink()
        with pytest.raises(PermissionError):
            path_of(folder).open("r+b")
    finally:
        set_immutable(path_of(folder), immutable=False)


def test_damage_under_the_address_is_said_and_left_as_it_is(folder: Path) -> None:
    store = FilesystemBlobs(folder, immutable=False)
    put(store)
    path_of(folder).chmod(0o600)
    path_of(folder).write_bytes(b"damaged")
    with pytest.raises(BlobDamaged):
        put(store)
    assert path_of(folder).read_bytes() == b"damaged"


@pytest.mark.parametrize("point", CRASH_POINTS)
def test_after_a_crash_the_object_is_whole_or_not_there(point: str, folder: Path) -> None:
    def crash(here: str) -> None:
        if here == point:
            raise Died

    store = FilesystemBlobs(folder, immutable=False, crash=crash)
    with pytest.raises(Died):
        put(store)
    store.close()
    again = FilesystemBlobs(folder, immutable=False)
    for address in again.addresses():
        with again.open(address) as stream:
            assert stream.read() == DATA
    assert list((folder / "incoming").iterdir()) == []
    put(again)
    assert list(again.addresses()) == [address_of(DATA)]
    assert again.stat(address_of(DATA)).retain_until == UNTIL


@pytest.mark.parametrize("point", [*MENDING, "blob.written", "blob.synced"])
def test_after_a_crash_in_mending_the_object_is_damaged_or_whole(point: str, folder: Path) -> None:
    store = FilesystemBlobs(folder, immutable=False)
    damage(store, put(store), DATA[:-1] + b"x")
    store.close()

    def crash(here: str) -> None:
        if here == point:
            raise Died

    store = FilesystemBlobs(folder, immutable=False, crash=crash)
    with pytest.raises(Died):
        store.mend(address_of(DATA), len(DATA), stream_of(DATA), UNTIL)
    store.close()
    again = FilesystemBlobs(folder, immutable=False)
    again.mend(address_of(DATA), len(DATA), stream_of(DATA), UNTIL)
    with again.open(address_of(DATA)) as stream:
        assert stream.read() == DATA
    assert list((folder / "incoming").iterdir()) == []
    again.close()


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("call", "most"), [("fsync", 8), ("link", 1)])
def test_a_failing_disk_stops_the_store_and_loses_nothing(
    call: str, most: int, when: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = 0
    for at in range(1, most + 1):
        store = FilesystemBlobs(folder / str(at), immutable=False)
        with failing(monkeypatch, call, at, when) as calls:
            try:
                put(store)
            except StoreFailed:
                failed += 1
                with pytest.raises(StoreFailed):
                    put(store, b"another")
            else:
                assert calls() < at
        store.close()
        again = FilesystemBlobs(folder / str(at), immutable=False)
        for address in again.addresses():
            with again.open(address) as stream:
                assert address_of(stream.read()) == address
        put(again)
        again.close()
    assert failed


def test_unfinished_files_are_swept(folder: Path) -> None:
    FilesystemBlobs(folder, immutable=False).close()
    (folder / "incoming" / "left.1").write_bytes(b"half")
    store = FilesystemBlobs(folder, immutable=False)
    assert os.listdir(folder / "incoming") == []
    store.close()


def test_a_source_that_cannot_be_read_stops_one_put_only(store: BlobStore) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise OSError(errno.EIO, "source")

    with pytest.raises((Unavailable, OSError)):
        store.put(address_of(DATA), len(DATA), Broken, UNTIL)
    assert list(store.addresses()) == []
    put(store)


def test_a_full_disk_stops_one_put_only(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FilesystemBlobs(folder, immutable=False)
    with failing(monkeypatch, "link", 1, "before", errno.ENOSPC), pytest.raises(Unavailable) as caught:
        put(store)
    assert not isinstance(caught.value, StoreFailed)
    assert os.listdir(folder / "incoming") == []
    put(store)


def test_a_repeated_put_makes_the_name_durable_that_a_crash_left(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(here: str) -> None:
        if here == "blob.linked":
            raise Died

    dying = FilesystemBlobs(folder, immutable=False, crash=crash)
    with pytest.raises(Died):
        put(dying)
    dying.close()
    synced: list[str] = []
    original = os.fsync
    again = FilesystemBlobs(folder, immutable=False)
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", lambda fd: (synced.append(os.readlink(f"/proc/self/fd/{fd}")), original(fd))[1])
        put(again)
    leaf = path_of(folder).parent
    assert {str(path_of(folder)), str(leaf), str(leaf.parent), str(leaf.parent.parent)} <= set(synced)


def test_bytes_are_synced_before_they_are_named_and_names_before_the_answer(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, order = FilesystemBlobs(folder, immutable=False), []
    sync, link = os.fsync, os.link

    def noting_sync(descriptor: int) -> None:
        order.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        sync(descriptor)

    def noting_link(*names: Path) -> None:
        order.append("link")
        link(*names)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", noting_sync)
        patched.setattr(os, "link", noting_link)
        put(store)
    assert "incoming" in order[0]
    leaf = path_of(folder).parent
    assert order[order.index("link") + 1 :] == [str(leaf), str(leaf.parent), str(leaf.parent.parent)]


def test_two_who_prolong_at_once_never_shorten(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FilesystemBlobs(folder, immutable=False)
    address, original, others = put(store), os.utime, []
    late, later = UNTIL + timedelta(days=400), UNTIL + timedelta(days=800)

    def slow(*arguments: object, **named: object) -> None:
        if not others:
            others.append(Thread(target=store.extend, args=(address, later)))
            others[0].start()
            others[0].join(0.2)
        original(*arguments, **named)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(os, "utime", slow)
        store.extend(address, late)
        others[0].join()
    assert store.stat(address).retain_until == later


def test_after_a_failed_extension_the_store_takes_no_writes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FilesystemBlobs(folder, immutable=False)
    address = put(store)
    with failing(monkeypatch, "fsync", 1, "before"), pytest.raises(StoreFailed):
        store.extend(address, UNTIL + timedelta(days=1))
    with pytest.raises(StoreFailed):
        store.extend(address, UNTIL + timedelta(days=2))
    assert store.stat(address).length == len(DATA)


def test_the_same_object_from_two_sides_at_once_is_stored_once(folder: Path) -> None:
    inside, answers = Event(), []

    def crash(here: str) -> None:
        if here == "blob.linked":
            inside.set()
            Event().wait(0.1)

    store = FilesystemBlobs(folder, immutable=True, crash=crash)
    other = Thread(target=lambda: answers.append(put(store)))
    other.start()
    inside.wait(5)
    try:
        put(store)
        other.join()
        assert answers == [address_of(DATA)]
        store.close()
        FilesystemBlobs(folder).close()
    finally:
        set_immutable(path_of(folder), immutable=False)
