"""GET /v1/packages/…: what a package is, its documents, its container, its proof.

Only Consumers read: an administrator operates the archive and sees no content.
"""

import hashlib
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import JSONResponse

from zdda.api.authentication import Authenticator, requires
from zdda.api.content_disposition import attachment
from zdda.api.rest.downloads import ContentResponse, digest_header
from zdda.api.rest.openapi import PACKAGE_RESPONSE, binary, problems
from zdda.api.rest.presentation import package_json
from zdda.api.rest.report_forms import SEALED, report_answers, report_response, wanted_of
from zdda.api.threads import Threads
from zdda.identity.accounts import Account, Role
from zdda.model.views import Packages
from zdda.validation.forms import Form

_READERS = 32
_REPORTS = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["number", "verdict", "report"],
        "properties": {"number": {"type": "integer"}, "verdict": {"type": "string"}, "report": {"type": "object"}},
    },
}


_CMS = "application/cms"


def packages_router(packages: Packages, authenticator: Authenticator) -> APIRouter:
    """The routes under /v1/packages."""
    router = APIRouter(prefix="/v1/packages", tags=["packages"])
    consumer = Depends(requires(authenticator, Role.CONSUMER))
    readers = Threads(_READERS)
    absent = problems(401, 403, 404, 410)

    @router.get("/{package_id}", summary="What a package is", responses=absent | PACKAGE_RESPONSE)
    async def describe(package_id: UUID, account: Annotated[Account, consumer]) -> dict[str, Any]:
        return package_json(await readers.run(packages.describe, package_id, account.name))

    @router.get(
        "/{package_id}/documents/{number}",
        summary="A document's bytes, verified while they stream",
        response_class=Response,
        responses=absent | problems(500, 503) | binary("application/octet-stream", "The document as it was deposited"),
    )
    async def document(
        package_id: UUID, number: Annotated[int, Path(ge=1, le=9999)], account: Annotated[Account, consumer]
    ) -> Response:
        return ContentResponse(await readers.run(packages.document, package_id, number, account.name), readers)

    @router.get(
        "/{package_id}/aip",
        summary="The sealed container (ASiC-E)",
        response_class=Response,
        responses=absent
        | problems(500, 503)
        | binary("application/vnd.etsi.asic-e+zip", "The Archival Information Package"),
    )
    async def aip(package_id: UUID, account: Annotated[Account, consumer]) -> Response:
        return ContentResponse(await readers.run(packages.aip, package_id, account.name), readers)

    @router.get(
        "/{package_id}/evidence-record",
        summary="The evidence record (RFC 4998, DER)",
        response_class=Response,
        responses=absent | binary("application/octet-stream", "An EvidenceRecord"),
    )
    async def evidence_record(package_id: UUID, account: Annotated[Account, consumer]) -> Response:
        record = await readers.run(packages.evidence_record, package_id, account.name)
        return _whole(record, f"{package_id}.ers", "application/octet-stream")

    @router.get("/{package_id}/amendments", summary="What happened to it after its sealing", responses=absent)
    async def amendments(package_id: UUID, account: Annotated[Account, consumer]) -> list[dict[str, Any]]:
        return await readers.run(packages.amendments, package_id, account.name)

    @router.get(
        "/{package_id}/amendments/{sequence}",
        summary="One amendment, sealed (CMS around JSON)",
        response_class=Response,
        responses=absent | problems(500, 503) | binary(_CMS, "CMS SignedData around JSON after amendment-v1.json"),
    )
    async def amendment(
        package_id: UUID, sequence: Annotated[int, Path(ge=1, le=2**31 - 1)], account: Annotated[Account, consumer]
    ) -> Response:
        sealed = await readers.run(packages.amendment, package_id, sequence, account.name)
        return _whole(sealed, f"{package_id}.{sequence}.p7m", _CMS)

    @router.get(
        "/{package_id}/validation-report",
        summary="The sealed validation reports",
        response_class=Response,
        responses=report_answers("The reports, by document; in other forms than JSON that of one document", _REPORTS)
        | absent
        | problems(400, 406, 500, 503),
    )
    async def validation_report(
        request: Request,
        package_id: UUID,
        account: Annotated[Account, consumer],
        form: Annotated[Form | None, Query(description="Instead of the header Accept")] = None,
        document: Annotated[int | None, Query(ge=1, le=9999, description="Number of one document")] = None,
        sealed: Annotated[bool, Query(description=SEALED)] = False,
    ) -> Response:
        wanted = wanted_of(request, form, sealed)
        if wanted.form is Form.DETAILED and document is None:
            return JSONResponse(
                await readers.run(packages.validation_report, package_id, account.name),
                headers={"Vary": "Accept, Accept-Language"},
            )
        report = await readers.run(
            packages.validation_report_as,
            package_id,
            document,
            wanted.form.value,
            wanted.language.value,
            account.name,
            wanted.sealed,
        )
        return report_response(report, wanted)

    @router.get("/{package_id}/signatures", summary="Signatures and timestamps, with their verdicts", responses=absent)
    async def signatures(package_id: UUID, account: Annotated[Account, consumer]) -> list[dict[str, Any]]:
        return await readers.run(packages.signatures, package_id, account.name)

    @router.get("/{package_id}/certificates", summary="What the signatures rest on", responses=absent)
    async def certificates(package_id: UUID, account: Annotated[Account, consumer]) -> list[dict[str, Any]]:
        return await readers.run(packages.certificates, package_id, account.name)

    return router


def _whole(content: bytes, name: str, media_type: str) -> Response:
    headers = {
        "Content-Disposition": attachment(name),
        "Repr-Digest": digest_header(hashlib.sha256(content).digest()),
        "Cache-Control": "no-store",
    }
    return Response(content, media_type=media_type, headers=headers)
