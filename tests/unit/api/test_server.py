"""The interface behind the real server, over TLS on loopback."""

from __future__ import annotations

import asyncio
import base64
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from uuid import UUID

import httpx
import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from fake_archive import METADATA, NOW, PASSWORD, FakeArchive

from zdda.api.server import BoundedProtocol, server_config

HERE = f"/v1/packages/{UUID(int=7)}"


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "loopback")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW - timedelta(days=3650))
        .not_valid_after(NOW + timedelta(days=36500))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return folder / "key.pem", folder / "certificate.pem"


@dataclass
class Running:
    archive: FakeArchive
    port: int
    context: ssl.SSLContext

    def client(self) -> httpx.Client:
        auth = ("kis", PASSWORD)
        url = f"https://127.0.0.1:{self.port}"
        return httpx.Client(base_url=url, auth=auth, verify=self.context, trust_env=False, timeout=20)

    def connect(self) -> ssl.SSLSocket:
        raw = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        return self.context.wrap_socket(raw, server_hostname="127.0.0.1")


@pytest.fixture
def running(pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    monkeypatch.setattr(BoundedProtocol, "head_seconds", 0.5)
    archive = FakeArchive()
    server = uvicorn.Server(server_config(archive.application, "127.0.0.1", 0, *pair))
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
    thread.start()
    try:
        yield Running(archive, listener.getsockname()[1], ssl.create_default_context(cafile=pair[1]))
    finally:
        server.should_exit = True
        thread.join(30)


def answer_of(connection: ssl.SSLSocket) -> bytes:
    """Everything until the server closes."""
    received = b""
    while True:
        try:
            piece = connection.recv(65536)
        except (ConnectionError, ssl.SSLError):
            return received
        if not piece:
            return received
        received += piece


def head(path: str = "/v1/deposits", **headers: str) -> bytes:
    credentials = base64.b64encode(f"kis:{PASSWORD}".encode()).decode()
    lines = ["POST " + path + " HTTP/1.1", "Host: x", f"Authorization: Basic {credentials}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def test_a_deposit_and_a_download(running: Running) -> None:
    with running.client() as client:
        parts = [("metadata", (None, METADATA)), ("document", ("a.bin", bytes(3 << 20)))]
        assert client.post("/v1/deposits", files=parts).status_code == 201
        answer = client.get(f"{HERE}/documents/1")
        assert answer.content == running.archive.content
        assert "server" not in answer.headers
        assert answer.headers["strict-transport-security"]


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_tls_1_1_is_refused(running: Running) -> None:
    running.context.maximum_version = ssl.TLSVersion.TLSv1_1
    running.context.minimum_version = ssl.TLSVersion.TLSv1
    running.context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError):
        running.connect()


def test_wrong_bytes_never_complete(running: Running) -> None:
    running.archive.damaged_at = 3
    received = b""
    with running.client() as client, client.stream("GET", f"{HERE}/documents/1") as answer:
        assert answer.status_code == 200
        pieces = answer.iter_raw()
        while len(received) < 3 * 65536:
            received += next(pieces)
        with pytest.raises(httpx.RemoteProtocolError):
            next(pieces)
    assert received == running.archive.content[: 3 * 65536]
    assert running.archive.closed_contents == 1


def test_an_early_refusal_reaches_a_client_that_still_sends(running: Running) -> None:
    parts = [("metadata", (None, b"{}")), ("document", ("a.bin", bytes(3 << 20)))]
    with running.client() as client:
        for _ in range(3):  # over one connection
            assert client.post("/v1/deposits", files=parts).status_code == 422
        assert client.post("/v1/deposits", files=parts, auth=("kis", "wrong")).status_code == 401
    assert {reception.ended for reception in running.archive.receptions} == {"aborted"}


def test_a_length_over_the_limit_is_refused_before_the_body(running: Running) -> None:
    with running.connect() as connection:
        connection.sendall(
            head(Content_Length=str(1 << 40), Content_Type="multipart/form-data; boundary=b", Expect="100-continue")
        )
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 413")
    assert not running.archive.receptions


def test_a_client_that_leaves_in_the_middle(running: Running) -> None:
    lines = b'--b\r\nContent-Disposition: form-data; name="document"; filename="a.bin"\r\n\r\n'
    with running.connect() as connection:
        connection.sendall(head(Content_Length="1000000", Content_Type="multipart/form-data; boundary=b") + lines)
        connection.sendall(bytes(400_000))
        assert running.archive.written.wait(20)
    assert running.archive.aborted.wait(20)
    assert running.archive.receptions[0].ended == "aborted"


def test_a_reader_that_leaves_in_the_middle(running: Running) -> None:
    running.archive.content = bytes(64 << 20)
    with running.client() as client, client.stream("GET", f"{HERE}/aip") as answer:
        next(answer.iter_raw())
    assert running.archive.content_closed.wait(20)


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nX-Slow: "])
def test_a_head_that_does_not_come(running: Running, begun: bytes) -> None:
    with running.connect() as connection:
        connection.sendall(begun)
        assert answer_of(connection) == b""


TOO_LONG = {
    "line": b"GET /" + b"a" * (1 << 20),
    "header": b"GET / HTTP/1.1\r\nX: " + b"a" * (1 << 20),
    "headers": b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * (1 << 16),
}


@pytest.mark.parametrize("kind", TOO_LONG)
def test_a_head_that_is_too_long(running: Running, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BoundedProtocol, "head_seconds", 600.0)
    with running.connect() as connection:
        try:
            connection.sendall(TOO_LONG[kind])
        except (ConnectionError, ssl.SSLError):
            return  # closed while we sent
        answer = answer_of(connection)
        assert not answer or answer.startswith(b"HTTP/1.1 400")


def test_one_connection_serves_many_requests(running: Running) -> None:
    with running.client() as client:
        assert [client.get("/v1/health/live").status_code for _ in range(5)] == [200] * 5
