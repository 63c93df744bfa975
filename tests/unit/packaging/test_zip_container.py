"""The canonical ZIP: what is written is read back, foreign tools read it, and no other form is."""

from __future__ import annotations

import hashlib
import io
import random
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from typing import Any, BinaryIO, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zdda.packaging.container_index import Segment, decode_index, encode_index
from zdda.packaging.errors import ContainerFormError, MemberDamaged, MetadataBroken, PackageError
from zdda.packaging.zip_container import Member, ZipReader, plan_member, write_container
from zdda.packaging.zip_structure import (
    DEFLATED,
    SEGMENT,
    STORED,
    ContainerLimits,
    Entry,
    central_header,
    check_name,
    end_records,
    local_header,
)

TEXT = b"Ambulance report, line by line.\n" * 90_000  # 2.7 MiB
NOISE = random.Random(1).randbytes(1_500_000)


def container(members: list[Member]) -> tuple[bytes, dict[str, tuple[Segment, ...]]]:
    planned = [plan_member(member) for member in members]
    sink = io.BytesIO()
    assert write_container(planned, sink) == len(sink.getvalue())
    return sink.getvalue(), {each.member.name: each.segments for each in planned if each.method == DEFLATED}


def sample() -> tuple[bytes, dict[str, tuple[Segment, ...]]]:
    return container(
        [
            Member.of("mimetype", b"application/vnd.etsi.asic-e+zip"),
            Member.of("a/empty", b"", deflate=True),
            Member.of("a/noise.bin", NOISE, deflate=True),
            Member.of("a/small.txt", TEXT[:50_000], deflate=True),
            Member.of("a/text.txt", TEXT, deflate=True),
        ]
    )


def opened(data: bytes, index: dict[str, tuple[Segment, ...]]) -> ZipReader:
    reader = ZipReader(io.BytesIO(data))
    reader.use_index(index)
    return reader


def test_members_come_back_whole_and_in_order() -> None:
    reader = opened(*sample())
    assert reader.names == ("mimetype", "a/empty", "a/noise.bin", "a/small.txt", "a/text.txt")
    assert reader.read("a/text.txt", len(TEXT)) == TEXT
    assert reader.read("a/noise.bin", len(NOISE)) == NOISE
    assert reader.read("a/empty", 0) == b""
    assert reader.entry("a/text.txt").method == DEFLATED
    assert reader.entry("a/noise.bin").method == STORED
    assert reader.entry("a/empty").method == STORED
    assert reader.digests("a/text.txt").sha256 == hashlib.sha256(TEXT).digest()
    with pytest.raises(ContainerFormError):
        reader.read("a/text.txt", 100)


def test_zipfile_reads_it_and_finds_the_fixed_form() -> None:
    data, _ = sample()
    with zipfile.ZipFile(io.BytesIO(data)) as foreign:
        assert foreign.testzip() is None
        assert foreign.read("a/text.txt") == TEXT
        assert foreign.comment == b""
        for info in foreign.infolist():
            assert (info.date_time, info.flag_bits, info.extra, info.comment) == ((1980, 1, 1, 0, 0, 0), 0, b"", b"")
            assert (info.external_attr, info.create_system, info.extract_version) == (0, 0, 20)
    assert data[30:38] == b"mimetype"
    assert data[38:69] == b"application/vnd.etsi.asic-e+zip"


def test_same_members_same_bytes() -> None:
    assert sample() == sample()


@given(
    start=st.integers(0, len(TEXT)), length=st.integers(0, 3000), name=st.sampled_from(["a/text.txt", "a/noise.bin"])
)
@settings(max_examples=40, deadline=None)
def test_any_range_is_what_lies_there(start: int, length: int, name: str) -> None:
    plain = TEXT if name == "a/text.txt" else NOISE
    stream = opened(*SAMPLE).open_member(name)
    stream.seek(start)
    found = io.BufferedReader(stream).read(length)
    assert found == plain[start : start + length]


SAMPLE = sample()


def read_all(data: bytes, index: dict[str, tuple[Segment, ...]]) -> None:
    reader = opened(data, index)
    if reader.names != ("mimetype", "a/b.txt", "a/c"):  # names are the manifest's to bind
        raise PackageError("other names")
    for name in reader.names:
        reader.digests(name)


def test_a_flipped_bit_is_always_seen() -> None:
    """Every byte outside member data, and a sample of those inside, one bit each."""
    data, index = container(
        [Member.of("mimetype", b"x"), Member.of("a/b.txt", TEXT[:6000], deflate=True), Member.of("a/c", NOISE[:300])]
    )
    for position in range(len(data)):
        for bit in (0, 3, 7):
            changed = bytearray(data)
            changed[position] ^= 1 << bit
            with pytest.raises(PackageError):
                read_all(bytes(changed), index)


def test_unused_bits_of_deflate_are_bound_by_the_index() -> None:
    """A stored deflate block has bits no inflater looks at."""
    plain = NOISE[:5000]
    blocks = b"\x01" + struct.pack("<2H", 5000, 5000 ^ 0xFFFF) + plain
    loose = b"\xf9" + blocks[1:]
    assert zlib.decompress(blocks, -15) == zlib.decompress(loose, -15) == plain
    entry = Entry("a", DEFLATED, zlib.crc32(plain), len(blocks), 5000, 0)
    for body in (blocks, loose):
        central = central_header(entry)
        data = local_header(entry) + body + central + end_records(1, len(central), entry.end)
        reader = opened(data, {"a": (Segment(len(blocks), hashlib.sha256(blocks).digest()),)})
        if body is blocks:
            assert reader.read("a", 5000) == plain
        else:
            with pytest.raises(MemberDamaged):
                reader.read("a", 5000)


def _comment(data: bytes) -> bytes:
    return data[:-2] + b"\x01\x00x"


def _prefix(data: bytes) -> bytes:
    return b"\x00" + data


def _suffix(data: bytes) -> bytes:
    return data + b"\x00"


def _truncated(data: bytes) -> bytes:
    return data[:-1]


def _gap(data: bytes) -> bytes:
    """A byte between the last member and the directory, with the end record set right."""
    offset = struct.unpack("<L", data[-6:-2])[0]
    return data[:offset] + b"\x00" + data[offset:-6] + struct.pack("<LH", offset + 1, 0)


def _foreign(data: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as source:
        target = io.BytesIO()
        with zipfile.ZipFile(target, "w") as copy:
            for name in source.namelist():
                copy.writestr(zipfile.ZipInfo(name), source.read(name))
    return target.getvalue()


def _reordered_directory(data: bytes) -> bytes:
    offset = struct.unpack("<L", data[-6:-2])[0]
    size = 46 + len("mimetype")
    return data[:offset] + data[offset + size : -22] + data[offset : offset + size] + data[-22:]


@pytest.mark.parametrize("change", [_comment, _prefix, _suffix, _truncated, _gap, _foreign, _reordered_directory])
def test_other_forms_are_refused(change: Callable[[bytes], bytes]) -> None:
    with pytest.raises(ContainerFormError):
        ZipReader(io.BytesIO(change(SAMPLE[0])))


@given(st.binary(max_size=300))
@settings(max_examples=100, deadline=None)
def test_rubbish_is_refused(data: bytes) -> None:
    for candidate in (data, data + SAMPLE[0][-22:], SAMPLE[0][:200] + data):
        with pytest.raises(ContainerFormError):
            ZipReader(io.BytesIO(candidate))


def test_bounds_hold_before_reading() -> None:
    data, _ = SAMPLE
    for limits in (
        ContainerLimits(members=4),
        ContainerLimits(name=8),
        ContainerLimits(central_directory=200),
        ContainerLimits(member=len(NOISE)),
        ContainerLimits(total=len(data) - 1),
        ContainerLimits(ratio=10),
    ):
        with pytest.raises(ContainerFormError):
            ZipReader(io.BytesIO(data), limits)


@pytest.mark.parametrize(
    "name", ["", "/a", "a/", "a//b", "../a", "a/../b", ".a", "a b", "ž", "a\\b", "a\x00", "x" * 241]
)
def test_names_of_another_form_are_refused(name: str) -> None:
    with pytest.raises(ContainerFormError):
        check_name(name)


def test_names_that_differ_in_case_only_are_refused() -> None:
    entries = [Entry("a", STORED, 0, 0, 0, 0), Entry("A", STORED, 0, 0, 0, 31)]
    body = b"".join(map(local_header, entries))
    central = b"".join(map(central_header, entries))
    with pytest.raises(ContainerFormError):
        ZipReader(io.BytesIO(body + central + end_records(2, len(central), len(body))))


def test_the_index_must_fit() -> None:
    data, index = SAMPLE
    whole = index["a/text.txt"]
    wrong: list[dict[str, tuple[Segment, ...]]] = [
        {},
        {"a/text.txt": whole},
        {**index, "a/noise.bin": whole},
        {**index, "a/text.txt": whole[:-1]},
        {**index, "a/text.txt": (*whole[:-1], Segment(whole[-1].compressed + 1, whole[-1].sha256))},
    ]
    for each in wrong:
        with pytest.raises(ContainerFormError):
            opened(data, each)
    swapped = {**index, "a/text.txt": (whole[0], Segment(whole[1].compressed, b"\0" * 32), *whole[2:])}
    with pytest.raises(MemberDamaged):
        opened(data, swapped).read("a/text.txt", len(TEXT))


def test_the_index_has_one_form() -> None:
    index = {"b": (Segment(7, b"\1" * 32),), "a": (Segment(9, b"\2" * 32),)}
    data = encode_index(index)
    assert decode_index(data, "index") == index
    for other in (
        data + b" ",
        data.replace(b'"segment":1048576', b'"segment":1048577'),
        data.replace(b"[7,", b"[true,"),
        data.replace(b"[7,", b"[0,"),
        data.replace(b"01" * 32, b"01" * 31),
        data.replace(b'"path":"b"', b'"path":"a"'),
        b"[]",
        b"{}",
        b"\xff",
        b"[" * 100_000,
    ):
        with pytest.raises(MetadataBroken):
            decode_index(other, "index")


def test_a_stream_that_lies_is_refused() -> None:
    facts = Member.of("a", NOISE[:9000])
    for wrong in (NOISE[:8999], NOISE[:9001], bytes(9000)):
        for deflate in (False, True):
            member = Member("a", facts.length, facts.crc32, facts.sha256, lambda data=wrong: io.BytesIO(data), deflate)  # type: ignore[misc]
            with pytest.raises(MemberDamaged):
                write_container([plan_member(member)], io.BytesIO())


def test_a_stream_that_changes_after_planning_is_refused() -> None:
    contents = iter([TEXT, TEXT[:-1] + b"!"])
    facts = Member.of("a", TEXT)
    member = Member("a", facts.length, facts.crc32, facts.sha256, lambda: io.BytesIO(next(contents)), True)
    with pytest.raises(MemberDamaged):
        write_container([plan_member(member)], io.BytesIO())


class Zeros(io.RawIOBase):
    """A stream of ``length`` zeros, in memory nowhere."""

    def __init__(self, length: int) -> None:
        self._left = length

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = min(len(buffer), self._left, 65536)
        buffer[:count] = bytes(count)
        self._left -= count
        return count


class Discard:
    length = 0

    def write(self, data: bytes) -> None:
        self.length += len(data)


@pytest.mark.parametrize("deflate", [False, True])
def test_memory_does_not_grow_with_the_member(deflate: bool) -> None:
    length = 64 * SEGMENT
    digest, checksum = hashlib.sha256(), 0
    for _ in range(64):
        digest.update(bytes(SEGMENT))
        checksum = zlib.crc32(bytes(SEGMENT), checksum)
    member = Member("a", length, checksum, digest.digest(), lambda: cast(BinaryIO, Zeros(length)), deflate)
    sink = Discard()
    tracemalloc.start()
    write_container([plan_member(member)], sink)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5 * SEGMENT
    assert sink.length > (60_000 if deflate else length)


class Patches(io.RawIOBase):
    """A seekable stream of zeros with pieces laid into it: a container of many gigabytes without them."""

    def __init__(self, length: int, pieces: dict[int, bytes]) -> None:
        self._length, self._pieces, self._position = length, pieces, 0

    def seek(self, offset: int, whence: int = 0) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._length}[whence]
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def read(self, size: int = -1) -> bytes:
        end = self._length if size < 0 else min(self._position + size, self._length)
        found = bytearray(max(0, end - self._position))
        for start, piece in self._pieces.items():
            low, high = max(start, self._position), min(start + len(piece), end)
            if low < high:
                found[low - self._position : high - self._position] = piece[low - start : high - start]
        self._position = end
        return bytes(found)


def test_zip64_where_and_only_where_it_is_needed() -> None:
    huge = 5 * 1024**3
    first = Entry("a", STORED, 0x1234, huge, huge, 0)
    second = Entry("b", STORED, 0x5678, 3, 3, first.end)
    offset = second.end
    central = central_header(first) + central_header(second)
    end = end_records(2, len(central), offset)
    assert len(local_header(first)) == 30 + 1 + 20
    assert len(local_header(second)) == 30 + 1
    assert len(central_header(second)) == 46 + 1 + 12
    assert len(end) == 56 + 20 + 22
    pieces = {0: local_header(first), second.offset: local_header(second) + b"abc", offset: central + end}
    reader = ZipReader(cast(BinaryIO, Patches(offset + len(central) + len(end), pieces)))
    assert reader.entries == (first, second)
    with zipfile.ZipFile(cast(Any, Patches(offset + len(central) + len(end), pieces))) as foreign:
        assert [(info.file_size, info.header_offset) for info in foreign.infolist()] == [(huge, 0), (3, first.end)]
    plain = Entry("b", STORED, 0, 3, 3, 0)
    fat = local_header(plain)[:28] + struct.pack("<H", 20) + b"b" + struct.pack("<2H2Q", 1, 16, 3, 3)
    body = fat + b"abc"
    central = central_header(plain)
    with pytest.raises(ContainerFormError):
        ZipReader(io.BytesIO(body + central + end_records(1, len(central), len(body))))
