"""The bytes of a PDF that is not held in memory: an error of where they come from is no finding on the document."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from zdda.model.errors import IntegrityError, Unavailable

# What a reader of hostile bytes lets through: neither is a fault of the bytes.
OF_THE_SOURCE = (OSError, IntegrityError, Unavailable, MemoryError)
_BUFFER = 1 << 16


class _Raw(io.RawIOBase):
    """The first ``length`` bytes of a stream; places that are none raise ``ValueError`` as in memory. ``failure``: what
    a read of the stream raised first, for a parser in between may have swallowed it."""

    def __init__(self, stream: BinaryIO, length: int) -> None:
        super().__init__()
        self._stream, self._length, self._position = stream, length, 0
        self.failure: BaseException | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence == os.SEEK_SET and offset < 0:
            raise ValueError("negative seek value")
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._length}[whence]
        self._position = max(0, start + offset)
        return self._position

    def readinto(self, buffer: Any) -> int:
        count = min(len(buffer), self._length - self._position)
        if count <= 0:
            return 0
        try:
            self._stream.seek(self._position)
            data = self._stream.read(count)
        except Exception as error:
            self.failure = self.failure or error
            raise
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)


class SourceStream(io.BufferedReader):
    """The first ``length`` bytes of a seekable stream, in blocks; a read takes no more memory than there is to read."""

    raw: _Raw

    def __init__(self, stream: BinaryIO, length: int) -> None:
        super().__init__(_Raw(stream, length), _BUFFER)
        self._length = length

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > _BUFFER:
            size = min(size, max(0, self._length - self.tell()))
        return super().read(size)


@contextmanager
def errors_of_source(stream: BinaryIO) -> Iterator[None]:
    """Whatever comes out of the block: if a read failed in it, or before, that is raised."""
    try:
        yield
    except Exception:
        _raise_failure(stream)
        raise
    _raise_failure(stream)


def _raise_failure(stream: BinaryIO) -> None:
    if isinstance(stream, SourceStream) and stream.raw.failure is not None:
        raise stream.raw.failure
