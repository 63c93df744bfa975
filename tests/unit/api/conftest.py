from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import httpx
import pytest
from fake_archive import PASSWORD, FakeArchive

Call = Callable[..., httpx.Response]


@pytest.fixture
def archive() -> FakeArchive:
    return FakeArchive()


@pytest.fixture
def call(archive: FakeArchive) -> Call:
    """One request to the application in this process, as ``kis`` unless told otherwise."""

    async def send(method: str, path: str, user: str | None, **options: Any) -> httpx.Response:
        transport = httpx.ASGITransport(archive.application, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="https://archive") as client:
            auth = httpx.BasicAuth(user, PASSWORD) if user else None
            return await client.request(method, path, auth=auth, **options)

    def run(method: str, path: str, user: str | None = "kis", **options: Any) -> httpx.Response:
        return anyio.run(lambda: send(method, path, user, **options))

    return run


async def in_pieces(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
