"""POST /v1/deposits and GET /v1/deposits/{id}: the body goes from the socket to the spool in chunks."""

import re
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse

from zdda.api.authentication import Authenticator, requires
from zdda.api.multipart import PartHeader
from zdda.api.problems import KNOWN, problem
from zdda.api.rest.openapi import DEPOSIT_BODY, DEPOSIT_RESPONSES, DEPOSIT_STATUS_RESPONSES
from zdda.api.rest.presentation import deposit_json
from zdda.api.rest.uploads import PartUnknown, Places, checked_boundary, receive
from zdda.api.threads import Threads
from zdda.identity.accounts import Account, Role
from zdda.model.deposit import FINAL, DepositState
from zdda.model.errors import InvalidInput, NotFound
from zdda.model.views import Deposits, DepositStatus, DocumentSink, Reception
from zdda.packaging.submission import LIMIT as MAX_METADATA_BYTES
from zdda.packaging.submission import MetadataTooLarge

_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_PREFER_WAIT = re.compile(r"(?:^|,)\s*wait=([0-9]{1,6})\s*(?:,|$)")
_STATUS_CALLS = 8
_AGAIN, _AGAIN_DEFERRED = "2", "30"
"""Seconds after which it is of use to ask for a deposit that is on its way, and for one that waits for something."""


class IdempotencyKeyInvalid(InvalidInput):
    """The header Idempotency-Key has another form than 1 to 255 printable ASCII characters."""

    code = "idempotency-key-invalid"


@dataclass(frozen=True, slots=True)
class DepositLimits:
    """Bounds that the interface holds by itself, before the use case sees a byte."""

    max_body_bytes: int
    max_documents: int
    max_concurrent: int
    wait_seconds: float
    idle_seconds: float = 60.0
    max_concurrent_account: int = 24
    minimum_rate: int = 4096


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
    asker = requires(authenticator, Role.PRODUCER, Role.ADMINISTRATOR)
    places = Places(limits.max_concurrent, limits.max_concurrent_account)
    uploads, waits, calls = (Threads(n) for n in (limits.max_concurrent, 2 * limits.max_concurrent, _STATUS_CALLS))

    @router.post(
        "",
        summary="Deposit documents with their metadata",
        responses=DEPOSIT_RESPONSES,
        openapi_extra=DEPOSIT_BODY,
        response_class=JSONResponse,
        status_code=201,
    )
    async def create(request: Request, account: Annotated[Account, Depends(producer)]) -> JSONResponse:
        key = request.headers.get("idempotency-key")
        if key is not None and not _KEY.fullmatch(key):
            raise IdempotencyKeyInvalid("an idempotency key has 1 to 255 printable ASCII characters")
        boundary = checked_boundary(request, limits)
        with places.taken(account.name):
            status = await _receive(request, account, key, boundary)
        status = await _settled(status, _patience(request, limits.wait_seconds))
        return answer(status, request.state.correlation_id)

    async def _receive(request: Request, account: Account, key: str | None, boundary: bytes) -> DepositStatus:
        reception = await uploads.run(deposits.begin, account.name, key, request.state.correlation_id)
        commit, abort = reception.commit, reception.abort
        return await receive(request, boundary, _Parts(reception), limits, uploads, commit, abort, lasting=True)

    async def _settled(status: DepositStatus, seconds: float) -> DepositStatus:
        # with every waiting place taken, 202 at once is better than a queue of callers
        if status.state in FINAL or seconds <= 0 or waits.full:
            return status
        return await waits.run(deposits.wait, status.deposit_id, seconds)

    @router.get("/{deposit_id}", summary="Where a deposit stands", responses=DEPOSIT_STATUS_RESPONSES)
    async def status(request: Request, deposit_id: UUID, account: Annotated[Account, Depends(asker)]) -> dict[str, Any]:
        found = await calls.run(deposits.status, deposit_id)
        if found.account != account.name and Role.ADMINISTRATOR not in account.roles:
            raise NotFound("no such deposit")
        seconds = _patience(request, limits.wait_seconds) if request.headers.get("prefer") else 0.0
        return deposit_json(await _settled(found, seconds))

    return router


def _patience(request: Request, most: float) -> float:
    """How long the caller wants to wait (RFC 7240: ``Prefer: wait=N``, ``respond-async``), within the settings."""
    prefer = request.headers.get("prefer", "")
    if "respond-async" in prefer:
        return 0.0
    match = _PREFER_WAIT.search(prefer)
    return min(most, float(match[1])) if match else most


def answer(status: DepositStatus, correlation_id: str) -> JSONResponse:
    """201 with the receipt, 422 with the report of a rejection, or 202: durable here, ask again."""
    location = {"Location": f"/v1/deposits/{status.deposit_id}", "Cache-Control": "no-store"}
    if status.state is DepositState.ARCHIVED:
        return JSONResponse(status.receipt, 201, location)
    if status.state is DepositState.REJECTED:
        rejection = status.rejection or {}
        code = str(rejection.get("code", "deposit-rejected"))
        if code not in KNOWN:
            code = "deposit-rejected"
        detail = str(rejection.get("detail", KNOWN[code].title))
        more = {"depositId": str(status.deposit_id), "rejection": rejection}
        refused = problem(code, KNOWN[code], detail, correlation_id, **more)
        refused.headers["Location"] = location["Location"]
        return refused
    again = _AGAIN if status.deferral is None else _AGAIN_DEFERRED
    return JSONResponse(deposit_json(status), 202, location | {"Retry-After": again})
