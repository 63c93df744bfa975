"""A store of the second tier, on files of another system (SFTP): ``objects/ab/cd/<64 hex digits>`` and, beside each,
an empty file whose name ends in the lock: ``<64 hex digits>.until-20320101T000000Z``.

Such a system locks nothing: the lock binds the archive alone. It is in a name because names are written at once and
never altered: to prolong it a later name is added before the earlier one goes, so the latest that is there counts, and
nothing that stops in the middle shortens it.
"""

from __future__ import annotations

import hashlib
import io
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import BinaryIO

from zdda.model.clock import Entropy, system_entropy
from zdda.model.errors import NotFound, Unavailable
from zdda.model.identifiers import ContentAddress
from zdda.storage.blob_store import BlobDamaged, BlobStat, CrashPoint, OpenStream, no_crash
from zdda.storage.checked_source import CHUNK, checked_chunks
from zdda.storage.connection_pool import ConnectionPool
from zdda.storage.erase_permit import Deletion, ErasePermit, Erasure, NotErased
from zdda.storage.remote_files import RemoteFiles
from zdda.storage.store_errors import StoreUnreachable, WriteNotKept
from zdda.storage.window_reader import WindowReader

CRASH_POINTS = (
    "blob.before-write",
    "blob.written",
    "blob.read-back",
    "blob.marked",
    "blob.named",
    "blob.locked",
)
MENDING = ("mend.before-replacing", "mend.replaced")
ERASE_POINTS = ("erase.before-delete", "erase.deleted", "erase.lock-deleted", "erase.looked")
METHOD = "file-deleted"
NEVER = datetime.fromtimestamp(0, UTC)
"""The lock of an object whose lock's name somebody removed."""
_LOCK = re.compile(r"([0-9a-f]{64})\.until-(\d{8}T\d{6}Z)")
_LOCK_FORM = "%Y%m%dT%H%M%SZ"
_BRANCH = re.compile(r"[0-9a-f]{2}")
_DOORS = 64
_BUFFER = 64 * 1024
_READ_ATTEMPTS = 2


@dataclass(frozen=True, slots=True)
class _Found:
    """``length``: None where there is no object."""

    length: int | None
    locks: tuple[datetime, ...]

    @property
    def until(self) -> datetime:
        return max(self.locks, default=NEVER)


class FsspecBlobs:
    """See ``BlobStore``. Opening it sweeps what an earlier ``put`` left in ``incoming``.

    If everything stops during ``put``: before the renaming only a file in ``incoming`` is there, and perhaps a lock
    without an object; after it the whole object lies under its address with its lock. ``erase`` deletes the object
    before its lock. A connection that breaks stops one call, the next one makes another. Whether a new name outlives
    the server's power cut is the server's business: SFTP cannot ask for it.
    """

    latest_lock = datetime.max.replace(microsecond=0, tzinfo=UTC)

    def __init__(
        self,
        connect: Callable[[], RemoteFiles],
        folder: str,
        *,
        connections: int = 4,
        wait_seconds: float = 60.0,
        entropy: Entropy = system_entropy,
        crash: CrashPoint = no_crash,
    ) -> None:
        self._pool = ConnectionPool(connect, connections, wait_seconds)
        self._objects, self._incoming = f"{folder.rstrip('/')}/objects", f"{folder.rstrip('/')}/incoming"
        self._entropy, self._crash = entropy, crash
        self._doors = tuple(threading.Lock() for _ in range(_DOORS))
        self._made: set[str] = set()
        with self._pool.borrowed() as files:
            for needed in (self._objects, self._incoming):
                files.make_folder(needed)
            for name in files.names(self._incoming):
                files.remove(f"{self._incoming}/{name}")

    def close(self) -> None:
        """Ends the connections."""
        self._pool.close()

    def put(self, address: ContentAddress, length: int, open_stream: OpenStream, retain_until: datetime) -> None:
        with self._alone(address) as files:
            if self._look(files, address).length is None:
                self._write(files, address, length, open_stream, retain_until)
            elif not self._is_whole(files, self._path(address), address, length):
                raise BlobDamaged("other bytes lie under the address")
            self._lock(files, address, retain_until)
        self._crash("blob.locked")

    def open(self, address: ContentAddress) -> BinaryIO:
        with self._pool.borrowed() as files:
            length = files.length(self._path(address))
        if length is None:
            raise NotFound("the store holds no such object")
        return io.BufferedReader(WindowReader(lambda start, size: self._read(address, start, size), length), _BUFFER)

    def stat(self, address: ContentAddress) -> BlobStat:
        with self._pool.borrowed() as files:
            found = self._look(files, address)
        if found.length is None:
            raise NotFound("the store holds no such object")
        return BlobStat(found.length, found.until)

    def extend(self, address: ContentAddress, retain_until: datetime) -> None:
        with self._alone(address) as files:
            if self._look(files, address).length is None:
                raise NotFound("the store holds no such object")
            self._lock(files, address, retain_until)

    def mend(self, address: ContentAddress, length: int, open_stream: OpenStream, retain_until: datetime) -> None:
        path = self._path(address)
        with self._alone(address) as files:
            found = self._look(files, address)
            if found.length is not None and not self._is_whole(files, path, address, length):
                with self._aside(files, address, length, open_stream) as temporary:
                    self._mark(files, address, max(found.until, retain_until))
                    self._crash("mend.before-replacing")
                    files.replace(temporary, path)
                self._crash("mend.replaced")
        self.put(address, length, open_stream, retain_until)

    def own_time(self) -> datetime:
        """The server's clock, as it stamps a new file."""
        with self._pool.borrowed() as files:
            return self._time(files)

    def erase(self, address: ContentAddress, permit: ErasePermit) -> Deletion:
        path = self._path(address)
        with self._alone(address) as files:
            found = self._look(files, address)
            now = self._time(files)
            permit.allows(address, None if found.length is None else found.until, now)
            self._crash("erase.before-delete")
            if found.length is not None:
                files.remove(path)
                self._crash("erase.deleted")
            for lock in found.locks:
                files.remove(self._lock_path(address, lock))
            self._crash("erase.lock-deleted")
            left = self._look(files, address)
        if left.length is not None or left.locks:
            raise NotErased("the store still lists what it deleted")
        self._crash("erase.looked")
        outcome = Erasure.ABSENT if found.length is None else Erasure.ERASED
        return Deletion(address, outcome, METHOD, now, evidence={"path": path})

    def addresses(self) -> Iterator[ContentAddress]:
        for _place, _name, address, _orphan in self._each():
            if address is not None:
                yield address

    def strays(self) -> Iterator[str]:
        """Paths below ``objects`` of what is neither an object nor the lock of one."""
        for place, name, address, stray in self._each():
            if address is None and stray:
                yield f"{place}{name}"

    def _each(self) -> Iterator[tuple[str, str, ContentAddress | None, bool]]:
        """(folder, name, the object's address, whether it is a stray) of everything below ``objects``, in order."""
        for first, length in self._names(""):
            if length is not None or not _BRANCH.fullmatch(first):
                yield "", first, None, True
                continue
            for second, below in self._names(f"{first}/"):
                if below is not None or not _BRANCH.fullmatch(second):
                    yield f"{first}/", second, None, True
                    continue
                place = f"{first}/{second}/"
                names = dict(self._names(place))
                for name, size in names.items():
                    address = self._address(place, name) if size is not None else None
                    lock = _LOCK.fullmatch(name)
                    yield place, name, address, lock is None or names.get(lock[1]) is None

    def _names(self, below: str) -> list[tuple[str, int | None]]:
        with self._pool.borrowed() as files:
            return sorted(files.names(f"{self._objects}/{below}".rstrip("/")).items())

    def _address(self, place: str, name: str) -> ContentAddress | None:
        try:
            address = ContentAddress.parse(f"sha256:{name}")
        except ValueError:
            return None
        return address if self._path(address) == f"{self._objects}/{place}{name}" else None

    def _path(self, address: ContentAddress) -> str:
        digits = address.digest.hex()
        return f"{self._objects}/{digits[:2]}/{digits[2:4]}/{digits}"

    def _lock_path(self, address: ContentAddress, until: datetime) -> str:
        return f"{self._path(address)}.until-{until:{_LOCK_FORM}}"

    def _look(self, files: RemoteFiles, address: ContentAddress) -> _Found:
        digits = address.digest.hex()
        names = files.names(self._path(address).rpartition("/")[0])
        ours = (_LOCK.fullmatch(name) for name in names if name.startswith(digits))
        locks = [_moment(lock[2]) for lock in ours if lock is not None and lock[1] == digits]
        return _Found(names.get(digits), tuple(lock for lock in locks if lock is not None))

    def _write(
        self, files: RemoteFiles, address: ContentAddress, length: int, open_stream: OpenStream, until: datetime
    ) -> None:
        with self._aside(files, address, length, open_stream) as temporary:
            self._mark(files, address, until)
            self._crash("blob.marked")
            try:
                files.rename(temporary, self._path(address))
            except FileExistsError:  # another process put the same object
                files.remove(temporary)
                if not self._is_whole(files, self._path(address), address, length):
                    raise BlobDamaged("other bytes lie under the address") from None
            self._crash("blob.named")

    @contextmanager
    def _aside(
        self, files: RemoteFiles, address: ContentAddress, length: int, open_stream: OpenStream
    ) -> Iterator[str]:
        """A file in ``incoming`` with the object, read back and compared."""
        temporary = f"{self._incoming}/{address.digest.hex()}.{self._entropy(8).hex()}"
        self._crash("blob.before-write")
        try:
            files.write(temporary, checked_chunks(address, length, open_stream))
            self._crash("blob.written")
            if not self._is_whole(files, temporary, address, length):
                raise WriteNotKept("the store does not give back what it was given")
            self._crash("blob.read-back")
            yield temporary
        except FileNotFoundError as error:
            raise WriteNotKept("what was just written is not there") from error
        except Exception:
            with suppress(Unavailable, OSError):  # the sweep at the next opening removes it
                files.remove(temporary)
            raise

    def _is_whole(self, files: RemoteFiles, path: str, address: ContentAddress, length: int) -> bool:
        if files.length(path) != length:
            return False
        digest, position = hashlib.sha256(), 0
        while position < length:
            data = files.read(path, position, min(CHUNK, length - position))
            if not data:
                return False
            digest.update(data)
            position += len(data)
        return digest.digest() == address.digest

    def _lock(self, files: RemoteFiles, address: ContentAddress, retain_until: datetime) -> None:
        """Brings the lock level, looks whether the store has it, and clears earlier ones away."""
        wanted = _to_second(retain_until)
        found = self._look(files, address)
        if found.until < wanted:
            self._mark(files, address, wanted)
            found = self._look(files, address)
        if found.length is None or found.until < wanted:
            raise WriteNotKept("the store does not keep the object, or its lock")
        for earlier in found.locks:
            if earlier < found.until:
                files.remove(self._lock_path(address, earlier))

    def _mark(self, files: RemoteFiles, address: ContentAddress, until: datetime) -> None:
        path = self._lock_path(address, _to_second(until))
        folder = path.rpartition("/")[0]
        if folder not in self._made:
            files.make_folder(folder)
            self._made.add(folder)
        with suppress(FileExistsError):
            files.write(path, ())

    def _read(self, address: ContentAddress, start: int, size: int) -> bytes:
        """One more attempt over a new connection: reading is safe to repeat."""
        for attempt in range(1, _READ_ATTEMPTS + 1):
            try:
                with self._pool.borrowed() as files:
                    return files.read(self._path(address), start, size)
            except FileNotFoundError as error:
                raise NotFound("the object is gone while it is read") from error
            except StoreUnreachable:
                if attempt == _READ_ATTEMPTS:
                    raise
        raise AssertionError

    def _time(self, files: RemoteFiles) -> datetime:
        path = f"{self._incoming}/clock.{self._entropy(8).hex()}"
        try:
            files.write(path, ())  # takes no room: a full store is erased from
            return files.modified(path)
        except (FileExistsError, FileNotFoundError) as error:
            raise WriteNotKept("what was just written is not there") from error
        finally:
            files.remove(path)

    @contextmanager
    def _alone(self, address: ContentAddress) -> Iterator[RemoteFiles]:
        """One writer an address in this process, with a connection."""
        with self._doors[address.digest[0] % _DOORS], self._pool.borrowed() as files:
            try:
                yield files
            except FileNotFoundError as error:
                raise WriteNotKept("what was there is gone") from error


def _to_second(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)


def _moment(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, _LOCK_FORM).replace(tzinfo=UTC)
    except ValueError:
        return None
