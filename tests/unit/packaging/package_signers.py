"""Keys and certificates for the tests of packages: made once, of every kind a seal may be made with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from zdda.crypto.signing import SoftwareSigner

AT = datetime(2026, 11, 20, 12, 30, 15, 250_000, tzinfo=UTC)
_FROM, _TO = datetime(2026, 1, 1, tzinfo=UTC), datetime(2036, 1, 1, tzinfo=UTC)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _certificate(
    subject: str,
    issuer: str,
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey,
    by: ec.EllipticCurvePrivateKey,
    ca: bool,
) -> x509.Certificate:
    builder = x509.CertificateBuilder(_name(issuer), _name(subject), key.public_key(), 4711 if ca else 4712, _FROM, _TO)
    builder = builder.add_extension(x509.BasicConstraints(ca, None), critical=True)
    return builder.sign(by, hashes.SHA256(), ecdsa_deterministic=True)


@cache
def authority() -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.derive_private_key(0x5EA1CA, ec.SECP256R1())  # fixed, so that golden files can be made again
    return key, _certificate("Test authority", "Test authority", key, key, True)


@cache
def signer(kind: str = "p256") -> SoftwareSigner:
    issuer_key, issuer = authority()
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
    curves = {"p256": ec.SECP256R1(), "p384": ec.SECP384R1(), "p521": ec.SECP521R1()}
    key = ec.derive_private_key(0x5EA1, curves[kind]) if kind in curves else rsa.generate_private_key(65537, 2048)
    certificate = _certificate("Test seal", "Test authority", key, issuer_key, False)
    if kind == "pss":
        return PssSigner(key, certificate, (issuer,))
    return SoftwareSigner(key, certificate, (issuer,))


class PssSigner(SoftwareSigner):
    """Stands for a key keeper that only signs RSASSA-PSS."""

    def __init__(
        self,
        key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey,
        certificate: x509.Certificate,
        issuers: tuple[x509.Certificate, ...],
    ) -> None:
        super().__init__(key, certificate, issuers)
        self.signature_algorithm = "rsassa_pss"

    def sign(self, message: bytes) -> bytes:
        assert isinstance(self._key, rsa.RSAPrivateKey)
        return self._key.sign(message, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())


@dataclass(frozen=True)
class Pem:
    authority: bytes
    certificate: bytes


def pem(kind: str = "p256") -> Pem:
    certificate = x509.load_der_x509_certificate(signer(kind).certificate)
    return Pem(authority()[1].public_bytes(Encoding.PEM), certificate.public_bytes(Encoding.PEM))
