"""The demonstration authority over HTTP on loopback: /tsa, /ocsp, /crl/NAME.crl, /ca/NAME.cer."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from zdda.demonstration.authority import DemonstrationAuthority
from zdda.demonstration.timestamps import DemonstrationTimestamps

_MAX_REQUEST = 16 * 1024


class LoopbackServer:
    """A uvicorn server in a thread, on a loopback port that the system chooses unless told.

    The port is bound by the constructor: ``base_url`` is known before the authority is made.
    """

    def __init__(self, port: int = 0) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", port))
        self.port: int = self._socket.getsockname()[1]
        self.base_url = f"http://127.0.0.1:{self.port}"
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    def start(self, application: Starlette) -> None:
        """Serves ``application`` until ``stop``; answers once this returns."""
        config = uvicorn.Config(application, log_config=None, lifespan="off", access_log=False)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self.listening()]}, name="demonstration", daemon=True
        )
        self._thread.start()

    def listening(self) -> socket.socket:
        """The bound socket, listening: for a server that is not started here."""
        self._socket.listen(128)
        return self._socket

    def stop(self) -> None:
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join()
        self._socket.close()


def application(authority: DemonstrationAuthority, timestamps: DemonstrationTimestamps) -> Starlette:
    """The ASGI application of one authority."""
    return Starlette(
        routes=[
            Route("/tsa", _post(timestamps.respond, "application/timestamp-reply"), methods=["POST"]),
            Route("/ocsp", _post(authority.ocsp_response, "application/ocsp-response"), methods=["POST"]),
            Route("/crl/{name}.crl", _get(authority.crl, "application/pkix-crl")),
            Route("/ca/{name}.cer", _get(authority.certificate, "application/pkix-cert")),
        ]
    )


def _post(answer: Callable[[bytes], bytes], media_type: str) -> Callable[[Request], object]:
    async def endpoint(request: Request) -> Response:
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > _MAX_REQUEST:
                return Response(status_code=413)
        try:
            return Response(await run_in_threadpool(answer, body), media_type=media_type)
        except ValueError:
            return Response(status_code=400)

    return endpoint


def _get(answer: Callable[[str], bytes], media_type: str) -> Callable[[Request], object]:
    async def endpoint(request: Request) -> Response:
        try:
            return Response(await run_in_threadpool(answer, request.path_params["name"]), media_type=media_type)
        except ValueError:
            return Response(status_code=404)

    return endpoint
