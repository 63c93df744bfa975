from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.simulator.faulty_disk import failing
from zdda.crypto.digests import digests_of
from zdda.crypto.generations import GenerationKeys
from zdda.crypto.key_wrapping import LocalKeyWrapper
from zdda.crypto.signing import SoftwareSigner
from zdda.demonstration.authority import DemonstrationAuthority
from zdda.model.clock import FixedClock, system_entropy
from zdda.model.errors import Conflict, IntegrityError, InvalidInput, NotFound
from zdda.model.identifiers import tenant_id

GOLDEN = Path(__file__).parents[2] / "golden" / "crypto"
CLOCK = FixedClock(datetime(2026, 11, 22, 12, tzinfo=UTC))
KEK = bytes(range(32))
TENANT, OTHER = tenant_id("nemocnice"), tenant_id("jina")


def zeros(n: int) -> bytes:
    return bytes(n)


def opened(path: Path, key: bytes = KEK) -> GenerationKeys:
    return GenerationKeys(path, LocalKeyWrapper(key, system_entropy), system_entropy, CLOCK)


@pytest.fixture
def keys(tmp_path: Path) -> GenerationKeys:
    generations = opened(tmp_path / "generations.json")
    generations.create(TENANT)
    return generations


def test_a_wrapped_key_is_bound_to_its_place() -> None:
    wrapper = LocalKeyWrapper(KEK, system_entropy)
    wrapped = wrapper.wrap(b"k" * 32, b"here")
    assert wrapper.unwrap(wrapped, b"here") == b"k" * 32
    for bad, context in (
        (wrapped, b"there"),
        (wrapped[:-1], b"here"),
        (b"\x02" + wrapped[1:], b"here"),
        (b"", b"here"),
    ):
        with pytest.raises(IntegrityError):
            wrapper.unwrap(bad, context)
    with pytest.raises(IntegrityError):
        LocalKeyWrapper(bytes(32), system_entropy).unwrap(wrapped, b"here")


def test_the_key_file_belongs_to_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "kek"
    with pytest.raises(NotFound):
        LocalKeyWrapper.load(path, system_entropy)
    LocalKeyWrapper.create(path, system_entropy)
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(Conflict):
        LocalKeyWrapper.create(path, system_entropy)
    LocalKeyWrapper.load(path, system_entropy)
    path.chmod(0o640)
    with pytest.raises(InvalidInput):
        LocalKeyWrapper.load(path, system_entropy)
    path.chmod(0o600)
    path.write_bytes(b"short")
    with pytest.raises((InvalidInput, ValueError)):
        LocalKeyWrapper.load(path, system_entropy)


def test_data_keys_are_bound_to_tenant_generation_and_context(keys: GenerationKeys) -> None:
    wrapped = keys.wrap_data_key(TENANT, 1, b"d" * 32, b"object")
    assert keys.wrap_data_key(TENANT, 1, b"d" * 32, b"object") == wrapped
    assert keys.unwrap_data_key(TENANT, 1, wrapped, b"object") == b"d" * 32
    keys.create(TENANT)
    keys.create(OTHER)
    for tenant, generation, context in ((TENANT, 2, b"object"), (OTHER, 1, b"object"), (TENANT, 1, b"another")):
        with pytest.raises(IntegrityError):
            keys.unwrap_data_key(tenant, generation, wrapped, context)
    with pytest.raises(NotFound):
        keys.unwrap_data_key(TENANT, 3, wrapped, b"object")
    with pytest.raises(NotFound):
        keys.current(tenant_id("neznama"))


def test_a_new_generation_is_current_and_old_ones_still_open(keys: GenerationKeys) -> None:
    wrapped = keys.wrap_data_key(TENANT, 1, b"d" * 32, b"c")
    content_id = keys.content_id(TENANT, bytes(32))
    assert keys.create(TENANT) == keys.current(TENANT) == 2
    assert keys.generations(TENANT) == (1, 2)
    assert keys.unwrap_data_key(TENANT, 1, wrapped, b"c") == b"d" * 32
    assert keys.content_id(TENANT, bytes(32)) == content_id
    assert keys.authenticate(TENANT, 1, b"m") != keys.authenticate(TENANT, 2, b"m")


def test_generations_survive_a_restart(keys: GenerationKeys, tmp_path: Path) -> None:
    wrapped = keys.wrap_data_key(TENANT, 1, b"d" * 32, b"c")
    again = opened(tmp_path / "generations.json")
    assert again.tenants() == (TENANT,)
    assert again.unwrap_data_key(TENANT, 1, wrapped, b"c") == b"d" * 32


@pytest.mark.parametrize("change", ["flip", "drop", "rubbish", "another-key"])
def test_a_changed_generations_file_is_refused(change: str, keys: GenerationKeys, tmp_path: Path) -> None:
    path, key = tmp_path / "generations.json", KEK
    keys.create(TENANT)
    value = json.loads(path.read_bytes())
    if change == "flip":
        path.write_bytes(path.read_bytes().replace(b'"created":"2026', b'"created":"2027', 1))
    elif change == "drop":
        value["tenants"][TENANT]["generations"].pop()
        path.write_text(json.dumps(value, separators=(",", ":"), sort_keys=True))
    elif change == "rubbish":
        path.write_bytes(b"rubbish")
    else:
        key = bytes(32)
    with pytest.raises(IntegrityError):
        opened(path, key)


def test_no_generation_is_current_before_it_is_durable(
    keys: GenerationKeys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with failing(monkeypatch, "fsync", 1, "before"), pytest.raises(OSError, match="Input/output"):
        keys.create(TENANT)
    assert keys.current(TENANT) == opened(tmp_path / "generations.json").current(TENANT) == 1


def test_a_signer_has_the_key_of_its_certificate() -> None:
    authority = DemonstrationAuthority(CLOCK, system_entropy, "http://127.0.0.1:1")
    seal, other = authority.issue_seal(), authority.issue_seal()
    signer = SoftwareSigner.load(seal.key_pem(), seal.chain_pem())
    assert signer.certificate == seal.der
    assert len(signer.chain) == 2
    assert signer.sign(b"message")
    with pytest.raises(InvalidInput):
        SoftwareSigner.load(other.key_pem(), seal.chain_pem())
    with pytest.raises(InvalidInput):
        SoftwareSigner.load(b"rubbish", seal.chain_pem())


def test_digests_are_counted_together() -> None:
    found = digests_of(b"abc")
    assert found.length == 3
    assert found.sha256.hex().startswith("ba7816bf")
    assert found.sha512.hex().startswith("ddaf35a1")
    assert found.crc32 == 0x352441C2


def test_the_stored_forms_never_change(tmp_path: Path) -> None:
    assert LocalKeyWrapper(KEK, zeros).wrap(b"k" * 32, b"zdda golden") == (GOLDEN / "wrapped-key-1.bin").read_bytes()
    golden = (GOLDEN / "generations-1.json").read_bytes()
    (tmp_path / "generations.json").write_bytes(golden)
    keys = opened(tmp_path / "generations.json")
    wrapped = (GOLDEN / "wrapped-data-key-1.bin").read_bytes()
    assert keys.unwrap_data_key(TENANT, 1, wrapped, b"zdda golden") == b"d" * 32
    assert keys.wrap_data_key(TENANT, 1, b"d" * 32, b"zdda golden") == wrapped
