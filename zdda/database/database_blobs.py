"""A store in a database: objects as rows, their bytes as rows of 1 MiB, written once, locked by a column."""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import BinaryIO

from sqlalchemy import Engine, delete, func, select, update

from zdda.database.content_reader import Content, ContentReader, content_of
from zdda.database.content_writer import CRASH_POINTS as WRITING
from zdda.database.content_writer import ContentWriter, sweep_uploads
from zdda.database.store_medium import reading, writing
from zdda.database.store_tables import check_tables, chunks, objects, uploads
from zdda.database.types import database_now
from zdda.model.clock import Entropy
from zdda.model.errors import NotFound
from zdda.model.identifiers import ContentAddress
from zdda.storage.blob_store import BlobDamaged, BlobStat, CrashPoint, OpenStream, StoreFailed, no_crash
from zdda.storage.erase_permit import Deletion, ErasePermit, Erasure, NotErased

CRASH_POINTS = (*WRITING, "blob.locked")
ERASE_POINTS = ("erase.before-delete", "erase.before-commit", "erase.deleted")
METHOD = "rows-deleted"
LATEST_LOCK = datetime(9999, 12, 31, tzinfo=UTC)
_DOORS = 64
_BUFFER = 64 * 1024
_PAGE = 1000


class DatabaseBlobs:
    """See ``BlobStore``. Several processes may open one database.

    An object can be opened from the commit on that ends its ``put``; before that there are chunks that no object
    names, swept a day later. After an error of the medium nothing more is written until the store is opened anew.
    """

    latest_lock = LATEST_LOCK

    def __init__(self, engine: Engine, entropy: Entropy, *, crash: CrashPoint = no_crash) -> None:
        """Takes the engine over. Raises ``StoreFailed`` where the database holds no store."""
        self._engine, self._crash = engine, crash
        self._writer = ContentWriter(engine, entropy, crash)
        self._doors = tuple(threading.Lock() for _ in range(_DOORS))
        self._failed = False
        check_tables(engine)
        with self._writing():
            sweep_uploads(engine)

    def close(self) -> None:
        """Ends the connections."""
        self._engine.dispose()

    def put(self, address: ContentAddress, length: int, open_stream: OpenStream, retain_until: datetime) -> None:
        until = _lock_until(retain_until)
        with self._alone(address):
            if self._find(address) is None and self._writer.write(address, length, open_stream, until):
                return self._crash("blob.locked")
            self._verify(address, length)
            self._lock(address, until)
        return self._crash("blob.locked")

    def mend(self, address: ContentAddress, length: int, open_stream: OpenStream, retain_until: datetime) -> None:
        with self._alone(address):
            if self._find(address) is not None:
                try:
                    self._verify(address, length)
                except BlobDamaged:
                    self._writer.replace(address, length, open_stream)
        self.put(address, length, open_stream, retain_until)

    def open(self, address: ContentAddress) -> BinaryIO:
        return io.BufferedReader(ContentReader(self._engine, address, self._get(address)), _BUFFER)

    def stat(self, address: ContentAddress) -> BlobStat:
        found = self._get(address)
        return BlobStat(found.length, datetime.fromtimestamp(found.retain_until, UTC))

    def extend(self, address: ContentAddress, retain_until: datetime) -> None:
        with self._alone(address):
            self._get(address)
            self._lock(address, _lock_until(retain_until))

    def own_time(self) -> datetime | None:
        """The clock of the database's machine."""
        with reading(self._engine) as connection:
            now = connection.scalars(select(database_now())).one()
        return now.replace(microsecond=0)

    def erase(self, address: ContentAddress, permit: ErasePermit) -> Deletion:
        """In one transaction: when everything stops, the object is whole or gone. What the database keeps of deleted
        rows in its files is not cleared here."""
        with self._alone(address):
            with writing(self._engine) as connection:
                now = connection.scalars(select(database_now())).one().replace(microsecond=0)
                found = connection.execute(
                    select(objects.c.content, objects.c.retain_until).where(objects.c.address == address.digest)
                ).one_or_none()
                permit.allows(address, datetime.fromtimestamp(found.retain_until, UTC) if found else None, now)
                if found is None:
                    return Deletion(address, Erasure.ABSENT, METHOD, now)
                self._crash("erase.before-delete")
                connection.execute(delete(objects).where(objects.c.address == address.digest))
                rows = connection.execute(delete(chunks).where(chunks.c.content == found.content)).rowcount
                evidence = {"database": connection.dialect.name, "content": found.content.hex(), "rows": str(rows)}
                if connection.dialect.name == "postgresql":
                    evidence["transaction"] = str(connection.scalar(select(func.txid_current())))
                self._crash("erase.before-commit")
            self._crash("erase.deleted")
            self._look(address, found.content)
        return Deletion(address, Erasure.ERASED, METHOD, now, evidence=evidence)

    def addresses(self) -> Iterator[ContentAddress]:
        last = b""
        while True:
            page = select(objects.c.address).where(objects.c.address > last).order_by(objects.c.address).limit(_PAGE)
            with reading(self._engine) as connection:
                found = [bytes(each) for each in connection.scalars(page)]
            yield from map(ContentAddress, found)
            if len(found) < _PAGE:
                return
            last = found[-1]

    def strays(self) -> Iterator[str]:
        """Contents that neither an object nor an upload names, and chunks beyond an object's end."""
        beyond = select(chunks.c.content, chunks.c.number).outerjoin(objects, objects.c.content == chunks.c.content)
        beyond = beyond.outerjoin(uploads, uploads.c.content == chunks.c.content).where(
            uploads.c.content.is_(None),
            objects.c.content.is_(None) | (chunks.c.number * objects.c.chunk >= objects.c.length),
        )
        with reading(self._engine) as connection:
            found = list(connection.execute(beyond.order_by(chunks.c.content, chunks.c.number)))
        for content, number in found:
            yield f"store_chunks/{content.hex()}/{number}"

    def _find(self, address: ContentAddress) -> Content | None:
        with reading(self._engine) as connection:
            return content_of(connection, address)

    def _get(self, address: ContentAddress) -> Content:
        found = self._find(address)
        if found is None:
            raise NotFound("the store holds no such object")
        return found

    def _verify(self, address: ContentAddress, length: int) -> None:
        """Reads all of what lies there; raises ``BlobDamaged``."""
        with self.open(address) as stream:
            digest = hashlib.sha256()
            while chunk := stream.read(_BUFFER):
                digest.update(chunk)
        if digest.digest() != address.digest or self._get(address).length != length:
            raise BlobDamaged("other bytes lie under the address")

    def _lock(self, address: ContentAddress, until: int) -> None:
        which = (objects.c.address == address.digest) & (objects.c.retain_until < until)
        with writing(self._engine) as connection:
            connection.execute(update(objects).where(which).values(retain_until=until))

    def _look(self, address: ContentAddress, content: bytes) -> None:
        with reading(self._engine) as connection:
            left = connection.scalar(select(func.count()).where(chunks.c.content == content))
            if left or content_of(connection, address) is not None:
                raise NotErased("the database still has rows of what it deleted")

    @contextmanager
    def _alone(self, address: ContentAddress) -> Iterator[None]:
        """One writer an address in this process; between processes the database decides."""
        with self._doors[address.digest[0] % _DOORS], self._writing():
            yield

    @contextmanager
    def _writing(self) -> Iterator[None]:
        if self._failed:
            raise StoreFailed("the store takes no writes since an error of its medium")
        try:
            yield
        except StoreFailed:
            self._failed = True
            raise


def _lock_until(retain_until: datetime) -> int:
    return int(min(retain_until, LATEST_LOCK).timestamp())
