"""The store of the second tier: what it leaves when it stops, and what it makes of an SFTP server that fails."""

from __future__ import annotations

import hashlib
import io
import os
import socket
import subprocess
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.contracts.test_blob_store import DATA, UNTIL, Died, address_of, put, stream_of
from tests.contracts.test_erasing import PAST, permitted
from tests.services.absence import absent
from tests.services.blob_stores import sftp_store
from tests.services.shared_service import free_port
from tests.services.sshd import OwnServer, sftp_folder, sshd
from tests.simulator.ssh_server import PasswordServer
from zdda.model.errors import InvalidInput, NotFound
from zdda.storage.blob_store import BlobDamaged
from zdda.storage.fsspec_blobs import CRASH_POINTS, ERASE_POINTS, MENDING, NEVER, FsspecBlobs
from zdda.storage.sftp_files import SftpAddress, connect
from zdda.storage.store_errors import StoreFull, StoreRefuses, StoreUnreachable, WriteNotKept

LARGE = hashlib.sha256(b"large").digest() * 200_000


@pytest.fixture
def address() -> SftpAddress:
    return sftp_folder()


@pytest.fixture
def store(address: SftpAddress) -> Iterator[FsspecBlobs]:
    with closing(sftp_store(address)) as opened:
        yield opened


@pytest.fixture
def own(tmp_path: Path) -> Iterator[OwnServer]:
    server = OwnServer(tmp_path / "server")
    yield server
    server.kill()


def path_of(address: SftpAddress, data: bytes = DATA) -> Path:
    digits = address_of(data).digest.hex()
    return Path(address.folder) / "objects" / digits[:2] / digits[2:4] / digits


def dying(address: SftpAddress, point: str) -> FsspecBlobs:
    def crash(here: str) -> None:
        if here == point:
            raise Died

    return sftp_store(address, crash=crash)


@pytest.mark.parametrize("point", CRASH_POINTS)
def test_after_a_crash_the_object_is_whole_or_not_there(point: str, address: SftpAddress) -> None:
    with closing(dying(address, point)) as first, pytest.raises(Died):
        put(first)
    with closing(sftp_store(address)) as again:
        for each in again.addresses():
            with again.open(each) as stream:
                assert stream.read() == DATA
            assert again.stat(each).retain_until == UNTIL
        assert os.listdir(Path(address.folder) / "incoming") == []
        put(again)
        assert list(again.addresses()) == [address_of(DATA)]
        assert list(again.strays()) == []


@pytest.mark.parametrize("point", MENDING)
def test_after_a_crash_in_mending_the_object_is_the_old_or_the_new(point: str, address: SftpAddress) -> None:
    with closing(dying(address, point)) as first:
        put(first)
        path_of(address).write_bytes(b"damaged")
        with pytest.raises(Died):
            first.mend(address_of(DATA), len(DATA), stream_of(DATA), UNTIL)
    assert path_of(address).read_bytes() in (b"damaged", DATA)
    with closing(sftp_store(address)) as again:
        again.mend(address_of(DATA), len(DATA), stream_of(DATA), UNTIL)
        assert path_of(address).read_bytes() == DATA
        assert again.stat(address_of(DATA)).retain_until == UNTIL


@pytest.mark.parametrize("point", ERASE_POINTS)
def test_an_erasure_that_stops_is_completed(point: str, address: SftpAddress) -> None:
    with closing(dying(address, point)) as first:
        put(first, until=PAST)
        with pytest.raises(Died):
            first.erase(address_of(DATA), permitted(first))
    with closing(sftp_store(address)) as again:
        again.erase(address_of(DATA), permitted(again))
        assert os.listdir(path_of(address).parent) == []


def test_a_prolonged_lock_is_there_before_the_earlier_goes(address: SftpAddress, store: FsspecBlobs) -> None:
    put(store)
    digits = path_of(address).name
    assert sorted(os.listdir(path_of(address).parent)) == [digits, f"{digits}.until-20320101T000000Z"]
    (path_of(address).parent / f"{digits}.until-20400101T000000Z").touch()  # who added it stopped there
    assert store.stat(address_of(DATA)).retain_until.year == 2040
    put(store)
    assert sorted(os.listdir(path_of(address).parent)) == [digits, f"{digits}.until-20400101T000000Z"]


def test_a_lock_that_somebody_removed_is_told_and_put_again(address: SftpAddress, store: FsspecBlobs) -> None:
    put(store)
    Path(f"{path_of(address)}.until-20320101T000000Z").unlink()
    assert store.stat(address_of(DATA)).retain_until == NEVER
    put(store)
    assert store.stat(address_of(DATA)).retain_until == UNTIL


def test_a_lock_that_is_not_kept_is_a_write_that_was_not_kept(
    address: SftpAddress, store: FsspecBlobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store)
    monkeypatch.setattr(store, "_mark", lambda *_arguments: None)
    with pytest.raises(WriteNotKept):
        store.extend(address_of(DATA), UNTIL + timedelta(days=1))


def test_bytes_that_the_server_changes_are_not_stored(address: SftpAddress) -> None:
    def change(here: str) -> None:
        if here == "blob.written":
            (file,) = (Path(address.folder) / "incoming").iterdir()
            file.write_bytes(b"X" * len(DATA))

    with closing(sftp_store(address, crash=change)) as store:
        with pytest.raises(WriteNotKept):
            put(store)
        assert list(store.addresses()) == []
        assert os.listdir(Path(address.folder) / "incoming") == []


def test_two_who_put_the_same_object_store_it_once(address: SftpAddress, store: FsspecBlobs) -> None:
    def meanwhile(here: str) -> None:
        if here == "blob.marked":
            put(store)

    with closing(sftp_store(address, crash=meanwhile)) as other:
        put(other)
    assert list(store.addresses()) == [address_of(DATA)]
    assert path_of(address).read_bytes() == DATA


def test_a_name_that_is_there_is_never_overwritten(address: SftpAddress) -> None:
    def meanwhile(here: str) -> None:
        if here == "blob.marked":
            path_of(address).write_bytes(b"another's")

    with closing(sftp_store(address, crash=meanwhile)) as store, pytest.raises(BlobDamaged):
        put(store)
    assert path_of(address).read_bytes() == b"another's"


def test_what_is_no_object_is_told(address: SftpAddress, store: FsspecBlobs) -> None:
    put(store)
    objects = Path(address.folder) / "objects"
    (objects / "note").touch()
    (objects / "ab" / "odd").mkdir(parents=True)
    lock = path_of(address, b"gone")
    lock.parent.mkdir(parents=True)
    Path(f"{lock}.until-20320101T000000Z").touch()
    names = sorted([f"{lock.relative_to(objects)}.until-20320101T000000Z", "ab/odd", "note"])
    assert sorted(store.strays()) == names
    assert list(store.addresses()) == [address_of(DATA)]


def test_a_server_that_dies_while_it_is_written_to_stops_one_put(own: OwnServer) -> None:
    class Fatal(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() >= 2 * 1024 * 1024:
                own.kill()
            return super().read(size)

    with closing(sftp_store(sftp_folder(own.said))) as store:
        put(store)
        with pytest.raises(StoreUnreachable):
            store.put(address_of(LARGE), len(LARGE), lambda: Fatal(LARGE), UNTIL)
        with pytest.raises(StoreUnreachable):
            store.stat(address_of(DATA))
        own.start()
        with pytest.raises(NotFound):
            store.open(address_of(LARGE))
        put(store, LARGE)
        with store.open(address_of(LARGE)) as stream:
            assert stream.read() == LARGE


def test_a_server_that_dies_while_it_is_read_from_is_read_on_from(own: OwnServer) -> None:
    with closing(sftp_store(sftp_folder(own.said))) as store:
        put(store, LARGE)
        with store.open(address_of(LARGE)) as stream:
            start = stream.read(100)
            own.kill()
            stream.seek(5_000_000)
            with pytest.raises(StoreUnreachable):
                stream.read(10)
            own.start()
            stream.seek(100)
            assert start + stream.read() == LARGE


def test_connections_that_broke_unseen_are_made_anew(own: OwnServer) -> None:
    with closing(sftp_store(sftp_folder(own.said))) as store:
        put(store)
        with store.open(address_of(DATA)) as stream:
            own.kill()
            own.start()
            assert stream.read() == DATA
        assert store.stat(address_of(DATA)).retain_until == UNTIL


def test_a_server_with_another_key_is_not_the_store(address: SftpAddress, own: OwnServer) -> None:
    with pytest.raises(StoreUnreachable, match="host key"):
        connect(replace(address, host_keys=(own.said["host_key"],)))
    with pytest.raises(StoreUnreachable):
        connect(replace(address, host_keys=()))
    with pytest.raises(InvalidInput):
        connect(replace(address, host_keys=("ssh-ed25519 nonsense",)))
    with PasswordServer("archive", "secret") as other, pytest.raises(StoreUnreachable, match="host key"):
        connect(replace(address, port=other.port))


def test_credentials_that_the_server_does_not_know_are_refused(address: SftpAddress, own: OwnServer) -> None:
    with pytest.raises(StoreRefuses, match="credentials"):
        connect(replace(address, key=Path(own.said["key"])))
    with pytest.raises(StoreRefuses, match="private key"):
        connect(replace(address, key=Path(address.folder) / "nothing"))
    with PasswordServer("archive", "secret") as server:
        by_password = replace(address, port=server.port, host_keys=(server.host_key,), user="archive", key=None)
        connect(replace(by_password, password="secret")).close()
        with pytest.raises(StoreRefuses, match="credentials"):
            connect(replace(by_password, password="wrong"))


def test_nobody_there_and_silence_are_unreachable(address: SftpAddress) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        begun = time.monotonic()
        with pytest.raises(StoreUnreachable):
            connect(replace(address, port=silent.getsockname()[1], connect_seconds=0.5))
        assert time.monotonic() - begun < 5
    with pytest.raises(StoreUnreachable):
        connect(replace(address, port=free_port(), connect_seconds=0.5))


def test_a_folder_that_may_not_be_written_is_refused(address: SftpAddress) -> None:
    with pytest.raises(StoreRefuses):
        sftp_store(replace(address, folder="/proc/nothing"))


def test_a_full_server_takes_no_more_and_gives_what_it_has(address: SftpAddress) -> None:
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", address.folder], capture_output=True)
    if done.returncode:
        absent(f"no tmpfs can be mounted: {done.stderr.decode().strip()}")
    try:
        with closing(sftp_store(address)) as store:
            put(store)
            with pytest.raises(StoreFull):
                put(store, LARGE)
            with store.open(address_of(DATA)) as stream:
                assert stream.read() == DATA
            assert os.listdir(Path(address.folder) / "incoming") == []
    finally:
        subprocess.run(["umount", "-l", address.folder], check=True)


def test_memory_does_not_grow_with_the_object(store: FsspecBlobs) -> None:
    small, large = LARGE[: 2 * 1024 * 1024], LARGE * 5
    peaks = []
    for data in (small, large):
        digest, address = hashlib.sha256(), address_of(data)
        tracemalloc.start()
        put(store, data)
        with store.open(address) as stream:
            while chunk := stream.read(65536):
                digest.update(chunk)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert digest.digest() == address.digest
    assert peaks[1] - peaks[0] <= 8 * 1024 * 1024, peaks


def test_the_version_of_the_server_is_told() -> None:
    assert sshd()["version"].startswith("sshd OpenSSH")
