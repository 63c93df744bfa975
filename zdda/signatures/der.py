"""A few bytes of DER: reading and writing one tag-length-value, for places where bytes must be kept exactly."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from zdda.signatures.errors import FormatError

SEQUENCE, SET, OBJECT_IDENTIFIER, OCTET_STRING = 0x30, 0x31, 0x06, 0x04


def encode(tag: int, contents: bytes) -> bytes:
    """One definite-length TLV with a one-byte tag (X.690 clause 10.1)."""
    length = len(contents)
    if length < 0x80:
        return bytes((tag, length)) + contents
    octets = length.to_bytes((length.bit_length() + 7) // 8)
    return bytes((tag, 0x80 | len(octets))) + octets + contents


def read(data: bytes, start: int = 0, end: int | None = None) -> tuple[int, int, int, int]:
    """(tag, start of the contents, end of the contents, end of the value) of the TLV at ``start``.

    Only one-byte tags and definite lengths; raises ``FormatError`` for anything else or for truncation.
    """
    limit = len(data) if end is None else end
    if start + 2 > limit:
        raise FormatError("DER ends inside a header")
    tag, first = data[start], data[start + 1]
    if tag & 0x1F == 0x1F:
        raise FormatError("DER with a long tag")
    body = start + 2
    if first < 0x80:
        stop = body + first
    else:
        count = first & 0x7F
        if not 1 <= count <= 8 or body + count > limit:
            raise FormatError("DER with an indefinite or truncated length")
        stop = body + count + int.from_bytes(data[body : body + count])
        body += count
    if stop > limit:
        raise FormatError("DER ends inside a value")
    return tag, body, stop, stop


def children(data: bytes, start: int, end: int, limit: int = 10_000) -> Iterator[tuple[int, int, int]]:
    """(tag, start, end) of each TLV, header included, between ``start`` and ``end``."""
    count = 0
    while start < end:
        count += 1
        if count > limit:
            raise FormatError(f"DER with more than {limit} elements")
        tag, _, _, stop = read(data, start, end)
        yield tag, start, stop
        start = stop


def whole_length(data: bytes) -> int:
    """The length in bytes of the first TLV of ``data``, what follows it (padding) left out."""
    return read(data)[3]


def in_utc(moment: datetime) -> datetime:
    """A time as a parser gave it, in UTC. Raises ``FormatError`` for one without a zone: DER has Z always (X.690
    clauses 11.7 and 11.8), and the zone of the machine that reads is nobody's meaning."""
    if moment.tzinfo is None:
        raise FormatError("a time without a zone")
    return moment.astimezone(UTC)
