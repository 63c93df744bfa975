"""A key service that speaks KMIP fails in every way that a test can bring about: PyKMIP's server, and one that answers
whatever it is told to."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.services.kmip import KmipService, kmip_server
from zdda.app import initialise, open_vault
from zdda.crypto import kmip_messages as kmip
from zdda.crypto.generations import GenerationKeys
from zdda.crypto.key_service import KeyServiceAway, KeyServiceFailed, KeyServiceKey, KeyServiceRefuses
from zdda.crypto.kmip_key_wrapping import KmipAddress, KmipKeyWrapper
from zdda.crypto.kmip_messages import Tag
from zdda.key_keepers import named_keeper
from zdda.model.clock import SystemClock, system_entropy
from zdda.model.errors import IntegrityError, Unavailable
from zdda.model.identifiers import TenantId
from zdda.settings import SettingsInvalid, load

__all__ = ["kmip_server"]
KEY, HERE = b"k" * 32, b"here"


@pytest.fixture
def service(kmip_server: KmipService) -> Iterator[KmipService]:
    yield kmip_server
    if not kmip_server.running:
        kmip_server.start()


def test_an_archive_whose_key_is_in_the_service(service: KmipService, tmp_path: Path) -> None:
    """Made once; away at the start, at a write and at a read; and back."""
    (tmp_path / "zdda.toml").write_text(service.settings("made"))
    settings = load(tmp_path / "zdda.toml")
    initialise(settings, tmp_path)
    initialise(settings, tmp_path)
    assert not (tmp_path / "keys" / "key-encryption.key").exists()
    assert named_keeper(settings.keys).endswith("key made (KMIP)")
    wrapper, tenant = KmipKeyWrapper(service.address("made"), system_entropy), TenantId(settings.archive.tenant)
    wrapper.create_key()
    file = tmp_path / settings.keys.generations
    keys, before = GenerationKeys(file, wrapper, system_entropy, SystemClock()), file.read_bytes()
    service.stop()
    for what in (
        lambda: open_vault(settings, tmp_path),
        lambda: keys.create(tenant),
        lambda: GenerationKeys(file, wrapper, system_entropy, SystemClock()),
        wrapper.create_key,
    ):
        with pytest.raises(KeyServiceAway):
            what()
    assert file.read_bytes() == before
    assert keys.wrap_data_key(tenant, 1, b"d" * 32, b"an object"), "what is unwrapped works without the service"
    service.start()
    assert keys.create(tenant) == 2
    vault = open_vault(settings, tmp_path)
    assert vault.generations.generations(tenant) == (1, 2)
    vault.close()


def test_keys_that_are_not_fit(service: KmipService) -> None:
    service.put_key("asleep", KEY, active=False)
    for _ in range(2):
        service.put_key("twice", KEY)
    for name, error, why in (
        ("none", KeyServiceKey, "no key"),
        ("twice", KeyServiceKey, "several"),
        ("asleep", KeyServiceRefuses, "Active"),
    ):
        with pytest.raises(error, match=why):
            KmipKeyWrapper(service.address(name), system_entropy).wrap(KEY, HERE)


def test_who_the_archive_is_and_who_the_service_is(service: KmipService, tmp_path: Path) -> None:
    service.put_key("whose", KEY)
    wrapped = KmipKeyWrapper(service.address("whose"), system_entropy).wrap(KEY, HERE)
    stranger = service.address("whose", client="stranger")
    with pytest.raises((KeyServiceKey, KeyServiceRefuses)):
        KmipKeyWrapper(stranger, system_entropy).unwrap(wrapped, HERE)
    other = service.address("whose", certificate_authorities=service.folder / "client.pem")
    named = service.address("whose", host="localhost")  # the certificate is for the address
    for address in (other, named):
        with pytest.raises(KeyServiceAway):
            KmipKeyWrapper(address, system_entropy).unwrap(wrapped, HERE)
    missing = service.address("whose", certificate=tmp_path / "none.pem")
    with pytest.raises(KeyServiceRefuses, match="cannot be read"):
        KmipKeyWrapper(missing, system_entropy).unwrap(wrapped, HERE)


class Told:
    """A server that gives to each request the next of ``answers``: bytes, or a call that makes them of the request."""

    def __init__(self, service: KmipService) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(service.folder / "server.pem", service.folder / "server.key")
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._context, self.answers = context, list[bytes | Callable[[socket.socket], None]]()
        threading.Thread(target=self._serve, daemon=True).start()
        self.address: KmipAddress = service.address(port=self._listening.getsockname()[1], timeout=0.5)

    def _serve(self) -> None:
        while True:
            try:
                plain, _ = self._listening.accept()
            except OSError:
                return
            try:
                with self._context.wrap_socket(plain, server_side=True) as connection:
                    while connection.recv(65536) and self.answers:
                        answer = self.answers.pop(0)
                        if isinstance(answer, bytes):
                            connection.sendall(answer)
                        else:
                            answer(connection)
            except OSError:
                continue

    def close(self) -> None:
        self._listening.close()


@pytest.fixture
def told(service: KmipService) -> Iterator[Told]:
    server = Told(service)
    yield server
    server.close()


def item(tag: Tag, kind: int, value: bytes) -> bytes:
    return tag.to_bytes(3) + bytes([kind]) + len(value).to_bytes(4) + value + bytes(-len(value) % 8)


def answer(*payload: bytes, reason: int | None = None) -> bytes:
    status = item(Tag.RESULT_STATUS, 5, (0 if reason is None else 1).to_bytes(4))
    if reason is not None:
        status += item(Tag.RESULT_REASON, 5, reason.to_bytes(4)) + item(Tag.RESULT_MESSAGE, 7, b"so it is told")
    content = item(Tag.BATCH_ITEM, 1, status + item(Tag.RESPONSE_PAYLOAD, 1, b"".join(payload)))
    return item(Tag.RESPONSE_MESSAGE, 1, content)


FOUND = answer(item(Tag.UNIQUE_IDENTIFIER, 7, b"1"))
NESTED = item(Tag.RESPONSE_MESSAGE, 1, b"")
for _ in range(5000):
    NESTED = item(Tag.RESPONSE_MESSAGE, 1, NESTED)


def drip(connection: socket.socket) -> None:
    for each in FOUND:
        connection.sendall(bytes([each]))
        time.sleep(0.1)


@pytest.mark.parametrize(
    ("answers", "error", "why"),
    [
        ([b""], KeyServiceAway, "Timeout"),
        ([drip], KeyServiceAway, "Timeout"),
        ([b"HTTP/1.1 400 Bad Request\r\n\r\n"], KeyServiceFailed, "cannot be read"),
        ([item(Tag.RESPONSE_MESSAGE, 1, b"")], KeyServiceFailed, "cannot be read"),
        ([Tag.RESPONSE_MESSAGE.to_bytes(3) + b"\x01\xff\xff\xff\xff"], KeyServiceFailed, "cannot be read"),
        ([NESTED], KeyServiceFailed, "cannot be read"),
        ([answer(reason=1)], KeyServiceKey, "so it is told"),
        ([answer(reason=3)], KeyServiceRefuses, "so it is told"),
        ([answer(reason=5)], KeyServiceFailed, "so it is told"),
        ([FOUND, answer()], KeyServiceFailed, "no tag"),
        (
            [FOUND, answer(item(Tag.DATA, 8, KEY), item(Tag.AUTHENTICATION_TAG, 8, bytes(15)))],
            KeyServiceFailed,
            "no tag",
        ),
        (
            [
                FOUND,
                answer(
                    item(Tag.DATA, 8, KEY),
                    item(Tag.IV_COUNTER_NONCE, 8, bytes(12)),
                    item(Tag.AUTHENTICATION_TAG, 8, bytes(16)),
                ),
            ],
            KeyServiceFailed,
            "nonce",
        ),
        (
            [FOUND, answer(item(Tag.DATA, 8, KEY), item(Tag.AUTHENTICATION_TAG, 8, bytes(16))), answer()],
            KeyServiceFailed,
            "without data",
        ),
        (
            [
                FOUND,
                answer(item(Tag.DATA, 8, KEY), item(Tag.AUTHENTICATION_TAG, 8, bytes(16))),
                answer(item(Tag.DATA, 8, bytes(32))),
            ],
            KeyServiceFailed,
            "give back",
        ),
        (
            [
                FOUND,
                answer(item(Tag.DATA, 8, KEY), item(Tag.AUTHENTICATION_TAG, 8, bytes(16))),
                answer(item(Tag.DATA, 8, KEY)),
                answer(item(Tag.DATA, 8, KEY)),
            ],
            KeyServiceFailed,
            "bind",
        ),
    ],
)
def test_other_answers(
    answers: list[bytes | Callable[[socket.socket], None]], error: type[Unavailable], why: str, told: Told
) -> None:
    told.answers, began = list(answers), time.monotonic()
    with pytest.raises(error, match=why):
        KmipKeyWrapper(told.address, system_entropy).wrap(KEY, HERE)
    assert time.monotonic() - began < 5


def test_a_damaged_key_is_told_from_a_service_that_fails(service: KmipService, told: Told) -> None:
    service.put_key("damage", KEY)
    wrapper = KmipKeyWrapper(service.address("damage"), system_entropy)
    wrapped = wrapper.wrap(KEY, HERE)
    with pytest.raises(IntegrityError):
        wrapper.unwrap(wrapped, b"there")
    told.answers = [FOUND, answer(reason=0x100), FOUND, answer(reason=0x100)]
    with pytest.raises(KeyServiceFailed):
        KmipKeyWrapper(told.address, system_entropy).unwrap(wrapped, HERE)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 200), st.integers(0, 255))
def test_whatever_comes_is_read_or_refused(data: bytes, at: int, byte: int) -> None:
    good = answer(item(Tag.UNIQUE_IDENTIFIER, 7, b"1"), item(Tag.DATA, 8, KEY))
    at %= len(good)
    for message in (data, good[:at], good[:at] + bytes([byte]) + good[at + 1 :], good + data):
        try:
            kmip.read_result(message)
        except ValueError:
            continue


def test_settings_that_make_no_sense(tmp_path: Path) -> None:
    table = '[keys.key_encryption_kmip]\nhost = "h"\nkey = "k"\ncertificate = "c"\nprivate_key = "p"\n'
    for text in (table, table + 'certificate_authorities = "a"\nport = 0\n'):
        (tmp_path / "zdda.toml").write_text(text)
        with pytest.raises(SettingsInvalid):
            load(tmp_path / "zdda.toml")
