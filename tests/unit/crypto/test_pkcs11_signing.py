"""The seal's key in a token (SoftHSM): each kind signs what its certificate verifies; nothing else is given away."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from pkcs11 import Attribute

from tests.simulator.softhsm import SoftToken, soft_token
from zdda.crypto.pkcs11_signing import Pkcs11Signer
from zdda.crypto.pkcs11_token import KeyMissing, MechanismMissing, TokenAway, TokenFailed
from zdda.model.errors import InvalidInput, Unavailable
from zdda.packaging.seal import check_seal, make_seal

__all__ = ["soft_token"]
AT = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)
CA_KEY = ec.generate_private_key(ec.SECP256R1())
RSA_KEY = rsa.generate_private_key(65537, 2048)
Private = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
KINDS = ["p256", "p384", "p521", "rsa", "pss"]
EXPECTED = {
    "p256": ("ecdsa", "sha256"),
    "p384": ("ecdsa", "sha384"),
    "p521": ("ecdsa", "sha512"),
    "rsa": ("rsassa_pkcs1v15", "sha256"),
    "pss": ("rsassa_pss", "sha256"),
}


def certificate(key: Private | ed25519.Ed25519PrivateKey, subject: str = "Seal") -> bytes:
    def name(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    since, until = AT - timedelta(days=1), AT + timedelta(days=365)
    builder = x509.CertificateBuilder(
        name("CA"), name(subject), key.public_key(), 1 if subject == "CA" else 2, since, until
    )
    builder = builder.add_extension(x509.BasicConstraints(subject == "CA", None), critical=True)
    return builder.sign(CA_KEY, hashes.SHA256()).public_bytes(Encoding.PEM)


CA = certificate(CA_KEY, "CA")


def key_of(kind: str) -> Private:
    curves = {"p256": ec.SECP256R1(), "p384": ec.SECP384R1(), "p521": ec.SECP521R1()}
    return ec.generate_private_key(curves[kind]) if kind in curves else RSA_KEY


def signer(token: SoftToken, kind: str, key: Private | None = None) -> Pkcs11Signer:
    key = key or key_of(kind)
    token.put_private_key("seal", key)
    return Pkcs11Signer.load(token.opened(), "seal", certificate(key) + CA, pss=kind == "pss")


@pytest.mark.parametrize("kind", KINDS)
def test_openssl_and_our_reader_accept_the_seal(kind: str, soft_token: SoftToken, tmp_path: Path) -> None:
    key = key_of(kind)
    made = signer(soft_token, kind, key)
    assert (made.signature_algorithm, made.digest_algorithm) == EXPECTED[kind]
    seal = make_seal(b"<manifest/>", made, AT)
    assert check_seal(seal, b"<manifest/>").signature_algorithm == made.signature_algorithm
    (tmp_path / "seal.p7s").write_bytes(seal)
    (tmp_path / "manifest").write_bytes(b"<manifest/>")
    (tmp_path / "ca.pem").write_bytes(CA)
    command = (
        "openssl cms -verify -cades -binary -inform DER -in seal.p7s -content manifest -CAfile ca.pem -purpose any"
    )
    command += f" -attime {int(AT.timestamp())} -out verified"
    run = subprocess.run(command.split(), cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "verified").read_bytes() == b"<manifest/>"


def test_many_signatures_from_several_threads(soft_token: SoftToken) -> None:
    """Among so many, some have an r or s that begins with zeros: the DER is right for these too."""
    made = signer(soft_token, "p256")
    messages = [f"message {number}".encode() for number in range(600)]
    with ThreadPoolExecutor(8) as threads:
        signatures = list(threads.map(made.sign, messages))
    public = x509.load_der_x509_certificate(made.certificate).public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    for signature, message in zip(signatures, messages, strict=True):
        public.verify(signature, message, ec.ECDSA(hashes.SHA256()))
    assert len({len(signature) for signature in signatures}) > 1


def test_key_and_certificate_that_do_not_belong_together(soft_token: SoftToken) -> None:
    key, other = key_of("p256"), key_of("p256")
    token = soft_token.opened()
    soft_token.put_private_key("seal", key)
    with pytest.raises(InvalidInput, match="another key"):
        Pkcs11Signer.load(token, "seal", certificate(other))
    with pytest.raises(InvalidInput, match="not a chain"):
        Pkcs11Signer.load(token, "seal", certificate(key) + certificate(other))
    with pytest.raises(InvalidInput, match="cannot be read"):
        Pkcs11Signer.load(token, "seal", b"rubbish")
    with pytest.raises(InvalidInput, match="PSS"):
        Pkcs11Signer.load(token, "seal", certificate(key), pss=True)
    with pytest.raises(InvalidInput, match="EC or RSA"):
        Pkcs11Signer.load(token, "seal", certificate(ed25519.Ed25519PrivateKey.generate()))
    with pytest.raises(InvalidInput, match="curve"):
        Pkcs11Signer.load(token, "seal", certificate(ec.generate_private_key(ec.SECP256K1())))
    with pytest.raises(KeyMissing, match="another kind"):
        Pkcs11Signer.load(token, "seal", certificate(RSA_KEY))
    with pytest.raises(KeyMissing, match="no key"):
        Pkcs11Signer.load(token, "another", certificate(key))


def test_the_token_goes_and_comes_back(soft_token: SoftToken) -> None:
    made = signer(soft_token, "p256")
    soft_token.take_out()
    with pytest.raises(Unavailable):
        made.sign(b"message")
    with pytest.raises(TokenAway):
        Pkcs11Signer.load(soft_token.opened(), "seal", certificate(RSA_KEY))
    soft_token.put_back()
    assert made.sign(b"message")


def test_another_key_in_its_place_signs_nothing(soft_token: SoftToken) -> None:
    made = signer(soft_token, "p256")

    def remove(session: object) -> None:
        for each in list(session.get_objects({Attribute.LABEL: "seal"})):  # type: ignore[attr-defined]
            each.destroy()

    soft_token.write(remove)
    with pytest.raises(KeyMissing):
        made.sign(b"message")
    soft_token.put_private_key("seal", key_of("p256"))
    with pytest.raises(TokenFailed, match="does not verify"):
        made.sign(b"message")


def test_a_token_that_cannot_do_it(soft_token: SoftToken) -> None:
    soft_token.configure("slots.mechanisms = CKM_AES_CBC,CKM_SHA256\n")
    with pytest.raises(MechanismMissing):
        signer(soft_token, "pss")
