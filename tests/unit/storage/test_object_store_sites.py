"""One name space over several sites: what is written where, and how reading falls over."""

from __future__ import annotations

import io
import queue
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

import pytest

from zdda.crypto.digests import digests_of
from zdda.crypto.generations import GenerationKeys
from zdda.crypto.key_wrapping import LocalKeyWrapper
from zdda.crypto.streaming_aead import SEGMENT_LENGTH, EncryptingWriter
from zdda.model.clock import FixedClock, system_entropy
from zdda.model.errors import Conflict, IntegrityError, NotFound, Unavailable, ZddaError
from zdda.model.identifiers import ContentAddress, tenant_id
from zdda.model.objects import ObjectKind, ObjectName
from zdda.model.placement import EVERYWHERE, Copies, Placed, Placement
from zdda.storage.blob_store import BlobDamaged, OpenStream
from zdda.storage.memory_blobs import MemoryBlobs
from zdda.storage.memory_key_area import MemoryKeyArea
from zdda.storage.object_record import ObjectRecord
from zdda.storage.object_store import ObjectStore
from zdda.storage.site import Site
from zdda.storage.site_reading import Answer

CLOCK = FixedClock(datetime(2026, 11, 22, 12, tzinfo=UTC))
UNTIL = datetime(2032, 1, 1, tzinfo=UTC)
TENANT = tenant_id("nemocnice")
NAME = ObjectName(TENANT, UUID(int=1), ObjectKind.AIP)
KEY = b"k" * 32
CONTENT = bytes(range(256)) * 10_000  # three segments
ONE = Placement((), Copies.ONE)


class FaultySite(MemoryBlobs):
    """``silent``: does not answer. ``fault`` is called at each opening."""

    def __init__(self) -> None:
        super().__init__()
        self.silent = False
        self.asked = 0
        self.fault: Callable[[], Any] = lambda: None

    def put(self, address: ContentAddress, length: int, open_stream: OpenStream, retain_until: datetime) -> None:
        self._answer()
        super().put(address, length, open_stream, retain_until)

    def open(self, address: ContentAddress) -> BinaryIO:
        self._answer()
        return super().open(address)

    def addresses(self) -> Any:
        self._answer()
        return super().addresses()

    def flip(self, address: ContentAddress, position: int) -> None:
        data, lock = self._blobs[address]
        self._blobs[address] = (data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :], lock)

    def lose(self, address: ContentAddress) -> None:
        del self._blobs[address]

    def _answer(self) -> None:
        self.asked += 1
        self.fault()
        if self.silent:
            raise Unavailable("the site does not answer")


class SilentArea(MemoryKeyArea):
    """A site's own place of records."""

    silent = False

    def write(self, record: ObjectRecord) -> None:
        if self.silent:
            raise Unavailable("the place does not answer")
        super().write(record)

    def read(self, name: ObjectName) -> ObjectRecord:
        if self.silent:
            raise Unavailable("the place does not answer")
        return super().read(name)


class World:
    """Two sites, of which praha has a place of records of its own, and one place of the archive's."""

    def __init__(self, folder: Path, own: int = 1) -> None:
        wrapper = LocalKeyWrapper(bytes(32), system_entropy)
        generations = GenerationKeys(folder / "g.json", wrapper, system_entropy, CLOCK)
        generations.create(TENANT)
        self.seconds = 0.0
        self.praha, self.brno = FaultySite(), FaultySite()
        self.records, self.own = SilentArea(), [MemoryKeyArea() for _ in range(own)]
        self.alarms: list[tuple[str, ObjectName]] = []
        self.damaged: list[tuple[str, str]] = []
        self.believed = True
        self.take: Callable[[queue.Queue[Answer], float | None], Answer] = lambda answers, _seconds: answers.get()
        self.store = ObjectStore(
            [Site("praha", self.praha, self.records), Site("brno", self.brno)],
            self.own,
            generations,
            lambda what, name: self.alarms.append((what, name)),
            damaged=self._damaged,
            monotonic=lambda: self.seconds,
            take=lambda answers, seconds: self.take(answers, seconds),
        )

    def _damaged(self, site: str, _name: ObjectName, error: ZddaError) -> bool:
        self.damaged.append((site, error.code))
        return self.believed

    def put(self, placement: Placement = EVERYWHERE) -> tuple[ObjectRecord, Placed]:
        sink = io.BytesIO()
        with EncryptingWriter(sink, KEY, NAME.associated_data(), bytes(32), bytes(7)) as writer:
            writer.write(CONTENT)
        data = sink.getvalue()
        found = digests_of(data)
        record = self.store.seal_record(NAME, ContentAddress(found.sha256), found.length, found.sha512, KEY, UNTIL)
        return record, self.store.put(record, lambda: io.BytesIO(data), placement)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


# --- writing


def test_every_site_and_place_gets_it(world: World) -> None:
    record, placed = world.put()
    assert placed == Placed(("praha", "brno"))
    assert list(world.praha.addresses()) == list(world.brno.addresses()) == [record.address]
    assert world.records.read(NAME) == world.own[0].read(NAME) == record


def test_where_all_are_needed_one_that_is_away_keeps_it_waiting(world: World) -> None:
    world.brno.silent = True
    with pytest.raises(Unavailable):
        world.put()
    world.brno.silent = False
    assert world.put()[1] == Placed(("praha", "brno"))  # at once: who needs all does not pass any over


def test_where_one_is_enough_the_other_gets_it_later(world: World) -> None:
    world.brno.silent = True
    record, placed = world.put(ONE)
    assert placed == Placed(("praha",), ("brno",))
    assert list(world.praha.addresses()) == [record.address]


def test_a_site_that_did_not_answer_keeps_no_other_deposit_waiting(world: World) -> None:
    world.brno.silent = True
    world.put(ONE)
    world.brno.silent = False
    asked = world.brno.asked
    for _ in range(3):
        assert world.put(ONE)[1].missing == ("brno",)
        world.seconds += 100
    assert world.brno.asked == asked
    world.store.site_answered("brno")  # replication has tried it
    assert world.put(ONE)[1] == Placed(("praha", "brno"))


def test_where_no_site_answers_nothing_is_acknowledged(world: World) -> None:
    world.praha.silent = world.brno.silent = True
    for _ in range(2):  # also when both are known to be away
        with pytest.raises(Unavailable):
            world.put(ONE)


def test_two_places_of_records_are_reached_before_anything_counts(world: World) -> None:
    world.records.silent = True
    with pytest.raises(Unavailable):
        world.put(ONE)
    assert list(world.brno.addresses()) == []


def test_a_site_whose_place_is_away_gets_it_later(tmp_path: Path) -> None:
    world = World(tmp_path, own=2)
    world.records.silent = True
    _, placed = world.put(ONE)
    assert placed == Placed(("brno",), ("praha",))
    assert list(world.praha.addresses()) == []


def test_only_the_sites_of_the_placement_get_it(world: World) -> None:
    _, placed = world.put(Placement(("praha",)))
    assert placed == Placed(("praha",))
    assert list(world.brno.addresses()) == []
    assert world.store.open(NAME).read() == CONTENT


def test_other_bytes_at_a_site_are_never_passed_over(world: World) -> None:
    record, _ = world.put()
    world.brno.flip(record.address, 100)
    with pytest.raises(BlobDamaged):
        world.put(ONE)


def test_a_conflict_at_a_sites_own_place_stops_all(tmp_path: Path) -> None:
    world = World(tmp_path)
    record, _ = world.put()
    world.own[0].destroy(NAME)
    sink = io.BytesIO(b"other")
    other = world.store.seal_record(NAME, ContentAddress(bytes(32)), 5, bytes(64), KEY, UNTIL)
    with pytest.raises(Conflict):
        world.store.put(other, lambda: sink, ONE)
    assert world.records.read(NAME) == record
    with pytest.raises(NotFound):
        world.own[0].read(NAME)


# --- reading


def test_a_site_that_is_away_is_passed_over(world: World) -> None:
    world.put()
    world.praha.silent = True
    reader = world.store.open(NAME)
    assert (reader.site, reader.read(), reader.length) == ("brno", CONTENT, len(CONTENT))
    assert (world.alarms, world.damaged) == ([], [])
    asked = world.praha.asked
    assert world.store.open(NAME).site == "brno"  # who did not answer is the last to be asked
    assert world.praha.asked == asked


def test_bytes_that_turn_wrong_in_the_middle_go_on_from_the_other_site(world: World) -> None:
    record, _ = world.put()
    world.praha.flip(record.address, SEGMENT_LENGTH + 5)
    reader = world.store.open(NAME)
    assert reader.site == "praha"
    parts = [reader.read(700_001) for _ in range(4)]
    assert (b"".join(parts), reader.site) == (CONTENT, "brno")
    reader.seek(-1000, io.SEEK_END)
    assert reader.read() == CONTENT[-1000:]
    assert (world.damaged, world.alarms) == ([("praha", "integrity")], [("object", NAME)])


@pytest.mark.parametrize("fault", ["first", "last", "short", "gone"])
def test_a_copy_that_is_damaged_or_gone_is_told_once(fault: str, world: World) -> None:
    record, _ = world.put()
    if fault == "gone":
        world.praha.lose(record.address)
    elif fault == "short":
        data, lock = world.praha._blobs[record.address]
        world.praha._blobs[record.address] = (data[:-1], lock)
    else:
        world.praha.flip(record.address, 0 if fault == "first" else record.length - 1)
    reader = world.store.open(NAME)
    assert reader.read() == CONTENT
    assert world.damaged == [("praha", "object-vanished" if fault == "gone" else "integrity")]
    assert world.alarms == [("object", NAME)]


def test_what_nobody_believed_to_lie_there_is_no_alarm(tmp_path: Path) -> None:
    world = World(tmp_path, own=2)
    world.put(Placement(("brno",)))
    world.believed = False
    with pytest.raises(ZddaError):
        world.store.record(ObjectName(TENANT, UUID(int=2), ObjectKind.AIP))
    assert world.store.open(NAME).site == "brno"
    assert (world.alarms, world.damaged) == ([], [("praha", "object-vanished")])


def test_without_a_good_copy_it_is_said_what_is_wrong(world: World) -> None:
    record, _ = world.put()
    world.praha.flip(record.address, 5)
    world.brno.flip(record.address, 5)
    with pytest.raises(IntegrityError):
        world.store.open(NAME)
    world.brno.silent = True  # its copy may be good
    with pytest.raises(Unavailable):
        world.store.open(NAME)


def test_the_record_is_read_from_a_sites_place_where_the_own_is_lost(world: World) -> None:
    world.put()
    world.own[0].destroy(NAME)
    assert world.store.open(NAME).read(5) == CONTENT[:5]
    world.records.silent = True
    with pytest.raises(Unavailable):
        world.store.open(NAME)
    assert world.alarms == []


def test_a_slow_site_is_not_waited_for(world: World) -> None:
    record, _ = world.put()
    for _ in range(20):
        world.store.open(NAME).close()
    held = threading.Event()
    world.praha.fault = held.wait  # type: ignore[assignment]
    patience: list[float | None] = []

    def take(answers: queue.Queue[Answer], seconds: float | None) -> Answer:
        patience.append(seconds)
        if seconds is not None:
            raise queue.Empty  # so long has passed, and nobody answered
        return answers.get()

    world.take = take
    world.brno.flip(record.address, SEGMENT_LENGTH + 5)
    reader = world.store.open(NAME)
    assert (reader.site, reader.read(5)) == ("brno", CONTENT[:5])
    assert patience == [0.05, None]
    world.praha.fault = lambda: None
    held.set()
    assert (reader.read(), reader.site) == (CONTENT[5:], "praha")  # who was slower may still be asked
    assert world.damaged == [("brno", "integrity")]


def test_patience_grows_with_what_is_usual_at_the_site(world: World) -> None:
    world.put()

    def late() -> None:
        world.seconds += 0.4

    world.praha.fault = late
    for _ in range(20):
        world.store.open(NAME).close()
    asked: list[float | None] = []

    def take(answers: queue.Queue[Answer], seconds: float | None) -> Answer:
        asked.append(seconds)
        return answers.get()

    world.take = take
    world.store.open(NAME).close()
    assert asked == [pytest.approx(0.4)]


def test_the_archive_answers_while_one_site_does(world: World) -> None:
    world.praha.silent = True
    assert world.store.answers()
    assert world.store.answering() == {"praha": False, "brno": True}
    world.brno.silent = True
    assert not world.store.answers()
