"""The public corpus of CMS signatures, through the batch interface, against what EU DSS 6.4 says of them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.conformance.test_corpus_pades import compare, figures
from zdda.signatures.cms_document import read_cms_document
from zdda.signatures.errors import FormatError
from zdda.signatures.model import TimestampType
from zdda.trust.anchors import TrustAnchors
from zdda.validation.indications import Indication
from zdda.validation.validate import validate_document

KINDS = "refused,count,format,integrity,verdict,time,timestamps,stamp-verdict"
pytestmark = pytest.mark.corpus


def test_every_document_gets_an_answer_and_no_internal_error(shared: Path) -> None:
    at = datetime(2026, 11, 22, tzinfo=UTC)
    paths = sorted(path for path in (shared / "corpus" / "documents" / "cades").rglob("*") if path.is_file())
    assert len(paths) > 60
    for path in paths:
        with path.open("rb") as document:
            report = validate_document(document, TrustAnchors(), at=at)
        assert report.not_validated in (None, "format-not-supported"), path.name
        assert report.worst() is not Indication.TOTAL_PASSED, path.name


def test_every_row_agrees_or_has_a_reason_and_nothing_passes_that_should_not(shared: Path) -> None:
    table = compare(shared, "--kinds", KINDS, only="cades")
    agree, rows, wrongly = figures(table)
    assert wrongly == 0
    assert "unexplained 0" in table, table
    assert rows == 177
    assert agree >= 168


def test_archive_timestamps_of_the_corpus_cover_what_they_are_over(shared: Path) -> None:
    """An archive timestamp of either version whose imprint holds covers its signature and certificates."""
    seen = 0
    for path in sorted((shared / "corpus" / "documents" / "cades").rglob("*.p7m")):
        with path.open("rb") as document:
            try:
                signed = read_cms_document(document)
            except FormatError:
                continue
        for signature in signed.signatures:
            for stamp in signature.timestamps:
                if stamp.type is TimestampType.ARCHIVE and stamp.imprint_intact:
                    seen += 1
                    assert bytes.fromhex(signature.identifier) in stamp.covers
                    assert len(stamp.covers) > 2
    assert seen >= 7
