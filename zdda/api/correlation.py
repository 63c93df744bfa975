"""One correlation id through every line and every answer of a request."""

from __future__ import annotations

import re
import time
import traceback

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from zdda.api.problems import KNOWN, problem, problem_of
from zdda.model.clock import Entropy, system_entropy
from zdda.model.errors import ZddaError

HEADER = "x-correlation-id"
_GIVEN = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ALWAYS = ((b"strict-transport-security", b"max-age=31536000"), (b"x-content-type-options", b"nosniff"))
_log = structlog.get_logger("zdda.access")


class CorrelationMiddleware:
    """Takes the caller's id where it has a safe form, else makes one; logs each request by its route, never its path.

    An exception that nothing below has answered becomes a problem; where the answer had begun, it is left
    incomplete: the server then closes the connection, and the client never takes wrong bytes for a whole.
    """

    def __init__(self, application: ASGIApp, entropy: Entropy = system_entropy) -> None:
        self._application, self._entropy = application, entropy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        given = next((value for name, value in scope["headers"] if name == HEADER.encode()), b"")
        correlation_id = given.decode("ascii") if _GIVEN.fullmatch(given) else self._entropy(16).hex()
        scope.setdefault("state", {})["correlation_id"] = correlation_id
        status: int | None = None

        async def send_marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                present = {name.lower() for name, _ in message["headers"]}
                added = [pair for pair in _ALWAYS if pair[0] not in present]
                message["headers"] = [*message["headers"], *added, (HEADER.encode(), correlation_id.encode())]
            await send(message)

        begun = time.monotonic()
        with structlog.contextvars.bound_contextvars(correlation_id=correlation_id):
            try:
                await self._application(scope, receive, send_marked)
            except Exception as error:  # noqa: BLE001
                _log.error("request-failed", **without_values(error))
                if status is None:
                    answer = (
                        problem_of(error, correlation_id)
                        if isinstance(error, ZddaError)
                        else problem("internal", KNOWN["internal"], KNOWN["internal"].title, correlation_id)
                    )
                    await answer(scope, receive, send_marked)
            finally:
                route = getattr(scope.get("route"), "path", None)
                milliseconds = round((time.monotonic() - begun) * 1000)
                _log.info("request", method=scope["method"], route=route, status=status, milliseconds=milliseconds)


def without_values(error: BaseException) -> dict[str, object]:
    """What of an exception goes into a log: kinds and places, never messages, which may quote patient data."""
    kinds: list[str] = []
    current: BaseException | None = error
    while current is not None and len(kinds) < 10:
        code = f" ({current.code})" if isinstance(current, ZddaError) else ""
        kinds.append(type(current).__qualname__ + code)
        current = current.__cause__ or current.__context__
    frames = traceback.extract_tb(error.__traceback__)[-20:]
    return {"error": kinds, "places": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]}
