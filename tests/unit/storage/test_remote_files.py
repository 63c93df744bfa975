"""What a file system of fsspec answers is bounded and has a meaning."""

from __future__ import annotations

import errno
from typing import Any

import pytest
from paramiko.sftp import SFTPError

from zdda.storage import remote_files
from zdda.storage.remote_files import FsspecFiles
from zdda.storage.sftp_files import _BoundedClient
from zdda.storage.store_errors import StoreFull, StoreRefuses, StoreUnreachable


class Failing:
    """Whatever is asked for."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattr__(self, name: str) -> Any:
        def fail(*_arguments: Any, **_named: Any) -> None:
            raise self._error

        return fail


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (OSError(errno.ENOSPC, ""), StoreFull),
        (OSError(errno.EDQUOT, ""), StoreFull),
        (PermissionError(errno.EACCES, ""), StoreRefuses),
        (OSError("Failure"), StoreRefuses),
        (TimeoutError(), StoreUnreachable),
        (ConnectionResetError(), StoreUnreachable),
        (EOFError(), StoreUnreachable),
    ],
    ids=repr,
)
def test_every_error_has_a_meaning(error: Exception, meaning: type[Exception]) -> None:
    files = FsspecFiles(Failing(error))
    for ask in (files.names, files.length, files.remove, files.modified, files.make_folder):
        with pytest.raises(meaning if ask != files.make_folder else (meaning, StoreRefuses)):
            ask("/folder/name")
    with pytest.raises(meaning):
        files.read("/name", 0, 1)
    with pytest.raises(meaning):
        files.write("/name", [b"x"])


def test_an_error_of_ours_is_no_refusal_of_the_stores() -> None:
    with pytest.raises(KeyError):
        FsspecFiles(Failing(KeyError("a defect"))).names("/folder")


def test_a_folder_without_end_is_no_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    class Endless:
        def ls(self, folder: str, **_options: Any) -> Any:
            number = 0
            while True:
                number += 1
                yield {"name": f"{folder}/{number}", "size": 1, "type": "file"}

    monkeypatch.setattr(remote_files, "MOST_NAMES", 1000)
    with pytest.raises(StoreUnreachable, match="names"):
        FsspecFiles(Endless()).names("/folder")


def test_a_packet_larger_than_any_server_sends_is_not_read() -> None:
    class Sock:
        def __init__(self) -> None:
            self.left = [b"\x00\xff\xff\xff"]

        def recv(self, size: int) -> bytes:
            assert size <= 4, "nothing is read of it"
            return self.left.pop()

    client = _BoundedClient.__new__(_BoundedClient)
    client.sock = Sock()
    with pytest.raises(SFTPError, match="larger"):
        client._read_packet()
