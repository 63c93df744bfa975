"""One segment of the key area: a preallocated file of fixed-size slots, each with two copies written in turn.

    header     4096 bytes: magic, slots, copy size, zeros
    region A   copy A of every slot, one after another
    region B   copy B of every slot

A copy is ``magic (4) | counter (8) | length (2) | body | zeros | SHA-256 (32)`` in ``COPY`` bytes; the digest covers
all that is before it. The valid copy with the higher counter is the slot's content; an empty body is an erased slot.
A write goes to the copy that is *not* the content, so a torn write loses only itself.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from zdda.model.clock import Entropy
from zdda.model.errors import IntegrityError
from zdda.storage.durable_files import sync_folder

MAGIC = b"ZKA1"
COPY_MAGIC = b"ZKS1"
HEADER = 4096
COPY = 1024
SLOTS = 1024
LARGEST_BODY = COPY - 4 - 8 - 2 - 32
_SIZE = HEADER + 2 * SLOTS * COPY


class SegmentMalformed(IntegrityError):
    """The file is no segment of a key area."""

    code = "segment-malformed"


def encode_copy(counter: int, body: bytes) -> bytes:
    """The bytes of one copy; raises ``ValueError`` for a body over ``LARGEST_BODY`` bytes."""
    if len(body) > LARGEST_BODY:
        raise ValueError(f"a slot holds {LARGEST_BODY} bytes at most")
    front = COPY_MAGIC + counter.to_bytes(8) + len(body).to_bytes(2) + body
    front = front.ljust(COPY - 32, b"\0")
    return front + hashlib.sha256(front).digest()


def decode_copy(data: bytes) -> tuple[int, bytes] | None:
    """(counter, body), or None for a copy that was never written or is damaged."""
    if len(data) != COPY or data[:4] != COPY_MAGIC or hashlib.sha256(data[:-32]).digest() != data[-32:]:
        return None
    length = int.from_bytes(data[12:14])
    return (int.from_bytes(data[4:12]), data[14 : 14 + length]) if length <= LARGEST_BODY else None


class Segment:
    """An open segment. Not thread-safe: the key area holds the lock. Nothing is synced here but by ``sync``."""

    def __init__(self, path: Path) -> None:
        """Opens a segment; raises ``SegmentMalformed``."""
        self.path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        if os.pread(self._descriptor, HEADER, 0) != segment_header() or os.fstat(self._descriptor).st_size != _SIZE:
            os.close(self._descriptor)
            raise SegmentMalformed("the file is no segment of a key area")
        self.counters = [0] * SLOTS

    @classmethod
    def create(cls, path: Path) -> Segment:
        """A new segment of blank slots, durable; raises ``FileExistsError`` rather than touch one that is there."""
        _create(path)
        return cls(path)

    def close(self) -> None:
        os.close(self._descriptor)

    def scan(self) -> Iterator[tuple[int, bytes, bool]]:
        """(slot, body, damaged) of every slot; reads the counters. ``damaged``: a copy that is neither valid nor
        blank, which is what a torn write or a flipped bit leaves."""
        for slot in range(SLOTS):
            found, damaged = self._copies(slot)
            self.counters[slot], body = max(found, default=(0, b""))
            yield slot, body, damaged

    def read(self, slot: int) -> bytes:
        """The slot's content; empty when erased, never written, or damaged in both copies."""
        return max(self._copies(slot)[0], default=(0, b""))[1]

    def write(self, slot: int, body: bytes) -> None:
        """Writes the next content into the older copy."""
        counter = self.counters[slot] + 1
        self._put(slot_offset(slot, counter % 2), encode_copy(counter, body))
        self.counters[slot] = counter

    def erase(self, slot: int, passes: int, entropy: Entropy) -> None:
        """Overwrites both copies ``passes`` times (zeros, ones, random, …), each pass synced, then marks it free."""
        for number in range(passes):
            for copy in (0, 1):
                pattern = (b"\0" * COPY, b"\xff" * COPY, b"")[number % 3] or entropy(COPY)
                self._put(slot_offset(slot, copy), pattern)
            self.sync()
        self.counters[slot] += 1
        self._put(slot_offset(slot, 0), encode_copy(self.counters[slot], b""))
        self._put(slot_offset(slot, 1), encode_copy(self.counters[slot], b""))
        self.sync()

    def sync(self) -> None:
        os.fdatasync(self._descriptor)

    def _copies(self, slot: int) -> tuple[list[tuple[int, bytes]], bool]:
        copies = [os.pread(self._descriptor, COPY, slot_offset(slot, copy)) for copy in (0, 1)]
        decoded = [decode_copy(data) for data in copies]
        damaged = any(item is None and data.strip(b"\0") != b"" for data, item in zip(copies, decoded, strict=True))
        return [item for item in decoded if item is not None], damaged

    def _put(self, offset: int, data: bytes) -> None:
        if os.pwrite(self._descriptor, data, offset) != len(data):
            raise OSError("a slot was written in part")


def slot_offset(slot: int, copy: int) -> int:
    """Where a copy begins: 0 is A, 1 is B."""
    return HEADER + copy * SLOTS * COPY + slot * COPY


def segment_header() -> bytes:
    """The first bytes of every segment."""
    return (MAGIC + SLOTS.to_bytes(4) + COPY.to_bytes(4)).ljust(HEADER, b"\0")


def _create(path: Path) -> None:
    temporary = path.with_suffix(".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, _SIZE)
        os.pwrite(descriptor, segment_header(), 0)
        os.fsync(descriptor)
        os.link(temporary, path)
    finally:
        os.close(descriptor)
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)
