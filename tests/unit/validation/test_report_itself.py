"""The report as a value: what it pins, what it is not, and that a bug of ours is no verdict."""

from __future__ import annotations

import hashlib
import io
from datetime import datetime

import pytest

from tests.unit.validation.laboratory import unsigned_pdf, world
from tests.unit.validation.test_pdf_verdicts import judge
from zdda.trust.anchors import TrustAnchors
from zdda.validation.indications import Indication
from zdda.validation.report import ValidationReport
from zdda.validation.validate import validate_document


def test_a_report_is_no_truth_value_and_pins_what_it_rests_on() -> None:
    report = judge(world().basic())
    with pytest.raises(TypeError):
        bool(report)
    content = report.as_json()
    assert content["format"] == "zdda-validation-report/1"
    assert content["trustAnchors"] == [hashlib.sha256(world().root.der).hexdigest()]
    assert len(content["policy"]["sha256"]) == len(content["algorithmCatalogue"]["sha256"]) == 64
    assert content["validationTime"] == "2021-06-02T12:00:00.000Z"
    again = ValidationReport.from_json(content)
    assert again.worst() is Indication.TOTAL_PASSED
    listed = {(item["role"], item["sha256"]) for item in content["validationData"]}
    assert listed == {(datum.role, datum.sha256) for datum in report.validation_data}
    assert {"certificate", "crl"} <= {datum.role for datum in report.validation_data}


def test_an_internal_error_is_not_validated_and_never_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    from zdda.validation import validate

    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(validate, "judge", broken)
    report = judge(world().basic())
    assert report.not_validated == "internal-error"
    assert report.worst() is Indication.INDETERMINATE
    assert "a bug" not in str(report.as_json())


def test_the_time_is_mandatory_and_has_a_zone() -> None:
    with pytest.raises(ValueError, match="validation time"):
        validate_document(io.BytesIO(unsigned_pdf()), TrustAnchors())
    with pytest.raises(ValueError, match="validation time"):
        validate_document(io.BytesIO(unsigned_pdf()), TrustAnchors(), at=datetime(2021, 1, 1))  # noqa: DTZ001
