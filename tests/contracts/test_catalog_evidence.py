"""Evidence batches in the catalog, on every database: members are fixed, years of disposal stay together."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.exc import IntegrityError

from tests.simulator.catalog_rows import RECEIVED_AT, new_deposit, spooled_document
from zdda.catalog.deposits import get_deposit, insert_deposit, transition
from zdda.catalog.evidence import (
    LEASED,
    BatchState,
    Candidate,
    Member,
    batch_files,
    candidates,
    deposits_of_batch,
    get_batch,
    insert_amendment,
    insert_batch,
    members_of,
    pending_amendments,
)
from zdda.catalog.leasing import Lease
from zdda.database.session import TenantDatabase
from zdda.ingest.batches import plan_batch
from zdda.model.deposit import DepositState
from zdda.model.errors import NotFound
from zdda.model.identifiers import TenantId


def stored(database: TenantDatabase, year: int = 2032) -> Candidate:
    """A deposit that waits for its batch."""
    deposit = new_deposit(retain_until=datetime(year, 1, 1, tzinfo=UTC))
    digest = deposit.deposit_id.bytes * 2
    with database.write() as tx:
        insert_deposit(tx, deposit, [spooled_document()])
        lease = Lease(deposit.deposit_id, "received", 0, 0)
        for state in (DepositState.VALIDATED, DepositState.SEALED, DepositState.STORED):
            values = {"sealed_at": RECEIVED_AT} if state is DepositState.SEALED else {}
            if state is DepositState.STORED:
                values = {"stored_at": RECEIVED_AT, "group_digest": digest}
            lease = transition(tx, lease, state, RECEIVED_AT, **values)
    return Candidate(deposit.deposit_id, deposit.package_id, digest, deposit.retain_until, RECEIVED_AT)


def test_what_claims_to_be_sealed_in_the_future_waits(database: TenantDatabase) -> None:
    waiting = stored(database)
    with database.read() as tx:
        assert candidates(tx, 10, RECEIVED_AT - timedelta(seconds=1)) == []
        assert candidates(tx, 10, RECEIVED_AT) == [waiting]


def close(database: TenantDatabase, chosen: list[Candidate], amendments: list[Member] | None = None) -> UUID:
    batch = uuid4()
    members = [Member(each.package_id, "aip", 0, each.group_digest) for each in chosen] + (amendments or [])
    with database.write() as tx:
        insert_batch(tx, batch, RECEIVED_AT, max(each.retain_until for each in chosen), bytes(32), members)
    return batch


def test_a_stored_deposit_waits_until_it_has_a_batch(database: TenantDatabase) -> None:
    first, second, third = stored(database, 2050), stored(database, 2032), stored(database, 2050)
    with database.read() as tx:
        assert candidates(tx, 10, RECEIVED_AT) == [first, second, third]
        assert candidates(tx, 1, RECEIVED_AT) == [first]
    close(database, [second])
    with database.read() as tx:
        assert candidates(tx, 10, RECEIVED_AT) == [first, third]


def test_members_and_their_order_are_fixed(database: TenantDatabase) -> None:
    chosen = [stored(database) for _ in range(5)]
    random.Random(7).shuffle(chosen)
    batch = close(database, chosen)
    with database.read() as tx:
        assert [member.digest for member in members_of(tx, batch)] == [each.group_digest for each in chosen]
        assert [row.deposit_id for row in deposits_of_batch(tx, batch)] == [each.deposit_id for each in chosen]
        row = get_batch(tx, batch)
    assert (row.state, row.disposal_year, row.lease_epoch) == ("closed", 2032, 0)


def test_nothing_is_a_member_twice(database: TenantDatabase) -> None:
    """Not of one batch, not of two: whatever two closers at once believe."""
    one, other = stored(database), stored(database)
    first = close(database, [one])
    with pytest.raises(IntegrityError):
        close(database, [other, one])
    with database.read() as tx:
        assert get_deposit(tx, one.deposit_id).batch_id == first
        assert candidates(tx, 10, RECEIVED_AT) == [other]


def test_an_amendment_waits_for_a_batch_of_its_years(database: TenantDatabase) -> None:
    package = stored(database)
    close(database, [package])
    made = uuid4()
    with database.write() as tx:
        insert_amendment(tx, made, "k", RECEIVED_AT, b"d" * 32, package.retain_until, [(package.package_id, 1, b"p")])
    with database.read() as tx:
        ((member, until),) = pending_amendments(tx, range(2032, 2034), 10)
        assert (member, until) == (Member(made, "amendment", 0, b"d" * 32), package.retain_until)
        late = RECEIVED_AT + timedelta(seconds=1)
        assert pending_amendments(tx, range(2033, 2035), 10, late) == [(member, until)]
        assert pending_amendments(tx, range(2033, 2035), 10, RECEIVED_AT) == []
        assert pending_amendments(tx, range(2031, 2032), 10) == []
        assert pending_amendments(tx, range(2033, 2035), 10) == []
        assert pending_amendments(tx, range(2032, 2034), 0) == []
    close(database, [stored(database)], [member])
    with database.read() as tx:
        assert pending_amendments(tx, range(2032, 2034), 10) == []


def test_files_of_a_batch_are_needed_as_long_as_its_state_says(database: TenantDatabase) -> None:
    batch = close(database, [stored(database)])
    needed = []
    with database.write() as tx:
        (lease,) = LEASED.claim(tx, "w", tuple(BatchState), timedelta(minutes=1))
        needed.append(batch_files(tx))
        for before, after, values in (
            ("closed", "timestamped", {"batch_file": "b"}),
            ("timestamped", "stored", {"amendment_file": "a"}),
            ("stored", "recorded", {}),
        ):
            lease = LEASED.transition(tx, lease, before, after, **values)
            needed.append(batch_files(tx))
        assert LEASED.claim(tx, "w", tuple(BatchState), timedelta(minutes=1)) == []
    assert needed == [frozenset(), {"b"}, {"a"}, frozenset()]
    assert lease.key == batch


def test_batches_are_the_tenants_own(database: TenantDatabase) -> None:
    waiting, batched = stored(database), stored(database)
    batch = close(database, [batched])
    other = TenantDatabase(database.engine, TenantId("other"))
    with other.read() as tx:
        assert candidates(tx, 10, RECEIVED_AT) == []
        assert members_of(tx, batch) == []
        assert not deposits_of_batch(tx, batch)
        with pytest.raises(NotFound):
            get_batch(tx, batch)
    with database.read() as tx:
        assert candidates(tx, 10, RECEIVED_AT) == [waiting]


def waiting_since(years: list[int]) -> list[Candidate]:
    """One candidate a year of disposal, the first has waited longest."""
    return [
        Candidate(
            UUID(int=n), UUID(int=n), bytes(32), datetime(year, 1, 1, tzinfo=UTC), RECEIVED_AT + timedelta(seconds=n)
        )
        for n, year in enumerate(years)
    ]


YEARS = st.lists(st.integers(2027, 2040), max_size=30)


@given(YEARS, st.integers(1, 10), st.randoms())
def test_a_plan_never_mixes_years_that_differ_much(years: list[int], size: int, order: random.Random) -> None:
    waiting = waiting_since(years)
    chosen = plan_batch(order.sample(waiting, len(waiting)), size)
    assert bool(chosen) == bool(waiting)
    if chosen:
        assert waiting[0] in chosen  # who has waited longest is never passed over
        found = [each.retain_until.year for each in chosen]
        assert found == sorted(found)
        assert found[-1] - found[0] <= 1
        fitting = sum(years[0] <= year <= years[0] + 1 for year in years)
        assert len(chosen) == min(size, fitting)


@given(YEARS, st.integers(1, 10), st.randoms())
def test_everything_gets_into_some_batch(years: list[int], size: int, order: random.Random) -> None:
    waiting = waiting_since(years)
    batched: list[Candidate] = []
    while chosen := plan_batch(order.sample(waiting, len(waiting)), size):
        batched += chosen
        waiting = [each for each in waiting if each not in chosen]
    assert sorted(each.package_id for each in batched) == [UUID(int=n) for n in range(len(years))]
