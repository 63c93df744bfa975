"""While a store is away one object at a time tries; the others hear why they wait, and the store hears nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest

from zdda.ingest.forwarding import LONGEST_PAUSE, Forwarding, StoreAway
from zdda.model.errors import IntegrityError
from zdda.model.placement import Copies, Placement
from zdda.storage.s3_errors import StoreBusy, StoreUnreachable

HERE, THERE = Placement(("here",)), Placement(("there",))


class Time:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def forwarding(time: Time) -> Forwarding:
    return Forwarding(time)


def fail(forwarding: Forwarding, error: Exception | None = None, placement: Placement = HERE) -> None:
    error = error or StoreUnreachable("no answer")
    with pytest.raises(type(error)), forwarding.attempt(placement):
        raise error


def untried(forwarding: Forwarding, placement: Placement = HERE) -> StoreAway:
    with pytest.raises(StoreAway) as caught, forwarding.attempt(placement):
        raise AssertionError("the store was asked")
    return caught.value


def succeed(forwarding: Forwarding, placement: Placement = HERE) -> bool:
    with forwarding.attempt(placement) as attempt:
        pass
    return attempt.returned


def test_after_a_failure_nobody_asks_until_the_pause_is_over(forwarding: Forwarding, time: Time) -> None:
    fail(forwarding)
    said = untried(forwarding)
    assert (said.code, said.wait) == ("store-unreachable", timedelta(seconds=1))
    assert forwarding.reason(HERE) == ("store-unreachable", timedelta(seconds=1))
    assert not forwarding.turn()
    time.now += 1
    assert forwarding.turn()
    succeed(forwarding)
    assert forwarding.reason(HERE) is None
    assert not forwarding.turn()


def test_pauses_grow_and_the_last_reason_is_told(forwarding: Forwarding, time: Time) -> None:
    pauses = []
    for _ in range(10):
        fail(forwarding, StoreBusy("slow down"))
        waits = forwarding.reason(HERE)
        assert waits is not None
        assert waits[0] == "store-busy"
        pauses.append(waits[1].total_seconds())
        time.now += pauses[-1]
    assert pauses == [1, 2, 4, 8, 16, *[LONGEST_PAUSE] * 5]


def test_one_tries_at_a_time(forwarding: Forwarding, time: Time) -> None:
    fail(forwarding)
    time.now += 1
    with forwarding.attempt(HERE):
        assert not forwarding.turn()
        assert untried(forwarding).wait == timedelta(seconds=1)
    succeed(forwarding)


def test_what_says_nothing_of_the_store_leaves_the_turn_to_another(forwarding: Forwarding, time: Time) -> None:
    fail(forwarding, IntegrityError("other bytes"))
    assert forwarding.reason(HERE) is None
    fail(forwarding)
    time.now += 1
    fail(forwarding, IntegrityError("other bytes"))
    assert forwarding.turn()


def test_sites_are_away_each_for_themselves(forwarding: Forwarding, time: Time) -> None:
    fail(forwarding)
    succeed(forwarding, THERE)
    assert forwarding.shut([HERE])
    assert not forwarding.shut([HERE, THERE])
    assert not forwarding.shut([])
    fail(forwarding, placement=THERE)
    assert forwarding.shut([HERE, THERE])


def test_a_return_is_told_when_more_than_one_object_was_refused(forwarding: Forwarding, time: Time) -> None:
    assert not succeed(forwarding)
    fail(forwarding)
    time.now += 1
    assert not succeed(forwarding)
    for _ in range(2):
        fail(forwarding)
        time.now += 2
    assert succeed(forwarding)
    assert not succeed(forwarding)


def test_who_needs_all_sites_keeps_nobody_waiting_whom_one_is_enough_for(forwarding: Forwarding) -> None:
    fail(forwarding, placement=Placement())
    assert untried(forwarding, Placement())
    succeed(forwarding, Placement((), Copies.ONE))
