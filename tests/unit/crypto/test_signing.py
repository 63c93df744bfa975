"""Software keys: every supported kind signs what its certificate verifies; what does not belong together is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from zdda.crypto.signing import SoftwareSigner
from zdda.model.errors import InvalidInput

START = datetime(2026, 1, 1, tzinfo=UTC)
CA_KEY = ec.generate_private_key(ec.SECP256R1())
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


def named(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def certificate(key: Key, subject: str, issuer: str = "CA", issuer_key: ec.EllipticCurvePrivateKey = CA_KEY) -> bytes:
    builder = x509.CertificateBuilder().issuer_name(named(issuer)).subject_name(named(subject)).serial_number(1)
    builder = builder.public_key(key.public_key()).not_valid_before(START).not_valid_after(START + timedelta(days=9))
    return builder.sign(issuer_key, hashes.SHA256()).public_bytes(Encoding.PEM)


def pem(key: Key, password: bytes | None = None) -> bytes:
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


CA = certificate(CA_KEY, "CA")


@pytest.mark.parametrize(
    ("curve", "digest"),
    [(ec.SECP256R1(), hashes.SHA256()), (ec.SECP384R1(), hashes.SHA384()), (ec.SECP521R1(), hashes.SHA512())],
    ids=["P-256", "P-384", "P-521"],
)
def test_an_elliptic_key_signs_with_the_digest_of_its_size(
    curve: ec.EllipticCurve, digest: hashes.HashAlgorithm
) -> None:
    key = ec.generate_private_key(curve)
    signer = SoftwareSigner.load(pem(key), certificate(key, "seal") + CA)
    assert (signer.signature_algorithm, signer.digest_algorithm) == ("ecdsa", digest.name)
    key.public_key().verify(signer.sign(b"message"), b"message", ec.ECDSA(digest))
    assert signer.sign(b"message") == signer.sign(b"message"), "RFC 6979: the same seal again for the same bytes"
    assert signer.chain == (x509.load_pem_x509_certificate(CA).public_bytes(Encoding.DER),)


def test_an_rsa_key_signs_with_pkcs1v15() -> None:
    key = rsa.generate_private_key(65537, 2048)
    signer = SoftwareSigner.load(pem(key), certificate(key, "seal"))
    assert (signer.signature_algorithm, signer.digest_algorithm) == ("rsassa_pkcs1v15", "sha256")
    key.public_key().verify(signer.sign(b"message"), b"message", padding.PKCS1v15(), hashes.SHA256())


def test_a_key_may_have_a_password() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    sealed = pem(key, b"password")
    assert SoftwareSigner.load(sealed, certificate(key, "seal"), b"password").sign(b"x")
    for password in (None, b"wrong"):
        with pytest.raises(InvalidInput):
            SoftwareSigner.load(sealed, certificate(key, "seal"), password)


def test_weak_and_foreign_kinds_of_keys_are_refused() -> None:
    for key in (
        rsa.generate_private_key(65537, 1024),
        ec.generate_private_key(ec.SECP256K1()),
        ed25519.Ed25519PrivateKey.generate(),
    ):
        with pytest.raises(InvalidInput):
            SoftwareSigner.load(pem(key), certificate(key, "seal"))


def test_certificates_are_a_chain_the_signers_first() -> None:
    key, stranger = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    seal = certificate(key, "seal")
    same_name = certificate(stranger, "CA", "CA", stranger)
    for bundle in (CA + seal, seal + same_name, seal + seal, b"", b"rubbish"):
        with pytest.raises(InvalidInput):
            SoftwareSigner.load(pem(key), bundle)
