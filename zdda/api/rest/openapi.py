"""What OpenAPI says beyond the routes' signatures: bodies that stream, answers, problems, examples that work."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

from zdda.api.problems import MEDIA_TYPE

Responses = dict[int | str, dict[str, Any]]

EXAMPLE_METADATA = {"title": "Discharge report", "documentType": "discharge-report", "retentionClass": "medical-record"}
EXAMPLE_BODY = (
    "--boundary\r\n"
    'Content-Disposition: form-data; name="metadata"\r\n'
    "Content-Type: application/json\r\n\r\n"
    f"{json.dumps(EXAMPLE_METADATA)}\r\n"
    "--boundary\r\n"
    'Content-Disposition: form-data; name="document"; filename="report.pdf"\r\n'
    "Content-Type: application/pdf\r\n\r\n"
    "%PDF-1.7 …\r\n"
    "--boundary--\r\n"
)
EXAMPLE_ID = "01936f00-0000-7000-8000-000000000001"
EXAMPLE_RECEIPT = {
    "format": "zdda-receipt/1",
    "depositId": EXAMPLE_ID,
    "packageId": "01936f00-0000-7000-8000-000000000002",
    "state": "archived",
    "receivedAt": "2026-11-24T08:00:00.000Z",
    "sealedAt": "2026-11-24T08:00:00.400Z",
    "storedAt": "2026-11-24T08:00:00.500Z",
    "archivedAt": "2026-11-24T08:00:01.500Z",
    "verdict": "TOTAL_PASSED",
    "documents": [{"number": 1, "role": "main", "length": 12, "sha256": "00" * 32, "verdict": "TOTAL_PASSED"}],
    "retention": {"class": "medical-record", "mark": "S", "retainUntil": "2037-01-01T00:00:00.000Z"},
    "evidence": {"digest": "00" * 32, "provenAt": "2026-11-24T08:00:01.200Z"},
}

_TEXT, _NUMBER, _MOMENT = {"type": "string"}, {"type": "integer"}, {"type": "string", "format": "date-time"}
_IDENTIFIER = {"type": "string", "format": "uuid"}
_VERDICT = {"enum": ["TOTAL_PASSED", "NO_SIGNATURE", "INDETERMINATE", "NOT_VALIDATED", "TOTAL_FAILED"]}


def _object(required: str, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": required.split(), "properties": properties}


_PROBLEM = _object(
    "type title status detail correlationId",
    type={"type": "string", "examples": ["urn:zdda:problem:not-found"]},
    title=_TEXT,
    status=_NUMBER,
    detail=_TEXT,
    correlationId=_TEXT,
    errors={"type": "array", "items": _object("pointer message", pointer=_TEXT, message=_TEXT)},
    depositId=_IDENTIFIER,
    rejection={"type": "object"},
)
_MEANING = {
    400: "The request is wrong",
    401: "No credentials, or wrong ones",
    403: "The account lacks the role",
    404: "Nothing of that name",
    406: "No form of the report that is accepted",
    408: "The body stopped coming",
    409: "Contradicts the present state; see the type",
    410: "It was here, and was destroyed when its time was over",
    413: "Over a limit",
    422: "Understood and refused: metadata, documents or the intake policy; see the type",
    500: "The archive failed; give its administrators the correlation id",
    503: "Out of reach for now; Retry-After says when to come back",
    507: "No room for now",
}
_EXAMPLE_PROBLEMS = {
    401: ("unauthenticated", "Say who you are by HTTP Basic"),
    404: ("not-found", "Nothing of that name exists here"),
    409: ("idempotency-key-in-flight", "A request with this idempotency key is being received"),
    410: ("package-destroyed", "It was here, and was destroyed when its time was over"),
    413: ("document-too-large", "A document is over the limit"),
    422: ("metadata-invalid", "The metadata do not follow the schema"),
}


def problems(*statuses: int) -> Responses:
    """The problem answers of a route."""
    answers: Responses = {}
    for status in statuses:
        content: dict[str, Any] = {"schema": _PROBLEM}
        if status in _EXAMPLE_PROBLEMS:
            code, title = _EXAMPLE_PROBLEMS[status]
            content["example"] = {
                "type": f"urn:zdda:problem:{code}",
                "title": title,
                "status": status,
                "detail": title,
                "correlationId": "5f0c6a1b2c3d4e5f60718293a4b5c6d7",
            }
        answers[status] = {"description": _MEANING[status], "content": {MEDIA_TYPE: content}}
    return answers


def binary(media_type: str, description: str) -> Responses:
    """A 200 of bytes, with its digest."""
    return {
        200: {
            "description": description,
            "headers": {"Repr-Digest": {"description": "sha-256=:…: (RFC 9530)", "schema": _TEXT}},
            "content": {media_type: {"schema": {"type": "string", "format": "binary"}}},
        }
    }


@cache
def published(name: str) -> dict[str, Any]:
    """A schema of ``schemas/`` without the members that OpenAPI does not know, its definitions put in place."""
    value: dict[str, Any] = json.loads((files("zdda") / "schemas" / name).read_text(encoding="utf-8"))
    definitions = value.get("$defs", {})
    kept = {key: item for key, item in value.items() if key not in ("$schema", "$id", "$defs")}
    return dict(_placed(kept, definitions))


def _placed(value: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(value, list):
        return [_placed(item, definitions) for item in value]
    if not isinstance(value, dict):
        return value
    placed = {key: _placed(item, definitions) for key, item in value.items() if key != "$ref"}
    if "$ref" in value:
        placed = {**_placed(definitions[value["$ref"].removeprefix("#/$defs/")], definitions), **placed}
    return placed


_DEPOSIT = _object(
    "depositId packageId state history",
    depositId=_IDENTIFIER,
    packageId=_IDENTIFIER,
    state={"enum": ["received", "validated", "sealed", "stored", "archived", "rejected"]},
    history={"type": "array", "items": _object("state at", state=_TEXT, at=_MOMENT)},
    deferred=_object("reason notBefore", reason=_TEXT, notBefore=_MOMENT),
    receipt=published("receipt-v1.json"),
    rejection={"type": "object"},
)
_DEPOSIT_EXAMPLE = {
    "depositId": EXAMPLE_ID,
    "packageId": EXAMPLE_RECEIPT["packageId"],
    "state": "received",
    "history": [{"state": "received", "at": "2026-11-24T08:00:00.000Z"}],
}
_DOCUMENT = _object(
    "number role name mediaType length sha256 verdict",
    number=_NUMBER,
    role={"enum": ["main", "attachment"]},
    name=_TEXT,
    mediaType=_TEXT,
    format={"type": ["string", "null"]},
    puid={"type": ["string", "null"]},
    length=_NUMBER,
    sha256=_TEXT,
    verdict=_VERDICT,
)
_PACKAGE = _object(
    "packageId depositId metadata verdict flagged receivedAt archivedAt retention evidence documents",
    packageId=_IDENTIFIER,
    depositId=_IDENTIFIER,
    metadata=published("submission-metadata-v1.json"),
    verdict=_VERDICT,
    flagged={"type": "boolean"},
    receivedAt=_MOMENT,
    archivedAt=_MOMENT,
    retention=_object("class mark retainUntil", **{"class": _TEXT, "mark": _TEXT, "retainUntil": _MOMENT}),
    evidence=_object("digest provenAt", digest=_TEXT, provenAt=_MOMENT),
    documents={"type": "array", "items": _DOCUMENT},
)

PACKAGE_RESPONSE: Responses = {
    200: {"description": "The package", "content": {"application/json": {"schema": _PACKAGE}}}
}
DEPOSIT_STATUS_RESPONSES: Responses = {
    200: {
        "description": "Where it stands",
        "content": {"application/json": {"schema": _DEPOSIT, "example": _DEPOSIT_EXAMPLE}},
    },
    **problems(401, 403, 404, 410),
}
DEPOSIT_RESPONSES: Responses = {
    201: {
        "description": "Archived: the receipt",
        "content": {"application/json": {"schema": published("receipt-v1.json"), "example": EXAMPLE_RECEIPT}},
    },
    202: {
        "description": "Durable in the spool; ask again at Location",
        "content": {"application/json": {"schema": _DEPOSIT, "example": _DEPOSIT_EXAMPLE}},
    },
    **problems(400, 401, 403, 408, 409, 410, 413, 422, 503, 507),
}


def _header(name: str, description: str, **schema: Any) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": False, "description": description, "schema": _TEXT | schema}


DEPOSIT_BODY: dict[str, Any] = {
    "parameters": [
        _header(
            "Idempotency-Key",
            "The same key with the same content gives the same receipt, however often it is sent.",
            minLength=1,
            maxLength=255,
        ),
        _header("Prefer", "wait=N: seconds to wait for the receipt; respond-async: none (RFC 7240)"),
        _header(
            "X-Correlation-Id", "Your own id of this request, for the logs", pattern="^[A-Za-z0-9][A-Za-z0-9._-]*$"
        ),
    ],
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["metadata", "document"],
                    "properties": {
                        "metadata": published("submission-metadata-v1.json"),
                        "document": {"type": "array", "items": {"type": "string", "format": "binary"}},
                        "attachment": {"type": "array", "items": {"type": "string", "format": "binary"}},
                    },
                },
                "example": EXAMPLE_BODY,
            }
        },
    },
}
