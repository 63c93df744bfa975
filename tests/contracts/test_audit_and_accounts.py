"""The audit chain and the accounts, on SQLite and on PostgreSQL."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from zdda.audit.chain import AuditBroken, Chained, entry_bytes, link, verify_chain
from zdda.audit.log import entries, record, sequence
from zdda.database.session import TenantDatabase
from zdda.identity.accounts import AccountExists, Accounts, Role
from zdda.model.clock import FixedClock, system_entropy
from zdda.model.errors import InvalidInput

GOLDEN = Path(__file__).parents[1] / "golden" / "audit"
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
PASSWORD = "correct horse battery"


def noted(database: TenantDatabase, count: int) -> None:
    for number in range(count):
        with database.write() as tx:
            record(tx, NOW, "tested", number=number)


def chain_of(database: TenantDatabase) -> list[Chained]:
    with database.read() as tx:
        return list(entries(tx))


def test_entries_are_chained_in_their_order(database: TenantDatabase) -> None:
    noted(database, 5)
    assert sequence(database, 3) == 3
    assert sequence(database) == 2
    assert sequence(database) == 0
    chain = chain_of(database)
    assert verify_chain(chain)[0] == 5
    assert [entry.position for entry in chain] == [0, 1, 2, 3, 4]


def test_an_event_happens_with_its_transaction_or_not_at_all(database: TenantDatabase) -> None:
    def fail() -> None:
        with database.write() as tx:
            record(tx, NOW, "never")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert sequence(database) == 0


def test_several_sequencers_make_one_chain(database: TenantDatabase) -> None:
    noted(database, 30)
    with ThreadPoolExecutor(6) as pool:
        done = sum(pool.map(lambda _: sequence(database, 2), range(60)))
    assert done == 30
    assert verify_chain(chain_of(database))[0] == 30


@pytest.mark.parametrize("change", ["entry", "remove", "swap", "hash", "previous"])
def test_a_changed_chain_is_named(change: str, database: TenantDatabase) -> None:
    noted(database, 5)
    sequence(database)
    chain = chain_of(database)
    if change == "remove":
        del chain[2]
    elif change == "swap":
        chain[2], chain[3] = chain[3], chain[2]
    elif change == "entry":
        chain[2] = replace(chain[2], entry=chain[2].entry.replace(b"2", b"7"))
    else:
        chain[2] = replace(chain[2], **{change: bytes(32)})
    with pytest.raises(AuditBroken, match="position 2"):
        verify_chain(chain)


def test_the_stored_form_never_changes() -> None:
    entry = entry_bytes("hospital", NOW, "deposit-received", {"deposit": "1", "documents": 2})
    assert entry == (GOLDEN / "audit-entry-1.json").read_bytes()
    assert link(7, bytes(32), entry).hash == (GOLDEN / "audit-hash-1.bin").read_bytes()


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture
def accounts(database: TenantDatabase, clock: FixedClock) -> Accounts:
    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    made = Accounts(database, clock, system_entropy, hasher)
    made.create("kis", PASSWORD, [Role.PRODUCER])
    return made


def test_who_knows_the_password_is_let_in(accounts: Accounts) -> None:
    found = accounts.verify("kis", PASSWORD)
    assert found is not None
    assert (found.name, found.roles) == ("kis", {Role.PRODUCER})
    for name, password in (("kis", "wrong password"), ("nobody", PASSWORD), ("kis", ""), ("kis", "x" * 5000)):
        assert accounts.verify(name, password) is None


def test_a_disabled_account_is_out_at_once(accounts: Accounts) -> None:
    assert accounts.verify("kis", PASSWORD)
    accounts.disable("kis")
    assert accounts.verify("kis", PASSWORD) is None


def test_a_result_is_remembered_for_a_minute(accounts: Accounts, clock: FixedClock, database: TenantDatabase) -> None:
    assert accounts.verify("kis", PASSWORD)
    other = Accounts(database, clock, system_entropy)
    other.disable("kis")
    assert accounts.verify("kis", PASSWORD)
    clock.move_to(NOW + timedelta(seconds=61))
    assert accounts.verify("kis", PASSWORD) is None


@pytest.mark.parametrize(
    ("name", "password"), [("", PASSWORD), ("a:b", PASSWORD), ("x" * 300, PASSWORD), ("a", ""), ("a", "short")]
)
def test_a_bad_account_is_refused(name: str, password: str, accounts: Accounts) -> None:
    with pytest.raises(InvalidInput):
        accounts.create(name, password, [Role.CONSUMER])


def test_a_name_is_given_once(accounts: Accounts) -> None:
    with pytest.raises(AccountExists):
        accounts.create("kis", PASSWORD, [Role.CONSUMER])


def test_tenants_have_their_own_accounts(accounts: Accounts, database: TenantDatabase, clock: FixedClock) -> None:
    from zdda.model.identifiers import tenant_id

    other = Accounts(TenantDatabase(database.engine, tenant_id("other")), clock, system_entropy)
    assert other.verify("kis", PASSWORD) is None
