"""POST /v1/validations: what the signatures of a document are worth now, without archiving it. Nothing is kept."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from zdda.api.authentication import Authenticator, requires
from zdda.api.multipart import PartHeader
from zdda.api.rest.openapi import problems, published
from zdda.api.rest.report_forms import SEALED, report_answers, report_response, wanted_of
from zdda.api.rest.uploads import PartUnknown, Places, UploadLimits, checked_boundary, receive
from zdda.api.threads import Threads
from zdda.identity.accounts import Account, Role
from zdda.model.views import DocumentSink, ValidationRequest, Validations
from zdda.validation.forms import Form

_AT_ONCE = 8
_OF_ONE_ACCOUNT = 4
"""A validation holds its place until it is done; deposits have places of their own."""

_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["document"],
                    "properties": {
                        "document": {"type": "string", "format": "binary"},
                        "detached": {"type": "array", "items": {"type": "string", "format": "binary"}},
                    },
                }
            }
        },
    }
}


class _Parts:
    """``document``, once; ``detached``, what it may be over."""

    def __init__(self, validation: ValidationRequest) -> None:
        self._validation = validation

    def open_part(self, header: PartHeader) -> DocumentSink:
        if header.name not in ("document", "detached"):
            raise PartUnknown("parts are named document or detached")
        return self._validation.open_document(header.name, header.file_name or "", header.media_type)


def validations_router(validations: Validations, authenticator: Authenticator, limits: UploadLimits) -> APIRouter:
    """The route /v1/validations."""
    router = APIRouter(prefix="/v1/validations", tags=["validations"])
    asker = Depends(requires(authenticator, Role.PRODUCER, Role.CONSUMER))
    places = Places(_AT_ONCE, _OF_ONE_ACCOUNT)
    threads = Threads(_AT_ONCE)

    @router.post(
        "",
        summary="Validate a document without archiving it",
        response_class=Response,
        openapi_extra=_BODY,
        responses=report_answers("The report", published("validation-report-v1.json"))
        | problems(400, 401, 403, 406, 408, 413, 422, 503, 507),
    )
    async def validate(
        request: Request,
        account: Annotated[Account, asker],
        form: Annotated[Form | None, Query(description="Instead of the header Accept")] = None,
        sealed: Annotated[bool, Query(description=SEALED)] = False,
    ) -> Response:
        wanted = wanted_of(request, form, sealed)
        boundary = checked_boundary(request, limits)
        with places.taken(account.name):
            correlation = request.state.correlation_id
            validation = await threads.run(validations.begin_validation, account.name, correlation)
            report = await receive(
                request,
                boundary,
                _Parts(validation),
                limits,
                threads,
                lambda: validation.report(wanted.form.value, wanted.language.value, wanted.sealed),
                validation.abort,
            )
        return report_response(report, wanted)

    return router
