"""Several deposits in one transaction, on every database: each with its own values, all of them or none."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from tests.simulator.catalog_rows import RECEIVED_AT, new_deposit, spooled_document
from zdda.audit.log import entries, record_each, sequence
from zdda.catalog.deposits import (
    LEASED,
    FoundOut,
    Move,
    deposits_with_documents,
    describe_documents,
    get_deposit,
    history_of,
    insert_deposit,
    transition_each,
)
from zdda.catalog.leasing import Lease
from zdda.database.session import TenantDatabase
from zdda.model.deposit import DepositState
from zdda.model.errors import Conflict, FencedOff

REJECTED, VALIDATED = DepositState.REJECTED, DepositState.VALIDATED


def claimed(database: TenantDatabase, count: int) -> list[Lease]:
    with database.write() as tx:
        for _ in range(count):
            insert_deposit(tx, new_deposit(), [spooled_document(1), spooled_document(2)])
        leases = LEASED.claim(tx, "here/1", ("received",), timedelta(minutes=5), count)
    assert len(leases) == count
    return leases


def move(lease: Lease, after: DepositState = VALIDATED, worst: str = "NO_SIGNATURE") -> Move:
    return Move(lease, after, RECEIVED_AT, {"worst": worst})


def states(database: TenantDatabase, leases: list[Lease]) -> list[tuple[str, str | None]]:
    with database.read() as tx:
        rows = [get_deposit(tx, lease.key) for lease in leases]
    return [(row.state, row.worst) for row in rows]


def test_each_has_its_own_values_and_state(database: TenantDatabase) -> None:
    leases = claimed(database, 3)
    moves = [move(leases[2], worst="c"), move(leases[0], REJECTED, "a"), move(leases[1], worst="b")]
    with database.write() as tx:
        moved = transition_each(tx, moves)
    assert [(lease.key, lease.state) for lease in moved] == [(each.lease.key, each.after) for each in moves]
    assert states(database, leases) == [("rejected", "a"), ("validated", "b"), ("validated", "c")]
    with database.read() as tx:
        assert [[entry.state for entry in history_of(tx, lease.key)] for lease in leases] == [
            ["received", "rejected"],
            ["received", "validated"],
            ["received", "validated"],
        ]


@pytest.mark.parametrize("overtaken", [0, 1, 2])
def test_where_one_is_fenced_off_none_moves(overtaken: int, database: TenantDatabase) -> None:
    leases = claimed(database, 3)
    late = leases[overtaken]
    leases[overtaken] = Lease(late.key, late.state, late.epoch - 1, 0)
    with pytest.raises(FencedOff), database.write() as tx:
        transition_each(tx, [move(lease) for lease in leases])
    assert states(database, leases) == [("received", None)] * 3


def test_a_move_that_the_states_do_not_know_moves_none(database: TenantDatabase) -> None:
    leases = claimed(database, 2)
    with pytest.raises(Conflict), database.write() as tx:
        transition_each(tx, [move(leases[0]), move(leases[1], DepositState.STORED)])
    assert states(database, leases) == [("received", None)] * 2


def test_rows_come_with_their_documents_and_without_the_unknown(database: TenantDatabase) -> None:
    leases = claimed(database, 2)
    with database.write() as tx:
        describe_documents(tx, [FoundOut(leases[1].key, 2, "fmt/18", "PDF", "TOTAL_PASSED")])
        describe_documents(tx, [])
    wanted: list[UUID] = [leases[1].key, uuid4(), leases[0].key]
    with database.read() as tx:
        found = deposits_with_documents(tx, wanted)
        single = get_deposit(tx, leases[0].key)
    assert set(found) == {lease.key for lease in leases}
    assert found[leases[0].key][0] == single
    assert [document.number for document in found[leases[0].key][1]] == [1, 2]
    assert [document.verdict for document in found[leases[1].key][1]] == [None, "TOTAL_PASSED"]


def test_another_tenant_finds_none(database: TenantDatabase) -> None:
    leases = claimed(database, 1)
    with TenantDatabase(database.engine, type(database.tenant)("other")).read() as tx:
        assert deposits_with_documents(tx, [leases[0].key]) == {}


def test_events_are_chained_in_their_order(database: TenantDatabase) -> None:
    with database.write() as tx:
        record_each(tx, [(RECEIVED_AT, f"event-{number}", {"n": number}) for number in range(5)])
        record_each(tx, [])
    sequence(database)
    with database.read() as tx:
        assert [b"event-%d" % n in each.entry for n, each in enumerate(entries(tx))] == [True] * 5
