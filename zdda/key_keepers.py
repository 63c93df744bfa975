"""Where the settings say that keys are kept: in files, in tokens behind PKCS#11, in key services."""

from __future__ import annotations

import ssl
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import httpx

from zdda.crypto.approved import require_approved_signer, restrict_tls
from zdda.crypto.generations import GenerationKeys
from zdda.crypto.key_wrapping import KEY_LENGTH, KeyWrapper, LocalKeyWrapper
from zdda.crypto.kmip_key_wrapping import KmipAddress, KmipKeyWrapper
from zdda.crypto.pkcs11_key_wrapping import Pkcs11KeyWrapper
from zdda.crypto.pkcs11_signing import Pkcs11Signer
from zdda.crypto.pkcs11_token import Pkcs11Token, pin_from_file
from zdda.crypto.self_tests import run_self_tests
from zdda.crypto.signing import Signer, SoftwareSigner
from zdda.crypto.vault_key_wrapping import VaultAddress, VaultKeyWrapper, token_from_file
from zdda.model.clock import Clock, Entropy
from zdda.model.errors import IntegrityError, InvalidInput, NotFound
from zdda.settings_keys import KeySettings, KmipSettings, TokenSettings, VaultSettings
from zdda.storage.durable_files import make_folder

_PROBE = b"zdda/1|is it the same key?"


class _Service(KeyWrapper, Protocol):
    """A keeper that makes its key itself."""

    def create_key(self) -> None: ...


def key_wrapper(keys: KeySettings, folder: Path, entropy: Entropy) -> KeyWrapper:
    """The key-encryption key. Raises ``NotFound``, ``InvalidInput`` for its file; nothing else is asked yet."""
    if keys.fips:
        run_self_tests()
    return _service(keys, folder, entropy) or LocalKeyWrapper.load(folder / keys.key_encryption_key, entropy)


def generation_keys(keys: KeySettings, folder: Path, entropy: Entropy, clock: Clock) -> GenerationKeys:
    """The generation keys, none where there are none yet. Raises what ``key_wrapper`` and ``GenerationKeys`` raise."""
    wrapper = key_wrapper(keys, folder, entropy)
    return GenerationKeys(folder / keys.generations, wrapper, entropy, clock, approved_only=keys.fips)


def open_generations(keys: KeySettings, folder: Path, entropy: Entropy, clock: Clock) -> GenerationKeys:
    """The generation keys; raises ``NotFound`` where there are none, and what ``key_wrapper`` raises."""
    found = generation_keys(keys, folder, entropy, clock)
    if not found.tenants():
        raise NotFound("there are no generation keys")
    return found


def named_keeper(keys: KeySettings) -> str:
    """Where the key-encryption key is kept, for a person."""
    token, vault, kmip = keys.key_encryption_token, keys.key_encryption_vault, keys.key_encryption_kmip
    if token is not None:
        return f"token {token.token}, key {token.key} (PKCS#11)"
    if vault is not None:
        return f"{vault.address}, key {vault.key} (Vault transit)"
    if kmip is not None:
        return f"{kmip.host}:{kmip.port}, key {kmip.key} (KMIP)"
    return f"file {keys.key_encryption_key}"


def outgoing_tls(keys: KeySettings) -> ssl.SSLContext | bool:
    """How the archive's own HTTP client verifies and speaks TLS: as it does by itself, or as the FIPS mode wants."""
    if not keys.fips:
        return True
    context = httpx.create_ssl_context(trust_env=False)
    restrict_tls(context)
    return context


def make_key_encryption_key(keys: KeySettings, folder: Path, entropy: Entropy) -> None:
    """Makes the key-encryption key where there is none. In a token or service, and with generations here already, it
    makes none: they are wrapped by another, which is away. Raises ``OSError``, ``Unavailable``."""
    if _service(keys, folder, entropy) is None or not (folder / keys.generations).exists():
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


def wrap_anew(keys: KeySettings, folder: Path, entropy: Entropy, clock: Clock) -> int:
    """Wraps the generation keys by the key-encryption key that they are wrapped by: by its newest version, where its
    keeper numbers versions. How many were wrapped. Raises what ``open_generations`` raises."""
    return open_generations(keys, folder, entropy, clock).rewrap(key_wrapper(keys, folder, entropy))


def _make(keys: KeySettings, folder: Path, entropy: Entropy) -> None:
    service = _service(keys, folder, entropy)
    if service is not None:
        service.create_key()
        return
    file = folder / keys.key_encryption_key
    make_folder(file.parent)
    if not file.exists():
        LocalKeyWrapper.create(file, entropy)


def _service(keys: KeySettings, folder: Path, entropy: Entropy) -> _Service | None:
    """The token or service that the settings name; None: the key is in a file."""
    token, vault, kmip = keys.key_encryption_token, keys.key_encryption_vault, keys.key_encryption_kmip
    if token is not None:
        return Pkcs11KeyWrapper(_token(token, folder), token.key, entropy)
    if vault is not None:
        return _vault(vault, folder, entropy, keys.fips)
    if kmip is not None:
        return KmipKeyWrapper(_kmip(kmip, folder, keys.fips), entropy)
    return None


def _kmip(held: KmipSettings, folder: Path, approved_only: bool) -> KmipAddress:
    return KmipAddress(
        held.host,
        held.port,
        held.key,
        folder / held.certificate,
        folder / held.private_key,
        folder / held.certificate_authorities,
        held.timeout_seconds,
        approved_only,
    )


def _vault(held: VaultSettings, folder: Path, entropy: Entropy, approved_only: bool) -> VaultKeyWrapper:
    def token() -> str:
        if held.token is not None:
            return held.token.get_secret_value()
        return token_from_file(folder / (held.token_file or ""))

    trusted = None if held.certificate_authorities is None else folder / held.certificate_authorities
    seconds = held.timeout_seconds
    address = VaultAddress(held.address, held.mount, held.key, token, held.namespace, trusted, seconds, approved_only)
    return VaultKeyWrapper(address, entropy)


def seal_signer(keys: KeySettings, folder: Path) -> Signer:
    """The seal's key with its certificates. Raises ``OSError`` for its files, ``InvalidInput`` where key and
    certificates do not belong together; for a token ``Unavailable``; in the FIPS mode ``NotApproved``."""
    certificates = (folder / keys.seal_certificates).read_bytes()
    held, signer = keys.seal_token, None
    if held is not None:
        signer = Pkcs11Signer.load(_token(held, folder), held.key, certificates, pss=held.pss)
    found: Signer = signer or SoftwareSigner.load((folder / keys.seal_key).read_bytes(), certificates)
    if keys.fips:
        run_self_tests()
        require_approved_signer(found)
    return found


def _token(held: TokenSettings, folder: Path) -> Pkcs11Token:
    def pin() -> str:
        if held.pin is not None:
            return held.pin.get_secret_value()
        return pin_from_file(folder / (held.pin_file or ""))

    return Pkcs11Token(held.module, held.token, pin, held.timeout_seconds)
