"""Object records move to a new generation while the archive goes on; nothing is lost wherever it stops."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import delete, insert, update

from zdda.audit.log import entries, sequence
from zdda.catalog.object_copies import CopyState, move_copy
from zdda.catalog.object_generations import GenerationUse, generation_use, move_objects, objects_of_older
from zdda.catalog.packages import StoredObject, insert_objects
from zdda.catalog.tables import objects
from zdda.crypto.generations import GenerationKeys
from zdda.crypto.key_wrapping import LocalKeyWrapper
from zdda.database.session import TenantDatabase
from zdda.model.canonical_json import parse_json
from zdda.model.clock import FixedClock, system_entropy
from zdda.model.errors import NotFound, Unavailable
from zdda.model.identifiers import ContentAddress
from zdda.model.objects import ObjectKind, ObjectName
from zdda.model.placement import Placed
from zdda.retention.ending_generation import GenerationInUse, require_unused
from zdda.retention.rewrapping import REWRAP_POINTS, Rewrapper
from zdda.storage.memory_key_area import MemoryKeyArea
from zdda.storage.object_record import ObjectRecord, seal_record

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
UNTIL = datetime(2032, 1, 1, tzinfo=UTC)
SITES = ("east", "west")
KEY = bytes(range(32))


class Died(BaseException):
    """The process stops here."""


class Counted(LocalKeyWrapper):
    """Counts how often the key-encryption key is asked."""

    asked = 0

    def wrap(self, key: bytes, context: bytes) -> bytes:
        self.asked += 1
        return super().wrap(key, context)

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        self.asked += 1
        return super().unwrap(wrapped, context)


@dataclass
class World:
    """80 objects, records of each in two places of the archive's own and one of the west; the east has none."""

    folder: Path
    database: TenantDatabase
    count: int = 80
    clock: FixedClock = field(default_factory=lambda: FixedClock(NOW))
    names: list[ObjectName] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.wrapper = Counted(bytes(32), system_entropy)
        self.generations = GenerationKeys(self.folder / "g.json", self.wrapper, system_entropy, self.clock)
        self.generations.create(self.database.tenant)
        self.places = {name: MemoryKeyArea() for name in ("0", "1", "west")}
        rows = [self.made(number) for number in range(self.count)]
        with self.database.write() as tx:
            insert_objects(tx, [row for _, row in rows], NOW)

    def add(self, number: int) -> ObjectRecord:
        record, row = self.made(number)
        with self.database.write() as tx:
            insert_objects(tx, [row], NOW)
        return record

    def made(self, number: int) -> tuple[ObjectRecord, tuple[StoredObject, Placed]]:
        name = ObjectName(self.database.tenant, UUID(int=number + 1), list(ObjectKind)[number % 3])
        address = ContentAddress(bytes([number % 256]) * 32)
        record = seal_record(self.generations, name, address, 7, bytes(64), KEY, UNTIL)
        at_west = number % 2 == 0
        for place, key_area in self.places.items():
            if place != "west" or at_west:
                key_area.write(record)
        row = StoredObject(name.package, name.kind, 0, str(address), 7, bytes(64), record.generation, UNTIL)
        self.names.append(name)
        return record, (row, Placed(SITES if at_west else SITES[:1]))

    def rewrapper(self, crash: Callable[[str], None] = lambda _point: None) -> Rewrapper:
        return Rewrapper(self.database, SITES, self.places, self.generations, self.clock, crash)

    def run(self, crash: Callable[[str], None] = lambda _point: None) -> None:
        rewrapper = self.rewrapper(crash)
        while rewrapper.run_one():
            pass
        rewrapper.settle()

    def older(self, generation: int) -> list[ObjectName]:
        with self.database.read() as tx:
            return objects_of_older(tx, generation, None, 1000)

    def all_open(self) -> bool:
        return all(
            key_area.read(name).data_key(self.generations) == KEY
            for place, key_area in self.places.items()
            for number, name in enumerate(self.names)
            if place != "west" or number % 2 == 0
        )

    def found(self) -> set[int]:
        """The generations of all records in all places."""
        return {each.generation for key_area in self.places.values() for each in key_area.records()}

    def audited(self) -> list[dict[str, object]]:
        while sequence(self.database):
            pass
        with self.database.read() as tx:
            return [parse_json(each.entry) for each in entries(tx)]


@pytest.fixture
def world(tmp_path: Path, database: TenantDatabase) -> World:
    return World(tmp_path, database)


def test_records_move_to_the_new_generation(world: World) -> None:
    world.run()
    assert world.found() == {1}
    before = {name: world.places["0"].read(name) for name in world.names}
    world.generations.create(world.database.tenant)
    world.wrapper.asked = 0
    world.run()
    assert world.wrapper.asked == 0, "the keeper of the key-encryption key is not asked for objects"
    assert world.found() == {2}
    assert world.older(2) == []
    assert world.all_open()
    for name, record in before.items():
        after = world.places["0"].read(name)
        after.check_retention(world.generations)
        assert (after.address, after.sha512, after.retain_until) == (record.address, record.sha512, UNTIL)
    assert [each["facts"] for each in world.audited()] == [{"generation": 2, "objects": count} for count in (64, 16)]
    assert sum(1 for _ in world.places["west"].records()) == 40, "no record where the object does not lie"
    world.generations.destroy(world.database.tenant, 1)
    assert world.all_open()


def test_another_processes_generation_is_followed(world: World, tmp_path: Path) -> None:
    other = GenerationKeys(tmp_path / "g.json", LocalKeyWrapper(bytes(32), system_entropy), system_entropy, world.clock)
    rewrapper = world.rewrapper()
    assert not rewrapper.run_one()
    other.create(world.database.tenant)
    while rewrapper.run_one():
        pass
    assert world.found() == {2}
    assert world.add(200).generation == 2, "and new objects are under it"


def test_what_comes_late_under_the_old_generation_is_moved_too(world: World) -> None:
    late = world.add(200)
    with world.database.write() as tx:
        tx.execute(delete(objects).where(objects.c.package_id == late.name.package))
    world.generations.create(world.database.tenant)
    rewrapper = world.rewrapper()
    while rewrapper.run_one():
        pass
    with world.database.write() as tx:
        row = {"tenant_id": tx.tenant, "package_id": late.name.package, "kind": str(late.name.kind), "sequence": 0}
        facts = {"address": str(late.address), "length": 7, "sha512": bytes(64), "generation": 1}
        tx.execute(insert(objects), [{**row, **facts, "retain_until": UNTIL}])
    assert not rewrapper.run_one()
    assert world.older(2) == [late.name]
    world.clock.move_to(NOW + timedelta(hours=2))
    while rewrapper.run_one():
        pass
    assert world.older(2) == []
    assert world.found() == {2}


@pytest.mark.parametrize("point", REWRAP_POINTS)
@pytest.mark.parametrize("at", [1, 2, 70])
def test_after_a_crash_it_goes_on(point: str, at: int, world: World) -> None:
    world.generations.create(world.database.tenant)
    seen = [0]

    def crash(here: str) -> None:
        seen[0] += here == point
        if here == point and seen[0] >= at:
            raise Died

    if point == "rewrap.some-places-written" or at < 3:
        with pytest.raises(Died):
            world.run(crash)
    assert world.all_open(), "both generations open what they hold"
    world.run()
    assert world.found() == {2}
    assert world.older(2) == []
    assert world.all_open()


def test_a_damaged_record_is_replaced_and_told(world: World) -> None:
    name = world.names[4]
    world.places["1"].write(replace(world.places["1"].read(name), length=8))
    world.places["0"].destroy(world.names[6])
    world.generations.create(world.database.tenant)
    world.run()
    assert world.all_open()
    told = [each["facts"] for each in world.audited() if each["event"] == "record-mended"]
    forged = {"place": "1", "problem": "record-forged", "package": str(name.package)}
    assert told == [{**forged, "kind": str(name.kind), "sequence": 0}]


def test_an_object_without_any_record_stops_nobody(world: World) -> None:
    for key_area in world.places.values():
        key_area.destroy(world.names[0])
    world.generations.create(world.database.tenant)
    world.run()
    assert world.older(2) == [world.names[0]]
    assert world.found() == {2}


def test_what_is_being_erased_is_not_written_again(world: World) -> None:
    """Its rows are marked, or gone, before the look or after it; the erasure has passed the places."""
    marked, gone = world.names[0], world.names[1]
    world.generations.create(world.database.tenant)

    def erase() -> None:
        with world.database.write() as tx:
            for site in SITES:
                move_copy(tx, site, marked, [CopyState.PRESENT], CopyState.ERASING, NOW)
            tx.execute(delete(objects).where(objects.c.package_id == gone.package))
        for key_area in world.places.values():
            for name in (marked, gone):
                key_area.destroy(name)

    begun: list[str] = []

    def crash(here: str) -> None:
        if here == "rewrap.some-places-written" and not begun:
            begun.append(here)
            erase()

    world.run(crash)
    assert begun
    for key_area in world.places.values():
        for name in (marked, gone):
            with pytest.raises(NotFound):
                key_area.read(name)
    assert not set(world.older(2)) - {marked}


def test_what_an_erasure_has_marked_is_left_to_it(world: World) -> None:
    with world.database.write() as tx:
        for site in SITES:
            move_copy(tx, site, world.names[0], [CopyState.PRESENT], CopyState.ERASING, NOW)
    world.generations.create(world.database.tenant)
    world.run()
    assert {key_area.read(world.names[0]).generation for key_area in world.places.values()} == {1}
    assert world.older(2) == [world.names[0]]


def test_a_row_never_goes_back(world: World) -> None:
    with world.database.write() as tx:
        move_objects(tx, world.names, 5)
        move_objects(tx, world.names, 4)
    assert world.older(5) == []


def test_a_place_that_does_not_answer_is_awaited(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.generations.create(world.database.tenant)
    rewrapper = world.rewrapper()

    def away(record: ObjectRecord) -> None:
        raise Unavailable("away")

    with monkeypatch.context() as patched:
        patched.setattr(world.places["west"], "write", away)
        assert not rewrapper.run_one()
        assert len(world.older(2)) == world.count, "nothing is listed that is not written everywhere"
    assert not rewrapper.run_one(), "not at once"
    world.clock.move_to(NOW + timedelta(minutes=2))
    while rewrapper.run_one():
        pass
    assert world.found() == {2}


def test_a_generation_goes_when_nothing_is_under_it(world: World) -> None:
    name = world.names[0]
    with pytest.raises(GenerationInUse, match="80 object records in 0"):
        require_unused(world.database, world.places, 1)
    older = world.places["west"].read(name)
    world.generations.create(world.database.tenant)
    world.run()
    require_unused(world.database, world.places, 1)
    world.places["west"].write(older)
    with pytest.raises(GenerationInUse, match="1 object records in west"):
        require_unused(world.database, world.places, 1)
    world.places["west"].destroy(name)
    with world.database.write() as tx:
        tx.execute(update(objects).where(objects.c.package_id == name.package).values(generation=1))
    with pytest.raises(GenerationInUse, match="catalog lists 1"):
        require_unused(world.database, world.places, 1)


def test_what_a_generation_is_needed_for(world: World) -> None:
    with world.database.read() as tx:
        assert generation_use(tx, 1) == GenerationUse(80, 0)
        assert generation_use(tx, 2) == GenerationUse(0, 0)
