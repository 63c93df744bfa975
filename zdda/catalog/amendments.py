"""Amendments of packages that are archived: where a package's chain ends, which amendments are on their way.

One that stands alone is listed before it is stored, with its file in the spool: from then on it is part of the chain.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, select, update

from zdda.catalog.tables import UNSTORED, amendment_packages, amendments, packages
from zdda.database.session import AnyRow, Transaction


def end_of_chain(tx: Transaction, package_id: UUID) -> tuple[int, bytes] | None:
    """Number and digest of the package's latest amendment; None where it has none."""
    row = tx.execute(
        select(amendment_packages.c.sequence, amendments.c.digest)
        .join_from(amendment_packages, amendments, _joined())
        .where(amendment_packages.c.tenant_id == tx.tenant, amendment_packages.c.package_id == package_id)
        .order_by(amendment_packages.c.sequence.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else (row.sequence, row.digest)


def amendments_of(tx: Transaction, package_id: UUID, kind: str) -> Sequence[UUID]:
    """The package's amendments of a kind, in the order of the chain."""
    return (
        tx.execute(
            select(amendments.c.amendment_id)
            .join_from(amendment_packages, amendments, _joined())
            .where(
                amendment_packages.c.tenant_id == tx.tenant,
                amendment_packages.c.package_id == package_id,
                amendments.c.kind == kind,
            )
            .order_by(amendment_packages.c.sequence)
        )
        .scalars()
        .all()
    )


def listed_amendments(tx: Transaction, package_id: UUID) -> Sequence[AnyRow]:
    """Those of a package that lie in the stores, by ``sequence``: identifier, kind, moment, digest."""
    return tx.execute(
        select(
            amendment_packages.c.sequence,
            amendments.c.amendment_id,
            amendments.c.kind,
            amendments.c.created_at,
            amendments.c.digest,
        )
        .join_from(amendment_packages, amendments, _joined())
        .where(
            amendment_packages.c.tenant_id == tx.tenant,
            amendment_packages.c.package_id == package_id,
            amendments.c.spool_file.is_(None),
        )
        .order_by(amendment_packages.c.sequence)
    ).all()


def unstored_amendments(tx: Transaction) -> Sequence[AnyRow]:
    """Those that are listed and not in the stores yet: identifier, spool file, object record; oldest first."""
    return tx.execute(
        select(amendments.c.amendment_id, amendments.c.spool_file, amendments.c.object_record)
        .where(UNSTORED, amendments.c.tenant_id == tx.tenant)
        .order_by(amendments.c.amendment_id)
    ).all()


def classes_of_amendment(tx: Transaction, amendment_id: UUID) -> list[str]:
    """The retention classes of the packages that it amends."""
    found = (
        select(packages.c.retention_class)
        .join_from(
            amendment_packages,
            packages,
            (packages.c.tenant_id == amendment_packages.c.tenant_id)
            & (packages.c.package_id == amendment_packages.c.package_id),
        )
        .where(amendment_packages.c.tenant_id == tx.tenant, amendment_packages.c.amendment_id == amendment_id)
    )
    return list(tx.execute(found.distinct()).scalars())


def amendment_files(tx: Transaction) -> frozenset[str]:
    """Every spool file that an amendment on its way still needs."""
    return frozenset(row.spool_file for row in unstored_amendments(tx))


def amendment_stored(tx: Transaction, amendment_id: UUID) -> bool:
    """Notes that it lies in the stores; false where that was noted already."""
    done = tx.execute(
        update(amendments)
        .where(UNSTORED, amendments.c.tenant_id == tx.tenant, amendments.c.amendment_id == amendment_id)
        .values(spool_file=None, object_record=None)
    )
    return done.rowcount == 1


def _joined() -> ColumnElement[bool]:
    return (amendments.c.tenant_id == amendment_packages.c.tenant_id) & (
        amendments.c.amendment_id == amendment_packages.c.amendment_id
    )
