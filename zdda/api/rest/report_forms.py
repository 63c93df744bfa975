"""Which form of a validation report a caller wants (RFC 9110 clauses 12.5.1, 12.5.4), and the answer with it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from starlette.responses import Response

from zdda.api.rest.openapi import Responses
from zdda.model.errors import InvalidInput
from zdda.packaging.sealed_report import MEDIA_TYPE as CONTAINER
from zdda.validation.forms import Form, Language
from zdda.validation.summary import CONTENT_SECURITY_POLICY

_MEDIA_TYPES = {
    "application/json": Form.DETAILED,
    "application/xml": Form.ETSI,
    "text/html": Form.HTML,
    "text/plain": Form.TEXT,
    "text/xml": Form.ETSI,
    CONTAINER: Form.ETSI,
}
"""The first of equally wanted ones is given."""

_CONTENT_TYPES = {
    Form.DETAILED: "application/json",
    Form.SIMPLE: "application/json",
    Form.ETSI: "application/xml",
    Form.HTML: "text/html; charset=utf-8",
    Form.TEXT: "text/plain; charset=utf-8",
}
_ITEM = re.compile(r"\s*([A-Za-z0-9*!#$&^_.+-]+(?:/[A-Za-z0-9*!#$&^_.+-]+)?)\s*((?:;[^,]*)?)")
_QUALITY = re.compile(r";\s*[qQ]\s*=\s*(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)\s*(?:;|$)")
SEALED = "The XML in an ASiC-S container, under the archive's seal"
_LONGEST_HEADER = 1024


class NotAcceptable(InvalidInput):
    """The archive has no form of the report among those that the caller accepts."""

    code = "not-acceptable"


@dataclass(frozen=True, slots=True)
class Wanted:
    """``sealed``: the XML in a container with the archive's seal over it."""

    form: Form
    language: Language
    sealed: bool = False


def wanted_of(request: Request, form: Form | None, sealed: bool) -> Wanted:
    """The query decides before the headers. Raises ``NotAcceptable``, ``InvalidInput``."""
    if sealed and form not in (None, Form.ETSI):
        raise InvalidInput("only the XML of ETSI TS 119 102-2 is sealed")
    language = _language(request)
    if sealed or form is not None:
        return Wanted(form or Form.ETSI, language, sealed)
    chosen = _accepted(request)
    return Wanted(Form.ETSI, language, True) if chosen == CONTAINER else Wanted(_MEDIA_TYPES[chosen], language)


def _accepted(request: Request) -> str:
    header = request.headers.get("accept", "")
    if not header.strip():
        return "application/json"
    weights = _weights(header)

    def weight(media_type: str) -> float:
        kind = media_type.partition("/")[0]
        ranges = (media_type, f"{kind}/*", "*/*")
        return next((weights[each] for each in ranges if each in weights), 0.0)

    best = max(_MEDIA_TYPES, key=weight)
    if weight(best) <= 0:
        raise NotAcceptable("reports are JSON, XML, HTML or plain text")
    return best


def _language(request: Request) -> Language:
    """Czech where the header Accept-Language prefers it to English; English otherwise."""
    weights = _weights(request.headers.get("accept-language", ""))

    def weight(language: str) -> float:
        found = [value for tag, value in weights.items() if tag.split("-")[0] == language]
        return max(found, default=weights.get("*", 0.0))

    return Language.CZECH if weight("cs") > weight("en") else Language.ENGLISH


def _weights(header: str) -> dict[str, float]:
    """Range → weight; what is no item of a list is passed over."""
    found: dict[str, float] = {}
    for item in header[:_LONGEST_HEADER].split(","):
        match = _ITEM.fullmatch(item)
        if match is not None:
            quality = _QUALITY.search(match[2])
            found[match[1].lower()] = float(quality[1]) if quality else 1.0
    return found


def report_response(data: bytes, wanted: Wanted) -> Response:
    """Never cached, never sniffed; a page runs nothing and loads nothing."""
    headers = {
        "Cache-Control": "no-store",
        "Vary": "Accept, Accept-Language",
        "X-Content-Type-Options": "nosniff",
    }
    if wanted.sealed:
        headers["Content-Disposition"] = 'attachment; filename="validation-report.asics"'
    if wanted.form in (Form.HTML, Form.TEXT):
        headers["Content-Language"] = wanted.language.value
        headers["Content-Security-Policy"] = f"{CONTENT_SECURITY_POLICY}; frame-ancestors 'none'; sandbox"
    return Response(
        data, headers={**headers, "Content-Type": CONTAINER if wanted.sealed else _CONTENT_TYPES[wanted.form]}
    )


def report_answers(description: str, json_schema: dict[str, Any]) -> Responses:
    """The 200 of OpenAPI in every form."""
    text = {"schema": {"type": "string"}}
    content = {
        "application/json": {"schema": json_schema},
        "application/xml": text,
        "text/html": text,
        "text/plain": text,
        CONTAINER: {"schema": {"type": "string", "format": "binary"}},
    }
    return {200: {"description": description, "content": content}}
