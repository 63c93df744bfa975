"""Key tokens of SoftHSM, made for one test: a real PKCS#11 module, its tokens in the test's folder."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pkcs11
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pkcs11 import Attribute, KeyType, ObjectClass, Session

from zdda.crypto.pkcs11_token import OpenedToken, Pkcs11Token

MODULE = Path("/usr/lib/softhsm/libsofthsm2.so")
PIN = "0815-4711"


class SoftToken:
    """One token. Its label is its own: logins of the process are known by module and label."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.label = f"archive {secrets.token_hex(4)}"
        self._tokens = folder / "tokens"
        self._tokens.mkdir()
        self.configure()
        self._run("--init-token", "--free", "--label", self.label, "--so-pin", "12345678", "--pin", PIN)

    def configure(self, more: str = "") -> None:
        text = f"directories.tokendir = {self._tokens}\nobjectstore.backend = file\nlog.level = ERROR\n"
        Path(os.environ["SOFTHSM2_CONF"]).write_text(text + more)

    def opened(self, pin: str = PIN, timeout: float = 10.0) -> Pkcs11Token:
        return Pkcs11Token(MODULE, self.label, lambda: pin, timeout)

    def put_secret_key(self, label: str, key: bytes, extractable: bool = False) -> None:
        """Not by ``softhsm2-util --import``: it ends a key at its first zero byte or line feed."""
        template = {
            Attribute.CLASS: ObjectClass.SECRET_KEY,
            Attribute.KEY_TYPE: KeyType.AES,
            Attribute.LABEL: label,
            Attribute.TOKEN: True,
            Attribute.SENSITIVE: True,
            Attribute.EXTRACTABLE: extractable,
            Attribute.ENCRYPT: True,
            Attribute.DECRYPT: True,
            Attribute.VALUE: key,
        }
        self.write(lambda session: session.create_object(template))

    def write(self, what: Callable[[Session], object]) -> None:
        def writing(opened: OpenedToken) -> None:
            session = opened.token.open(rw=True)
            try:
                what(session)
            finally:
                session.close()

        self.opened().call(writing)

    def put_private_key(self, label: str, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> None:
        file = self.folder / "private.pem"
        file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        self._run("--import", str(file), "--token", self.label, "--label", label, "--id", "02", "--pin", PIN)
        file.unlink()

    def begin_anew(self) -> None:
        """Ends every session, unseen by the archive. In the call's own thread: SoftHSM leaves errors in OpenSSL's queue
        of the thread it runs in, and the next TLS connection there would find them."""
        self.opened().call(lambda opened: pkcs11.lib(str(MODULE)).reinitialize())

    def take_out(self) -> None:
        self._tokens.rename(self.folder / "away")

    def put_back(self) -> None:
        (self.folder / "away").rename(self._tokens)

    def settings(self, section: str, key: str, pin_file: Path) -> str:
        """A table of ``zdda.toml``."""
        return (
            f'\n[keys.{section}]\nmodule = "{MODULE}"\ntoken = "{self.label}"\nkey = "{key}"\npin_file = "{pin_file}"\n'
        )

    def _run(self, *options: str) -> None:
        done = subprocess.run(["softhsm2-util", *options], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


@pytest.fixture
def soft_token(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> SoftToken:
    if shutil.which("softhsm2-util") is None or not MODULE.exists():
        pytest.skip("softhsm2 is absent")
    folder = tmp_path_factory.mktemp("softhsm")
    monkeypatch.setenv("SOFTHSM2_CONF", str(folder / "softhsm2.conf"))
    return SoftToken(folder)
