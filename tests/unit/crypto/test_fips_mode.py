"""The FIPS mode: self-tests at the start, approved algorithms for what the archive does itself, and what is refused."""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from typer.testing import CliRunner

from tests.services.absence import absent
from tests.simulator.tls import self_signed
from zdda.api.server import server_config
from zdda.app import initialise, open_vault
from zdda.cli.main import application
from zdda.crypto import self_tests
from zdda.crypto.approved import (
    NotApproved,
    modules,
    require_approved_certificates,
    require_approved_signer,
    restrict_tls,
)
from zdda.crypto.generations import GenerationKeys
from zdda.crypto.key_wrapping import LocalKeyWrapper
from zdda.crypto.self_tests import SelfTestFailed, run_self_tests
from zdda.crypto.signing import SoftwareSigner
from zdda.key_keepers import outgoing_tls, seal_signer
from zdda.model.clock import FixedClock, system_entropy
from zdda.model.errors import IntegrityError, InvalidInput
from zdda.model.identifiers import tenant_id
from zdda.settings import load

GOLDEN = Path(__file__).parents[2] / "golden" / "crypto"
CLOCK = FixedClock(datetime(2026, 11, 24, 12, tzinfo=UTC))
TENANT = tenant_id("nemocnice")


@pytest.fixture
def untested() -> Iterator[None]:
    """As in a process that has not tested itself yet, and the next test too."""
    run_self_tests.cache_clear()
    yield
    run_self_tests.cache_clear()


def test_every_self_test_passes(untested: None) -> None:
    assert len(run_self_tests()) == 9


@pytest.mark.parametrize("name", sorted(self_tests._TESTS))
@pytest.mark.parametrize("how", ["wrong", "raises"])
def test_an_archive_whose_self_test_fails_does_not_start(
    name: str, how: str, untested: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails() -> bool:
        if how == "raises":
            raise ValueError("no such algorithm")
        return False

    (tmp_path / "zdda.toml").write_text("[keys]\nfips = true\n")
    settings = load(tmp_path / "zdda.toml")
    monkeypatch.setitem(self_tests._TESTS, name, fails)
    with pytest.raises(SelfTestFailed, match=name):
        initialise(settings, tmp_path)
    monkeypatch.undo()
    initialise(settings, tmp_path)
    vault = open_vault(settings, tmp_path)
    assert vault.generations.wrap_data_key(vault.tenant, 1, b"d" * 32, b"an object")[:1] == b"\x02"
    vault.close()


@pytest.mark.parametrize("broken", ["sha256", "hmac", "hkdf", "gcm-accepts-all", "wrap", "verifies-all"])
def test_a_broken_algorithm_is_noticed(broken: str, untested: None, monkeypatch: pytest.MonkeyPatch) -> None:
    class Lax:
        def __init__(self, key: bytes) -> None:
            self.real = self_tests_gcm(key)

        def encrypt(self, *arguments: bytes) -> bytes:
            return self.real.encrypt(*arguments)

        def decrypt(self, nonce: bytes, sealed: bytes, additional: bytes) -> bytes:
            return b"" if sealed[-1] != 0x1B else self.real.decrypt(nonce, sealed, additional)

    self_tests_gcm = self_tests.AESGCM
    if broken == "sha256":
        monkeypatch.setattr(self_tests.hashlib, "new", lambda name, data: self_tests.hashlib.md5(data))
    elif broken == "hmac":
        monkeypatch.setattr(self_tests.hmac, "digest", lambda *_: bytes(32))
    elif broken == "hkdf":
        monkeypatch.setattr(self_tests.HKDF, "derive", lambda *_: bytes(42), raising=False)
    elif broken == "gcm-accepts-all":
        monkeypatch.setattr(self_tests, "AESGCM", Lax)
    elif broken == "wrap":
        monkeypatch.setattr(self_tests, "aes_key_wrap", lambda *_: bytes(40))
    else:
        monkeypatch.setattr(self_tests, "_RSA_MESSAGE", b"another")
    with pytest.raises(SelfTestFailed):
        run_self_tests()


def keys_at(file: Path, approved_only: bool) -> GenerationKeys:
    wrapper = LocalKeyWrapper(bytes(range(32)), system_entropy)
    return GenerationKeys(file, wrapper, system_entropy, CLOCK, approved_only=approved_only)


def test_data_keys_are_wrapped_by_an_approved_algorithm(tmp_path: Path) -> None:
    plain = keys_at(tmp_path / "g", False)
    plain.create(TENANT)
    plain.create(TENANT)
    approved = keys_at(tmp_path / "g", True)
    old, new = (each.wrap_data_key(TENANT, 1, b"d" * 32, b"here") for each in (plain, approved))
    assert (old[:1], len(old), new[:1], len(new)) == (b"\x01", 49, b"\x02", 41)
    assert approved.wrap_data_key(TENANT, 1, b"d" * 32, b"here") == new, "a repeated write repeats itself"
    for keys in (plain, approved):
        for wrapped in (old, new):
            assert keys.unwrap_data_key(TENANT, 1, wrapped, b"here") == b"d" * 32, "each reads what the other wrote"
            for number, place in ((1, b"there"), (2, b"here")):
                with pytest.raises(IntegrityError):
                    keys.unwrap_data_key(TENANT, number, wrapped, place)
        flipped = [bytes([*new[:at], new[at] ^ 1, *new[at + 1 :]]) for at in range(len(new))]
        for wrong in (*flipped, new[:-1], new + b"\0", b"\x01" + new[1:], b"\x02" + old[1:], b""):
            with pytest.raises(IntegrityError):
                keys.unwrap_data_key(TENANT, 1, wrong, b"here")


def test_the_stored_form_never_changes(tmp_path: Path) -> None:
    (tmp_path / "g").write_bytes((GOLDEN / "generations-2.json").read_bytes())
    golden = (GOLDEN / "wrapped-data-key-approved-1.bin").read_bytes()
    keys = keys_at(tmp_path / "g", True)
    assert keys.wrap_data_key(TENANT, 2, b"d" * 32, b"zdda golden") == golden
    assert keys.unwrap_data_key(TENANT, 2, golden, b"zdda golden") == b"d" * 32


Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


def certificate(key: Key, digest: hashes.HashAlgorithm | None = None) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "A seal")])
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, CLOCK.now(), CLOCK.now() + timedelta(1))
    return made.sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else digest or hashes.SHA256())


def test_seals_outside_the_approved_set_are_refused(tmp_path: Path) -> None:
    for curve in (ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()):
        key = ec.generate_private_key(curve)
        require_approved_signer(SoftwareSigner(key, certificate(key)))
    key = ec.generate_private_key(ec.SECP256R1())
    good = SoftwareSigner(key, certificate(key))
    for other in (
        ec.generate_private_key(ec.SECP256K1()),
        ec.generate_private_key(ec.BrainpoolP256R1()),
        ed25519.Ed25519PrivateKey.generate(),
        rsa.generate_private_key(65537, 1024),
    ):
        issuer = certificate(other).public_bytes(Encoding.DER)
        good.chain = (issuer,)
        with pytest.raises(NotApproved):
            require_approved_signer(good)
    good.chain = (certificate(key, hashes.SHA3_256()).public_bytes(Encoding.DER),)
    with pytest.raises(NotApproved, match="signature"):
        require_approved_signer(good)
    good.chain, good.digest_algorithm = (), "sha1"
    with pytest.raises(NotApproved, match="sha1"):
        require_approved_signer(good)


def test_the_archives_seal_is_looked_at_in_the_mode_alone(tmp_path: Path) -> None:
    """An RSA seal under an authority whose key is on another curve."""
    ours, theirs = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256K1())
    names = [x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, each)]) for each in ("An authority", "A seal")]
    later = CLOCK.now() + timedelta(1)
    root = x509.CertificateBuilder(names[0], names[0], theirs.public_key(), 1, CLOCK.now(), later)
    leaf = x509.CertificateBuilder(names[0], names[1], ours.public_key(), 2, CLOCK.now(), later)
    chain = [each.sign(theirs, hashes.SHA256()).public_bytes(Encoding.PEM) for each in (leaf, root)]
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "seal.pem").write_bytes(b"".join(chain))
    form = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "keys" / "seal.key").write_bytes(ours.private_bytes(*form))
    (tmp_path / "zdda.toml").write_text("")
    assert seal_signer(load(tmp_path / "zdda.toml").keys, tmp_path)
    (tmp_path / "zdda.toml").write_text("[keys]\nfips = true\n")
    with pytest.raises(NotApproved):
        seal_signer(load(tmp_path / "zdda.toml").keys, tmp_path)


def shaken(server: ssl.SSLContext, client: ssl.SSLContext) -> tuple[str, str]:
    """The version and the cipher of a handshake between the two; raises ``OSError`` where they do not agree."""
    ours, theirs = socket.socketpair()

    def serve() -> None:
        try:
            server.wrap_socket(theirs, server_side=True).close()
        except OSError:
            theirs.close()

    threading.Thread(target=serve, daemon=True).start()
    with client.wrap_socket(ours) as connection:
        cipher = connection.cipher()
        assert cipher is not None
        return str(connection.version()), cipher[0]


def openssl_shakes(server: ssl.SSLContext, curve: str) -> bool:
    """Whether a client that offers ECDHE on this curve alone gets a connection. Not every Python can ask for X25519."""
    program = shutil.which("openssl") or absent("openssl is not installed")

    def serve(listening: socket.socket) -> None:
        with suppress(OSError), listening.accept()[0] as plain, server.wrap_socket(plain, server_side=True) as wrapped:
            wrapped.recv(1)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = threading.Thread(target=serve, args=(listening,), daemon=True)
        serving.start()
        address = f"127.0.0.1:{listening.getsockname()[1]}"
        asked = [program, "s_client", "-connect", address, "-tls1_2", "-groups", curve, "-cipher", "ECDHE", "-brief"]
        done = subprocess.run(asked, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=30)
        serving.join(30)
    return done.returncode == 0


def test_tls_by_approved_suites_alone(tmp_path: Path) -> None:
    pem, key = self_signed(tmp_path)
    config = server_config(_application, "127.0.0.1", 0, key, pem, approved_only=True)
    config.load()
    assert config.ssl is not None
    anything = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anything.check_hostname, anything.verify_mode = False, ssl.CERT_NONE
    version, cipher = shaken(config.ssl, anything)
    assert (version, "GCM" in cipher) == ("TLSv1.2", True)
    for ciphers in ("ECDHE+CHACHA20", "ECDHE+AES:!AESGCM", "DHE+AESGCM"):
        anything.set_ciphers(ciphers)
        anything.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises(OSError, match=r"(?i)ssl|reset|closed|eof"):
            shaken(config.ssl, anything)
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ours.check_hostname, ours.verify_mode = False, ssl.CERT_NONE
    restrict_tls(ours)
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(pem, key)
    assert shaken(theirs, ours)[0] == "TLSv1.2"
    theirs.set_ciphers("ECDHE+CHACHA20")
    with pytest.raises(OSError, match=r"(?i)ssl|reset|closed|eof"):
        shaken(theirs, ours)


def test_tls_on_an_approved_curve_alone(tmp_path: Path) -> None:
    held = rsa.generate_private_key(65537, 2048)  # a certificate that binds nobody to a curve
    (tmp_path / "a.pem").write_bytes(certificate(held).public_bytes(Encoding.PEM))
    (tmp_path / "a.key").write_bytes(held.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    config = server_config(_application, "127.0.0.1", 0, tmp_path / "a.key", tmp_path / "a.pem", approved_only=True)
    config.load()
    assert config.ssl is not None
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    assert shaken(config.ssl, client)
    assert openssl_shakes(config.ssl, "P-256")
    assert not openssl_shakes(config.ssl, "X25519")
    anybody = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    anybody.load_cert_chain(tmp_path / "a.pem", tmp_path / "a.key")
    assert openssl_shakes(anybody, "X25519")


async def _application(scope: object, receive: object, send: object) -> None:
    raise AssertionError


def test_a_servers_certificate_outside_the_set(tmp_path: Path) -> None:
    (tmp_path / "a.pem").write_bytes(certificate(ed25519.Ed25519PrivateKey.generate()).public_bytes(Encoding.PEM))
    with pytest.raises(NotApproved):
        server_config(_application, "127.0.0.1", 0, tmp_path / "k", tmp_path / "a.pem", approved_only=True)
    with pytest.raises(InvalidInput):
        require_approved_certificates(tmp_path / "none.pem", "the server's")


def test_the_archives_own_client(tmp_path: Path) -> None:
    (tmp_path / "zdda.toml").write_text("")
    assert outgoing_tls(load(tmp_path / "zdda.toml").keys) is True
    (tmp_path / "zdda.toml").write_text("[keys]\nfips = true\n")
    context = outgoing_tls(load(tmp_path / "zdda.toml").keys)
    assert isinstance(context, ssl.SSLContext)
    assert context.maximum_version == ssl.TLSVersion.TLSv1_2
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname


def test_what_is_told_of_it(tmp_path: Path) -> None:
    told = {}
    for on in (False, True):
        (tmp_path / "zdda.toml").write_text(f"[keys]\nfips = {str(on).lower()}\n")
        initialise(load(tmp_path / "zdda.toml"), tmp_path)
        done = CliRunner().invoke(application("keys"), ["keys", "status", "--json", "--folder", str(tmp_path)])
        told[on] = json.loads(done.stdout)["fips"]
    assert (told[False]["on"], told[False]["selfTests"]) == (False, [])
    assert (told[True]["on"], len(told[True]["selfTests"])) == (True, 9)
    assert [each["version"] for each in told[True]["modules"]] == [each.version for each in modules()]
    for_people = CliRunner().invoke(application("keys"), ["keys", "status", "--folder", str(tmp_path)]).output
    assert "FIPS mode on, 9 self-tests passed" in for_people
    assert for_people.count("FIPS provider") == 2
