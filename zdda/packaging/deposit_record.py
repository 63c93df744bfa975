"""``metadata/other/deposit.json``: what the archive itself knows of a deposit, so that a catalog can be rebuilt.

Canonical JSON, format ``zdda-deposit/1``. Original names are not in it: they are in METS and PREMIS alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from zdda.model.canonical_json import canonical_json, parse_json
from zdda.model.clock import format_time, parse_time
from zdda.model.identifiers import TenantId, tenant_id
from zdda.model.retention import DisposalMark
from zdda.packaging.errors import MetadataBroken

FORMAT = "zdda-deposit/1"
LIMIT = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class RetentionFacts:
    """The retention class as it stood at the deposit; ``retain_until`` is midnight UTC of a 1 January."""

    name: str
    mark: DisposalMark
    years: int
    retain_until: datetime


@dataclass(frozen=True, slots=True)
class IntakeFacts:
    """Whether intake flagged the deposit, by the intake policy of that day, and the note it made when it validated."""

    flagged: bool
    note: str | None = None


@dataclass(frozen=True, slots=True)
class DepositFacts:
    """Who deposited what and when. Times are kept to the millisecond.

    ``request_digest`` is the SHA-256 that tells whether a repeated idempotency key comes with the same request.
    ``intake`` is None in packages made before it was kept.
    """

    package: UUID
    tenant: TenantId
    deposit: UUID
    account: str
    idempotency_key: str | None
    request_digest: bytes
    received_at: datetime
    validated_at: datetime
    retention: RetentionFacts
    intake: IntakeFacts | None = None


@dataclass(frozen=True, slots=True)
class DocumentFacts:
    """One document as ``deposit.json`` tells it; ``path`` is relative to the package folder.

    ``verdict`` is the worst top-level indication, ``NO_SIGNATURE`` or ``NOT_VALIDATED``.
    """

    number: int
    role: str
    path: str
    report: str
    media_type: str
    length: int
    sha256: bytes
    sha512: bytes
    format_name: str | None
    puid: str | None
    verdict: str


@dataclass(frozen=True, slots=True)
class DepositRecord:
    """The whole record. ``sealed_at`` is the moment the package was made and sealed."""

    facts: DepositFacts
    sealed_at: datetime
    software: str
    documents: tuple[DocumentFacts, ...]


def encode_deposit(record: DepositRecord) -> bytes:
    """Canonical JSON."""
    facts, retention = record.facts, record.facts.retention
    return canonical_json(
        {
            "format": FORMAT,
            "packageId": str(facts.package),
            "tenant": facts.tenant,
            "depositId": str(facts.deposit),
            "account": facts.account,
            "idempotencyKey": facts.idempotency_key,
            "requestDigest": facts.request_digest.hex(),
            "receivedAt": format_time(facts.received_at),
            "validatedAt": format_time(facts.validated_at),
            "sealedAt": format_time(record.sealed_at),
            "software": record.software,
            "retention": {
                "class": retention.name,
                "mark": str(retention.mark),
                "years": retention.years,
                "retainUntil": format_time(retention.retain_until),
            },
            "documents": _documents(record.documents),
            **_intake(facts.intake),
        }
    )


def _intake(intake: IntakeFacts | None) -> dict[str, object]:
    """Nothing where it is not known, so that an older record is encoded as it was."""
    return {} if intake is None else {"intake": {"flagged": intake.flagged, "note": intake.note}}


def _documents(documents: Sequence[DocumentFacts]) -> list[dict[str, object]]:
    return [
        {
            "number": each.number,
            "role": each.role,
            "path": each.path,
            "report": each.report,
            "mediaType": each.media_type,
            "length": each.length,
            "sha256": each.sha256.hex(),
            "sha512": each.sha512.hex(),
            "formatName": each.format_name,
            "puid": each.puid,
            "verdict": each.verdict,
        }
        for each in documents
    ]


def decode_deposit(data: bytes, member: str) -> DepositRecord:
    """Reads what :func:`encode_deposit` wrote and nothing else; raises :class:`MetadataBroken`."""
    try:
        record = _decode(parse_json(data, LIMIT))
        canonical = encode_deposit(record) == data
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
        raise MetadataBroken("is not a deposit record", member) from None
    if not canonical:
        raise MetadataBroken("is not in the canonical form", member)
    return record


def _decode(value: Mapping[str, Any]) -> DepositRecord:
    retention = value["retention"]
    facts = DepositFacts(
        package=UUID(value["packageId"]),
        tenant=tenant_id(value["tenant"]),
        deposit=UUID(value["depositId"]),
        account=value["account"],
        idempotency_key=value["idempotencyKey"],
        request_digest=bytes.fromhex(value["requestDigest"]),
        received_at=parse_time(value["receivedAt"]),
        validated_at=parse_time(value["validatedAt"]),
        retention=RetentionFacts(
            name=retention["class"],
            mark=DisposalMark(retention["mark"]),
            years=retention["years"],
            retain_until=parse_time(retention["retainUntil"]),
        ),
        intake=_decode_intake(value["intake"]) if "intake" in value else None,
    )
    documents = tuple(
        DocumentFacts(
            number=each["number"],
            role=each["role"],
            path=each["path"],
            report=each["report"],
            media_type=each["mediaType"],
            length=each["length"],
            sha256=bytes.fromhex(each["sha256"]),
            sha512=bytes.fromhex(each["sha512"]),
            format_name=each["formatName"],
            puid=each["puid"],
            verdict=each["verdict"],
        )
        for each in value["documents"]
    )
    return DepositRecord(facts, parse_time(value["sealedAt"]), value["software"], documents)


def _decode_intake(value: Mapping[str, Any]) -> IntakeFacts:
    flagged, note = value["flagged"], value["note"]
    if not isinstance(flagged, bool) or not isinstance(note, str | None):
        raise TypeError("an intake is a flag and a note")
    return IntakeFacts(flagged, note)
