"""Connections are borrowed by one at a time, and one that broke takes the idle ones along."""

from __future__ import annotations

from threading import Event, Thread

import pytest

from zdda.storage.connection_pool import ConnectionPool
from zdda.storage.store_errors import StoreBusy, StoreRefuses, StoreUnreachable


class Line:
    def __init__(self) -> None:
        self.open = True

    def alive(self) -> bool:
        return self.open

    def close(self) -> None:
        self.open = False


@pytest.fixture
def made() -> list[Line]:
    return []


@pytest.fixture
def pool(made: list[Line]) -> ConnectionPool[Line]:
    def connect() -> Line:
        made.append(Line())
        return made[-1]

    return ConnectionPool(connect, 2, 0.05)


def test_a_connection_serves_again_and_never_two_at_once(pool: ConnectionPool[Line], made: list[Line]) -> None:
    with pool.borrowed() as first, pool.borrowed() as second:
        assert first is not second
    for _ in range(3):
        with pool.borrowed():
            pass
    assert len(made) == 2


def test_who_finds_none_free_waits_and_not_for_ever(pool: ConnectionPool[Line]) -> None:
    inside, leave, served = Event(), Event(), []

    def hold() -> None:
        with pool.borrowed():
            inside.set()
            leave.wait(5)

    holder = Thread(target=hold)
    holder.start()
    inside.wait(5)
    with pool.borrowed():
        with pytest.raises(StoreBusy), pool.borrowed():
            served.append("never")
        leave.set()
        holder.join()
        with pool.borrowed():
            served.append("now")
    assert served == ["now"]


def test_what_broke_one_broke_the_idle_ones(pool: ConnectionPool[Line], made: list[Line]) -> None:
    with pool.borrowed(), pool.borrowed():
        pass
    with pytest.raises(StoreUnreachable), pool.borrowed():
        raise StoreUnreachable("gone")
    assert [each.open for each in made] == [False, False]
    with pool.borrowed() as anew:
        assert anew.open


def test_a_refusal_breaks_nothing(pool: ConnectionPool[Line], made: list[Line]) -> None:
    with pytest.raises(StoreRefuses), pool.borrowed():
        raise StoreRefuses("no")
    with pool.borrowed():
        assert len(made) == 1


def test_one_that_ended_while_idle_is_not_used(pool: ConnectionPool[Line], made: list[Line]) -> None:
    with pool.borrowed() as line:
        pass
    line.open = False
    with pool.borrowed() as another:
        assert another is not line


def test_connecting_that_fails_gives_its_turn_back() -> None:
    def refuse() -> Line:
        raise StoreUnreachable("nobody")

    pool = ConnectionPool(refuse, 1, 0.05)
    for _ in range(3):
        with pytest.raises(StoreUnreachable), pool.borrowed():
            pass


def test_closing_closes_the_idle(pool: ConnectionPool[Line], made: list[Line]) -> None:
    with pool.borrowed():
        pass
    pool.close()
    assert not made[0].open
