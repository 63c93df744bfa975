"""Validates one document: reads its signatures, judges them, reports. No clock, no network."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, BinaryIO

from zdda.crypto.algorithms import AlgorithmCatalogue
from zdda.model.clock import format_time
from zdda.model.errors import IntegrityError, Unavailable
from zdda.signatures.cades import DocumentTooLarge
from zdda.signatures.cms_document import is_signed_data, read_cms_document
from zdda.signatures.content import Detached
from zdda.signatures.errors import DocumentRefused, FormatError
from zdda.signatures.identification import IdentifiedFormat, identify
from zdda.signatures.model import Signature, SignedDocument, Timestamp
from zdda.signatures.pdf import read_pdf
from zdda.trust.anchors import TrustAnchors
from zdda.trust.revocation import RevocationData
from zdda.validation.basic import Basic, authority_of
from zdda.validation.evidence_at_hand import EvidenceAtHand
from zdda.validation.indications import Conclusion
from zdda.validation.levels import format_of
from zdda.validation.messages import NOT_VALIDATED
from zdda.validation.policy import ValidationPolicy
from zdda.validation.processes import JudgedSignature, JudgedTimestamp, judge
from zdda.validation.report import ENGINE, FORMAT, ValidationDatum, ValidationReport
from zdda.validation.unsupported import may_be_signed
from zdda.validation.validation_objects import facts_of

_WINDOW = 64 * 1024
_DEFAULT_POLICY = ValidationPolicy()
_CATALOGUE = AlgorithmCatalogue()


def validate_document(
    document: BinaryIO,
    anchors: TrustAnchors,
    policy: ValidationPolicy = _DEFAULT_POLICY,
    at: datetime | None = None,
    detached: Sequence[BinaryIO] = (),
    revocation: RevocationData = RevocationData(),  # noqa: B008 - immutable
    identified: IdentifiedFormat | None = None,
    catalogue: AlgorithmCatalogue = _CATALOGUE,
    guessed: bool = False,
    certificates: Sequence[bytes] = (),
) -> ValidationReport:
    """The report on ``document`` (seekable) at the moment ``at``, which is mandatory.

    A document that no reader can open is *refused*, a format whose signatures are not validated yet or an internal
    error leaves it *not validated*: both are said in the report, and ``worst()`` is then never TOTAL_PASSED.
    ``detached`` are candidates (seekable) for content that stands beside a CMS signature or a timestamp token;
    ``guessed``: nobody said that they are its content, so that one which does not match proves nothing.
    ``certificates`` (DER) may stand in paths though the document does not carry them; they are no anchors.
    """
    if at is None or at.tzinfo is None:
        raise ValueError("the validation time is given, with a time zone")
    header = _header(anchors, policy, catalogue, at)
    try:
        found = identified or _identify(document)
        media_type = found.media_type if found is not None else None
        # A CMS message may hold a PDF within its first kilobyte: what the bytes begin with decides.
        if is_signed_data(document):
            signed = read_cms_document(document, Detached(detached, guessed))
        elif media_type == "application/pdf" or _has_pdf_header(document):
            signed = read_pdf(document)
        else:
            code = "format-not-supported" if may_be_signed(document, found) else None
            return _empty(header, found, not_validated=code)
        return _report(header, signed, found, anchors, policy, certificates, revocation, at, catalogue)
    except DocumentRefused as error:
        return _empty(header, identified, refused=(error.code, str(error)))
    except FormatError as error:
        return _empty(header, identified, refused=(error.code, str(error)))
    except (OSError, IntegrityError, Unavailable):
        raise  # the document's source is at fault, not the document: no verdict
    except (DocumentTooLarge, MemoryError):
        return _empty(header, identified, not_validated="resources-exhausted")
    except Exception as error:  # noqa: BLE001 - whatever goes wrong inside: "not validated", never PASSED
        return _empty(header, identified, not_validated="internal-error", detail=type(error).__name__)


def _identify(document: BinaryIO) -> IdentifiedFormat | None:
    length = document.seek(0, io.SEEK_END)
    document.seek(0)
    head = document.read(_WINDOW)
    document.seek(max(0, length - _WINDOW))
    tail = document.read(_WINDOW)
    document.seek(0)
    return identify(head, tail)


def _has_pdf_header(document: BinaryIO) -> bool:
    document.seek(0)
    head = document.read(1024)
    document.seek(0)
    return b"%PDF-" in head


def _header(
    anchors: TrustAnchors, policy: ValidationPolicy, catalogue: AlgorithmCatalogue, at: datetime
) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "engine": ENGINE,
        "validationTime": format_time(at),
        "policy": {"name": policy.name, "sha256": policy.digest},
        "algorithmCatalogue": {"version": catalogue.version, "sha256": catalogue.digest},
        "trustAnchors": list(anchors.digests),
    }


def _empty(
    header: dict[str, Any],
    found: IdentifiedFormat | None,
    refused: tuple[str, str] | None = None,
    not_validated: str | None = None,
    detail: str = "",
) -> ValidationReport:
    reason = None
    if not_validated is not None:
        english, czech = NOT_VALIDATED[not_validated]
        reason = {"code": not_validated, "detail": detail, "message": {"cs": czech, "en": english}}
    return ValidationReport(
        {
            **header,
            "document": _document(found, None),
            "refused": None if refused is None else {"code": refused[0], "detail": refused[1]},
            "notValidated": reason,
            "noSignature": refused is None and not_validated is None,
            "signatures": [],
            "timestamps": [],
            "evidenceRecords": [],
            "validationData": [],
        }
    )


def _document(found: IdentifiedFormat | None, signed: SignedDocument | None) -> dict[str, Any]:
    detached = signed.detached_content if signed is not None else None
    return {
        "puid": found.puid if found is not None else None,
        "formatName": found.name if found is not None else None,
        "length": signed.length if signed is not None else None,
        "container": signed.container if signed is not None else None,
        "findings": [
            {"code": finding.code, "severity": finding.severity.value, "detail": finding.detail}
            for finding in (signed.findings if signed is not None else ())
        ],
        **({"detachedContent": detached.hex()} if detached is not None else {}),
    }


def _report(
    header: dict[str, Any],
    signed: SignedDocument,
    found: IdentifiedFormat | None,
    anchors: TrustAnchors,
    policy: ValidationPolicy,
    certificates: Sequence[bytes],
    revocation: RevocationData,
    at: datetime,
    catalogue: AlgorithmCatalogue,
) -> ValidationReport:
    evidence = _evidence(signed, anchors, policy, certificates, revocation, at, catalogue)
    judged = judge(_signatures(signed), _timestamps(signed), evidence)
    signatures = [_signature(item, signed, evidence) for item in judged.signatures]
    listed = [_timestamp(judged.timestamps[item.identifier]) for item in _timestamps(signed)]
    basics = [*(item.basic for item in judged.signatures), *(item.basic for item in judged.timestamps.values())]
    data = _validation_data(signed, evidence, basics)
    return ValidationReport.of_blocks(
        {
            **header,
            "document": _document(found, signed),
            "refused": None,
            "notValidated": None,
            "noSignature": not signatures,
            "signatures": signatures,
            "timestamps": listed,
            "evidenceRecords": [],
            "validationData": [
                {"role": datum.role, "sha256": datum.sha256, "length": len(datum.data), **facts_of(datum)}
                for datum in data
            ],
        },
        data,
    )


def _signatures(signed: SignedDocument) -> list[Signature]:
    """Every signature, each followed by its counter-signatures."""

    def flat(signature: Signature) -> Iterator[Signature]:
        yield signature
        for counter in signature.counter_signatures:
            yield from flat(counter)

    return [item for signature in signed.signatures for item in flat(signature)]


def _timestamps(signed: SignedDocument) -> list[Timestamp]:
    return [
        *(timestamp for signature in _signatures(signed) for timestamp in signature.timestamps),
        *signed.document_timestamps,
    ]


def _evidence(
    signed: SignedDocument,
    anchors: TrustAnchors,
    policy: ValidationPolicy,
    more: Sequence[bytes],
    revocation: RevocationData,
    at: datetime,
    catalogue: AlgorithmCatalogue,
) -> EvidenceAtHand:
    certificates = dict.fromkeys(signed.certificates)
    data = RevocationData(signed.crls, signed.ocsps)
    for signature in _signatures(signed):
        certificates.update(dict.fromkeys(signature.certificates))
        data += RevocationData(signature.crls, signature.ocsps)
    for timestamp in _timestamps(signed):
        if timestamp.token is not None:
            certificates.update(dict.fromkeys(timestamp.token.certificates))
            data += RevocationData(timestamp.token.crls, timestamp.token.ocsps)
    certificates.update(dict.fromkeys(more))
    return EvidenceAtHand(anchors, tuple(certificates), data + revocation, policy, at, catalogue, data)


def _signature(judged: JudgedSignature, signed: SignedDocument, evidence: EvidenceAtHand) -> dict[str, Any]:
    signature, basic = judged.signature, judged.basic
    return {
        "identifier": signature.identifier,
        "format": format_of(signature, signed, evidence),
        "counter": signature.counter,
        "intact": signature.value_intact,
        "valid": signature.valid,
        "dataToBeSigned": _sha256(signature.data_to_be_signed),
        **_conclusion(judged.conclusion),
        "claimedSigningTime": _time(signature.claimed_signing_time),
        "bestSignatureTime": format_time(judged.archival.best_signature_time),
        "signingCertificate": signature.signer.sha256.hex() if signature.signer is not None else None,
        "signatureAlgorithm": {
            "mechanism": signature.algorithm.mechanism,
            "hash": signature.algorithm.hash,
            "digest": signature.digest_algorithm,
        },
        "coversWholeDocument": signature.covered_until == signature.document_length,
        "changesAfterSigning": signature.changes.value if signature.changes is not None else None,
        "modifiedAfterSigning": any(item.code == "modified-after-signing" for item in signature.findings),
        "findings": [
            {"code": item.code, "severity": item.severity.value, "detail": item.detail} for item in signature.findings
        ],
        "timestamps": [timestamp.identifier for timestamp in signature.timestamps],
        **_path(basic),
        "processes": [
            block
            for block in (basic.process, judged.with_time.process, judged.archival.past, judged.archival.process)
            if block is not None
        ],
        "buildingBlocks": list(basic.blocks),
    }


def _timestamp(judged: JudgedTimestamp) -> dict[str, Any]:
    timestamp, basic = judged.timestamp, judged.basic
    token = timestamp.token
    authority = authority_of(timestamp)
    return {
        "identifier": timestamp.identifier,
        "type": timestamp.type.value,
        "imprintFound": timestamp.imprint_found,
        "imprintIntact": timestamp.imprint_intact,
        "signatureValid": timestamp.signature_valid,
        "token": _sha256(token.der if token is not None else None),
        "time": _time(token.gen_time) if token is not None else None,
        **_conclusion(judged.conclusion),
        "signingCertificate": authority.sha256.hex() if authority is not None else None,
        "policy": token.policy if token is not None else None,
        "coversUntil": timestamp.covered_until,
        **_path(basic),
        "processes": [
            block for block in (basic.process, judged.archival.past, judged.archival.process) if block is not None
        ],
        "buildingBlocks": list(basic.blocks),
    }


def _path(basic: Basic) -> dict[str, Any]:
    path = basic.x509.path
    return {
        "certificatePath": [member.certificate.sha256.hex() for member in path.members] if path is not None else [],
        "pathStatus": path.status.value if path is not None else None,
        "revocationData": [digest.hex() for digest in path.used_revocation] if path is not None else [],
    }


def _conclusion(conclusion: Conclusion) -> dict[str, Any]:
    sub = conclusion.subindication
    return {
        "indication": conclusion.indication.value,
        "subindication": sub.value if sub is not None else None,
    }


def _sha256(data: bytes | None) -> str | None:
    return None if data is None else hashlib.sha256(data).hexdigest()


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else format_time(moment)


def _validation_data(
    signed: SignedDocument, evidence: EvidenceAtHand, basics: list[Basic]
) -> tuple[ValidationDatum, ...]:
    """Every element that can serve as evidence later (requirement B7), each once: all that the document carries
    and was given, and the anchors that paths end in."""
    if not signed.signatures and not signed.document_timestamps:
        return ()
    found: dict[ValidationDatum, None] = {}
    members = (member for basic in basics if basic.x509.path is not None for member in basic.x509.path.members)
    for der in (*evidence.certificates, *(member.certificate.der for member in members)):
        found[ValidationDatum("certificate", der)] = None
    for der in evidence.revocation.crls:
        found[ValidationDatum("crl", der)] = None
    for der in evidence.revocation.ocsps:
        found[ValidationDatum("ocsp", der)] = None
    for timestamp in _timestamps(signed):
        if timestamp.token is not None:
            found[ValidationDatum("timestamp", timestamp.token.der)] = None
    return tuple(found)
