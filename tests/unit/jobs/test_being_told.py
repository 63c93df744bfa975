"""Who found nothing does not look again until it is told, or some time has passed; what is rare costs little."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from sqlalchemy import event

from tests.unit.jobs.test_runner import PATIENCE, Source, given, row_of, work
from zdda.database.session import TenantDatabase
from zdda.jobs import leased_work, runner
from zdda.jobs.runner import Circuit, Crew, Runner, Seldom


@pytest.fixture
def looks(database: TenantDatabase) -> Iterator[list[str]]:
    """Statements that reach the database."""
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        seen.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    yield seen
    event.remove(database.engine, "before_cursor_execute", note)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that both modules see."""
    now = [100.0]
    for module in (leased_work, runner):
        monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def test_who_found_nothing_looks_again_when_told(
    database: TenantDatabase, looks: list[str], clock: list[float]
) -> None:
    source = work(database)
    source.listen(lambda: None)
    assert not source.run_one()
    assert looks
    looks.clear()
    deposit = given(database)
    looks.clear()
    assert not source.run_one()
    assert not looks
    source.tell()
    assert source.run_one()
    assert row_of(database, deposit).state == "stored"


def test_or_by_itself_after_a_while(database: TenantDatabase, clock: list[float]) -> None:
    source = work(database)
    source.listen(lambda: None)
    assert not source.run_one()
    given(database)
    assert not source.run_one()
    clock[0] += 0.11
    assert source.run_one()


def test_who_found_something_looks_on(database: TenantDatabase, clock: list[float]) -> None:
    source = work(database)
    source.listen(lambda: None)
    for _ in range(3):
        given(database)
        source.tell()
    assert [source.run_one() for _ in range(4)] == [True, True, True, False]


def test_without_threads_it_always_looks(database: TenantDatabase, clock: list[float]) -> None:
    source = work(database)
    assert not source.run_one()
    given(database)
    assert source.run_one()


class Told(Source):
    def __init__(self, pieces: int = 0) -> None:
        super().__init__(pieces)
        self.told = 0

    def tell(self) -> None:
        self.told += 1


def test_what_one_source_has_done_the_next_is_told_of() -> None:
    first, second, third = Told(1), Told(), Told()
    circuit = Circuit([first, second, third])
    assert circuit.run_one()
    assert not circuit.run_one()
    assert (first.told, second.told, third.told) == (0, 1, 0)
    circuit.tell()
    assert first.told == 1


def test_the_next_crew_hears_of_its_own_work_only() -> None:
    first, last, next_one = Told(20), Told(2), Told()
    steps = Runner([Crew(Circuit([first, last]), 1, 0.01), Crew(next_one, 1, 0.01)], 60)
    steps.start()
    assert first.done.wait(PATIENCE)
    assert last.done.wait(PATIENCE)
    steps.stop()
    assert next_one.told == 2


def test_a_wake_tells_the_first_source() -> None:
    source = Told()
    Runner([Crew(Circuit([source]), 1, 1)], 60).wake()
    assert source.told == 1


def test_what_is_rare_is_asked_seldom_and_at_the_end(clock: list[float]) -> None:
    source = Source(5)
    seldom = Seldom(source, 0.25)
    assert seldom.run_one()
    assert seldom.run_one()
    seldom.listen(lambda: None)
    assert not seldom.run_one()
    clock[0] += 0.26
    assert seldom.run_one()
    assert not seldom.run_one()
    seldom.settle()
    assert source.pieces == 1


def test_threads_that_stop_leave_nothing_rare_behind() -> None:
    source, pressing = Source(2), Source()
    steps = Runner([Crew(Circuit([pressing], [Seldom(source, 3600)]), 1, 0.01)], 60)
    steps.start()
    until = time.monotonic() + PATIENCE
    while source.pieces == 2 and time.monotonic() < until:
        threading.Event().wait(0.01)
    threading.Event().wait(0.05)
    assert source.pieces == 1
    steps.stop()
    assert source.pieces == 0
