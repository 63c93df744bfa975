"""Certificate revocation lists (RFC 5280 clauses 5 and 6.3). Indirect and delta CRLs, partial reasons and unknown
critical extensions say nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from cryptography import x509

from zdda.signatures import der as tlv
from zdda.signatures.certificates import Certificate, same_name
from zdda.signatures.signature_value import SignatureAlgorithm
from zdda.signatures.signed_structure import is_signed_by, split_signed
from zdda.trust.revocation_model import (
    MAXIMUM_LENGTH,
    CertificateStatus,
    Doubt,
    RevocationFact,
    generalized_time,
    timing_doubts,
)

_ISSUING_DISTRIBUTION_POINT = x509.ObjectIdentifier("2.5.29.28")
_DELTA = x509.ObjectIdentifier("2.5.29.27")
_EXPIRED_CERTIFICATES_ON_CRL = x509.ObjectIdentifier("2.5.29.60")


def is_listed_in_scope(certificate: Certificate, der: bytes) -> bool:
    """Whether the CRL is by the certificate's issuer, by name, and its scope holds the certificate."""
    crl = _load_crl(der)
    return crl is not None and same_name(crl.issuer, certificate.issuer) and _in_scope(crl.point, certificate)


@dataclass(frozen=True, slots=True, eq=False)
class _Crl:
    parsed: x509.CertificateRevocationList
    digest: bytes
    issuer: bytes
    this_update: datetime
    next_update: datetime | None
    point: x509.IssuingDistributionPoint | None
    keeps_expired_since: datetime | None
    algorithm: SignatureAlgorithm


@lru_cache(maxsize=128)
def _load_crl(der: bytes) -> _Crl | None:
    """None where the CRL cannot be read or is of a kind that says nothing here."""
    if len(der) > MAXIMUM_LENGTH:
        return None
    try:
        parsed = x509.load_der_x509_crl(der)
        point = None
        keeps = None
        for extension in parsed.extensions:
            if extension.oid == _DELTA:
                return None
            if extension.oid == _ISSUING_DISTRIBUTION_POINT:
                point = extension.value
            elif extension.oid == _EXPIRED_CERTIFICATES_ON_CRL:
                value = extension.value
                keeps = generalized_time(value.value) if isinstance(value, x509.UnrecognizedExtension) else None
            elif extension.critical:
                return None
        return _Crl(
            parsed,
            hashlib.sha256(der).digest(),
            _crl_issuer(der),
            parsed.last_update_utc,
            parsed.next_update_utc,
            point if isinstance(point, x509.IssuingDistributionPoint) else None,
            keeps,
            split_signed(der).algorithm,
        )
    except Exception:  # noqa: BLE001 - parsers of hostile bytes raise whatever they like; unread is unknown
        return None


def _crl_issuer(der: bytes) -> bytes:
    _, start, end, _ = tlv.read(der)
    _, start, end, _ = tlv.read(der, start, end)
    fields = [part for _, part in zip(range(3), tlv.children(der, start, end), strict=False)]
    if fields[0][0] == 0x02:
        fields = fields[1:]
    return der[fields[1][1] : fields[1][2]]


def crl_facts(certificate: Certificate, issuer: Certificate, der: bytes, limit: datetime) -> Iterator[RevocationFact]:
    crl = _load_crl(der)
    if crl is None or not same_name(crl.issuer, certificate.issuer):
        return
    if issuer.key_usage is not None and "crl_sign" not in issuer.key_usage:
        return
    if not _in_scope(crl.point, certificate):
        return
    if not is_signed_by(der, crl.digest, issuer.public_key, issuer.public_key_info):
        return
    entry = crl.parsed.get_revoked_certificate_by_serial_number(certificate.serial)
    status, revoked_at, reason = CertificateStatus.GOOD, None, None
    if entry is not None:
        status, revoked_at = CertificateStatus.REVOKED, entry.revocation_date_utc
        reason = _entry_reason(entry)
    doubts = timing_doubts(certificate, issuer, crl.this_update, crl.this_update, limit)
    since = crl.keeps_expired_since
    if status is CertificateStatus.GOOD and certificate.not_after < crl.this_update:
        kept = since is not None and certificate.not_after >= since
        if not kept:
            doubts.append(Doubt.CERTIFICATE_HAD_EXPIRED)
    yield RevocationFact(
        "crl",
        crl.digest,
        status,
        revoked_at,
        reason,
        crl.this_update,
        crl.next_update,
        crl.this_update,
        issuer,
        crl.algorithm,
        tuple(doubts),
    )


def _entry_reason(entry: x509.RevokedCertificate) -> str:
    try:
        return entry.extensions.get_extension_for_class(x509.CRLReason).value.reason.name
    except (x509.ExtensionNotFound, ValueError):
        return "unspecified"


def _in_scope(point: x509.IssuingDistributionPoint | None, certificate: Certificate) -> bool:
    """RFC 5280 clause 6.3.3 (b): the CRL's scope holds the certificate, for all reasons."""
    if point is None:
        return True
    if point.indirect_crl or point.only_some_reasons or point.only_contains_attribute_certs:
        return False
    if point.only_contains_user_certs and certificate.is_ca:
        return False
    if point.only_contains_ca_certs and not certificate.is_ca:
        return False
    if point.relative_name is not None:
        return False
    return point.full_name is None or bool(set(point.full_name) & _distribution_points(certificate.der))


@lru_cache(maxsize=1024)
def _distribution_points(der: bytes) -> frozenset[x509.GeneralName]:
    try:
        extensions = x509.load_der_x509_certificate(der).extensions
        points = extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension):
        return frozenset()
    return frozenset(
        name for item in points if not item.crl_issuer and not item.reasons for name in item.full_name or ()
    )
