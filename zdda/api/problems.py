"""Problem details (RFC 9457): every error has a stable type, a status, and says what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.responses import JSONResponse

from zdda.model.errors import IntegrityError, NotFound, Unavailable, ZddaError

TYPE_PREFIX = "urn:zdda:problem:"
MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Known:
    """What a code answers with; ``retry_after`` in seconds."""

    status: int
    title: str
    retry_after: int | None = None


KNOWN: dict[str, Known] = {
    "unauthenticated": Known(401, "Say who you are by HTTP Basic"),
    "forbidden": Known(403, "This account may not do that"),
    "not-found": Known(404, "Nothing of that name exists here"),
    "package-destroyed": Known(410, "It was here, and was destroyed when its time was over"),
    "invalid-input": Known(400, "The request is wrong"),
    "not-acceptable": Known(406, "There is no form of the report that the request accepts"),
    "document-not-named": Known(400, "This form is about one document; say which"),
    "multipart-malformed": Known(400, "The body is not well-formed multipart/form-data"),
    "metadata-missing": Known(422, "The part named metadata is missing"),
    "metadata-repeated": Known(422, "The part named metadata may come once"),
    "metadata-too-large": Known(413, "The metadata are over 1 MiB"),
    "metadata-invalid": Known(422, "The metadata do not follow the schema"),
    "retention-class-unknown": Known(422, "The archive has no retention class of that name"),
    "document-missing": Known(422, "A deposit has one document named document, or more"),
    "document-empty": Known(422, "A document is empty"),
    "document-name-invalid": Known(422, "A document's name cannot be kept"),
    "document-too-large": Known(413, "A document is over the limit"),
    "deposit-too-large": Known(413, "The documents together are over the limit"),
    "too-many-documents": Known(422, "The deposit has too many documents"),
    "part-unknown": Known(422, "A part has a name that the interface does not know"),
    "upload-stalled": Known(408, "The body stands still or comes too slowly"),
    "idempotency-key-invalid": Known(400, "An idempotency key has 1 to 255 printable ASCII characters"),
    "idempotency-key-reused": Known(422, "This idempotency key was used for another deposit"),
    "conflict": Known(409, "The request contradicts the present state"),
    "idempotency-key-in-flight": Known(409, "A request with this idempotency key is being received", 1),
    "external-id-taken": Known(409, "The producer has deposited something of this name"),
    "deposit-rejected": Known(422, "The intake policy rejects the deposit"),
    "document-unreadable": Known(422, "A document cannot be read as what it claims to be"),
    "not-validated": Known(422, "The document could not be validated within its limits"),
    "spool-full": Known(507, "The archive has no room for now", 60),
    "too-many-requests": Known(503, "Too many deposits are being received", 2),
    "store-not-guaranteed": Known(503, "The store is not shown to keep what this retention class needs", 600),
    "unavailable": Known(503, "A part of the archive is out of reach for now", 5),
    "integrity": Known(500, "Stored bytes are damaged; the archive's administrators were told"),
    "internal": Known(500, "The archive failed; give its administrators the correlation id"),
}


def known(error: ZddaError) -> tuple[str, Known]:
    """The published code and its answer: the error's own, else the one of its kind.

    An ``InvalidInput`` or a ``Conflict`` of a code that is not published comes from the inside, about bytes that no
    caller sent: it is internal.
    """
    if error.code in KNOWN:
        return error.code, KNOWN[error.code]
    for kind, code in ((NotFound, "not-found"), (Unavailable, "unavailable"), (IntegrityError, "integrity")):
        if isinstance(error, kind):
            return code, KNOWN[code]
    return "internal", KNOWN["internal"]


def problem(code: str | None, answer: Known, detail: str, correlation_id: str, **more: Any) -> JSONResponse:
    """The response of one problem; without a code it means no more than its status (``about:blank``)."""
    body = {
        "type": "about:blank" if code is None else TYPE_PREFIX + code,
        "title": answer.title,
        "status": answer.status,
        "detail": detail,
        "correlationId": correlation_id,
        **more,
    }
    headers = {"Cache-Control": "no-store"}
    if answer.retry_after is not None:
        headers["Retry-After"] = str(answer.retry_after)
    if answer.status == 401:
        headers["WWW-Authenticate"] = 'Basic realm="zdda", charset="UTF-8"'
    return JSONResponse(body, answer.status, headers, media_type=MEDIA_TYPE)


def problem_of(error: ZddaError, correlation_id: str) -> JSONResponse:
    """The response of an error; what is internal stays inside."""
    code, answer = known(error)
    detail = answer.title if answer.status >= 500 else str(error)
    more = {"errors": error.details["errors"]} if "errors" in error.details else {}
    return problem(code, answer, detail, correlation_id, **more)
