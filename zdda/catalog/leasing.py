"""Leases with fencing over rows that have a state: deposits and evidence batches.

A worker holds a row for a while by the *database's* clock. Every claim raises the row's epoch; whoever writes
with an older epoch finds no row and is fenced off, however late it wakes up.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Column,
    ColumnElement,
    Select,
    Table,
    TextClause,
    Update,
    bindparam,
    literal,
    or_,
    select,
    type_coerce,
    update,
)

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


@dataclass(frozen=True, slots=True, eq=False)
class Leased:
    """A table whose rows are leased, the column that names them, the condition of its index of unfinished rows, and
    the states in which nobody holds a row."""

    table: Table
    key: Column[UUID]
    unfinished: TextClause
    resting: frozenset[str]

    def claim(
        self, tx: Transaction, owner: str, states: Collection[str], lease: timedelta, limit: int = 1
    ) -> list[Lease]:
        """Takes up to ``limit`` rows that are due, oldest first: in one of ``states``, free or with an expired
        lease, and not deferred beyond now."""
        due = tx.run(_due(self, tuple(states)), limit=limit).all()
        leases = [Lease(key, state, epoch + 1, attempts) for key, state, epoch, attempts in due]
        if leases:
            taken = [
                {
                    "tenant": tx.tenant,
                    "key": each.key,
                    "owner": owner,
                    "epoch": each.epoch,
                    "wait": lease // MICROSECOND,
                }
                for each in leases
            ]
            tx.execute(_take(self), taken)
        return leases

    def any_due(self, tx: Transaction, states: Collection[str]) -> bool:
        """Whether ``claim`` would find something: a look that takes no lock."""
        return tx.run(_any_due(self, tuple(states))).first() is not None

    def renew(self, tx: Transaction, held: Lease, lease: timedelta) -> None:
        """Holds the row for longer; raises ``FencedOff``."""
        self._write(tx, held, {}, lease_until=lease)

    def release(self, tx: Transaction, held: Lease) -> None:
        """Gives the row back; raises ``FencedOff``."""
        self._write(tx, held, {"lease_owner": None, "lease_until": None})

    def defer(self, tx: Transaction, held: Lease, reason: str, wait: timedelta) -> None:
        """Gives the row back with the reason why it waits, for ``wait`` from now; raises ``FencedOff``."""
        values = {"lease_owner": None, "lease_until": None, "attempts": held.attempts + 1, "deferred_reason": reason}
        self._write(tx, held, values, not_before=wait)

    def hasten(self, tx: Transaction, states: Collection[str], attempts: int) -> None:
        """Makes rows that wait in one of ``states`` due now, but those that have failed ``attempts`` times or more:
        what they wait for may be their own."""
        t = self.table.c
        tx.execute(
            update(self.table)
            .where(
                self.unfinished,
                t.tenant_id == tx.tenant,
                t.state.in_(tuple(states)),
                t.not_before.is_not(None),
                t.lease_until.is_(None),
                t.attempts < attempts,
            )
            .values(not_before=None)
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
        """Moves the row from ``before`` to ``after`` with what that step fixed; keeps the lease but in a resting state.

        Raises ``FencedOff`` when the row has moved on or was claimed by another worker.
        """
        return self.transition_each(tx, [(held, values)], before, after)[0]

    def transition_each(
        self, tx: Transaction, moves: Sequence[tuple[Lease, Mapping[str, object]]], before: str, after: str
    ) -> list[Lease]:
        """Moves several rows by one statement; each with its own values of the same columns.

        Raises ``FencedOff`` when any of them has moved on or was claimed by another worker: the transaction is then
        good for nothing.
        """
        moved: dict[str, object] = {"state": after, "attempts": 0, "deferred_reason": None, "not_before": None}
        if after in self.resting:
            moved |= {"lease_owner": None, "lease_until": None}
        statement = _fenced(self, (*moved, *moves[0][1]), (), moving=True)
        rows = [
            {"key": held.key, "epoch": held.epoch, "before": before}
            | {f"new_{name}": value for name, value in {**moved, **values}.items()}
            for held, values in moves
        ]
        if tx.run_each(statement, rows).rowcount != len(rows):
            raise FencedOff("another worker holds this work now")
        return [Lease(held.key, after, held.epoch, 0) for held, _ in moves]

    def _write(self, tx: Transaction, held: Lease, values: Mapping[str, object], **waits: timedelta) -> None:
        """Sets ``values``, and the columns of ``waits`` to so long from now, where the lease still holds the row."""
        statement = _fenced(self, tuple(values), tuple(waits), moving=False)
        parameters: dict[str, object] = {f"new_{name}": value for name, value in values.items()}
        parameters |= {f"wait_{name}": wait // MICROSECOND for name, wait in waits.items()}
        if tx.run(statement, key=held.key, epoch=held.epoch, **parameters).rowcount != 1:
            raise FencedOff("another worker holds this work now")


# --- statements, each built once for a table and the columns it writes

_TENANT: BindParameter[Any] = bindparam("tenant")


def _conditions(leased: Leased, states: tuple[str, ...]) -> tuple[ColumnElement[bool] | TextClause, ...]:
    t, now = leased.table.c, database_now()
    far_lease, far_deferral = (_after(literal(wait // MICROSECOND)) for wait in (LONGEST_LEASE, LONGEST_DEFERRAL))
    return (
        leased.unfinished,
        t.tenant_id == _TENANT,
        t.state.in_(states),
        or_(t.lease_until.is_(None), t.lease_until <= now, t.lease_until > far_lease),
        or_(t.not_before.is_(None), t.not_before <= now, t.not_before > far_deferral),
    )


@lru_cache
def _due(leased: Leased, states: tuple[str, ...]) -> Select[Any]:
    t = leased.table.c
    return (
        select(leased.key, t.state, t.lease_epoch, t.attempts)
        .where(*_conditions(leased, states))
        .order_by(leased.key)
        .limit(bindparam("limit"))
        .with_for_update(skip_locked=True)
    )


@lru_cache
def _any_due(leased: Leased, states: tuple[str, ...]) -> Select[Any]:
    return select(leased.key).where(*_conditions(leased, states)).limit(1)


@lru_cache
def _take(leased: Leased) -> Update:
    return (
        update(leased.table)
        .where(leased.table.c.tenant_id == _TENANT, leased.key == bindparam("key"))
        .values(lease_owner=bindparam("owner"), lease_epoch=bindparam("epoch"), lease_until=_after(bindparam("wait")))
    )


@lru_cache
def _fenced(leased: Leased, columns: tuple[str, ...], waits: tuple[str, ...], moving: bool) -> Update:
    """An update that finds the row only while the lease's epoch is the newest."""
    t = leased.table.c
    conditions = [t.tenant_id == _TENANT, leased.key == bindparam("key"), t.lease_epoch == bindparam("epoch")]
    if moving:
        conditions.append(t.state == bindparam("before"))
    values: dict[str, Any] = {name: bindparam(f"new_{name}") for name in columns}
    values |= {name: _after(bindparam(f"wait_{name}")) for name in waits}
    return update(leased.table).where(*conditions).values(values)


def _after(microseconds: ColumnElement[Any]) -> ColumnElement[Any]:
    """So long from now, by the database's clock."""
    return type_coerce(type_coerce(database_now(), BigInteger) + type_coerce(microseconds, BigInteger), Moment)
