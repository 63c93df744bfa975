"""An object of a store in a database as a seekable stream: one chunk in memory at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, select

from zdda.database.store_medium import reading
from zdda.database.store_tables import chunks, objects
from zdda.model.byte_stream import ByteStream
from zdda.model.identifiers import ContentAddress
from zdda.storage.blob_store import BlobDamaged


@dataclass(frozen=True, slots=True)
class Content:
    """What the database says of an object; ``retain_until`` in seconds since 1970."""

    id: bytes
    length: int
    chunk: int
    retain_until: int


def content_of(connection: Connection, address: ContentAddress) -> Content | None:
    """None where there is no such object."""
    columns = (objects.c.content, objects.c.length, objects.c.chunk, objects.c.retain_until)
    row = connection.execute(select(*columns).where(objects.c.address == address.digest)).one_or_none()
    return None if row is None else Content(bytes(row.content), row.length, row.chunk, row.retain_until)


class ContentReader(ByteStream):
    """The bytes, not verified. Not thread-safe."""

    def __init__(self, engine: Engine, address: ContentAddress, content: Content) -> None:
        self._engine, self._address, self._content = engine, address, content
        self.length = content.length
        self._position, self._number, self._data = 0, -1, b""

    def readinto(self, buffer: Any, /) -> int:
        """Raises ``BlobDamaged`` where a chunk is not there or not as long as it must be, ``Unavailable``."""
        room = memoryview(buffer).cast("B")
        if self._position >= self.length or not room:
            return 0
        number, offset = divmod(self._position, self._content.chunk)
        if number != self._number:
            self._number, self._data = -1, b""  # the old bytes go before the new ones come
            self._data = self._load(number)
            self._number = number
        piece = self._data[offset : offset + len(room)]
        room[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)

    def _load(self, number: int) -> bytes:
        due = min(self._content.chunk, self._content.length - number * self._content.chunk)
        with reading(self._engine) as connection:
            which = select(chunks.c.data).where(chunks.c.number == number)
            data = connection.scalar(which.where(chunks.c.content == self._content.id))
            if data is None:  # it may have been mended since it was opened
                now = content_of(connection, self._address)
                data = connection.scalar(which.where(chunks.c.content == now.id)) if now else None
        if data is None or len(data) != due:
            raise BlobDamaged("a part of the object is not there, or not whole")
        return bytes(data)
