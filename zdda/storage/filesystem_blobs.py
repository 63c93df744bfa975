"""A store in a folder: ``objects/ab/cd/<64 hex digits>``, mode 0400, immutable where the file system allows.

The lock is the file's modification time, which lies in the future: it survives copies that keep times, needs no
extended attributes, and `ls` shows it. It binds the archive; against root on that machine it is no protection.
File systems end in 2446 (ext4), SFTP in 2106: what this one keeps is tried at opening (``file_system_probe``), a
longer lock is set to that, and prolonged from the object record in time.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from zdda.model.clock import Entropy, system_entropy
from zdda.model.errors import NotFound, Unavailable
from zdda.model.identifiers import ContentAddress
from zdda.storage.blob_store import (
    BlobDamaged,
    BlobMismatch,
    BlobStat,
    CrashPoint,
    OpenStream,
    StoreFailed,
    StoreNotGuaranteed,
    no_crash,
)
from zdda.storage.durable_files import make_folder, set_immutable, sync_folder
from zdda.storage.erase_permit import Deletion, ErasePermit, Erasure
from zdda.storage.file_system_probe import FULL, GONE, probe, remove
from zdda.storage.filesystem_eraser import METHOD, FilesystemEraser, Syncs

CRASH_POINTS = (
    "blob.before-write",
    "blob.written",
    "blob.synced",
    "blob.linked",
    "blob.named-durably",
    "blob.locked",
)
MENDING = ("mend.before-replacing", "mend.replaced")
_CHUNK = 1024 * 1024
_DOORS = 64
LATEST_LOCK = datetime(2400, 1, 1, tzinfo=UTC)


class FilesystemBlobs:
    """See ``BlobStore``. One process opens the folder at a time (``lock``). Opening raises ``StoreNotGuaranteed``
    where the file system cannot hold a store, ``limits`` says what it lacks.

    If everything stops during ``put``: before the link only a file in ``incoming`` is there, swept at the next
    opening; after it the whole object lies under its address, and the repeated ``put`` makes its name durable and
    brings lock and flag level. After a failed sync nothing more is written: what the kernel then says of the file is
    not to be believed. A full disk, or a source that cannot be read, stops one ``put`` and not the store. What is true
    when everything stops during ``erase`` is told in ``filesystem_eraser``; ``passes`` overwrite a file there.
    """

    def __init__(
        self,
        folder: Path,
        *,
        immutable: bool = True,
        passes: int = 3,
        entropy: Entropy = system_entropy,
        crash: CrashPoint = no_crash,
    ) -> None:
        self._objects, self._incoming = folder / "objects", folder / "incoming"
        self._immutable, self._crash = immutable, crash
        self._failed = False
        self._doors = tuple(threading.Lock() for _ in range(_DOORS))
        self._naming = threading.Lock()
        self._named: set[str] = set()
        self._serial = 0
        for needed in (self._objects, self._incoming):
            make_folder(needed)
        self._guarded = folder / "lock"
        self._guard = os.open(self._guarded, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._guard)
            raise StoreFailed("another process has opened this store") from error
        try:
            for left in self._incoming.iterdir():
                remove(left)
            self._traits = probe(self._incoming, self._guarded, LATEST_LOCK)
            syncs = Syncs(self._sync, self._sync_names)
            self._eraser = FilesystemEraser(folder / "erasing", syncs, crash, passes, entropy)
        except OSError as error:
            os.close(self._guard)
            raise StoreFailed("the store's medium fails") from error
        except StoreNotGuaranteed:
            os.close(self._guard)
            raise
        self.latest_lock = self._traits.latest_lock

    def close(self) -> None:
        """Lets another process open the folder."""
        with suppress(OSError):  # of a mount that is gone; the descriptor is closed all the same
            os.close(self._guard)

    def limits(self) -> list[str]:
        """What the file system lacks, for a person; empty for a local one whose flags we may set."""
        return self._traits.limits()

    def put(self, address: ContentAddress, length: int, open_stream: OpenStream, retain_until: datetime) -> None:
        retain_until = min(retain_until, self.latest_lock)
        path = self._path(address)
        with self._alone(address):
            if path.exists():
                self._check(address, path, length)
                self._sync_file(path)  # who wrote it may have died before lock and name were on the disk
                self._name_durably(path)
            else:
                self._write(address, path, length, open_stream, retain_until)
            self._lock(path, retain_until)
        self._crash("blob.locked")

    def mend(self, address: ContentAddress, length: int, open_stream: OpenStream, retain_until: datetime) -> None:
        retain_until = min(retain_until, self.latest_lock)
        path = self._path(address)
        with self._alone(address):
            if path.exists() and not self._can_be_read_whole(address, path, length):
                lock = datetime.fromtimestamp(min(path.stat().st_mtime, self.latest_lock.timestamp()), UTC)
                with self._aside(address, length, open_stream, max(lock, retain_until)) as temporary:
                    self._crash("mend.before-replacing")
                    set_immutable(path, immutable=False)
                    os.replace(temporary, path)
                self._sync_names(path.parent)
                self._crash("mend.replaced")
        self.put(address, length, open_stream, retain_until)

    def open(self, address: ContentAddress) -> BinaryIO:
        with self._asked():
            return self._path(address).open("rb")

    def stat(self, address: ContentAddress) -> BlobStat:
        with self._asked():
            status = self._path(address).stat()
        return BlobStat(status.st_size, datetime.fromtimestamp(int(status.st_mtime), UTC))

    def extend(self, address: ContentAddress, retain_until: datetime) -> None:
        with self._alone(address):
            self.stat(address)
            self._lock(self._path(address), min(retain_until, self.latest_lock))

    def own_time(self) -> datetime:
        """The clock of the file system: that of its server, where the folder is mounted from one."""
        os.utime(self._guard)
        return datetime.fromtimestamp(int(os.fstat(self._guard).st_mtime), UTC)

    def erase(self, address: ContentAddress, permit: ErasePermit) -> Deletion:
        path = self._path(address)
        with self._alone(address):
            permit.allows(address, self.stat(address).retain_until if path.exists() else None, self.own_time())
            done = self._eraser.erase(path)
        passes, evidence = done or ((), {})
        outcome = Erasure.ERASED if done else Erasure.ABSENT
        return Deletion(address, outcome, METHOD, self.own_time(), passes, evidence)

    def addresses(self) -> Iterator[ContentAddress]:
        return (address for address, _ in self._files() if address is not None)

    def strays(self) -> Iterator[str]:
        """Paths below ``objects`` of what is no object: other names, other places, folders, links; and what an
        erasure left unfinished."""
        yield from (str(path.relative_to(self._objects)) for address, path in self._files() if address is None)
        yield from (f"erasing/{path.name}" for path in self._eraser.unfinished())

    def _files(self) -> Iterator[tuple[ContentAddress | None, Path]]:
        for first in sorted(self._objects.iterdir()):
            for second in sorted(first.iterdir()) if first.is_dir() else [first]:
                for file in sorted(second.iterdir()) if second.is_dir() else [second]:
                    yield self._address(file), file

    def _address(self, file: Path) -> ContentAddress | None:
        try:
            address = ContentAddress.parse(f"sha256:{file.name}")
        except ValueError:
            return None
        return address if file == self._path(address) and file.is_file() and not file.is_symlink() else None

    def path(self, address: ContentAddress) -> Path:
        """Where an object lies: for a worker process that opens it by itself."""
        return self._path(address)

    def _path(self, address: ContentAddress) -> Path:
        digits = address.digest.hex()
        return self._objects / digits[:2] / digits[2:4] / digits

    def _write(
        self, address: ContentAddress, path: Path, length: int, open_stream: OpenStream, retain_until: datetime
    ) -> None:
        with self._aside(address, length, open_stream, retain_until) as temporary:
            self._make_folders(path)
            os.link(temporary, path)
            self._crash("blob.linked")
            temporary.unlink()
        self._name_durably(path)
        self._crash("blob.named-durably")

    @contextmanager
    def _aside(
        self, address: ContentAddress, length: int, open_stream: OpenStream, retain_until: datetime
    ) -> Iterator[Path]:
        """A file with the object, whole, durable and locked, that has no name among the objects yet."""
        with self._naming:
            self._serial += 1
            temporary = self._incoming / f"{address.digest.hex()}.{self._serial}"
        self._crash("blob.before-write")
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o400)
            with os.fdopen(descriptor, "wb", buffering=0) as file:
                self._copy(address, length, open_stream, file)
                self._crash("blob.written")
                os.utime(file.fileno(), (retain_until.timestamp(), int(retain_until.timestamp())))
                self._sync(file.fileno())
            self._crash("blob.synced")
            yield temporary
        except Exception:
            temporary.unlink(missing_ok=True)
            raise

    def _copy(self, address: ContentAddress, length: int, open_stream: OpenStream, file: BinaryIO) -> None:
        digest, left = hashlib.sha256(), length
        for chunk in _chunks(open_stream):
            left -= len(chunk)
            if left < 0:
                break
            digest.update(chunk)
            view = memoryview(chunk)
            while view:
                view = view[file.write(view) :]
        if left or digest.digest() != address.digest:
            raise BlobMismatch("the bytes are not those of the address")

    def _check(self, address: ContentAddress, path: Path, length: int) -> None:
        if not self._is_whole(address, path, length):
            raise BlobDamaged("other bytes lie under the address")

    def _can_be_read_whole(self, address: ContentAddress, path: Path, length: int) -> bool:
        """A file on a bad sector is damaged too: that is no reason to write nothing more."""
        try:
            return self._is_whole(address, path, length)
        except OSError:
            return False

    def _is_whole(self, address: ContentAddress, path: Path, length: int) -> bool:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").digest()
        return digest == address.digest and path.stat().st_size == length

    def _lock(self, path: Path, retain_until: datetime) -> None:
        """Prolongs the lock and sets the flag. Between clearing and setting the flag a crash leaves mode 0400 and
        the earlier lock; the next put or extension goes on from there."""
        wanted, status = int(retain_until.timestamp()), path.stat()
        if status.st_mtime < wanted:
            set_immutable(path, immutable=False)
            os.utime(path, (wanted, wanted))
            self._sync_file(path)
            if path.stat().st_mtime != wanted:
                raise OSError("the file system does not keep the lock's time")
        if self._immutable:
            set_immutable(path, immutable=True)

    @contextmanager
    def _asked(self) -> Iterator[None]:
        """What is not there is missed only while the folder is the one that was opened."""
        try:
            yield
        except FileNotFoundError as error:
            self._check_folder()
            raise NotFound("the store holds no such object") from error
        except OSError as error:
            if error.errno in GONE:
                raise StoreFailed("the store's file system is gone") from error
            raise

    def _check_folder(self) -> None:
        """A mount that is gone leaves another folder in its place, in which nothing lies and nothing is to be put."""
        try:
            same = os.path.samestat(os.fstat(self._guard), self._guarded.stat())
        except OSError:
            same = False
        if not same:
            raise StoreFailed("the store's folder is not the one that was opened: is its file system mounted?")

    @contextmanager
    def _alone(self, address: ContentAddress) -> Iterator[None]:
        """One writer an address: a lock is read and prolonged, a flag cleared and set, by nobody in between."""
        with self._doors[address.digest[0] % _DOORS]:
            if self._failed:
                raise StoreFailed("the store takes no writes since an error of its medium")
            self._check_folder()
            try:
                yield
            except OSError as error:
                if error.errno in FULL and not self._failed:
                    raise Unavailable("the store has no room") from error
                self._failed = True
                raise StoreFailed("the store's medium fails") from error

    def _sync(self, descriptor: int) -> None:
        try:
            os.fsync(descriptor)
        except OSError:
            self._failed = True  # whatever the reason: a sync that failed is never tried again
            raise

    def _sync_file(self, path: Path) -> None:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._sync(descriptor)
        finally:
            os.close(descriptor)

    def _sync_names(self, folder: Path) -> None:
        try:
            sync_folder(folder)
        except OSError:
            self._failed = True
            raise

    def _make_folders(self, path: Path) -> None:
        """``objects/ab/cd``. Nobody else is here for ``ab``: all its addresses have the same door."""
        if path.name[:4] not in self._named:
            path.parent.parent.mkdir(mode=0o700, exist_ok=True)
            path.parent.mkdir(mode=0o700, exist_ok=True)

    def _name_durably(self, path: Path) -> None:
        """The object's name, then those of its folders, each once in the life of this process: whoever made a folder
        may have died. In this order a file system with a journal writes all of them at once."""
        self._sync_names(path.parent)
        for folder, digits in ((path.parent, path.name[:4]), (path.parent.parent, path.name[:2])):
            if digits not in self._named:
                self._sync_names(folder.parent)
                self._named.add(digits)


def _chunks(open_stream: OpenStream) -> Iterator[bytes]:
    try:
        with open_stream() as stream:
            while chunk := stream.read(_CHUNK):
                yield chunk
    except OSError as error:
        raise Unavailable("the source of an object cannot be read") from error
