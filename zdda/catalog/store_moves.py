"""Orders to move objects away from a site, and what still lies there. An order is a wish: the states of copies
(``zdda.catalog.object_copies``) are the journal of what becomes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, insert, literal, select, tuple_, update

from zdda.catalog.object_copies import CopyState
from zdda.catalog.tables import deposits, object_copies, store_moves
from zdda.database.session import Transaction
from zdda.model.canonical_json import canonical_json, parse_json
from zdda.model.objects import ObjectKind, ObjectName

LYING_THERE = (CopyState.MISSING, CopyState.PRESENT, CopyState.DAMAGED)
"""States of copies that an order moves away."""


@dataclass(frozen=True, slots=True)
class MoveOrder:
    """``target`` None: to wherever else the placements say. ``classes``: of packages of these retention classes
    only; none means everything. ``lasting``: also what comes there later (a drain), until the site is given up."""

    identifier: UUID
    source: str
    target: str | None
    classes: tuple[str, ...]
    lasting: bool
    ordered_by: str
    ordered_at: datetime
    ended_at: datetime | None = None


def insert_move(tx: Transaction, order: MoveOrder) -> None:
    """Orders it."""
    tx.execute(
        insert(store_moves).values(
            tenant_id=tx.tenant,
            move_id=order.identifier,
            source=order.source,
            target=order.target,
            classes=canonical_json(list(order.classes)),
            lasting=order.lasting,
            ordered_by=order.ordered_by,
            ordered_at=order.ordered_at,
            ended_at=order.ended_at,
        )
    )


def moves_ordered(tx: Transaction, *, ended: bool = True) -> list[MoveOrder]:
    """Every order, the oldest first; those at their end only where they are asked for."""
    wanted = select(store_moves).where(store_moves.c.tenant_id == tx.tenant).order_by(store_moves.c.move_id)
    if not ended:
        wanted = wanted.where(store_moves.c.ended_at.is_(None))
    return [_order(row) for row in tx.execute(wanted)]


def end_move(tx: Transaction, identifier: UUID, now: datetime) -> bool:
    """Nothing more is moved by the order; False where it was at its end before."""
    done = tx.execute(
        update(store_moves)
        .where(
            store_moves.c.tenant_id == tx.tenant, store_moves.c.move_id == identifier, store_moves.c.ended_at.is_(None)
        )
        .values(ended_at=now)
    )
    return done.rowcount == 1


def objects_at(
    tx: Transaction, site: str, classes: Sequence[str], after: ObjectName | None, limit: int
) -> list[tuple[ObjectName, str | None]]:
    """Objects with a copy at a site that an order would move, in the order of their rows, with the retention class of
    those that are packages (and where classes are named, of those classes only)."""
    copy = object_copies.c
    key = (copy.package_id, copy.kind, copy.sequence)
    of_class = and_(
        deposits.c.tenant_id == copy.tenant_id,
        deposits.c.package_id == copy.package_id,
        copy.kind == ObjectKind.AIP.value,
    )
    wanted = (
        select(*key, deposits.c.retention_class)
        .select_from(object_copies)
        .outerjoin(deposits, of_class)
        .where(copy.tenant_id == tx.tenant, copy.site == site, copy.state.in_([str(each) for each in LYING_THERE]))
        .order_by(*key)
        .limit(limit)
    )
    if classes:
        wanted = wanted.where(deposits.c.retention_class.in_(tuple(classes)))
    if after is not None:
        wanted = wanted.where(
            tuple_(*key) > tuple_(literal(after.package), literal(str(after.kind)), literal(after.sequence))
        )
    return [
        (ObjectName(tx.tenant, package, ObjectKind(kind), sequence), retention_class)
        for package, kind, sequence, retention_class in tx.execute(wanted)
    ]


def _order(row: Any) -> MoveOrder:
    return MoveOrder(
        identifier=row.move_id,
        source=row.source,
        target=row.target,
        classes=tuple(parse_json(row.classes)),
        lasting=row.lasting,
        ordered_by=row.ordered_by,
        ordered_at=row.ordered_at,
        ended_at=row.ended_at,
    )
