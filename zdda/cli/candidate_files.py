"""Candidates for detached content as files that are open only while they are read: there may be many."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import BinaryIO


class CandidateFile(io.RawIOBase):
    """A file by its path. It is opened by the first read after a ``seek`` and closed when its end is read.

    Raises ``OSError`` at once where the path is no regular file; reading may raise it later.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._length = path.stat().st_size
        if not path.is_file():
            raise OSError(None, "not a regular file")
        self._position = 0
        self._file: BinaryIO | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._length}[whence]
        self._position = base + offset
        if self._file is not None:
            self._file.seek(self._position)
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if self._file is None:
            self._file = self._path.open("rb")
            self._file.seek(self._position)
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        self._position += len(data)
        if not data:
            self._file.close()
            self._file = None
        return len(data)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        super().close()
