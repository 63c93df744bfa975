"""The end of a batch: the amendment that records sealing, storing and evidence; the receipts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from zdda.audit.log import record_each
from zdda.catalog.deposits import Move, documents_of_each, transition_each
from zdda.catalog.evidence import LEASED as BATCHES
from zdda.catalog.evidence import BatchState, classes_of_batch, deposits_of_batch, insert_amendment
from zdda.catalog.leasing import Lease
from zdda.catalog.packages import ArchivedDocument, insert_object, insert_packages
from zdda.catalog.validation_objects import insert_validation_uses_of_each
from zdda.database.session import AnyRow, Transaction
from zdda.ingest.objects import keep_object, stored_object
from zdda.ingest.package_view import archived_package
from zdda.ingest.steps import description_of
from zdda.ingest.validation_rows import validation_uses
from zdda.ingest.workshop import Workshop
from zdda.model.deposit import DepositState
from zdda.model.identifiers import new_identifier
from zdda.model.objects import ObjectKind, ObjectName
from zdda.packaging.amendment import (
    SEALING_STORING_EVIDENCE,
    AmendedPackage,
    Amendment,
    SealingStoringEvidence,
    make_amendment,
)
from zdda.packaging.amendment import ArchivedPackage as RecordedPackage
from zdda.storage.object_record import ObjectRecord

CRASH_POINTS = (
    "archived.amendment-durable",
    "archived.amendment-stored",
    "archived.before-commit",
    "archived.committed",
)


def prepare_amendment(workshop: Workshop, lease: Lease, batch: AnyRow) -> dict[str, Any]:
    """Makes the batch's amendment, durable in the spool; the values that the batch's row must keep.

    An amendment stands alone: it covers every package of the batch, and each of them has it as number 1.
    """
    now = workshop.clock.now()
    with workshop.database.read() as tx:
        deposits = deposits_of_batch(tx, lease.key)
    amendment_id = new_identifier(workshop.clock, workshop.entropy)
    content = Amendment(
        amendment=amendment_id,
        tenant=workshop.tenant,
        created=now,
        kind=SEALING_STORING_EVIDENCE,
        packages=tuple(AmendedPackage(each.package_id, 1, each.group_digest) for each in deposits),
        body=SealingStoringEvidence(
            batch=lease.key,
            batch_time=batch.gen_time,
            packages=tuple(
                RecordedPackage(
                    each.package_id, each.group_digest, each.leaf_index, each.sealed_at, each.stored_at, now
                )
                for each in deposits
            ),
        ),
    )
    sealed = make_amendment(content, workshop.signer)
    name = ObjectName(workshop.tenant, amendment_id, ObjectKind.AMENDMENT)
    spool_file, object_record = keep_object(workshop, lease, name, sealed, batch.retain_until)
    workshop.crash("archived.amendment-durable")
    return {
        "recorded_at": now,
        "amendment_id": amendment_id,
        "amendment_file": spool_file,
        "amendment_record": object_record.encode(),
        "amendment_digest": hashlib.sha256(sealed).digest(),
    }


def archive_batch(workshop: Workshop, lease: Lease, batch: AnyRow) -> Lease:
    """Stores the amendment; then, in one transaction, every package of the batch is archived with its receipt."""
    object_record = ObjectRecord.decode(batch.amendment_record)
    with workshop.database.read() as tx:
        placement = workshop.placement(classes_of_batch(tx, lease.key))
    placed = workshop.store.put(object_record, lambda: workshop.spool.open(batch.amendment_file), placement)
    workshop.crash("archived.amendment-stored")
    now = workshop.clock.now()
    workshop.crash("archived.before-commit")
    with workshop.database.write() as tx:
        moved = BATCHES.transition(tx, lease, BatchState.STORED, BatchState.RECORDED)
        insert_object(tx, stored_object(object_record), placed, now)
        deposits = deposits_of_batch(tx, lease.key)
        insert_amendment(
            tx,
            batch.amendment_id,
            SEALING_STORING_EVIDENCE,
            batch.recorded_at,
            batch.amendment_digest,
            batch.retain_until,
            [(each.package_id, 1, each.group_digest) for each in deposits],
        )
        _archive(tx, deposits, batch)
        record_each(
            tx,
            [
                (now, "package-archived", {"deposit": str(each.deposit_id), "package": str(each.package_id)})
                for each in deposits
            ],
        )
    workshop.crash("archived.committed")
    for deposit in deposits:
        workshop.ended(deposit.deposit_id)
    workshop.spool.remove(batch.amendment_file)
    return moved


def _archive(tx: Transaction, deposits: Sequence[AnyRow], batch: AnyRow) -> None:
    documents = documents_of_each(tx, [each.deposit_id for each in deposits])
    listed = [
        archived_package(
            deposit,
            tuple(
                ArchivedDocument(description_of(row), row.content_id, row.verdict)
                for row in documents[deposit.deposit_id]
            ),
            batch.recorded_at,
            batch.gen_time,
        )
        for deposit in deposits
    ]
    # nobody else moves a stored deposit: the batch's lease is the right to, the epoch just read its proof
    moves = [
        Move(
            Lease(deposit.deposit_id, DepositState.STORED, deposit.lease_epoch, 0),
            DepositState.ARCHIVED,
            batch.recorded_at,
            {
                "archived_at": batch.recorded_at,
                "receipt": package.receipt,
                "reports": None,
                "wrapped_data_key": b"",  # from here on the object record alone gives the key
            },
        )
        for deposit, package in zip(deposits, listed, strict=True)
    ]
    transition_each(tx, moves)
    insert_packages(tx, listed)
    insert_validation_uses_of_each(
        tx, {deposit.package_id: validation_uses(json.loads(deposit.reports)) for deposit in deposits}
    )
