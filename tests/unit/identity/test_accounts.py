"""Accounts: who proves who they are, what is remembered and for how long."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from argon2 import PasswordHasher
from sqlalchemy import select

from tests.simulator.pki import NOW
from zdda.database.session import TenantDatabase
from zdda.identity.accounts import Account, AccountExists, Accounts, Role
from zdda.identity.tables import accounts as table
from zdda.model.clock import FixedClock, system_entropy
from zdda.model.errors import InvalidInput
from zdda.model.identifiers import TenantId

PASSWORD = "correct horse battery"
KIS = Account("kis", frozenset({Role.PRODUCER, Role.CONSUMER}))


class CountingHasher(PasswordHasher):
    """Cheap, and counts how often it had to work."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.checks = 0

    def verify(self, hash: str | bytes, password: str | bytes) -> Any:
        self.checks += 1
        return super().verify(hash, password)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture
def hasher() -> CountingHasher:
    return CountingHasher()


@pytest.fixture
def known(database: TenantDatabase, clock: FixedClock, hasher: CountingHasher) -> Accounts:
    made = Accounts(database, clock, system_entropy, hasher)
    made.create("kis", PASSWORD, [Role.PRODUCER, Role.CONSUMER, Role.PRODUCER])
    return made


def test_the_right_password_and_nothing_else(known: Accounts) -> None:
    assert known.verify("kis", PASSWORD) == KIS
    for name, password in (
        ("kis", "wrong horse battery"),
        ("kis", ""),
        ("kis", PASSWORD + " "),
        ("kis", "x" * 100_000),
        ("KIS", PASSWORD),
        ("", PASSWORD),
        ("nobody", PASSWORD),
        ("kis:" + PASSWORD, ""),
    ):
        assert known.verify(name, password) is None


def test_what_lies_in_the_database_is_an_argon2id_hash(database: TenantDatabase, known: Accounts) -> None:
    assert known.verify("kis", PASSWORD)
    with database.read() as tx:
        stored = tx.execute(select(table.c.password_hash)).scalar_one()
    assert stored.startswith("$argon2id$")
    assert PASSWORD not in stored


def test_hashes_cost_what_they_should(database: TenantDatabase, clock: FixedClock) -> None:
    Accounts(database, clock, system_entropy).create("slow", PASSWORD, [])
    with database.read() as tx:
        stored = tx.execute(select(table.c.password_hash)).scalar_one()
    assert "m=65536,t=3,p=4" in stored


def test_a_check_is_remembered_for_a_minute(known: Accounts, clock: FixedClock, hasher: CountingHasher) -> None:
    for _ in range(3):
        assert known.verify("kis", PASSWORD) == KIS
    assert hasher.checks == 1
    clock.move_to(NOW + timedelta(seconds=60))
    assert known.verify("kis", PASSWORD) == KIS
    assert hasher.checks == 2


def test_a_clock_that_goes_back_remembers_nothing(known: Accounts, clock: FixedClock, hasher: CountingHasher) -> None:
    assert known.verify("kis", PASSWORD) == KIS
    clock.move_to(NOW - timedelta(hours=1))
    assert known.verify("kis", PASSWORD) == KIS
    assert hasher.checks == 2


def test_a_wrong_password_is_never_remembered(known: Accounts, hasher: CountingHasher) -> None:
    for _ in range(2):
        assert known.verify("kis", "wrong horse battery") is None
    assert hasher.checks == 2


def test_an_unknown_name_costs_as_much_as_a_wrong_password(known: Accounts, hasher: CountingHasher) -> None:
    assert known.verify("nobody", PASSWORD) is None
    assert hasher.checks == 1


def test_a_disabled_account_can_do_nothing_at_once(known: Accounts) -> None:
    assert known.verify("kis", PASSWORD) == KIS
    known.disable("kis")
    assert known.verify("kis", PASSWORD) is None
    known.disable("nobody")


def test_who_is_disabled_during_the_check_is_not_remembered(
    known: Accounts, hasher: CountingHasher, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = hasher.verify

    def meanwhile(*arguments: Any) -> Any:
        known.disable("kis")
        return original(*arguments)

    monkeypatch.setattr(hasher, "verify", meanwhile)
    known.verify("kis", PASSWORD)
    monkeypatch.undo()
    assert known.verify("kis", PASSWORD) is None


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("", PASSWORD),
        ("   ", PASSWORD),
        ("a:b", PASSWORD),
        ("x" * 256, PASSWORD),
        ("new", ""),
        ("new", "too short"),
        ("new", "x" * 1025),
    ],
)
def test_names_and_passwords_that_are_none(known: Accounts, name: str, password: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        known.create(name, password, [Role.PRODUCER])
    assert PASSWORD not in str(raised.value)


def test_a_name_is_given_once(known: Accounts) -> None:
    with pytest.raises(AccountExists):
        known.create("kis", "another good password", [])
    assert known.verify("kis", PASSWORD) == KIS


def test_accounts_are_the_tenants_own(
    database: TenantDatabase, known: Accounts, clock: FixedClock, hasher: CountingHasher
) -> None:
    other = Accounts(TenantDatabase(database.engine, TenantId("other")), clock, system_entropy, hasher)
    assert other.verify("kis", PASSWORD) is None
    other.create("kis", "another good password", [Role.ADMINISTRATOR])
    other.disable("kis")
    assert known.verify("kis", PASSWORD) == KIS


def test_many_threads_ask_at_once(known: Accounts) -> None:
    answers: list[Account | None] = []
    threads = [
        threading.Thread(target=lambda: answers.append(known.verify("kis", PASSWORD)), daemon=True) for _ in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [KIS] * 12
