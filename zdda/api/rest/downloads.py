"""Bytes on their way out: complete and right, or the connection breaks."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator

import anyio
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from zdda.api.content_disposition import attachment
from zdda.api.threads import Threads
from zdda.model.errors import IntegrityError
from zdda.model.views import Content

_MEDIA_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,127}/[A-Za-z0-9!#$&^_.+-]{1,127}")


class ContentResponse(Response):
    """Streams a ``Content`` and closes it, whatever happens.

    It is opened and its first chunk read before the status goes out: what cannot be read at all is an error
    answer. A chunk that fails later raises; the body stays shorter than its Content-Length.
    """

    def __init__(self, content: Content, threads: Threads) -> None:
        media_type = content.media_type if _MEDIA_TYPE.fullmatch(content.media_type) else "application/octet-stream"
        super().__init__(headers=content_headers(content) | {"Content-Type": media_type})
        self._content, self._threads = content, threads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        chunks = await self._threads.run(self._content.chunks.__enter__)
        try:
            async with anyio.create_task_group() as tasks:

                async def until_left() -> None:
                    while (await receive())["type"] != "http.disconnect":
                        pass
                    tasks.cancel_scope.cancel()

                first = await self._threads.run(next, chunks, None)
                tasks.start_soon(until_left)
                await self._stream(first, chunks, send)
                tasks.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            raise _first(group) from group
        finally:
            with anyio.CancelScope(shield=True):
                await self._threads.run(self._content.chunks.__exit__, None, None, None)

    async def _stream(self, chunk: bytes | None, chunks: Iterator[bytes], send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        left = self._content.length
        while chunk is not None:
            left -= len(chunk)
            if left < 0:
                raise IntegrityError("a content is longer than it is said to be")
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            chunk = await self._threads.run(next, chunks, None)
        if left:
            raise IntegrityError("a content is shorter than it is said to be")
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def content_headers(content: Content) -> dict[str, str]:
    """Headers of a download: RFC 6266 disposition, RFC 9530 digest, nothing to sniff, nothing to cache."""
    headers = {
        "Content-Disposition": attachment(content.file_name),
        "Content-Length": str(content.length),
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Cache-Control": "no-store",
    }
    if content.sha256 is not None:
        headers["Repr-Digest"] = digest_header(content.sha256)
    return headers


def digest_header(sha256: bytes) -> str:
    """``Repr-Digest`` after RFC 9530."""
    return f"sha-256=:{base64.b64encode(sha256).decode('ascii')}:"
