"""The denominator of deposits and retrievals: one POST is hashed, written and synced; one GET is read and hashed."""

from __future__ import annotations

import hashlib
import os
import sys
from itertools import count
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


def application(folder: Path) -> Starlette:
    """POST / keeps a body; GET /NUMBER gives it back, its digest checked."""
    numbers = count()

    def keep(body: bytes) -> str:
        number = next(numbers)
        descriptor = os.open(folder / str(number), os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        os.write(descriptor, body)
        os.fsync(descriptor)
        os.close(descriptor)
        (folder / f"{number}.sha256").write_text(hashlib.sha256(body).hexdigest())
        return str(number)

    def give(number: str) -> bytes:
        body = (folder / number).read_bytes()
        if hashlib.sha256(body).hexdigest() != (folder / f"{number}.sha256").read_text():
            raise ValueError("damaged")
        return body

    async def post(request: Request) -> Response:
        return Response(await run_in_threadpool(keep, await request.body()))

    async def get(request: Request) -> Response:
        return Response(await run_in_threadpool(give, request.path_params["number"]))

    return Starlette(routes=[Route("/", post, methods=["POST"]), Route("/{number}", get)])


if __name__ == "__main__":
    folder, key, certificates, port = sys.argv[1:]
    uvicorn.run(
        application(Path(folder)), port=int(port), ssl_keyfile=key, ssl_certfile=certificates, log_level="critical"
    )
