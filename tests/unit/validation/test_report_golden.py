"""The report's persisted form: golden bytes and the published schema."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from tests.unit.signatures.cms_maker import attribute
from tests.unit.signatures.test_cades import CONTENT
from tests.unit.signatures.test_cades_timestamps import HASH_INDEX_V3, archived, build, counter, stamp
from tests.unit.validation.laboratory import NOW, unsigned_pdf, world
from zdda.model.canonical_json import canonical_json, parse_json
from zdda.signatures.cms import CONTENT_TIMESTAMP, SIGNATURE_TIMESTAMP
from zdda.trust.anchors import TrustAnchors
from zdda.trust.revocation import RevocationData
from zdda.validation.indications import Indication
from zdda.validation.report import ReportError, ValidationReport
from zdda.validation.validate import validate_document

ROOT = Path(__file__).resolve().parents[3]
GOLDEN = ROOT / "tests" / "golden" / "validation"
SCHEMA = Draft202012Validator(json.loads((ROOT / "schemas" / "validation-report-v1.json").read_text()))

DOCUMENTS = {
    "signed-with-timestamp": lambda: world().with_timestamp(),
    "damaged": lambda: world().basic().replace(b"(a page)", b"(A page)"),
    "unsigned": unsigned_pdf,
    "unreadable": lambda: b"%PDF-1.7\nnothing more",
    "not-supported": lambda: b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03\xa0\x80\x00\x00\x00\x00",
    "plain-text": lambda: b"just a text\n",
    "cms-countersigned": lambda: build(
        lambda value: [counter(value), attribute(SIGNATURE_TIMESTAMP, stamp(value))],
        [attribute(CONTENT_TIMESTAMP, stamp(CONTENT))],
    ),
    "cms-archived": lambda: archived(HASH_INDEX_V3, [world().signer.der], []),
    "timestamp-token": lambda: stamp(CONTENT),
}


def report(name: str) -> ValidationReport:
    lab = world()
    data = RevocationData(lab.crls())
    document, anchors = io.BytesIO(DOCUMENTS[name]()), TrustAnchors((lab.root.der,))
    return validate_document(document, anchors, at=NOW, revocation=data, detached=[io.BytesIO(CONTENT)])


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_report_is_byte_for_byte_what_it_was(name: str) -> None:
    made = canonical_json(report(name).as_json())
    path = GOLDEN / f"report-v1-{name}.json"
    assert made == path.read_bytes()


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_report_keeps_the_published_schema(name: str) -> None:
    SCHEMA.validate(parse_json(canonical_json(report(name).as_json())))


def test_golden_reports_are_still_read() -> None:
    worst = {}
    for path in GOLDEN.glob("report-v1-*.json"):
        worst[path.stem.removeprefix("report-v1-")] = ValidationReport.from_json(parse_json(path.read_bytes())).worst()
    assert worst == {
        "signed-with-timestamp": Indication.TOTAL_PASSED,
        "damaged": Indication.TOTAL_FAILED,
        "unsigned": None,
        "unreadable": Indication.INDETERMINATE,
        "not-supported": Indication.INDETERMINATE,
        "plain-text": None,
        "cms-countersigned": Indication.TOTAL_PASSED,
        "cms-archived": Indication.TOTAL_PASSED,
        "timestamp-token": None,
    }


def test_what_is_no_report_of_this_version_is_not_read() -> None:
    good = dict(report("unsigned").as_json())
    for change in ({"format": "zdda-validation-report/2"}, {"signatures": None}, {"signatures": [{}]}):
        with pytest.raises(ReportError):
            ValidationReport.from_json({**good, **change})
    with pytest.raises(ReportError):
        ValidationReport.from_json({})


def test_every_message_is_there_in_both_languages() -> None:
    from zdda.validation.messages import MESSAGES

    for name, texts in MESSAGES.items():
        assert all(texts), name
        assert texts.en != texts.cs, name
