"""How an archived deposit stands in the catalog: one function for the first time and for every rebuild."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol
from uuid import UUID

from zdda.catalog.packages import ArchivedDocument, ArchivedPackage
from zdda.ingest.receipt import ReceiptDocument, ReceiptFacts, receipt_bytes
from zdda.model.canonical_json import parse_json
from zdda.packaging.submission import from_json


class SealedDeposit(Protocol):
    """What is known of a deposit once its batch is timestamped: a row, or what a rebuild read from the stores."""

    deposit_id: UUID
    package_id: UUID
    account: str
    idempotency_key: str | None
    request_digest: bytes
    metadata: bytes
    retention_class: str
    mark: str
    years: int
    retain_until: datetime
    worst: str
    received_at: datetime
    sealed_at: datetime
    stored_at: datetime
    group_digest: bytes
    batch_id: UUID
    leaf_index: int


def archived_package(
    deposit: SealedDeposit, documents: tuple[ArchivedDocument, ...], archived_at: datetime, evidence_time: datetime
) -> ArchivedPackage:
    """The catalog's view of a package, its receipt included. Pure."""
    submission = from_json(parse_json(deposit.metadata))  # checked at reception
    external = submission.external_id
    receipt = receipt_bytes(
        ReceiptFacts(
            deposit_id=deposit.deposit_id,
            package_id=deposit.package_id,
            received_at=deposit.received_at,
            sealed_at=deposit.sealed_at,
            stored_at=deposit.stored_at,
            archived_at=archived_at,
            documents=[
                ReceiptDocument(
                    each.description.number,
                    each.description.role,
                    each.description.length,
                    each.description.sha256,
                    each.verdict,
                )
                for each in documents
            ],
            worst=deposit.worst,
            retention_class=deposit.retention_class,
            mark=deposit.mark,
            retain_until=deposit.retain_until,
            group_digest=deposit.group_digest,
            evidence_time=evidence_time,
            external_id=(external.producer, external.id) if external else None,
        )
    )
    return ArchivedPackage(
        package_id=deposit.package_id,
        deposit_id=deposit.deposit_id,
        account=deposit.account,
        idempotency_key=deposit.idempotency_key,
        request_digest=deposit.request_digest,
        submission=submission,
        metadata=deposit.metadata,
        retention_class=deposit.retention_class,
        mark=deposit.mark,
        years=deposit.years,
        retain_until=deposit.retain_until,
        worst=deposit.worst,
        received_at=deposit.received_at,
        sealed_at=deposit.sealed_at,
        stored_at=deposit.stored_at,
        archived_at=archived_at,
        group_digest=deposit.group_digest,
        batch_id=deposit.batch_id,
        leaf_index=deposit.leaf_index,
        receipt=receipt,
        documents=documents,
    )
