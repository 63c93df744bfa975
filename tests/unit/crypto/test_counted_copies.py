"""Every copy of a generation key is counted; a destroyed generation is in none of the bytes, and stays away."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.simulator.faulty_disk import failing
from zdda.crypto.generation_export import RecoveryRecipient, open_export, recovery_key
from zdda.crypto.generation_file import DestroyedGeneration, TenantKeys
from zdda.crypto.generations import GenerationKeys
from zdda.crypto.key_wrapping import LocalKeyWrapper
from zdda.crypto.sealed_file import PASSES, overwrite
from zdda.model.clock import FixedClock, system_entropy
from zdda.model.errors import Conflict, IntegrityError, InvalidInput, NotFound
from zdda.model.identifiers import tenant_id

GOLDEN = Path(__file__).parents[2] / "golden" / "crypto"
CLOCK = FixedClock(datetime(2026, 11, 24, 12, tzinfo=UTC))
KEK = bytes(range(32))
TENANT = tenant_id("nemocnice")
RECOVERY = GOLDEN / "recovery-key-1.pem"
CERTIFICATE = GOLDEN / "recovery-certificate-1.pem"


@lru_cache
def recovery() -> tuple[rsa.RSAPrivateKey, RecoveryRecipient]:
    return recovery_key(RECOVERY.read_bytes(), None), RecoveryRecipient.load(CERTIFICATE.read_bytes())


def opened(file: Path) -> GenerationKeys:
    return GenerationKeys(file, LocalKeyWrapper(KEK, system_entropy), system_entropy, CLOCK)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "generations.json"


@pytest.fixture
def keys(file: Path) -> GenerationKeys:
    made = opened(file)
    made.create(TENANT)
    made.create(TENANT)
    return made


def test_an_export_brings_a_lost_generation_back(keys: GenerationKeys, file: Path, tmp_path: Path) -> None:
    key, recipient = recovery()
    wrapped, content = keys.wrap_data_key(TENANT, 1, b"d" * 32, b"an object"), keys.content_id(TENANT, b"s" * 32)
    sealed = keys.export(TENANT, 1, recipient)
    (one,) = opened(file).standing(TENANT)[0].exports
    assert (one.exported, one.recipient) == ("2026-11-24T12:00:00.000Z", recipient.fingerprint)
    exported = open_export(sealed, key)
    lost = opened(tmp_path / "another.json")
    assert lost.take_back(exported, one.sha256)
    assert not lost.take_back(exported, one.sha256)
    again = opened(tmp_path / "another.json")
    assert again.unwrap_data_key(TENANT, 1, wrapped, b"an object") == b"d" * 32
    assert again.content_id(TENANT, b"s" * 32) == content
    assert again.standing(TENANT)[0].exports == (one,), "the copy that it came from is still a copy"
    assert again.create(TENANT) == 2


def test_an_export_is_read_without_this_archive(keys: GenerationKeys, tmp_path: Path) -> None:
    (tmp_path / "export").write_bytes(keys.export(TENANT, 2, recovery()[1]))
    command = ["openssl", "cms", "-decrypt", "-inform", "DER", "-binary", "-in", "export", "-inkey", str(RECOVERY)]
    done = subprocess.run([*command, "-recip", str(CERTIFICATE)], cwd=tmp_path, capture_output=True, check=True)
    told = json.loads(done.stdout)
    assert (told["format"], told["tenant"], told["number"]) == ("zdda-generation-export/1", TENANT, 2)
    assert len(base64.b64decode(told["key"])) == 32


def test_exports_of_one_generation_are_counted_each(keys: GenerationKeys, file: Path) -> None:
    for _ in range(2):
        keys.export(TENANT, 1, recovery()[1])
    standing = opened(file).standing(TENANT)
    assert [len(each.exports) for each in standing] == [2, 0]
    with pytest.raises(NotFound):
        keys.export(TENANT, 3, recovery()[1])


def test_an_export_that_could_not_be_counted_is_not_given_out(
    keys: GenerationKeys, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with failing(monkeypatch, "fsync", 1, "before"), pytest.raises(OSError, match="Input/output"):
        keys.export(TENANT, 1, recovery()[1])
    assert opened(file).standing(TENANT)[0].exports == ()


@settings(max_examples=60, deadline=None)
@given(at=st.integers(0, 4000), change=st.sampled_from(["flip", "cut", "double"]))
def test_a_damaged_export_is_refused(at: int, change: str) -> None:
    data = (GOLDEN / "generation-export-1.p7m").read_bytes()
    at %= len(data)
    if change == "flip":
        data = bytes([*data[:at], data[at] ^ 0x40, *data[at + 1 :]])
    else:
        data = data[:at] if change == "cut" else data + data[at:]
    try:
        found = open_export(data, recovery()[0])
    except IntegrityError:
        return
    assert found == open_export((GOLDEN / "generation-export-1.p7m").read_bytes(), recovery()[0]), "the envelope alone"


def test_another_recovery_key_opens_nothing(keys: GenerationKeys) -> None:
    with pytest.raises(IntegrityError):
        open_export(keys.export(TENANT, 1, recovery()[1]), rsa.generate_private_key(65537, 3072))


def certificate(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, **usage: bool) -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Recovery")])
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, CLOCK.now(), datetime(2066, 1, 1, tzinfo=UTC))
    if usage:
        names = "digital_signature content_commitment key_encipherment data_encipherment key_agreement key_cert_sign"
        every = dict.fromkeys([*names.split(), "crl_sign", "encipher_only", "decipher_only"], False)
        made = made.add_extension(x509.KeyUsage(**{**every, **usage}), critical=True)
    return made.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def test_recovery_keys_that_are_not_fit() -> None:
    long = recovery()[0]
    assert RecoveryRecipient.load(certificate(long, key_encipherment=True))
    for unfit in (
        b"rubbish",
        certificate(rsa.generate_private_key(65537, 2048)),
        certificate(ec.generate_private_key(ec.SECP256R1())),
        certificate(long, content_commitment=True),
    ):
        with pytest.raises(InvalidInput):
            RecoveryRecipient.load(unfit)
    for pem in (b"rubbish", ec.generate_private_key(ec.SECP256R1()).private_bytes(*_PLAIN)):
        with pytest.raises(InvalidInput):
            recovery_key(pem, None)


_PLAIN = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def test_a_destroyed_generation_is_gone_and_its_exports_are_named(keys: GenerationKeys, file: Path) -> None:
    key, recipient = recovery()
    sealed = keys.export(TENANT, 1, recipient)
    wrapped, before = keys.wrap_data_key(TENANT, 1, b"d" * 32, b"an object"), file.read_bytes()
    gone = keys.destroy(TENANT, 1)
    assert (gone.number, gone.destroyed, len(gone.exports)) == (1, "2026-11-24T12:00:00.000Z", 1)
    for each in (keys, opened(file)):
        assert each.generations(TENANT) == (2,)
        assert each.destroyed(TENANT) == (gone,)
        with pytest.raises(NotFound):
            each.unwrap_data_key(TENANT, 1, wrapped, b"an object")
        assert each.destroy(TENANT, 1) == gone, "asked again it says the same"
        with pytest.raises(Conflict, match="destroyed"):
            each.take_back(open_export(sealed, key), gone.exports[0].sha256)
        with pytest.raises(Conflict, match="in use"):
            each.destroy(TENANT, 2)
        with pytest.raises(NotFound):
            each.destroy(TENANT, 7)
    assert keys.create(TENANT) == 3, "a number is given once"
    assert file.read_bytes() != before


def wrapped_key(content: bytes) -> bytes:
    return base64.b64decode(json.loads(content)["tenants"][TENANT]["generations"][0]["key"])


@pytest.mark.parametrize("work", ["create", "export", "destroy", "rewrap"])
def test_what_the_file_held_before_is_overwritten(work: str, keys: GenerationKeys, file: Path) -> None:
    """A former content would give a destroyed generation back: each is overwritten where it lay."""
    before = file.read_bytes()
    descriptor = os.open(file, os.O_RDONLY)  # the blocks stay as they are while it is open
    if work == "export":
        keys.export(TENANT, 1, recovery()[1])
    elif work == "rewrap":
        keys.rewrap(LocalKeyWrapper(bytes(32), system_entropy))
    else:
        keys.create(TENANT) if work == "create" else keys.destroy(TENANT, 1)
    left = os.pread(descriptor, len(before), 0)
    os.close(descriptor)
    assert len(left) == len(before)
    assert json.loads(before)["tenants"][TENANT]["generations"][0]["key"].encode() not in left
    assert sorted(each.name for each in file.parent.iterdir()) == ["generations.json", "generations.json.lock"]


@pytest.mark.parametrize("call", ["pwrite", "fsync", "link", "replace", "unlink"])
@pytest.mark.parametrize("when", ["before", "middle", "after"])
def test_a_destruction_that_was_cut_short_is_ended_when_repeated(
    call: str, when: str, keys: GenerationKeys, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = json.loads(file.read_bytes())["tenants"][TENANT]["generations"][0]["key"].encode()
    start, point = file.read_bytes(), 0
    while True:
        point += 1
        for each in file.parent.iterdir():
            each.unlink()
        file.write_bytes(start)
        keys = opened(file)
        try:
            with failing(monkeypatch, call, point, when) as count:
                keys.destroy(TENANT, 1)
        except OSError:
            assert opened(file).generations(TENANT) in ((1, 2), (2,)), "old or new, never a mixture"
            assert keys.current(TENANT) == 2
            assert keys.destroy(TENANT, 1).number == 1
        else:
            assert count() < point, "the error did not come through"
        assert key not in b"".join(each.read_bytes() for each in file.parent.iterdir())
        assert sorted(each.name for each in file.parent.iterdir()) == ["generations.json", "generations.json.lock"]
        if count() < point:
            break


def test_a_file_that_is_gone_is_not_swept_away(keys: GenerationKeys, file: Path) -> None:
    file.rename(file.with_name("generations.json.old"))
    with pytest.raises(IntegrityError, match="is gone"):
        keys.create(TENANT)
    assert file.with_name("generations.json.old").exists()


def test_each_pass_is_on_the_disk_before_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    former = tmp_path / "former"
    former.write_bytes(b"key" * 1000)
    with failing(monkeypatch, "fsync", 1000, "before") as count:
        overwrite(former, system_entropy)
    assert (count(), former.exists()) == (PASSES + 1, False), "and the folder"


def test_a_number_that_was_destroyed_is_not_given_again() -> None:
    gone = DestroyedGeneration(5, "2026-11-24T12:00:00.000Z", "2026-11-24T12:00:00.000Z", ())
    assert TenantKeys(b"", b"", {}, (gone,)).next_number() == 6


def test_another_process_is_followed(keys: GenerationKeys, file: Path) -> None:
    other = opened(file)
    assert not keys.refresh()
    other.create(TENANT)
    assert keys.current(TENANT) == 2
    assert keys.refresh()
    assert keys.current(TENANT) == 3
    other.destroy(TENANT, 1)
    assert keys.refresh()
    assert keys.generations(TENANT) == (2, 3)
    assert not keys.refresh()


def test_the_stored_forms_never_change(tmp_path: Path) -> None:
    """Files of before copies were counted are read, and written again in the new form."""
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    first.write_bytes((GOLDEN / "generations-1.json").read_bytes())
    second.write_bytes((GOLDEN / "generations-2.json").read_bytes())
    old, new = opened(first), opened(second)
    assert old.standing(TENANT)[0].exports == old.destroyed(TENANT) == ()
    assert old.create(TENANT) == 2
    assert json.loads(first.read_bytes())["format"] == "zdda-generations/2"
    assert [each.number for each in new.standing(TENANT)] == [2, 3]
    assert [each.number for each in new.destroyed(TENANT)] == [1]
    export = (GOLDEN / "generation-export-1.p7m").read_bytes()
    content = open_export(export, recovery()[0])
    assert (content.number, content.exported) == (2, CLOCK.now())
    assert not new.take_back(content, new.standing(TENANT)[0].exports[0].sha256), "the key is the same"
    wrapped = (GOLDEN / "wrapped-data-key-2.bin").read_bytes()
    assert new.unwrap_data_key(TENANT, 2, wrapped, b"zdda golden") == b"d" * 32


def test_what_exports_may_be_imported_first() -> None:
    """As the command line does, in a process of its own: names of content types are registered in one order only."""
    order = "import zdda.crypto.generation_export, zdda.signatures.cms_plain"
    subprocess.run([sys.executable, "-c", order], check=True)
