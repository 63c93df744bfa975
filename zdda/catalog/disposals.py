"""The journal of disposals: what is to be destroyed, and which steps are done. A step is noted when it is true."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Table, delete, insert, select, update

from zdda.catalog.object_copies import CopyState, move_copy
from zdda.catalog.tables import (
    UNENDED,
    amendment_packages,
    amendments,
    deposit_documents,
    deposit_history,
    deposits,
    disposal_copies,
    disposal_objects,
    disposals,
    evidence_batches,
    evidence_members,
    object_copies,
    objects,
    package_documents,
    packages,
    subject_identifiers,
    validation_object_uses,
)
from zdda.database.session import AnyRow, Transaction
from zdda.model.objects import ObjectKind, ObjectName

_THERE = (CopyState.MISSING, CopyState.PRESENT, CopyState.DAMAGED, CopyState.LEAVING)


@dataclass(frozen=True, slots=True)
class NewDisposal:
    """What is fixed when a disposal is decided. ``clocks``, ``plan``, ``spool_files``: canonical JSON."""

    disposal_id: UUID
    decided_by: str
    decided_at: datetime
    clocks: bytes
    plan: bytes
    token: bytes
    spool_files: bytes


@dataclass(frozen=True, slots=True)
class NewErasure:
    """One object of it, and the sites that have to erase it."""

    package_id: UUID
    kind: str
    sequence: int
    address: str
    length: int
    retain_until: datetime
    generation: int
    leaf: bytes | None
    reason: str
    sites: tuple[str, ...]


def insert_disposal(tx: Transaction, disposal: NewDisposal, erasures: Sequence[NewErasure]) -> None:
    """Decides it: from here on it goes on by itself until it is ended."""
    fixed = {name: getattr(disposal, name) for name in NewDisposal.__dataclass_fields__}
    tx.execute(insert(disposals).values(tenant_id=tx.tenant, **fixed))
    names = [name for name in NewErasure.__dataclass_fields__ if name != "sites"]
    rows = [
        {"tenant_id": tx.tenant, "disposal_id": disposal.disposal_id, **{name: getattr(each, name) for name in names}}
        for each in erasures
    ]
    tx.execute(insert(disposal_objects), rows)
    copies = [
        {
            "tenant_id": tx.tenant,
            "package_id": each.package_id,
            "kind": each.kind,
            "sequence": each.sequence,
            "site": site,
        }
        for each in erasures
        for site in each.sites
    ]
    if copies:
        tx.execute(insert(disposal_copies), copies)
    for each in erasures:  # from here on nobody replicates or mends it
        name = ObjectName(tx.tenant, each.package_id, ObjectKind(each.kind), each.sequence)
        for site in each.sites:
            move_copy(tx, site, name, _THERE, CopyState.ERASING, disposal.decided_at)


def unended_disposals(tx: Transaction) -> Sequence[AnyRow]:
    """Those that are not at their end, oldest first."""
    wanted = select(disposals).where(UNENDED, disposals.c.tenant_id == tx.tenant)
    return tx.execute(wanted.order_by(disposals.c.disposal_id)).all()


def get_disposal(tx: Transaction, disposal_id: UUID) -> AnyRow | None:
    """The row; None where there is none."""
    wanted = disposals.c.tenant_id == tx.tenant, disposals.c.disposal_id == disposal_id
    return tx.execute(select(disposals).where(*wanted)).one_or_none()


def objects_of(tx: Transaction, disposal_id: UUID) -> Sequence[AnyRow]:
    """The objects of a disposal by name."""
    return tx.execute(
        select(disposal_objects)
        .where(disposal_objects.c.tenant_id == tx.tenant, disposal_objects.c.disposal_id == disposal_id)
        .order_by(disposal_objects.c.package_id, disposal_objects.c.kind, disposal_objects.c.sequence)
    ).all()


def copies_of(tx: Transaction, each: AnyRow) -> Sequence[AnyRow]:
    """(site, told) of one object of a disposal, by site."""
    wanted = select(disposal_copies.c.site, disposal_copies.c.told).where(*_named(disposal_copies, tx, each))
    return tx.execute(wanted.order_by(disposal_copies.c.site)).all()


def records_destroyed(tx: Transaction, each: AnyRow, told: bytes) -> None:
    """Notes that no place has the object's record any more."""
    tx.execute(update(disposal_objects).where(*_named(disposal_objects, tx, each)).values(records=told))


def copy_erased(tx: Transaction, each: AnyRow, site: str, told: bytes) -> None:
    """Notes that a site has no copy any more."""
    wanted = *_named(disposal_copies, tx, each), disposal_copies.c.site == site
    tx.execute(update(disposal_copies).where(*wanted).values(told=told))


def end_disposal(tx: Transaction, disposal_id: UUID, amendment_id: UUID, ended_at: datetime) -> None:
    """Notes the receipt's amendment, and removes the rows of everything that was erased."""
    for each in objects_of(tx, disposal_id):
        for table in (object_copies, objects):
            tx.execute(delete(table).where(*_named(table, tx, each)))
        if each.kind == ObjectKind.AMENDMENT:
            _remove(tx, amendment_packages, amendment_packages.c.amendment_id == each.package_id)
            _remove(tx, amendments, amendments.c.amendment_id == each.package_id)
        if each.kind == ObjectKind.EVIDENCE_BATCH:
            _remove(tx, evidence_members, evidence_members.c.batch_id == each.package_id)
            _remove(tx, evidence_batches, evidence_batches.c.batch_id == each.package_id)
    wanted = disposals.c.tenant_id == tx.tenant, disposals.c.disposal_id == disposal_id
    tx.execute(update(disposals).where(*wanted).values(amendment_id=amendment_id, ended_at=ended_at))


def remove_package(tx: Transaction, package_id: UUID, deposit_id: UUID) -> None:
    """Removes all that describes a package, its documents, its subjects, and the deposit that it came by."""
    for table in (validation_object_uses, subject_identifiers, package_documents, packages):
        _remove(tx, table, table.c.package_id == package_id)
    for table in (deposit_documents, deposit_history, deposits):
        _remove(tx, table, table.c.deposit_id == deposit_id)


def spool_files_of(tx: Transaction, deposit_id: UUID) -> frozenset[str]:
    """Every file of the spool that the deposit ever named."""
    wanted = deposits.c.tenant_id == tx.tenant, deposits.c.deposit_id == deposit_id
    rows = tx.execute(select(deposits.c.validation_data_file, deposits.c.container_file).where(*wanted)).all()
    of_documents = tx.execute(
        select(deposit_documents.c.spool_file).where(
            deposit_documents.c.tenant_id == tx.tenant, deposit_documents.c.deposit_id == deposit_id
        )
    ).scalars()
    return frozenset(name for name in (*(name for row in rows for name in row), *of_documents) if name)


def amendments_of_packages(tx: Transaction, package_ids: Iterable[UUID]) -> Sequence[AnyRow]:
    """(amendment_id, spool_file, digest, batch_id) of every amendment that speaks of one of them."""
    wanted = select(amendment_packages.c.amendment_id).where(
        amendment_packages.c.tenant_id == tx.tenant, amendment_packages.c.package_id.in_(list(package_ids))
    )
    columns = amendments.c.amendment_id, amendments.c.spool_file, amendments.c.digest, amendments.c.batch_id
    return tx.execute(
        select(*columns)
        .where(amendments.c.tenant_id == tx.tenant, amendments.c.amendment_id.in_(wanted))
        .order_by(amendments.c.amendment_id)
    ).all()


def packages_of_amendment(tx: Transaction, amendment_id: UUID) -> frozenset[UUID]:
    """Every package that an amendment speaks of, destroyed ones too."""
    wanted = amendment_packages.c.tenant_id == tx.tenant, amendment_packages.c.amendment_id == amendment_id
    return frozenset(tx.execute(select(amendment_packages.c.package_id).where(*wanted)).scalars())


def records_batch(tx: Transaction, amendment_id: UUID) -> bool:
    """Whether the amendment is the one that records a batch: it goes with the batch."""
    wanted = evidence_batches.c.tenant_id == tx.tenant, evidence_batches.c.amendment_id == amendment_id
    return tx.execute(select(evidence_batches.c.batch_id).where(*wanted)).first() is not None


def batches_of(tx: Transaction, identifiers: Iterable[UUID]) -> Sequence[AnyRow]:
    """The batches that prove one of these packages or amendments: (batch_id, state, amendment_id)."""
    wanted = select(evidence_members.c.batch_id).where(
        evidence_members.c.tenant_id == tx.tenant, evidence_members.c.package_id.in_(list(identifiers))
    )
    columns = evidence_batches.c.batch_id, evidence_batches.c.state, evidence_batches.c.amendment_id
    return tx.execute(
        select(*columns)
        .where(evidence_batches.c.tenant_id == tx.tenant, evidence_batches.c.batch_id.in_(wanted))
        .order_by(evidence_batches.c.batch_id)
    ).all()


def living(tx: Transaction, identifiers: Iterable[UUID]) -> frozenset[UUID]:
    """Those of them that are packages or amendments of the catalog still."""
    found: set[UUID] = set()
    for column in (packages.c.package_id, deposits.c.package_id, amendments.c.amendment_id):
        table = column.table
        wanted = table.c.tenant_id == tx.tenant, column.in_(list(identifiers))
        found.update(tx.execute(select(column).where(*wanted)).scalars())
    return frozenset(found)


def _named(table: Table, tx: Transaction, each: AnyRow) -> tuple[ColumnElement[bool], ...]:
    return (
        table.c.tenant_id == tx.tenant,
        table.c.package_id == each.package_id,
        table.c.kind == each.kind,
        table.c.sequence == each.sequence,
    )


def _remove(tx: Transaction, table: Table, condition: ColumnElement[bool]) -> None:
    tx.execute(delete(table).where(table.c.tenant_id == tx.tenant, condition))
