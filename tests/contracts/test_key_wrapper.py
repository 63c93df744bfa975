"""What every keeper of the key-encryption key does alike: a local file, a token behind PKCS#11 (SoftHSM), the transit
engine of Vault or OpenBao (a stand-in of ours), a key service that speaks KMIP (PyKMIP's server)."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.services.kmip import KmipService, kmip_server
from tests.simulator.softhsm import SoftToken, soft_token
from tests.simulator.transit import Transit, transit
from zdda.crypto.generations import GenerationKeys
from zdda.crypto.key_wrapping import KeyWrapper, LocalKeyWrapper
from zdda.crypto.kmip_key_wrapping import KmipKeyWrapper
from zdda.crypto.pkcs11_key_wrapping import Pkcs11KeyWrapper
from zdda.crypto.vault_key_wrapping import VaultKeyWrapper
from zdda.model.clock import SystemClock, system_entropy
from zdda.model.errors import IntegrityError, NotFound
from zdda.model.identifiers import TenantId

__all__ = ["kmip_server", "soft_token", "transit"]
KEY, OTHER = bytes(range(32)), bytes(range(1, 33))
TENANT = TenantId("hospital")
Keeper = Callable[[bytes], KeyWrapper]


@pytest.fixture(params=["file", "token", "transit", "kmip"])
def keeper(request: pytest.FixtureRequest, tmp_path: Path) -> Keeper:
    """Gives a wrapper by a key of these bytes, wherever it is kept."""

    def in_file(key: bytes) -> KeyWrapper:
        file = tmp_path / key.hex()
        file.touch(mode=0o600)
        file.write_bytes(key)
        return LocalKeyWrapper.load(file, system_entropy)

    if request.param == "file":
        return in_file
    if request.param == "transit":
        service: Transit = request.getfixturevalue("transit")

        def in_transit(key: bytes) -> KeyWrapper:
            service.put_key(key.hex()[:8], key)
            return VaultKeyWrapper(service.address(key.hex()[:8]), system_entropy)

        return in_transit
    if request.param == "kmip":
        server: KmipService = request.getfixturevalue("kmip_server")

        def in_kmip(key: bytes) -> KeyWrapper:
            name = f"{request.node.name} {key.hex()[:8]}"
            server.put_key(name, key)
            return KmipKeyWrapper(server.address(name), system_entropy)

        return in_kmip
    token: SoftToken = request.getfixturevalue("soft_token")

    def in_token(key: bytes) -> KeyWrapper:
        token.put_secret_key(key.hex()[:8], key)
        return Pkcs11KeyWrapper(token.opened(), key.hex()[:8], system_entropy)

    return in_token


def test_what_is_wrapped_is_unwrapped_in_its_place_alone(keeper: Keeper) -> None:
    wrapper, other = keeper(KEY), keeper(OTHER)
    wrapped = wrapper.wrap(b"k" * 32, b"here")
    assert wrapper.unwrap(wrapped, b"here") == b"k" * 32
    assert wrapper.wrap(b"k" * 32, b"here") != wrapped, "a nonce is never used twice"
    for wrong, context in ((wrapped, b"there"), (wrapped, b""), (b"", b"here"), (wrapped[:13], b"here")):
        with pytest.raises(IntegrityError):
            wrapper.unwrap(wrong, context)
    with pytest.raises(IntegrityError):
        other.unwrap(wrapped, b"here")
    assert wrapper.unwrap(wrapped, b"here") == b"k" * 32, "wrong bytes do not harm the keeper"


def test_every_flipped_cut_or_added_byte_is_found(keeper: Keeper) -> None:
    wrapper = keeper(KEY)
    wrapped = wrapper.wrap(b"k" * 32, b"here")
    flipped = [bytes([*wrapped[:at], wrapped[at] ^ 1, *wrapped[at + 1 :]]) for at in range(len(wrapped))]
    for wrong in [*flipped, *(wrapped[:length] for length in range(len(wrapped))), wrapped + b"\x00"]:
        with pytest.raises(IntegrityError):
            wrapper.unwrap(wrong, b"here")


@pytest.mark.parametrize("keeper", ["file", "token", "kmip"], indirect=True)
def test_keepers_with_the_key_in_hand_wrap_in_one_form(keeper: Keeper) -> None:
    """So a local key that is moved into a token unwraps what it wrapped, and back."""
    local, kept = LocalKeyWrapper(KEY, system_entropy), keeper(KEY)
    assert kept.unwrap(local.wrap(b"k" * 32, b"here"), b"here") == b"k" * 32
    assert local.unwrap(kept.wrap(b"k" * 32, b"here"), b"here") == b"k" * 32


def test_generation_keys_are_opened_again(keeper: Keeper, tmp_path: Path) -> None:
    wrapper, file = keeper(KEY), tmp_path / "generations.json"
    made = GenerationKeys(file, wrapper, system_entropy, SystemClock())
    made.create(TENANT)
    made.create(TENANT)
    wrapped = made.wrap_data_key(TENANT, 2, b"d" * 32, b"an object")
    again = GenerationKeys(file, wrapper, system_entropy, SystemClock())
    assert again.generations(TENANT) == (1, 2)
    assert again.unwrap_data_key(TENANT, 2, wrapped, b"an object") == b"d" * 32
    with pytest.raises(IntegrityError):
        GenerationKeys(file, keeper(OTHER), system_entropy, SystemClock())


def test_generation_keys_are_wrapped_by_another_key(keeper: Keeper, tmp_path: Path) -> None:
    old, new, file = LocalKeyWrapper(OTHER, system_entropy), keeper(KEY), tmp_path / "generations.json"
    keys = GenerationKeys(file, old, system_entropy, SystemClock())
    with pytest.raises(NotFound):
        keys.rewrap(new)
    keys.create(TENANT)
    keys.create(TENANT)
    wrapped, content = keys.wrap_data_key(TENANT, 1, b"d" * 32, b"an object"), keys.content_id(TENANT, b"s" * 32)
    assert keys.rewrap(new) == 3
    with pytest.raises(IntegrityError):
        GenerationKeys(file, old, system_entropy, SystemClock())
    assert keys.create(TENANT) == 3, "goes on under the new key"
    again = GenerationKeys(file, new, system_entropy, SystemClock())
    assert again.generations(TENANT) == (1, 2, 3)
    assert again.unwrap_data_key(TENANT, 1, wrapped, b"an object") == b"d" * 32
    assert again.content_id(TENANT, b"s" * 32) == content


def test_several_threads_at_once(keeper: Keeper) -> None:
    wrapper = keeper(KEY)

    def there_and_back(number: int) -> bool:
        key, context = bytes([number]) * 32, f"place {number}".encode()
        return wrapper.unwrap(wrapper.wrap(key, context), context) == key

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(there_and_back, range(64)))
