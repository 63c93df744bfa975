"""An object of an S3 store as a seekable stream: ranged GETs, each read whole and counted before a byte is given."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import (
    ClientError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
)

from zdda.storage.s3_errors import StoreUnreachable, translated

FIRST = 1024 * 1024 + 64 * 1024
"""Bytes of the first request: a small object whole, or the first segment of a large one with what precedes it."""
LARGEST = 4 * 1024 * 1024
"""Bytes of one request when the stream is read on and on; also the most that a reader keeps."""
_PAUSE = 0.1
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


@dataclass(frozen=True, slots=True)
class Window:
    """Bytes from ``start`` of an object of ``total`` bytes, with the answer's headers."""

    start: int
    data: bytes
    total: int
    answer: Mapping[str, Any]


def fetch(client: Any, which: Mapping[str, str], start: int, size: int, attempts: int) -> Window:
    """At most ``size`` bytes from ``start`` (which lies within the object, or is 0), never fewer than there are.

    An answer that breaks off is asked for again, ``attempts`` times in all. Raises the client's ``ClientError``,
    ``StoreUnreachable``.
    """
    for attempt in range(1, attempts + 1):
        answer = _get(client, which, start, size)
        try:
            with answer["Body"] as body:
                total, due = _extent(answer, start, size)
                data = body.read(due)
            if len(data) == due:
                return Window(start, data, total, answer)
        except (IncompleteReadError, ReadTimeoutError, ResponseStreamingError):
            pass
        if attempt < attempts:
            time.sleep(_PAUSE * 2**attempt)
    raise StoreUnreachable("the store's answer breaks off")


def _get(client: Any, which: Mapping[str, str], start: int, size: int) -> dict[str, Any]:
    try:
        return dict(client.get_object(**which, Range=f"bytes={start}-{start + size - 1}"))
    except ClientError as error:
        if start or error.response["ResponseMetadata"]["HTTPStatusCode"] != 416:
            raise
        return dict(client.get_object(**which))  # an empty object has no first byte


def _extent(answer: Mapping[str, Any], start: int, size: int) -> tuple[int, int]:
    """(bytes of the object, bytes due now)."""
    stated = answer.get("ContentRange")
    if stated is None:
        total = int(answer["ContentLength"])
        if start:
            raise StoreUnreachable("the store does not answer ranges")
        return total, min(size, total)
    found = _CONTENT_RANGE.fullmatch(stated)
    if found is None or int(found[1]) != start:
        raise StoreUnreachable("the store answers another range")
    total = int(found[3])
    return total, min(size, total - start)


class S3Reader(io.RawIOBase):
    """One version of an object, from its first window on. Not thread-safe."""

    def __init__(self, client: Any, which: Mapping[str, str], first: Window, attempts: int) -> None:
        self._client, self._which, self._window, self._attempts = client, which, first, attempts
        self._position, self._size = 0, FIRST

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._window.total}[whence]
        if base + offset < 0:
            raise ValueError("a position before the first byte")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: Any, /) -> int:
        """Raises ``StoreUnreachable`` and the archive's other errors of a store."""
        room = memoryview(buffer).cast("B")
        if self._position >= self._window.total or not room:
            return 0
        offset = self._position - self._window.start
        if not 0 <= offset < len(self._window.data):
            self._load()
            offset = 0
        piece = self._window.data[offset : offset + len(room)]
        room[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)

    def _load(self) -> None:
        onward = self._position == self._window.start + len(self._window.data)
        self._size = min(2 * self._size, LARGEST) if onward else FIRST
        total, start, answer = self._window.total, self._position, self._window.answer
        self._window = Window(start, b"", total, answer)  # the old bytes go before the new ones come
        with translated():
            window = fetch(self._client, self._which, start, self._size, self._attempts)
        if window.total != total:
            raise StoreUnreachable("the object's length changes while it is read")
        self._window = window
