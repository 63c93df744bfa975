"""The store in a folder on file systems that do less than they are asked: a real server behind sshfs, and poor ones."""

from __future__ import annotations

import errno
import os
import subprocess
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.contracts.test_blob_store import DATA, UNTIL, address_of, put
from tests.services.sshd import OwnServer, mounted
from tests.simulator.archive import make_archive
from zdda.storage.blob_store import StoreFailed, StoreNotGuaranteed
from zdda.storage.durable_files import set_immutable
from zdda.storage.file_system_probe import probe
from zdda.storage.filesystem_blobs import LATEST_LOCK, FilesystemBlobs
from zdda.storage.store_errors import StoreUnreachable

END_OF_SFTP = datetime.fromtimestamp(2**32, UTC)
"""Times of SFTP version 3 are 32-bit seconds (draft-ietf-secsh-filexfer-02, 5)."""


def test_what_a_mounted_server_lacks_is_found_at_opening_and_said(tmp_path: Path) -> None:
    with mounted(tmp_path / "store"), closing(FilesystemBlobs(tmp_path / "store")) as store:
        assert store.latest_lock == END_OF_SFTP.replace(hour=0, minute=0, second=0)
        said = " ".join(store.limits())
        assert "immutable" in said
        assert "another machine" in said
        assert "2106-02-07" in said


def test_a_lock_on_a_mounted_server_is_where_the_server_keeps_it(tmp_path: Path) -> None:
    with mounted(tmp_path / "store") as behind:
        with closing(FilesystemBlobs(tmp_path / "store")) as store:
            put(store, until=datetime(3026, 1, 1, tzinfo=UTC))
            latest = store.latest_lock
        digits = address_of(DATA).digest.hex()
        there = behind / "objects" / digits[:2] / digits[2:4] / digits
        assert there.read_bytes() == DATA
        assert datetime.fromtimestamp(there.stat().st_mtime, UTC) == latest
        assert os.listdir(behind / "incoming") == []


def test_a_local_file_system_keeps_every_time_and_is_probed_on_nothing_of_the_archives(tmp_path: Path) -> None:
    with closing(FilesystemBlobs(tmp_path / "store")) as store:
        assert store.latest_lock == LATEST_LOCK
        address = put(store)
        for path in (tmp_path / "store" / "objects").rglob("*"):
            set_immutable(path, immutable=False)
    with closing(FilesystemBlobs(tmp_path / "store")) as store:
        assert store.stat(address).retain_until == UNTIL
    assert os.listdir(tmp_path / "store" / "incoming") == []


def test_a_file_system_without_hard_links_holds_no_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_names: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    with monkeypatch.context() as patched:
        patched.setattr(os, "link", refused)
        with pytest.raises(StoreNotGuaranteed, match="hard links"):
            FilesystemBlobs(tmp_path / "store")
        patched.setattr(os, "link", lambda *_names: None)
        with pytest.raises(StoreNotGuaranteed, match="overwrites"):
            FilesystemBlobs(tmp_path / "store")
    FilesystemBlobs(tmp_path / "store").close()


@pytest.mark.parametrize(
    ("end", "latest"),
    [(2**31, "2038-01-19"), (2**32, "2106-02-07"), (4_354_819_200, "2107-12-31")],
    ids=["signed", "unsigned", "FAT"],
)
@pytest.mark.parametrize("how", ["wraps", "is cut", "is refused"])
def test_the_latest_lock_is_what_the_file_system_keeps(
    end: int, latest: str, how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = os.utime

    def poor(path: Path, times: tuple[int, int]) -> None:
        seconds = times[1]
        if seconds >= end:
            if how == "is refused":
                raise OverflowError
            seconds = seconds % end if how == "wraps" else end - 1
        original(path, (seconds, seconds))

    spare = tmp_path / "spare"
    spare.touch()
    (tmp_path / "empty").mkdir()
    with monkeypatch.context() as patched:
        patched.setattr(os, "utime", poor)
        assert f"{probe(tmp_path / 'empty', spare, LATEST_LOCK).latest_lock:%Y-%m-%d}" == latest


def test_a_file_system_that_keeps_no_future_holds_no_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "utime", lambda *_arguments: None)
    with pytest.raises(StoreNotGuaranteed, match="future"):
        FilesystemBlobs(tmp_path / "store")


def test_a_full_file_system_is_opened_for_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(FilesystemBlobs(tmp_path / "store", immutable=False)) as store:
        address = put(store)

    def full(*_names: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "link", full)
    with closing(FilesystemBlobs(tmp_path / "store", immutable=False)) as store, store.open(address) as stream:
        assert stream.read() == DATA
        assert store.latest_lock == LATEST_LOCK


def test_a_probe_that_a_crash_left_is_swept_with_its_flag(tmp_path: Path) -> None:
    FilesystemBlobs(tmp_path / "store").close()
    left = tmp_path / "store" / "incoming" / "probe"
    left.touch()
    set_immutable(left, immutable=True)
    FilesystemBlobs(tmp_path / "store").close()
    assert not left.exists()


def test_a_server_that_dies_is_no_object_that_is_lost(tmp_path: Path) -> None:
    server = OwnServer(tmp_path / "server")
    mount = tmp_path / "store"
    with mounted(mount, server.said) as behind:
        with closing(FilesystemBlobs(mount)) as store:
            address = put(store)
            server.kill()
            with pytest.raises(StoreFailed):
                put(store, b"another")
            end = time.monotonic() + 10
            while os.path.ismount(mount):  # sshfs unmounts when its connection breaks
                assert time.monotonic() < end
                time.sleep(0.05)
            for ask in (store.stat, store.open, lambda _address: put(store, b"another")):
                with pytest.raises(StoreFailed):
                    ask(address)
        assert os.listdir(mount) == []
        server.start()
        assert sorted(os.listdir(behind)) == ["erasing", "incoming", "lock", "objects"]
    server.kill()


def test_a_mount_that_is_gone_is_no_empty_store(tmp_path: Path) -> None:
    with mounted(tmp_path / "store"), closing(FilesystemBlobs(tmp_path / "store")) as store:
        address = put(store)
        subprocess.run(["fusermount3", "-u", "-z", tmp_path / "store"], check=True)
        for ask in (store.stat, store.open, lambda _address: put(store, b"another")):
            with pytest.raises(StoreFailed, match="mounted"):
                ask(address)
        assert os.listdir(tmp_path / "store") == []


def test_a_folder_that_has_to_be_mounted_and_is_not_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZDDA_STORE__MOUNTED", "true")
    monkeypatch.setenv("ZDDA_STORE__DIRECTORY", str(tmp_path / "mount" / "store"))
    with mounted(tmp_path / "mount") as behind:
        make_archive(tmp_path / "archive").close()
        assert (behind / "store" / "zdda-store.json").exists()
    with pytest.raises(StoreUnreachable, match="mounted"):
        make_archive(tmp_path / "archive")
    assert os.listdir(tmp_path / "mount") == []
