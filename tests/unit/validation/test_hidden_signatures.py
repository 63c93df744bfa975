"""Signatures that a document would keep from being looked at."""

from __future__ import annotations

import io

from tests.unit.validation.laboratory import NOW, world
from zdda.trust.anchors import TrustAnchors
from zdda.trust.revocation import RevocationData
from zdda.validation.indications import Indication
from zdda.validation.report import ValidationReport
from zdda.validation.validate import validate_document


def judged(pdf: bytes) -> ValidationReport:
    lab = world()
    anchors, data = TrustAnchors((lab.root.der,)), RevocationData(lab.crls())
    return validate_document(io.BytesIO(pdf), anchors, at=NOW, revocation=data)


def broken(name: bytes = b"/Byte#52ange") -> bytes:
    """A signature over something else, whose /ByteRange is spelled ``name``; the bytes are as many as before."""
    pdf = world().basic(number=20)
    start = pdf.rindex(b"/ByteRange [")
    end = pdf.index(b"]", start)
    return pdf[:start] + (name + b" [" + pdf[start + 12 : end]).rstrip().ljust(end - start) + pdf[end:]


def test_a_broken_signature_among_more_fields_than_are_read_is_not_passed_over() -> None:
    few = judged(world().basic(broken(), number=10, fields=(10, 20)))
    assert few.worst() is Indication.TOTAL_FAILED
    many = judged(world().basic(broken(), number=10, fields=(10, *[3] * 10_000, 20)))
    assert many.refused is not None
    assert many.worst() is Indication.INDETERMINATE


def test_a_broken_signature_in_a_field_that_cannot_be_read_is_found_however_its_names_are_written() -> None:
    for name in (b"/Byte#52ange", b"/#42yteRan#67e", b"/ByteRange"):
        pdf = broken(name)
        start = pdf.rindex(b"20 0 obj")
        end = pdf.index(b"endobj", start)
        field = pdf[start:end].replace(b"/Rect [0 0 0 0]", b"/Rect [0 0 0 0 ")
        found = judged(world().basic(pdf[:start] + field + pdf[end:], number=10, fields=(10, 20)))
        assert len(found.signatures) == 2
        assert found.worst() is Indication.TOTAL_FAILED
