"""What the catalog promises, on SQLite and on PostgreSQL."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import func, select, text

import zdda.audit.tables
import zdda.catalog.tables
import zdda.identity.tables
from zdda.catalog import deposits as catalog
from zdda.catalog import evidence
from zdda.catalog import packages as archived
from zdda.catalog.deposits import ExternalIdTaken, IdempotencyKeyTaken, NewDeposit, SpooledDocument
from zdda.catalog.packages import ArchivedDocument, ArchivedPackage, StoredObject
from zdda.database.engine import DatabaseUnavailable, answers, open_engine
from zdda.database.migration import DatabaseTooNew, migrate
from zdda.database.session import TenantDatabase
from zdda.database.types import database_now, metadata
from zdda.model.deposit import DepositState
from zdda.model.errors import Conflict, FencedOff, InvalidInput, NotFound
from zdda.model.identifiers import tenant_id
from zdda.model.submission import DocumentDescription, ExternalId, SubjectIdentifier, SubmissionMetadata

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
UNTIL = datetime(2032, 1, 1, tzinfo=UTC)
LEASE = timedelta(minutes=5)
STATES = (DepositState.RECEIVED, DepositState.VALIDATED, DepositState.SEALED)
DECLARED = (zdda.catalog.tables.deposits, zdda.audit.tables.audit_log, zdda.identity.tables.accounts)


def new_deposit(number: int, key: str | None = None, external: ExternalId | None = None) -> NewDeposit:
    return NewDeposit(
        deposit_id=UUID(int=number),
        package_id=UUID(int=1000 + number),
        account="kis",
        correlation_id="c",
        idempotency_key=key,
        request_digest=bytes(32),
        external_id=external,
        received_at=NOW,
        wrapped_data_key=b"k",
        generation=1,
        metadata=b"{}",
        retention_class="medical-record",
        mark="S",
        years=5,
        retain_until=UNTIL,
    )


def document(number: int = 1) -> SpooledDocument:
    description = DocumentDescription(number, "main", "a.pdf", "application/pdf", 1, bytes(32), bytes(64), 0xFFFFFFFF)
    return SpooledDocument(description, bytes(32), f"spool.{number}")


def insert(database: TenantDatabase, number: int, key: str | None = None, external: ExternalId | None = None) -> UUID:
    with database.write() as tx:
        catalog.insert_deposit(tx, new_deposit(number, key, external), [document()])
    return UUID(int=number)


def claim(database: TenantDatabase, owner: str = "w", lease: timedelta = LEASE) -> list[catalog.Lease]:
    with database.write() as tx:
        return catalog.LEASED.claim(tx, owner, STATES, lease)


def test_the_migrations_make_the_tables_that_are_declared(database: TenantDatabase) -> None:
    migrate(database.engine)
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_every_table_begins_with_the_tenant() -> None:
    assert all(table.name in metadata.tables for table in DECLARED)
    for table in metadata.tables.values():
        assert table.columns[0].name == "tenant_id", table.name


def test_a_database_of_a_later_version_is_refused(database: TenantDatabase) -> None:
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(DatabaseTooNew):
        migrate(database.engine)


def test_another_database_is_refused() -> None:
    with pytest.raises(InvalidInput):
        open_engine("mysql://localhost/x")


def test_a_database_that_is_away_is_said_to_be() -> None:
    engine = open_engine("postgresql://nobody@127.0.0.1:1/x")
    assert not answers(engine)
    with pytest.raises(DatabaseUnavailable), TenantDatabase(engine, tenant_id("t")).read():
        pass


def test_the_clock_is_the_databases(database: TenantDatabase) -> None:
    with database.read() as tx:
        moment = tx.execute(select(database_now())).scalar_one()
    assert moment.tzinfo is not None
    assert moment > NOW - timedelta(days=3650)


def test_a_deposit_is_claimed_once_and_moves_on(database: TenantDatabase) -> None:
    deposit = insert(database, 1)
    (lease,) = claim(database)
    assert claim(database) == []
    with database.write() as tx:
        lease = catalog.transition(tx, lease, DepositState.VALIDATED, NOW, worst="NO_SIGNATURE")
        catalog.describe_document(tx, deposit, 1, "fmt/276", "PDF", "NO_SIGNATURE")
    with database.write() as tx:
        catalog.LEASED.release(tx, lease)
    with database.read() as tx:
        row = catalog.get_deposit(tx, deposit)
        assert (row.state, row.worst, row.lease_owner) == ("validated", "NO_SIGNATURE", None)
        assert [entry.state for entry in catalog.history_of(tx, deposit)] == ["received", "validated"]
        (found,) = catalog.documents_of(tx, deposit)
        assert (found.puid, found.crc32) == ("fmt/276", 0xFFFFFFFF)
        assert catalog.spool_files(tx) == {"spool.1"}
    assert len(claim(database)) == 1


def test_an_expired_lease_is_overtaken_and_its_owner_fenced_off(database: TenantDatabase) -> None:
    insert(database, 1)
    (old,) = claim(database, "slow", timedelta(0))
    (new,) = claim(database, "fast")
    assert new.epoch == old.epoch + 1
    for act in (
        lambda tx: catalog.transition(tx, old, DepositState.VALIDATED, NOW),
        lambda tx: catalog.LEASED.renew(tx, old, LEASE),
        lambda tx: catalog.LEASED.release(tx, old),
        lambda tx: catalog.LEASED.defer(tx, old, "x", LEASE),
    ):
        with pytest.raises(FencedOff), database.write() as tx:
            act(tx)
    with database.write() as tx:
        catalog.LEASED.renew(tx, new, LEASE)


def test_leases_of_the_dead_are_taken_back(database: TenantDatabase) -> None:
    insert(database, 1)
    (old,) = claim(database, "this-host/1")
    with database.write() as tx:
        catalog.LEASED.take_back(tx, "other-host/")
    assert claim(database) == []
    with database.write() as tx:
        catalog.LEASED.take_back(tx, "this-host/")
    assert len(claim(database)) == 1
    with pytest.raises(FencedOff), database.write() as tx:
        catalog.LEASED.renew(tx, old, LEASE)


def test_a_deferred_deposit_waits(database: TenantDatabase) -> None:
    deposit = insert(database, 1)
    (lease,) = claim(database)
    with database.write() as tx:
        catalog.LEASED.defer(tx, lease, "timestamp-authority-unavailable", timedelta(hours=1))
    assert claim(database) == []
    with database.write() as tx:
        row = catalog.get_deposit(tx, deposit)
        assert (row.deferred_reason, row.attempts) == ("timestamp-authority-unavailable", 1)
        assert not catalog.LEASED.any_due(tx, STATES)
    with database.write() as tx:
        catalog.LEASED.defer(tx, replace(lease, attempts=1), "again", timedelta(0))
    (lease,) = claim(database)
    assert lease.attempts == 2
    with database.write() as tx:
        catalog.transition(tx, lease, DepositState.VALIDATED, NOW)
        row = catalog.get_deposit(tx, deposit)
        assert (row.deferred_reason, row.not_before, row.attempts) == (None, None, 0)


def test_many_workers_never_hold_the_same_deposit(database: TenantDatabase) -> None:
    for number in range(40):
        insert(database, number)

    def worker(name: int) -> list[UUID]:
        taken = []
        while found := claim(database, f"w{name}"):
            taken += [lease.key for lease in found]
        return taken

    with ThreadPoolExecutor(8) as pool:
        taken = [key for keys in pool.map(worker, range(8)) for key in keys]
    assert len(taken) == len(set(taken)) == 40


def test_a_state_that_does_not_follow_is_refused(database: TenantDatabase) -> None:
    insert(database, 1)
    (lease,) = claim(database)
    for after in (DepositState.SEALED, DepositState.ARCHIVED, DepositState.RECEIVED):
        with pytest.raises(Conflict), database.write() as tx:
            catalog.transition(tx, lease, after, NOW)


def test_names_are_unique_for_their_owner(database: TenantDatabase) -> None:
    external = ExternalId("kis", "42")
    insert(database, 1, "key", external)
    with pytest.raises(IdempotencyKeyTaken):
        insert(database, 2, "key")
    with pytest.raises(ExternalIdTaken):
        insert(database, 3, None, external)
    other = TenantDatabase(database.engine, tenant_id("other"))
    insert(other, 1, "key", external)
    with database.read() as tx:
        found = catalog.find_by_idempotency_key(tx, "kis", "key")
        assert found is not None
        assert found.deposit_id == UUID(int=1)
        assert catalog.find_by_idempotency_key(tx, "kis", "none") is None
        with pytest.raises(NotFound):
            catalog.get_deposit(tx, UUID(int=99))


def test_a_rejected_deposit_gives_its_external_id_back(database: TenantDatabase) -> None:
    external = ExternalId("kis", "42")
    insert(database, 1, None, external)
    (lease,) = claim(database)
    with database.write() as tx:
        catalog.transition(tx, lease, DepositState.REJECTED, NOW, "deposit-rejected")
    insert(database, 2, None, external)


def test_one_tenant_never_sees_another(database: TenantDatabase) -> None:
    insert(database, 1)
    other = TenantDatabase(database.engine, tenant_id("other"))
    assert claim(other) == []
    with pytest.raises(NotFound), other.read() as tx:
        catalog.get_deposit(tx, UUID(int=1))


def stored(database: TenantDatabase, number: int, until: datetime = UNTIL) -> UUID:
    with database.write() as tx:
        catalog.insert_deposit(tx, replace(new_deposit(number), retain_until=until), [document()])
    (lease,) = claim(database)
    with database.write() as tx:
        lease = catalog.transition(tx, lease, DepositState.VALIDATED, NOW)
        lease = catalog.transition(tx, lease, DepositState.SEALED, NOW, group_digest=number.to_bytes(32))
        catalog.transition(tx, lease, DepositState.STORED, NOW, stored_at=NOW)
    return UUID(int=number)


def test_a_batch_fixes_its_members(database: TenantDatabase) -> None:
    for number in (1, 2, 3):
        stored(database, number)
    batch = UUID(int=500)
    with database.write() as tx:
        waiting = evidence.candidates(tx, 10)
        assert [each.deposit_id.int for each in waiting] == [1, 2, 3]
        members = [evidence.Member(each.package_id, "aip", 0, each.group_digest) for each in waiting]
        evidence.insert_batch(tx, batch, NOW, UNTIL, bytes(32), members)
    with database.read() as tx:
        assert evidence.candidates(tx, 10) == []
        assert evidence.members_of(tx, batch) == members
        assert [row.leaf_index for row in evidence.deposits_of_batch(tx, batch)] == [0, 1, 2]
        assert evidence.get_batch(tx, batch).state == "closed"
        with pytest.raises(NotFound):
            evidence.get_batch(tx, UUID(int=501))


def test_an_amendment_waits_for_evidence_once(database: TenantDatabase) -> None:
    stored(database, 1)
    amendment = UUID(int=600)
    with database.write() as tx:
        evidence.insert_amendment(tx, amendment, "kind", NOW, bytes(32), UNTIL, [(UUID(int=1001), 1, bytes(32))])
    years = range(UNTIL.year, UNTIL.year + 2)
    with database.write() as tx:
        (member,) = evidence.pending_amendments(tx, years, 10)
        assert member.package_id == amendment
        assert evidence.pending_amendments(tx, range(1990, 1992), 10) == []
        evidence.insert_batch(tx, UUID(int=500), NOW, UNTIL, bytes(32), [member])
    with database.read() as tx:
        assert evidence.pending_amendments(tx, years, 10) == []


def test_a_package_is_listed_with_all_that_is_known(database: TenantDatabase) -> None:
    submission = SubmissionMetadata(
        "t", "d", "c", external_id=ExternalId("kis", "1"), subjects=(SubjectIdentifier("rc", "1"),) * 2
    )
    listed_document = ArchivedDocument(document().description, b"c", "NO_SIGNATURE")
    package = ArchivedPackage(
        UUID(int=1), UUID(int=2), "kis", "key", bytes(32), submission, b"{}", "c", "S", 5, UNTIL, "NO_SIGNATURE",
        NOW, NOW, NOW, NOW, bytes(32), UUID(int=3), 0, b"receipt", (listed_document,),
    )  # fmt: skip
    listed = StoredObject(UUID(int=1), "aip", 0, "sha256:00", 1, bytes(64), 1, UNTIL)
    with database.write() as tx:
        archived.insert_package(tx, package)
        archived.insert_object(tx, listed)
    with database.read() as tx:
        row = archived.get_package(tx, UUID(int=1))
        assert (row.title, row.external_id, row.receipt, row.retain_until) == ("t", "1", b"receipt", UNTIL)
        assert archived.known_content(tx, b"c") == (UUID(int=1),)
        assert len(archived.documents_of_package(tx, UUID(int=1))) == 1
        assert list(archived.stored_objects(tx)) == [listed]
        subjects = select(func.count()).select_from(zdda.catalog.tables.subject_identifiers)
        assert tx.execute(subjects).scalar_one() == 1
        with pytest.raises(NotFound):
            archived.get_package(tx, UUID(int=9))
