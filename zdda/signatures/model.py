"""The one model of a signature: what every adapter fills and what the validation core reads.

Facts only. Byte-level cryptography is done by the adapter; nothing here says whom to trust.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from zdda.signatures.certificates import Certificate
from zdda.signatures.cms import CertificateReference
from zdda.signatures.signature_value import SignatureAlgorithm
from zdda.signatures.timestamp_token import TimestampToken


class Severity(StrEnum):
    """What a finding means for EN 319 102-1 clause 5.2.2: FATAL is a format failure, WARNING is told."""

    FATAL = "fatal"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something an adapter noticed. ``code`` is stable; ``detail`` is technical and holds no document content."""

    code: str
    severity: Severity
    detail: str = ""


@dataclass(frozen=True, slots=True)
class DigestMatcher:
    """One signed object: is it found, is its digest the signed one. ``name`` names no document.

    ``type``: MESSAGE_DIGEST (a signed attribute), CONTENT_DIGEST (a digest in the signed content), SIGNED_VALUE
    (the signature value is over the object itself: no digest of its own to compare).
    """

    type: str
    name: str
    algorithm: str
    found: bool
    intact: bool


class ReferenceState(StrEnum):
    """How the signing-certificate attribute agrees with the certificate that is taken for the signer's."""

    MATCH = "match"
    DIGEST_MISMATCH = "digest-mismatch"
    ISSUER_SERIAL_MISMATCH = "issuer-serial-mismatch"
    MISSING = "missing"


class Profile(StrEnum):
    """What the form of a signature promises, before its level is known (EN 319 142-1, EN 319 142-2,
    ISO 32000-2 clause 12.8.3, EN 319 122-1, EN 319 122-2)."""

    PADES_BASELINE = "PAdES-BASELINE"
    PADES_BES = "PAdES-BES"
    PADES_EPES = "PAdES-EPES"
    PKCS7 = "PKCS7"
    PDF_NOT_ETSI = "PDF-NOT-ETSI"
    CADES_BASELINE = "CAdES-BASELINE"
    CADES_BES = "CAdES-BES"
    CADES_EPES = "CAdES-EPES"
    CMS_NOT_ETSI = "CMS-NOT-ETSI"


class TimestampType(StrEnum):
    """What a timestamp is over. VALIDATION_DATA: the signature value, its timestamps and the references to
    validation data (CAdES-C-timestamp); VALIDATION_DATA_REFERENCES: the references only; ARCHIVE: all of it.
    CONTAINER: a bare token over data that stand beside it. Values are the names that EU DSS uses."""

    CONTENT = "CONTENT_TIMESTAMP"
    SIGNATURE = "SIGNATURE_TIMESTAMP"
    VALIDATION_DATA_REFERENCES = "VALIDATION_DATA_REFSONLY_TIMESTAMP"
    VALIDATION_DATA = "VALIDATION_DATA_TIMESTAMP"
    ARCHIVE = "ARCHIVE_TIMESTAMP"
    DOCUMENT = "DOCUMENT_TIMESTAMP"
    CONTAINER = "CONTAINER_TIMESTAMP"


@dataclass(frozen=True, slots=True, eq=False)
class Timestamp:
    """One timestamp token in its place. ``token`` is None where it cannot be read (then a FATAL finding).

    ``covered_until``: how many bytes of the document it is over (document timestamps), else 0.

    ``covers``: what it proves to have existed, 32 bytes each: SHA-256 of the DER of certificates, CRLs and OCSP
    responses (the very bytes that stand in ``certificates``, ``crls`` and ``ocsps`` of the model), and the
    identifiers, from hexadecimal, of signatures and of older timestamps. A statement about places only: it holds
    where ``signature_valid`` does. Of a content timestamp it is empty.
    """

    identifier: str
    type: TimestampType
    token: TimestampToken | None
    imprint_found: bool
    imprint_intact: bool
    findings: tuple[Finding, ...] = ()
    covered_until: int = 0
    covers: tuple[bytes, ...] = ()

    @property
    def signature_valid(self) -> bool:
        """The token's signature value verifies and the imprint is of what it should be over."""
        return self.token is not None and self.token.value_intact and self.imprint_intact


class Changes(StrEnum):
    """What changed in a document after it was signed, as far as its format lets it be told."""

    NOTHING = "nothing"
    FORMS = "annotations-or-form-filling"
    CONTENT = "content"
    NOT_DETERMINED = "not-determined"


@dataclass(frozen=True, slots=True)
class SignedProperties:
    """The signed attributes that a policy asks for (EN 319 122-1)."""

    content_type: str | None = None
    has_message_digest: bool = False
    signing_time_attribute: bool = False
    signing_certificate_attributes: int = 0
    policy: str | None = None
    commitments: bool = False
    algorithm_protection: str = "absent"


@dataclass(frozen=True, slots=True, eq=False)
class Signature:
    """One signature.

    ``signer`` is the certificate whose key verified the value, else the one its identifiers name, else None.
    ``value_intact``: the signature value verifies over the signed attributes (or the content).
    ``data_to_be_signed``: the DER of the signed attributes, or None where the value is over the content.
    ``certificates``, ``crls``, ``ocsps``: DER, what the signature itself carries (its timestamps' left out).
    ``covered_until``: bytes of the document under the signature, the gap included; ``document_length``: of all.
    ``changes``: None for formats in which nothing can change but what is signed. ``pages``: those that were signed and
    those of the document now (None: nobody can count them), counted where its content changed or may have; None where
    they are the same, or the signed revision cannot be read.
    ``unsigned_attributes``: the dotted identifiers of a CMS signature's unsigned attributes.
    """

    identifier: str
    profile: Profile
    counter: bool
    signature_value: bytes
    algorithm: SignatureAlgorithm
    digest_algorithm: str
    data_to_be_signed: bytes | None
    value_intact: bool
    matchers: tuple[DigestMatcher, ...]
    signer: Certificate | None
    reference: ReferenceState
    references: tuple[CertificateReference, ...]
    claimed_signing_time: datetime | None
    properties: SignedProperties
    certificates: tuple[bytes, ...]
    crls: tuple[bytes, ...]
    ocsps: tuple[bytes, ...]
    timestamps: tuple[Timestamp, ...]
    findings: tuple[Finding, ...]
    covered_until: int
    document_length: int
    counter_signatures: tuple[Signature, ...] = ()
    changes: Changes | None = None
    pages: tuple[int, int | None] | None = None
    unsigned_attributes: tuple[str, ...] = ()

    @property
    def valid(self) -> bool:
        """The value verifies, and every signed object is found and has the signed digest."""
        return (
            self.value_intact
            and bool(self.matchers)
            and all(matcher.found and matcher.intact for matcher in self.matchers)
        )


@dataclass(frozen=True, slots=True, eq=False)
class SignedDocument:
    """All that one document carries, whatever its format.

    ``document_timestamps`` stand beside the signatures; ``certificates``, ``crls``, ``ocsps`` are those of
    the document's own store (the DSS dictionary of a PDF), ``validation_store_positions`` the offsets at which
    such stores appear. ``detached_content``: SHA-256 of what stands beside the document and was taken for its
    content.
    """

    format: str
    length: int
    signatures: tuple[Signature, ...] = ()
    document_timestamps: tuple[Timestamp, ...] = ()
    certificates: tuple[bytes, ...] = ()
    crls: tuple[bytes, ...] = ()
    ocsps: tuple[bytes, ...] = ()
    findings: tuple[Finding, ...] = field(default=())
    validation_store_positions: tuple[int, ...] = ()
    container: str | None = None
    detached_content: bytes | None = None
