"""A site that was away when the archive started: opened, and claimed, when it first answers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import BinaryIO, Generic, TypeVar

from zdda.model.identifiers import ContentAddress, TenantId
from zdda.model.objects import ObjectKind, ObjectName
from zdda.storage.blob_store import BlobStat, BlobStore, OpenStream
from zdda.storage.erase_permit import Deletion, ErasePermit
from zdda.storage.key_area import KeyArea
from zdda.storage.object_record import ObjectRecord

_Opened = TypeVar("_Opened")


class _Awaited(Generic[_Opened]):
    """Opens once; until then every call tries to, one at a time, and raises what opening raises."""

    def __init__(self, open_it: Callable[[], _Opened]) -> None:
        self._open_it = open_it
        self._lock = threading.Lock()
        self._opened: _Opened | None = None

    def now(self) -> _Opened:
        opened = self._opened
        if opened is None:
            with self._lock:
                if self._opened is None:
                    self._opened = self._open_it()
                opened = self._opened
        return opened

    def close(self) -> None:
        close = getattr(self._opened, "close", None)
        if close is not None:
            close()


class AwaitedBlobs:
    """See ``BlobStore``; everything may also raise what opening the store raises: ``Unavailable``, ``WrongStore``."""

    def __init__(self, open_store: Callable[[], BlobStore]) -> None:
        self._store = _Awaited(open_store)

    @property
    def latest_lock(self) -> datetime:
        return self._store.now().latest_lock

    def close(self) -> None:
        self._store.close()

    def put(self, address: ContentAddress, length: int, open_stream: OpenStream, retain_until: datetime) -> None:
        self._store.now().put(address, length, open_stream, retain_until)

    def open(self, address: ContentAddress) -> BinaryIO:
        return self._store.now().open(address)

    def stat(self, address: ContentAddress) -> BlobStat:
        return self._store.now().stat(address)

    def extend(self, address: ContentAddress, retain_until: datetime) -> None:
        self._store.now().extend(address, retain_until)

    def mend(self, address: ContentAddress, length: int, open_stream: OpenStream, retain_until: datetime) -> None:
        self._store.now().mend(address, length, open_stream, retain_until)

    def own_time(self) -> datetime | None:
        return self._store.now().own_time()

    def erase(self, address: ContentAddress, permit: ErasePermit) -> Deletion:
        return self._store.now().erase(address, permit)

    def addresses(self) -> Iterator[ContentAddress]:
        return self._store.now().addresses()


class AwaitedRecords:
    """See ``KeyArea``; likewise."""

    def __init__(self, open_place: Callable[[], KeyArea]) -> None:
        self._place = _Awaited(open_place)

    def close(self) -> None:
        self._place.close()

    def write(self, record: ObjectRecord) -> None:
        self._place.now().write(record)

    def read(self, name: ObjectName) -> ObjectRecord:
        return self._place.now().read(name)

    def records(self) -> Iterator[ObjectRecord]:
        return self._place.now().records()

    def newest(self, kind: ObjectKind, tenant: TenantId, limit: int) -> list[ObjectName]:
        return self._place.now().newest(kind, tenant, limit)

    def destroy(self, name: ObjectName) -> None:
        self._place.now().destroy(name)
