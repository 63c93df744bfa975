"""Replication between two sites in folders: what one has not got is written there, once, whatever stops it."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from zdda.catalog.object_copies import Copy, CopyState, copies_of, move_copy
from zdda.catalog.packages import StoredObject, insert_objects
from zdda.crypto.digests import digests_of
from zdda.crypto.generations import GenerationKeys
from zdda.crypto.key_wrapping import LocalKeyWrapper
from zdda.database.session import TenantDatabase
from zdda.model.clock import FixedClock, system_entropy
from zdda.model.errors import Conflict, NotFound, Unavailable
from zdda.model.identifiers import ContentAddress
from zdda.model.objects import ObjectKind, ObjectName
from zdda.model.placement import Copies, Placement
from zdda.retention.found_damage import FoundDamage
from zdda.retention.replication import GROUP, REPLICATION_POINTS, Replicator
from zdda.storage.blob_store import OpenStream
from zdda.storage.filesystem_blobs import FilesystemBlobs
from zdda.storage.filesystem_key_area import FilesystemKeyArea
from zdda.storage.object_record import ObjectRecord
from zdda.storage.object_store import ObjectStore, ObjectVanished
from zdda.storage.site import Site
from zdda.storage.store_errors import StoreFull

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
UNTIL = datetime(2032, 1, 1, tzinfo=UTC)
ONE = Placement((), Copies.ONE)


class Died(BaseException):
    """The process stops here."""


class Switched(FilesystemBlobs):
    """A site that can be switched off. ``error``: what it then raises."""

    error: Exception | None = None
    asked = 0

    def put(self, address: ContentAddress, length: int, open_stream: OpenStream, retain_until: datetime) -> None:
        self._answer()
        super().put(address, length, open_stream, retain_until)

    def mend(self, address: ContentAddress, length: int, open_stream: OpenStream, retain_until: datetime) -> None:
        self._answer()
        super().mend(address, length, open_stream, retain_until)

    def stat(self, address: ContentAddress) -> Any:
        self._answer()
        return super().stat(address)

    def _answer(self) -> None:
        self.asked += 1
        if self.error is not None:
            raise self.error


@dataclass
class World:
    """Praha and brno, which has a place of records of its own."""

    folder: Path
    database: TenantDatabase
    clock: FixedClock = field(default_factory=lambda: FixedClock(NOW))
    seconds: float = 0.0

    def __post_init__(self) -> None:
        wrapper = LocalKeyWrapper(bytes(32), system_entropy)
        self.generations = GenerationKeys(self.folder / "g.json", wrapper, system_entropy, self.clock)
        self.generations.create(self.database.tenant)
        self.open()

    def open(self) -> None:
        self.praha, self.brno = (Switched(self.folder / name, immutable=False) for name in ("praha", "brno"))
        areas = [FilesystemKeyArea(self.folder / name, system_entropy) for name in ("one", "two", "of-brno")]
        self.own, self.of_brno = areas[:2], areas[2]
        self.sites = [Site("praha", self.praha), Site("brno", self.brno, self.of_brno)]
        self.store = ObjectStore(self.sites, self.own, self.generations, monotonic=lambda: self.seconds)

    def close(self) -> None:
        for each in (*self.sites, *self.own):
            each.close()

    def deposit(self, number: int) -> ObjectRecord:
        """Stored as ingest does it."""
        name = ObjectName(self.database.tenant, UUID(int=number), ObjectKind.AIP)
        data = f"object {number} ".encode() * 2000
        found = digests_of(data)
        record = self.store.seal_record(name, ContentAddress(found.sha256), len(data), found.sha512, bytes(32), UNTIL)
        placed = self.store.put(record, lambda: io.BytesIO(data), ONE)
        listed = StoredObject(name.package, "aip", 0, str(record.address), len(data), found.sha512, 1, UNTIL)
        with self.database.write() as tx:
            insert_objects(tx, [(listed, placed)], self.clock.now())
        return record

    def replicate(self, crash: Callable[[str], None] = lambda _point: None, threads: int = 1) -> bool:
        """Brings brno level as far as that can be done now; whether anything was tried."""
        replicator = Replicator(
            self.database, self.store, self.sites[1], self.sites[:1], self.clock, crash, threads=threads
        )
        tried = replicator.run_one()
        while replicator.run_one():
            pass
        replicator.settle()
        return tried

    def copy(self, record: ObjectRecord) -> Copy:
        with self.database.read() as tx:
            (copy,) = copies_of(tx, record.name, ["brno"])
        return copy

    def state(self, record: ObjectRecord) -> CopyState:
        return self.copy(record).state

    def is_level(self, record: ObjectRecord) -> bool:
        with self.praha.open(record.address) as here, self.brno.open(record.address) as there:
            same = here.read() == there.read()
        return (
            same and self.of_brno.read(record.name) == record and self.brno.stat(record.address).retain_until == UNTIL
        )


@pytest.fixture
def world(tmp_path: Path, database: TenantDatabase) -> Iterator[World]:
    made = World(tmp_path, database)
    yield made
    made.close()


def away(world: World) -> None:
    world.brno.error = Unavailable("brno is away")


def back(world: World) -> None:
    world.brno.error = None
    world.clock.move_to(world.clock.now() + timedelta(minutes=2))
    world.seconds += 120


def test_a_site_that_was_away_is_brought_level(world: World) -> None:
    away(world)
    records = [world.deposit(number) for number in range(1, GROUP + 5)]
    assert {world.state(record) for record in records} == {CopyState.MISSING}
    back(world)
    assert world.replicate(threads=4)
    assert {world.state(record) for record in records} == {CopyState.PRESENT}
    assert all(world.is_level(record) for record in records)
    assert not world.replicate()
    assert world.state(world.deposit(GROUP + 5)) is CopyState.PRESENT  # the store has heard that it is back


def test_while_it_is_away_one_copy_is_tried_and_the_pauses_grow(world: World) -> None:
    away(world)
    for number in (1, 2, 3):
        world.deposit(number)
    replicator = Replicator(world.database, world.store, world.sites[1], world.sites[:1], world.clock)
    tries = []
    for second in range(64):
        world.clock.move_to(NOW + timedelta(seconds=second))
        before = world.brno.asked
        replicator.run_one()
        if world.brno.asked > before:
            assert world.brno.asked == before + 2  # for the copy, and whether it answers at all
            tries.append(second)
    assert tries == [0, 1, 3, 7, 15, 31, 63]
    replicator.settle()


class BadSector(io.RawIOBase):
    """What cannot be read."""

    def readable(self) -> bool:
        return True

    def readinto(self, _buffer: object) -> int:
        raise OSError(errno.EIO, "Input/output error")


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("many", [1, GROUP + 2])
def test_what_cannot_be_read_is_put_off_alone(
    many: int, threads: int, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    away(world)
    records = [world.deposit(number) for number in range(1, many + 8)]
    back(world)
    begun = world.clock.now()
    bad, real = {record.address for record in records[:many]}, world.praha.open
    monkeypatch.setattr(world.praha, "open", lambda address: BadSector() if address in bad else real(address))
    replicator = Replicator(world.database, world.store, world.sites[1], world.sites[:1], world.clock, threads=threads)
    tries = []
    for minute in range(20):
        for second in range(0, 60, 10):
            world.clock.move_to(begun + timedelta(minutes=minute, seconds=second))
            replicator.run_one()
        tries.append(world.copy(records[0]).attempts)
    replicator.settle()
    assert {world.state(record) for record in records[many:]} == {CopyState.PRESENT}
    assert {world.state(record) for record in records[:many]} == {CopyState.MISSING}
    assert world.copy(records[0]).problem == "unavailable"
    if many == 1:
        assert tries == [1, 2, 2, 3, 3, 3, 3, 4, *[4] * 7, 5, *[5] * 4]  # after 1, 2, 4 minutes and so on
    monkeypatch.undo()
    world.clock.move_to(world.clock.now() + timedelta(hours=1))
    world.replicate()
    assert {world.state(record) for record in records} == {CopyState.PRESENT}


def test_a_site_that_takes_nothing_is_left_alone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    away(world)
    records = [world.deposit(number) for number in range(1, 8)]
    back(world)
    tried = []

    def full(address: ContentAddress, *_arguments: object) -> None:
        tried.append(address)
        raise StoreFull("no room")

    monkeypatch.setattr(world.brno, "mend", full)
    world.replicate()
    assert tried == [record.address for record in records[:3]]
    replicator = Replicator(world.database, world.store, world.sites[1], world.sites[:1], world.clock, threads=1)
    for _second in range(120):
        world.clock.move_to(world.clock.now() + timedelta(seconds=1))
        replicator.run_one()
    replicator.settle()
    assert len(tried) < 20
    monkeypatch.undo()
    back(world)
    world.replicate()
    world.clock.move_to(world.clock.now() + timedelta(hours=1))
    world.replicate()
    assert {world.state(record) for record in records} == {CopyState.PRESENT}


@pytest.mark.parametrize("point", REPLICATION_POINTS)
def test_after_a_crash_replication_goes_on(point: str, world: World) -> None:
    away(world)
    records = [world.deposit(number) for number in (1, 2, 3)]
    back(world)

    def crash(here: str) -> None:
        if here == point:
            raise Died

    with pytest.raises(Died):
        world.replicate(crash)
    world.close()
    world.open()
    world.replicate()
    assert {world.state(record) for record in records} == {CopyState.PRESENT}
    assert all(world.is_level(record) for record in records)


def test_wrong_bytes_are_never_taken_from_the_other_site(world: World) -> None:
    away(world)
    record, whole = world.deposit(1), world.deposit(2)
    path = world.praha.path(record.address)
    status = path.stat()
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-1] + b"X")
    os.utime(path, (status.st_atime, status.st_mtime))
    back(world)
    world.replicate()
    assert (world.state(record), world.state(whole)) == (CopyState.MISSING, CopyState.PRESENT)
    with pytest.raises(NotFound):
        world.brno.open(record.address)


def test_other_bytes_that_lie_there_are_replaced(world: World) -> None:
    away(world)
    record = world.deposit(1)
    back(world)
    target = world.brno.path(record.address)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(b"rubbish")
    world.replicate()
    assert world.is_level(record)


def test_an_error_that_no_waiting_cures_keeps_no_other_copy_waiting(world: World) -> None:
    away(world)
    record, other = world.deposit(1), world.deposit(2)
    back(world)
    for area in (*world.own, world.of_brno):
        area.destroy(record.name)
    world.replicate()
    assert (world.state(record), world.state(other)) == (CopyState.MISSING, CopyState.PRESENT)
    world.brno.error = Conflict("another archive's store")
    assert not world.replicate()  # nothing is due: the next try is an hour away


@pytest.mark.parametrize("begins", ["replicate.recorded", "replicate.before-copy"])
def test_what_is_being_erased_is_not_written(begins: str, world: World) -> None:
    away(world)
    record = world.deposit(1)
    back(world)

    def crash(here: str) -> None:
        """An erasure begins now; it has passed the places of records."""
        if here == begins:
            with world.database.write() as tx:
                for site in ("praha", "brno"):
                    move_copy(tx, site, record.name, list(CopyState), CopyState.ERASING, NOW)

    world.replicate(crash)
    with pytest.raises(NotFound):
        world.brno.open(record.address)
    assert world.state(record) is CopyState.ERASING
    if begins == "replicate.recorded":
        with pytest.raises(NotFound):
            world.of_brno.read(record.name)


def test_damage_found_in_reading_is_noted_once_and_only_where_a_copy_should_lie(world: World) -> None:
    away(world)
    record = world.deposit(1)
    told = FoundDamage(world.database, world.clock)
    gone = ObjectVanished("not there")
    assert not told("brno", record.name, gone)  # it has not got it yet
    assert [told("praha", record.name, gone) for _ in range(2)] == [True, False]
    with world.database.read() as tx:
        (copy,) = copies_of(tx, record.name, ["praha"])
    assert (copy.state, copy.problem) == (CopyState.DAMAGED, "object-missing")


def test_a_site_that_acknowledges_and_keeps_nothing_stays_behind(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    away(world)
    record = world.deposit(1)
    back(world)
    monkeypatch.setattr(world.brno, "mend", lambda *_arguments: None)
    world.replicate()
    assert world.state(record) is CopyState.MISSING
