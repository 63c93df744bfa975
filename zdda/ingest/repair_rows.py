"""Rows of the catalog replaced by what the stores tell. No row goes of what is not in the stores."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from uuid import UUID

from sqlalchemy import Table, delete, select, update

from zdda.catalog.destroyed import insert_destroyed, is_destroyed
from zdda.catalog.disposals import end_disposal, get_disposal, remove_package
from zdda.catalog.evidence import BatchState, Member
from zdda.catalog.packages import insert_objects
from zdda.catalog.tables import (
    amendment_packages,
    amendments,
    deposit_documents,
    deposit_history,
    deposits,
    evidence_batches,
    evidence_members,
    object_copies,
    objects,
    package_documents,
    packages,
    subject_identifiers,
    validation_object_uses,
)
from zdda.database.session import Transaction
from zdda.ingest.objects import stored_object
from zdda.ingest.restored_rows import (
    RestoredPackage,
    destroyed_values,
    take_names,
    write_batch,
    write_members,
    write_package,
)
from zdda.ingest.restoring import FromStores
from zdda.model.clock import Clock
from zdda.model.deposit import DepositState
from zdda.model.errors import Conflict, IntegrityError
from zdda.model.objects import ObjectKind, ObjectName
from zdda.model.placement import Placed
from zdda.packaging.deletion_receipt import DeletionReceipt
from zdda.storage.object_record import ObjectRecord

_OF_PACKAGE = (validation_object_uses, subject_identifiers, package_documents, packages)
_OF_DEPOSIT = (deposit_documents, deposit_history, deposits)


class OffChain(IntegrityError):
    """Two amendments claim the same number of a package; the one that the catalog lists stays."""

    code = "amendment-off-chain"


class AddressTaken(Conflict):
    """The catalog lists another object under the address."""

    code = "address-taken"


class EvidenceLost(IntegrityError):
    """The stores tell less than the catalog: what they lack is lost or damaged, and the catalog's rows stay."""

    code = "evidence-lost"


class LeafWithoutOwner(IntegrityError):
    """A leaf of a batch is nobody's that is in the stores."""

    code = "leaf-without-owner"


def replace_package(tx: Transaction, restored: RestoredPackage, record: ObjectRecord, clock: Clock) -> None:
    """All rows of a package, its deposit and its object. Raises ``NamedTwice``, ``AddressTaken``, ``EvidenceLost``, and
    then nothing was changed."""
    package = restored.deposit.package_id
    if restored.package is None and _is_archived(tx, package):
        raise EvidenceLost("no amendment in the stores tells that it is archived, and the catalog does")
    take_names(tx, restored.deposit)
    replace_object(tx, record, clock)
    for table in _OF_PACKAGE:
        _delete(tx, table, package_id=package)
    made = select(deposits.c.deposit_id).where(deposits.c.tenant_id == tx.tenant, deposits.c.package_id == package)
    for deposit in tx.execute(made).scalars().all():
        for table in _OF_DEPOSIT:
            _delete(tx, table, deposit_id=deposit)
    write_package(tx, restored)


def replace_object(tx: Transaction, record: ObjectRecord, clock: Clock) -> None:
    """An object's row; those of its copies are not touched. Raises ``AddressTaken``."""
    name, stored = record.name, stored_object(record)
    key = {"package_id": name.package, "kind": name.kind.value, "sequence": name.sequence}
    taken = select(objects.c.package_id, objects.c.kind, objects.c.sequence).where(
        objects.c.tenant_id == tx.tenant, objects.c.address == stored.address
    )
    if any(tuple(row) != tuple(key.values()) for row in tx.execute(taken)):
        raise AddressTaken("the catalog lists another object under its address")
    _delete(tx, objects, **key)
    insert_objects(tx, [(stored, Placed(()))], clock.now())


def replace_amendment(tx: Transaction, stores: FromStores, amendment: UUID, batch: UUID | None) -> None:
    """The rows of an amendment that lies in the stores; ``batch``: the one that it is a leaf of. Raises ``OffChain``,
    and then nothing was changed."""
    for each in stores.amendments[amendment].content.packages:
        held = select(amendment_packages.c.amendment_id).where(
            amendment_packages.c.tenant_id == tx.tenant,
            amendment_packages.c.package_id == each.package,
            amendment_packages.c.sequence == each.sequence,
            amendment_packages.c.amendment_id != amendment,
        )
        if tx.execute(held).first() is not None:
            raise OffChain("another amendment has its number in the chain of a package")
    _delete(tx, amendment_packages, amendment_id=amendment)
    _delete(tx, amendments, amendment_id=amendment)
    stores.write_amendment(tx, amendment)
    if batch is not None:
        tx.execute(
            update(amendments)
            .where(amendments.c.tenant_id == tx.tenant, amendments.c.amendment_id == amendment)
            .values(batch_id=batch)
        )


def write_destroyed(
    tx: Transaction, receipt: DeletionReceipt, amendment: UUID, there: Collection[ObjectName]
) -> list[UUID]:
    """What a catalog older than a disposal has to forget: rows of what the receipt tells to be destroyed, but for what
    is ``there`` nevertheless. Returns the packages that are known as destroyed from now on."""
    gone = [each for each in receipt.packages if ObjectName(tx.tenant, each.package, ObjectKind.AIP) not in there]
    for each in gone:
        remove_package(tx, each.package, each.deposit)
    for one in receipt.objects:
        if ObjectName(tx.tenant, one.package, ObjectKind(one.kind), one.sequence) in there:
            continue
        for table in (object_copies, objects):
            _delete(tx, table, package_id=one.package, kind=one.kind, sequence=one.sequence)
        if one.kind == ObjectKind.AMENDMENT:
            _delete(tx, amendment_packages, amendment_id=one.package)
            _delete(tx, amendments, amendment_id=one.package)
        if one.kind == ObjectKind.EVIDENCE_BATCH:
            _delete(tx, evidence_members, batch_id=one.package)
            _delete(tx, evidence_batches, batch_id=one.package)
    new = [each for each in gone if not is_destroyed(tx, each.package)]
    for each in new:
        insert_destroyed(tx, destroyed_values(each, receipt.disposal))
    disposal = get_disposal(tx, receipt.disposal)
    if disposal is not None and disposal.ended_at is None:
        end_disposal(tx, receipt.disposal, amendment, receipt.ended_at)
    return [each.package for each in new]


def replace_batch(tx: Transaction, stores: FromStores, batch: UUID) -> None:
    """A batch's row and its leaves. Raises ``LeafWithoutOwner`` where all that the stores tell stands there already,
    ``EvidenceLost``; nothing was changed then."""
    before = _members(tx, batch)
    members = {
        index: member
        for index, member in before.items()
        if stores.leaf(batch, index) in (None, member.digest)  # its package may be lost from the stores
    } | stores.members(batch)
    members = {index: member for index, member in members.items() if not _is_in_another(tx, batch, member)}
    restored = stores.batch(batch)
    row = tx.execute(
        select(evidence_batches).where(evidence_batches.c.tenant_id == tx.tenant, evidence_batches.c.batch_id == batch)
    ).one_or_none()
    if row is not None and row.state == BatchState.RECORDED and restored.recorded_at is None:
        raise EvidenceLost("no amendment in the stores records the batch, and the catalog knows of one")
    if row is not None and row.token is not None and restored.token is None:
        restored = replace(restored, root=row.root, token=row.token, batch_record=row.batch_record)
    told = ("created_at", "root", "token", "gen_time", "amendment_id")
    same = row is not None and members == before and all(getattr(row, name) == getattr(restored, name) for name in told)
    if same and row is not None and (row.state == BatchState.RECORDED or restored.recorded_at is None):
        raise LeafWithoutOwner("a leaf of it is nobody's that is in the stores")
    _delete(tx, evidence_members, batch_id=batch)
    _delete(tx, evidence_batches, batch_id=batch)
    write_batch(tx, restored)
    write_members(tx, batch, members)


def _is_archived(tx: Transaction, package: UUID) -> bool:
    conditions = (
        (packages.c.tenant_id == tx.tenant) & (packages.c.package_id == package),
        (deposits.c.tenant_id == tx.tenant)
        & (deposits.c.package_id == package)
        & (deposits.c.state == DepositState.ARCHIVED),
    )
    columns = (packages.c.package_id, deposits.c.package_id)
    return any(
        tx.execute(select(column).where(condition)).first() is not None
        for column, condition in zip(columns, conditions, strict=True)
    )


def _members(tx: Transaction, batch: UUID) -> Mapping[int, Member]:
    rows = tx.execute(
        select(evidence_members).where(evidence_members.c.tenant_id == tx.tenant, evidence_members.c.batch_id == batch)
    )
    return {row.leaf_index: Member(row.package_id, row.kind, row.sequence, row.digest) for row in rows}


def _is_in_another(tx: Transaction, batch: UUID, member: Member) -> bool:
    columns = evidence_members.c
    held = select(columns.batch_id).where(
        columns.tenant_id == tx.tenant,
        columns.package_id == member.package_id,
        columns.kind == member.kind,
        columns.sequence == member.sequence,
        columns.batch_id != batch,
    )
    return tx.execute(held).first() is not None


def _delete(tx: Transaction, table: Table, **key: object) -> None:
    tx.execute(delete(table).where(table.c.tenant_id == tx.tenant, *(table.c[name] == key[name] for name in key)))
