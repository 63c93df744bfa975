"""BER (X.690 clause 8.1) where bytes must be kept exactly: what a value holds, under either form of length."""

from __future__ import annotations

from collections.abc import Iterator

from zdda.signatures import der as tlv
from zdda.signatures.errors import FormatError

_MAXIMUM_MEMBERS = 100_000
_MAXIMUM_ELEMENTS = 1_000_000
_MAXIMUM_DEPTH = 64
_INDEFINITE = 0x80


def members(data: bytes) -> list[bytes]:
    """What a constructed value holds; nothing for no bytes."""
    if not data:
        return []
    _, start, end, _ = extent(data)
    return [data[first:last] for first, last in _spans(data, start, end)]


def _spans(data: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
    count = 0
    while start < end:
        count += 1
        if count > _MAXIMUM_MEMBERS:
            raise FormatError("BER with too many members")
        _, _, _, stop = extent(data, start, end)
        yield start, stop
        start = stop


def extent(data: bytes, start: int = 0, end: int | None = None) -> tuple[int, int, int, int]:
    """(tag, start of the contents, end of the contents, end of the value) under a definite or an indefinite length.

    Raises ``FormatError`` for truncation, long tags, more than 64 indefinite lengths in one another.
    """
    limit = len(data) if end is None else end
    if data[start + 1 : start + 2] != bytes((_INDEFINITE,)):
        return tlv.read(data, start, limit)
    place, depth, count = start + 2, 1, 0
    while depth:
        count += 1
        if count > _MAXIMUM_ELEMENTS or depth > _MAXIMUM_DEPTH:
            raise FormatError("BER is nested too deeply or has too many elements")
        if place + 2 > limit:
            raise FormatError("BER ends inside a value")
        if data[place : place + 2] == b"\x00\x00":
            place, depth = place + 2, depth - 1
        elif data[place + 1] == _INDEFINITE:
            place, depth = place + 2, depth + 1
        else:
            place = tlv.read(data, place, limit)[3]
    return data[start], start + 2, place - 2, place
