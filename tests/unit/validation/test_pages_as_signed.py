"""A PDF that has more or fewer pages than were signed, and one whose pages show something else."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

from tests.unit.validation.laboratory import NOW, update, world
from zdda.trust.anchors import TrustAnchors
from zdda.trust.revocation import RevocationData
from zdda.validation.constraints import Level
from zdda.validation.policy import ValidationPolicy
from zdda.validation.validate import validate_document

PAGE = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] >>"
TWO = b"<< /Type /Pages /Kids [3 0 R 40 0 R] /Count 2 >>"
ONE = b"<< /Type /Pages /Kids [3 0 R 40 0 R] /Count 1 >>"


def judged(pdf: bytes, policy: ValidationPolicy | None = None) -> dict[str, Any]:
    lab = world()
    anchors, data = TrustAnchors((lab.root.der,)), RevocationData(lab.crls())
    (found,) = validate_document(
        io.BytesIO(pdf), anchors, at=NOW, revocation=data, policy=policy or ValidationPolicy()
    ).signatures
    return dict(found)


def statuses(found: dict[str, Any]) -> dict[str, str]:
    (block,) = [block for block in found["buildingBlocks"] if block["name"] == "format-checking"]
    return {item["id"]: item["status"] for item in block["constraints"]}


def test_a_page_more_than_was_signed_is_a_format_failure_whatever_count_says() -> None:
    for tree in (TWO, ONE):
        found = judged(update(world().basic(), {2: tree, 40: PAGE}, 41))
        assert (found["indication"], found["subindication"]) == ("TOTAL_FAILED", "FORMAT_FAILURE")
        assert statuses(found)["pages-as-signed"] == "not-ok"


def test_pages_that_nobody_can_count_are_not_as_signed() -> None:
    endless = b"<< /Type /Pages /Kids [%b] >>" % (b"3 0 R " * 50_001)
    assert judged(update(world().basic(), {2: endless}, 41))["subindication"] == "FORMAT_FAILURE"


def test_the_policy_says_what_another_number_of_pages_means() -> None:
    standard = ValidationPolicy()
    tolerant = replace(standard, signature=replace(standard.signature, pages_as_signed=Level.WARN))
    found = judged(update(world().basic(), {2: TWO, 40: PAGE}, 41), tolerant)
    assert found["indication"] == "TOTAL_PASSED"
    assert statuses(found)["pages-as-signed"] == "warning"


def test_another_content_of_as_many_pages_is_a_warning_or_what_the_policy_says() -> None:
    swapped = update(world().basic(), {4: b"<< /Length 24 >>\nstream\nBT (another!) Tj ET     \nendstream"}, 12)
    found = judged(swapped)
    assert found["indication"] == "TOTAL_PASSED"
    assert statuses(found)["content-as-signed"] == "warning"
    assert statuses(found)["pages-as-signed"] == "ok"
    standard = ValidationPolicy()
    strict = replace(standard, signature=replace(standard.signature, content_as_signed=Level.FAIL))
    assert judged(swapped, strict)["subindication"] == "FORMAT_FAILURE"
