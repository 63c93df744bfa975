"""Accounts with passwords: argon2id hashes, results remembered briefly because a check costs 200 ms on purpose."""

from __future__ import annotations

import hashlib
import hmac
import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from zdda.database.session import TenantDatabase
from zdda.identity.tables import accounts
from zdda.model.clock import Clock, Entropy
from zdda.model.errors import Conflict, InvalidInput

_REMEMBER = timedelta(seconds=60)
_REMEMBERED = 1024
_LONGEST = 1024
_AT_ONCE = 4


class Role(StrEnum):
    """What an account may do."""

    PRODUCER = "producer"
    CONSUMER = "consumer"
    ADMINISTRATOR = "administrator"


@dataclass(frozen=True, slots=True)
class Account:
    """Someone who has proven who they are."""

    name: str
    roles: frozenset[Role]


class AccountExists(Conflict):
    """The tenant has an account of this name."""

    code = "account-exists"


class Accounts:
    """A tenant's accounts. Thread-safe."""

    def __init__(
        self, database: TenantDatabase, clock: Clock, entropy: Entropy, hasher: PasswordHasher | None = None
    ) -> None:
        self._database, self._clock = database, clock
        self._hasher = hasher or PasswordHasher()
        self._pepper = entropy(32)
        self._decoy = self._hasher.hash(entropy(16).hex())
        self._remembered: OrderedDict[bytes, tuple[datetime, Account]] = OrderedDict()
        self._lock = threading.Lock()
        self._changes = 0
        self._checks = threading.Semaphore(_AT_ONCE)  # each takes 64 MiB on purpose

    def create(self, name: str, password: str, roles: Iterable[Role]) -> None:
        """Raises ``InvalidInput`` for a blank or short password or name, ``AccountExists``."""
        if not name.strip() or len(name) > 255 or ":" in name:
            raise InvalidInput("an account's name has 1 to 255 characters and no colon")
        if len(password) < 12 or len(password) > _LONGEST:
            raise InvalidInput("a password has 12 to 1024 characters")
        try:
            with self._database.write() as tx:
                tx.execute(
                    insert(accounts).values(
                        tenant_id=tx.tenant,
                        name=name,
                        password_hash=self._hasher.hash(password),
                        roles=" ".join(sorted(set(roles))),
                        disabled=False,
                        created_at=self._clock.now(),
                    )
                )
        except IntegrityError:
            raise AccountExists("there is an account of this name") from None

    def disable(self, name: str) -> None:
        """The account can do nothing from now on."""
        with self._database.write() as tx:
            tx.execute(
                update(accounts).where(accounts.c.tenant_id == tx.tenant, accounts.c.name == name).values(disabled=True)
            )
        with self._lock:
            self._changes += 1
            self._remembered.clear()

    def verify(self, name: str, password: str) -> Account | None:
        """The account, or None for a wrong name or password; an unknown name takes as long as a wrong password."""
        if not password or len(password) > _LONGEST:
            return None
        digest = hmac.new(self._pepper, f"{len(name)}:{name}:{password}".encode(), hashlib.sha256).digest()
        now = self._clock.now()
        with self._lock:
            known = self._remembered.get(digest)
            if known is not None and timedelta(0) <= now - known[0] < _REMEMBER:
                return known[1]
            changes = self._changes
        with self._database.read() as tx:
            row = tx.execute(
                select(accounts.c.password_hash, accounts.c.roles, accounts.c.disabled).where(
                    accounts.c.tenant_id == tx.tenant, accounts.c.name == name
                )
            ).one_or_none()
        if not self._matches(row.password_hash if row else self._decoy, password) or row is None or row.disabled:
            return None
        account = Account(name, frozenset(Role(role) for role in row.roles.split()))
        with self._lock:
            if changes == self._changes:
                self._remembered[digest] = (now, account)
            while len(self._remembered) > _REMEMBERED:
                self._remembered.popitem(last=False)
        return account

    def _matches(self, password_hash: str, password: str) -> bool:
        try:
            with self._checks:
                return self._hasher.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False
