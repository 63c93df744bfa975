"""The container index: where the full flushes of deflated members are, and the digests of what lies between.

Canonical JSON. Deflate data can be changed in its unused bits without changing what it expands to;
the digests of the compressed segments bind every bit, and let a range be read and checked alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from zdda.model.canonical_json import canonical_json, parse_json
from zdda.packaging.errors import MetadataBroken
from zdda.packaging.zip_structure import SEGMENT

FORMAT = "zdda-container-index/1"
LIMIT = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Segment:
    """One flushed stretch of deflate data: its compressed length and the SHA-256 of those bytes."""

    compressed: int
    sha256: bytes


SegmentIndex = Mapping[str, tuple[Segment, ...]]
"""Member's path within the package folder → its segments, in order. Stored members are not listed."""


def encode_index(index: SegmentIndex) -> bytes:
    """``{"format", "members": [{"path", "segments": [[length, hex digest], …]}, …], "segment"}``, paths ascending."""
    members = [
        {"path": path, "segments": [[each.compressed, each.sha256.hex()] for each in index[path]]}
        for path in sorted(index)
    ]
    return canonical_json({"format": FORMAT, "segment": SEGMENT, "members": members})


def decode_index(data: bytes, member: str) -> dict[str, tuple[Segment, ...]]:
    """Reads what :func:`encode_index` wrote and nothing else; raises :class:`MetadataBroken`."""
    try:
        value = parse_json(data, LIMIT)
        index = {
            each["path"]: tuple(Segment(length, bytes.fromhex(digest)) for length, digest in each["segments"])
            for each in value["members"]
        }
        if encode_index(index) != data:
            raise ValueError("not canonical")
        for segments in index.values():
            for segment in segments:
                if type(segment.compressed) is not int or not 0 < segment.compressed <= 2 * SEGMENT:
                    raise ValueError("a segment has an impossible length")
                if len(segment.sha256) != 32:
                    raise ValueError("a digest has the wrong length")
    except (ValueError, KeyError, TypeError, AttributeError):
        raise MetadataBroken("is not a container index", member) from None
    return index
