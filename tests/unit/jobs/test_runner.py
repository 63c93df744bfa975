"""The runner: steps follow each other, what fails waits with its reason, and idle workers lock nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import update

from tests.simulator.catalog_rows import RECEIVED_AT, new_deposit, spooled_document
from zdda.catalog.deposits import LEASED, get_deposit, insert_deposit, transition
from zdda.catalog.leasing import Lease
from zdda.catalog.tables import deposits
from zdda.database.session import AnyRow, TenantDatabase
from zdda.jobs.leased_work import LeasedWork, SingleSteps, backoff
from zdda.jobs.runner import Circuit, Crew, Runner, WorkSource
from zdda.model.deposit import DepositState
from zdda.model.errors import DueLater, FencedOff, Unavailable

STATES = (DepositState.RECEIVED, DepositState.VALIDATED, DepositState.SEALED)
FOLLOWING = {
    "received": DepositState.VALIDATED,
    "validated": DepositState.SEALED,
    "sealed": DepositState.STORED,
}
PATIENCE = 20.0


def given(database: TenantDatabase) -> UUID:
    deposit = new_deposit()
    with database.write() as tx:
        insert_deposit(tx, deposit, [spooled_document()])
    return deposit.deposit_id


def row_of(database: TenantDatabase, deposit: UUID) -> AnyRow:
    with database.read() as tx:
        return get_deposit(tx, deposit)


def expire(database: TenantDatabase) -> None:
    with database.write() as tx:
        tx.execute(update(deposits).values(lease_until=datetime(2020, 1, 1, tzinfo=UTC)))


class Steps:
    """Moves a deposit on; ``before`` is called first and may raise."""

    def __init__(self, database: TenantDatabase, before: Callable[[Lease], None] = lambda _: None) -> None:
        self._database, self._before = database, before
        self.done: list[str] = []

    def __call__(self, lease: Lease) -> Lease:
        self._before(lease)
        with self._database.write() as tx:
            moved = transition(tx, lease, FOLLOWING[lease.state], RECEIVED_AT)
        self.done.append(moved.state)
        return moved


def work(database: TenantDatabase, before: Callable[[Lease], None] = lambda _: None) -> LeasedWork[Lease]:
    return LeasedWork(database, LEASED, STATES, SingleSteps(Steps(database, before)), "here/1")


def raising(error: BaseException, state: str = "received") -> Callable[[Lease], None]:
    def before(lease: Lease) -> None:
        if lease.state == state:
            raise error

    return before


def test_steps_follow_each_other_until_none_is_left(database: TenantDatabase) -> None:
    deposit = given(database)
    source = work(database)
    assert source.run_one()
    row = row_of(database, deposit)
    assert (row.state, row.lease_owner, row.lease_until, row.lease_epoch) == ("stored", None, None, 1)
    assert not source.run_one()


@pytest.mark.parametrize("state", ["received", "validated", "sealed"])
@pytest.mark.parametrize(
    ("error", "reason"), [(Unavailable("authority"), "unavailable"), (ValueError("a secret"), "internal")]
)
def test_what_raises_waits_and_says_why(state: str, error: Exception, reason: str, database: TenantDatabase) -> None:
    deposit = given(database)
    source = work(database, raising(error, state))
    assert source.run_one()
    row = row_of(database, deposit)
    assert (row.state, row.deferred_reason, row.attempts, row.lease_owner) == (state, reason, 1, None)
    assert not source.run_one()


@pytest.mark.parametrize(
    ("wait", "expected"),
    [(timedelta(hours=7), timedelta(hours=7)), (timedelta(days=400), timedelta(days=29)), (timedelta(0), timedelta(0))],
)
def test_what_is_due_later_is_looked_at_later(wait: timedelta, expected: timedelta, database: TenantDatabase) -> None:
    """Never so far off that a row deferred by a clock gone wrong could not be told from it."""
    deposit = given(database)
    before = datetime.now(UTC)
    assert work(database, raising(DueLater("newer data", wait))).run_one()
    row = row_of(database, deposit)
    assert row.deferred_reason == "due-later"
    assert expected - timedelta(seconds=1) <= row.not_before - before < expected + timedelta(seconds=PATIENCE)


def test_each_attempt_waits_longer_and_a_success_forgets(database: TenantDatabase) -> None:
    deposit = given(database)
    failing = work(database, raising(Unavailable("away")))
    waits = []
    for _ in range(4):
        before = datetime.now(UTC)
        failing.run_one()
        waits.append((row_of(database, deposit).not_before - before).total_seconds())
        with database.write() as tx:
            tx.execute(update(deposits).values(not_before=RECEIVED_AT - timedelta(days=3650)))
    for expected, wait in zip((1, 2, 4, 8), waits, strict=True):
        assert expected - 0.1 <= wait < expected + PATIENCE
    assert work(database).run_one()
    row = row_of(database, deposit)
    assert (row.state, row.attempts, row.deferred_reason, row.not_before) == ("stored", 0, None, None)


def test_the_backoff_ends_at_five_minutes() -> None:
    assert [backoff(n).total_seconds() for n in (0, 1, 2, 8, 9, 100, 10**9)] == [1, 2, 4, 256, 300, 300, 300]


def test_who_is_fenced_off_drops_the_work_and_touches_nothing(database: TenantDatabase) -> None:
    deposit = given(database)

    def overtaken(lease: Lease) -> None:
        if lease.state == "validated":
            expire(database)
            with database.write() as tx:
                LEASED.claim(tx, "other/1", STATES, timedelta(minutes=5))

    source = work(database, overtaken)
    assert source.run_one()
    row = row_of(database, deposit)
    assert (row.state, row.lease_owner, row.lease_epoch, row.attempts) == ("validated", "other/1", 2, 0)
    source.heartbeat()
    assert row_of(database, deposit).lease_until == row.lease_until


def test_who_fails_after_being_fenced_off_defers_nothing(database: TenantDatabase) -> None:
    deposit = given(database)

    def overtaken(_lease: Lease) -> None:
        expire(database)
        with database.write() as tx:
            LEASED.claim(tx, "other/1", STATES, timedelta(minutes=5))
        raise Unavailable("too late")

    assert work(database, overtaken).run_one()
    row = row_of(database, deposit)
    assert (row.lease_owner, row.deferred_reason, row.attempts) == ("other/1", None, 0)


def test_a_step_that_raises_fenced_off_is_not_deferred(database: TenantDatabase) -> None:
    deposit = given(database)
    assert work(database, raising(FencedOff("x"))).run_one()
    assert row_of(database, deposit).deferred_reason is None


def test_a_dying_process_leaves_its_lease_to_expire(database: TenantDatabase) -> None:
    deposit = given(database)
    with pytest.raises(SystemExit):
        work(database, raising(SystemExit())).run_one()
    assert row_of(database, deposit).lease_owner == "here/1"
    expire(database)
    assert work(database).run_one()
    assert row_of(database, deposit).state == "stored"


def test_the_heartbeat_keeps_what_is_worked_at(database: TenantDatabase) -> None:
    deposit = given(database)
    seen = []

    def slow(_lease: Lease) -> None:
        expire(database)
        source.heartbeat()
        seen.append(row_of(database, deposit).lease_until)
        with database.read() as tx:
            assert not LEASED.any_due(tx, STATES)

    source = work(database, slow)
    assert source.run_one()
    assert len(seen) == 3
    assert min(seen) > datetime.now(UTC)
    source.heartbeat()  # nothing is held any more
    assert row_of(database, deposit).lease_until is None


def test_an_idle_worker_never_waits_for_the_write_lock(database: TenantDatabase) -> None:
    given(database)
    source = work(database)
    assert source.run_one()
    answers: list[bool] = []
    with database.write():
        idle = threading.Thread(target=lambda: answers.append(source.run_one()), daemon=True)
        idle.start()
        idle.join(PATIENCE)
        assert answers == [False]


class Source(WorkSource):
    """A ``WorkSource`` of as many pieces as it is told."""

    def __init__(self, pieces: int = 0) -> None:
        self.pieces, self.beats, self.failing = pieces, 0, False
        self.done = threading.Event()
        self.beaten = threading.Event()
        self._lock = threading.Lock()

    def run_one(self) -> bool:
        if self.failing:
            self.failing = False
            raise RuntimeError
        with self._lock:
            if not self.pieces:
                self.done.set()
                return False
            self.pieces -= 1
            return True

    def heartbeat(self) -> None:
        self.beats += 1
        if self.beats == 1:
            raise RuntimeError
        self.beaten.set()


def test_everything_due_is_done_in_order_and_at_once() -> None:
    first, second = Source(3), Source(2)
    Runner([Crew(first, 1, 60), Crew(second, 1, 60)], 60).run_until_idle()
    assert (first.pieces, second.pieces) == (0, 0)


def test_threads_work_when_the_bell_rings() -> None:
    source = Source()
    runner = Runner([Crew(source, 3, 60)], 60)
    assert not runner.alive()
    runner.start()
    assert runner.alive()
    assert source.done.wait(PATIENCE)
    source.pieces = 20
    source.done.clear()
    runner.wake()
    assert source.done.wait(PATIENCE)
    runner.stop()
    assert source.pieces == 0
    assert not runner.alive()


def test_threads_look_by_themselves_without_a_bell() -> None:
    source = Source()
    runner = Runner([Crew(source, 1, 0.01)], 60)
    runner.start()
    assert source.done.wait(PATIENCE)
    source.pieces = 1
    source.done.clear()
    assert source.done.wait(PATIENCE)
    runner.stop()


def test_a_thread_outlives_any_sources_trouble() -> None:
    source, other = Source(2), Source(2)
    source.failing = True
    runner = Runner([Crew(source, 1, 0.01), Crew(other, 1, 0.01)], 0.01)
    runner.start()
    assert source.done.wait(PATIENCE)
    assert other.done.wait(PATIENCE)
    assert source.beaten.wait(PATIENCE)  # the heart goes on after its own trouble too
    assert runner.alive()
    runner.stop()


def test_a_runner_that_never_started_stops() -> None:
    Runner([], 60).stop()


def test_what_one_crew_finishes_rings_for_the_next() -> None:
    first, second = Source(), Source()
    runner = Runner([Crew(first, 2, 60), Crew(second, 1, 60)], 60)
    runner.start()
    assert second.done.wait(PATIENCE)
    second.pieces = 1
    second.done.clear()
    first.pieces = 1
    runner.wake()
    assert second.done.wait(PATIENCE)
    runner.stop()


def test_one_thread_goes_round_several_sources_and_outlives_their_trouble() -> None:
    first, second = Source(1), Source(3)
    first.failing = True
    circuit = Circuit([first, second])
    assert circuit.run_one()
    assert (first.pieces, second.pieces) == (1, 2)
    assert circuit.run_one()
    assert circuit.run_one()
    assert not circuit.run_one()
    assert (first.pieces, second.pieces) == (0, 0)


def test_what_can_wait_is_done_at_leisure_and_at_last() -> None:
    pressing, waiting = Source(40), Source(2)
    circuit = Circuit([pressing], [waiting])
    rounds = [circuit.run_one() for _ in range(16)]
    assert all(rounds)
    assert (pressing.pieces, waiting.pieces) == (24, 1)
    pressing.pieces = 0
    assert circuit.run_one()
    assert waiting.pieces == 0
    assert not circuit.run_one()


def test_a_helper_comes_in_where_the_thread_that_hears_is_held_up() -> None:
    """Nothing rings after the first thread is stuck."""
    stuck, gate = threading.Event(), threading.Event()

    class Slow(Source):
        def run_one(self) -> bool:
            if not stuck.is_set():
                stuck.set()
                gate.wait(PATIENCE)
            return super().run_one()

    source = Slow(2)
    runner = Runner([Crew(source, 1, 0.01, helpers=1)], 60)
    runner.start()
    assert stuck.wait(PATIENCE)
    assert source.done.wait(PATIENCE)
    assert source.pieces == 0
    gate.set()
    runner.stop()
