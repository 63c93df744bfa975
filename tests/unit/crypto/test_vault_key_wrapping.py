"""The transit engine fails in every way that a test can bring about (a stand-in of ours): what the archive says, and
that it comes back."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.simulator.tls import self_signed
from tests.simulator.transit import TOKEN, Transit, transit
from zdda.app import initialise, open_vault
from zdda.cli.main import application
from zdda.crypto.generations import GenerationKeys
from zdda.crypto.key_service import KeyServiceAway, KeyServiceFailed, KeyServiceKey, KeyServiceRefuses
from zdda.crypto.vault_key_wrapping import VaultKeyWrapper, token_from_file
from zdda.model.clock import SystemClock, system_entropy
from zdda.model.errors import IntegrityError, Unavailable
from zdda.model.identifiers import TenantId
from zdda.settings import SettingsInvalid, load

__all__ = ["transit"]
KEY, HERE = b"k" * 32, b"here"


@pytest.fixture
def wrapper(transit: Transit) -> VaultKeyWrapper:
    made = VaultKeyWrapper(transit.address(), system_entropy)
    made.create_key()
    return made


def test_a_key_is_made_once(transit: Transit, wrapper: VaultKeyWrapper) -> None:
    wrapped = wrapper.wrap(KEY, HERE)
    assert wrapped.startswith(b"\x02vault:v1:")
    wrapper.create_key()
    assert wrapper.unwrap(wrapped, HERE) == KEY


def test_away_at_the_start_at_a_write_and_at_a_read(transit: Transit, tmp_path: Path) -> None:
    transit.stop()
    wrapper = VaultKeyWrapper(transit.address(), system_entropy)
    for what in (wrapper.create_key, lambda: wrapper.wrap(KEY, HERE)):
        with pytest.raises(KeyServiceAway):
            what()
    transit.start()
    wrapper.create_key()
    tenant, file = TenantId("hospital"), tmp_path / "generations.json"
    keys = GenerationKeys(file, wrapper, system_entropy, SystemClock())
    keys.create(tenant)
    before = file.read_bytes()
    transit.stop()
    with pytest.raises(Unavailable):
        keys.create(tenant)
    with pytest.raises(Unavailable):
        GenerationKeys(file, wrapper, system_entropy, SystemClock())
    assert file.read_bytes() == before
    assert keys.wrap_data_key(tenant, 1, b"d" * 32, b"an object"), "what is unwrapped works without the service"
    transit.start()
    assert keys.create(tenant) == 2
    assert GenerationKeys(file, wrapper, system_entropy, SystemClock()).generations(tenant) == (1, 2)


def test_sealed_and_opened_again(transit: Transit, wrapper: VaultKeyWrapper) -> None:
    wrapped = wrapper.wrap(KEY, HERE)
    transit.sealed = True
    with pytest.raises(KeyServiceAway, match="503 Vault is sealed"):
        wrapper.unwrap(wrapped, HERE)
    transit.sealed = False
    assert wrapper.unwrap(wrapped, HERE) == KEY


def test_a_token_that_was_taken_away(transit: Transit, wrapper: VaultKeyWrapper) -> None:
    wrapped = wrapper.wrap(KEY, HERE)
    transit.token = "s.another"
    with pytest.raises(KeyServiceRefuses, match="permission denied") as caught:
        wrapper.unwrap(wrapped, HERE)
    told = [repr(each) for each in (caught.value, caught.value.__cause__, caught.value.__context__)]
    assert not [each for each in told if "s.another" in each]
    transit.token = TOKEN
    assert wrapper.unwrap(wrapped, HERE) == KEY, "the token is asked for at each call"


def test_the_file_of_the_token(tmp_path: Path) -> None:
    file = tmp_path / "token"
    with pytest.raises(KeyServiceRefuses, match="cannot be read"):
        token_from_file(file)
    file.touch(mode=0o640)
    with pytest.raises(KeyServiceRefuses, match="by its owner"):
        token_from_file(file)
    file.chmod(0o600)
    with pytest.raises(KeyServiceRefuses, match="none"):
        token_from_file(file)
    file.write_text("s.abc\n")
    assert token_from_file(file) == "s.abc"


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (500, KeyServiceAway),
        (429, KeyServiceAway),
        (401, KeyServiceRefuses),
        (404, KeyServiceKey),
        (307, KeyServiceFailed),
        (204, KeyServiceFailed),
        (b"<html>", KeyServiceFailed),
        (b"[]", KeyServiceFailed),
        (b'{"data":[]}', KeyServiceFailed),
        (b'{"data":{}}', KeyServiceFailed),
        (b'{"data":{"ciphertext":"vault:v1:short"}}', KeyServiceFailed),
        (b'{"data":{"ciphertext":7}}', KeyServiceFailed),
        (b"[" * 100_000, KeyServiceFailed),
    ],
)
def test_other_answers(
    fault: int | bytes, error: type[Unavailable], transit: Transit, wrapper: VaultKeyWrapper
) -> None:
    transit.faults = [fault]
    with pytest.raises(error):
        wrapper.wrap(KEY, HERE)
    assert wrapper.unwrap(wrapper.wrap(KEY, HERE), HERE) == KEY


def test_waiting_is_bounded(transit: Transit, wrapper: VaultKeyWrapper) -> None:
    slow = VaultKeyWrapper(transit.address(timeout=0.3), system_entropy)
    for fault in (3.0, (b"{}" * 20, 0.1)):
        transit.faults, began = [fault], time.monotonic()
        with pytest.raises(KeyServiceAway):
            slow.wrap(KEY, HERE)
        assert time.monotonic() - began < 2
    transit.faults = [b"{}" + b" " * 1_000_000]
    with pytest.raises(KeyServiceFailed, match="cannot be asked"):
        wrapper.wrap(KEY, HERE)


def test_only_the_service_of_the_settings_is_believed(transit: Transit, tmp_path: Path) -> None:
    other = self_signed(tmp_path)[0]
    for trusted in (other, None):
        with pytest.raises(KeyServiceAway):
            VaultKeyWrapper(transit.address(certificate_authorities=trusted), system_entropy).wrap(KEY, HERE)
    missing = transit.address(certificate_authorities=tmp_path / "none.pem")
    with pytest.raises(KeyServiceFailed):
        VaultKeyWrapper(missing, system_entropy).wrap(KEY, HERE)
    assert transit.asked == [], "the token went to nobody"


def test_keys_that_are_not_fit(transit: Transit) -> None:
    transit.put_key("loose", exportable=True)
    transit.put_key("other")
    transit.keys["other"].type = "chacha20-poly1305"
    for name, why in (("loose", "taken out"), ("other", "aes256-gcm96")):
        with pytest.raises(KeyServiceKey, match=why):
            VaultKeyWrapper(transit.address(name), system_entropy).create_key()
    with pytest.raises(KeyServiceKey, match="not found"):
        VaultKeyWrapper(transit.address("none"), system_entropy).wrap(KEY, HERE)


def test_a_service_that_gives_back_something_else_wraps_nothing(transit: Transit, wrapper: VaultKeyWrapper) -> None:
    transit.forgets_associated_data = True
    with pytest.raises(KeyServiceFailed, match="associated_data"):
        wrapper.wrap(KEY, HERE)
    transit.forgets_associated_data = False
    transit.faults = [0.0, b'{"data":{"plaintext":"AAAA"}}']
    with pytest.raises(KeyServiceFailed, match="give back"):
        wrapper.wrap(KEY, HERE)


def test_a_damaged_key_is_told_from_a_service_that_fails(transit: Transit, wrapper: VaultKeyWrapper) -> None:
    wrapped = wrapper.wrap(KEY, HERE)
    with pytest.raises(IntegrityError, match="authentication failed"):
        wrapper.unwrap(wrapped, b"there")
    transit.faults = [400, 503]
    with pytest.raises(KeyServiceAway):
        wrapper.unwrap(wrapped, HERE)


def test_old_versions_are_left_behind(transit: Transit, tmp_path: Path) -> None:
    """``zdda keys rotate`` without another key: by the newest version. Then the service may forget the old ones."""
    token = tmp_path / "token"
    token.touch(mode=0o600)
    token.write_text(TOKEN)
    (tmp_path / "zdda.toml").write_text(transit.settings("archive", token))
    settings = load(tmp_path / "zdda.toml")
    initialise(settings, tmp_path)
    assert not (tmp_path / "keys" / "key-encryption.key").exists()
    transit.rotate("archive")
    done = CliRunner().invoke(application("keys"), ["keys", "rotate", "--folder", str(tmp_path)])
    assert (done.exit_code, "2 keys" in done.output) == (0, True), done.output
    transit.keys["archive"].minimum = 2
    vault = open_vault(settings, tmp_path)
    assert vault.generations.generations(vault.tenant) == (1,)
    vault.close()
    told = CliRunner().invoke(application("keys"), ["keys", "status", "--folder", str(tmp_path)]).output
    assert "Vault transit" in told
    assert TOKEN not in told
    transit.stop()
    with pytest.raises(KeyServiceAway):
        open_vault(settings, tmp_path)
    with pytest.raises(KeyServiceAway):
        initialise(settings, tmp_path)


def test_from_a_file_into_the_service_and_back(transit: Transit, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.touch(mode=0o600)
    token.write_text(TOKEN)
    stages = [
        "",
        transit.settings("first", token),
        transit.settings("second", token),
        '[keys]\nkey_encryption_key = "b"\n',
    ]
    now, before = tmp_path / "zdda.toml", tmp_path / "before.toml"
    now.write_text("")
    initialise(load(now), tmp_path)
    for old, new in pairwise(stages):
        before.write_text(old)
        now.write_text(new)
        for told in ("wrapped by the new key.", "already"):
            done = CliRunner().invoke(
                application("keys"), ["keys", "rotate", "--before", str(before), "--folder", str(tmp_path)]
            )
            assert (done.exit_code, told in done.output) == (0, True), done.output
        vault = open_vault(load(now), tmp_path)
        assert vault.generations.generations(vault.tenant) == (1,)
        vault.close()


@pytest.mark.parametrize(
    "table",
    [
        'address = "http://vault.example"\nkey = "k"\ntoken = "t"',
        'address = "https://vault.example"\nkey = "../k"\ntoken = "t"',
        'address = "https://vault.example"\nkey = "k"',
        'address = "https://vault.example"\nkey = "k"\ntoken = "t"\ntoken_file = "f"',
    ],
)
def test_settings_that_make_no_sense(table: str, tmp_path: Path) -> None:
    (tmp_path / "zdda.toml").write_text(f"[keys.key_encryption_vault]\n{table}\n")
    with pytest.raises(SettingsInvalid):
        load(tmp_path / "zdda.toml")


def test_one_keeper_alone(tmp_path: Path) -> None:
    text = '[keys.key_encryption_vault]\naddress = "https://v"\nkey = "k"\ntoken = "t"\n'
    text += '[keys.key_encryption_token]\nmodule = "/m.so"\ntoken = "t"\nkey = "k"\npin = "1"\n'
    (tmp_path / "zdda.toml").write_text(text)
    with pytest.raises(SettingsInvalid, match="one place"):
        load(tmp_path / "zdda.toml")
