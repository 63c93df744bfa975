"""What was read from slow stores, kept in a folder: ciphertext, bounded in bytes, never the only copy.

One file an object, ``ab/<64 hex digits>``, exactly the object's bytes. Nothing in the folder is believed: a file is
checked whole against its address before this process first delivers a byte of it, and by the digests of its segments,
which are in memory only, at every later read. So a range costs one segment, and nobody who writes to the folder can
have other bytes delivered. The folder may be lost or emptied at any time; nothing is synced.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import structlog

from zdda.model.byte_stream import ByteStream
from zdda.model.errors import Unavailable
from zdda.model.identifiers import ContentAddress

SEGMENT = 256 * 1024
LARGEST = 8 * 1024 * 1024
"""Bytes of the largest object that is kept: it is read whole before its first byte is delivered."""
_TOUCHED_AGAIN = 60.0
_log = structlog.get_logger(__name__)

FromStore = Callable[[], BinaryIO]


@dataclass(slots=True, eq=False)
class _Entry:
    """A file of the folder. ``digests``: of its segments; None until this process has checked the file whole."""

    length: int
    digests: tuple[bytes, ...] | None = None
    touched: float = 0.0


@dataclass(slots=True, eq=False)
class _Flight:
    """One reading of an object from the store, for all who ask for it meanwhile."""

    landed: threading.Event = field(default_factory=threading.Event)
    data: bytes | None = None
    error: BaseException | None = None
    forgotten: bool = False


class ReadCache:
    """Thread-safe; one process a folder, another one that opens it meanwhile keeps nothing.

    What is read again moves to a protected part of four fifths of the room, so that a long run of objects read once
    (an export) drives out only what was read once. A disk that fails or is full makes the cache useless and nothing
    else: it never raises for reading.
    """

    def __init__(self, folder: Path, bytes_limit: int, largest: int = LARGEST) -> None:
        self._folder, self._limit = folder, bytes_limit
        self._largest = min(largest, bytes_limit // 4)
        self._protected_limit = bytes_limit // 5 * 4
        self._once: OrderedDict[ContentAddress, _Entry] = OrderedDict()
        self._again: OrderedDict[ContentAddress, _Entry] = OrderedDict()
        self._bytes = self._protected = 0
        self._flights: dict[ContentAddress, _Flight] = {}
        self._lock = threading.Lock()
        self._guard = self._begin()

    @property
    def bytes_kept(self) -> int:
        """Bytes of all files in the folder."""
        return self._bytes

    def close(self) -> None:
        """Lets another process keep something in the folder."""
        if self._guard is not None:
            os.close(self._guard)
            self._guard = None

    def open(self, address: ContentAddress, length: int, from_store: FromStore) -> BinaryIO:
        """The object's bytes, seekable; from the folder where they are there and right, else from the store, once for
        all who ask at the same time. Raises what ``from_store`` and its stream raise, and nothing else."""
        if length > self._largest or self._guard is None:
            return from_store()
        if (kept := self._kept(address, length, from_store)) is not None:
            return kept
        with self._lock:
            flight = self._flights.get(address)
            leads = flight is None
            if flight is None:
                flight = self._flights[address] = _Flight()
        if leads:
            self._fly(flight, address, length, from_store)
        else:
            flight.landed.wait()
        if flight.error is not None and (leads or isinstance(flight.error, Exception)):
            raise flight.error
        return from_store() if flight.data is None else io.BytesIO(flight.data)

    def forget(self, address: ContentAddress) -> None:
        """Overwrites and removes what is kept of an object, also what is being read now; raises ``Unavailable`` where
        that cannot be done."""
        with self._lock:
            if (flight := self._flights.get(address)) is not None:
                flight.forgotten = True
            self._pop(address)
            try:
                _blank(self._path(address))
            except OSError as error:
                raise Unavailable("the cache's copy cannot be removed") from error

    def _fly(self, flight: _Flight, address: ContentAddress, length: int, from_store: FromStore) -> None:
        try:
            with from_store() as stream:
                data = b"".join(_pieces(stream, length + 1))
            if len(data) == length and hashlib.sha256(data).digest() == address.digest:
                self._keep(flight, address, data)
                flight.data = data  # other bytes are asked for again: whoever reads them says that they are wrong
        except BaseException as error:  # noqa: BLE001 - raised by whoever leads
            flight.error = error
        finally:
            with self._lock:
                del self._flights[address]
            flight.landed.set()

    def _kept(self, address: ContentAddress, length: int, from_store: FromStore) -> BinaryIO | None:
        with self._lock:
            entry = self._again.get(address) or self._once.get(address)
            if entry is None:
                return None
            self._move_up(address, entry)
            again = time.monotonic()
            touch, entry.touched = again - entry.touched > _TOUCHED_AGAIN, again
        try:
            file = self._path(address).open("rb", buffering=0)
        except OSError:
            self.drop(address, entry)
            return None
        try:
            if touch:
                os.utime(file.fileno())  # the order over a restart
            if entry.digests is not None and entry.length == length:
                return _CachedReader(self, address, entry, file, entry.digests, from_store)
            data = b"".join(_pieces(file, length + 1))
        except OSError:
            data = b""
        file.close()
        if len(data) != length or hashlib.sha256(data).digest() != address.digest:
            _log.warning("cache-damaged", bytes=length)
            self.drop(address, entry)
            return None
        entry.digests = _digests(data)
        return io.BytesIO(data)

    def drop(self, address: ContentAddress, entry: _Entry) -> None:
        """Removes a file, if it is still the one meant."""
        with self._lock:
            if entry in (self._once.get(address), self._again.get(address)):
                self._pop(address)
                with suppress(OSError):
                    self._path(address).unlink()

    def _keep(self, flight: _Flight, address: ContentAddress, data: bytes) -> None:
        path = self._path(address)
        fresh = path.with_name(f"{path.name}.{secrets.token_hex(8)}.new")
        entry = _Entry(len(data), _digests(data), time.monotonic())
        try:
            path.parent.mkdir(mode=0o700, exist_ok=True)
            with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
                file.write(data)
            with self._lock:
                if flight.forgotten:
                    _blank(fresh)
                    return
                self._pop(address)
                self._make_room(len(data))
                os.replace(fresh, path)
                self._once[address] = entry
                self._bytes += entry.length
        except OSError as error:
            _log.warning("cache-not-kept", error=type(error).__name__)
            with suppress(OSError):
                fresh.unlink(missing_ok=True)

    def _move_up(self, address: ContentAddress, entry: _Entry) -> None:
        if address in self._again:
            self._again.move_to_end(address)
            return
        self._again[address] = self._once.pop(address)
        self._protected += entry.length
        while self._protected > self._protected_limit and len(self._again) > 1:
            eldest, lowered = self._again.popitem(last=False)
            self._protected -= lowered.length
            self._once[eldest] = lowered

    def _make_room(self, needed: int) -> None:
        while self._bytes + needed > self._limit and (self._once or self._again):
            eldest = next(iter(self._once or self._again))
            self._pop(eldest)
            with suppress(OSError):
                self._path(eldest).unlink()

    def _pop(self, address: ContentAddress) -> None:
        if (entry := self._once.pop(address, None)) is None:
            if (entry := self._again.pop(address, None)) is None:
                return
            self._protected -= entry.length
        self._bytes -= entry.length

    def _begin(self) -> int | None:
        """Takes the folder and counts what an earlier process left there; None where nothing can be kept."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            guard = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            _log.warning("cache-not-kept", error=type(error).__name__)
            return None
        try:
            fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._count()
        except OSError as error:
            os.close(guard)
            _log.warning("cache-not-kept", error=type(error).__name__)
            return None
        return guard

    def _count(self) -> None:
        found = []
        for file in self._folder.glob("??/*"):
            address = _address(file.name)
            if address is None or file.parent.name != file.name[:2] or file.is_symlink():
                file.unlink()
                continue
            status = file.stat()
            found.append((status.st_mtime_ns, address, status.st_size))
        for _, address, length in sorted(found):
            self._once[address] = _Entry(length)
            self._bytes += length
        self._make_room(0)

    def _path(self, address: ContentAddress) -> Path:
        digits = address.digest.hex()
        return self._folder / digits[:2] / digits


class _CachedReader(ByteStream, BinaryIO):
    """A file of the cache, each segment checked before a byte of it is given. Where one is wrong, the file is dropped
    and the reading goes on from the store. Not thread-safe."""

    def __init__(
        self,
        cache: ReadCache,
        address: ContentAddress,
        entry: _Entry,
        file: io.FileIO,
        digests: tuple[bytes, ...],
        from_store: FromStore,
    ) -> None:
        self._cache, self._address, self._entry, self._file = cache, address, entry, file
        self._digests, self._from_store, self.length = digests, from_store, entry.length
        self._stream: BinaryIO | None = None
        self._position, self._number, self._segment = 0, -1, b""

    def readinto(self, buffer: object, /) -> int:
        """Raises what the store's stream raises."""
        room = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        if self._position >= self.length or not room:
            return 0
        piece = self._piece(len(room))
        room[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)

    def close(self) -> None:
        if not self.closed:
            self._file.close()
            if self._stream is not None:
                self._stream.close()
        super().close()

    def _piece(self, size: int) -> bytes | memoryview:
        if self._stream is None:
            number, offset = divmod(self._position, SEGMENT)
            if number != self._number and not self._load(number):
                _log.warning("cache-damaged", bytes=self._entry.length)
                self._cache.drop(self._address, self._entry)
                self._stream = self._from_store()
            else:
                return memoryview(self._segment)[offset : offset + size]
        self._stream.seek(self._position)
        return self._stream.read(size)

    def _load(self, number: int) -> bool:
        try:
            segment = os.pread(self._file.fileno(), SEGMENT, number * SEGMENT)
        except OSError:
            return False
        if hashlib.sha256(segment).digest() != self._digests[number]:
            return False
        self._number, self._segment = number, segment
        return True


def _digests(data: bytes) -> tuple[bytes, ...]:
    view = memoryview(data)
    return tuple(hashlib.sha256(view[at : at + SEGMENT]).digest() for at in range(0, len(data), SEGMENT))


def _pieces(stream: BinaryIO | io.FileIO, most: int) -> Iterator[bytes]:
    while most > 0 and (piece := stream.read(min(most, LARGEST))):
        most -= len(piece)
        yield piece


def _blank(path: Path) -> None:
    """Overwrites a file with zeros, on the disk, and removes it; one that is not there is no error."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return
    try:
        left = os.fstat(descriptor).st_size
        while left > 0:
            left -= os.write(descriptor, bytes(min(left, LARGEST)))
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)
    path.unlink(missing_ok=True)


def _address(name: str) -> ContentAddress | None:
    try:
        return ContentAddress.parse(f"sha256:{name}")
    except ValueError:
        return None
