"""A batch waits a moment for deposits that are about to be stored, and for no other."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from tests.crash.promises import deposit as send
from tests.simulator.archive import SimulatedArchive, make_archive
from zdda.catalog.deposits import LEASED as DEPOSITS
from zdda.catalog.tables import deposits
from zdda.ingest.batches import LONGEST_GATHERED, BatchCloser
from zdda.ingest.steps import SealingSteps
from zdda.ingest.validating import ValidationSteps
from zdda.jobs.leased_work import LeasedWork
from zdda.model.deposit import DepositState
from zdda.model.views import DepositStatus

WAYS = (
    ((DepositState.RECEIVED,), ValidationSteps),
    ((DepositState.VALIDATED, DepositState.SEALED), SealingSteps),
)


@pytest.fixture
def archive(tmp_path: Path) -> SimulatedArchive:
    """One deposit is stored, another was received after it."""
    made = make_archive(tmp_path)
    send(made, "first")
    workshop = made.archive.workshop
    for states, steps in WAYS:
        work = LeasedWork(workshop.database, DEPOSITS, states, steps(workshop), "here/1")
        while work.run_one():
            pass
    return made


def closer(archive: SimulatedArchive, longest_wait: timedelta = timedelta(0)) -> BatchCloser:
    """As a runner's threads have it."""
    made = BatchCloser(archive.archive.workshop, 1000, longest_wait)
    made.listen(lambda: None)
    return made


def defer(archive: SimulatedArchive, status: DepositStatus) -> None:
    with archive.archive.database.write() as tx:
        which = deposits.c.deposit_id == status.deposit_id
        tx.execute(update(deposits).where(which).values(deferred_reason="some-reason"))


def test_it_waits_for_who_is_on_the_way(archive: SimulatedArchive) -> None:
    second = send(archive, "second")
    assert not closer(archive).run_one()
    defer(archive, second)
    assert closer(archive).run_one()


def test_for_a_moment_only(archive: SimulatedArchive) -> None:
    send(archive, "second")
    for _ in range(LONGEST_GATHERED // timedelta(milliseconds=1)):
        archive.archive.workshop.clock.now()  # a millisecond each
    assert closer(archive).run_one()


def test_alone_it_does_not_wait(archive: SimulatedArchive) -> None:
    assert closer(archive).run_one()


def test_nothing_comes_meanwhile_where_no_threads_work(archive: SimulatedArchive) -> None:
    send(archive, "second")
    assert BatchCloser(archive.archive.workshop, 1000, timedelta(0)).run_one()


def test_enough_is_enough(archive: SimulatedArchive) -> None:
    send(archive, "second")
    full = BatchCloser(archive.archive.workshop, 1, timedelta(0))
    full.listen(lambda: None)
    assert full.run_one()
