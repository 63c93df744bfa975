"""Deposits in the catalog, on every database: names belong to one, states go forward, history is kept."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select

from tests.simulator.catalog_rows import RECEIVED_AT, new_deposit, spooled_document
from zdda.catalog.deposits import (
    LEASED,
    ExternalIdTaken,
    IdempotencyKeyTaken,
    NewDeposit,
    describe_document,
    documents_of,
    find_by_idempotency_key,
    get_deposit,
    history_of,
    insert_deposit,
    spool_files,
    transition,
)
from zdda.catalog.leasing import Lease
from zdda.catalog.tables import deposits
from zdda.database.engine import open_engine
from zdda.database.session import TenantDatabase
from zdda.model.deposit import NEXT, DepositState
from zdda.model.errors import Conflict, FencedOff, NotFound
from zdda.model.identifiers import TenantId
from zdda.model.submission import ExternalId

LONG = timedelta(minutes=5)


def insert(database: TenantDatabase, **changes: Any) -> NewDeposit:
    deposit = new_deposit(**changes)
    with database.write() as tx:
        insert_deposit(tx, deposit, [spooled_document(n, f"{deposit.deposit_id}.{n}") for n in (1, 2)])
    return deposit


def claim(database: TenantDatabase, deposit: NewDeposit) -> Lease:
    with database.write() as tx:
        (lease,) = [
            lease for lease in LEASED.claim(tx, "w", tuple(DepositState), LONG, 99) if lease.key == deposit.deposit_id
        ]
    return lease


def test_a_deposit_reads_back_as_it_was_written(database: TenantDatabase) -> None:
    deposit = insert(database, idempotency_key="k", external_id=ExternalId("kis", "1"))
    with database.read() as tx:
        row, documents = get_deposit(tx, deposit.deposit_id), documents_of(tx, deposit.deposit_id)
    for name in set(NewDeposit.__dataclass_fields__) - {"external_id"}:
        assert getattr(row, name) == getattr(deposit, name), name
    assert (row.producer, row.external_id, row.state, row.lease_epoch) == ("kis", "1", "received", 0)
    assert [document.number for document in documents] == [1, 2]


def test_an_idempotency_key_is_one_accounts_for_ever(database: TenantDatabase) -> None:
    first = insert(database, idempotency_key="k")
    with pytest.raises(IdempotencyKeyTaken):
        insert(database, idempotency_key="k")
    insert(database, idempotency_key="k", account="other")
    insert(TenantDatabase(database.engine, TenantId("other")), idempotency_key="k")
    insert(database)
    insert(database)
    with database.read() as tx:
        found = find_by_idempotency_key(tx, "kis", "k")
        assert found is not None
        assert found.deposit_id == first.deposit_id
        assert find_by_idempotency_key(tx, "kis", "K") is None


def test_an_external_id_is_one_deposits(database: TenantDatabase) -> None:
    insert(database, external_id=ExternalId("kis", "1"))
    for key in (None, "a key of its own"):
        with pytest.raises(ExternalIdTaken):
            insert(database, external_id=ExternalId("kis", "1"), idempotency_key=key, account="other")
    insert(database, external_id=ExternalId("lis", "1"))
    insert(TenantDatabase(database.engine, TenantId("other")), external_id=ExternalId("kis", "1"))


def test_nothing_is_left_of_a_refused_deposit(database: TenantDatabase) -> None:
    insert(database, idempotency_key="k")
    with pytest.raises(IdempotencyKeyTaken):
        insert(database, idempotency_key="k", external_id=ExternalId("kis", "2"))
    insert(database, external_id=ExternalId("kis", "2"))
    with database.read() as tx:
        assert len(tx.execute(select(deposits.c.deposit_id)).all()) == 2


@pytest.mark.parametrize("shared", ["idempotency_key", "external_id"])
def test_of_many_at_once_one_gets_the_name(database_url: str, shared: str) -> None:
    name: dict[str, Any] = {shared: "k" if shared == "idempotency_key" else ExternalId("kis", "1")}
    begin, outcomes = threading.Barrier(6), []

    def deposit() -> None:
        engine = open_engine(database_url)
        begin.wait()
        try:
            insert(TenantDatabase(engine, TenantId("hospital")), **name)
            outcomes.append("made")
        except Conflict as error:
            outcomes.append(error.code)
        engine.dispose()

    threads = [threading.Thread(target=deposit) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    refusal = "idempotency-key-in-flight" if shared == "idempotency_key" else "external-id-taken"
    assert sorted(outcomes) == sorted(["made", *[refusal] * 5])


def test_only_the_moves_that_the_states_know(database: TenantDatabase) -> None:
    for before in DepositState:
        for after in DepositState:
            deposit = insert(database)
            with database.write() as tx:
                tx.execute(deposits.update().where(deposits.c.deposit_id == deposit.deposit_id).values(state=before))
            lease = Lease(deposit.deposit_id, before, 0, 0)
            if after in NEXT[before]:
                with database.write() as tx:
                    assert transition(tx, lease, after, RECEIVED_AT).state == after
            else:
                with pytest.raises(Conflict), database.write() as tx:
                    transition(tx, lease, after, RECEIVED_AT)


def test_history_tells_every_state_once(database: TenantDatabase) -> None:
    deposit = insert(database)
    lease = claim(database, deposit)
    for minutes, state in enumerate(("validated", "sealed", "stored", "archived"), 1):
        with database.write() as tx:
            lease = transition(tx, lease, DepositState(state), RECEIVED_AT + timedelta(minutes=minutes))
    with database.read() as tx:
        history = [(row.state, row.at - RECEIVED_AT, row.note) for row in history_of(tx, deposit.deposit_id)]
    assert history == [
        (state, timedelta(minutes=minutes), None)
        for minutes, state in enumerate(("received", "validated", "sealed", "stored", "archived"))
    ]


def test_who_is_fenced_off_writes_no_history(database: TenantDatabase) -> None:
    deposit = insert(database)
    lease = claim(database, deposit)
    late = Lease(lease.key, lease.state, lease.epoch - 1, 0)
    with pytest.raises(FencedOff), database.write() as tx:
        transition(tx, late, DepositState.VALIDATED, RECEIVED_AT, validated_at=RECEIVED_AT)
    with database.read() as tx:
        assert len(history_of(tx, deposit.deposit_id)) == 1
        assert get_deposit(tx, deposit.deposit_id).validated_at is None


def test_a_rejected_deposit_gives_its_external_id_back_and_keeps_its_key(database: TenantDatabase) -> None:
    deposit = insert(database, idempotency_key="k", external_id=ExternalId("kis", "1"))
    with database.write() as tx:
        transition(
            tx, Lease(deposit.deposit_id, "received", 0, 0), DepositState.REJECTED, RECEIVED_AT, "deposit-rejected"
        )
    insert(database, external_id=ExternalId("kis", "1"))
    with pytest.raises(IdempotencyKeyTaken):
        insert(database, idempotency_key="k")


def test_spool_files_are_needed_as_long_as_the_state_says(database: TenantDatabase) -> None:
    deposit = insert(database)
    documents = {f"{deposit.deposit_id}.1", f"{deposit.deposit_id}.2"}
    lease = claim(database, deposit)
    needed: list[set[str]] = []
    moves: list[tuple[str, dict[str, str]]] = [
        ("validated", {"validation_data_file": "data"}),
        ("sealed", {"container_file": "container"}),
        ("stored", {}),
    ]
    for state, values in [("", {}), *moves]:
        with database.write() as tx:
            if state:
                lease = transition(tx, lease, DepositState(state), RECEIVED_AT, **values)
            needed.append(set(spool_files(tx)))
    assert needed == [documents, documents | {"data"}, {"container"}, set()]


def test_a_rejected_deposit_needs_nothing_in_the_spool(database: TenantDatabase) -> None:
    deposit = insert(database)
    with database.write() as tx:
        transition(tx, Lease(deposit.deposit_id, "received", 0, 0), DepositState.REJECTED, RECEIVED_AT)
        assert spool_files(tx) == frozenset()


def test_what_examination_found_is_the_documents(database: TenantDatabase) -> None:
    deposit = insert(database)
    with database.write() as tx:
        describe_document(tx, deposit.deposit_id, 2, "fmt/276", "Acrobat PDF 1.7", "TOTAL_PASSED")
    with database.read() as tx:
        first, second = documents_of(tx, deposit.deposit_id)
    assert (first.puid, first.verdict) == (None, None)
    assert (second.puid, second.format_name, second.verdict) == ("fmt/276", "Acrobat PDF 1.7", "TOTAL_PASSED")


def test_another_tenant_finds_nothing(database: TenantDatabase) -> None:
    deposit = insert(database, idempotency_key="k")
    other = TenantDatabase(database.engine, TenantId("other"))
    with other.read() as tx:
        for unknown in (deposit.deposit_id, uuid4()):
            with pytest.raises(NotFound):
                get_deposit(tx, unknown)
        assert not documents_of(tx, deposit.deposit_id)
        assert not history_of(tx, deposit.deposit_id)
        assert find_by_idempotency_key(tx, "kis", "k") is None
        assert spool_files(tx) == frozenset()
