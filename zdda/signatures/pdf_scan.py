"""Where signature dictionaries and the names of document security stores stand in a PDF: looked for in the bytes,
whatever its structure says."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import BinaryIO

MAXIMUM_PLACES = 200
_BLOCK = 1 << 20
_WINDOWS = (1 << 12, 1 << 16, 1 << 20)
_LETTERS = b"".join(b"(?:%c|#(?i:%02x))" % (letter, letter) for letter in b"ByteRange")
# However the name of the one is written (ISO 32000-2 clause 7.3.5).
_MARK = re.compile(rb"/(?:(DSS)(?=[\s<])|" + _LETTERS + rb"(?=[\s\[%]))")
# It begins nowhere but before a whole number, and looks a short way ahead: hexadecimal zeros come by the thousand.
_OBJECT_START = re.compile(rb"(?<![0-9])[0-9]{1,10}\s{1,8}[0-9]{1,5}\s{1,8}obj\s{0,8}(?=<<)")


def marked_places(stream: BinaryIO) -> tuple[list[int], list[int]]:
    """(offsets of the first /ByteRange entries in the file, at most one more than ``MAXIMUM_PLACES``; offsets of all
    /DSS entries)."""
    position, tail = 0, b""
    ranges: set[int] = set()
    stores: set[int] = set()
    stream.seek(0)
    while block := stream.read(_BLOCK):
        data = tail + block
        base = position - len(tail)
        for match in _MARK.finditer(data):
            if match.lastindex:
                stores.add(base + match.start())
            elif len(ranges) <= MAXIMUM_PLACES:
                ranges.add(base + match.start())
        position += len(block)
        tail = data[-64:]
    return sorted(ranges), sorted(stores)


def object_start(read: Callable[[int, int], bytes], hit: int) -> int | None:
    """Where the contents of the object begin whose header is the last before ``hit``; None where there is none within a
    mebibyte. ``read`` gives the bytes between two offsets."""
    for reach in _WINDOWS:
        window = min(hit, reach)
        ends = [mark.end() for mark in _OBJECT_START.finditer(read(hit - window, hit))]
        if ends:
            return hit - window + ends[-1]
    return None
