"""The records of a canonical ZIP (APPNOTE 6.3.10 clause 4.3), built from entries alone.

What is not a function of (order, names, methods, checksums, lengths) is a constant, so a reader can
rebuild every byte that is not member data and compare. There is one form of ZIP64 use: sizes go to
ZIP64 together, an offset alone, the end record field by field.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from zdda.packaging.errors import ContainerFormError

STORED = 0
DEFLATED = 8
SEGMENT = 1024 * 1024
"""Uncompressed bytes between two full flushes of a deflated member."""

_MADE_BY = 45
_NEEDED = 20
_NEEDED_ZIP64 = 45
_FLAGS = 0  # names are ASCII, so bit 11 says nothing; sizes come first, so there are no data descriptors
_TIME = 0
_DATE = 0x0021  # 1980-01-01
_MAX16 = 0xFFFF
_MAX32 = 0xFFFFFFFF

_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR = struct.Struct("<4sLQL")
_HEADER64 = struct.Struct("<2H")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*")


@dataclass(frozen=True, slots=True)
class ContainerLimits:
    """What a reader accepts; checked before anything of that size is read."""

    members: int = 60_000
    name: int = 240
    central_directory: int = 16 * 1024 * 1024
    member: int = 1 << 40
    total: int = 1 << 42
    ratio: int = 1100
    """Deflate itself cannot pass 1032 to 1."""


DEFAULT_LIMITS = ContainerLimits()


@dataclass(frozen=True, slots=True)
class Entry:
    """One member as the directory tells it; ``offset`` is that of its local header."""

    name: str
    method: int
    crc32: int
    compressed: int
    length: int
    offset: int

    @property
    def data_offset(self) -> int:
        """Offset of the member's first byte of data."""
        return self.offset + len(local_header(self))

    @property
    def end(self) -> int:
        """Offset of the byte after the member's data."""
        return self.data_offset + self.compressed


def check_name(name: str, limits: ContainerLimits = DEFAULT_LIMITS) -> None:
    """Raises :class:`ContainerFormError` unless ``name`` is a relative ASCII path of plain segments."""
    if len(name) > limits.name or not _NAME.fullmatch(name):
        raise ContainerFormError("a member has a name the canonical form does not know")


def _zip64_sizes(entry: Entry) -> bool:
    return entry.length >= _MAX32 or entry.compressed >= _MAX32


def local_header(entry: Entry) -> bytes:
    """The local file header (4.3.7) with name and, where sizes need it, ZIP64 field (4.5.3)."""
    name = entry.name.encode("ascii")
    big = _zip64_sizes(entry)
    extra = _HEADER64.pack(1, 16) + struct.pack("<2Q", entry.length, entry.compressed) if big else b""
    fixed = _LOCAL.pack(
        b"PK\x03\x04",
        _NEEDED_ZIP64 if big else _NEEDED,
        _FLAGS,
        entry.method,
        _TIME,
        _DATE,
        entry.crc32,
        _MAX32 if big else entry.compressed,
        _MAX32 if big else entry.length,
        len(name),
        len(extra),
    )
    return fixed + name + extra


def central_header(entry: Entry) -> bytes:
    """The central directory header (4.3.12): no comment, disk 0, no attributes."""
    name = entry.name.encode("ascii")
    big, far = _zip64_sizes(entry), entry.offset >= _MAX32
    values = (struct.pack("<2Q", entry.length, entry.compressed) if big else b"") + (
        struct.pack("<Q", entry.offset) if far else b""
    )
    extra = _HEADER64.pack(1, len(values)) + values if values else b""
    fixed = _CENTRAL.pack(
        b"PK\x01\x02",
        _MADE_BY,
        _NEEDED_ZIP64 if big or far else _NEEDED,
        _FLAGS,
        entry.method,
        _TIME,
        _DATE,
        entry.crc32,
        _MAX32 if big else entry.compressed,
        _MAX32 if big else entry.length,
        len(name),
        len(extra),
        0,
        0,
        0,
        0,
        _MAX32 if far else entry.offset,
    )
    return fixed + name + extra


def end_records(count: int, size: int, offset: int) -> bytes:
    """End of central directory (4.3.16), preceded by the ZIP64 records where a field does not fit."""
    end = _END.pack(
        b"PK\x05\x06", 0, 0, min(count, _MAX16), min(count, _MAX16), min(size, _MAX32), min(offset, _MAX32), 0
    )
    if count < _MAX16 and size < _MAX32 and offset < _MAX32:
        return end
    end64 = _END64.pack(b"PK\x06\x06", 44, _MADE_BY, _NEEDED_ZIP64, 0, 0, count, count, size, offset)
    return end64 + _LOCATOR.pack(b"PK\x06\x07", 0, offset + size, 1) + end


END_LENGTH = _END.size
END64_LENGTH = _END64.size + _LOCATOR.size


def parse_end(tail: bytes) -> tuple[int, int, int, int]:
    """Reads the last bytes of a container (up to ``END64_LENGTH + END_LENGTH``).

    Returns (number of members, directory size, directory offset, length of the end records). Only hints:
    the caller rebuilds and compares.
    """
    if len(tail) < END_LENGTH:
        raise ContainerFormError("the container ends before its directory")
    signature, _, _, _, count, size, offset, _ = _END.unpack(tail[-END_LENGTH:])
    if signature != b"PK\x05\x06":
        raise ContainerFormError("the container does not end with an end record")
    if count < _MAX16 and size < _MAX32 and offset < _MAX32:
        return count, size, offset, END_LENGTH
    if len(tail) < END64_LENGTH + END_LENGTH:
        raise ContainerFormError("the container lacks its ZIP64 end record")
    fields = _END64.unpack(tail[-END_LENGTH - END64_LENGTH : -END_LENGTH - _LOCATOR.size])
    return fields[7], fields[8], fields[9], END_LENGTH + END64_LENGTH


def parse_central(data: bytes, count: int, limits: ContainerLimits) -> tuple[Entry, ...]:
    """Reads ``count`` central headers out of ``data``; every bound of ``limits`` is checked here."""
    entries: list[Entry] = []
    position = 0
    for _ in range(count):
        if position + _CENTRAL.size > len(data):
            raise ContainerFormError("the directory is cut short")
        fields = _CENTRAL.unpack_from(data, position)
        name_length, extra_length = fields[10], fields[11]
        position += _CENTRAL.size
        raw, extra = data[position : position + name_length], data[position + name_length :][:extra_length]
        position += name_length + extra_length
        if len(raw) != name_length or len(extra) != extra_length or extra_length > 28:
            raise ContainerFormError("the directory is cut short")
        try:
            name = raw.decode("ascii")
        except UnicodeDecodeError:
            raise ContainerFormError("a member has a name the canonical form does not know") from None
        check_name(name, limits)
        entries.append(_entry(name, fields, extra, limits))
    if position != len(data):
        raise ContainerFormError("the directory is longer than its members")
    return tuple(entries)


def _entry(name: str, fields: Sequence[int], extra: bytes, limits: ContainerLimits) -> Entry:
    method, crc32, compressed, length, offset = fields[4], fields[7], fields[8], fields[9], fields[16]
    values = list(struct.unpack(f"<{(len(extra) - 4) // 8}Q", extra[4:])) if len(extra) in (12, 20, 28) else []
    if length == _MAX32 and compressed == _MAX32 and len(values) >= 2:
        length, compressed = values[:2]
        del values[:2]
    if offset == _MAX32 and values:
        offset = values.pop(0)
    if method not in (STORED, DEFLATED):
        raise ContainerFormError("is neither stored nor deflated", name)
    if method == STORED and length != compressed:
        raise ContainerFormError("is stored with two lengths", name)
    if length > limits.member or compressed > limits.member:
        raise ContainerFormError("is longer than allowed", name)
    if method == DEFLATED and (not compressed or length > compressed * limits.ratio):
        raise ContainerFormError("expands more than allowed", name)
    return Entry(name, method, crc32, compressed, length, offset)
