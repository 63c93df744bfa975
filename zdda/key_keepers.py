"""Where the settings say that keys are kept: in files, or in tokens behind PKCS#11."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from zdda.crypto.generations import GenerationKeys
from zdda.crypto.key_wrapping import KEY_LENGTH, KeyWrapper, LocalKeyWrapper
from zdda.crypto.pkcs11_key_wrapping import Pkcs11KeyWrapper
from zdda.crypto.pkcs11_signing import Pkcs11Signer
from zdda.crypto.pkcs11_token import Pkcs11Token, pin_from_file
from zdda.crypto.signing import Signer, SoftwareSigner
from zdda.model.clock import Clock, Entropy
from zdda.model.errors import IntegrityError, InvalidInput, NotFound
from zdda.settings import KeySettings, TokenSettings
from zdda.storage.durable_files import make_folder

_PROBE = b"zdda/1|is it the same key?"


def key_wrapper(keys: KeySettings, folder: Path, entropy: Entropy) -> KeyWrapper:
    """The key-encryption key. Raises ``NotFound``, ``InvalidInput`` for its file; a token is not asked yet."""
    held = keys.key_encryption_token
    if held is not None:
        return Pkcs11KeyWrapper(_token(held, folder), held.key, entropy)
    return LocalKeyWrapper.load(folder / keys.key_encryption_key, entropy)


def open_generations(keys: KeySettings, folder: Path, entropy: Entropy, clock: Clock) -> GenerationKeys:
    """The generation keys; raises ``NotFound`` where there are none, and what ``key_wrapper`` raises."""
    found = GenerationKeys(folder / keys.generations, key_wrapper(keys, folder, entropy), entropy, clock)
    if not found.tenants():
        raise NotFound("there are no generation keys")
    return found


def named_keeper(keys: KeySettings) -> str:
    """Where the key-encryption key is kept, for a person."""
    held = keys.key_encryption_token
    return f"file {keys.key_encryption_key}" if held is None else f"token {held.token}, key {held.key} (PKCS#11)"


def make_key_encryption_key(keys: KeySettings, folder: Path, entropy: Entropy) -> None:
    """Makes the key-encryption key where there is none. In a token, and with generations here already, it makes none:
    they are wrapped by another, which is away. Raises ``OSError``; for a token ``Unavailable``."""
    if keys.key_encryption_token is None or not (folder / keys.generations).exists():
        _make(keys, folder, entropy)


def rotate_key_encryption_key(
    before: KeySettings, now: KeySettings, folder: Path, entropy: Entropy, clock: Clock
) -> int:
    """Wraps the generation keys by the key-encryption key of ``now``, made where there is none, instead of that of
    ``before``; how many were wrapped, none where this was done already.

    Raises ``InvalidInput`` where both are the same key, ``IntegrityError`` where neither unwraps, what ``key_wrapper``
    raises, ``Unavailable``."""
    file = folder / now.generations
    if (folder / before.generations).resolve() != file.resolve():
        raise InvalidInput("both settings must name the same keys.generations")
    old = key_wrapper(before, folder, entropy)
    try:
        generations = GenerationKeys(file, old, entropy, clock)
    except IntegrityError:
        GenerationKeys(file, key_wrapper(now, folder, entropy), entropy, clock)
        return 0
    _make(now, folder, entropy)
    new = key_wrapper(now, folder, entropy)
    with suppress(IntegrityError):
        new.unwrap(old.wrap(bytes(KEY_LENGTH), _PROBE), _PROBE)
        raise InvalidInput("both settings name the same key-encryption key")
    return generations.rewrap(new)


def _make(keys: KeySettings, folder: Path, entropy: Entropy) -> None:
    held = keys.key_encryption_token
    if held is not None:
        Pkcs11KeyWrapper(_token(held, folder), held.key, entropy).create_key()
        return
    file = folder / keys.key_encryption_key
    make_folder(file.parent)
    if not file.exists():
        LocalKeyWrapper.create(file, entropy)


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
