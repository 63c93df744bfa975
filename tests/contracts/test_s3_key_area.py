"""What a key area in a bucket promises beyond every key area: packing, taking over, nothing left of the destroyed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from threading import Event, Thread

import pytest

from tests.contracts.test_key_area import Died, record
from tests.services.s3 import S3_STORES, address_in, fresh_bucket
from tests.simulator.faulty_store import Answer, FaultyStore, Forward, Request
from zdda.model.clock import system_entropy
from zdda.model.errors import NotFound
from zdda.storage.blob_store import StoreFailed, WrongStore
from zdda.storage.key_area_survey import SegmentProblem, SlotSurvey
from zdda.storage.key_segment import LARGEST, decode_segment, encode_segment, line_of
from zdda.storage.object_record import ObjectRecord, RecordMalformed
from zdda.storage.s3_client import S3Address, connect
from zdda.storage.s3_errors import StoreBusy, StoreFull, StoreRefuses, StoreUnreachable, WriteNotKept
from zdda.storage.s3_key_area import CRASH_POINTS, S3KeyArea
from zdda.storage.s3_key_names import key_of, segment_key
from zdda.storage.s3_key_survey import S3KeyAreaSurvey
from zdda.storage.s3_plain_bucket import NotErasable, PlainBucket

PACK = 5


@pytest.fixture(params=S3_STORES)
def address(request: pytest.FixtureRequest) -> S3Address:
    return plain_bucket(request.param)


def plain_bucket(name: str) -> S3Address:
    address = address_in(name)
    with closing(PlainBucket(address)) as bucket:
        bucket.make()
    return address


@pytest.fixture
def bucket(address: S3Address) -> Iterator[PlainBucket]:
    with closing(PlainBucket(address)) as opened:
        yield opened


def reopened(address: S3Address) -> S3KeyArea:
    return S3KeyArea(address, system_entropy, pack_at=PACK)


def everything(bucket: PlainBucket) -> bytes:
    return b"".join(bucket.get(key, LARGEST) or b"" for key in bucket.keys(""))


def numbers(area: S3KeyArea) -> list[int]:
    return [each.name.package.int for each in area.records()]


def surveyed(address: S3Address) -> list[SlotSurvey | SegmentProblem]:
    with closing(S3KeyAreaSurvey(address, "bucket")) as survey:
        return list(survey.slots())


def test_records_are_packed_and_survive_a_restart(address: S3Address, bucket: PlainBucket) -> None:
    with closing(reopened(address)) as area:
        for number in range(2 * PACK + 2):
            area.write(record(number))
        assert list(bucket.keys("segments/")) == [segment_key(1), segment_key(2)]
        assert len(list(bucket.keys("records/"))) == 2
        assert numbers(area) == list(range(2 * PACK + 2))
    with closing(reopened(address)) as again:
        assert numbers(again) == list(range(2 * PACK + 2))
        assert again.read(record(3).name) == record(3)
        assert again.damaged == 0
    slots = surveyed(address)
    assert sorted(
        ObjectRecord.decode(slot.body).name.package.int for slot in slots if isinstance(slot, SlotSurvey)
    ) == (list(range(2 * PACK + 2)))


def test_a_later_record_supersedes_the_packed_one_and_returns_to_its_segment(
    address: S3Address, bucket: PlainBucket
) -> None:
    with closing(reopened(address)) as area:
        for number in range(PACK):
            area.write(record(number))
        area.write(record(3, 42))
        assert area.read(record(3).name).length == 42
        assert [
            ObjectRecord.decode(each.body).length for each in surveyed(address) if isinstance(each, SlotSurvey)
        ].count(42) == 1
        assert len(surveyed(address)) == PACK
        for number in range(10, 10 + PACK - 1):
            area.write(record(number))
        assert list(bucket.keys("records/")) == []
        assert everything(bucket).count(str(record(3).name.package).encode()) == 1
        assert area.read(record(3).name).length == 42
    with closing(reopened(address)) as again:
        assert again.read(record(3).name).length == 42
        assert len(numbers(again)) == 2 * PACK - 1


@pytest.mark.parametrize("again", [False, True], ids=["packed", "written-again"])
def test_destroyed_bytes_are_nowhere_in_the_bucket(again: bool, address: S3Address, bucket: PlainBucket) -> None:
    with closing(reopened(address)) as area:
        for number in range(PACK):
            area.write(record(number))
        if again:
            area.write(record(3, 42))
        needle = str(record(3).name.package).encode()
        assert everything(bucket).count(needle) == 1 + again
        area.destroy(record(3).name)
        assert needle not in everything(bucket)
        assert not list(bucket.keys("records/"))
        assert numbers(area) == [0, 1, 2, 4]
        for number in (0, 1, 2, 4):
            assert area.read(record(number).name) == record(number)
            area.destroy(record(number).name)
        assert list(bucket.keys("segments/")) == []
    with closing(reopened(address)) as last:
        assert numbers(last) == []


@pytest.mark.parametrize("point", CRASH_POINTS)
def test_after_a_crash_the_old_record_or_the_new_one_is_there(point: str, address: S3Address) -> None:
    with closing(reopened(address)) as area:
        for number in range(PACK - 1):
            area.write(record(number, 1))

    def crash(here: str) -> None:
        if here == point:
            raise Died

    dying = S3KeyArea(address, system_entropy, pack_at=PACK, crash=crash)
    with pytest.raises(Died):
        dying.write(record(PACK, 2))
    dying.close()
    with closing(reopened(address)) as again:
        assert numbers(again) in ([*range(PACK - 1)], [*range(PACK - 1), PACK])
        assert again.damaged == 0
        again.write(record(PACK, 3))
        again.write(record(PACK + 1, 3))
        assert again.read(record(PACK).name).length == 3
        assert numbers(again) == [*range(PACK - 1), PACK, PACK + 1]
        again.destroy(record(1).name)
    with closing(reopened(address)) as last:
        assert 1 not in numbers(last)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("what", ["put", "get", "delete"])
def test_a_store_that_fails_in_the_middle_loses_nothing_and_revives_nothing(
    what: str, when: str, address: S3Address, bucket: PlainBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Packing fails at its first segment, read-back or deletion, whose answer does not come; then a record goes."""
    area = reopened(address)
    original = getattr(PlainBucket, what)

    def failing(self: PlainBucket, first: object, *rest: object) -> object:
        if isinstance(first, list) or str(first).startswith("segments/"):
            if when == "after":
                original(self, first, *rest)
            raise StoreUnreachable("the test says so")
        return original(self, first, *rest)

    with closing(area):
        for number in range(PACK - 1):
            area.write(record(number))
        with monkeypatch.context() as patched:
            patched.setattr(PlainBucket, what, failing)
            area.write(record(PACK))
            if what != "delete":
                assert area.read(record(1).name) == record(1)
        assert numbers(area) == [*range(PACK - 1), PACK]
        area.destroy(record(1).name)
        assert str(record(1).name.package).encode() not in everything(bucket)
        for number in range(10, 10 + PACK):
            area.write(record(number))
        assert numbers(area) == [0, 2, 3, PACK, *range(10, 10 + PACK)]
    with closing(reopened(address)) as again:
        assert numbers(again) == [0, 2, 3, PACK, *range(10, 10 + PACK)]
        assert again.damaged == 0


def test_a_write_whose_answer_does_not_come_may_be_repeated(
    address: S3Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(self: PlainBucket, key: str, data: bytes) -> None:
        raise StoreUnreachable("the test says so")

    with closing(reopened(address)) as area:
        with monkeypatch.context() as patched:
            patched.setattr(PlainBucket, "put", lost)
            with pytest.raises(StoreUnreachable):
                area.write(record(1))
        with pytest.raises(NotFound):
            area.read(record(1).name)
        assert numbers(area) == []
        area.write(record(1))
        assert area.read(record(1).name) == record(1)


@pytest.mark.parametrize("name", S3_STORES)
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(403), StoreRefuses),
        (Answer(503), StoreBusy),
        (Answer(507), StoreFull),
        (Answer(200, {"ETag": '"0123"'}), WriteNotKept),
        (Answer(200, stall=3.0), StoreUnreachable),
    ],
    ids=["refuses", "busy", "full", "wrong-etag", "no-answer"],
)
def test_a_store_that_fails_stops_one_write_and_says_why(answer: Answer, error: type[Exception], name: str) -> None:
    failing = Event()

    def rule(request: Request, forward: Forward) -> Answer:
        return answer if failing.is_set() and request.writes_object else forward(request)

    address = plain_bucket(name)
    with FaultyStore(address.endpoint, rule) as proxy:
        through = replace(address, endpoint=proxy.endpoint, attempts=1, read_seconds=1.0)
        with closing(reopened(through)) as area:
            area.write(record(1, 1))
            failing.set()
            with pytest.raises(error):
                area.write(record(1, 2))
            failing.clear()
            assert area.read(record(1).name).length == 1
            area.write(record(1, 3))
            assert area.read(record(1).name).length == 3


def test_a_deletion_that_the_store_only_says_is_noticed(address: S3Address) -> None:
    def rule(request: Request, forward: Forward) -> Answer:
        return Answer(204) if request.method == "DELETE" else forward(request)

    with (
        FaultyStore(address.endpoint, rule) as proxy,
        closing(reopened(replace(address, endpoint=proxy.endpoint))) as area,
    ):
        area.write(record(1))
        with pytest.raises(WriteNotKept):
            area.destroy(record(1).name)
    with closing(reopened(address)) as again:
        again.destroy(record(1).name)
        assert numbers(again) == []


def test_records_are_listed_as_they_are_while_they_change(address: S3Address) -> None:
    """A segment that was read whole is not believed once it was rewritten, though a line has not moved."""
    with closing(reopened(address)) as area:
        for number in range(PACK):
            area.write(record(number, 1))
        listed = area.records()
        assert next(listed).length == 1
        for number in range(PACK):
            area.write(record(number, 2))
        area.destroy(record(PACK - 1).name)
        assert [(each.name.package.int, each.length) for each in listed] == [(n, 2) for n in range(1, PACK - 1)]


def test_who_opens_last_has_it(address: S3Address) -> None:
    first = reopened(address)
    first.write(record(1))
    with closing(reopened(address)) as second:
        with pytest.raises(StoreFailed):
            first.destroy(record(1).name)
        with pytest.raises(StoreFailed):
            first.write(record(2))
        first.close()
        second.destroy(record(1).name)
        assert numbers(second) == []


def test_a_record_packed_twice_is_destroyed_twice(address: S3Address, bucket: PlainBucket) -> None:
    """Two processes that packed at the same moment."""
    for number in (1, 2):
        bucket.put(segment_key(number), encode_segment([line_of(record(each).encode()) for each in (1, number + 5)]))
    with closing(reopened(address)) as area:
        assert area.damaged == 1
        area.destroy(record(1).name)
        assert str(record(1).name.package).encode() not in everything(bucket)
        assert numbers(area) == [6, 7]


def test_damage_is_counted_found_and_never_made_to_look_sound(address: S3Address, bucket: PlainBucket) -> None:
    with closing(reopened(address)) as area:
        for number in range(PACK):
            area.write(record(number))
    data = bytearray(bucket.get(segment_key(1), LARGEST) or b"")
    lines, _ = decode_segment(bytes(data))
    data[lines[1].offset + 100] ^= 1
    bucket.put(segment_key(1), bytes(data))
    with closing(reopened(address)) as area:
        assert area.damaged == 1
        assert numbers(area) == [0, 2, 3, 4]
        area.destroy(record(0).name)
        assert area.read(record(4).name) == record(4)
    assert [slot.where for slot in surveyed(address) if isinstance(slot, SlotSurvey) and slot.damaged] == [
        "segments/0000000001[0]A"
    ]
    bucket.put(segment_key(1), (bucket.get(segment_key(1), LARGEST) or b"")[:-10])
    bucket.put("segments/other", b"x")
    bucket.put(key_of(record(9).name), encode_segment([line_of(record(8).encode())]))
    found = surveyed(address)
    assert SegmentProblem("segments/other", "is not what the archive puts there") in found
    assert SegmentProblem(key_of(record(9).name), "does not hold the record of its name") in found
    with closing(reopened(address)) as area:
        with pytest.raises(RecordMalformed):
            area.read(record(9).name)
        assert numbers(area) == [2, 3]


def test_what_damage_left_is_told_and_removed_when_it_is_reclaimed(address: S3Address, bucket: PlainBucket) -> None:
    with closing(reopened(address)) as area:
        for number in range(2 * PACK):
            area.write(record(number))
    data = bytearray(bucket.get(segment_key(1), LARGEST) or b"")
    lines, _ = decode_segment(bytes(data))
    data[lines[1].offset + 3] ^= 1  # a digit of its digest: the record's bytes are all there
    bucket.put(segment_key(1), bytes(data) + lines[2].raw)
    bucket.put(segment_key(3), b"no segment, but the rest of " + lines[3].raw)
    bucket.put(segment_key(4), encode_segment([line_of(record(number).encode()) for number in (7, 8)]))
    with closing(reopened(address)) as area:
        assert area.lost == 6  # a line, a second one, too many lines, no segment, two that lie elsewhere too
        area.destroy(record(1).name)
        assert str(record(1).name.package).encode() in everything(bucket)
        area.write(record(1, 2))
        area.destroy(record(7).name)
        assert area.lost == 5
        area.reclaim()
        assert area.lost == 0
        assert everything(bucket).count(str(record(1).name.package).encode()) == 1
        for number in (3, 8):
            assert everything(bucket).count(str(record(number).name.package).encode()) == 1
        assert area.read(record(8).name) == record(8)
        assert numbers(area) == [0, 1, 2, 3, 4, 5, 6, 8, 9]
        area.destroy(record(1).name)
        assert str(record(1).name.package).encode() not in everything(bucket)
        area.reclaim()
    with closing(reopened(address)) as again:
        assert (again.lost, again.damaged) == (0, 0)
        assert numbers(again) == [0, 2, 3, 4, 5, 6, 8, 9]
    assert not [each for each in surveyed(address) if isinstance(each, SegmentProblem) or each.damaged]


def test_a_bucket_that_keeps_what_is_deleted_is_refused(address: S3Address, request: pytest.FixtureRequest) -> None:
    client = connect(address)
    client.put_bucket_versioning(Bucket=address.bucket, VersioningConfiguration={"Status": "Enabled"})
    with pytest.raises(NotErasable):
        reopened(address)
    client.put_bucket_versioning(Bucket=address.bucket, VersioningConfiguration={"Status": "Suspended"})
    with pytest.raises(NotErasable):
        reopened(address)
    with pytest.raises(NotErasable):
        reopened(fresh_bucket(request.node.callspec.params["address"]))


def test_versions_that_are_switched_on_later_are_noticed(address: S3Address) -> None:
    with closing(reopened(address)) as area:
        area.write(record(1))
        connect(address).put_bucket_versioning(Bucket=address.bucket, VersioningConfiguration={"Status": "Enabled"})
        with pytest.raises(NotErasable):
            area.write(record(2))
        with pytest.raises(NotErasable):
            area.destroy(record(1).name)


def test_a_bucket_belongs_to_one_archive(bucket: PlainBucket) -> None:
    assert bucket.problem("archive-1", ["nemocnice"]) is not None
    bucket.claim("archive-1", ["nemocnice"])
    bucket.claim("archive-1", ["nemocnice"])
    assert bucket.problem("archive-1", ["nemocnice"]) is None
    with pytest.raises(WrongStore):
        bucket.claim("archive-2", ["nemocnice"])


def test_who_reads_while_a_segment_is_rewritten_reads_the_record(
    address: S3Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bucket has the new segment, and the key area still knows where the record lay in the old one."""
    original, read, others = PlainBucket.put_and_compare, [], []

    def slow(self: PlainBucket, key: str, data: bytes, most: int) -> None:
        original(self, key, data, most)
        others.append(Thread(target=lambda: read.append(area.read(record(3).name))))
        others[0].start()
        others[0].join(0.5)

    with closing(reopened(address)) as area:
        for number in range(PACK):
            area.write(record(number))
        with monkeypatch.context() as patched:
            patched.setattr(PlainBucket, "put_and_compare", slow)
            area.destroy(record(0).name)
        others[0].join()
    assert read == [record(3)]


def test_reading_goes_on_while_records_are_packed(address: S3Address) -> None:
    stop, wrong = Event(), []
    with closing(reopened(address)) as area:
        area.write(record(0))

        def read() -> None:
            while not stop.is_set():
                try:
                    area.read(record(0).name)
                except Exception as error:  # noqa: BLE001 - whatever it is, the test tells
                    wrong.append(error)

        readers = [Thread(target=read) for _ in range(2)]
        for reader in readers:
            reader.start()
        for number in range(1, 6 * PACK):
            area.write(record(number))
            if number % PACK == 2:
                area.write(record(0))
            if number % PACK == 3:
                area.destroy(record(number - 1).name)
        stop.set()
        for reader in readers:
            reader.join()
    assert wrong == []
