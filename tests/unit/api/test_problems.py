from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

import zdda.access.packages
import zdda.api.rest.application
import zdda.ingest.reception  # noqa: F401
from zdda.api.problems import KNOWN, problem_of
from zdda.evidence.evidence_record import EvidenceMalformed
from zdda.model.errors import Conflict, IntegrityError, InvalidInput, NotFound, Unavailable, ZddaError
from zdda.storage.spool import SpoolFull

# rooms whose errors a Producer or a Consumer can bring about by what it sends
ROOMS = (
    "zdda.api",
    "zdda.access",
    "zdda.ingest.reception",
    "zdda.ingest.uploads",
    "zdda.packaging.submission",
    "zdda.packaging.document_names",
)


def kinds(kind: type[ZddaError] = ZddaError) -> Iterator[type[ZddaError]]:
    for each in kind.__subclasses__():
        yield each
        yield from kinds(each)


def test_what_a_caller_can_bring_about_is_published() -> None:
    found = {each.code for each in kinds() if each.__module__.startswith(ROOMS)}
    assert {"metadata-invalid", "document-empty", "upload-stalled", "unauthenticated"} <= found
    assert found - {"internal"} <= set(KNOWN)
    assert {"external-id-taken", "idempotency-key-in-flight", "spool-full"} <= set(KNOWN)
    assert SpoolFull.code == "spool-full"


@pytest.mark.parametrize("kind", [EvidenceMalformed, InvalidInput, Conflict])
def test_an_error_about_stored_bytes_is_not_the_callers(kind: type[ZddaError]) -> None:
    class FromInside(kind):  # type: ignore[misc, valid-type]
        code = "of-a-room-below"

    answer = problem_of(FromInside("slot 5 of segment 7"), "id")
    assert answer.status_code == 500
    assert b"segment" not in answer.body
    assert json.loads(answer.body)["type"] == "urn:zdda:problem:internal"


@pytest.mark.parametrize(("kind", "status"), [(NotFound, 404), (Unavailable, 503), (IntegrityError, 500)])
def test_the_rest_is_answered_by_its_kind(kind: type[ZddaError], status: int) -> None:
    class FromBelow(kind):  # type: ignore[misc, valid-type]
        code = "of-a-room-below"

    answer = problem_of(FromBelow("host db-7"), "id")
    assert answer.status_code == status
    assert (b"db-7" in answer.body) == (status == 404)
    assert b"of-a-room-below" not in answer.body
    assert (answer.headers.get("retry-after") is not None) == (status == 503)
