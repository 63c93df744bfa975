"""Leases with fencing, on every database: by its clock, by epochs, never twice."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from tests.simulator.catalog_rows import new_deposit, spooled_document
from zdda.catalog.deposits import LEASED, get_deposit, insert_deposit
from zdda.catalog.leasing import Lease
from zdda.catalog.tables import deposits
from zdda.database.engine import open_engine
from zdda.database.session import TenantDatabase
from zdda.model.deposit import DepositState
from zdda.model.errors import FencedOff
from zdda.model.identifiers import TenantId

RECEIVED = (DepositState.RECEIVED,)
LONG, NONE = timedelta(minutes=5), timedelta(0)


def given(database: TenantDatabase, count: int = 1) -> list[UUID]:
    made = []
    with database.write() as tx:
        for _ in range(count):
            deposit = new_deposit()
            insert_deposit(tx, deposit, [spooled_document()])
            made.append(deposit.deposit_id)
    return sorted(made)


def claim(database: TenantDatabase, lease: timedelta = LONG, owner: str = "here/1", limit: int = 1) -> list[Lease]:
    with database.write() as tx:
        return LEASED.claim(tx, owner, RECEIVED, lease, limit)


def any_due(database: TenantDatabase) -> bool:
    with database.read() as tx:
        return LEASED.any_due(tx, RECEIVED)


def test_a_claim_is_exclusive_while_the_lease_lasts(database: TenantDatabase) -> None:
    (deposit,) = given(database)
    assert any_due(database)
    (lease,) = claim(database)
    assert lease == Lease(deposit, "received", 1, 0)
    assert not any_due(database)
    assert claim(database) == []


def test_an_expired_lease_is_claimed_anew_and_its_holder_fenced_off(database: TenantDatabase) -> None:
    given(database)
    (late,) = claim(database, NONE)
    assert any_due(database)
    (lease,) = claim(database)
    assert lease.epoch == late.epoch + 1
    for write in (
        lambda tx: LEASED.renew(tx, late, LONG),
        lambda tx: LEASED.release(tx, late),
        lambda tx: LEASED.defer(tx, late, "late", LONG),
        lambda tx: LEASED.transition(tx, late, "received", "validated"),
    ):
        with pytest.raises(FencedOff), database.write() as tx:
            write(tx)
    with database.write() as tx:
        assert LEASED.transition(tx, lease, "received", "validated").state == "validated"


def test_who_is_late_and_not_overtaken_may_go_on(database: TenantDatabase) -> None:
    """An expired lease that nobody else has taken is still the newest: its epoch is."""
    given(database)
    (late,) = claim(database, NONE)
    with database.write() as tx:
        LEASED.renew(tx, late, LONG)
    assert claim(database) == []


def test_a_renewed_lease_lasts(database: TenantDatabase) -> None:
    given(database)
    (lease,) = claim(database, NONE)
    with database.write() as tx:
        LEASED.renew(tx, lease, LONG)
    assert not any_due(database)


def test_a_released_row_is_free_at_once(database: TenantDatabase) -> None:
    given(database)
    (lease,) = claim(database)
    with database.write() as tx:
        LEASED.release(tx, lease)
    (again,) = claim(database)
    assert again.epoch == lease.epoch + 1


def test_a_deferred_row_waits_and_says_why(database: TenantDatabase) -> None:
    (deposit,) = given(database)
    (lease,) = claim(database)
    with database.write() as tx:
        LEASED.defer(tx, lease, "authority-away", LONG)
    assert claim(database) == []
    with database.read() as tx:
        row = get_deposit(tx, deposit)
    assert (row.deferred_reason, row.attempts, row.lease_owner, row.lease_until) == ("authority-away", 1, None, None)
    assert row.not_before is not None


def test_the_wait_of_a_deferral_ends(database: TenantDatabase) -> None:
    (deposit,) = given(database)
    for attempts in range(3):
        (lease,) = claim(database)
        assert lease.attempts == attempts
        with database.write() as tx:
            LEASED.defer(tx, lease, "authority-away", NONE)
    (lease,) = claim(database)
    with database.write() as tx:
        LEASED.transition(tx, lease, "received", "validated")
    with database.read() as tx:
        row = get_deposit(tx, deposit)
    assert (row.state, row.attempts, row.deferred_reason, row.not_before) == ("validated", 0, None, None)


def test_a_step_is_done_once(database: TenantDatabase) -> None:
    given(database)
    (lease,) = claim(database)
    with database.write() as tx:
        moved = LEASED.transition(tx, lease, "received", "validated")
    with pytest.raises(FencedOff), database.write() as tx:
        LEASED.transition(tx, lease, "received", "validated")
    with database.write() as tx:
        LEASED.transition(tx, moved, "validated", "sealed")


def test_the_oldest_come_first_and_other_states_never(database: TenantDatabase) -> None:
    made = given(database, 5)
    first = claim(database, limit=2)
    assert [lease.key for lease in first] == made[:2]
    with database.write() as tx:
        LEASED.transition(tx, first[0], "received", "validated")
        LEASED.release(tx, first[0])
    assert [lease.key for lease in claim(database, limit=9)] == made[2:]


def test_what_the_dead_held_is_taken_back(database: TenantDatabase) -> None:
    given(database, 3)
    dead, living = claim(database, owner="here/1")[0], claim(database, owner="here%/1")[0]
    with database.write() as tx:
        LEASED.take_back(tx, "here/")
    with pytest.raises(FencedOff), database.write() as tx:
        LEASED.renew(tx, dead, LONG)
    with database.write() as tx:
        LEASED.renew(tx, living, LONG)
    assert {lease.key for lease in claim(database, limit=9)} == set(given_keys(database)) - {living.key}


def given_keys(database: TenantDatabase) -> Iterator[UUID]:
    with database.read() as tx:
        return iter(tx.execute(select(deposits.c.deposit_id)).scalars().all())


def test_tenants_never_see_each_other(database: TenantDatabase) -> None:
    given(database)
    other = TenantDatabase(database.engine, TenantId("other"))
    assert not any_due(other)
    assert claim(other) == []
    (lease,) = claim(database)
    with pytest.raises(FencedOff), other.write() as tx:
        LEASED.release(tx, lease)


def test_many_workers_never_claim_the_same(database_url: str) -> None:
    """Several processes: each thread has an engine of its own."""
    first = open_engine(database_url)
    tenant = TenantId("hospital")
    made = given(TenantDatabase(first, tenant), 40)
    claimed: list[list[UUID]] = [[] for _ in range(8)]
    begin = threading.Barrier(8)

    def work(number: int) -> None:
        engine = open_engine(database_url)
        begin.wait()
        while leases := claim(TenantDatabase(engine, tenant), owner=f"w{number}"):
            claimed[number] += [lease.key for lease in leases]
        engine.dispose()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(key for each in claimed for key in each) == made
    first.dispose()


def test_an_unknown_row_is_nobodys(database: TenantDatabase) -> None:
    with pytest.raises(FencedOff), database.write() as tx:
        LEASED.release(tx, Lease(uuid4(), "received", 1, 0))


def test_moments_written_by_a_clock_that_had_leapt_hold_nothing_up(database: TenantDatabase) -> None:
    """The database's clock was 30 years ahead when the lease, or the deferral, was written."""
    given(database, 2)
    claim(database, timedelta(days=365 * 30))
    (lease,) = claim(database)
    with database.write() as tx:
        LEASED.defer(tx, lease, "elsewhere", timedelta(days=365 * 30))
    assert len(claim(database, limit=2)) == 2


def test_what_waits_is_hurried_but_not_what_failed_often_or_is_held(database: TenantDatabase) -> None:
    given(database, 3)
    often, once, held = claim(database, limit=3)
    with database.write() as tx:
        LEASED.defer(tx, Lease(often.key, often.state, often.epoch, 7), "store-busy", LONG)
        LEASED.defer(tx, once, "store-busy", LONG)
    assert not any_due(database)
    with database.write() as tx:
        LEASED.hasten(tx, (DepositState.SEALED,), 8)
    assert not any_due(database)
    with database.write() as tx:
        LEASED.hasten(tx, RECEIVED, 8)
    assert [lease.key for lease in claim(database, limit=3)] == [once.key]
    with database.write() as tx:
        LEASED.renew(tx, held, LONG)
