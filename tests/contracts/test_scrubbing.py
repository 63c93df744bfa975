"""Scrubbing on two sites: whatever rots is found, named and mended; what is gone everywhere is told every day."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from zdda.audit.log import entries, sequence
from zdda.catalog.object_copies import CopyState, copies_of, move_copy
from zdda.catalog.packages import StoredObject, insert_objects
from zdda.crypto.digests import digests_of
from zdda.crypto.generations import GenerationKeys
from zdda.crypto.key_wrapping import LocalKeyWrapper
from zdda.database.session import TenantDatabase
from zdda.model.canonical_json import parse_json
from zdda.model.clock import FixedClock, system_entropy
from zdda.model.errors import NotFound, Unavailable
from zdda.model.identifiers import ContentAddress
from zdda.model.objects import ObjectKind, ObjectName
from zdda.model.placement import Placed
from zdda.packaging.preservation_events import PreservationEvent
from zdda.retention import record_slots
from zdda.retention.scrubbing import SCRUB_POINTS, Scrubber, ScrubPlan
from zdda.storage.blob_store import BlobStat
from zdda.storage.durable_files import set_immutable
from zdda.storage.filesystem_blobs import FilesystemBlobs
from zdda.storage.filesystem_key_area import FilesystemKeyArea
from zdda.storage.object_record import ObjectRecord, seal_record
from zdda.storage.site import Site
from zdda.storage.slots import COPY, slot_offset

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
UNTIL = datetime(2032, 1, 1, tzinfo=UTC)
PLAN = ScrubPlan(days=90, bytes_per_second=100_000_000)
SITES = ("east", "west")
Told = list[tuple[UUID, str, str]]


class Died(BaseException):
    """The process stops here."""


@dataclass
class World:
    """Two sites in folders, three objects, a record of each in two places."""

    folder: Path
    database: TenantDatabase
    clock: FixedClock = field(default_factory=lambda: FixedClock(NOW))
    told: Told = field(default_factory=list)
    signer_away: bool = False
    sites: list[Site] = field(default_factory=list)
    records: list[ObjectRecord] = field(default_factory=list)
    data: dict[ContentAddress, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        wrapper = LocalKeyWrapper(bytes(32), system_entropy)
        self.generations = GenerationKeys(self.folder / "g.json", wrapper, system_entropy, self.clock)
        self.generations.create(self.database.tenant)
        self.open()
        listed = []
        for number in range(3):
            name = ObjectName(self.database.tenant, UUID(int=number + 1), list(ObjectKind)[number])
            data = f"object {number} ".encode() * 2000
            found = digests_of(data)
            record = seal_record(
                self.generations, name, ContentAddress(found.sha256), len(data), found.sha512, bytes(32), UNTIL
            )
            self.records.append(record)
            self.data[record.address] = data
            for key_area in self.places.values():
                key_area.write(record)
            for site in self.sites:
                site.blobs.put(record.address, len(data), lambda data=data: io.BytesIO(data), UNTIL)  # type: ignore[misc]
            listed.append(
                StoredObject(
                    name.package, name.kind, 0, str(record.address), len(data), found.sha512, record.generation, UNTIL
                )
            )
        with self.database.write() as tx:
            insert_objects(tx, [(each, Placed(SITES)) for each in listed], NOW - timedelta(days=2))

    def open(self) -> None:
        self.sites = [Site(name, FilesystemBlobs(self.folder / name, immutable=False)) for name in SITES]
        self.places = {name: FilesystemKeyArea(self.folder / name, system_entropy) for name in ("one", "two")}

    def close(self) -> None:
        for site in self.sites:
            site.close()
        for key_area in self.places.values():
            key_area.close()

    def wait(self, pause: timedelta) -> None:
        self.clock.move_to(self.clock.now() + pause)

    def scrubber(self, crash: Callable[[str], None] = lambda _point: None) -> Scrubber:
        def tell(package: UUID, events: Sequence[PreservationEvent]) -> None:
            if self.signer_away:
                raise Unavailable("the signer is away")
            self.told += [(package, f"{each.type}: {each.outcome}", each.detail) for each in events]

        return Scrubber(self.database, self.sites, self.places, self.generations, self.clock, PLAN, tell, crash)

    def scrub(self, crash: Callable[[str], None] = lambda _point: None) -> None:
        scrubber = self.scrubber(crash)
        while scrubber.run_one():
            self.wait(timedelta(seconds=3))

    def path(self, site: str, number: int) -> Path:
        blobs = self.sites[SITES.index(site)].blobs
        assert isinstance(blobs, FilesystemBlobs)
        path = blobs.path(self.records[number].address)
        set_immutable(path, immutable=False)
        return path

    def rot(self, site: str, number: int, change: Callable[[bytes], bytes]) -> None:
        path = self.path(site, number)
        status = path.stat()
        path.chmod(0o600)
        path.write_bytes(change(path.read_bytes()))
        path.chmod(0o400)
        os.utime(path, (status.st_atime, status.st_mtime))

    def states(self, number: int) -> dict[str, CopyState]:
        with self.database.read() as tx:
            return {each.site: each.state for each in copies_of(tx, self.records[number].name, SITES)}

    def audited(self) -> list[tuple[str, str | None]]:
        while sequence(self.database):
            pass
        with self.database.read() as tx:
            told = [parse_json(each.entry) for each in entries(tx)]
        return [(each["event"], each["facts"].get("problem")) for each in told]

    def is_level(self) -> bool:
        whole = True
        for record in self.records:
            for site in self.sites:
                with site.blobs.open(record.address) as stream:
                    whole &= stream.read() == self.data[record.address]
                whole &= site.blobs.stat(record.address).retain_until == UNTIL
            whole &= all(key_area.read(record.name) == record for key_area in self.places.values())
        return whole


@pytest.fixture
def world(tmp_path: Path, database: TenantDatabase) -> Iterator[World]:
    made = World(tmp_path, database)
    yield made
    made.close()


def test_what_is_whole_is_read_once_in_its_days(world: World) -> None:
    world.scrub()
    assert world.audited() == []
    assert not world.scrubber().run_one()
    world.wait(timedelta(days=89))
    assert not world.scrubber().run_one()
    world.wait(timedelta(days=2))
    assert world.scrubber().run_one()
    assert world.told == []


ROT: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "flip": (lambda data: data[:77] + bytes([data[77] ^ 1]) + data[78:], "object-digest"),
    "truncate": (lambda data: data[:-1], "object-length"),
    "empty": (lambda _data: b"", "object-length"),
    "swap": (lambda data: b"object 9 " * (len(data) // 9), "object-digest"),
}


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("kind", ROT)
def test_rot_at_one_site_is_named_and_mended(kind: str, number: int, world: World) -> None:
    change, problem = ROT[kind]
    world.rot("west", number, change)
    world.scrub()
    assert world.is_level()
    assert world.audited() == [("copy-damaged", problem), ("copy-mended", problem)]
    assert world.states(number) == {"east": CopyState.PRESENT, "west": CopyState.PRESENT}
    package = world.records[number].name.package
    expected = [(package, "fixity check: fail", problem), (package, "recovery: success", problem)]
    assert world.told == (expected if number == 0 else [])


def test_a_copy_that_is_gone_comes_back(world: World) -> None:
    world.path("east", 1).unlink()
    world.scrub()
    assert world.is_level()
    assert world.audited() == [("copy-damaged", "object-missing"), ("copy-mended", "object-missing")]


def test_a_lock_that_is_too_short_is_made_longer(world: World) -> None:
    path = world.path("east", 0)
    os.utime(path, (0, NOW.timestamp()))
    world.scrub()
    assert world.is_level()
    assert world.audited()[-1] == ("copy-mended", "lock-too-short")


@pytest.mark.parametrize("kind", ROT)
def test_rot_at_both_sites_is_an_alarm_every_day_and_changes_nothing(kind: str, world: World) -> None:
    change, problem = ROT[kind]
    for site in SITES:
        world.rot(site, 0, change)
    world.scrub()
    events = world.audited()
    assert sorted(events) == sorted([("copy-damaged", problem), ("copy-lost", problem)] * 2)
    assert set(world.states(0).values()) == {CopyState.DAMAGED}
    assert [each[1] for each in world.told] == ["fixity check: fail", "recovery: fail"] * 2
    world.wait(timedelta(hours=25))
    world.scrub()
    assert world.audited() == events
    good = world.records[0]
    world.sites[0].blobs.mend(good.address, good.length, lambda: io.BytesIO(world.data[good.address]), UNTIL)
    world.wait(timedelta(hours=25))
    world.scrub()
    assert world.is_level()
    assert world.states(0) == {"east": CopyState.PRESENT, "west": CopyState.PRESENT}


def slot(world: World, place: str, change: Callable[[bytearray], None]) -> None:
    """Changes the segment of a place on its disk."""
    path = world.folder / place / "segment-000000.slots"
    data = bytearray(path.read_bytes())
    change(data)
    path.write_bytes(data)


def _flip(data: bytearray) -> None:
    for copy in (0, 1):
        data[slot_offset(0, copy) + 100] ^= 1


def _blank(data: bytearray) -> None:
    for copy in (0, 1):
        data[slot_offset(0, copy) : slot_offset(0, copy) + COPY] = bytes(COPY)


def _swap(data: bytearray) -> None:
    for copy in (0, 1):
        data[slot_offset(0, copy) : slot_offset(0, copy) + COPY] = data[
            slot_offset(1, copy) : slot_offset(1, copy) + COPY
        ]


@pytest.mark.parametrize("change", [_flip, _blank, _swap])
def test_a_record_that_rots_in_one_place_is_written_again(change: Callable[[bytearray], None], world: World) -> None:
    slot(world, "two", change)
    world.scrub()
    assert world.is_level()
    assert {event for event, _ in world.audited()} == {"copy-damaged", "copy-mended"}


def test_a_record_that_was_rolled_back_is_brought_forward(world: World) -> None:
    longer = world.records[0].prolonged(world.generations, UNTIL + timedelta(days=400))
    world.places["one"].write(longer)
    world.scrub()
    assert world.places["two"].read(longer.name) == longer
    for site in world.sites:
        assert site.blobs.stat(longer.address).retain_until == longer.retain_until


@pytest.mark.parametrize("change", [_flip, _blank, _swap])
def test_a_record_that_rots_everywhere_is_an_alarm(change: Callable[[bytearray], None], world: World) -> None:
    for place in world.places:
        slot(world, place, change)
    world.scrub()
    assert ("copy-lost", "record-lost") in world.audited()
    assert set(world.states(0).values()) == {CopyState.DAMAGED}


def test_nothing_is_mended_in_the_packages_chain_before_it_is_told(world: World) -> None:
    world.rot("west", 0, ROT["flip"][0])
    world.signer_away = True
    world.scrub()
    assert world.states(0)["west"] is CopyState.DAMAGED
    world.signer_away = False
    world.wait(timedelta(minutes=5))
    world.scrub()
    assert world.is_level()
    assert [each[1:] for each in world.told] == [
        ("fixity check: fail", "object-digest"),
        ("recovery: success", "object-digest"),
    ]


@pytest.mark.parametrize("point", SCRUB_POINTS)
def test_after_a_crash_mending_goes_on(point: str, world: World) -> None:
    world.rot("west", 0, ROT["flip"][0])
    slot(world, "two", _blank)

    def crash(here: str) -> None:
        if here == point:
            raise Died

    with pytest.raises(Died):
        world.scrub(crash)
    world.close()
    world.open()
    world.scrub()
    assert world.is_level()
    assert world.audited()[-1][0] == "copy-mended"
    assert set(world.states(0).values()) == {CopyState.PRESENT}


def test_what_is_being_erased_is_not_written_again(world: World) -> None:
    world.path("west", 0).unlink()

    def crash(here: str) -> None:
        """An erasure begins as soon as the damage is noted, and has passed the places of records."""
        if here == "scrub.damage-noted":
            with world.database.write() as tx:
                for site in SITES:
                    move_copy(
                        tx, site, world.records[0].name, [CopyState.PRESENT, CopyState.DAMAGED], CopyState.ERASING, NOW
                    )

    world.scrub(crash)
    assert not world.path("west", 0).exists()
    assert set(world.states(0).values()) == {CopyState.ERASING}


def test_records_written_into_an_erasure_are_destroyed_again(world: World) -> None:
    world.path("west", 0).unlink()
    slot(world, "two", _blank)

    def crash(here: str) -> None:
        """The erasure begins after the look, and has passed the places by the time of the look back."""
        if here == "scrub.records-mended":
            with world.database.write() as tx:
                for site in SITES:
                    either = [CopyState.PRESENT, CopyState.DAMAGED]
                    move_copy(tx, site, world.records[0].name, either, CopyState.ERASING, NOW)

    world.scrub(crash)
    assert not world.path("west", 0).exists()
    for key_area in world.places.values():
        with pytest.raises(NotFound):
            key_area.read(world.records[0].name)
    assert set(world.states(0).values()) == {CopyState.ERASING}


def test_a_record_is_kept_where_only_one_site_has_let_go_of_the_object(world: World) -> None:
    slot(world, "two", _blank)

    def crash(here: str) -> None:
        if here == "scrub.records-mended":
            with world.database.write() as tx:
                either = [CopyState.PRESENT, CopyState.DAMAGED]
                move_copy(tx, "west", world.records[0].name, either, CopyState.ERASED, NOW)

    world.scrub(crash)
    for key_area in world.places.values():
        assert key_area.read(world.records[0].name) == world.records[0]


def rounds(world: World, count: int) -> None:
    """So many looks two minutes apart, of one scrubber."""
    scrubber = world.scrubber()
    for _ in range(count):
        while scrubber.run_one():
            world.wait(timedelta(seconds=3))
        world.wait(timedelta(minutes=2))


def test_one_object_without_an_answer_keeps_no_other_from_being_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    east = world.sites[0].blobs
    honest = east.stat

    def stat(address: ContentAddress) -> BlobStat:
        if address == world.records[0].address:
            raise Unavailable("the store takes no requests for now (500)")
        return honest(address)

    monkeypatch.setattr(east, "stat", stat)
    world.rot("east", 2, ROT["flip"][0])
    rounds(world, 5)
    told = world.audited()
    assert ("copy-mended", "object-digest") in told
    assert ("copy-damaged", "object-unanswered") in told
    assert world.states(0)["east"] is CopyState.DAMAGED
    monkeypatch.undo()
    world.wait(timedelta(hours=7))
    world.scrub()
    assert world.states(0)["east"] is CopyState.PRESENT


def test_a_place_that_is_away_says_nothing_of_copies(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_name: ObjectName) -> ObjectRecord:
        raise Unavailable("away")

    monkeypatch.setattr(world.places["two"], "read", away)
    rounds(world, 3)
    assert world.audited() == []
    monkeypatch.undo()
    world.scrub()
    assert world.is_level()


def test_one_record_that_cannot_be_read_is_written_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    area, name = world.places["one"], world.records[0].name
    honest, written = area.read, list[ObjectName]()

    def read(asked: ObjectName) -> ObjectRecord:
        if asked == name and not written:
            raise Unavailable("a bad sector")
        return honest(asked)

    real = area.write
    monkeypatch.setattr(area, "read", read)
    monkeypatch.setattr(area, "write", lambda record: (written.append(record.name), real(record)))
    rounds(world, 3)
    assert ("copy-mended", "record-unreadable") in world.audited()
    assert written == [name]


def test_what_turns_out_to_be_lost_later_is_told_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.rot("east", 0, ROT["flip"][0])
    west = world.sites[1].blobs

    def away(_address: ContentAddress) -> BlobStat:
        raise Unavailable("west is away")

    with monkeypatch.context() as while_away:
        while_away.setattr(west, "stat", away)
        world.scrub()
    world.path("west", 0).unlink()
    for _ in range(4):
        world.wait(timedelta(days=1))
        world.scrub()
    assert world.audited().count(("copy-lost", "object-digest")) == 1


def test_what_a_clock_ahead_has_checked_is_checked_again(world: World) -> None:
    world.wait(timedelta(days=7000))
    world.scrub()
    world.clock.move_to(NOW + timedelta(days=1))
    world.rot("east", 0, ROT["flip"][0])
    world.scrub()
    assert ("copy-mended", "object-digest") in world.audited()
    assert not world.scrubber().run_one()


def test_slots_are_not_looked_over_at_every_idle_moment(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    slot(world, "one", _flip)
    world.close()
    world.open()
    with world.database.write() as tx:
        move_copy(tx, "west", world.records[1].name, CopyState.PRESENT, CopyState.MISSING, NOW)
    world.scrub()
    looks: list[object] = []
    monkeypatch.setattr(record_slots, "states_at", lambda _tx, site: looks.append(site) or {CopyState.MISSING})
    scrubber = world.scrubber()
    for _ in range(100):
        scrubber.run_one()
        world.wait(timedelta(seconds=5))
    assert len(looks) <= 2
