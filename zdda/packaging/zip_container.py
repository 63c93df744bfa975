"""Writing the canonical ZIP as a stream, reading it strictly (the structure itself: ``zip_structure``).

Writing never seeks: lengths and checksums are known before the first byte, those of deflate data from a
first counting pass. Memory: two segments (2 MiB), whatever the size.
"""

from __future__ import annotations

import hashlib
import io
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import accumulate
from typing import BinaryIO, Protocol

from zdda.crypto.digests import ContentDigests, DigestingCounter
from zdda.model.byte_stream import ByteStream
from zdda.packaging.container_index import Segment, SegmentIndex
from zdda.packaging.errors import ContainerFormError, MemberDamaged, MemberMissing, UnsupportedPackage
from zdda.packaging.zip_structure import (
    DEFAULT_LIMITS,
    DEFLATED,
    END64_LENGTH,
    END_LENGTH,
    SEGMENT,
    STORED,
    ContainerLimits,
    Entry,
    central_header,
    check_name,
    end_records,
    local_header,
    parse_central,
    parse_end,
)

_LEVEL = 6
_WORTH_DEFLATING = 4096
"""Members shorter than this are stored: a deflate state costs more than it saves."""


class Sink(Protocol):
    """Takes bytes in order."""

    def write(self, data: bytes, /) -> object: ...


@dataclass(frozen=True, slots=True)
class Member:
    """A member to be written. ``open`` gives its bytes from the start, each time it is called; ``data`` is there
    where they are whole in memory, digested just now."""

    name: str
    length: int
    crc32: int
    sha256: bytes
    open: Callable[[], BinaryIO]
    deflate: bool = False
    data: bytes | None = None

    @classmethod
    def of(cls, name: str, data: bytes, deflate: bool = False) -> Member:
        """A member that is whole in memory."""
        digest = hashlib.sha256(data).digest()
        return cls(name, len(data), zlib.crc32(data), digest, lambda: io.BytesIO(data), deflate, data)


@dataclass(frozen=True, slots=True)
class PlannedMember:
    """A member whose stored form is decided. ``kept`` is its deflate data where that is small."""

    member: Member
    method: int
    compressed: int
    segments: tuple[Segment, ...] = ()
    kept: bytes | None = None


def plan_member(member: Member) -> PlannedMember:
    """Deflates once, counting, where the member asks for it; stored unless that is shorter.

    Raises :class:`MemberDamaged` where the stream is not of the stated length.
    """
    check_name(member.name)
    if not member.deflate or member.length < _WORTH_DEFLATING:
        return PlannedMember(member, STORED, member.length)
    segments: list[Segment] = []
    kept = b""
    for data in _deflate(member):
        segments.append(Segment(len(data), hashlib.sha256(data).digest()))
        if len(segments) == 1:
            kept = data
    compressed = sum(segment.compressed for segment in segments)
    if compressed >= member.length:
        return PlannedMember(member, STORED, member.length)
    return PlannedMember(member, DEFLATED, compressed, tuple(segments), kept if len(segments) == 1 else None)


def write_container(members: Sequence[PlannedMember], sink: Sink) -> int:
    """Writes the members in the order given and returns the container's length.

    Raises :class:`MemberDamaged` where a stream no longer gives the bytes that were planned; what was
    written until then is worthless.
    """
    _check_names(members)
    entries: list[Entry] = []
    offset = 0
    for planned in members:
        member = planned.member
        entry = Entry(member.name, planned.method, member.crc32, planned.compressed, member.length, offset)
        sink.write(local_header(entry))
        written = 0
        for data in _stored_form(planned):
            sink.write(data)
            written += len(data)
        if written != planned.compressed:
            raise MemberDamaged("is not of the stated length", member.name)
        entries.append(entry)
        offset = entry.end
    size = 0
    for entry in entries:
        header = central_header(entry)
        sink.write(header)
        size += len(header)
    end = end_records(len(entries), size, offset)
    sink.write(end)
    return offset + size + len(end)


def _check_names(members: Sequence[PlannedMember]) -> None:
    if len(members) > DEFAULT_LIMITS.members:
        raise UnsupportedPackage("the package has too many members")
    names = {planned.member.name.lower() for planned in members}
    if len(names) != len(members):
        raise UnsupportedPackage("two members of the package have the same name")


def _stored_form(planned: PlannedMember) -> Iterator[bytes]:
    if planned.method == STORED:
        yield from _chunks(planned.member)
    elif planned.kept is not None:
        yield planned.kept
    else:
        for number, data in enumerate(_deflate(planned.member)):
            if hashlib.sha256(data).digest() != planned.segments[number].sha256:
                raise MemberDamaged("deflates differently a second time", planned.member.name)
            yield data


def _chunks(member: Member) -> Iterator[bytes]:
    """The member's bytes in segments, checked against its length and digests at the end."""
    if member.data is not None:
        for start in range(0, member.length, SEGMENT):
            yield member.data[start : start + SEGMENT]
        return
    digest, checksum, left = hashlib.sha256(), 0, member.length
    with closing(member.open()) as stream:
        while left:
            data = _read_exactly(stream, min(left, SEGMENT), member.name)
            digest.update(data)
            checksum = zlib.crc32(data, checksum)
            left -= len(data)
            yield data
        if stream.read(1):
            raise MemberDamaged("is longer than stated", member.name)
    if digest.digest() != member.sha256 or checksum != member.crc32:
        raise MemberDamaged("does not have the stated digest", member.name)


def _deflate(member: Member) -> Iterator[bytes]:
    left = member.length
    deflater = zlib.compressobj(_LEVEL, zlib.DEFLATED, -15)
    for data in _chunks(member):
        left -= len(data)
        yield deflater.compress(data) + deflater.flush(zlib.Z_FULL_FLUSH if left else zlib.Z_FINISH)


def _read_exactly(stream: BinaryIO, length: int, name: str) -> bytes:
    data = stream.read(length)
    if len(data) == length:
        return data
    parts = [data]
    length -= len(data)
    while length:
        data = stream.read(length)
        if not data:
            raise MemberDamaged("ends early", name)
        parts.append(data)
        length -= len(data)
    return b"".join(parts)


class ZipReader:
    """A container whose whole structure was rebuilt and found canonical when this object was made.

    ``source`` is seekable and stays open as long as this is used; one thread at a time. Deflated members
    can be read once :meth:`use_index` has been called.
    """

    def __init__(self, source: BinaryIO, limits: ContainerLimits = DEFAULT_LIMITS) -> None:
        """Raises :class:`ContainerFormError`."""
        self._source = source
        self._index: dict[str, tuple[tuple[Segment, ...], list[int]]] = {}
        self.length = source.seek(0, io.SEEK_END)
        if self.length > limits.total:
            raise ContainerFormError("the container is longer than allowed")
        tail = self._at(max(0, self.length - END_LENGTH - END64_LENGTH), END_LENGTH + END64_LENGTH)
        count, size, offset, end_length = parse_end(tail)
        if count > limits.members or size > limits.central_directory:
            raise ContainerFormError("the directory is longer than allowed")
        if offset + size + end_length != self.length:
            raise ContainerFormError("the directory is not where it belongs")
        directory = self._at(offset, size)
        entries = parse_central(directory, count, limits)
        if end_records(count, size, offset) != tail[-end_length:]:
            raise ContainerFormError("the end record is not canonical")
        if b"".join(map(central_header, entries)) != directory:
            raise ContainerFormError("the directory is not canonical")
        self._check_locals(entries, offset)
        self.entries = entries
        self._by_name = {entry.name: entry for entry in entries}
        if len({name.lower() for name in self._by_name}) != len(entries):
            raise ContainerFormError("two members have the same name")

    def _check_locals(self, entries: Sequence[Entry], end: int) -> None:
        position = 0
        for entry in entries:
            header = local_header(entry)
            if entry.offset != position or entry.end > end:
                raise ContainerFormError("does not lie where it belongs", entry.name)
            if self._at(position, len(header)) != header:
                raise ContainerFormError("has a local header that is not canonical", entry.name)
            position = entry.end
        if position != end:
            raise ContainerFormError("bytes between the last member and the directory")

    def _at(self, offset: int, length: int) -> bytes:
        self._source.seek(offset)
        parts = []
        while length and (data := self._source.read(length)):
            parts.append(data)
            length -= len(data)
        return b"".join(parts)

    @property
    def names(self) -> tuple[str, ...]:
        """All names in the order of the container."""
        return tuple(self._by_name)

    def entry(self, name: str) -> Entry:
        """Raises :class:`MemberMissing`."""
        if name not in self._by_name:
            raise MemberMissing("is missing", name)
        return self._by_name[name]

    def use_index(self, index: SegmentIndex) -> None:
        """Takes the segments of all deflated members by full name: exactly those, lengths adding up."""
        deflated = {entry.name for entry in self.entries if entry.method == DEFLATED}
        if deflated != set(index):
            raise ContainerFormError("the container index does not list exactly the deflated members")
        for name, segments in index.items():
            entry = self._by_name[name]
            fits = len(segments) == -(-entry.length // SEGMENT) and entry.length
            if not fits or sum(segment.compressed for segment in segments) != entry.compressed:
                raise ContainerFormError("does not have the segments the index tells", name)
            offsets = accumulate((segment.compressed for segment in segments), initial=entry.data_offset)
            self._index[name] = (segments, list(offsets))

    def read_segment(self, name: str, number: int) -> bytes:
        """Uncompressed bytes ``number · 1 MiB`` and on, at most 1 MiB.

        Of deflate data every bit is checked; of a stored member nothing is (the caller checks it whole).
        """
        entry = self.entry(name)
        start = number * SEGMENT
        length = min(SEGMENT, entry.length - start)
        if length <= 0:
            return b""
        if entry.method == STORED:
            data = self._at(entry.data_offset + start, length)
            if len(data) != length:
                raise MemberDamaged("ends early", name)
            return data
        if name not in self._index:
            raise ContainerFormError("is deflated, and no index was given", name)
        segments, offsets = self._index[name]
        return _inflate(self._at(offsets[number], segments[number].compressed), segments, number, length, name)

    def segments(self, name: str) -> Iterator[bytes]:
        """The member in order, in pieces of at most 1 MiB; raises :class:`MemberDamaged` at a wrong CRC-32."""
        entry, checksum = self.entry(name), 0
        for number in range(-(-entry.length // SEGMENT)):
            data = self.read_segment(name, number)
            checksum = zlib.crc32(data, checksum)
            yield data
        if checksum != entry.crc32:
            raise MemberDamaged("does not have its checksum", name)

    def digests(self, name: str) -> ContentDigests:
        """Reads the member whole in constant memory."""
        counter = DigestingCounter()
        for data in self.segments(name):
            counter.update(data)
        return counter.result()

    def read(self, name: str, limit: int) -> bytes:
        """The member whole; raises :class:`ContainerFormError` where it is over ``limit`` bytes."""
        if self.entry(name).length > limit:
            raise ContainerFormError("is longer than allowed", name)
        return b"".join(self.segments(name))

    def open_member(self, name: str) -> MemberStream:
        """A seekable stream of the member; see :meth:`read_segment` for what is checked."""
        return MemberStream(self, name)


def _inflate(data: bytes, segments: Sequence[Segment], number: int, length: int, name: str) -> bytes:
    segment, last = segments[number], number == len(segments) - 1
    if len(data) != segment.compressed or hashlib.sha256(data).digest() != segment.sha256:
        raise MemberDamaged("has other deflate data than the index tells", name)
    inflater = zlib.decompressobj(-15)
    try:
        plain = inflater.decompress(data, length + 1)
    except zlib.error:
        raise MemberDamaged("cannot be inflated", name) from None
    ended = inflater.eof if last else not inflater.eof and data.endswith(b"\x00\x00\xff\xff")
    if len(plain) != length or not ended or inflater.unused_data or inflater.unconsumed_tail:
        raise MemberDamaged("is not flushed where it has to be", name)
    return plain


class MemberStream(ByteStream):
    """A member as a seekable, read-only stream; holds one segment in memory."""

    def __init__(self, reader: ZipReader, name: str) -> None:
        self._reader = reader
        self._name = name
        self.length = reader.entry(name).length
        self._position = 0
        self._held: tuple[int, bytes] = (-1, b"")

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        number, start = divmod(self._position, SEGMENT)
        if not len(view) or self._position >= self.length:
            return 0
        if self._held[0] != number:
            self._held = (number, self._reader.read_segment(self._name, number))
        data = self._held[1][start : start + len(view)]
        view[: len(data)] = data
        self._position += len(data)
        return len(data)
