"""Bytes on their way into a store in a database: a few chunks a transaction, the object with the last of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import BinaryIO

from sqlalchemy import Connection, Engine, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from zdda.database.store_medium import writing
from zdda.database.store_tables import chunks, objects, uploads
from zdda.database.types import database_now
from zdda.model.clock import Entropy
from zdda.model.errors import Unavailable
from zdda.model.identifiers import ContentAddress
from zdda.storage.blob_store import BlobMismatch, CrashPoint, OpenStream

CRASH_POINTS = ("blob.before-write", "blob.part-written", "blob.before-commit", "blob.committed")
CHUNK = 1024 * 1024
AT_ONCE = 8
"""Chunks of one transaction: what is in memory, and how long SQLite's one writer is kept."""
UNFINISHED = 24 * 60 * 60
"""Seconds after which an upload that nobody ended is swept."""


class ContentWriter:
    """Writes contents. A content that is not whole is named by no object."""

    def __init__(self, engine: Engine, entropy: Entropy, crash: CrashPoint) -> None:
        self._engine, self._entropy, self._crash = engine, entropy, crash

    def write(self, address: ContentAddress, length: int, open_stream: OpenStream, until: int) -> bool:
        """A new object; False where another writer has made it meanwhile. Raises ``BlobMismatch`` with nothing left
        there, ``Unavailable``, ``StoreFailed``."""

        def name(connection: Connection, content: bytes) -> None:
            values = {"address": address.digest, "content": content, "length": length, "chunk": CHUNK}
            connection.execute(insert(objects).values(values | {"retain_until": until}))

        return self._write(address, length, open_stream, name)

    def replace(self, address: ContentAddress, length: int, open_stream: OpenStream) -> None:
        """Other chunks for an object that is damaged; in the transaction that names them the damaged ones go."""

        def name(connection: Connection, content: bytes) -> None:
            which = objects.c.address == address.digest
            old = connection.scalars(select(objects.c.content).where(which).with_for_update()).one()
            connection.execute(update(objects).where(which).values(content=content, chunk=CHUNK))
            connection.execute(delete(chunks).where(chunks.c.content == old))

        self._write(address, length, open_stream, name)

    def _write(
        self, address: ContentAddress, length: int, open_stream: OpenStream, name: Callable[[Connection, bytes], None]
    ) -> bool:
        content = self._entropy(16)
        self._crash("blob.before-write")
        started = False
        try:
            digest, left = hashlib.sha256(), length
            rows: list[dict[str, object]] = []
            for number, piece in enumerate(_pieces(open_stream)):
                left -= len(piece)
                if left < 0:
                    break
                if len(rows) == AT_ONCE:
                    self._part(content, rows, first=not started)
                    started = True
                    rows.clear()
                    self._crash("blob.part-written")
                digest.update(piece)
                rows.append({"content": content, "number": number, "data": piece})
                del piece
            if left or digest.digest() != address.digest:
                raise BlobMismatch("the bytes are not those of the address")
            with writing(self._engine) as connection:
                if rows:
                    connection.execute(insert(chunks), rows)
                if started:
                    connection.execute(delete(uploads).where(uploads.c.content == content))
                name(connection, content)
                self._crash("blob.before-commit")
        except Exception as error:
            if started:
                self._give_up(content)
            if isinstance(error, IntegrityError):
                return False
            raise
        self._crash("blob.committed")
        return True

    def _part(self, content: bytes, rows: list[dict[str, object]], *, first: bool) -> None:
        with writing(self._engine) as connection:
            if first:
                now = connection.scalars(select(database_now())).one()
                connection.execute(insert(uploads).values(content=content, started=int(now.timestamp())))
            connection.execute(insert(chunks), rows)

    def _give_up(self, content: bytes) -> None:
        with suppress(Unavailable):  # it is swept a day later
            _drop(self._engine, content)


def sweep_uploads(engine: Engine) -> int:
    """Drops contents whose upload nobody ended within a day, by the database's clock; how many."""
    with writing(engine) as connection:
        before = int(connection.scalars(select(database_now())).one().timestamp()) - UNFINISHED
        left = [bytes(each) for each in connection.scalars(select(uploads.c.content).where(uploads.c.started < before))]
    for content in left:
        _drop(engine, content)
    return len(left)


def _drop(engine: Engine, content: bytes) -> None:
    with writing(engine) as connection:
        if connection.scalar(select(objects.c.address).where(objects.c.content == content)) is None:
            connection.execute(delete(chunks).where(chunks.c.content == content))
        connection.execute(delete(uploads).where(uploads.c.content == content))


def _pieces(open_stream: OpenStream) -> Iterator[bytes]:
    """Of ``CHUNK`` bytes each, but the last."""
    try:
        with open_stream() as stream:
            while piece := _exactly(stream):
                yield piece
    except OSError as error:
        raise Unavailable("the source of an object cannot be read") from error


def _exactly(stream: BinaryIO) -> bytes:
    piece = stream.read(CHUNK)
    if not piece or len(piece) == CHUNK:
        return piece
    pieces = [piece]
    left = CHUNK - len(piece)
    while left and (more := stream.read(left)):
        pieces.append(more)
        left -= len(more)
    return b"".join(pieces)
