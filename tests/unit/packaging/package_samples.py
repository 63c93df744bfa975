"""Packages for tests: everything in them is fixed, so that two builds differ in nothing but a random seal."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from package_signers import AT, signer

from zdda.crypto.digests import digests_of
from zdda.crypto.signing import Signer
from zdda.model.identifiers import TenantId
from zdda.model.retention import DisposalMark
from zdda.model.submission import DocumentDescription, ExternalId, SubjectIdentifier, SubmissionMetadata
from zdda.packaging.aip import AipDocument, AipInputs, BuiltAip, ValidationDatum, build_aip
from zdda.packaging.deposit_record import DepositFacts, RetentionFacts
from zdda.packaging.mets import Software

PACKAGE = UUID("019aa0e5-7b1f-7c3a-8d2e-0123456789ab")
DEPOSIT = UUID("019aa0e5-0000-7c3a-8d2e-0123456789ab")
SOFTWARE = Software("ZDDA", "0.1.0")
PDF = b"%PDF-1.7\n" + b"stream of a document " * 400 + b"\n%%EOF\n"
TEXT = "Žluťoučký kůň, řádek po řádku.\n".encode() * 60_000

FACTS = DepositFacts(
    package=PACKAGE,
    tenant=TenantId("hospital-one"),
    deposit=DEPOSIT,
    account="his",
    idempotency_key="key-1",
    request_digest=bytes(range(32)),
    received_at=datetime(2026, 11, 20, 12, 30, 13, 1000, tzinfo=UTC),
    validated_at=datetime(2026, 11, 20, 12, 30, 14, tzinfo=UTC),
    retention=RetentionFacts("medical-record", DisposalMark.S, 10, datetime(2037, 1, 1, tzinfo=UTC)),
)
METADATA = SubmissionMetadata(
    title='Propouštěcí zpráva <&"> ',
    document_type="discharge-summary",
    retention_class="medical-record",
    originator="Surgery",
    created="2026-11-20",
    external_id=ExternalId("his", "2026/4711"),
    subjects=(SubjectIdentifier("patient-number", "0000001"),),
    fields={"episode": "4711", "note": "two\nlines"},
)


def described(number: int, data: bytes, media_type: str, name: str) -> DocumentDescription:
    facts = digests_of(data)
    pdf = media_type == "application/pdf"
    return DocumentDescription(
        number=number,
        role="main" if number == 1 else "attachment",
        original_name=name,
        media_type=media_type,
        length=facts.length,
        sha256=facts.sha256,
        sha512=facts.sha512,
        crc32=facts.crc32,
        format_name="Acrobat PDF 1.7 - Portable Document Format" if pdf else None,
        puid="fmt/276" if pdf else None,
    )


def documents_of(*contents: tuple[bytes, str, str]) -> tuple[AipDocument, ...]:
    return tuple(
        AipDocument(
            described(number, data, media_type, name),
            lambda data=data: io.BytesIO(data),  # type: ignore[misc]
            {"format": "zdda-validation-report/1", "document": number, "padding": "x" * 5000},
            "TOTAL_PASSED" if number == 1 else "NO_SIGNATURE",
        )
        for number, (data, media_type, name) in enumerate(contents, 1)
    )


CONTENTS = (
    (PDF, "application/pdf", "Zpráva č. 1 <konečná>.pdf"),
    (TEXT, "text/plain; charset=utf-8", "notes & more.txt"),
)


def inputs_of(
    contents: Sequence[tuple[bytes, str, str]] = CONTENTS, by: Signer | None = None, package: UUID = PACKAGE
) -> AipInputs:
    return AipInputs(
        facts=replace(FACTS, package=package),
        metadata=METADATA,
        documents=documents_of(*contents),
        validation_data=(
            *(ValidationDatum("certificate", der) for der in (by or signer()).chain),
            ValidationDatum("crl", b"crl of the day" * 600),
            ValidationDatum("ocsp", b"ocsp"),
            ValidationDatum("timestamp", b"token"),
            ValidationDatum("ocsp", b"ocsp"),
        ),
        software=SOFTWARE,
        created_at=AT,
    )


def built(inputs: AipInputs | None = None, by: Signer | None = None) -> tuple[bytes, BuiltAip]:
    sink = io.BytesIO()
    facts = build_aip(inputs or inputs_of(by=by), by or signer(), sink)
    return sink.getvalue(), facts
