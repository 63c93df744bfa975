"""A store in memory: for tests and trials; it forgets."""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import BinaryIO

from zdda.model.errors import NotFound
from zdda.model.identifiers import ContentAddress
from zdda.storage.blob_store import BlobDamaged, BlobMismatch, BlobStat, OpenStream
from zdda.storage.erase_permit import Deletion, ErasePermit, Erasure


class MemoryBlobs:
    """See ``BlobStore``."""

    latest_lock = datetime.max.replace(tzinfo=UTC)

    def __init__(self) -> None:
        self._blobs: dict[ContentAddress, tuple[bytes, datetime]] = {}
        self._lock = threading.Lock()

    def close(self) -> None:
        """Nothing is held."""

    def put(self, address: ContentAddress, length: int, open_stream: OpenStream, retain_until: datetime) -> None:
        with open_stream() as stream:
            data = stream.read(length + 1)
        if len(data) != length or hashlib.sha256(data).digest() != address.digest:
            raise BlobMismatch("the bytes are not those of the address")
        with self._lock:
            held, lock = self._blobs.get(address, (data, retain_until))
            if hashlib.sha256(held).digest() != address.digest:
                raise BlobDamaged("other bytes lie under the address")
            self._blobs[address] = (held, max(lock, retain_until.replace(microsecond=0)))

    def open(self, address: ContentAddress) -> BinaryIO:
        return io.BytesIO(self._get(address)[0])

    def stat(self, address: ContentAddress) -> BlobStat:
        data, retain_until = self._get(address)
        return BlobStat(len(data), retain_until.replace(microsecond=0))

    def extend(self, address: ContentAddress, retain_until: datetime) -> None:
        with self._lock:
            data, lock = self._get(address)
            self._blobs[address] = (data, max(lock, retain_until))

    def mend(self, address: ContentAddress, length: int, open_stream: OpenStream, retain_until: datetime) -> None:
        with self._lock:
            held, lock = self._blobs.get(address, (b"", retain_until))
            if hashlib.sha256(held).digest() != address.digest:
                self._blobs.pop(address, None)
        try:
            self.put(address, length, open_stream, max(lock, retain_until))
        except BaseException:
            with self._lock:
                if held:
                    self._blobs.setdefault(address, (held, lock))
            raise

    def own_time(self) -> datetime | None:
        return None

    def erase(self, address: ContentAddress, permit: ErasePermit) -> Deletion:
        with self._lock:
            permit.allows(address, self._blobs[address][1] if address in self._blobs else None, self.own_time())
            found = self._blobs.pop(address, None)
        outcome = Erasure.ABSENT if found is None else Erasure.ERASED
        return Deletion(address, outcome, "forgotten", permit.issued_at)

    def addresses(self) -> Iterator[ContentAddress]:
        return iter(sorted(self._blobs))

    def _get(self, address: ContentAddress) -> tuple[bytes, datetime]:
        try:
            return self._blobs[address]
        except KeyError as error:
            raise NotFound("the store holds no such object") from error
