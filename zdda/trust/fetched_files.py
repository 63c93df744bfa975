"""What was fetched, kept in a folder over a restart: a convenience, bounded in bytes, that may be lost at any time.

One file an answer: 8 bytes of the moment until which it serves (microseconds since 1970, big-endian), SHA-256 of the
address and the question, the answer, SHA-256 of all before it. A file is written under another name and renamed, and
believed only when its digest is right; it says nothing that a host could not have said, and is judged as what a host
says.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FARTHEST = datetime(9000, 1, 1, tzinfo=UTC)
_SUFFIX = ".answer"
_log = structlog.get_logger(__name__)

Place = tuple[str, bytes]
"""An address and the body that it was asked with."""


class FetchedFiles:
    """Thread-safe within one process; another process on the same folder does no harm."""

    def __init__(self, folder: Path, bytes_limit: int) -> None:
        self._folder, self._limit = folder, bytes_limit
        self._lock = threading.Lock()

    def read(self, place: Place) -> tuple[datetime, bytes] | None:
        """(until when it serves, the answer); None where nothing whole is kept."""
        file = self._file(place)
        try:
            if file.stat().st_size > self._limit:
                return None
            data = file.read_bytes()
        except OSError:
            return None
        if len(data) < 72 or hashlib.sha256(data[:-32]).digest() != data[-32:] or data[8:40] != _name(place):
            with suppress(OSError):
                file.unlink()
            return None
        return min(_EPOCH + _MICROSECOND * min(int.from_bytes(data[:8]), 1 << 57), _FARTHEST), data[40:-32]

    def write(self, place: Place, until: datetime, answer: bytes) -> None:
        """Never raises for a disk that is full or gone: then nothing is kept."""
        if len(answer) + 72 > self._limit:
            return
        data = ((until - _EPOCH) // _MICROSECOND).to_bytes(8) + _name(place) + answer
        file = self._file(place)
        fresh = file.with_name(f"{file.name}.{secrets.token_hex(8)}")
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            fresh.write_bytes(data + hashlib.sha256(data).digest())
            with self._lock:
                os.replace(fresh, file)
                self._make_room(file)
        except OSError as error:
            _log.warning("fetched-not-kept", error=type(error).__name__)
            with suppress(OSError):
                fresh.unlink()

    def _make_room(self, but: Path) -> None:
        """The oldest go first; half-written files of an earlier process go with them."""
        found = []
        for entry in os.scandir(self._folder):
            with suppress(OSError):
                status = entry.stat(follow_symlinks=False)
                found.append((status.st_mtime_ns, status.st_size, entry.path))
        total = sum(size for _, size, _ in found)
        for _, size, path in sorted(found):
            if total <= self._limit:
                return
            if path != str(but):
                with suppress(OSError):
                    os.unlink(path)
                total -= size

    def _file(self, place: Place) -> Path:
        return self._folder / f"{_name(place).hex()}{_SUFFIX}"


def _name(place: Place) -> bytes:
    url, body = place
    address = url.encode("utf-8", "surrogatepass")
    return hashlib.sha256(len(address).to_bytes(8) + address + body).digest()
