"""What OpenAPI says beyond the routes' signatures: bodies that stream, problems, examples that work."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

from zdda.api.problems import MEDIA_TYPE

Responses = dict[int | str, dict[str, Any]]

_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "correlationId"],
    "properties": {
        "type": {"type": "string", "examples": ["urn:zdda:problem:not-found"]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "correlationId": {"type": "string"},
    },
}
_MEANING = {
    400: "The request is wrong",
    401: "No credentials, or wrong ones",
    403: "The account lacks the role",
    404: "Nothing of that name",
    409: "Contradicts the present state; see the type",
    413: "Over a limit",
    422: "Understood and refused: metadata, documents or the intake policy; see the type",
    503: "Out of reach for now; Retry-After says when to come back",
    507: "No room for now",
}
EXAMPLE_METADATA = {"title": "Discharge report", "documentType": "discharge-report", "retentionClass": "medical-record"}


def problems(*statuses: int) -> Responses:
    """The problem answers of a route."""
    return {
        status: {"description": _MEANING[status], "content": {MEDIA_TYPE: {"schema": _PROBLEM}}} for status in statuses
    }


def binary(media_type: str, description: str) -> Responses:
    """A 200 of bytes."""
    schema = {"type": "string", "format": "binary"}
    return {200: {"description": description, "content": {media_type: {"schema": schema}}}}


@cache
def published(name: str) -> dict[str, Any]:
    """A schema of ``schemas/`` without the members that OpenAPI does not know."""
    value: dict[str, Any] = json.loads((files("zdda") / "schemas" / name).read_text(encoding="utf-8"))
    return {key: item for key, item in value.items() if key not in ("$schema", "$id")}


DEPOSIT_BODY: dict[str, Any] = {
    "parameters": [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "schema": {"type": "string", "minLength": 1, "maxLength": 255},
            "description": "The same key with the same content gives the same receipt, however often it is sent.",
        }
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
                "example": {"metadata": EXAMPLE_METADATA, "document": ["(bytes of a PDF)"]},
            }
        },
    },
}

DEPOSIT_RESPONSES: Responses = {
    201: {
        "description": "Archived: the receipt",
        "content": {"application/json": {"schema": published("receipt-v1.json")}},
    },
    202: {"description": "Durable in the spool; ask again at Location"},
    **problems(400, 401, 403, 409, 413, 422, 503, 507),
}
