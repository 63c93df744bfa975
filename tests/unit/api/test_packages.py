from __future__ import annotations

import base64
import hashlib
import sys
from typing import Any
from uuid import UUID

import pytest
from fake_archive import UNAVAILABLE, FakeArchive

from zdda.model.errors import IntegrityError

HERE = f"/v1/packages/{UUID(int=7)}"


def test_a_document_comes_with_its_digest_and_name(archive: FakeArchive, call: Any) -> None:
    answer = call("GET", f"{HERE}/documents/1")
    assert (answer.status_code, answer.content) == (200, archive.content)
    digest = base64.b64encode(hashlib.sha256(archive.content).digest()).decode()
    assert answer.headers["repr-digest"] == f"sha-256=:{digest}:"
    assert answer.headers["content-length"] == str(len(archive.content))
    assert answer.headers["content-disposition"] == (
        "attachment; filename=\"Priloha.pdf\"; filename*=UTF-8''P%C5%99%C3%ADloha.pdf"
    )
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert archive.closed_contents == 1


def test_what_a_package_is(call: Any) -> None:
    body = call("GET", HERE).json()
    assert body["packageId"] == str(UUID(int=7))
    assert body["documents"][0]["verdict"] == "TOTAL_PASSED"
    assert body["retention"] == {"class": "medical-record", "mark": "S", "retainUntil": "2026-11-24T08:00:00.000Z"}


def test_container_record_and_report(archive: FakeArchive, call: Any) -> None:
    assert call("GET", f"{HERE}/aip").content == archive.content
    record = call("GET", f"{HERE}/evidence-record")
    assert record.content == b"\x30\x03\x02\x01\x01"
    assert record.headers["repr-digest"].startswith("sha-256=:")
    assert call("GET", f"{HERE}/validation-report").json() == [{"indication": "TOTAL_PASSED"}]


PARTS = ["", "/documents/1", "/aip", "/evidence-record", "/validation-report", "/amendments", "/amendments/1"]


def test_amendments_are_listed_and_given(call: Any) -> None:
    assert [each["sequence"] for each in call("GET", f"{HERE}/amendments").json()] == [1]
    sealed = call("GET", f"{HERE}/amendments/1")
    assert (sealed.content, sealed.headers["content-type"]) == (b"\x30\x01\x02", "application/cms")
    assert sealed.headers["repr-digest"].startswith("sha-256=:")
    assert 'filename="00000000-0000-0000-0000-000000000007.1.p7m"' in sealed.headers["content-disposition"]
    for number in ("2", "0", str(2**31), "x"):
        assert call("GET", f"{HERE}/amendments/{number}").status_code == 404


def test_damage_at_the_start_is_an_error(archive: FakeArchive, call: Any) -> None:
    archive.damaged_at = 0
    answer = call("GET", f"{HERE}/documents/1")
    assert answer.status_code == 500
    assert answer.json()["type"] == "urn:zdda:problem:integrity"
    assert archive.closed_contents == 1


@pytest.mark.parametrize("status", [404, 503, 500])
def test_what_cannot_be_read(archive: FakeArchive, call: Any, status: int) -> None:
    path = f"{HERE}/documents/{2 if status == 404 else 1}"
    archive.fail_read = {404: None, 503: UNAVAILABLE, 500: IntegrityError("slot 5 is torn")}[status]
    answer = call("GET", path)
    assert answer.status_code == status
    assert "slot" not in answer.text


@pytest.mark.parametrize("path", ["/documents/0", "/documents/-1", "/documents/x", f"/documents/{1 << 70}", "/other"])
def test_nothing_there(call: Any, path: str) -> None:
    answer = call("GET", HERE + path)
    assert answer.status_code == 404
    assert answer.json()["type"] == "urn:zdda:problem:not-found"


@pytest.mark.parametrize("path", PARTS)
def test_only_consumers_read(call: Any, path: str) -> None:
    assert call("GET", HERE + path, user="reader").status_code == 200
    assert call("GET", HERE + path, user="other").status_code == 403
    assert call("GET", HERE + path, user="admin").status_code == 403, "an administrator sees no content"
    assert call("GET", HERE + path, user=None).status_code == 401


def test_an_internal_error_says_nothing(archive: FakeArchive, call: Any, capsys: Any) -> None:
    archive.fail_read = KeyError("Jana Nováková")
    answer = call("GET", HERE, headers={"X-Correlation-Id": "mine-1"})
    assert answer.status_code == 500
    assert answer.json()["type"] == "urn:zdda:problem:internal"
    assert answer.json()["correlationId"] == "mine-1"
    assert "Nov" not in answer.text
    written = capsys.readouterr()
    assert "Nov" not in written.out + written.err
    assert sys.exc_info() == (None, None, None)
