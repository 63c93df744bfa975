"""Leases with fencing over rows that have a state: deposits and evidence batches.

A worker holds a row for a while by the *database's* clock. Every claim raises the row's epoch; whoever writes
with an older epoch finds no row and is fenced off, however late it wakes up.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Column, ColumnElement, Table, TextClause, or_, select, type_coerce, update

from zdda.database.session import Transaction
from zdda.database.types import MICROSECOND, Moment, database_now
from zdda.model.errors import FencedOff

LONGEST_LEASE = timedelta(days=1)
LONGEST_DEFERRAL = timedelta(days=30)
"""Nobody leases or defers for longer: a moment further off was written while the database's clock was wrong."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to move one row on, until it expires or the epoch is overtaken."""

    key: UUID
    state: str
    epoch: int
    attempts: int


@dataclass(frozen=True, slots=True)
class Leased:
    """A table whose rows are leased, the column that names them, and the condition of its index of unfinished rows."""

    table: Table
    key: Column[UUID]
    unfinished: TextClause

    def claim(
        self, tx: Transaction, owner: str, states: Collection[str], lease: timedelta, limit: int = 1
    ) -> list[Lease]:
        """Takes up to ``limit`` rows that are due, oldest first: in one of ``states``, free or with an expired
        lease, and not deferred beyond now."""
        t = self.table.c
        due = (
            select(self.key, t.state, t.lease_epoch, t.attempts)
            .where(*self._due(tx, states))
            .order_by(self.key)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        leases = [Lease(key, state, epoch + 1, attempts) for key, state, epoch, attempts in tx.execute(due).all()]
        for taken in leases:
            tx.execute(
                update(self.table)
                .where(t.tenant_id == tx.tenant, self.key == taken.key)
                .values(lease_owner=owner, lease_epoch=taken.epoch, lease_until=_after(lease))
            )
        return leases

    def any_due(self, tx: Transaction, states: Collection[str]) -> bool:
        """Whether ``claim`` would find something: a look that takes no lock."""
        return tx.execute(select(self.key).where(*self._due(tx, states)).limit(1)).first() is not None

    def renew(self, tx: Transaction, held: Lease, lease: timedelta) -> None:
        """Holds the row for longer; raises ``FencedOff``."""
        self._write(tx, held, lease_until=_after(lease))

    def release(self, tx: Transaction, held: Lease) -> None:
        """Gives the row back; raises ``FencedOff``."""
        self._write(tx, held, lease_owner=None, lease_until=None)

    def defer(self, tx: Transaction, held: Lease, reason: str, wait: timedelta) -> None:
        """Gives the row back with the reason why it waits, for ``wait`` from now; raises ``FencedOff``."""
        self._write(
            tx,
            held,
            lease_owner=None,
            lease_until=None,
            attempts=held.attempts + 1,
            deferred_reason=reason,
            not_before=_after(wait),
        )

    def take_back(self, tx: Transaction, owners: str) -> None:
        """Frees what owners whose names begin with ``owners`` still hold: they are known to be dead. Raises every
        epoch, so that one who is not dead after all is fenced off."""
        t = self.table.c
        tx.execute(
            update(self.table)
            .where(
                t.tenant_id == tx.tenant, t.lease_until.is_not(None), t.lease_owner.startswith(owners, autoescape=True)
            )
            .values(lease_owner=None, lease_until=None, lease_epoch=t.lease_epoch + 1)
        )

    def transition(self, tx: Transaction, held: Lease, before: str, after: str, **values: object) -> Lease:
        """Moves the row from ``before`` to ``after`` with what that step fixed; keeps the lease.

        Raises ``FencedOff`` when the row has moved on or was claimed by another worker.
        """
        self._write(
            tx,
            held,
            self.table.c.state == before,
            state=after,
            attempts=0,
            deferred_reason=None,
            not_before=None,
            **values,
        )
        return Lease(held.key, after, held.epoch, 0)

    def _due(self, tx: Transaction, states: Collection[str]) -> tuple[ColumnElement[bool] | TextClause, ...]:
        t, now = self.table.c, database_now()
        return (
            self.unfinished,
            t.tenant_id == tx.tenant,
            t.state.in_(states),
            or_(t.lease_until.is_(None), t.lease_until <= now, t.lease_until > _after(LONGEST_LEASE)),
            or_(t.not_before.is_(None), t.not_before <= now, t.not_before > _after(LONGEST_DEFERRAL)),
        )

    def _write(self, tx: Transaction, held: Lease, *conditions: ColumnElement[bool], **values: Any) -> None:
        done = tx.execute(
            update(self.table)
            .where(
                self.table.c.tenant_id == tx.tenant,
                self.key == held.key,
                self.table.c.lease_epoch == held.epoch,
                *conditions,
            )
            .values(**values)
        )
        if done.rowcount != 1:
            raise FencedOff("another worker holds this work now")


def _after(wait: timedelta) -> ColumnElement[Any]:
    return type_coerce(type_coerce(database_now(), BigInteger) + wait // MICROSECOND, Moment)
