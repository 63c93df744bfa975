"""Blocking calls of the use cases in threads, each kind with its own bound: none can starve another."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import anyio
import anyio.to_thread

P = ParamSpec("P")
T = TypeVar("T")


class Threads:
    """At most ``count`` threads of one kind of call. More callers queue; ``full`` tells beforehand."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._limiter: anyio.CapacityLimiter | None = None

    async def run(self, function: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
        """Runs ``function``; a cancellation waits for its end, so nothing goes on behind the caller's back."""
        return await anyio.to_thread.run_sync(lambda: function(*arguments, **options), limiter=self._bound())

    @property
    def full(self) -> bool:
        """Whether the next call would have to queue."""
        return self._bound().available_tokens < 1

    def _bound(self) -> anyio.CapacityLimiter:
        # made on first use: a limiter belongs to the event loop it is made in
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(self._count)
        return self._limiter
