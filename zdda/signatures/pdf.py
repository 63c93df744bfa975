"""PDF signatures: PAdES (EN 319 142), the older PKCS#7 and PKCS#1 forms (ISO 32000) and document timestamps.

Fills the signature model and does the byte-level cryptography; never judges trust.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from zdda.signatures import cms
from zdda.signatures.certificates import Certificate, load_certificate
from zdda.signatures.errors import DocumentRefused, FormatError
from zdda.signatures.model import (
    DigestMatcher,
    Finding,
    Profile,
    ReferenceState,
    Severity,
    Signature,
    SignedDocument,
    SignedProperties,
    Timestamp,
    TimestampType,
)
from zdda.signatures.pades_profile import profile_of
from zdda.signatures.pdf_reader import PdfDocument, SignatureDictionary
from zdda.signatures.signature_value import RSA, SignatureAlgorithm, new_digest, verify_digest
from zdda.signatures.timestamp_token import TimestampToken, parse_timestamp_token

TIMESTAMP_FILTER = "ETSI.RFC3161"
CADES_FILTER = "ETSI.CAdES.detached"
PKCS7_FILTERS = ("adbe.pkcs7.detached", "adbe.pkcs7.sha1")
PKCS1_FILTER = "adbe.x509.rsa_sha1"
MAXIMUM_SIGNATURES = 1000
_BLOCK = 1 << 20
_CONTENT_TIMESTAMP = "1.2.840.113549.1.9.16.2.20"
_COMMITMENT = "1.2.840.113549.1.9.16.2.16"


def read_pdf(document: BinaryIO) -> SignedDocument:
    """All signatures and document timestamps of a PDF.

    Raises ``DocumentRefused`` where no reader can make anything of the bytes, or a password is needed.
    A signature that is broken is a signature with FATAL findings; it never hides another.
    """
    pdf = PdfDocument(document)
    dictionaries = pdf.signature_dictionaries()
    if len(dictionaries) > MAXIMUM_SIGNATURES:
        raise FormatError(f"the PDF has more than {MAXIMUM_SIGNATURES} signatures")
    store = pdf.validation_store()
    signatures: list[Signature] = []
    timestamps: list[Timestamp] = []
    for dictionary in dictionaries:
        if dictionary.contents is not None and not dictionary.contents.strip(b"\x00"):
            # A place kept for a signature that was never made (or was wiped): nothing was signed.
            pdf.findings.append(Finding("signature-place-empty", Severity.WARNING))
        elif dictionary.sub_filter == TIMESTAMP_FILTER:
            if dictionary.type in (None, "DocTimeStamp"):
                timestamps.append(_document_timestamp(pdf, dictionary))
            else:
                detail = "ETSI.RFC3161 under another /Type"
                pdf.findings.append(Finding("timestamp-dictionary-mistyped", Severity.WARNING, detail))
        else:
            signatures.append(_signature(pdf, dictionary, store.certificates))
    signatures.sort(key=lambda item: item.covered_until)
    timestamps.sort(key=lambda item: item.covered_until)
    if pdf.damage is not None:
        if not pdf.opened and not signatures and not timestamps:
            raise DocumentRefused("a PDF reader cannot open the document")
        pdf.findings.append(Finding("document-damaged", Severity.WARNING, pdf.damage))
    return SignedDocument(
        format="PDF",
        length=pdf.length,
        signatures=tuple(signatures),
        document_timestamps=tuple(timestamps),
        certificates=store.certificates,
        crls=store.crls,
        ocsps=tuple(_answers(store.ocsps)),
        findings=tuple(pdf.findings),
        validation_store_positions=store.positions,
    )


def _answers(values: tuple[bytes, ...]) -> Iterator[bytes]:
    for value in values:
        try:
            yield cms.ocsp_response(value)
        except FormatError:
            continue


# --- byte ranges


@dataclass(slots=True)
class _SignedBytes:
    """What a /ByteRange covers; digests are made once for each algorithm, in blocks."""

    pdf: PdfDocument
    ranges: tuple[tuple[int, int], ...]
    digests: dict[str, bytes]

    def digest(self, name: str) -> bytes:
        if name not in self.digests:
            value = new_digest(name)
            for start, end in self.ranges:
                position = start
                while position < end:
                    block = self.pdf.read(position, min(end, position + _BLOCK))
                    if not block:
                        break
                    value.update(block)
                    position += len(block)
            self.digests[name] = value.digest()
        return self.digests[name]


def _signed_bytes(pdf: PdfDocument, dictionary: SignatureDictionary) -> tuple[_SignedBytes | None, list[Finding], int]:
    """(what is signed or None, what is wrong with it, where the signed part ends).

    ISO 32000-2 clause 12.8.1 and EN 319 142-1 clause 5.3: the range is the whole revision but the value of
    /Contents, and nothing else.
    """
    numbers = dictionary.byte_range
    if numbers is None or not numbers:
        return None, [Finding("byte-range-missing", Severity.FATAL)], 0
    if len(numbers) != 4 or any(number < 0 for number in numbers):
        return None, [Finding("byte-range-malformed", Severity.FATAL, f"{len(numbers)} numbers")], 0
    first, first_length, second, second_length = numbers
    gap, end = first + first_length, second + second_length
    if end > pdf.length:
        return None, [Finding("byte-range-beyond-file", Severity.FATAL)], 0
    if second <= gap:
        return None, [Finding("byte-range-overlapping", Severity.FATAL)], 0
    if first != 0 or first_length == 0 or second_length == 0:
        return None, [Finding("byte-range-incomplete", Severity.FATAL)], 0
    findings: list[Finding] = []
    if dictionary.contents_span != (gap, second):
        # The bytes left out must be the value of this dictionary's /Contents, brackets included: anything more
        # could be changed unseen.
        if not _same_contents(pdf, dictionary, gap, second):
            return None, [Finding("byte-range-gap-is-not-contents", Severity.FATAL)], 0
        findings.append(Finding("signature-dictionary-replaced", Severity.FATAL))
    return _SignedBytes(pdf, ((first, gap), (second, end)), {}), findings, end


def _same_contents(pdf: PdfDocument, dictionary: SignatureDictionary, start: int, end: int) -> bool:
    """Whether the gap holds the same value: then a dictionary written later stands in the signed one's place."""
    span = dictionary.contents_span
    if span is None or span[1] - span[0] != end - start:
        return False
    return pdf.read(start, end) == pdf.read(*span)


def _identifier(pdf: PdfDocument, dictionary: SignatureDictionary) -> str:
    value = hashlib.sha256(repr((dictionary.byte_range, dictionary.contents_span)).encode("ascii"))
    value.update(dictionary.contents or b"")
    return value.hexdigest()


# --- document timestamps


def _document_timestamp(pdf: PdfDocument, dictionary: SignatureDictionary) -> Timestamp:
    signed, findings, end = _signed_bytes(pdf, dictionary)
    token = None
    try:
        token = parse_timestamp_token(dictionary.contents or b"")
    except FormatError as error:
        findings.append(Finding("timestamp-unreadable", Severity.FATAL, str(error)))
    intact = False
    if token is not None and signed is not None:
        intact = _over(token, signed)
    if dictionary.broken:
        findings.append(Finding("signature-dictionary-broken", Severity.FATAL, dictionary.broken))
    return Timestamp(
        _identifier(pdf, dictionary),
        TimestampType.DOCUMENT,
        token,
        signed is not None,
        intact,
        tuple(findings),
        end,
    )


def _over(token: TimestampToken, signed: _SignedBytes) -> bool:
    try:
        return token.is_over_digest(signed.digest(token.hash_algorithm))
    except FormatError:
        return False


def _embedded_timestamp(
    value: bytes, type: TimestampType, data: bytes | _SignedBytes | None, place: bytes
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
        intact = token.is_over(data) if isinstance(data, bytes) else _over(token, data)
    except FormatError:
        intact = False
    return Timestamp(identifier, type, token, True, intact)


# --- signatures


def _signature(pdf: PdfDocument, dictionary: SignatureDictionary, store: tuple[bytes, ...]) -> Signature:
    signed, findings, end = _signed_bytes(pdf, dictionary)
    if dictionary.broken:
        findings.append(Finding("signature-dictionary-broken", Severity.FATAL, dictionary.broken))
    if dictionary.type not in (None, "Sig", "DocTimeStamp"):
        findings.append(Finding("signature-dictionary-mistyped", Severity.WARNING))
    if end and end < pdf.length and not _only_padding(pdf, end):
        findings.append(Finding("modified-after-signing", Severity.WARNING, f"{pdf.length - end} bytes"))
    if dictionary.sub_filter == PKCS1_FILTER:
        return _pkcs1_signature(pdf, dictionary, signed, findings, end)
    try:
        data = cms.parse_signed_data(dictionary.contents or b"")
        if not data.signers:
            raise FormatError("a CMS message has no signer")
    except FormatError as error:
        findings.append(Finding("signature-value-unreadable", Severity.FATAL, str(error)))
        return _unreadable(pdf, dictionary, findings, end)
    if dictionary.sub_filter not in (CADES_FILTER, *PKCS7_FILTERS):
        findings.append(Finding("sub-filter-unknown", Severity.WARNING))
    return _cms_signature(pdf, dictionary, data, signed, store, findings, end)


def _only_padding(pdf: PdfDocument, start: int) -> bool:
    """Line ends, blanks and NULs after the last %%EOF change nothing."""
    return pdf.length - start <= 4096 and not pdf.read(start, pdf.length).strip(b"\x00\t\n\x0c\r ")


def _cms_signature(
    pdf: PdfDocument,
    dictionary: SignatureDictionary,
    data: cms.SignedData,
    signed: _SignedBytes | None,
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
    place = _identifier(pdf, dictionary).encode("ascii")
    timestamps = [
        _embedded_timestamp(value, TimestampType.SIGNATURE, signer.signature, b"value" + place)
        for value in signer.unsigned_values(cms.SIGNATURE_TIMESTAMP)
    ]
    for name, values in signer.signed:
        if name == _CONTENT_TIMESTAMP:
            timestamps += [
                _embedded_timestamp(value, TimestampType.CONTENT, signed, b"content" + place) for value in values
            ]
    claimed = dictionary.signing_time
    try:
        claimed = claimed or cms.signing_time(signer)
    except (FormatError, ValueError, TypeError):
        findings.append(Finding("signing-time-unreadable", Severity.WARNING))
    return Signature(
        identifier=_identifier(pdf, dictionary),
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
        certificates=tuple(dict.fromkeys((*data.certificates, *store))),
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
    signed: _SignedBytes | None,
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


def _pkcs1_signature(
    pdf: PdfDocument,
    dictionary: SignatureDictionary,
    signed: _SignedBytes | None,
    findings: list[Finding],
    end: int,
) -> Signature:
    """adbe.x509.rsa_sha1 (ISO 32000-1 clause 12.8.3.2): a DER OCTET STRING of a PKCS#1 value, /Cert beside it."""
    algorithm = SignatureAlgorithm(RSA, "sha1")
    value, certificate, intact = b"", None, False
    try:
        value = cms.octet_string(dictionary.contents or b"")
        certificate = load_certificate(dictionary.certificates[0]) if dictionary.certificates else None
        if certificate is not None and signed is not None:
            intact = verify_digest(certificate.public_key, algorithm, signed.digest("sha1"), value)
    except FormatError as error:
        findings.append(Finding("signature-value-unreadable", Severity.FATAL, str(error)))
    blank = _unreadable(pdf, dictionary, findings, end)
    return Signature(
        **{
            **{name: getattr(blank, name) for name in Signature.__slots__},
            "signature_value": value,
            "algorithm": algorithm,
            "digest_algorithm": "sha1",
            "value_intact": intact,
            "signer": certificate,
            "certificates": dictionary.certificates,
            "matchers": (DigestMatcher("SIGNED_VALUE", "byte range", "sha1", signed is not None, intact),),
        }
    )


def _unreadable(pdf: PdfDocument, dictionary: SignatureDictionary, findings: list[Finding], end: int) -> Signature:
    return Signature(
        identifier=_identifier(pdf, dictionary),
        profile=Profile.PDF_NOT_ETSI,
        counter=False,
        signature_value=b"",
        algorithm=SignatureAlgorithm("unknown", None),
        digest_algorithm="unknown",
        data_to_be_signed=None,
        value_intact=False,
        matchers=(),
        signer=None,
        reference=ReferenceState.MISSING,
        references=(),
        claimed_signing_time=dictionary.signing_time,
        properties=SignedProperties(),
        certificates=(),
        crls=(),
        ocsps=(),
        timestamps=(),
        findings=tuple(findings),
        covered_until=end,
        document_length=pdf.length,
    )
