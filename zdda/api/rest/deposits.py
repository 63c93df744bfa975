"""POST /v1/deposits and GET /v1/deposits/{id}: the body goes from the socket to the spool in chunks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

import anyio
from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from zdda.api.authentication import Authenticator, requires
from zdda.api.multipart import MultipartReader, PartHeader, boundary_of
from zdda.api.problems import KNOWN, problem
from zdda.api.rest.openapi import DEPOSIT_BODY, DEPOSIT_RESPONSES, problems
from zdda.api.rest.presentation import deposit_json
from zdda.identity.accounts import Account, Role
from zdda.model.deposit import DepositState
from zdda.model.errors import InvalidInput, NotFound, Unavailable
from zdda.model.views import Deposits, DepositStatus, DocumentSink, Reception

MAX_METADATA_BYTES = 1024 * 1024
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_HAND_OVER = 256 * 1024


class MetadataTooLarge(InvalidInput):
    """The part named metadata is over 1 MiB."""

    code = "metadata-too-large"


class PartUnknown(InvalidInput):
    """A part has a name that the interface does not know."""

    code = "part-unknown"


class DepositTooLarge(InvalidInput):
    """Content-Length says that the body is over the limit; not one byte of it was read."""

    code = "deposit-too-large"


class IdempotencyKeyInvalid(InvalidInput):
    """The header Idempotency-Key has another form than 1 to 255 printable ASCII characters."""

    code = "idempotency-key-invalid"


class TooManyRequests(Unavailable):
    """As many deposits are being received as the settings allow."""

    code = "too-many-requests"


@dataclass(frozen=True, slots=True)
class DepositLimits:
    """Bounds that the interface holds by itself, before the use case sees a byte."""

    max_body_bytes: int
    max_documents: int
    max_concurrent: int
    wait_seconds: float


class _Metadata:
    def __init__(self, reception: Reception) -> None:
        self._reception, self._data = reception, bytearray()

    def write(self, data: bytes, /) -> None:
        if len(self._data) + len(data) > MAX_METADATA_BYTES:
            raise MetadataTooLarge("the metadata are over 1 MiB")
        self._data += data

    def close(self) -> None:
        self._reception.metadata(bytes(self._data))


class _Parts:
    """Which part goes where: ``metadata``; ``document`` (role main) and ``attachment``."""

    def __init__(self, reception: Reception) -> None:
        self._reception = reception

    def open_part(self, header: PartHeader) -> DocumentSink:
        if header.name == "metadata":
            return _Metadata(self._reception)
        roles = {"document": "main", "attachment": "attachment"}
        if header.name not in roles:
            raise PartUnknown("parts are named metadata, document or attachment")
        return self._reception.open_document(roles[header.name], header.file_name or "", header.media_type)


def deposits_router(deposits: Deposits, authenticator: Authenticator, limits: DepositLimits) -> APIRouter:
    """The routes under /v1/deposits."""
    router = APIRouter(prefix="/v1/deposits", tags=["deposits"])
    producer = requires(authenticator, Role.PRODUCER)
    receiving = anyio.Semaphore(limits.max_concurrent)

    @router.post(
        "",
        summary="Deposit documents with their metadata",
        responses=DEPOSIT_RESPONSES,
        openapi_extra=DEPOSIT_BODY,
        response_class=JSONResponse,
    )
    async def create(request: Request, account: Annotated[Account, Depends(producer)]) -> JSONResponse:
        key = request.headers.get("idempotency-key")
        if key is not None and not _KEY.fullmatch(key):
            raise IdempotencyKeyInvalid("an idempotency key has 1 to 255 printable ASCII characters")
        length = request.headers.get("content-length", "0")
        if not length.isdigit() or int(length) > limits.max_body_bytes:
            raise DepositTooLarge("the body is over the limit of a deposit")
        boundary = boundary_of(request.headers.get("content-type", ""))
        try:
            receiving.acquire_nowait()
        except anyio.WouldBlock as error:
            raise TooManyRequests("too many deposits are being received") from error
        try:
            status = await _receive(request, account, key, boundary)
        finally:
            receiving.release()
        status = await _settled(status)
        return _answer(status, request.state.correlation_id)

    async def _receive(request: Request, account: Account, key: str | None, boundary: bytes) -> DepositStatus:
        reception = await run_in_threadpool(deposits.begin, account.name, key, request.state.correlation_id)
        try:
            reader = MultipartReader(boundary, _Parts(reception), limits.max_documents + 2)
            gathered = bytearray()
            async for chunk in request.stream():
                gathered += chunk
                if len(gathered) >= _HAND_OVER:
                    await run_in_threadpool(reader.feed, bytes(gathered))
                    gathered.clear()
            await run_in_threadpool(reader.feed, bytes(gathered))
            reader.finish()
            return await run_in_threadpool(reception.commit)
        except ClientDisconnect as error:
            raise InvalidInput("the client left before the end of the body") from error
        finally:
            with anyio.CancelScope(shield=True):
                await run_in_threadpool(reception.abort)

    async def _settled(status: DepositStatus) -> DepositStatus:
        if status.state in (DepositState.ARCHIVED, DepositState.REJECTED) or limits.wait_seconds <= 0:
            return status
        return await run_in_threadpool(deposits.wait, status.deposit_id, limits.wait_seconds)

    @router.get("/{deposit_id}", summary="Where a deposit stands", responses=problems(401, 403, 404))
    async def status(deposit_id: UUID, account: Annotated[Account, Depends(producer)]) -> dict[str, Any]:
        found = await run_in_threadpool(deposits.status, deposit_id)
        if found.account != account.name and Role.ADMINISTRATOR not in account.roles:
            raise NotFound("no such deposit")
        return deposit_json(found)

    return router


def _answer(status: DepositStatus, correlation_id: str) -> JSONResponse:
    location = {"Location": f"/v1/deposits/{status.deposit_id}", "Cache-Control": "no-store"}
    if status.state is DepositState.ARCHIVED:
        return JSONResponse(status.receipt, 201, location)
    if status.state is DepositState.REJECTED:
        rejection = status.rejection or {}
        code = str(rejection.get("code", "deposit-rejected"))
        title = KNOWN.get(code, KNOWN["deposit-rejected"])
        detail = str(rejection.get("detail", title.title))
        answer = problem(code, title, detail, correlation_id, depositId=str(status.deposit_id), rejection=rejection)
        answer.headers["Location"] = location["Location"]
        return answer
    return JSONResponse(deposit_json(status), 202, location | {"Retry-After": "2"})
