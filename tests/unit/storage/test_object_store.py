from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from zdda.crypto.digests import digests_of
from zdda.crypto.generations import GenerationKeys
from zdda.crypto.key_wrapping import LocalKeyWrapper
from zdda.crypto.streaming_aead import EncryptingWriter
from zdda.model.clock import FixedClock, system_entropy
from zdda.model.errors import Conflict, IntegrityError, NotFound
from zdda.model.identifiers import ContentAddress, tenant_id
from zdda.model.objects import ObjectKind, ObjectName
from zdda.storage.memory_blobs import MemoryBlobs
from zdda.storage.memory_key_area import MemoryKeyArea
from zdda.storage.object_record import ObjectRecord, RecordMalformed
from zdda.storage.object_store import ObjectStore
from zdda.storage.site import Site

CLOCK = FixedClock(datetime(2026, 11, 22, 12, tzinfo=UTC))
UNTIL = datetime(2032, 1, 1, tzinfo=UTC)
TENANT = tenant_id("nemocnice")
NAME = ObjectName(TENANT, UUID(int=1), ObjectKind.AIP)
KEY, CONTENT = b"k" * 32, b"content " * 1000


class World:
    """A store over memory, with its parts at hand."""

    def __init__(self, folder: Path) -> None:
        wrapper = LocalKeyWrapper(bytes(32), system_entropy)
        self.generations = GenerationKeys(folder / "g.json", wrapper, system_entropy, CLOCK)
        self.generations.create(TENANT)
        self.blobs, self.areas = MemoryBlobs(), (MemoryKeyArea(), MemoryKeyArea())
        self.alarms: list[tuple[str, ObjectName]] = []
        self.store = ObjectStore(
            [Site("main", self.blobs)],
            self.areas,
            self.generations,
            lambda what, name: self.alarms.append((what, name)),
        )

    def record(self, name: ObjectName = NAME) -> tuple[ObjectRecord, bytes]:
        sink = io.BytesIO()
        with EncryptingWriter(sink, KEY, name.associated_data(), system_entropy(32), system_entropy(7)) as writer:
            writer.write(CONTENT)
        found = digests_of(sink.getvalue())
        address = ContentAddress(found.sha256)
        sealed = self.store.seal_record(name, address, found.length, found.sha512, KEY, UNTIL)
        return sealed, sink.getvalue()

    def put(self, name: ObjectName = NAME) -> ObjectRecord:
        sealed, data = self.record(name)
        self.store.put(sealed, lambda: io.BytesIO(data))
        return sealed


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_put_that_comes_late_does_not_bring_an_old_generation_back(world: World) -> None:
    sealed, data = world.record()
    world.store.put(sealed, lambda: io.BytesIO(data))
    world.generations.create(TENANT)
    for area in world.areas:
        area.write(sealed.rewrapped(world.generations))
    world.store.put(sealed, lambda: io.BytesIO(data))
    assert {area.read(NAME).generation for area in world.areas} == {2}
    assert world.store.open(NAME).read() == CONTENT


def test_what_was_put_is_opened(world: World) -> None:
    sealed = world.put()
    assert world.store.open(NAME).read() == CONTENT
    assert world.store.record(NAME) == sealed
    assert list(world.store.records()) == [sealed]
    assert all(area.read(NAME) == sealed for area in world.areas)
    assert world.store.answers()


def test_one_place_of_records_is_not_enough(world: World) -> None:
    with pytest.raises(ValueError, match="two places"):
        ObjectStore([Site("main", world.blobs)], world.areas[:1], world.generations)


def test_a_lost_place_of_records_is_no_loss(world: World) -> None:
    world.put()
    world.areas[0].destroy(NAME)
    assert world.store.open(NAME).read() == CONTENT


def test_a_record_that_was_tampered_with_is_told_and_passed_over(world: World) -> None:
    sealed = world.put()
    world.areas[0].write(replace(sealed, retention_mac=bytes(32)))
    assert world.store.open(NAME).read() == CONTENT
    assert world.alarms == [("record", NAME)]
    world.areas[1].destroy(NAME)
    with pytest.raises(RecordMalformed):
        world.store.open(NAME)


def test_what_is_not_there_is_not_found(world: World) -> None:
    with pytest.raises(NotFound):
        world.store.open(NAME)


def test_another_objects_bytes_are_not_opened(world: World) -> None:
    world.put()
    other = ObjectName(TENANT, UUID(int=2), ObjectKind.AIP)
    sealed, _ = world.record(other)
    wrong = world.blobs._blobs
    world.put(other)
    wrong[world.store.record(other).address] = wrong[world.store.record(NAME).address]
    with pytest.raises(IntegrityError):
        world.store.open(other)
    assert ("object", other) in world.alarms
    assert sealed.name == other


def test_a_name_means_one_object_for_ever(world: World) -> None:
    first = world.put()
    second, data = world.record()
    assert second.address != first.address
    with pytest.raises(Conflict):
        world.store.put(second, lambda: io.BytesIO(data))
    assert world.store.record(NAME) == first
    assert list(world.blobs.addresses()) == [first.address]


def test_a_conflict_in_the_last_place_stops_the_first_from_being_written(world: World) -> None:
    first = world.put()
    world.areas[0].destroy(NAME)
    second, data = world.record()
    with pytest.raises(Conflict):
        world.store.put(second, lambda: io.BytesIO(data))
    assert world.store.record(NAME) == first


def test_a_repeated_put_never_shortens_a_retention(world: World) -> None:
    sealed, data = world.record()
    world.store.put(sealed, lambda: io.BytesIO(data))
    longer = sealed.prolonged(world.generations, datetime(2040, 1, 1, tzinfo=UTC))
    world.areas[0].write(longer)
    world.store.put(sealed, lambda: io.BytesIO(data))
    assert [area.read(NAME) for area in world.areas] == [longer, longer]
    assert world.blobs.stat(sealed.address).retain_until == longer.retain_until


@pytest.mark.parametrize("member", ["length", "sha512", "wrapped_data_key"])
def test_a_record_with_a_changed_member_is_passed_over(member: str, world: World) -> None:
    sealed = world.put()
    value = getattr(sealed, member)
    changed = value + 1 if isinstance(value, int) else value[:-1] + bytes([value[-1] ^ 1])
    world.areas[0].write(replace(sealed, **{member: changed}))
    assert world.store.open(NAME).read() == CONTENT
    assert world.alarms == [("record", NAME)]
    world.store.put(sealed, lambda: world.blobs.open(sealed.address))
    assert world.areas[0].read(NAME) == sealed


def test_an_object_that_vanished_is_an_alarm_and_not_unknown(world: World) -> None:
    world.put()
    world.blobs._blobs.clear()
    with pytest.raises(IntegrityError) as caught:
        world.store.open(NAME)
    assert caught.value.code == "object-vanished"
    assert world.alarms == [("object", NAME)]
