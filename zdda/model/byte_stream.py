"""Seekable bytes that are read only: what every reader of the archive's own has in common with a file."""

from __future__ import annotations

import io


class ByteStream(io.RawIOBase):
    """``length`` bytes and a position among them. A reader gives ``readinto`` (and ``read``), which moves the
    position. Not thread-safe."""

    length: int
    _position: int = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Raises ``ValueError`` for a position before the first byte."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.length}.get(whence)
        if base is None:
            raise ValueError("no such place to count from")
        if base + offset < 0:
            raise ValueError("a position before the first byte")
        self._position = base + offset
        return self._position
