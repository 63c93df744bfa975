"""A PDF signature whose value is a CMS message: signer, digests, attributes, embedded timestamps."""

from __future__ import annotations

import hashlib
import hmac

from zdda.signatures import cms
from zdda.signatures.cms_verification import ContentDigest
from zdda.signatures.errors import FormatError
from zdda.signatures.model import (
    DigestMatcher,
    Finding,
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
from zdda.signatures.signer_info import (
    digest_of,
    embedded_timestamp,
    find_signer,
    reference_state,
    signed_properties,
)
from zdda.signatures.timestamp_token import TimestampToken


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
    certificate, value_intact = find_signer(signer, (*data.certificates, *store), references, content_digest)
    if signed is None or not _consistent(signer, data):
        value_intact = False
    if len(data.signers) > 1:
        # ISO 32000-2 clause 12.8.3.3.1 and EN 319 142-1 have one SignerInfo: whose signature it is that the
        # dictionary speaks of is not for us to choose.
        findings.append(Finding("several-signers", Severity.FATAL, str(len(data.signers))))
    try:
        matchers = _matchers(dictionary, data, signer, signed, value_intact, content_digest)
        properties = signed_properties(signer)
    except FormatError as error:
        findings.append(Finding("signed-attributes-unreadable", Severity.FATAL, str(error)))
        matchers, properties = (), SignedProperties()
    if signer.unsigned_values(cms.COUNTER_SIGNATURE):
        # EN 319 142-1 table 1: they have no place in a PDF; told, not judged.
        findings.append(Finding("counter-signature-not-read", Severity.WARNING))
    if properties.algorithm_protection == "mismatch":
        value_intact = False  # RFC 6211: the algorithms were exchanged
    identifier = identifier_of(pdf, dictionary)
    place = identifier.encode("ascii")
    archival = cms.signed_revocation_values(signer)
    # What is signed existed when the signature did.
    signed_values = (hashlib.sha256(item).digest() for item in (*archival.crls, *archival.ocsps))
    itself = (bytes.fromhex(identifier), *signed_values)
    over_content = signed.digest if signed is not None else None
    timestamps: list[Timestamp] = []
    try:
        pdf.timestamps.add(signer)
        timestamps += [
            embedded_timestamp(value, TimestampType.SIGNATURE, digest_of(signer.signature), b"value" + place, itself)
            for value in signer.unsigned_values(cms.SIGNATURE_TIMESTAMP)
        ]
        for name, values in signer.signed:
            if name == cms.CONTENT_TIMESTAMP:
                timestamps += [
                    embedded_timestamp(value, TimestampType.CONTENT, over_content, b"content" + place)
                    for value in values
                ]
    except FormatError as error:
        findings.append(Finding("timestamps-unreadable", Severity.FATAL, str(error)))
    findings += [Finding("attribute-unreadable", Severity.WARNING, name) for name in (*data.unread, *archival.unread)]
    claimed = dictionary.signing_time
    try:
        claimed = claimed or cms.signing_time(signer)
    except FormatError:
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
        reference=reference_state(references, certificate),
        references=references,
        claimed_signing_time=claimed,
        properties=properties,
        certificates=data.certificates,
        crls=tuple(dict.fromkeys((*data.crls, *archival.crls))),
        ocsps=tuple(dict.fromkeys((*data.ocsps, *archival.ocsps))),
        timestamps=tuple(timestamps),
        findings=tuple(findings),
        covered_until=end,
        document_length=pdf.length,
    )


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
    except FormatError:
        return False


def _matchers(
    dictionary: SignatureDictionary,
    data: cms.SignedData,
    signer: cms.Signer,
    signed: SignedBytes | None,
    value_intact: bool,
    content_digest: ContentDigest,
) -> tuple[DigestMatcher, ...]:
    algorithm = signer.digest_algorithm
    found = signed is not None and signer.digest_stated
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
        matchers.append(DigestMatcher("CONTENT_DIGEST", "byte range", "sha1", signed is not None, intact))
    return tuple(matchers)


def over(token: TimestampToken, signed: SignedBytes) -> bool:
    try:
        return token.is_over_digest(signed.digest(token.hash_algorithm))
    except FormatError:
        return False
