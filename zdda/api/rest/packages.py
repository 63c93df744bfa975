"""GET /v1/packages/…: what a package is, its documents, its container, its proof."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any
from uuid import UUID

import anyio
from fastapi import APIRouter, Depends, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from zdda.api.authentication import Authenticator, requires
from zdda.api.rest.openapi import binary, problems
from zdda.api.rest.presentation import content_headers, package_json
from zdda.identity.accounts import Account, Role
from zdda.model.views import Content, Packages


def packages_router(packages: Packages, authenticator: Authenticator) -> APIRouter:
    """The routes under /v1/packages."""
    router = APIRouter(prefix="/v1/packages", tags=["packages"])
    consumer = Depends(requires(authenticator, Role.CONSUMER, Role.ADMINISTRATOR))
    absent = problems(401, 403, 404)

    @router.get("/{package_id}", summary="What a package is", responses=absent)
    async def describe(package_id: UUID, account: Annotated[Account, consumer]) -> dict[str, Any]:
        return package_json(await run_in_threadpool(packages.describe, package_id, account.name))

    @router.get(
        "/{package_id}/documents/{number}",
        summary="A document's bytes, verified while they stream",
        response_class=StreamingResponse,
        responses=absent | binary("application/octet-stream", "the document as it was deposited"),
    )
    async def document(package_id: UUID, number: int, account: Annotated[Account, consumer]) -> StreamingResponse:
        return await _stream(await run_in_threadpool(packages.document, package_id, number, account.name))

    @router.get(
        "/{package_id}/aip",
        summary="The sealed container (ASiC-E)",
        response_class=StreamingResponse,
        responses=absent | binary("application/vnd.etsi.asic-e+zip", "the Archival Information Package"),
    )
    async def aip(package_id: UUID, account: Annotated[Account, consumer]) -> StreamingResponse:
        return await _stream(await run_in_threadpool(packages.aip, package_id, account.name))

    @router.get(
        "/{package_id}/evidence-record",
        summary="The evidence record (RFC 4998, DER)",
        response_class=Response,
        responses=absent | binary("application/octet-stream", "an EvidenceRecord"),
    )
    async def evidence_record(package_id: UUID, account: Annotated[Account, consumer]) -> Response:
        record = await run_in_threadpool(packages.evidence_record, package_id, account.name)
        disposition = {"Content-Disposition": f'attachment; filename="{package_id}.ers"'}
        return Response(record, media_type="application/octet-stream", headers=disposition)

    @router.get("/{package_id}/validation-report", summary="The sealed validation reports", responses=absent)
    async def validation_report(package_id: UUID, account: Annotated[Account, consumer]) -> list[dict[str, Any]]:
        return await run_in_threadpool(packages.validation_report, package_id, account.name)

    return router


async def _stream(content: Content) -> StreamingResponse:
    # opened before the status goes out: what cannot be opened is an error answer, not a broken body
    chunks = await run_in_threadpool(content.chunks.__enter__)
    return StreamingResponse(_pulled(content, chunks), headers=content_headers(content), media_type=content.media_type)


async def _pulled(content: Content, chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    try:
        while (chunk := await run_in_threadpool(next, chunks, None)) is not None:
            yield chunk
    finally:
        with anyio.CancelScope(shield=True):
            await run_in_threadpool(content.chunks.__exit__, None, None, None)
