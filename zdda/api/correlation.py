"""One correlation id through every line and every answer of a request."""

from __future__ import annotations

import re
import time
from uuid import uuid4

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from zdda.api.problems import KNOWN, problem
from zdda.model.errors import ZddaError

HEADER = "x-correlation-id"
_GIVEN = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_log = structlog.get_logger("zdda.access")


class CorrelationMiddleware:
    """Takes the caller's id where it has a safe form, else makes one; logs each request by its route, never its path.

    An exception that nothing below has answered becomes the problem ``internal``; where the answer had begun, the
    connection is given up, so that the client sees an incomplete body and not a complete wrong one.
    """

    def __init__(self, application: ASGIApp) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        given = next((value for name, value in scope["headers"] if name == HEADER.encode()), b"")
        correlation_id = given.decode("ascii") if _GIVEN.fullmatch(given) else uuid4().hex
        scope.setdefault("state", {})["correlation_id"] = correlation_id
        status: int | None = None

        async def send_marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (HEADER.encode(), correlation_id.encode())]
            await send(message)

        begun = time.monotonic()
        with structlog.contextvars.bound_contextvars(correlation_id=correlation_id):
            try:
                await self._application(scope, receive, send_marked)
            except Exception as error:
                expected = isinstance(error, ZddaError)
                _log.error("request-failed", error=type(error).__name__, exc_info=not expected)
                if status is not None:
                    raise  # the server closes the connection
                answer = problem("internal", KNOWN["internal"], KNOWN["internal"].title, correlation_id)
                await answer(scope, receive, send_marked)
            finally:
                route = getattr(scope.get("route"), "path", None)
                milliseconds = round((time.monotonic() - begun) * 1000)
                _log.info("request", method=scope["method"], route=route, status=status, milliseconds=milliseconds)
