"""Keys that sign seals, receipts and (for the demonstration) certificates."""

from __future__ import annotations

from typing import Protocol

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from zdda.model.errors import InvalidInput

MINIMUM_RSA_BITS = 2048
_CURVE_DIGEST: dict[str, hashes.HashAlgorithm] = {
    "secp256r1": hashes.SHA256(),
    "secp384r1": hashes.SHA384(),
    "secp521r1": hashes.SHA512(),
}


class Signer(Protocol):
    """A private key, wherever it is kept, with its certificate.

    ``chain`` holds the issuers' certificates (DER), nearest first. ``digest_algorithm`` is the name asn1crypto gives
    it (``sha256``); ``signature_algorithm`` is ``ecdsa``, ``rsassa_pkcs1v15`` or ``rsassa_pss``. ``sign`` digests
    the whole message and gives the signature value as CMS carries it (ECDSA: DER of r and s); it may be
    called from several threads and raises ``Unavailable`` where the key's keeper is out of reach.
    """

    @property
    def certificate(self) -> bytes: ...

    @property
    def chain(self) -> tuple[bytes, ...]: ...

    @property
    def digest_algorithm(self) -> str: ...

    @property
    def signature_algorithm(self) -> str: ...

    def sign(self, message: bytes) -> bytes: ...


class SoftwareSigner:
    """A private key in memory: EC P-256, P-384 or P-521 with the digest of its size, or RSA with SHA-256."""

    def __init__(
        self,
        key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey,
        certificate: x509.Certificate,
        issuers: tuple[x509.Certificate, ...] = (),
    ) -> None:
        """Raises ``InvalidInput`` where key, certificate and issuers do not belong together."""
        self._key = key
        self._hash = digest_for(key.public_key())
        self.signature_algorithm = "ecdsa" if isinstance(key, ec.EllipticCurvePrivateKey) else "rsassa_pkcs1v15"
        self.digest_algorithm = self._hash.name
        _check_key(key, certificate)
        check_issuers(certificate, issuers)
        self.certificate = certificate.public_bytes(Encoding.DER)
        self.chain = tuple(issuer.public_bytes(Encoding.DER) for issuer in issuers)

    def sign(self, message: bytes) -> bytes:
        if isinstance(self._key, ec.EllipticCurvePrivateKey):
            # RFC 6979: no randomness at signing time, and the same seal again for the same bytes
            return self._key.sign(message, ec.ECDSA(self._hash, deterministic_signing=True))
        return self._key.sign(message, padding.PKCS1v15(), self._hash)

    @classmethod
    def load(cls, key_pem: bytes, certificate_pem_chain: bytes, password: bytes | None = None) -> SoftwareSigner:
        """From PKCS#8 or traditional PEM and a PEM bundle: the signer's certificate, then its issuers in order.

        Raises ``InvalidInput`` for anything unreadable, unsupported or not belonging together.
        """
        try:
            key = load_pem_private_key(key_pem, password)
        except (ValueError, TypeError) as error:
            raise InvalidInput("the signing key cannot be read") from error
        certificate, issuers = read_certificates(certificate_pem_chain)
        if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
            raise InvalidInput("a signing key is EC or RSA")
        return cls(key, certificate, issuers)


def digest_for(key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey) -> hashes.HashAlgorithm:
    """The digest that a key signs with: of its curve's size, or SHA-256 for RSA. Raises ``InvalidInput`` for a key that
    makes no seal."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        if key.curve.name not in _CURVE_DIGEST:
            raise InvalidInput("a signing key on this curve is not supported")
        return _CURVE_DIGEST[key.curve.name]
    if key.key_size < MINIMUM_RSA_BITS:
        raise InvalidInput("an RSA signing key has at least 2048 bits")
    return hashes.SHA256()


def read_certificates(pem_chain: bytes) -> tuple[x509.Certificate, tuple[x509.Certificate, ...]]:
    """The signer's certificate and its issuers' from a PEM bundle; raises ``InvalidInput`` where it cannot be read."""
    try:
        certificate, *issuers = x509.load_pem_x509_certificates(pem_chain)
    except ValueError as error:
        raise InvalidInput("the certificates of the signing key cannot be read") from error
    return certificate, tuple(issuers)


def _check_key(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, certificate: x509.Certificate) -> None:
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    try:
        certified = certificate.public_key().public_bytes(*form)
    except ValueError as error:
        raise InvalidInput("the certificate's public key cannot be read") from error
    if certified != key.public_key().public_bytes(*form):
        raise InvalidInput("the certificate belongs to another key")


def check_issuers(certificate: x509.Certificate, issuers: tuple[x509.Certificate, ...]) -> None:
    """Raises ``InvalidInput`` where each certificate is not issued by the one after it."""
    for subject, issuer in zip((certificate, *issuers), issuers, strict=False):
        try:
            subject.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature) as error:
            raise InvalidInput("the certificates are not a chain, the signer's first") from error
