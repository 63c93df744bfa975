"""A stand-in for the transit engine of Vault and OpenBao, written from their published HTTP API: one mount, keys of
type aes256-gcm96 with versions, one token, TLS. It is ours, no code of theirs: the tests say so."""

from __future__ import annotations

import base64
import json
import os
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.simulator.tls import self_signed
from zdda.crypto.vault_key_wrapping import VaultAddress

TOKEN = "s.token-of-the-archive"


@dataclass
class _Key:
    versions: list[bytes] = field(default_factory=lambda: [os.urandom(32)])
    exportable: bool = False
    type: str = "aes256-gcm96"
    minimum: int = 1


class Transit:
    """The server. ``faults``: status codes (int), bodies of status 200 (bytes), bodies with seconds a byte, or seconds
    of waiting (float), each for one request that comes; ``forgets_associated_data``: as versions of before 1.9 did."""

    def __init__(self, folder: Path) -> None:
        self.token, self.sealed, self.forgets_associated_data = TOKEN, False, False
        self.keys: dict[str, _Key] = {}
        self.faults: list[int | bytes | float | tuple[bytes, float]] = []
        self.asked: list[str] = []
        self.folder = folder
        self.certificate, private = self_signed(folder)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(self.certificate, private)
        self._server: ThreadingHTTPServer | None = None
        self.port = 0
        self.start()

    def start(self) -> None:
        transit = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                transit._answer(self, None)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                transit._answer(self, json.loads(body or b"{}"))

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            allow_reuse_address = True
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                pass  # clients go away in the middle

        self._server = Server(("127.0.0.1", self.port), Handler)
        self._server.socket = self._context.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def address(self, key: str = "archive", **other: Any) -> VaultAddress:
        values: dict[str, Any] = {
            "url": f"https://127.0.0.1:{self.port}",
            "mount": "transit",
            "key": key,
            "token": lambda: self.token,
            "certificate_authorities": self.certificate,
            "timeout": 5.0,
        }
        return VaultAddress(**{**values, **other})

    def settings(self, key: str, token_file: Path) -> str:
        return (
            f'[keys.key_encryption_vault]\naddress = "https://127.0.0.1:{self.port}"\nkey = "{key}"\n'
            f'token_file = "{token_file}"\ncertificate_authorities = "{self.certificate}"\n'
        )

    def put_key(self, name: str, key: bytes | None = None, exportable: bool = False) -> None:
        self.keys[name] = _Key([key or os.urandom(32)], exportable)

    def rotate(self, name: str) -> None:
        self.keys[name].versions.append(os.urandom(32))

    def _answer(self, handler: BaseHTTPRequestHandler, body: dict[str, Any] | None) -> None:
        self.asked.append(f"{handler.command} {handler.path}")
        fault = self.faults.pop(0) if self.faults else None
        if isinstance(fault, float):
            time.sleep(fault)
        if isinstance(fault, bytes):
            status, content = 200, fault
        elif isinstance(fault, int):
            status, content = fault, b'{"errors":["so it is told"]}'
        else:
            status, told = self._work(handler, body)
            content = json.dumps(told).encode()
        if isinstance(fault, tuple):
            status, content = 200, fault[0]
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        if isinstance(fault, tuple):
            for each in content:
                handler.wfile.write(bytes([each]))
                time.sleep(fault[1])
        else:
            handler.wfile.write(content)

    def _work(self, handler: BaseHTTPRequestHandler, body: dict[str, Any] | None) -> tuple[int, dict[str, Any]]:
        if self.sealed:
            return 503, {"errors": ["Vault is sealed"]}
        if handler.headers.get("X-Vault-Token") != TOKEN:
            return 403, {"errors": ["permission denied"]}
        _, _, mount, what, name = handler.path.split("/", 4)
        key = self.keys.get(name)
        if mount != "transit":
            return 404, {"errors": ["no handler for route"]}
        if what == "keys" and body is not None:
            self.keys.setdefault(name, _Key(exportable=bool(body.get("exportable")), type=body["type"]))
            return 204, {}
        if key is None:
            return (404, {"errors": []}) if what == "keys" else (400, {"errors": ["encryption key not found"]})
        if what == "keys":
            told = {"type": key.type, "exportable": key.exportable, "latest_version": len(key.versions)}
            return 200, {"data": {**told, "derived": False, "allow_plaintext_backup": False}}
        assert body is not None
        return self._encrypt(key, body) if what == "encrypt" else self._decrypt(key, body)

    def _place(self, body: dict[str, Any]) -> bytes | None:
        return None if self.forgets_associated_data else base64.b64decode(body.get("associated_data") or "")

    def _encrypt(self, key: _Key, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        nonce = os.urandom(12)
        sealed = AESGCM(key.versions[-1]).encrypt(nonce, base64.b64decode(body["plaintext"]), self._place(body))
        text = f"vault:v{len(key.versions)}:{base64.b64encode(nonce + sealed).decode()}"
        return 200, {"data": {"ciphertext": text, "key_version": len(key.versions)}}

    def _decrypt(self, key: _Key, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        try:
            _, version, text = body["ciphertext"].split(":")
            number, sealed = int(version[1:]), base64.b64decode(text, validate=True)
            if not key.minimum <= number <= len(key.versions):
                return 400, {"errors": ["ciphertext or signature version is disallowed by policy (too old)"]}
            plain = AESGCM(key.versions[number - 1]).decrypt(sealed[:12], sealed[12:], self._place(body))
        except (ValueError, InvalidTag):
            return 400, {"errors": ["cipher: message authentication failed"]}
        return 200, {"data": {"plaintext": base64.b64encode(plain).decode()}}


@pytest.fixture
def transit(tmp_path: Path) -> Iterator[Transit]:
    folder = tmp_path / "key-service"
    folder.mkdir()
    server = Transit(folder)
    yield server
    server.stop()
