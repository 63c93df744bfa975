"""Writes the audit: first into the outbox of the running transaction, then, by one sequencer, into the chain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, insert, select, text

from zdda.audit.chain import GENESIS, Chained, entry_bytes, link
from zdda.audit.tables import audit_log, audit_outbox
from zdda.database.session import TenantDatabase, Transaction

_SEQUENCER_LOCK = 7266419
_NOTE = insert(audit_outbox)
_WAITING = select(audit_outbox.c.ordinal).where(audit_outbox.c.tenant_id == bindparam("tenant")).limit(1)


def record(tx: Transaction, at: datetime, event: str, **facts: Any) -> None:
    """Notes an event in the transaction that makes it true: both happen or neither does.

    ``facts`` are JSON values and hold identifiers, never patient data nor names of documents.
    """
    record_each(tx, [(at, event, facts)])


def record_each(tx: Transaction, events: Sequence[tuple[datetime, str, Mapping[str, Any]]]) -> None:
    """``record`` for several events, in their order: (at, event, facts)."""
    rows = [
        {"tenant_id": tx.tenant, "at": at, "event": entry_bytes(tx.tenant, at, event, dict(facts))}
        for at, event, facts in events
    ]
    if rows:
        tx.execute(_NOTE, rows)


def sequence(database: TenantDatabase, limit: int = 1000) -> int:
    """Moves up to ``limit`` waiting entries into the chain in the order of the outbox; returns how many.

    Whatever happens in the middle, an entry is either waiting or chained, once. On PostgreSQL an advisory
    lock admits one sequencer at a time; on SQLite the write lock does.
    """
    with database.read() as tx:
        if tx.run(_WAITING).first() is None:
            return 0
    with database.write() as tx:
        if tx.connection.dialect.name == "postgresql":
            tx.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _SEQUENCER_LOCK})
        waiting = tx.execute(
            select(audit_outbox.c.ordinal, audit_outbox.c.event)
            .where(audit_outbox.c.tenant_id == tx.tenant)
            .order_by(audit_outbox.c.ordinal)
            .limit(limit)
        ).all()
        if not waiting:
            return 0
        last = tx.execute(
            select(audit_log.c.position, audit_log.c.hash)
            .where(audit_log.c.tenant_id == tx.tenant)
            .order_by(audit_log.c.position.desc())
            .limit(1)
        ).one_or_none()
        position, previous = (last.position + 1, last.hash) if last else (0, GENESIS)
        rows = []
        for _, event in waiting:
            chained = link(position, previous, event)
            rows.append(
                {
                    "tenant_id": tx.tenant,
                    "position": chained.position,
                    "previous": chained.previous,
                    "entry": chained.entry,
                    "hash": chained.hash,
                }
            )
            position, previous = position + 1, chained.hash
        tx.execute(insert(audit_log), rows)
        tx.execute(
            delete(audit_outbox).where(
                audit_outbox.c.tenant_id == tx.tenant, audit_outbox.c.ordinal.in_([row.ordinal for row in waiting])
            )
        )
        return len(waiting)


def entries(tx: Transaction, start: int = 0) -> Iterator[Chained]:
    """The chain from ``start`` on."""
    rows = tx.execute(
        select(audit_log.c.position, audit_log.c.previous, audit_log.c.entry, audit_log.c.hash)
        .where(audit_log.c.tenant_id == tx.tenant, audit_log.c.position >= start)
        .order_by(audit_log.c.position)
    )
    return (Chained(*row) for row in rows)
