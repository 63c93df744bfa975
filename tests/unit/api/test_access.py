from __future__ import annotations

import base64
import re
from typing import Any

import pytest
import structlog
from fake_archive import PASSWORD, FakeArchive

from zdda.model.errors import IntegrityError


def basic(text: str | bytes) -> str:
    return "Basic " + base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer abc",
        "Basic",
        "Basic !!!",
        "Basic é",
        basic("kis"),
        basic(f":{PASSWORD}"),
        basic("kis:"),
        basic("kis:wrong"),
        basic(f"KIS:{PASSWORD}"),
        basic(b"\xff:\xff"),
        basic("kis:" + "x" * 5000),
    ],
)
def test_wrong_credentials(archive: FakeArchive, call: Any, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header.encode("latin-1")}
    for method, path in (("POST", "/v1/deposits"), ("GET", "/v1/deposits/x"), ("GET", "/v1/packages/x")):
        answer = call(method, path, user=None, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == 'Basic realm="zdda", charset="UTF-8"'
        assert answer.json()["type"] == "urn:zdda:problem:unauthenticated"
    assert not archive.receptions


def test_roles(call: Any) -> None:
    assert call("POST", "/v1/deposits", user="reader").json()["type"] == "urn:zdda:problem:forbidden"
    assert call("POST", "/v1/deposits", user="admin").status_code == 403


@pytest.mark.parametrize("given", ["abc", "A.b-c_1", "x" * 64])
def test_the_callers_correlation_id_is_kept(call: Any, given: str) -> None:
    assert call("GET", "/v1/health/live", headers={"X-Correlation-Id": given}).headers["x-correlation-id"] == given


@pytest.mark.parametrize("given", ["", "x" * 65, "a b", "-a", "a\x1b[31m", "850101/1234"])
def test_another_correlation_id_is_made(call: Any, given: str) -> None:
    made = call("GET", "/v1/health/live", headers={"X-Correlation-Id": given}).headers["x-correlation-id"]
    assert re.fullmatch("[0-9a-f]{32}", made)


def test_the_log_has_the_route_and_nothing_more(call: Any) -> None:
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        call("GET", "/v1/packages/00000000-0000-0000-0000-000000000007", headers={"X-Correlation-Id": "mine"})
        call("GET", "/v1/patients/850101-1234?name=Jana")
    assert [(line["event"], line["route"], line["status"]) for line in lines] == [
        ("request", "/v1/packages/{package_id}", 200),
        ("request", None, 404),
    ]
    assert lines[0]["correlation_id"] == "mine"
    assert "850101" not in str(lines)
    assert "Jana" not in str(lines)


def test_a_failure_of_the_archive_is_logged_with_its_cause(archive: FakeArchive, call: Any) -> None:
    archive.fail_read = IntegrityError("slot 5 of Jana")
    with structlog.testing.capture_logs() as lines:
        call("GET", "/v1/packages/00000000-0000-0000-0000-000000000007")
    assert lines[0]["event"] == "call-failed"
    assert lines[0]["error"] == ["IntegrityError (integrity)"]
    assert "fake_archive.py" in str(lines[0]["places"])
    assert "Jana" not in str(lines)


def test_health(archive: FakeArchive, call: Any) -> None:
    assert call("GET", "/v1/health/live", user=None).json() == {"status": "live"}
    assert call("GET", "/v1/health/ready", user=None).json()["status"] == "ready"
    archive.parts["store"] = "cannot reach secret-host"
    answer = call("GET", "/v1/health/ready", user=None)
    assert answer.status_code == 503
    assert answer.json() == {
        "status": "not ready",
        "parts": {"catalog": "ready", "store": "away"},
        "sites": {"praha": "ready", "brno": "away"},
    }


def test_other_methods(call: Any) -> None:
    answer = call("DELETE", "/v1/deposits")
    assert (answer.status_code, answer.json()["type"]) == (405, "about:blank")
    assert answer.headers["allow"] == "POST"


def test_the_documentation_loads_nothing(call: Any) -> None:
    page = call("GET", "/docs", user=None)
    assert page.status_code == 200
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]
    assert not re.findall(r"(?:src|href)=['\"]?(?:https?:)?//", page.text)
    assert "<script" not in page.text
    for text in ("/v1/deposits", "Idempotency-Key", "zdda-receipt/1", "evidence-record"):
        assert text in page.text
