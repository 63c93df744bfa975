"""The FIPS mode: what the archive's own operations may use, and which modules do the work.

Approved here (SP 800-140C): SHA-2, HMAC, HKDF (SP 800-56C), AES-GCM (SP 800-38D), AES key wrap (SP 800-38F), RSA of
2048 bits and more, ECDSA on P-256, P-384, P-521 (FIPS 186-5), RSA-OAEP (SP 800-56B), TLS 1.2 with these.
"""

from __future__ import annotations

import _hashlib
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.bindings._rust import openssl
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from zdda.crypto.signing import Signer
from zdda.model.errors import InvalidInput

_DIGESTS = frozenset({"sha256", "sha384", "sha512"})
_SIGNATURES = frozenset({"ecdsa", "rsassa_pkcs1v15", "rsassa_pss"})
_CURVES = frozenset({"secp256r1", "secp384r1", "secp521r1"})
_LEAST_RSA_BITS = 2048
_TLS_CIPHERS = "ECDHE+AESGCM:!aNULL"
_TLS_CURVE = "prime256v1"


class NotApproved(InvalidInput):
    """The FIPS mode is on, and what is asked for is outside the approved set."""

    code = "not-approved"


@dataclass(frozen=True, slots=True)
class Module:
    """A cryptographic library in this process; ``validated_provider``: it says that its FIPS provider is in force."""

    used_for: str
    version: str
    validated_provider: bool


def modules() -> tuple[Module, ...]:
    """The libraries that do the work. Whether a certificate covers them here is beyond what a program can say."""
    return (
        Module("encryption, signatures, keys", openssl.openssl_version_text(), bool(openssl.is_fips_enabled())),
        Module("digests, HMAC, TLS", ssl.OPENSSL_VERSION, bool(_hashlib.get_fips_mode())),
    )


def require_approved_signer(signer: Signer) -> None:
    """Raises ``NotApproved`` for a sealing key, a digest, or a certificate of its chain outside the approved set."""
    if signer.digest_algorithm not in _DIGESTS or signer.signature_algorithm not in _SIGNATURES:
        raise NotApproved(f"seals by {signer.signature_algorithm} with {signer.digest_algorithm} are not approved")
    for der in (signer.certificate, *signer.chain):
        _require_approved(x509.load_der_x509_certificate(der), "the seal's")


def require_approved_certificates(file: Path, whose: str) -> None:
    """The same for a PEM file of certificates; raises ``InvalidInput`` where it cannot be read."""
    try:
        certificates = x509.load_pem_x509_certificates(file.read_bytes())
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{whose} certificates cannot be read") from error
    for each in certificates:
        _require_approved(each, whose)


def restrict_tls(context: ssl.SSLContext) -> None:
    """TLS 1.2 by ECDHE on P-256 with AES-GCM alone. (Python's ssl cannot choose among the suites of TLS 1.3, one of
    which is not approved.)"""
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_TLS_CIPHERS)
    context.set_ecdh_curve(_TLS_CURVE)


def _require_approved(certificate: x509.Certificate, whose: str) -> None:
    try:
        key, digest = certificate.public_key(), certificate.signature_hash_algorithm
    except (ValueError, UnsupportedAlgorithm) as error:
        raise NotApproved(f"{whose} certificates have a key of an unknown kind") from error
    if isinstance(key, ec.EllipticCurvePublicKey):
        approved = key.curve.name in _CURVES
    else:
        approved = isinstance(key, rsa.RSAPublicKey) and key.key_size >= _LEAST_RSA_BITS
    if not approved:
        raise NotApproved(f"a key of {whose} certificates is not approved")
    if digest is None or digest.name not in _DIGESTS:
        raise NotApproved(f"a signature on {whose} certificates is not approved")
