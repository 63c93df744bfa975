"""A store in a document management system, over CMIS 1.1: ``objects/ab/cd/<64 hex digits>``, one document each.

The lock is a client-managed retention where the repository offers it, else the archive's own word in a property. No
canary tries such a repository: it is never counted as guaranteed.
"""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import BinaryIO

from zdda.model.clock import Entropy, system_entropy
from zdda.model.errors import NotFound, Unavailable
from zdda.model.identifiers import ContentAddress
from zdda.storage.blob_store import BlobDamaged, BlobStat, CrashPoint, OpenStream, no_crash
from zdda.storage.checked_source import CHUNK, checked_chunks
from zdda.storage.cmis_client import CmisAddress, NameTaken, NotThere, Upload
from zdda.storage.cmis_repository import CmisRepository, Stored
from zdda.storage.erase_permit import Deletion, ErasePermit, Erasure, NotErased
from zdda.storage.store_errors import StoreBusy, StoreUnreachable, WriteNotKept
from zdda.storage.window_reader import WindowReader

CRASH_POINTS = ("blob.before-write", "blob.sent", "blob.read-back", "blob.named", "blob.locked")
MENDING = ("mend.before-replacing", "mend.moved-aside", "mend.replaced")
ERASE_POINTS = ("erase.before-delete", "erase.deleted", "erase.looked")
METHOD = "document-deleted"
_NEW, _DAMAGED = ".new", ".damaged-"
_DOORS = 64
_BUFFER = 64 * 1024
_READ_ATTEMPTS = 2


class CmisBlobs:
    """See ``BlobStore``.

    If everything stops during ``put``: before the renaming there is at most a document ``<digits>.new``, which no one
    opens and the repeated ``put`` replaces; the renaming sets the lock with the name. In ``mend`` the damaged document
    is renamed to ``<digits>.damaged-<random>`` before the whole one gets its name: between the two nothing lies under
    the address, and the repeated call stores it. ``erase`` deletes all of them. Whether a repository keeps what is
    deleted in a bin of its own is its business.
    """

    latest_lock = datetime.max.replace(microsecond=0, tzinfo=UTC)

    def __init__(
        self, address: CmisAddress, *, entropy: Entropy = system_entropy, crash: CrashPoint = no_crash
    ) -> None:
        self._repository = CmisRepository(address)
        self._objects, self._entropy, self._crash = f"{address.folder.rstrip('/')}/objects", entropy, crash
        self._doors = tuple(threading.Lock() for _ in range(_DOORS))

    def close(self) -> None:
        """Ends the connections."""
        self._repository.close()

    def put(self, address: ContentAddress, length: int, open_stream: OpenStream, retain_until: datetime) -> None:
        with self._alone(address):
            found = self._repository.at(self._path(address))
            if found is None:
                self._write(address, length, open_stream, retain_until)
            elif not self._is_whole(found, address, length):
                raise BlobDamaged("other bytes lie under the address")
            self._lock(address, length, retain_until)
        self._crash("blob.locked")

    def open(self, address: ContentAddress) -> BinaryIO:
        found = self._ours(address)
        reader = WindowReader(lambda start, size: self._read(found.identifier, start, size), found.length or 0)
        return io.BufferedReader(reader, _BUFFER)

    def stat(self, address: ContentAddress) -> BlobStat:
        found = self._ours(address)
        return BlobStat(found.length or 0, found.until)

    def extend(self, address: ContentAddress, retain_until: datetime) -> None:
        with self._alone(address):
            found = self._ours(address)
            self._lock(address, found.length or 0, retain_until)

    def mend(self, address: ContentAddress, length: int, open_stream: OpenStream, retain_until: datetime) -> None:
        path, digits = self._path(address), address.digest.hex()
        with self._alone(address):
            found = self._repository.at(path)
            if found is not None and not self._is_whole(found, address, length):
                new = self._beside(address, length, open_stream)
                self._crash("mend.before-replacing")
                self._repository.rename(found, f"{digits}{_DAMAGED}{self._entropy(8).hex()}")
                self._crash("mend.moved-aside")
                self._repository.rename(new, digits, max(found.until, retain_until))
                self._crash("mend.replaced")
                with suppress(Unavailable):  # its lock may hold it; it goes when the object is erased
                    self._repository.delete(found.identifier)
        self.put(address, length, open_stream, retain_until)

    def own_time(self) -> datetime | None:
        return self._repository.time()

    def erase(self, address: ContentAddress, permit: ErasePermit) -> Deletion:
        path = self._path(address)
        with self._alone(address):
            copies = self._copies(address)
            now = self._repository.time()
            permit.allows(address, max((each.until for each in copies), default=None), now)
            self._crash("erase.before-delete")
            for each in copies:
                self._repository.delete(each.identifier)
                self._crash("erase.deleted")
            if self._copies(address) or self._repository.at(path) is not None:
                raise NotErased("the store still shows what it deleted")
        self._crash("erase.looked")
        evidence = {"path": path, "documents": " ".join(each.identifier for each in copies)}
        erased = any(each.name == address.digest.hex() for each in copies)
        outcome = Erasure.ERASED if erased else Erasure.ABSENT
        return Deletion(address, outcome, METHOD, now or permit.issued_at, evidence=evidence)

    def addresses(self) -> Iterator[ContentAddress]:
        return (address for _path, address in self._each() if address is not None)

    def strays(self) -> Iterator[str]:
        """Paths below ``objects`` of what is no object."""
        return (path for path, address in self._each() if address is None)

    def _each(self) -> Iterator[tuple[str, ContentAddress | None]]:
        for first in self._children(""):
            for second in self._children(first.name) if first.folder else [first]:
                place = first.name if second is first else f"{first.name}/{second.name}"
                for third in self._children(place) if second.folder and second is not first else [second]:
                    path = place if third is second else f"{place}/{third.name}"
                    yield path, self._address(path, third)

    def _children(self, below: str) -> list[Stored]:
        return sorted(self._repository.children(f"{self._objects}/{below}"), key=lambda each: each.name)

    def _address(self, path: str, stored: Stored) -> ContentAddress | None:
        try:
            address = ContentAddress.parse(f"sha256:{stored.name}")
        except ValueError:
            return None
        return address if stored.length is not None and self._path(address) == f"{self._objects}/{path}" else None

    def _path(self, address: ContentAddress) -> str:
        digits = address.digest.hex()
        return f"{self._objects}/{digits[:2]}/{digits[2:4]}/{digits}"

    def _ours(self, address: ContentAddress) -> Stored:
        found = self._repository.at(self._path(address))
        if found is None or found.length is None:
            raise NotFound("the store holds no such object")
        return found

    def _write(self, address: ContentAddress, length: int, open_stream: OpenStream, until: datetime) -> None:
        new = self._beside(address, length, open_stream)
        try:
            self._repository.rename(new, address.digest.hex(), until)
        except NameTaken:  # another process put the same object
            self._repository.delete(new.identifier)
        self._crash("blob.named")

    def _beside(self, address: ContentAddress, length: int, open_stream: OpenStream) -> Stored:
        """A document ``<digits>.new`` with the object, read back and compared."""
        path = self._path(address) + _NEW
        folder, _, name = path.rpartition("/")
        self._repository.make_folder(folder)
        self._delete(path)
        self._crash("blob.before-write")
        try:
            upload = Upload(name, length, checked_chunks(address, length, open_stream))
            made = self._repository.create(folder, upload)
            self._crash("blob.sent")
            found = self._repository.by_identifier(made.identifier)
            if found is None or not self._is_whole(found, address, length):
                raise WriteNotKept("the store does not give back what it was given")
        except Exception:
            with suppress(Unavailable):  # the next put deletes it
                self._delete(path)
            raise
        self._crash("blob.read-back")
        return found

    def _copies(self, address: ContentAddress) -> list[Stored]:
        """The object, what was damaged and is not gone yet, and what was not finished."""
        folder, _, digits = self._path(address).rpartition("/")
        ours = (digits, digits + _NEW)
        return [
            each
            for each in self._repository.children(folder)
            if each.name in ours or each.name.startswith(digits + _DAMAGED)
        ]

    def _delete(self, path: str) -> None:
        found = self._repository.at(path)
        if found is not None:
            self._repository.delete(found.identifier)

    def _is_whole(self, stored: Stored, address: ContentAddress, length: int) -> bool:
        if stored.length != length:
            return False
        digest, position = hashlib.sha256(), 0
        while position < length:
            data = self._read(stored.identifier, position, min(CHUNK, length - position))
            if not data:
                return False
            digest.update(data)
            position += len(data)
        return digest.digest() == address.digest

    def _lock(self, address: ContentAddress, length: int, retain_until: datetime) -> None:
        """Brings the lock level and looks whether the store keeps it, and the object."""
        wanted, path = retain_until.replace(microsecond=0), self._path(address)
        found = self._repository.at(path)
        if found is not None and found.until < wanted:
            self._repository.lock(found, wanted)
            found = self._repository.at(path)
        if found is None or found.length != length or found.until < wanted:
            raise WriteNotKept("the store does not keep the object, or its lock")

    def _read(self, identifier: str, start: int, size: int) -> bytes:
        """One more attempt: reading is safe to repeat."""
        for attempt in range(1, _READ_ATTEMPTS + 1):
            try:
                return self._repository.read(identifier, start, size)
            except NotThere as error:
                raise NotFound("the object is gone while it is read") from error
            except StoreUnreachable:
                if attempt == _READ_ATTEMPTS:
                    raise
        raise AssertionError

    @contextmanager
    def _alone(self, address: ContentAddress) -> Iterator[None]:
        """One writer an address in this process; what other processes do meanwhile is an answer too."""
        with self._doors[address.digest[0] % _DOORS]:
            try:
                yield
            except NotThere as error:
                raise WriteNotKept("what was there is gone") from error
            except NameTaken as error:
                raise StoreBusy("somebody else writes the same object") from error
