"""RFC 3161 time-stamp tokens: what they say, and whether they are intact. Never whether they are trusted."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime

from zdda.model.byte_cache import remembered
from zdda.signatures import cms
from zdda.signatures.certificates import Certificate
from zdda.signatures.cms_verification import candidates, verify_signer
from zdda.signatures.errors import FormatError
from zdda.signatures.signature_value import SignatureAlgorithm, new_digest
from zdda.signatures.tst_info import read_tst_info

__all__ = ["FormatError", "TimestampToken", "parse_timestamp_token"]

TST_INFO = "1.2.840.113549.1.9.16.1.4"
MAXIMUM_LENGTH = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True, eq=False)
class TimestampToken:
    """A parsed token.

    ``gen_time``: aware, UTC. ``hash_algorithm``: as ``hashlib`` names it. ``policy``: dotted.
    ``signer_certificate``: DER of the certificate whose key verified the token, or that its identifiers name;
    None where the token carries none. ``certificates``, ``crls``, ``ocsps``: DER, all that the token's CMS
    carries, in its certificate sets and in its attributes. ``signature_intact``: the signature value verifies
    over the signed attributes, messageDigest is that of the TSTInfo, contentType agrees, and the ESSCertID
    (v1 or v2) is present and is of the signer's certificate (RFC 3161 clause 2.4.2, RFC 5816).
    ``value_intact``: the same without the ESSCertID.
    """

    der: bytes
    gen_time: datetime
    hash_algorithm: str
    imprint: bytes
    policy: str
    nonce: int | None
    serial: int
    signer_certificate: bytes | None
    certificates: tuple[bytes, ...]
    crls: tuple[bytes, ...]
    ocsps: tuple[bytes, ...]
    signature_intact: bool
    value_intact: bool
    certificate_reference: str
    digest_algorithm: str
    signature_algorithm: SignatureAlgorithm

    def is_over(self, data: bytes) -> bool:
        """Whether the imprint is the digest of ``data``."""
        value = new_digest(self.hash_algorithm)
        value.update(data)
        return self.is_over_digest(value.digest())

    def is_over_digest(self, digest: bytes) -> bool:
        """Whether the imprint is ``digest``, made with ``hash_algorithm``."""
        return hmac.compare_digest(self.imprint, digest)


def parse_timestamp_token(der: bytes) -> TimestampToken:
    """Reads a TimeStampToken (a ContentInfo, not a TimeStampResp); raises ``FormatError``.

    Tokens are memoised by their very bytes.
    """
    if len(der) > MAXIMUM_LENGTH:
        raise FormatError("a timestamp token is too long")
    return _parse(der)


@remembered(64 * 1024 * 1024)
def _parse(der: bytes) -> TimestampToken:
    signed = cms.parse_signed_data(der)
    if signed.content_type != TST_INFO or signed.content is None:
        raise FormatError("a timestamp token's content is no TSTInfo (RFC 3161 clause 2.4.2)")
    if len(signed.signers) != 1:
        raise FormatError("a timestamp token has exactly one signer (RFC 3161 clause 2.4.2)")
    signer = signed.signers[0]
    info = read_tst_info(signed.content)
    certificate, value_intact, reference = _verify(signed, signer)
    return TimestampToken(
        der=der,
        signer_certificate=certificate.der if certificate else None,
        certificates=signed.certificates,
        crls=signed.crls,
        ocsps=signed.ocsps,
        signature_intact=value_intact and reference == "match",
        value_intact=value_intact,
        certificate_reference=reference,
        digest_algorithm=signer.digest_algorithm,
        signature_algorithm=signer.algorithm,
        gen_time=info.gen_time,
        hash_algorithm=info.hash_algorithm,
        imprint=info.imprint,
        policy=info.policy,
        nonce=info.nonce,
        serial=info.serial,
    )


def _verify(signed: cms.SignedData, signer: cms.Signer) -> tuple[Certificate | None, bool, str]:
    """(the signer's certificate, value intact, reference ``match``, ``mismatch`` or ``missing``)."""
    content = signed.content or b""

    def digest(name: str) -> bytes:
        value = new_digest(name)
        value.update(content)
        return bytes(value.digest())

    references = cms.certificate_references(signer)
    found = candidates(signer, signed.certificates)
    # The certificate that the ESSCertID names comes first; a second one of the same name and key is no signer.
    ordered = sorted(found, key=lambda c: not (references and references[0].matches_digest(c)))
    claimed = cms.message_digest(signer)
    agrees = (
        claimed is not None
        and signer.digest_stated
        and hmac.compare_digest(claimed, digest(signer.digest_algorithm))
        and cms.signed_content_type(signer) == TST_INFO
        and cms.algorithm_protection(signer) != "mismatch"
    )
    for certificate in ordered:
        if verify_signer(signer, certificate, digest):
            return certificate, agrees, _reference(references, certificate)
    first = ordered[0] if ordered else None
    return first, False, _reference(references, first)


def _reference(references: tuple[cms.CertificateReference, ...], certificate: Certificate | None) -> str:
    if not references:
        return "missing"
    return "match" if certificate is not None and references[0].matches_digest(certificate) else "mismatch"


def token_digest(token: TimestampToken) -> bytes:
    """SHA-256 of the token's bytes: its name in reports."""
    return hashlib.sha256(token.der).digest()
