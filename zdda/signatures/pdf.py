"""PDF signatures: PAdES (EN 319 142), the older PKCS#7 and PKCS#1 forms (ISO 32000) and document timestamps.

Fills the signature model and does the byte-level cryptography; never judges trust.
"""

from __future__ import annotations

from dataclasses import replace
from typing import BinaryIO

from zdda.signatures import cms
from zdda.signatures.certificates import load_certificate
from zdda.signatures.errors import DocumentRefused, FormatError
from zdda.signatures.model import (
    Changes,
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
from zdda.signatures.pdf_byte_range import SignedBytes, identifier_of, signed_bytes
from zdda.signatures.pdf_cms import cms_signature, over
from zdda.signatures.pdf_coverage import readable_answers, with_coverage
from zdda.signatures.pdf_reader import PdfDocument, SignatureDictionary
from zdda.signatures.pdf_source import errors_of_source
from zdda.signatures.signature_value import RSA, SignatureAlgorithm, verify_digest
from zdda.signatures.timestamp_token import parse_timestamp_token

TIMESTAMP_FILTER = "ETSI.RFC3161"
CADES_FILTER = "ETSI.CAdES.detached"
PKCS7_FILTERS = ("adbe.pkcs7.detached", "adbe.pkcs7.sha1")
PKCS1_FILTER = "adbe.x509.rsa_sha1"
MAXIMUM_SIGNATURES = 1000


def read_pdf(document: BinaryIO) -> SignedDocument:
    """All signatures and document timestamps of a PDF.

    Raises ``DocumentRefused`` where no reader can make anything of the bytes, or a password is needed.
    Errors of where the bytes come from (``OSError``, ``IntegrityError``, ``Unavailable``) and ``MemoryError`` are
    passed on. A signature that is broken is a signature with FATAL findings; it never hides another.
    """
    pdf = PdfDocument(document)
    with errors_of_source(pdf.stream):
        return _read(pdf)


def _read(pdf: PdfDocument) -> SignedDocument:
    dictionaries = pdf.signature_dictionaries()
    if len(dictionaries) > MAXIMUM_SIGNATURES:
        raise FormatError(f"the PDF has more than {MAXIMUM_SIGNATURES} signatures")
    store = pdf.validation_store()
    signatures: list[Signature] = []
    timestamps: list[Timestamp] = []
    gaps: dict[str, tuple[int, int] | None] = {}
    for dictionary in dictionaries:
        if dictionary.contents is not None and not dictionary.contents.strip(b"\x00"):
            # A place kept for a signature that was never made (or was wiped): nothing was signed.
            pdf.findings.append(Finding("signature-place-empty", Severity.WARNING))
        elif dictionary.sub_filter == TIMESTAMP_FILTER:
            if dictionary.type in (None, "DocTimeStamp") and not dictionary.ambiguous:
                timestamps.append(_document_timestamp(pdf, dictionary))
                gaps[timestamps[-1].identifier] = dictionary.contents_span
            else:
                detail = "a key twice" if dictionary.ambiguous else "ETSI.RFC3161 under another /Type"
                pdf.findings.append(Finding("timestamp-dictionary-mistyped", Severity.WARNING, detail))
        else:
            signatures.append(_signature(pdf, dictionary, store.certificates))
            gaps[signatures[-1].identifier] = dictionary.contents_span
    signatures = [_with_later_changes(pdf, item) for item in signatures]
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
        document_timestamps=with_coverage(timestamps, gaps, signatures, store),
        certificates=store.certificates,
        crls=store.crls,
        ocsps=tuple(readable_answers(store.ocsps)),
        findings=tuple(pdf.findings),
        validation_store_positions=store.positions,
    )


def _with_later_changes(pdf: PdfDocument, signature: Signature) -> Signature:
    changes = pdf.changes_after(signature.covered_until)
    if changes in (Changes.NOTHING, Changes.FORMS):
        return replace(signature, changes=changes)
    return replace(signature, changes=changes, pages=pdf.page_counts(signature.covered_until))


# --- document timestamps


def _document_timestamp(pdf: PdfDocument, dictionary: SignatureDictionary) -> Timestamp:
    signed, findings, end = signed_bytes(pdf, dictionary)
    token = None
    try:
        token = parse_timestamp_token(dictionary.contents or b"")
    except FormatError as error:
        findings.append(Finding("timestamp-unreadable", Severity.FATAL, str(error)))
    intact = False
    if token is not None and signed is not None:
        intact = over(token, signed)
    if dictionary.broken:
        findings.append(Finding("signature-dictionary-broken", Severity.FATAL, dictionary.broken))
    return Timestamp(
        identifier_of(pdf, dictionary),
        TimestampType.DOCUMENT,
        token,
        signed is not None,
        intact,
        tuple(findings),
        end,
    )


# --- signatures


def _signature(pdf: PdfDocument, dictionary: SignatureDictionary, store: tuple[bytes, ...]) -> Signature:
    signed, findings, end = signed_bytes(pdf, dictionary)
    if dictionary.broken:
        findings.append(Finding("signature-dictionary-broken", Severity.FATAL, dictionary.broken))
    if dictionary.type not in (None, "Sig", "DocTimeStamp"):
        findings.append(Finding("signature-dictionary-mistyped", Severity.WARNING))
    if dictionary.ambiguous:
        findings.append(Finding("signature-dictionary-ambiguous", Severity.WARNING, "a key twice"))
    if end and not pdf.ends_at(end):
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
    return cms_signature(pdf, dictionary, data, signed, store, findings, end)


def _pkcs1_signature(
    pdf: PdfDocument,
    dictionary: SignatureDictionary,
    signed: SignedBytes | None,
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
        identifier=identifier_of(pdf, dictionary),
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
