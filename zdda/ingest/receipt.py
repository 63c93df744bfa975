"""The receipt: what the Producer holds once its deposit is archived. A pure function of sealed facts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from zdda.model.canonical_json import canonical_json
from zdda.model.clock import format_time


@dataclass(frozen=True, slots=True)
class ReceiptDocument:
    """One document as the receipt lists it; ``indication`` is its worst verdict."""

    number: int
    role: str
    length: int
    sha256: bytes
    indication: str


@dataclass(frozen=True, slots=True)
class ReceiptFacts:
    """Everything the receipt says. All of it lies in the AIP, its amendment and its evidence batch, so that
    a rebuilt catalog gives the same bytes."""

    deposit_id: UUID
    package_id: UUID
    received_at: datetime
    sealed_at: datetime
    stored_at: datetime
    archived_at: datetime
    documents: Sequence[ReceiptDocument]
    worst: str
    retention_class: str
    mark: str
    retain_until: datetime
    group_digest: bytes
    evidence_time: datetime
    external_id: tuple[str, str] | None


def receipt_bytes(facts: ReceiptFacts) -> bytes:
    """Canonical JSON after ``schemas/receipt-v1.json``."""
    body: dict[str, object] = {
        "format": "zdda-receipt/1",
        "depositId": str(facts.deposit_id),
        "packageId": str(facts.package_id),
        "state": "archived",
        "receivedAt": format_time(facts.received_at),
        "sealedAt": format_time(facts.sealed_at),
        "storedAt": format_time(facts.stored_at),
        "archivedAt": format_time(facts.archived_at),
        "verdict": facts.worst,
        "documents": [
            {
                "number": document.number,
                "role": document.role,
                "length": document.length,
                "sha256": document.sha256.hex(),
                "verdict": document.indication,
            }
            for document in facts.documents
        ],
        "retention": {
            "class": facts.retention_class,
            "mark": facts.mark,
            "retainUntil": format_time(facts.retain_until),
        },
        "evidence": {"digest": facts.group_digest.hex(), "provenAt": format_time(facts.evidence_time)},
    }
    if facts.external_id is not None:
        body["externalId"] = {"producer": facts.external_id[0], "id": facts.external_id[1]}
    return canonical_json(body)
