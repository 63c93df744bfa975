"""Every digest the archive keeps of a piece of content, computed in one pass."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ContentDigests:
    """Length in bytes, SHA-256 (32 bytes), SHA-512 (64 bytes), CRC-32 (ISO 3309, as ZIP wants it; 0 where nobody
    wanted it)."""

    length: int
    sha256: bytes
    sha512: bytes
    crc32: int


class DigestingCounter:
    """Feeds each chunk to all digests; ``result`` may be asked for at any time and changes nothing. ``checksum``:
    whether the CRC-32 is wanted."""

    def __init__(self, checksum: bool = True) -> None:
        self._length, self._checksum = 0, checksum
        self._sha256 = hashlib.sha256()
        self._sha512 = hashlib.sha512()
        self._crc32 = 0

    def update(self, data: bytes | bytearray | memoryview) -> None:
        self._length += len(data)
        self._sha256.update(data)
        self._sha512.update(data)
        if self._checksum:
            self._crc32 = zlib.crc32(data, self._crc32)

    def result(self) -> ContentDigests:
        return ContentDigests(self._length, self._sha256.digest(), self._sha512.digest(), self._crc32)


def digests_of(data: bytes) -> ContentDigests:
    """The digests of a piece of content that is whole in memory."""
    counter = DigestingCounter()
    counter.update(data)
    return counter.result()
