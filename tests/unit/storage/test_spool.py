from __future__ import annotations

import errno
import hashlib
import io
import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from uuid import UUID

import pytest

from tests.simulator.faulty_disk import failing
from zdda.crypto.digests import digests_of
from zdda.crypto.streaming_aead import DecryptingReader
from zdda.model.clock import system_entropy
from zdda.model.errors import NotFound, Unavailable
from zdda.model.identifiers import ContentAddress, tenant_id
from zdda.model.objects import ObjectKind, ObjectName
from zdda.storage.blob_store import StoreFailed, WrongStore
from zdda.storage.filesystem_blobs import FilesystemBlobs
from zdda.storage.spool import Spool, SpoolFailed, SpoolFile, SpoolFull
from zdda.storage.store_marker import NAME as MARKER
from zdda.storage.store_marker import claim_store, marker

GOLDEN = Path(__file__).parents[2] / "golden" / "storage"
NAME = ObjectName(tenant_id("nemocnice"), UUID(int=1), ObjectKind.SPOOLED_DOCUMENT, 1)
KEY, CONTENT = b"k" * 32, b"patient " * 50_000


def test_plaintext_never_touches_the_disk(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    file = spool.encrypting("a.1", KEY, NAME, system_entropy)
    file.write(CONTENT)
    plain, cipher = file.finish()
    stored = (tmp_path / "a.1").read_bytes()
    assert b"patient" not in stored
    assert plain == digests_of(CONTENT)
    assert cipher == replace(digests_of(stored), crc32=0)
    assert (tmp_path / "a.1").stat().st_mode & 0o777 == 0o600
    with spool.open("a.1") as stream:
        assert DecryptingReader(stream, KEY, NAME.associated_data()).read() == CONTENT


def test_digests_that_nobody_wanted_are_not_made_up(tmp_path: Path) -> None:
    file = Spool(tmp_path).encrypting("a.1", KEY, NAME, system_entropy, of_plaintext=False)
    file.write(CONTENT)
    with pytest.raises(ValueError, match="digested"):
        file.finish()
    assert file.finish_stored() == replace(digests_of((tmp_path / "a.1").read_bytes()), crc32=0)


def test_a_discarded_file_is_gone(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    file = spool.encrypting("a.1", KEY, NAME, system_entropy)
    file.write(CONTENT)
    file.discard()
    file.discard()
    assert spool.names() == []
    with pytest.raises(NotFound):
        spool.open("a.1")
    spool.remove("a.1")


@pytest.mark.parametrize("name", ["", "../x", "/x", "a/b", ".x", "A", "a" * 200])
def test_a_name_is_never_a_path(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="name"):
        Spool(tmp_path).create(name)


def test_below_the_reserve_nothing_begins(tmp_path: Path) -> None:
    status = os.statvfs(tmp_path)
    spool = Spool(tmp_path, minimum_free=status.f_blocks * status.f_frsize * 2)
    with pytest.raises(SpoolFull):
        spool.create("a")
    assert spool.names() == []


@pytest.mark.parametrize(
    ("code", "error"), [(errno.ENOSPC, SpoolFull), (errno.EDQUOT, SpoolFull), (errno.EIO, SpoolFailed)]
)
def test_a_failing_sync_is_said(
    code: int, error: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path)
    file = spool.encrypting("a.1", KEY, NAME, system_entropy)
    file.write(CONTENT)
    with failing(monkeypatch, "fsync", 1, "before", code), pytest.raises(error):
        file.finish()
    file.discard()
    assert spool.names() == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode != 0:
        pytest.skip("a tmpfs cannot be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_told_and_intake_resumes(small_disk: Path) -> None:
    spool = Spool(small_disk)
    file = spool.encrypting("a.1", KEY, NAME, system_entropy)
    with pytest.raises(SpoolFull):
        file.write(os.urandom(4 * 1024 * 1024))
    file.discard()
    assert spool.names() == []
    again = spool.encrypting("a.2", KEY, NAME, system_entropy)
    again.write(CONTENT)
    again.finish()
    assert spool.names() == ["a.2"]


def test_a_store_belongs_to_one_archive(tmp_path: Path) -> None:
    claim_store(tmp_path, "first", ["nemocnice"])
    claim_store(tmp_path, "first", ["nemocnice"])
    with pytest.raises(WrongStore):
        claim_store(tmp_path, "second", ["nemocnice"])
    with pytest.raises(WrongStore):
        claim_store(tmp_path, "first", ["jina"])
    (tmp_path / MARKER).chmod(0o600)
    (tmp_path / MARKER).write_bytes(b"rubbish")
    with pytest.raises(WrongStore):
        claim_store(tmp_path, "first", ["nemocnice"])


def test_the_stored_forms_never_change() -> None:
    assert marker("archive", ["b", "a", "a"]) == (GOLDEN / "zdda-store-1.json").read_bytes()


def test_the_form_of_a_segment_never_changes() -> None:
    from zdda.storage.slots import encode_copy, segment_header

    assert segment_header()[:64] + encode_copy(1, b"body") == (GOLDEN / "segment-1.bin").read_bytes()


def test_a_sync_that_failed_is_never_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(tmp_path)
    file = spool.create("a.1")
    file.write(b"x")
    with failing(monkeypatch, "fsync", 1, "before"), pytest.raises(SpoolFailed):
        file.finish()
    with pytest.raises(SpoolFailed):
        file.finish()
    assert spool.names() == []


def test_what_was_discarded_is_never_finished(tmp_path: Path) -> None:
    file = Spool(tmp_path).create("a.1")
    file.discard()
    for call in (file.finish, lambda: file.write(b"x")):
        with pytest.raises(SpoolFailed):
            call()


def test_the_reserve_is_kept_while_a_file_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(tmp_path, minimum_free=1)
    file = spool.encrypting("a.1", KEY, NAME, system_entropy)
    monkeypatch.setattr(os, "statvfs", lambda _path: SimpleNamespace(f_bavail=0, f_frsize=4096))
    with pytest.raises(SpoolFull):
        file.write(bytes(16 * 1024 * 1024))
    assert spool.names() == []


def test_no_room_for_the_header_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(tmp_path)

    def full(_file: SpoolFile, _data: bytes) -> int:
        raise SpoolFull("the spool has no room")

    monkeypatch.setattr(SpoolFile, "write", full)
    with pytest.raises(SpoolFull):
        spool.encrypting("a.1", KEY, NAME, system_entropy)
    assert spool.names() == []


def test_what_arrives_is_bounded_and_what_is_on_its_way_gets_out(tmp_path: Path) -> None:
    spool = Spool(tmp_path, most_bytes=10_000)
    first = spool.encrypting("a.1", KEY, NAME, system_entropy)
    first.write(bytes(9_000))
    first.finish()
    second = spool.encrypting("a.2", KEY, NAME, system_entropy)  # at 10,000 bytes, not before, nothing more begins
    second.write(bytes(3_000))
    second.finish()
    assert spool.bytes_kept == sum((tmp_path / name).stat().st_size for name in spool.names()) > 12_000
    for ask in (spool.check_room, lambda: spool.create("a.3")):
        with pytest.raises(SpoolFull):
            ask()
    sealed = spool.encrypting("a.aip", KEY, NAME, system_entropy, arriving=False)
    sealed.write(bytes(12_000))
    sealed.finish()
    again = Spool(tmp_path, most_bytes=10_000)
    assert again.bytes_kept == spool.bytes_kept
    for name in ("a.1", "a.2", "a.2", "a.aip"):
        again.remove(name)
    assert again.bytes_kept == 0
    again.create("a.3").discard()


def test_the_bound_is_held_while_a_file_grows(tmp_path: Path) -> None:
    spool = Spool(tmp_path, most_bytes=6 * 1024 * 1024)
    with pytest.raises(SpoolFull):
        spool.create("a.1").write(bytes(9 * 1024 * 1024))
    assert (spool.names(), spool.bytes_kept) == ([], 0)


def test_of_the_reserve_the_archives_own_files_leave_a_quarter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(tmp_path, minimum_free=4096 * 8)
    for free, arriving, own in ((8, True, True), (7, False, True), (2, False, True), (1, False, False)):
        monkeypatch.setattr(os, "statvfs", lambda _path, free=free: SimpleNamespace(f_bavail=free, f_frsize=4096))
        for may, kind in ((arriving, True), (own, False)):
            if may:
                spool.create("a.1", arriving=kind).discard()
            else:
                with pytest.raises(SpoolFull):
                    spool.create("a.1", arriving=kind)


def test_a_full_disk_under_a_store_stops_one_put_and_keeps_what_is_there(small_disk: Path) -> None:
    store = FilesystemBlobs(small_disk / "store", immutable=False)
    until = datetime(2032, 1, 1, tzinfo=UTC)

    def put(data: bytes) -> ContentAddress:
        address = ContentAddress(hashlib.sha256(data).digest())
        store.put(address, len(data), lambda: io.BytesIO(data), until)
        return address

    kept = put(b"kept")
    with pytest.raises(Unavailable) as caught:
        put(os.urandom(4 * 1024 * 1024))
    assert not isinstance(caught.value, StoreFailed)
    assert os.listdir(small_disk / "store" / "incoming") == []
    with store.open(kept) as stream:
        assert stream.read() == b"kept"
    put(b"there is room for this")
    store.close()
