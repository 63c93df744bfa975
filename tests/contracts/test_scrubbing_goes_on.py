"""Scrubbing goes on: one object, one record, one place, one clock that fails keeps nothing else from being checked."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.simulator.scrubbed_sites import NOW, ROT, World, flip, slot
from zdda.catalog.object_copies import CopyState, move_copy
from zdda.database.session import TenantDatabase
from zdda.model.errors import Unavailable
from zdda.model.identifiers import ContentAddress
from zdda.model.objects import ObjectName
from zdda.retention import record_slots
from zdda.storage.blob_store import BlobStat
from zdda.storage.object_record import ObjectRecord


@pytest.fixture
def world(tmp_path: Path, database: TenantDatabase) -> Iterator[World]:
    made = World(tmp_path, database)
    yield made
    made.close()


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
    slot(world, "one", flip)
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
