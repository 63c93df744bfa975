"""Where the settings say that keys are kept: in files, or in tokens behind PKCS#11."""

from __future__ import annotations

from pathlib import Path

from zdda.crypto.key_wrapping import KeyWrapper, LocalKeyWrapper
from zdda.crypto.pkcs11_key_wrapping import Pkcs11KeyWrapper
from zdda.crypto.pkcs11_signing import Pkcs11Signer
from zdda.crypto.pkcs11_token import Pkcs11Token, pin_from_file
from zdda.crypto.signing import Signer, SoftwareSigner
from zdda.model.clock import Entropy
from zdda.settings import KeySettings, TokenSettings
from zdda.storage.durable_files import make_folder


def key_wrapper(keys: KeySettings, folder: Path, entropy: Entropy) -> KeyWrapper:
    """The key-encryption key. Raises ``NotFound``, ``InvalidInput`` for its file; a token is not asked yet."""
    held = keys.key_encryption_token
    if held is not None:
        return Pkcs11KeyWrapper(_token(held, folder), held.key, entropy)
    return LocalKeyWrapper.load(folder / keys.key_encryption_key, entropy)


def make_key_encryption_key(keys: KeySettings, folder: Path, entropy: Entropy) -> None:
    """Makes the key-encryption key where there is none. In a token, and with generations here already, it makes none:
    they are wrapped by another, which is away. Raises ``OSError``; for a token ``Unavailable``."""
    held = keys.key_encryption_token
    if held is None:
        file = folder / keys.key_encryption_key
        make_folder(file.parent)
        if not file.exists():
            LocalKeyWrapper.create(file, entropy)
    elif not (folder / keys.generations).exists():
        Pkcs11KeyWrapper(_token(held, folder), held.key, entropy).create_key()


def seal_signer(keys: KeySettings, folder: Path) -> Signer:
    """The seal's key with its certificates. Raises ``OSError`` for its files, ``InvalidInput`` where key and
    certificates do not belong together; for a token ``Unavailable``."""
    certificates = (folder / keys.seal_certificates).read_bytes()
    held = keys.seal_token
    if held is not None:
        return Pkcs11Signer.load(_token(held, folder), held.key, certificates, pss=held.pss)
    return SoftwareSigner.load((folder / keys.seal_key).read_bytes(), certificates)


def _token(held: TokenSettings, folder: Path) -> Pkcs11Token:
    def pin() -> str:
        if held.pin is not None:
            return held.pin.get_secret_value()
        return pin_from_file(folder / (held.pin_file or ""))

    return Pkcs11Token(held.module, held.token, pin, held.timeout_seconds)
