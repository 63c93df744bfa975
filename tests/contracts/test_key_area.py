"""What every key area promises, on every back end."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.services.s3 import S3_STORES, address_in
from tests.simulator.faulty_disk import failing
from tests.simulator.postgresql import BACKENDS, fresh_database
from zdda.database.database_key_area import DatabaseKeyArea
from zdda.database.engine import open_engine
from zdda.database.store_tables import make_tables
from zdda.model.clock import system_entropy
from zdda.model.errors import NotFound, Unavailable
from zdda.model.identifiers import ContentAddress, tenant_id
from zdda.model.objects import ObjectKind, ObjectName
from zdda.storage.blob_store import StoreFailed
from zdda.storage.filesystem_key_area import CRASH_POINTS, FilesystemKeyArea
from zdda.storage.key_area import KeyArea
from zdda.storage.memory_key_area import MemoryKeyArea
from zdda.storage.object_record import ObjectRecord
from zdda.storage.s3_key_area import S3KeyArea
from zdda.storage.s3_plain_bucket import PlainBucket
from zdda.storage.slots import COPY, HEADER, LARGEST_BODY, SLOTS, decode_copy, encode_copy, slot_offset

TENANT = tenant_id("nemocnice")
UNTIL = datetime(2032, 1, 1, tzinfo=UTC)


class Died(BaseException):
    """The process stops here."""


def record(number: int, length: int = 1000) -> ObjectRecord:
    name = ObjectName(TENANT, UUID(int=number), ObjectKind.AIP)
    return ObjectRecord(name, ContentAddress(number.to_bytes(32)), length, bytes(64), 1, bytes(49), UNTIL, bytes(32))


@pytest.fixture(params=["memory", "filesystem", *BACKENDS, *S3_STORES])
def area(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[KeyArea]:
    if request.param == "memory":
        yield MemoryKeyArea()
        return
    if request.param in BACKENDS:
        with fresh_database(request.param, tmp_path, migrated=False) as url:
            make_tables(open_engine(url))
            with closing(DatabaseKeyArea(open_engine(url), "first", system_entropy)) as in_database:
                yield in_database
        return
    if request.param in S3_STORES:
        address = address_in(request.param)
        with closing(PlainBucket(address)) as bucket:
            bucket.make()
        with closing(S3KeyArea(address, system_entropy, pack_at=50)) as in_bucket:
            yield in_bucket
        return
    opened = FilesystemKeyArea(tmp_path / "area", system_entropy)
    yield opened
    opened.close()


def test_what_was_written_is_read(area: KeyArea) -> None:
    area.write(record(1))
    assert area.read(record(1).name) == record(1)


def test_a_later_record_replaces_the_earlier_one(area: KeyArea) -> None:
    for length in range(1, 6):
        area.write(record(1, length))
    assert area.read(record(1).name).length == 5
    assert len(list(area.records())) == 1


def test_what_is_not_there_is_not_found(area: KeyArea) -> None:
    with pytest.raises(NotFound):
        area.read(record(1).name)


def test_records_come_in_the_order_of_names(area: KeyArea) -> None:
    for number in (3, 1, 2):
        area.write(record(number))
    assert [each.name.package.int for each in area.records()] == [1, 2, 3]


def test_what_was_destroyed_is_gone(area: KeyArea) -> None:
    area.write(record(1))
    area.write(record(2))
    area.destroy(record(1).name)
    area.destroy(record(1).name)
    with pytest.raises(NotFound):
        area.read(record(1).name)
    assert [each.name.package.int for each in area.records()] == [2]
    area.write(record(1, 7))
    assert area.read(record(1).name).length == 7


def test_many_may_write_at_once(area: KeyArea) -> None:
    threads = [Thread(target=lambda n=n: [area.write(record(n * 100 + i)) for i in range(20)]) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list(area.records())) == 160


def reopened(folder: Path) -> FilesystemKeyArea:
    return FilesystemKeyArea(folder, system_entropy)


def test_records_survive_a_restart_and_fill_several_segments(tmp_path: Path) -> None:
    area = reopened(tmp_path)
    for number in range(SLOTS + 5):
        area.write(record(number))
    area.write(record(3, 42))
    area.close()
    again = reopened(tmp_path)
    assert len(list(again.records())) == SLOTS + 5
    assert again.read(record(3).name).length == 42
    assert again.damaged == 0
    assert len(list(tmp_path.glob("*.slots"))) == 2
    again.close()


def test_destroyed_bytes_are_nowhere_in_the_file(tmp_path: Path) -> None:
    area = reopened(tmp_path)
    area.write(record(1))
    area.write(record(1, 2000))
    needle = str(record(1).name.package).encode()
    segment = next(tmp_path.glob("*.slots"))
    assert segment.read_bytes().count(needle) == 2
    area.destroy(record(1).name)
    assert needle not in segment.read_bytes()
    area.close()
    assert list(reopened(tmp_path).records()) == []


def test_one_process_opens_a_folder(tmp_path: Path) -> None:
    area = reopened(tmp_path)
    with pytest.raises(StoreFailed):
        reopened(tmp_path)
    area.close()


@pytest.mark.parametrize("point", CRASH_POINTS)
def test_after_a_crash_the_old_record_or_the_new_one_is_there(point: str, tmp_path: Path) -> None:
    area = reopened(tmp_path)
    area.write(record(1, 1))
    area.close()

    def crash(here: str) -> None:
        if here == point:
            raise Died

    dying = FilesystemKeyArea(tmp_path, system_entropy, crash=crash)
    with pytest.raises(Died):
        dying.write(record(1, 2))
    dying.close()
    again = reopened(tmp_path)
    assert again.read(record(1).name).length in (1, 2)
    again.write(record(1, 3))
    assert again.read(record(1).name).length == 3
    again.close()


@pytest.mark.parametrize("when", ["before", "middle", "after"])
@pytest.mark.parametrize("call", ["pwrite", "fdatasync"])
def test_a_failing_disk_loses_no_acknowledged_record(
    call: str, when: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    area = reopened(tmp_path)
    area.write(record(1, 1))
    with failing(monkeypatch, call, 1, when), pytest.raises(StoreFailed):
        area.write(record(1, 2))
    area.close()
    again = reopened(tmp_path)
    assert again.read(record(1).name).length in (1, 2)
    again.write(record(1, 3))
    again.close()
    last = reopened(tmp_path)
    assert last.read(record(1).name).length == 3
    last.close()


def test_after_a_failed_sync_nothing_is_promised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    area = reopened(tmp_path)
    area.write(record(1))
    with failing(monkeypatch, "fdatasync", 1, "before"), pytest.raises(StoreFailed):
        area.write(record(2))
    with pytest.raises(StoreFailed):
        area.write(record(3))
    area.close()


@settings(max_examples=60, deadline=None)
@given(torn=st.integers(0, COPY), writes=st.integers(1, 4))
def test_a_torn_write_loses_only_itself(torn: int, writes: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("torn")
    area = reopened(folder)
    for length in range(1, writes + 1):
        area.write(record(1, length))
    area.close()
    segment = next(folder.glob("*.slots"))
    newer = encode_copy(writes + 1, record(1, 99).encode())
    offset = HEADER + ((writes + 1) % 2) * SLOTS * COPY
    with segment.open("r+b") as file:
        file.seek(offset)
        file.write(newer[:torn])
    again = reopened(folder)
    assert again.read(record(1).name).length == (99 if torn == COPY else writes)
    again.close()


@given(st.integers(0, 2**64 - 1), st.binary(max_size=LARGEST_BODY))
def test_a_copy_is_read_as_it_was_written(counter: int, body: bytes) -> None:
    assert decode_copy(encode_copy(counter, body)) == (counter, body)


@given(st.integers(0, COPY - 1), st.integers(0, 7))
def test_a_flipped_bit_makes_a_copy_invalid(place: int, bit: int) -> None:
    data = bytearray(encode_copy(7, b"body"))
    data[place] ^= 1 << bit
    assert decode_copy(bytes(data)) is None


def test_a_body_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="slot"):
        encode_copy(1, bytes(LARGEST_BODY + 1))


def test_the_longest_record_fits() -> None:
    longest = replace(
        record(2**128 - 1, 2**62),
        name=ObjectName(tenant_id("a" * 63), UUID(int=2**128 - 1), ObjectKind.EVIDENCE_RENEWAL, 2**31),
        generation=2**31,
    )
    assert len(longest.encode()) <= LARGEST_BODY


def test_after_a_failed_sync_no_copy_is_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other copy may be the only one on the disk."""
    area = reopened(tmp_path)
    area.write(record(1, 1))
    with failing(monkeypatch, "fdatasync", 1, "before"), pytest.raises(StoreFailed):
        area.write(record(1, 2))
    with failing(monkeypatch, "pwrite", 0, "before") as calls, pytest.raises(StoreFailed):
        area.write(record(1, 3))
    assert calls() == 0
    area.close()


@pytest.mark.parametrize("call", ["pwrite", "fdatasync"])
@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_failed_erasure_is_never_taken_for_one(
    call: str, at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    area = reopened(tmp_path)
    area.write(record(1, 1))
    area.write(record(1, 2))
    with failing(monkeypatch, call, at, "before"), pytest.raises(StoreFailed):
        area.destroy(record(1).name)
    with pytest.raises(StoreFailed):
        area.destroy(record(1).name)
    area.close()
    again = reopened(tmp_path)
    again.destroy(record(1).name)
    with pytest.raises(NotFound):
        again.read(record(1).name)
    again.close()


def test_two_writes_of_a_name_are_never_both_on_their_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    area = reopened(tmp_path)
    area.write(record(1, 1))
    sync, write, events, others = os.fdatasync, os.pwrite, [], []

    def slow_sync(descriptor: int) -> None:
        if not others:
            others.append(Thread(target=area.write, args=(record(1, 3),)))
            others[0].start()
            others[0].join(0.2)
        sync(descriptor)
        events.append("synced")

    def noting_write(*arguments: Any) -> int:
        events.append("written")
        return write(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fdatasync", slow_sync)
        patched.setattr(os, "pwrite", noting_write)
        area.write(record(1, 2))
        others[0].join()
    assert events == ["written", "synced", "written", "synced"]
    assert area.read(record(1).name).length == 3
    area.close()


def test_a_lost_segment_is_never_made_again_over_another(tmp_path: Path) -> None:
    area = reopened(tmp_path)
    area.write(record(1))
    area.close()
    (tmp_path / "segment-000000.slots").rename(tmp_path / "segment-000001.slots")  # 000000 is lost
    again = reopened(tmp_path)
    again._free.clear()  # as if it were full
    again.write(record(2))
    again.close()
    last = reopened(tmp_path)
    assert [each.name.package.int for each in last.records()] == [1, 2]
    assert sorted(path.name for path in tmp_path.glob("*.slots")) == ["segment-000001.slots", "segment-000002.slots"]
    last.close()


def test_no_room_for_a_segment_stops_one_write_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    area = reopened(tmp_path)
    with failing(monkeypatch, "posix_fallocate", 1, "before", errno.ENOSPC), pytest.raises(Unavailable) as caught:
        area.write(record(1))
    assert not isinstance(caught.value, StoreFailed)
    area.write(record(1))
    area.close()


def test_what_is_read_after_opening_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    area = reopened(tmp_path)
    area.write(record(1))
    area.close()
    with failing(monkeypatch, "fdatasync", 1, "before"), pytest.raises(StoreFailed):
        reopened(tmp_path)
    again = reopened(tmp_path)
    assert again.read(record(1).name) == record(1)
    again.close()


def test_a_record_that_rots_is_left_out_of_the_list(tmp_path: Path) -> None:
    area = reopened(tmp_path)
    area.write(record(1))
    area.write(record(2))
    segment = next(tmp_path.glob("*.slots"))
    data = bytearray(segment.read_bytes())
    data[HEADER + SLOTS * COPY + 100] ^= 1  # copy B of slot 0: the only one so far
    segment.write_bytes(data)
    assert [each.name.package.int for each in area.records()] == [2]
    area.close()


def test_slots_of_no_use_are_told_and_overwritten_when_they_are_reclaimed(tmp_path: Path) -> None:
    area = FilesystemKeyArea(tmp_path, system_entropy)
    kept, damaged, doubled = (record(number) for number in (1, 2, 3))
    for each in (kept, damaged, doubled):
        area.write(each)
    area.close()
    path = tmp_path / "segment-000000.slots"
    data = bytearray(path.read_bytes())
    for copy in (0, 1):
        data[slot_offset(1, copy) + 100] ^= 1
        at, twin = slot_offset(9, copy), slot_offset(2, copy)
        data[at : at + COPY] = data[twin : twin + COPY]
    path.write_bytes(data)

    area = FilesystemKeyArea(tmp_path, system_entropy)
    assert area.lost == 2
    area.destroy(doubled.name)  # the second one too
    assert area.lost == 1
    area.reclaim()
    assert area.lost == 0
    area.close()
    area = FilesystemKeyArea(tmp_path, system_entropy)
    assert (area.lost, area.damaged) == (0, 0)
    assert [each.name for each in area.records()] == [kept.name]
    area.close()
    data = bytearray(path.read_bytes())
    for each in (damaged, doubled):
        assert str(each.name.package).encode() not in data
