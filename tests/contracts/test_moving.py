"""Moving between two sites in folders, on every database: whatever stops it, one good copy lies somewhere at every
moment, and what is left behind goes when its lock has ended."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from tests.simulator.catalog_rows import new_deposit, spooled_document
from zdda.audit.log import entries, sequence
from zdda.catalog.deposits import insert_deposit
from zdda.catalog.object_copies import CopyState, copies_of, due_copies, move_copy
from zdda.catalog.packages import StoredObject, insert_objects
from zdda.catalog.store_moves import MoveOrder, insert_move, moves_ordered
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
from zdda.retention.leaving import LEAVING_POINTS, LeavingCopies
from zdda.retention.moving import MOVE_POINTS, Mover
from zdda.retention.store_orders import MoveOrdered, order_move
from zdda.storage.blob_store import CrashPoint, no_crash
from zdda.storage.filesystem_blobs import FilesystemBlobs
from zdda.storage.filesystem_key_area import FilesystemKeyArea
from zdda.storage.object_record import ObjectRecord
from zdda.storage.object_store import ObjectStore
from zdda.storage.site import Site

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
UNTIL = datetime(2032, 1, 1, tzinfo=UTC)


class Died(BaseException):
    """The process stops here."""


@dataclass(frozen=True)
class Agreed:
    """Clocks that agree."""

    system: datetime

    @property
    def earliest(self) -> datetime:
        return self.system

    @property
    def clocks(self) -> tuple[tuple[str, datetime], ...]:
        return (("system", self.system),)


class Timed(FilesystemBlobs):
    """A store whose clock goes as it is told."""

    now = NOW

    def own_time(self) -> datetime:
        return self.now


@dataclass
class World:
    """Sites a and b, three objects at a."""

    folder: Path
    database: TenantDatabase
    clock: FixedClock = field(default_factory=lambda: FixedClock(NOW))
    records: list[ObjectRecord] = field(default_factory=list)
    clocks_agree: bool = True

    def __post_init__(self) -> None:
        wrapper = LocalKeyWrapper(bytes(32), system_entropy)
        self.generations = GenerationKeys(self.folder / "g.json", wrapper, system_entropy, self.clock)
        self.generations.create(self.database.tenant)
        self.areas = [FilesystemKeyArea(self.folder / name, system_entropy) for name in ("one", "two")]
        self.sites = [Site(name, Timed(self.folder / name, immutable=False)) for name in ("a", "b")]
        self.store = ObjectStore(self.sites, self.areas, self.generations)
        for number in range(3):
            self.add(number)

    def add(self, number: int, kind: ObjectKind = ObjectKind.AIP) -> ObjectRecord:
        deposit = new_deposit()
        name = ObjectName(
            self.database.tenant, deposit.package_id if kind is ObjectKind.AIP else UUID(int=number), kind
        )
        data = f"object {number} ".encode() * 2000
        found = digests_of(data)
        record = self.store.seal_record(name, ContentAddress(found.sha256), len(data), found.sha512, bytes(32), UNTIL)
        for area in self.areas:
            area.write(record)
        self.blobs("a").put(record.address, len(data), lambda: io.BytesIO(data), UNTIL)
        listed = StoredObject(name.package, str(kind), 0, str(record.address), len(data), found.sha512, 1, UNTIL)
        with self.database.write() as tx:
            if kind is ObjectKind.AIP:
                insert_deposit(tx, deposit, [spooled_document()])
            insert_objects(tx, [(listed, Placed(("a",)))], self.clock.now())
        self.records.append(record)
        return record

    def close(self) -> None:
        for site in self.sites:
            site.close()
        for area in self.areas:
            area.close()

    def blobs(self, site: str) -> Timed:
        (found,) = (each.blobs for each in self.sites if each.name == site)
        assert isinstance(found, Timed)
        return found

    def order(self, target: str | None = "b", source: str = "a", classes: tuple[str, ...] = ()) -> MoveOrder:
        identifier, lasting = UUID(int=len(self.orders()) + 1), target is None
        order = MoveOrder(identifier, source, target, classes, lasting, "somebody", self.clock.now())
        with self.database.write() as tx:
            insert_move(tx, order)
        return order

    def orders(self, *, ended: bool = True) -> list[MoveOrder]:
        with self.database.read() as tx:
            return moves_ordered(tx, ended=ended)

    def states(self, record: ObjectRecord) -> dict[str, CopyState]:
        with self.database.read() as tx:
            return {each.site: each.state for each in copies_of(tx, record.name, ["a", "b"])}

    def lies(self, site: str, record: ObjectRecord) -> bool:
        try:
            with self.blobs(site).open(record.address) as stream:
                return hashlib.sha256(stream.read()).digest() == record.address.digest
        except NotFound:
            return False

    def move(self, crash: CrashPoint = no_crash) -> None:
        self.mover(crash).run_one()

    def mover(self, crash: CrashPoint = no_crash, rate: int = 0) -> Mover:
        return Mover(self.database, self.store, self.sites, lambda _name, _class: ("a", "b"), self.clock, crash, rate)

    def replicate(self) -> None:
        """What replication does."""
        for site, other in (("a", "b"), ("b", "a")):
            with self.database.read() as tx:
                due = due_copies(tx, site, {CopyState.MISSING}, self.clock.now(), 100)
            for copy in due:
                record = self.store.record(copy.name)
                if self.lies(other, record):
                    opening = lambda other=other, record=record: self.blobs(other).open(record.address)  # noqa: E731
                    self.blobs(site).put(record.address, record.length, opening, UNTIL)
                    with self.database.write() as tx:
                        move_copy(tx, site, copy.name, CopyState.MISSING, CopyState.PRESENT, self.clock.now())

    def leave(self, crash: CrashPoint = no_crash) -> None:
        def agreed() -> Agreed:
            if not self.clocks_agree:
                raise Unavailable("the clocks disagree")
            return Agreed(self.clock.now())

        LeavingCopies(self.database, self.store, self.sites, agreed, self.clock, crash).run_one()

    def finish(self, crash: CrashPoint = no_crash) -> None:
        """Everything that can be done now."""
        for _ in range(4):
            self.move(crash)
            self.replicate()
            self.leave(crash)

    def at(self, moment: datetime) -> None:
        self.clock = FixedClock(moment)
        for site in ("a", "b"):
            self.blobs(site).now = moment

    def rot(self, site: str, record: ObjectRecord) -> None:
        path = self.blobs(site).path(record.address)
        path.chmod(0o600)
        path.write_bytes(b"rotten".ljust(record.length))
        path.chmod(0o400)

    def told(self) -> list[str]:
        sequence(self.database)
        with self.database.read() as tx:
            return [str(parse_json(each.entry)["event"]) for each in entries(tx)]


@pytest.fixture
def world(database: TenantDatabase, tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, database)
    yield made
    made.close()


GONE = {"a": CopyState.LEAVING, "b": CopyState.PRESENT}
ERASED = {"a": CopyState.ERASED, "b": CopyState.PRESENT}


def test_objects_move_and_what_is_locked_stays_until_its_lock_ends(world: World) -> None:
    world.order()
    world.finish()
    for record in world.records:
        assert world.states(record) == GONE
        assert world.lies("a", record)
        assert world.lies("b", record)
        assert world.blobs("b").stat(record.address).retain_until == UNTIL
    assert world.orders(ended=False) == []
    world.at(UNTIL - timedelta(seconds=1))
    world.leave()
    assert all(world.states(record) == GONE for record in world.records)
    world.at(UNTIL + timedelta(seconds=1))
    world.clocks_agree = False
    world.leave()
    assert all(world.lies("a", record) for record in world.records)
    world.clocks_agree = True
    world.at(UNTIL + timedelta(days=2))
    world.blobs("a").now = UNTIL - timedelta(hours=1)
    world.leave()
    assert all(world.lies("a", record) for record in world.records)
    world.at(UNTIL + timedelta(days=4))
    world.leave()
    for record in world.records:
        assert world.states(record) == ERASED
        assert not world.lies("a", record)
        assert world.lies("b", record)


def test_what_was_done_is_in_the_audit(world: World) -> None:
    world.order()
    world.finish()
    world.at(UNTIL + timedelta(days=2))
    world.leave()
    told = world.told()
    assert [told.count(event) for event in ("copy-left", "copy-erased", "store-move-ended")] == [3, 3, 1]


def test_nothing_leaves_before_the_other_copy_is_there(world: World) -> None:
    world.order()
    for _ in range(3):
        world.move()
    assert all(world.states(each) == {"a": CopyState.PRESENT, "b": CopyState.MISSING} for each in world.records)
    assert len(world.orders(ended=False)) == 1


def test_a_copy_that_rotted_since_lets_nothing_leave(world: World) -> None:
    world.order()
    world.move()
    world.replicate()
    world.rot("b", world.records[1])
    world.at(NOW + timedelta(days=3))  # it was compared when it was written: within a day that is believed
    world.move()
    assert world.states(world.records[0]) == GONE
    assert world.states(world.records[1]) == {"a": CopyState.PRESENT, "b": CopyState.DAMAGED}
    assert "copy-damaged" in world.told()


def test_nothing_is_erased_unless_another_copy_is_read_whole(world: World) -> None:
    world.order()
    world.finish()
    world.rot("b", world.records[0])
    world.blobs("b").path(world.records[1].address).unlink()
    world.at(UNTIL + timedelta(days=2))
    world.leave()
    assert [world.lies("a", each) for each in world.records] == [True, True, False]
    assert world.states(world.records[0]) == GONE


def test_a_disposal_that_does_not_end_keeps_nothing_else_from_going(world: World) -> None:
    disposed = [world.add(number) for number in range(100, 117)]  # more than are looked at at once, and older
    moved = world.records[:3]
    with world.database.write() as tx:
        for record in disposed:
            assert move_copy(tx, "a", record.name, CopyState.PRESENT, CopyState.ERASING, NOW)
    world.at(NOW + timedelta(minutes=1))
    world.order()
    world.finish()
    assert [world.states(record) for record in moved] == [GONE] * 3
    world.at(UNTIL + timedelta(days=2))
    world.leave()
    assert [world.states(record) for record in moved] == [ERASED] * 3
    assert all(world.lies("a", record) for record in disposed)


def test_no_more_is_read_to_verify_than_the_budget_allows(world: World) -> None:
    world.order()
    world.move()
    world.replicate()
    world.at(NOW + timedelta(days=3))
    mover = world.mover(rate=world.records[0].length // 2)  # two of them at once, then one in two seconds
    left = []
    for second in range(1, 6):
        mover.run_one()
        left.append(sum(world.states(each) == GONE for each in world.records))
        world.clock.move_to(NOW + timedelta(days=3, seconds=second))
    assert left[0] < 3
    assert left == sorted(left)
    assert left[-1] == 3


def test_packages_of_a_class_move_alone(world: World) -> None:
    batch = world.add(7, ObjectKind.EVIDENCE_BATCH)
    world.order(classes=("another",))
    world.finish()
    assert world.states(world.records[0]) == {"a": CopyState.PRESENT}
    assert world.orders(ended=False) == []
    world.order(classes=(new_deposit().retention_class,))
    world.finish()
    assert world.states(world.records[0]) == GONE
    assert world.states(batch) == {"a": CopyState.PRESENT}


def test_a_site_is_drained_of_what_comes_meanwhile_too(world: World) -> None:
    world.order(target=None)
    world.finish()
    later = world.add(8)
    world.at(NOW + timedelta(hours=1))
    world.finish()
    assert all(world.states(each) == GONE for each in (*world.records, later))
    assert len(world.orders(ended=False)) == 1


def test_not_every_store_is_drained(world: World) -> None:
    world.order(target=None)
    with pytest.raises(MoveOrdered, match="every other store"):
        order_move(world.database, ["a", "b"], [], "b", None, [], True, "somebody", world.clock, system_entropy)


def test_what_is_leaving_can_come_back(world: World) -> None:
    world.order()
    world.finish()
    world.order(target="a", source="b")
    world.at(NOW + timedelta(hours=1))
    world.finish()
    for record in world.records:
        assert world.states(record) == {"a": CopyState.PRESENT, "b": CopyState.LEAVING}
        assert world.lies("a", record)
    world.at(UNTIL + timedelta(days=2))
    world.leave()
    assert all(world.lies("a", record) and not world.lies("b", record) for record in world.records)


def test_a_site_that_is_away_keeps_everything_where_it_is(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.order()
    world.move()
    world.replicate()

    def away(_address: ContentAddress) -> None:
        raise Unavailable("away")

    world.at(NOW + timedelta(days=3))
    with monkeypatch.context() as patched:
        patched.setattr(world.blobs("b"), "stat", away)
        world.finish()
    assert all(world.states(each)["a"] is CopyState.PRESENT for each in world.records)
    world.finish()
    assert all(world.states(each) == GONE for each in world.records)


@pytest.mark.parametrize(
    ("point", "count"),
    [
        (point, count)
        for point in (*MOVE_POINTS, *LEAVING_POINTS)
        for count in ((1,) if point in ("move.copies-asked", "move.ended") else (1, 2, 3))
    ],
)
def test_whoever_dies_there_loses_no_object(point: str, count: int, world: World) -> None:
    left, died = [count], []

    def crash(here: str) -> None:
        lives(world)
        if here == point:
            left[0] -= 1
            if not left[0]:
                died.append(here)
                raise Died

    def go(act: Callable[[CrashPoint], None]) -> None:
        with suppress(Died):
            act(crash)
        lives(world)

    world.order()
    for _ in range(3):
        go(world.finish)
    world.at(UNTIL + timedelta(days=2))
    for _ in range(3):
        go(world.leave)
    assert died == [point]
    world.finish()
    assert all(world.states(record) == ERASED for record in world.records)
    assert [world.lies("a", record) for record in world.records] == [False] * 3


def lives(world: World) -> None:
    """Every object lies whole at a site whose row says that it counts."""
    for record in world.records:
        counted = [site for site, state in world.states(record).items() if state is CopyState.PRESENT]
        assert any(world.lies(site, record) for site in counted)
