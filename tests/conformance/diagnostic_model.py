"""Signatures, timestamps and evidence records of EU DSS diagnostic data in the archive's model of a signature."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tests.conformance.diagnostic_facts import (
    DiagnosticEvidence,
    Element,
    algorithm_of,
    digest_of,
    every,
    find,
    intact,
    moment,
    name,
    text,
    true,
)
from zdda.signatures.model import (
    DigestMatcher,
    Finding,
    Profile,
    ReferenceState,
    Severity,
    Signature,
    SignedProperties,
    Timestamp,
    TimestampType,
)
from zdda.signatures.timestamp_token import TimestampToken
from zdda.validation.proofs import EvidenceRecordFact

_TYPES = {"ALL_DATA_OBJECTS_TIMESTAMP": "CONTENT_TIMESTAMP", "EVIDENCE_RECORD_TIMESTAMP": "ARCHIVE_TIMESTAMP"}
_COVERED = {"SIGNATURE", "CERTIFICATE", "REVOCATION", "TIMESTAMP"}
_SIGNED_ATTRIBUTES = {"MESSAGE_DIGEST", "SIGNED_PROPERTIES", "JWS_SIGNING_INPUT_DIGEST"}


def signature_of(item: Element, evidence: DiagnosticEvidence, timestamps: Mapping[str, Timestamp]) -> Signature:
    signing = find(item, "SigningCertificate")
    signer = evidence.certificates.get(str(signing.get("Certificate"))) if signing is not None else None
    length = text(item, "BasicSignature/KeyLengthUsedToSignThisToken")
    if signer is not None and length:
        signer = replace(signer, key_size=int(length))
    policy = text(item, "Policy/Id")
    matchers = tuple(_matchers(item))
    return Signature(
        identifier=name(str(item.get("Id"))).hex(),
        profile=Profile.PADES_BASELINE,
        counter=item.get("CounterSignature") == "true",
        signature_value=b"",
        algorithm=algorithm_of(item),
        digest_algorithm=algorithm_of(item).hash or "",
        data_to_be_signed=None,
        value_intact=intact(item),
        matchers=matchers,
        signer=signer,
        reference=_reference(item),
        references=(),
        claimed_signing_time=moment(text(item, "ClaimedSigningTime")),
        properties=SignedProperties(
            has_message_digest=any(matcher.type in _SIGNED_ATTRIBUTES for matcher in matchers),
            policy=None if policy in (None, "NO_POLICY", "IMPLICIT_POLICY") else policy,
        ),
        certificates=(),
        crls=(),
        ocsps=(),
        timestamps=tuple(
            timestamps[key]
            for part in every(item, "FoundTimestamps/FoundTimestamp")
            if (key := str(part.get("Timestamp"))) in timestamps
        ),
        findings=tuple(_findings(item)),
        covered_until=0,
        document_length=0,
    )


def _matchers(item: Element) -> list[DigestMatcher]:
    found = [
        DigestMatcher(
            str(matcher.get("type")),
            str(matcher.get("uri") or matcher.get("id") or ""),
            digest_of(text(matcher, "DigestMethod")),
            true(text(matcher, "DataFound")),
            true(text(matcher, "DataIntact")),
        )
        for matcher in every(item, "DigestMatchers/DigestMatcher")
    ]
    # Older data list none where the value is over the content itself.
    return found or [DigestMatcher("SIGNED_VALUE", "", algorithm_of(item).hash or "", True, True)]


def _reference(item: Element) -> ReferenceState:
    """How the signing-certificate attribute agrees with the signing certificate."""
    signing = find(item, "SigningCertificate")
    key = None if signing is None else signing.get("Certificate")
    found = [
        (related.get("Certificate"), reference)
        for kind in ("RelatedCertificate", "OrphanCertificate")
        for related in every(item, f"FoundCertificates/{kind}")
        for reference in every(related, "CertificateRef")
        if text(reference, "Origin") == "SIGNING_CERTIFICATE"
    ]
    if not found:
        return ReferenceState.MISSING
    own = [reference for certificate, reference in found if certificate == key]
    if not own:
        return ReferenceState.DIGEST_MISMATCH
    digests = [part.get("match") for reference in own for part in every(reference, "DigestAlgoAndValue")]
    if "false" in digests and "true" not in digests:
        return ReferenceState.DIGEST_MISMATCH
    serials = [part.get("match") for reference in own for part in every(reference, "IssuerSerial")]
    return ReferenceState.ISSUER_SERIAL_MISMATCH if "false" in serials else ReferenceState.MATCH


def _findings(item: Element) -> list[Finding]:
    found = []
    structure = find(item, "StructuralValidation")
    if structure is not None and structure.get("valid") == "false":
        found.append(Finding("structure", Severity.WARNING))
    for path, attribute in (
        ("PDFRevision/PDFSignatureDictionary", "consistent"),
        ("PDFRevision/PDFSignatureDictionary/SignatureByteRange", "valid"),
    ):
        part = find(item, path)
        if part is not None and part.get(attribute) == "false":
            found.append(Finding(attribute, Severity.FATAL))
    if len(every(item, "SignerInformationStore/SignerInfo")) > 1 and find(item, "PDFRevision") is not None:
        found.append(Finding("signers", Severity.FATAL))
    if any(part.get("duplicated") == "true" for part in every(item, "DigestMatchers/DigestMatcher")):
        found.append(Finding("duplicated", Severity.FATAL))
    return found


def timestamp_of(item: Element, evidence: DiagnosticEvidence) -> Timestamp:
    kind = str(item.get("Type"))
    type = TimestampType(_TYPES.get(kind, kind))
    signing = find(item, "SigningCertificate")
    signer = None if signing is None else name(str(signing.get("Certificate")))
    imprints = [part for part in every(item, "DigestMatcher") if part.get("type") == "MESSAGE_IMPRINT"]
    others = [part for part in every(item, "DigestMatcher") if part.get("type") == "MANIFEST_ENTRY"]
    time = moment(text(item, "ProductionTime"))
    assert time is not None
    identifier = name(str(item.get("Id")))
    reference = {ReferenceState.MATCH: "match", ReferenceState.MISSING: "missing"}.get(_reference(item), "mismatch")
    hash_algorithm = digest_of(text(imprints[0], "DigestMethod")) if imprints else "sha256"
    token = TimestampToken(
        der=identifier,
        gen_time=time,
        hash_algorithm=hash_algorithm,
        imprint=b"",
        policy="",
        nonce=None,
        serial=0,
        signer_certificate=signer,
        certificates=(),
        crls=(),
        ocsps=(),
        signature_intact=intact(item),
        value_intact=intact(item),
        certificate_reference=reference,
        digest_algorithm=algorithm_of(item).hash or "",
        signature_algorithm=algorithm_of(item),
    )
    return Timestamp(
        identifier.hex(),
        type,
        token,
        imprint_found=all(true(text(part, "DataFound")) for part in imprints),
        imprint_intact=all(true(text(part, "DataIntact")) for part in imprints)
        and all(true(text(part, "DataIntact")) for part in others if true(text(part, "DataFound"))),
        covers=() if type is TimestampType.CONTENT else _covered(item),
    )


def _covered(item: Element) -> tuple[bytes, ...]:
    return tuple(
        name(str(part.get("Token")))
        for part in every(item, "TimestampedObjects/TimestampedObject")
        if part.get("Category") in _COVERED
    )


def record_of(item: Element, timestamps: dict[str, Timestamp]) -> EvidenceRecordFact:
    own = [timestamps[str(part.get("Timestamp"))] for part in every(item, "EvidenceRecordTimestamps/FoundTimestamp")]
    own.sort(key=lambda stamp: stamp.token.gen_time.timestamp() if stamp.token else 0.0)
    matchers = [part for part in _matchers(item) if part.type != "SIGNED_VALUE"]
    return EvidenceRecordFact(
        name(str(item.get("Id"))).hex(),
        tuple(own),
        bool(matchers) and all(matcher.found and matcher.intact for matcher in matchers),
        _covered(item),
    )
