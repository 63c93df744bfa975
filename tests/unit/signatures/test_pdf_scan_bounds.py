"""A damaged PDF is searched for signature dictionaries: so many places, in linear time, each object once."""

from __future__ import annotations

import io

import pytest
from pyhanko.pdf_utils import generic

from tests.unit.validation.laboratory import world
from zdda.signatures import pdf_reader
from zdda.signatures.errors import FormatError
from zdda.signatures.pdf_reader import PdfDocument
from zdda.signatures.pdf_scan import object_start

HEADER = b"%PDF-1.7\n"
PLACE = b"/ByteRange [0 1 2 3]\n"


@pytest.fixture
def searched(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The bytes that a search for the beginnings of objects looked through, place by place."""
    found: list[int] = []
    original = PdfDocument.read

    def read(self: PdfDocument, start: int, end: int) -> bytes:
        found.append(end - start)
        return original(self, start, end)

    monkeypatch.setattr(PdfDocument, "read", read)
    return found


def test_so_many_places_and_no_more(searched: list[int]) -> None:
    """Fuzzing's neighbour: 132 KB of broken objects took ten seconds, and a megabyte would have taken minutes."""
    place = b"1 0 obj << /ByteRange [0 1 2 3] \n"
    with pytest.raises(FormatError):
        PdfDocument(io.BytesIO(HEADER + place * 4000)).signature_dictionaries()
    assert len(searched) == 0
    assert PdfDocument(io.BytesIO(HEADER + place * 200)).signature_dictionaries() == []
    assert len(searched) == 200
    assert sum(searched) < 200 * 4097


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Where objects were read."""
    found: list[int] = []
    original = generic.read_object

    def counted(stream: io.BytesIO, *args: object, **kwargs: object) -> object:
        found.append(stream.tell())
        return original(stream, *args, **kwargs)

    monkeypatch.setattr(pdf_reader.generic, "read_object", counted)
    return found


def test_an_object_is_read_once_however_many_places_lie_in_it(read: list[int]) -> None:
    document = PdfDocument(io.BytesIO(HEADER + b"1 0 obj << /A [" + b"1 " * 500 + b"]\n" + PLACE * 30 + b">>"))
    document.signature_dictionaries()
    assert read.count(len(HEADER) + len(b"1 0 obj ")) == 1


def test_objects_that_do_not_end_are_not_read_to_the_end_without_end(read: list[int]) -> None:
    head = b"1 0 obj << /ByteRange [0 1 2 3] /A (\n"
    document = PdfDocument(io.BytesIO(HEADER + head * 100 + b"x" * 200_000))
    with pytest.raises(FormatError):
        document.signature_dictionaries()
    assert len(set(read) & {len(HEADER) + number * len(head) + 8 for number in range(100)}) < 10


@pytest.mark.parametrize("far", [10, 5_000, 70_000])
def test_a_beginning_is_found_however_far_before(far: int) -> None:
    """The nearest of several, in whichever window it lies."""
    data = HEADER + b"7 0 obj << >> 12 0 obj <<" + b" " * far + PLACE
    document = PdfDocument(io.BytesIO(data))
    hit = data.index(b"/ByteRange")
    assert object_start(document.read, hit) == data.index(b"<<" + b" " * far)


def test_a_signature_in_a_damaged_document_is_found_still() -> None:
    signed = world().basic()
    document = PdfDocument(io.BytesIO(signed.replace(b"xref\n", b"xrxf\n")))
    (found,) = document.signature_dictionaries()
    assert found.broken
    assert not found.reachable
