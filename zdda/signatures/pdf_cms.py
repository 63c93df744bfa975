"""A PDF signature whose value is a CMS message: signer, digests, attributes, embedded timestamps."""

from __future__ import annotations

import hashlib
import hmac

from zdda.signatures import cms
from zdda.signatures.certificates import Certificate, load_certificate
from zdda.signatures.errors import FormatError
from zdda.signatures.model import (
    DigestMatcher,
    Finding,
    ReferenceState,
    Severity,
    Signature,
    SignedProperties,
    Timestamp,
    TimestampType,
)
from zdda.signatures.pades_profile import profile_of
from zdda.signatures.pdf_byte_range import SignedBytes, identifier_of
from zdda.signatures.pdf_reader import PdfDocument, SignatureDictionary
from zdda.signatures.signature_value import new_digest
from zdda.signatures.timestamp_token import TimestampToken, parse_timestamp_token

_CONTENT_TIMESTAMP = "1.2.840.113549.1.9.16.2.20"
_COMMITMENT = "1.2.840.113549.1.9.16.2.16"


def cms_signature(
    pdf: PdfDocument,
    dictionary: SignatureDictionary,
    data: cms.SignedData,
    signed: SignedBytes | None,
    store: tuple[bytes, ...],
    findings: list[Finding],
    end: int,
) -> Signature:
    signer = data.signers[0]

    def content_digest(name: str) -> bytes:
        if signed is None:
            raise FormatError("nothing is signed")
        if dictionary.sub_filter == "adbe.pkcs7.sha1":
            value = new_digest(name)
            value.update(data.content or b"")
            return bytes(value.digest())
        return signed.digest(name)

    references: tuple[cms.CertificateReference, ...] = ()
    try:
        references = cms.certificate_references(signer)
    except FormatError as error:
        findings.append(Finding("signing-certificate-unreadable", Severity.FATAL, str(error)))
    certificate, value_intact = _verify(signer, data, store, references, content_digest)
    if signed is None or not _consistent(signer, data):
        value_intact = False
    if len(data.signers) > 1:
        # ISO 32000-2 clause 12.8.3.3.1 has one signer. The first is judged; another that does not hold is not
        # passed over.
        others = all(_holds(other, data, store, content_digest) for other in data.signers[1:10])
        severity = Severity.WARNING if others and len(data.signers) <= 10 else Severity.FATAL
        findings.append(Finding("several-signers", severity, str(len(data.signers))))
    try:
        matchers = _matchers(dictionary, data, signer, signed, value_intact, content_digest)
        properties = _properties(signer)
    except (FormatError, ValueError, TypeError) as error:
        findings.append(Finding("signed-attributes-unreadable", Severity.FATAL, type(error).__name__))
        matchers, properties = (), SignedProperties()
    identifier = identifier_of(pdf, dictionary)
    place = identifier.encode("ascii")
    itself = (bytes.fromhex(identifier), *_signed_revocation(signer))
    timestamps = [
        embedded_timestamp(value, TimestampType.SIGNATURE, signer.signature, b"value" + place, itself)
        for value in signer.unsigned_values(cms.SIGNATURE_TIMESTAMP)
    ]
    for name, values in signer.signed:
        if name == _CONTENT_TIMESTAMP:
            timestamps += [
                embedded_timestamp(value, TimestampType.CONTENT, signed, b"content" + place) for value in values
            ]
    claimed = dictionary.signing_time
    try:
        claimed = claimed or cms.signing_time(signer)
    except (FormatError, ValueError, TypeError):
        findings.append(Finding("signing-time-unreadable", Severity.WARNING))
    return Signature(
        identifier=identifier,
        profile=profile_of(dictionary, data, signer, certificate, references, properties),
        counter=False,
        signature_value=signer.signature,
        algorithm=signer.algorithm,
        digest_algorithm=signer.digest_algorithm,
        data_to_be_signed=signer.signed_attributes,
        value_intact=value_intact,
        matchers=matchers,
        signer=certificate,
        reference=_reference_state(references, certificate),
        references=references,
        claimed_signing_time=claimed,
        properties=properties,
        certificates=data.certificates,
        crls=data.crls,
        ocsps=data.ocsps,
        timestamps=tuple(timestamps),
        findings=tuple(findings),
        covered_until=end,
        document_length=pdf.length,
    )


def _verify(
    signer: cms.Signer,
    data: cms.SignedData,
    store: tuple[bytes, ...],
    references: tuple[cms.CertificateReference, ...],
    content_digest: cms.ContentDigest,
) -> tuple[Certificate | None, bool]:
    """(the signer's certificate, whether its key verifies the value); EN 319 102-1 clause 5.2.3."""
    found = list(cms.candidates(signer, (*data.certificates, *store)))
    if references:
        named = [item for item in found if _names(references[0], item)]
        if not named:
            for der in (*data.certificates, *store):
                try:
                    certificate = load_certificate(der)
                except FormatError:
                    continue
                if _names(references[0], certificate):
                    named.append(certificate)
        found = named + [item for item in found if item not in named]
    for certificate in found:
        try:
            if cms.verify_signer(signer, certificate, content_digest):
                return certificate, True
        except FormatError:
            continue
    return (found[0] if found else None), False


def _signed_revocation(signer: cms.Signer) -> tuple[bytes, ...]:
    """SHA-256 of the revocation data in Adobe's signed attribute: what is signed existed when the signature did."""
    found: list[bytes] = []
    for name, values in signer.signed:
        for value in values if name == cms.ADOBE_REVOCATION else ():
            try:
                certificates, crls, ocsps = cms.values_of_attribute(name, value)
            except (FormatError, ValueError, TypeError, KeyError):
                continue
            found += [hashlib.sha256(item).digest() for item in (*certificates, *crls, *ocsps)]
    return tuple(found)


def _holds(
    signer: cms.Signer, data: cms.SignedData, store: tuple[bytes, ...], content_digest: cms.ContentDigest
) -> bool:
    try:
        _, intact = _verify(signer, data, store, cms.certificate_references(signer), content_digest)
        claimed = cms.message_digest(signer)
        over = signer.signed_attributes is None or claimed == content_digest(signer.digest_algorithm)
    except (FormatError, ValueError, TypeError):
        return False
    return intact and over and _consistent(signer, data)


def _consistent(signer: cms.Signer, data: cms.SignedData) -> bool:
    """RFC 5652 clauses 5.4, 5.6 and 11.1: content-type is that of the content, and where the message holds
    content of its own, message-digest is of that content."""
    if signer.signed_attributes is None:
        return True
    try:
        if cms.signed_content_type(signer) != data.content_type:
            return False
        if data.content is None:
            return True
        value = new_digest(signer.digest_algorithm)
        value.update(data.content)
        claimed = cms.message_digest(signer)
        return claimed is not None and hmac.compare_digest(claimed, value.digest())
    except (FormatError, ValueError, TypeError):
        return False


def _names(reference: cms.CertificateReference, certificate: Certificate) -> bool:
    try:
        return reference.matches_digest(certificate)
    except FormatError:
        return False


def _reference_state(
    references: tuple[cms.CertificateReference, ...], certificate: Certificate | None
) -> ReferenceState:
    if not references:
        return ReferenceState.MISSING
    if certificate is None or not _names(references[0], certificate):
        return ReferenceState.DIGEST_MISMATCH
    if not references[0].matches_issuer_serial(certificate):
        return ReferenceState.ISSUER_SERIAL_MISMATCH
    return ReferenceState.MATCH


def _matchers(
    dictionary: SignatureDictionary,
    data: cms.SignedData,
    signer: cms.Signer,
    signed: SignedBytes | None,
    value_intact: bool,
    content_digest: cms.ContentDigest,
) -> tuple[DigestMatcher, ...]:
    algorithm = signer.digest_algorithm
    found = signed is not None
    if signer.signed_attributes is None:
        matchers = [DigestMatcher("SIGNED_VALUE", "byte range", algorithm, found, value_intact)]
    else:
        claimed = cms.message_digest(signer)
        intact = found and claimed is not None and hmac.compare_digest(claimed, content_digest(algorithm))
        matchers = [DigestMatcher("MESSAGE_DIGEST", "byte range", algorithm, found, intact)]
        if claimed is None:
            matchers = [DigestMatcher("MESSAGE_DIGEST", "byte range", algorithm, False, False)]
    if dictionary.sub_filter == "adbe.pkcs7.sha1":
        # The CMS is over a SHA-1 digest of the byte range (ISO 32000-1 clause 12.8.3.3.1).
        intact = signed is not None and hmac.compare_digest(data.content or b"", signed.digest("sha1"))
        matchers.append(DigestMatcher("CONTENT_DIGEST", "byte range", "sha1", found, intact))
    return tuple(matchers)


def _properties(signer: cms.Signer) -> SignedProperties:
    names = [name for name, _ in signer.signed]
    policies = [value for name, values in signer.signed if name == cms.SIGNATURE_POLICY for value in values]
    return SignedProperties(
        content_type=cms.signed_content_type(signer),
        has_message_digest=names.count(cms.MESSAGE_DIGEST) == 1,
        signing_time_attribute=cms.SIGNING_TIME in names,
        signing_certificate_attributes=names.count(cms.SIGNING_CERTIFICATE) + names.count(cms.SIGNING_CERTIFICATE_V2),
        policy=hashlib.sha256(policies[0]).hexdigest() if policies else None,
        commitments=_COMMITMENT in names,
        algorithm_protection=cms.algorithm_protection(signer),
    )


def over(token: TimestampToken, signed: SignedBytes) -> bool:
    try:
        return token.is_over_digest(signed.digest(token.hash_algorithm))
    except FormatError:
        return False


def embedded_timestamp(
    value: bytes,
    type: TimestampType,
    data: bytes | SignedBytes | None,
    place: bytes,
    covers: tuple[bytes, ...] = (),
) -> Timestamp:
    """``place``: what tells one place from another: a token copied elsewhere is another timestamp."""
    identifier = hashlib.sha256(hashlib.sha256(value).digest() + hashlib.sha256(place).digest()).hexdigest()
    try:
        token = parse_timestamp_token(value)
    except FormatError as error:
        finding = Finding("timestamp-unreadable", Severity.FATAL, str(error))
        return Timestamp(identifier, type, None, data is not None, False, (finding,))
    if data is None:
        return Timestamp(identifier, type, token, False, False)
    try:
        intact = token.is_over(data) if isinstance(data, bytes) else over(token, data)
    except FormatError:
        intact = False
    return Timestamp(identifier, type, token, True, intact, covers=covers)
