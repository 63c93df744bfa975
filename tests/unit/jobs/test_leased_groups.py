"""Rows worked at together: what fails fails alone, what takes long holds up no other, and all end before a stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from uuid import UUID

import pytest

from tests.simulator.catalog_rows import RECEIVED_AT, new_deposit, spooled_document
from zdda.catalog.deposits import LEASED, Move, get_deposit, insert_deposit, transition_each
from zdda.catalog.leasing import Lease
from zdda.database.engine import DatabaseUnavailable
from zdda.database.session import TenantDatabase
from zdda.jobs.leased_work import LeasedWork, Outcome
from zdda.jobs.runner import Crew, Gathering, Runner
from zdda.model.deposit import DepositState
from zdda.model.errors import Unavailable

FOLLOWING = {"received": DepositState.VALIDATED, "validated": DepositState.SEALED}
PATIENCE = 20.0


class Steps:
    """``Steps`` that move deposits on; ``work`` is called in the first part, ``groups`` tells what came together."""

    def __init__(self, database: TenantDatabase, work: Callable[[Lease], None] = lambda _: None) -> None:
        self.database, self.work = database, work
        self.groups: list[int] = []
        self.failure: Exception | None = None

    def begin(self, leases: Sequence[Lease], /) -> Sequence[Callable[[], Move] | Exception]:
        return [lambda lease=lease: self._move(lease) for lease in leases]  # type: ignore[misc]

    def commit(self, done: Sequence[tuple[Lease, Move]], /) -> Sequence[Outcome]:
        if self.failure is not None:
            raise self.failure
        self.groups.append(len(done))
        with self.database.write() as tx:
            return transition_each(tx, [move for _, move in done])

    def _move(self, lease: Lease) -> Move:
        self.work(lease)
        return Move(lease, FOLLOWING[lease.state], RECEIVED_AT, {})


def given(database: TenantDatabase, count: int) -> list[UUID]:
    with database.write() as tx:
        deposits = [new_deposit() for _ in range(count)]
        for each in deposits:
            insert_deposit(tx, each, [spooled_document()])
    return [each.deposit_id for each in deposits]


def work(steps: Steps, group: int = 8, threads: int = 0) -> LeasedWork[Move]:
    return LeasedWork(steps.database, LEASED, tuple(FOLLOWING), steps, "here/1", group=group, threads=threads)


def states(database: TenantDatabase, deposits: Sequence[UUID]) -> list[tuple[str, str | None]]:
    with database.read() as tx:
        rows = [get_deposit(tx, each) for each in deposits]
    return [(row.state, row.deferred_reason) for row in rows]


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.005)
    return False


def failing_for(deposit: UUID) -> Callable[[Lease], None]:
    def fail(lease: Lease) -> None:
        if lease.key == deposit:
            raise Unavailable("away")

    return fail


def test_a_group_is_committed_together_and_has_its_size(database: TenantDatabase) -> None:
    deposits, steps = given(database, 5), Steps(database)
    source = work(steps, group=3)
    assert source.run_one()
    assert steps.groups == [3, 3]
    assert source.run_one()
    assert not source.run_one()
    assert steps.groups == [3, 3, 2, 2]
    assert states(database, deposits) == [("sealed", None)] * 5


def test_what_fails_waits_alone(database: TenantDatabase) -> None:
    deposits, steps = given(database, 3), Steps(database)
    steps.work = failing_for(deposits[1])
    assert work(steps).run_one()
    assert states(database, deposits) == [("sealed", None), ("received", "unavailable"), ("sealed", None)]


def test_where_the_commit_fails_all_wait(database: TenantDatabase) -> None:
    deposits, steps = given(database, 2), Steps(database)
    steps.failure = DatabaseUnavailable("away")
    assert work(steps).run_one()
    assert states(database, deposits) == [("received", "database-unavailable")] * 2


def test_a_row_that_takes_long_holds_up_no_other(database: TenantDatabase) -> None:
    slow, *others = given(database, 5)
    steps, gate = Steps(database), threading.Event()
    steps.work = lambda lease: None if lease.key != slow else (gate.wait(PATIENCE), None)[1]
    runner = Runner([Crew(work(steps, threads=2), 1, 60)], 60)
    runner.start()
    try:
        assert eventually(lambda: states(database, others) == [("sealed", None)] * 4)
        late = given(database, 1)
        runner.wake()
        assert eventually(lambda: states(database, late) == [("sealed", None)])
        assert states(database, [slow]) == [("received", None)]
    finally:
        gate.set()
        runner.stop()


def test_what_runs_ends_before_a_stop_and_nothing_more_begins(database: TenantDatabase) -> None:
    (deposit,) = given(database, 1)
    steps, begun, gate = Steps(database), threading.Event(), threading.Event()
    steps.work = lambda _: (begun.set(), gate.wait(PATIENCE), None)[2]
    source = work(steps, threads=1)
    runner = Runner([Crew(source, 1, 60)], 60)
    runner.start()
    assert begun.wait(PATIENCE)
    threading.Timer(0.1, gate.set).start()
    runner.stop()
    with database.read() as tx:
        row = get_deposit(tx, deposit)
    assert (row.state, row.lease_owner, row.deferred_reason) == ("validated", None, None)


def test_the_heartbeat_keeps_every_row_of_the_group(database: TenantDatabase) -> None:
    given(database, 3)
    steps, held = Steps(database), []
    source = work(steps)
    steps.work = lambda _: held.append(len(source._held))
    assert source.run_one()
    assert held == [3] * 6
    assert source._held == {}


def test_a_stream_is_gathered_and_what_comes_alone_is_not() -> None:
    gathering = Gathering(seconds=0.05, stream=0.1)
    taken = []
    for begin, pause in ((False, 0.0), (False, 0.0), (True, 0.0), (True, 0.15), (True, 0.0)):
        if begin:
            gathering.begin()
        time.sleep(pause)
        before = time.monotonic()
        gathering.wait()
        taken.append(time.monotonic() - before >= 0.05)
    assert taken == [False, False, True, False, True]


def test_a_row_that_cannot_even_be_deferred_is_held_no_more(
    database: TenantDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log's disk is full: the others go on, and its lease ends by itself."""
    deposits, steps = given(database, 3), Steps(database)
    steps.work = failing_for(deposits[1])

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "no space left on device")

    monkeypatch.setattr("zdda.jobs.leased_work._log.warning", full)
    for threads in (0, 2):
        source = work(steps, threads=threads)
        runner = Runner([Crew(source, 1, 60)], 60)
        runner.start()
        try:
            others = [deposits[0], deposits[2]]
            assert eventually(lambda others=others: states(database, others) == [("sealed", None)] * 2)
            assert eventually(lambda source=source: source._held == {})
        finally:
            runner.stop()
        assert states(database, [deposits[1]]) == [("received", None)]
        deposits = [*given(database, 1), deposits[1], *given(database, 1)]
