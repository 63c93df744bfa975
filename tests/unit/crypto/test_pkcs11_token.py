"""A token of SoftHSM fails in every way that a test can bring about: what the archive says, and that it comes back."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pkcs11
import pytest
from pkcs11 import Attribute, ObjectClass

from tests.simulator.softhsm import MODULE, PIN, SoftToken, soft_token
from zdda.crypto.generations import GenerationKeys
from zdda.crypto.pkcs11_key_wrapping import Pkcs11KeyWrapper
from zdda.crypto.pkcs11_token import (
    KeyMissing,
    MechanismMissing,
    PinRefused,
    Pkcs11Token,
    TokenAway,
    TokenFailed,
    TokenSlow,
    pin_from_file,
)
from zdda.model.clock import SystemClock, system_entropy
from zdda.model.errors import Unavailable
from zdda.model.identifiers import TenantId

__all__ = ["soft_token"]
WRONG = "9999-9999"


@pytest.fixture
def wrapper(soft_token: SoftToken) -> Pkcs11KeyWrapper:
    made = Pkcs11KeyWrapper(soft_token.opened(), "kek", system_entropy)
    made.create_key()
    return made


def test_a_key_made_in_the_token_stays_there(soft_token: SoftToken, wrapper: Pkcs11KeyWrapper) -> None:
    wrapped = wrapper.wrap(b"k" * 32, b"here")
    wrapper.create_key()
    soft_token.begin_anew()  # and the key is looked for again
    assert wrapper.unwrap(wrapped, b"here") == b"k" * 32, "made once: what is there stays"
    key = soft_token.opened().call(lambda opened: opened.key("kek", ObjectClass.SECRET_KEY))
    assert (key[Attribute.SENSITIVE], key[Attribute.NEVER_EXTRACTABLE]) == (True, True)


def test_away_at_the_start(soft_token: SoftToken, tmp_path: Path) -> None:
    soft_token.take_out()
    keys = Pkcs11KeyWrapper(soft_token.opened(), "kek", system_entropy)
    with pytest.raises(TokenAway):
        keys.create_key()
    with pytest.raises(TokenAway):
        keys.wrap(b"k" * 32, b"here")
    soft_token.put_back()
    keys.create_key()
    assert keys.unwrap(keys.wrap(b"k" * 32, b"here"), b"here") == b"k" * 32


def test_away_at_a_write_and_at_a_read(soft_token: SoftToken, wrapper: Pkcs11KeyWrapper, tmp_path: Path) -> None:
    tenant, file = TenantId("hospital"), tmp_path / "generations.json"
    keys = GenerationKeys(file, wrapper, system_entropy, SystemClock())
    keys.create(tenant)
    before = file.read_bytes()
    soft_token.take_out()
    with pytest.raises(Unavailable):
        keys.create(tenant)
    with pytest.raises(Unavailable):
        GenerationKeys(file, wrapper, system_entropy, SystemClock())
    assert file.read_bytes() == before
    assert keys.wrap_data_key(tenant, 1, b"d" * 32, b"an object"), "what is unwrapped already works without the token"
    soft_token.put_back()
    assert keys.create(tenant) == 2
    assert GenerationKeys(file, wrapper, system_entropy, SystemClock()).generations(tenant) == (1, 2)


def test_another_token_or_module_is_not_taken(soft_token: SoftToken, tmp_path: Path) -> None:
    text = tmp_path / "module.so"
    text.write_text("no library")
    for module, label in ((MODULE, "another"), (tmp_path / "none.so", soft_token.label), (text, soft_token.label)):
        with pytest.raises(TokenAway):
            Pkcs11Token(module, label, lambda: PIN, 10.0).call(lambda opened: None)


def test_a_session_that_was_lost_is_opened_again(soft_token: SoftToken, wrapper: Pkcs11KeyWrapper) -> None:
    wrapped = wrapper.wrap(b"k" * 32, b"here")
    soft_token.begin_anew()
    assert wrapper.unwrap(wrapped, b"here") == b"k" * 32
    soft_token.opened().call(lambda opened: pkcs11.lib(str(MODULE)).finalize())
    assert wrapper.unwrap(wrapped, b"here") == b"k" * 32


def test_a_refused_pin_is_not_tried_again(soft_token: SoftToken) -> None:
    """A token locks itself after some wrong PINs."""
    given = [WRONG]
    token = Pkcs11Token(MODULE, soft_token.label, lambda: given[0], 10.0)
    with pytest.raises(PinRefused, match="PinIncorrect"):
        token.call(lambda opened: None)
    soft_token.write(lambda session: session.set_pin(PIN, WRONG))  # now it would be right
    with pytest.raises(PinRefused, match="has refused"):
        token.call(lambda opened: None)
    given[0] = "1357-2468"
    with pytest.raises(PinRefused, match="PinIncorrect"):
        token.call(lambda opened: None)


def test_nobody_gets_in_by_anothers_pin(soft_token: SoftToken, wrapper: Pkcs11KeyWrapper) -> None:
    wrapped = wrapper.wrap(b"k" * 32, b"here")
    with pytest.raises(PinRefused):
        soft_token.opened(WRONG).call(lambda opened: None)
    assert wrapper.unwrap(wrapped, b"here") == b"k" * 32


def test_the_pin_is_told_to_nobody(soft_token: SoftToken, capfd: pytest.CaptureFixture[str]) -> None:
    token = soft_token.opened(WRONG)
    with pytest.raises(PinRefused) as caught:
        token.call(lambda opened: None)
    told = [repr(error) for error in (caught.value, caught.value.__cause__, caught.value.__context__)]
    assert WRONG not in "".join([*told, *map(str, vars(token).values()), *capfd.readouterr(), *sys.argv])
    with open("/proc/self/cmdline", "rb") as file:
        assert WRONG.encode() not in file.read()


def test_the_file_of_the_pin(tmp_path: Path) -> None:
    file = tmp_path / "pin"
    with pytest.raises(PinRefused, match="cannot be read"):
        pin_from_file(file)
    with pytest.raises(PinRefused, match="by its owner"):
        pin_from_file(tmp_path)
    file.touch(mode=0o600)
    for content, pin in ((b"0815\n", "0815"), (b"0815", "0815"), (b"tajn\xc3\xa9 heslo\r\nx", "tajné heslo")):
        file.write_bytes(content)
        assert pin_from_file(file) == pin
    for content in (b"", b"\n0815", b"\xff\n", b"1" * 257):
        file.write_bytes(content)
        with pytest.raises(PinRefused):
            pin_from_file(file)
    file.chmod(0o640)
    with pytest.raises(PinRefused, match="by its owner"):
        pin_from_file(file)


def test_keys_that_are_not_fit(soft_token: SoftToken) -> None:
    soft_token.put_secret_key("short", bytes(range(16)))
    soft_token.put_secret_key("loose", bytes(range(32)), extractable=True)
    for _ in range(2):
        soft_token.put_secret_key("twice", bytes(range(32)))
    for label, why in (("none", "no key"), ("short", "256 bits"), ("loose", "taken out"), ("twice", "several")):
        with pytest.raises(KeyMissing, match=why):
            Pkcs11KeyWrapper(soft_token.opened(), label, system_entropy).wrap(b"k" * 32, b"here")


def test_a_token_without_the_mechanism(soft_token: SoftToken, wrapper: Pkcs11KeyWrapper) -> None:
    soft_token.configure("slots.mechanisms = CKM_AES_CBC,CKM_SHA256\n")
    soft_token.begin_anew()
    with pytest.raises(MechanismMissing):
        wrapper.wrap(b"k" * 32, b"here")


def test_a_key_that_gives_back_something_else_wraps_nothing(
    wrapper: Pkcs11KeyWrapper, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Lying:
        def encrypt(self, key: bytes, **_: Any) -> bytes:
            return b"c" * (len(key) + self.more)

        def decrypt(self, sealed: bytes, **_: Any) -> bytes:
            return bytes(len(sealed) - 16)

        more = 16

    monkeypatch.setattr(Pkcs11KeyWrapper, "_key", lambda self, opened: Lying())
    with pytest.raises(TokenFailed, match="give back"):
        wrapper.wrap(b"k" * 32, b"here")
    Lying.more = 28  # as a token does that appends a nonce of its own
    with pytest.raises(MechanismMissing, match="nonce"):
        wrapper.wrap(b"k" * 32, b"here")


def test_waiting_for_a_token_that_hangs_is_bounded(soft_token: SoftToken, wrapper: Pkcs11KeyWrapper) -> None:
    wrapped, hung = wrapper.wrap(b"k" * 32, b"here"), threading.Event()
    slow = soft_token.opened(timeout=0.2)
    began = time.monotonic()
    with pytest.raises(TokenSlow, match="in time"):
        slow.call(lambda opened: hung.wait(30))
    with pytest.raises(TokenSlow, match="busy"):
        slow.call(lambda opened: None)
    assert time.monotonic() - began < 5
    hung.set()
    assert wrapper.unwrap(wrapped, b"here") == b"k" * 32


def test_callers_take_turns(soft_token: SoftToken) -> None:
    inside: list[int] = []

    def alone(number: int) -> bool:
        def work(opened: object) -> bool:
            inside.append(number)
            time.sleep(0.001)
            return inside.pop() == number and not inside

        return soft_token.opened().call(work)

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(alone, range(40)))


def test_a_child_process_opens_its_own_session(soft_token: SoftToken, wrapper: Pkcs11KeyWrapper) -> None:
    wrapped, hung = wrapper.wrap(b"k" * 32, b"here"), threading.Event()
    busy = threading.Thread(target=lambda: soft_token.opened().call(lambda opened: hung.wait(30)))
    busy.start()
    child = os.fork()  # while the parent's only turn is taken
    if child == 0:
        status = 1
        try:
            status = 0 if wrapper.unwrap(wrapped, b"here") == b"k" * 32 else 2
        finally:
            os._exit(status)
    _, ended = os.waitpid(child, 0)
    hung.set()
    busy.join()
    assert os.waitstatus_to_exitcode(ended) == 0
    assert wrapper.unwrap(wrapped, b"here") == b"k" * 32


def test_without_a_token_in_the_settings_the_library_is_not_loaded() -> None:
    code = "import sys, zdda.app, zdda.app_stopped; raise SystemExit('pkcs11' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
