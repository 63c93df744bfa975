"""Scrubbing on two sites: whatever rots is found, named and mended; what is gone everywhere is told every day."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.simulator.scrubbed_sites import NOW, ROT, SITES, UNTIL, Died, World, blank, flip, slot, swap
from zdda.catalog.object_copies import CopyState, move_copy
from zdda.database.session import TenantDatabase
from zdda.model.errors import NotFound
from zdda.retention.scrubbing import SCRUB_POINTS


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


@pytest.mark.parametrize("change", [flip, blank, swap])
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


@pytest.mark.parametrize("change", [flip, blank, swap])
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
    slot(world, "two", blank)

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
    slot(world, "two", blank)

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
    slot(world, "two", blank)

    def crash(here: str) -> None:
        if here == "scrub.records-mended":
            with world.database.write() as tx:
                either = [CopyState.PRESENT, CopyState.DAMAGED]
                move_copy(tx, "west", world.records[0].name, either, CopyState.ERASED, NOW)

    world.scrub(crash)
    for key_area in world.places.values():
        assert key_area.read(world.records[0].name) == world.records[0]
