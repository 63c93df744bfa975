"""A stream that is open only while it is read: candidates for detached content may be many, open files few."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from typing import BinaryIO


class LateStream(io.RawIOBase, BinaryIO):
    """``opener`` gives a seekable stream; it is called by the first read, and again by reads after the end was read,
    where the stream is closed. Whatever ``opener`` or the stream raises is passed on."""

    def __init__(self, opener: Callable[[], BinaryIO]) -> None:
        super().__init__()
        self._opener = opener
        self._position = 0
        self._stream: BinaryIO | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence == os.SEEK_END:
            self._position = self._opened().seek(offset, whence)
        else:
            self._position = offset + (self._position if whence == os.SEEK_CUR else 0)
            if self._stream is not None:
                self._stream.seek(self._position)
        return self._position

    def tell(self) -> int:
        return self._position

    def read(self, size: int = -1) -> bytes:
        data = self._opened().read(size)
        self._position += len(data)
        if not data or size < 0:
            self._release()
        return data

    def _opened(self) -> BinaryIO:
        if self._stream is None:
            self._stream = self._opener()
            self._stream.seek(self._position)
        return self._stream

    def _release(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def close(self) -> None:
        self._release()
        super().close()
