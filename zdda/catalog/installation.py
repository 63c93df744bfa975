"""What this catalog belongs to: the spool whose files its deposits name, and how far a rebuild has made it."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import insert, select, update

from zdda.catalog.tables import installations
from zdda.database.session import Transaction


def bound_spool(tx: Transaction) -> str | None:
    """The identity of the tenant's spool; None before the first start."""
    found: str | None = tx.execute(
        select(installations.c.spool_id).where(installations.c.tenant_id == tx.tenant)
    ).scalar_one_or_none()
    return found


def bind_spool(tx: Transaction, identity: str) -> None:
    """From now on the tenant's deposits wait in this spool."""
    _set(tx, spool_id=identity)


def rebuilt_to(tx: Transaction) -> UUID | None:
    """The youngest identifier that a rebuild found in the stores: what it did not restore up to there, it reported."""
    found: UUID | None = tx.execute(
        select(installations.c.rebuilt_to).where(installations.c.tenant_id == tx.tenant)
    ).scalar_one_or_none()
    return found


def mark_rebuilt(tx: Transaction, youngest: UUID | None) -> None:
    """The catalog was made from the stores, up to this identifier."""
    _set(tx, rebuilt_to=youngest)


def levelled_for(tx: Transaction) -> str | None:
    """The placements by which every object had its rows of copies last; see ``zdda.ingest.levelling``."""
    found: str | None = tx.execute(
        select(installations.c.placements).where(installations.c.tenant_id == tx.tenant)
    ).scalar_one_or_none()
    return found


def mark_levelled(tx: Transaction, placements: str) -> None:
    """Every object has a row of copies for every site that these placements mean."""
    _set(tx, placements=placements)


def _set(tx: Transaction, **values: object) -> None:
    done = tx.execute(update(installations).where(installations.c.tenant_id == tx.tenant).values(**values))
    if not done.rowcount:
        tx.execute(insert(installations).values(tenant_id=tx.tenant, **values))
