"""A proxy of ours in front of a real S3 store, which fails or lies where a rule says so and else passes on.

The request goes on byte for byte, ``Host`` included, so that its signature still holds there.
"""

from __future__ import annotations

import http.client
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl, unquote, urlsplit

_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length"})


@dataclass(frozen=True)
class Request:
    """One request. ``query`` keeps names without a value (``?retention``) as empty ones."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def key(self) -> str:
        return unquote(urlsplit(self.target).path.lstrip("/")).partition("/")[2]

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    def asks(self, method: str, *names: str) -> bool:
        """Whether it is this call: the method, and these names in the query."""
        return self.method == method and set(names) <= self.query.keys()

    @property
    def writes_object(self) -> bool:
        return self.method == "PUT" and bool(self.key) and not self.query.keys() - {"x-id"}


@dataclass(frozen=True)
class Answer:
    """``cut``: so many bytes of the body, then the connection ends. ``stall``: seconds of silence before it;
    ``hang``: seconds of silence in the body, after ``cut`` bytes."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    cut: int | None = None
    stall: float = 0.0
    hang: float = 0.0

    def with_headers(self, **headers: str) -> Answer:
        """With these instead; without those that are empty."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        kept = {name: value for name, value in self.headers.items() if name.lower() not in named}
        return replace(self, headers=kept | {name: value for name, value in named.items() if value})


Forward = Callable[[Request], Answer]
Rule = Callable[[Request, Forward], Answer]


def refusal(status: int, code: str) -> Answer:
    """An S3 error document."""
    text = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>no</Message></Error>"
    return Answer(status, {"content-type": "application/xml"}, text.encode())


def honest(request: Request, forward: Forward) -> Answer:
    """The rule that neither fails nor lies."""
    return forward(request)


class FaultyStore:
    """Listens on the loopback interface; ``rule`` may be changed at any time, ``seen`` has every request."""

    def __init__(self, behind: str, rule: Rule = honest, certificate: tuple[Path, Path] | None = None) -> None:
        self.rule, self.seen = rule, list[Request]()
        self._behind = urlsplit(behind).netloc
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def _serve(self) -> None:
                outer._serve(self)

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _serve  # noqa: N815

            def handle(self) -> None:
                with suppress(ConnectionError):
                    super().handle()

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        scheme = "http" if certificate is None else "https"
        self.endpoint = f"{scheme}://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        request = Request(handler.command, handler.path, dict(handler.headers.items()), body)
        self.seen.append(request)
        answer = self.rule(request, self._forward)
        time.sleep(answer.stall)
        content = b"" if request.method == "HEAD" else answer.body
        stated = answer.headers.get("content-length", "0") if request.method == "HEAD" else str(len(content))
        try:
            handler.send_response_only(answer.status)
            for name, value in answer.headers.items():
                if name not in _HOP:
                    handler.send_header(name, value)
            handler.send_header("content-length", stated)
            handler.end_headers()
            handler.wfile.write(content[: answer.cut])
            handler.wfile.flush()
            time.sleep(answer.hang)
        except OSError:
            handler.close_connection = True  # whoever asked has given up
        if answer.cut is not None:
            handler.close_connection = True

    def _forward(self, request: Request) -> Answer:
        connection = http.client.HTTPConnection(self._behind, timeout=30)
        try:
            connection.putrequest(request.method, request.target, skip_host=True, skip_accept_encoding=True)
            for name, value in request.headers.items():
                if name.lower() not in _HOP and name.lower() != "expect":
                    connection.putheader(name, value)
            connection.putheader("Content-Length", str(len(request.body)))
            connection.endheaders(request.body)
            answer = connection.getresponse()
            headers = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, headers, answer.read())
        finally:
            connection.close()
