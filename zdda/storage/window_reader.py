"""An object of a remote store as a seekable stream: asked for in windows, each whole before a byte of it is given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from zdda.model.byte_stream import ByteStream
from zdda.storage.store_errors import StoreUnreachable

FIRST = 1024 * 1024 + 64 * 1024
"""Bytes of the first request: a small object whole, or the first segment of a large one with what precedes it."""
LARGEST = 4 * 1024 * 1024
"""Bytes of one request when the stream is read on and on; also the most that a reader keeps."""

Fetch = Callable[[int, int], bytes]
"""(start, size) → exactly so many bytes from there; raises the archive's errors of a store."""


class WindowReader(ByteStream):
    """An object of ``total`` bytes of which ``first`` are here already. Not thread-safe."""

    def __init__(self, fetch: Fetch, total: int, first: bytes = b"") -> None:
        self._fetch, self.length, self._data = fetch, total, first
        self._start, self._position, self._size = 0, 0, FIRST

    def readinto(self, buffer: Any, /) -> int:
        """Raises what the fetching raises, ``StoreUnreachable`` where it gives fewer bytes than were asked for."""
        room = memoryview(buffer).cast("B")
        if self._position >= self.length or not room:
            return 0
        offset = self._position - self._start
        if not 0 <= offset < len(self._data):
            self._load()
            offset = 0
        piece = self._data[offset : offset + len(room)]
        room[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)

    def _load(self) -> None:
        onward = bool(self._data) and self._position == self._start + len(self._data)
        self._size = min(2 * self._size, LARGEST) if onward else FIRST
        self._start, self._data = self._position, b""  # the old bytes go before the new ones come
        wanted = min(self._size, self.length - self._position)
        data = self._fetch(self._position, wanted)
        if len(data) != wanted:
            raise StoreUnreachable("the store's answer breaks off")
        self._data = data
