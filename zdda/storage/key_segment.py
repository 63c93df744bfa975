"""Object records as lines of one object in a bucket.

    zdda-key-segment/1 <lines>
    <SHA-256 of the record, 64 hex digits> <the record's canonical JSON>

Canonical JSON has no line breaks. Each line answers for itself: a line that rots takes no other with it, and is carried
along as it is when the object is rewritten, so that its rot is never made to look sound.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

FORMAT = b"zdda-key-segment/1"
MOST = 1000
"""Lines of one object."""
LARGEST = 2 * 1024 * 1024
"""Bytes of one object: twice what as many of the longest records have."""
_DIGEST = 64


@dataclass(frozen=True, slots=True)
class Line:
    """One line, its end included; where it begins. ``body`` is the record's bytes, None where the line is damaged."""

    offset: int
    raw: bytes
    body: bytes | None


def line_of(body: bytes) -> bytes:
    """The line that holds a record."""
    return hashlib.sha256(body).hexdigest().encode("ascii") + b" " + body + b"\n"


def body_of(line: bytes) -> bytes | None:
    """The record of a line; None for one that is damaged."""
    digest, body = line[:_DIGEST], line[_DIGEST + 1 : -1]
    if line[_DIGEST : _DIGEST + 1] != b" " or line[-1:] != b"\n":
        return None
    return body if hashlib.sha256(body).hexdigest().encode("ascii") == digest else None


def encode_segment(lines: Iterable[bytes]) -> bytes:
    """The object's bytes."""
    all_of_them = list(lines)
    return FORMAT + b" %d\n" % len(all_of_them) + b"".join(all_of_them)


def decode_segment(data: bytes) -> tuple[list[Line], str | None]:
    """The lines, sound or not, and what is wrong with the whole; None where nothing is."""
    head, end, _ = data.partition(b"\n")
    name, _, count = head.partition(b" ")
    if not end or name != FORMAT or not count.isdigit() or len(count) > 6:
        return [], "does not begin as a segment"
    lines, offset = [], len(head) + 1
    for raw in _split(data[offset:]):
        lines.append(Line(offset, raw, body_of(raw)))
        offset += len(raw)
    return lines, None if len(lines) == int(count) else "does not have as many lines as it says"


def _split(data: bytes) -> list[bytes]:
    pieces = data.split(b"\n")
    last = pieces.pop()
    return [piece + b"\n" for piece in pieces] + ([last] if last else [])
