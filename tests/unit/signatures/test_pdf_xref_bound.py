"""Cross-reference streams name no more objects than a file can hold, whatever they cost."""

from __future__ import annotations

import io
import zlib

import pytest
from pyhanko.pdf_utils.reader import PdfFileReader

from tests.unit.validation.laboratory import NOW, world
from zdda.signatures import pdf_xref_bound
from zdda.signatures.errors import DocumentRefused
from zdda.signatures.pdf_reader import PdfDocument
from zdda.trust.anchors import TrustAnchors
from zdda.validation.validate import validate_document


def with_stream(base: bytes, entries: bytes, rows: bytes, number: int = 50) -> bytes:
    previous = int(base[base.rindex(b"startxref") + 10 :].split()[0])
    data = zlib.compress(rows, 9)
    head = b"<< /Type /XRef %s /Root 1 0 R /Prev %d /Filter /FlateDecode /Length %d >>" % (entries, previous, len(data))
    body = b"%d 0 obj\n%s\nstream\n%s\nendstream\nendobj\n" % (number, head, data)
    return base + body + b"startxref\n%d\n%%%%EOF\n" % len(base)


@pytest.mark.parametrize(
    ("entries", "rows"),
    [
        (b"/W [1 4 1] /Index [100 3000000] /Size 4000000", bytes(6 * 3_000_000)),
        (b"/W [0 0 0] /Index [100 3000000000] /Size 4000000000", b""),
        (b"/W [1 4 1] /Size 3000000000", b""),
        (b"/W [1 4 1] /Index [100 60000 70000 60000] /Size 200000", bytes(6 * 120_000)),
    ],
)
def test_more_entries_than_a_file_can_hold(entries: bytes, rows: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf_xref_bound, "_original", lambda *given, **more: pytest.fail("not bounded"))
    report = validate_document(io.BytesIO(with_stream(world().basic(), entries, rows)), TrustAnchors(()), at=NOW)
    assert report.content["refused"]["code"] == DocumentRefused("").code


def test_several_streams_count_together() -> None:
    once = with_stream(world().basic(), b"/W [1 4 1] /Index [100 60000] /Size 60200", bytes(6 * 60_000))
    assert PdfDocument(io.BytesIO(once)).opened
    with pytest.raises(DocumentRefused):
        PdfDocument(io.BytesIO(with_stream(once, b"/W [1 4 1] /Index [100 60000] /Size 60200", bytes(6 * 60_000), 51)))


def test_many_entries_of_a_large_file() -> None:
    base = world().basic() + b"%" * 1_000_000 + b"\n"
    data = with_stream(base, b"/W [1 4 1] /Index [100 150000] /Size 150200", bytes(6 * 150_000))
    assert PdfDocument(io.BytesIO(data)).opened


def test_what_is_no_number_is_left_to_the_reader() -> None:
    for entries in (b"/W [1 4 1] /Index [100 (x)] /Size 9", b"/W [1 4 1] /Index 7 /Size 300", b"/W [1 4 1]"):
        document = PdfDocument(io.BytesIO(with_stream(world().basic(), entries, b"")))
        assert not document.opened or document.signature_dictionaries()
    assert PdfFileReader(io.BytesIO(with_stream(world().basic(), b"/W [1 4 1] /Index [] /Size 9", b"")), strict=False)
