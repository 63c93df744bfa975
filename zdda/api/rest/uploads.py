"""Bodies on their way in, whatever they are for: who may send, how fast, how much; parts go to their sinks at once."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

import anyio
from fastapi import Request
from starlette.requests import ClientDisconnect

from zdda.api.multipart import MultipartReader, PartReceiver, boundary_of
from zdda.api.threads import Threads
from zdda.ingest.uploads import DepositTooLarge
from zdda.model.errors import InvalidInput, Unavailable

T = TypeVar("T")
_LENGTH = re.compile(r"[0-9]{1,18}")
_HAND_OVER = 256 * 1024
_GRACE = 60.0
"""Seconds of waiting for a client that count for nothing."""


class PartUnknown(InvalidInput):
    """A part has a name that the interface does not know."""

    code = "part-unknown"


class UploadStalled(InvalidInput):
    """The client sent nothing, or next to nothing, for longer than the settings allow: it holds another's place."""

    code = "upload-stalled"


class TooManyRequests(Unavailable):
    """As many deposits are being received as the settings allow."""

    code = "too-many-requests"


class UploadLimits(Protocol):
    """See ``DepositLimits``."""

    @property
    def max_body_bytes(self) -> int: ...

    @property
    def max_documents(self) -> int: ...

    @property
    def idle_seconds(self) -> float: ...

    @property
    def minimum_rate(self) -> int: ...


class Places:
    """Who may send a body now: so many at once, and so many of one account. Lives in one event loop."""

    def __init__(self, most: int, most_of_one: int) -> None:
        self._most, self._most_of_one = most, most_of_one
        self._held: Counter[str] = Counter()

    @contextmanager
    def taken(self, account: str) -> Iterator[None]:
        """Raises ``TooManyRequests``."""
        if self._held.total() >= self._most or self._held[account] >= self._most_of_one:
            raise TooManyRequests("too many deposits are being received")
        self._held[account] += 1
        try:
            yield
        finally:
            self._held[account] -= 1


def checked_boundary(request: Request, limits: UploadLimits) -> bytes:
    """The body's boundary; raises ``DepositTooLarge`` for an announced length over the limit."""
    length = request.headers.get("content-length", "0")
    if not _LENGTH.fullmatch(length) or int(length) > limits.max_body_bytes:
        raise DepositTooLarge("the body is over the limit of a deposit")
    return boundary_of(request.headers.get("content-type", ""))


async def receive(
    request: Request,
    boundary: bytes,
    parts: PartReceiver,
    limits: UploadLimits,
    uploads: Threads,
    complete: Callable[[], T],
    abort: Callable[[], None],
    *,
    lasting: bool = False,
) -> T:
    """Feeds the body to ``parts``, then gives what ``complete`` answers. ``abort`` is called at the end whatever
    happened, in no cancellation's reach; it must do nothing to what is complete. ``lasting``: what has answered is
    complete and leaves nothing to be cleared away."""
    completed = False
    try:
        reader = MultipartReader(boundary, parts, limits.max_documents + 2)
        gathered, received = bytearray(), 0
        async for chunk in _body(request, limits.idle_seconds, limits.minimum_rate):
            received += len(chunk)
            if received > limits.max_body_bytes:
                raise DepositTooLarge("the body is over the limit of a deposit")
            gathered += chunk
            if len(gathered) >= _HAND_OVER:
                await uploads.run(reader.feed, bytes(gathered))
                gathered.clear()

        def finish() -> T:
            nonlocal completed
            reader.feed(bytes(gathered))
            reader.finish()
            answer = complete()
            completed = True
            return answer

        return await uploads.run(finish)
    except ClientDisconnect as error:
        raise InvalidInput("the client left before the end of the body") from error
    finally:
        if not (completed and lasting):
            with anyio.CancelScope(shield=True):
                await uploads.run(abort)


async def _body(request: Request, idle_seconds: float, minimum_rate: int) -> AsyncIterator[bytes]:
    """The body's chunks; raises ``UploadStalled``. The archive's own time for a chunk does not count."""
    stream, received, waited = request.stream(), 0, 0.0
    while True:
        begun = anyio.current_time()
        with anyio.move_on_after(idle_seconds) as idle:
            chunk = await anext(stream, None)
        waited += anyio.current_time() - begun
        if chunk is not None:
            received += len(chunk)
        if idle.cancelled_caught or (waited - _GRACE) * minimum_rate > received:
            raise UploadStalled("the body comes too slowly")
        if chunk is None:
            return
        yield chunk
