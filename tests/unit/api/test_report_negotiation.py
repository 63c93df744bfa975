"""Which form of a report a caller gets, over the sealed reports and over documents that are not archived."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from fake_archive import SPOOL_FULL, FakeArchive, error

from zdda.model.errors import InvalidInput
from zdda.validation.forms import Form

HERE = f"/v1/packages/{UUID(int=7)}/validation-report"
CONTAINER = "application/vnd.etsi.asic-s+zip"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
DOCUMENT = ("document", ("report.pdf", b"%PDF-1.7", "application/pdf"))


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("application/xml", "etsi"),
        ("text/xml", "etsi"),
        ("text/html", "html"),
        ("text/plain;q=0.5", "text"),
        (BROWSER, "html"),
        ("application/json;q=0.1, application/xml;q=0.9", "etsi"),
        ("text/*", "html"),
        ("image/png, text/plain", "text"),
        ("application/xml;q=0, text/html;q=0.001", "html"),
    ],
)
def test_the_form_is_the_one_accepted(call: Any, accept: str, form: str) -> None:
    answer = call("GET", HERE, headers={"Accept": accept})
    assert (answer.status_code, answer.text) == (200, f"None {form} en")
    assert answer.headers["vary"] == "Accept, Accept-Language"


@pytest.mark.parametrize(
    "accept", ["", "*/*", "application/json", "application/*", "application/json, text/html;q=0.9"]
)
def test_without_a_wish_it_is_what_it_always_was(call: Any, accept: str) -> None:
    answer = call("GET", HERE, headers={"Accept": accept})
    assert answer.json() == [{"indication": "TOTAL_PASSED"}]


@pytest.mark.parametrize("accept", ["image/png", "application/json;q=0", "rubbish", "text/html;q=0", ",,;;"])
def test_what_is_not_there_is_406(call: Any, accept: str) -> None:
    answer = call("GET", HERE, headers={"Accept": accept})
    assert answer.status_code == 406
    assert answer.json()["type"] == "urn:zdda:problem:not-acceptable"


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("cs", "cs"),
        ("cs-CZ,cs;q=0.9,en;q=0.8", "cs"),
        ("en, cs;q=0.5", "en"),
        ("de", "en"),
        ("", "en"),
        ("*", "en"),
        ("cs;q=0.3, *;q=0.5", "en"),
        ("de, cs;q=0.1", "cs"),
    ],
)
def test_languages(call: Any, accepted: str, language: str) -> None:
    answer = call("GET", HERE, headers={"Accept": "text/html", "Accept-Language": accepted})
    assert answer.text == f"None html {language}"
    assert answer.headers["content-language"] == language


@pytest.mark.parametrize("form", list(Form))
def test_the_query_decides_before_the_header(call: Any, form: Form) -> None:
    answer = call("GET", f"{HERE}?form={form}&document=2", headers={"Accept": "image/png"})
    assert answer.text == f"2 {form} en"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    policy = answer.headers.get("content-security-policy", "")
    assert ("sandbox" in policy and "default-src 'none'" in policy) == (form in (Form.HTML, Form.TEXT))
    assert (answer.headers["content-type"].partition(";")[0] == "application/json") == (
        form in (Form.DETAILED, Form.SIMPLE)
    )


def test_the_xml_is_sealed_when_asked(call: Any) -> None:
    for query, accept in (("?sealed=true", "*/*"), ("?sealed=true&form=etsi", ""), ("", CONTAINER)):
        answer = call("GET", HERE + query, headers={"Accept": accept})
        assert (answer.text, answer.headers["content-type"]) == ("None etsi en sealed", CONTAINER)
        assert answer.headers["content-disposition"] == 'attachment; filename="validation-report.asics"'
    posted = call("POST", "/v1/validations?sealed=true", files=[DOCUMENT])
    assert (posted.text, posted.headers["content-type"]) == ("etsi en sealed [8]", CONTAINER)
    for form in ("simple", "html", "detailed"):
        assert call("GET", f"{HERE}?form={form}&sealed=true").status_code == 400


def test_wrong_queries_are_told(call: Any) -> None:
    for query in ("form=pdf", "document=0", "document=x", "form="):
        answer = call("GET", f"{HERE}?{query}")
        assert (answer.status_code, answer.json()["type"]) == (400, "urn:zdda:problem:invalid-input"), query


def test_a_document_is_validated_and_nothing_kept(archive: FakeArchive, call: Any) -> None:
    other = ("detached", ("content.bin", b"content", "application/octet-stream"))
    answer = call("POST", "/v1/validations", files=[DOCUMENT, other], headers={"Accept": "text/html"})
    assert (answer.status_code, answer.text) == (200, "html en [8, 7]")
    [validation] = archive.validations
    assert validation.aborted
    assert [(each.role, each.name) for each in validation.documents] == [
        ("document", "report.pdf"),
        ("detached", "content.bin"),
    ]
    assert archive.receptions == []
    assert call("POST", "/v1/validations?form=simple", files=[DOCUMENT], user="reader").text == "simple en [8]"


def test_who_may_validate(call: Any) -> None:
    statuses = {user: call("POST", "/v1/validations", files=[DOCUMENT], user=user).status_code for user in USERS}
    assert statuses == {"kis": 200, "other": 200, "reader": 200, "admin": 403, None: 401}


USERS = ("kis", "other", "reader", "admin", None)


@pytest.mark.parametrize(
    ("raised", "status"), [(error(InvalidInput, "not-validated"), 422), (KeyError("x"), 500), (SPOOL_FULL, 507)]
)
def test_whatever_happens_the_documents_are_removed(
    archive: FakeArchive, call: Any, raised: Exception, status: int
) -> None:
    archive.fail_read = raised
    assert call("POST", "/v1/validations", files=[DOCUMENT]).status_code == status
    archive.fail_read, archive.fail_write = None, raised
    assert call("POST", "/v1/validations", files=[DOCUMENT]).status_code == status
    assert [validation.aborted for validation in archive.validations] == [True, True]


def test_a_body_that_is_none_is_refused(archive: FakeArchive, call: Any) -> None:
    answer = call("POST", "/v1/validations", files=[("metadata", (None, b"{}", "application/json"))])
    assert answer.json()["type"] == "urn:zdda:problem:part-unknown"
    assert call("POST", "/v1/validations", content=b"x").json()["type"] == "urn:zdda:problem:multipart-malformed"
    too_much = ("document", ("a", bytes(archive.limits.max_body_bytes), "application/pdf"))
    assert call("POST", "/v1/validations", files=[too_much]).status_code == 413
    assert all(validation.aborted for validation in archive.validations)
    archive.fail_begin = SPOOL_FULL
    assert call("POST", "/v1/validations", files=[DOCUMENT]).status_code == 507
