"""From a SignerInfo to facts of the model, whatever document it stands in: signer, properties, timestamps."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from zdda.signatures import cms
from zdda.signatures.certificates import Certificate, load_certificate
from zdda.signatures.cms_verification import ContentDigest, candidates, verify_signer
from zdda.signatures.errors import FormatError
from zdda.signatures.model import (
    Finding,
    ReferenceState,
    Severity,
    SignedProperties,
    Timestamp,
    TimestampType,
)
from zdda.signatures.signature_value import new_digest
from zdda.signatures.timestamp_token import parse_timestamp_token

MAXIMUM_TRIED = 16
"""Certificates of one name and serial number, or key identifier, whose keys are tried."""


def find_signer(
    signer: cms.Signer,
    certificates: Iterable[bytes],
    references: tuple[cms.CertificateReference, ...],
    content_digest: ContentDigest,
    content: bytes | None = None,
) -> tuple[Certificate | None, bool]:
    """(the signer's certificate, whether its key verifies the value); EN 319 102-1 clause 5.2.3.

    ``content``: the content itself, which EdDSA needs where there are no signed attributes.
    """
    known = tuple(certificates)
    found = list(candidates(signer, known))
    if references:
        named = [item for item in found if _names(references[0], item)]
        if not named:
            for der in known:
                try:
                    certificate = load_certificate(der)
                except FormatError:
                    continue
                if _names(references[0], certificate):
                    named.append(certificate)
        found = named + [item for item in found if item not in named]
    for certificate in found[:MAXIMUM_TRIED]:
        try:
            if verify_signer(signer, certificate, content_digest, content):
                return certificate, True
        except FormatError:
            continue
    return (found[0] if found else None), False


def _names(reference: cms.CertificateReference, certificate: Certificate) -> bool:
    try:
        return reference.matches_digest(certificate)
    except FormatError:
        return False


def reference_state(
    references: tuple[cms.CertificateReference, ...], certificate: Certificate | None
) -> ReferenceState:
    """How the first reference agrees with the certificate (RFC 5035 clause 4)."""
    if not references:
        return ReferenceState.MISSING
    if certificate is None or not _names(references[0], certificate):
        return ReferenceState.DIGEST_MISMATCH
    if not references[0].matches_issuer_serial(certificate):
        return ReferenceState.ISSUER_SERIAL_MISMATCH
    return ReferenceState.MATCH


def signed_properties(signer: cms.Signer) -> SignedProperties:
    """Raises ``FormatError`` where content-type has several values."""
    names = [name for name, _ in signer.signed]
    policies = [value for name, values in signer.signed if name == cms.SIGNATURE_POLICY for value in values]
    return SignedProperties(
        content_type=cms.signed_content_type(signer),
        has_message_digest=names.count(cms.MESSAGE_DIGEST) == 1,
        signing_time_attribute=cms.SIGNING_TIME in names,
        signing_certificate_attributes=names.count(cms.SIGNING_CERTIFICATE) + names.count(cms.SIGNING_CERTIFICATE_V2),
        policy=hashlib.sha256(policies[0]).hexdigest() if policies else None,
        commitments=cms.COMMITMENT_TYPE in names,
        algorithm_protection=cms.algorithm_protection(signer),
    )


def digest_of(data: bytes) -> ContentDigest:
    """The digest of ``data`` for an algorithm's name."""

    def digest(name: str) -> bytes:
        value = new_digest(name)
        value.update(data)
        return bytes(value.digest())

    return digest


def embedded_timestamp(
    value: bytes,
    type: TimestampType,
    digest: ContentDigest | None,
    place: bytes,
    covers: tuple[bytes, ...] = (),
) -> Timestamp:
    """The token ``value`` over what ``digest`` digests; None where that is not to be found.

    ``place``: what tells one place from another: a token copied elsewhere is another timestamp.
    """
    identifier = hashlib.sha256(hashlib.sha256(value).digest() + hashlib.sha256(place).digest()).hexdigest()
    try:
        token = parse_timestamp_token(value)
    except FormatError as error:
        finding = Finding("timestamp-unreadable", Severity.FATAL, str(error))
        return Timestamp(identifier, type, None, digest is not None, False, (finding,))
    if digest is None:
        return Timestamp(identifier, type, token, False, False, covers=covers)
    try:
        intact = token.is_over_digest(digest(token.hash_algorithm))
    except FormatError:
        intact = False
    return Timestamp(identifier, type, token, True, intact, covers=covers)
