"""The HTTPS server: uvicorn on httptools, with the bounds that neither of them sets.

Neither limits the head of a request (request line and headers), in bytes or in time, nor does uvicorn drop a
connection over which nothing was ever asked; one client could keep memory or connections for ever.
"""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from zdda.crypto.approved import require_approved_certificates, restrict_tls

MAX_HEAD_BYTES = 64 * 1024
HEAD_SECONDS = 20.0
GRACE_SECONDS = 30


class BoundedProtocol(HttpToolsProtocol):
    """Ends a connection whose next request's head is over ``MAX_HEAD_BYTES`` or does not come in ``HEAD_SECONDS``."""

    max_head_bytes = MAX_HEAD_BYTES
    head_seconds = HEAD_SECONDS

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._in_head, self._head_bytes = True, 0
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_came()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        begun_in_head = self._in_head
        super().data_received(data)
        if not self._in_head:
            return
        # a chunk that ends one request and begins the next is counted whole: chunks are bounded themselves
        self._head_bytes = self._head_bytes + len(data) if begun_in_head else len(data)
        if self._head_bytes > self.max_head_bytes and not self.transport.is_closing():
            self.send_400_response("The head of the request is too long.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if not self._in_head:
            self._await_head()

    def on_headers_complete(self) -> None:
        self._head_came()
        super().on_headers_complete()

    def _await_head(self) -> None:
        self._in_head, self._head_bytes = True, 0
        self._head_timer = self.loop.call_later(self.head_seconds, self._head_is_late)

    def _head_came(self) -> None:
        self._in_head = False
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_is_late(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()


def server_config(
    application: ASGIApp, host: str, port: int, key: Path, certificates: Path, *, approved_only: bool = False
) -> uvicorn.Config:
    """HTTPS alone, TLS 1.2 at least. ``key`` and ``certificates`` (the server's, then its issuers') are PEM files.
    ``approved_only``: the FIPS mode; raises ``NotApproved`` for certificates outside it."""
    if approved_only:
        require_approved_certificates(certificates, "the server's")
    return uvicorn.Config(
        application,
        host=host,
        port=port,
        http=BoundedProtocol,
        ws="none",
        ssl_keyfile=key,
        ssl_certfile=certificates,
        ssl_context_factory=_approved_context if approved_only else _context,
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


def _approved_context(config: uvicorn.Config, default: object) -> ssl.SSLContext:
    context = _context(config, default)
    restrict_tls(context)
    return context


def _context(config: uvicorn.Config, _default: object) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    assert config.ssl_certfile is not None
    context.load_cert_chain(config.ssl_certfile, config.ssl_keyfile)
    return context
