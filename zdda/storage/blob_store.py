"""The protocol of a store of bytes that are written once and named by their digest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Protocol

from zdda.model.errors import Conflict, IntegrityError, Unavailable
from zdda.model.identifiers import ContentAddress
from zdda.storage.erase_permit import Deletion, ErasePermit

OpenStream = Callable[[], AbstractContextManager[BinaryIO]]
CrashPoint = Callable[[str], None]
"""Called with a stable name before and after each step that persists something; tests die there."""


def no_crash(_point: str) -> None:
    """The crash point of production: nothing happens."""


class BlobMismatch(IntegrityError):
    """The bytes given are not those of the address, or not of that length. Nothing was stored."""

    code = "blob-mismatch"


class BlobDamaged(IntegrityError):
    """The bytes that lie under the address are not its bytes."""

    code = "blob-damaged"


class StoreFailed(Unavailable):
    """The store met an error of its medium and takes no more writes until it is opened anew."""

    code = "store-failed"


class WrongStore(Conflict):
    """The folder or bucket holds the store of another archive."""

    code = "wrong-store"


class StoreNotGuaranteed(Unavailable):
    """The store cannot keep what it is given, or no canary has shown that it does."""

    code = "store-not-guaranteed"


@dataclass(frozen=True, slots=True)
class BlobStat:
    """What a store says of an object; ``retain_until`` to the second; ``held``: it is under legal hold."""

    length: int
    retain_until: datetime
    held: bool = False


class BlobStore(Protocol):
    """Write-once bytes by content address.

    ``put`` is safe to repeat, by several at once, and after any crash: when it returns, the bytes are durable under
    their address and locked until ``retain_until`` at least. A lock is never shortened. Nothing half-written can
    ever be opened.
    """

    @property
    def latest_lock(self) -> datetime:
        """The latest moment that one lock can last: a longer retention is locked until then, and prolonged in time."""
        ...

    def close(self) -> None:
        """Lets go of folder or connections; nothing is asked of the store afterwards."""
        ...

    def put(self, address: ContentAddress, length: int, open_stream: OpenStream, retain_until: datetime) -> None:
        """Stores; raises ``BlobMismatch``, ``BlobDamaged`` (another content lies there already: it is left as it
        is), ``StoreFailed``."""
        ...

    def open(self, address: ContentAddress) -> BinaryIO:
        """The bytes, seekable, not verified; raises ``NotFound``."""
        ...

    def stat(self, address: ContentAddress) -> BlobStat:
        """Raises ``NotFound``."""
        ...

    def extend(self, address: ContentAddress, retain_until: datetime) -> None:
        """Locks for longer; an earlier moment changes nothing. Raises ``NotFound``."""
        ...

    def mend(self, address: ContentAddress, length: int, open_stream: OpenStream, retain_until: datetime) -> None:
        """Stores as ``put`` does where the object is gone, or where other bytes lie under its address: they are
        replaced, never before the right ones are durable beside them. A lock that lasts longer is kept. Safe to
        repeat. Raises ``BlobMismatch`` (nothing was changed), ``StoreFailed``."""
        ...

    def own_time(self) -> datetime | None:
        """What the store's own clock says, to the second; None for a store without one. Raises ``Unavailable``."""
        ...

    def erase(self, address: ContentAddress, permit: ErasePermit) -> Deletion:
        """Erases every copy under the address, as far beyond recovery as this kind of store can; that nothing is left
        has been looked at when it returns. Safe to repeat, also after a crash at any moment: a repeated erasure
        completes the one before it, and what was half erased can never be opened as the object. What is not there is
        no error: the answer says so.

        Asks ``permit.allows`` first. Raises ``StillLocked``, ``StillHeld``, ``EraseRefused`` with nothing erased,
        ``NotErased``, ``StoreFailed``."""
        ...

    def addresses(self) -> Iterator[ContentAddress]:
        """Every object, in the order of addresses."""
        ...
