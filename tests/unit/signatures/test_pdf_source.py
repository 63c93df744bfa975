"""An error of where the bytes come from is raised, whatever was being read: it is no finding on the document."""

from __future__ import annotations

import io
from functools import cache
from typing import Any, BinaryIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.validation.laboratory import update, world
from zdda.model.errors import IntegrityError, Unavailable
from zdda.signatures import pdf_changes, pdf_reader, pdf_source
from zdda.signatures.pdf import read_pdf
from zdda.signatures.pdf_reader import PdfDocument

ERRORS = [OSError(5, "Input/output error"), IntegrityError("damaged"), Unavailable("later"), MemoryError()]


@cache
def document() -> bytes:
    store = b"/DSS << /Certs [40 0 R] /VRI << /AA << /Cert [40 0 R] >> >> >>"
    form = b"/AcroForm << /SigFlags 3 /Fields [10 0 R] >>"
    certificate = world().issuing.der
    stream = b"<< /Length %d >>\nstream\n%s\nendstream" % (len(certificate), certificate)
    objects = {1: b"<< /Type /Catalog /Pages 2 0 R %s %s >>" % (form, store), 40: stream}
    return update(update(world().basic(), objects, 41), {9: b"<< >>"}, 41)


class Failing(io.BytesIO):
    """Fails at one read, and at that only."""

    def __init__(self, data: bytes, at: int, error: Exception) -> None:
        super().__init__(data)
        self.at, self.error, self.reads = at, error, 0

    def read(self, size: int | None = -1, /) -> bytes:
        self.reads += 1
        if self.reads == self.at:
            raise self.error
        return super().read(size)


@pytest.fixture
def in_small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf_reader, "IN_MEMORY", 0)
    monkeypatch.setattr(pdf_source, "_BUFFER", 512)


@pytest.mark.usefixtures("in_small_blocks")
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_a_read_that_fails_anywhere(error: Exception) -> None:
    whole = Failing(document(), 0, error)
    assert len(read_pdf(whole).signatures) == 1
    assert whole.reads > 50
    for at in range(1, whole.reads + 1):
        with pytest.raises(type(error)):
            read_pdf(Failing(document(), at, error))


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (pdf_reader, "PdfFileReader"),
        (PdfDocument, "_unlock"),
        (PdfDocument, "_push"),
        (PdfDocument, "_is_signature"),
        (PdfDocument, "_parse"),
        (PdfDocument, "_collect"),
        (PdfDocument, "_place_of"),
        (pdf_reader, "_stream_data"),
        (pdf_changes, "signed_reader"),
    ],
)
def test_memory_that_is_not_enough_anywhere(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> None:
    def exhausted(*given: Any, **more: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(owner, name, exhausted)
    with pytest.raises(MemoryError):
        read_pdf(io.BytesIO(document()))


def test_an_entry_that_cannot_be_read_for_want_of_memory() -> None:
    class Entries(dict[str, Any]):
        def __getitem__(self, key: str) -> Any:
            raise MemoryError

    with pytest.raises(MemoryError):
        pdf_reader._entry(Entries(), "/Type")


@pytest.mark.usefixtures("in_small_blocks")
def test_places_that_a_document_makes_up_are_no_errors_of_the_source() -> None:
    for start in (b"-1", b"-99999", b"99999999999999999999999", b"9" * 4000):
        broken = document()[: document().rindex(b"startxref")] + b"startxref\n%s\n%%%%EOF\n" % start
        assert any(each.code == "document-damaged" for each in read_pdf(io.BytesIO(broken)).findings)
    for length in (b"99999999999999999", b"-4"):
        broken = document().replace(b"/Length %d" % len(world().issuing.der), b"/Length %s" % length)
        read_pdf(io.BytesIO(broken))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=2000), st.integers(0, 2100), st.data())
def test_a_source_reads_as_memory_does(data: bytes, length: int, more: st.DataObject) -> None:
    length = min(length, len(data))
    streams: list[BinaryIO] = [pdf_source.SourceStream(io.BytesIO(data), length), io.BytesIO(data[:length])]
    for _ in range(6):
        offset, whence = more.draw(st.tuples(st.integers(-50, 2500), st.sampled_from([0, 1, 2])))
        results = []
        for stream in streams:
            try:
                results.append((stream.seek(offset, whence), stream.read(300), stream.tell()))
            except ValueError:
                results.append((-1, b"", stream.tell()))
        assert results[0] == results[1]
