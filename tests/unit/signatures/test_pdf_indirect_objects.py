"""Indirect objects read at once are what pyHanko reads by way of its stream."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.reader import PdfFileReader

from tests.unit.signatures.test_pdf_plain_objects import AFTER, VALUES, Handler, as_delivered, told
from zdda.demonstration.documents import plain_pdf
from zdda.signatures import pdf_plain_objects, pdf_reader  # noqa: F401 - at import

HEADERS = st.sampled_from(
    [b"7 0 obj", b"7 0 obj\n", b"7\n0 obj ", b"8 0 obj ", b"7 1 obj ", b"7  0 obj ", b"7 0 ob", b""]
)


def read(function: Any, data: bytes, place: int, **more: Any) -> tuple[Any, ...]:
    class Reader(Handler):
        stream, encrypted, security_handler = io.BytesIO(data), False, None

    own = Reader()
    try:
        value = function(own, generic.Reference(7, 0, own), place, **more)
    except Exception as error:  # noqa: BLE001 - whatever it is, the same
        return (type(error).__name__,)
    return told(value), own.stream.tell()


@settings(max_examples=400, deadline=None)
@given(HEADERS, VALUES, AFTER, st.sampled_from([b"", b"\n", b"\nxref", b" %c", b" %c\nx"]), st.integers(-1, 2))
@example(b"7 0 obj\n", b"<</A(\\072\\))/Length 3>>", b"\nstream\nabc\nendstream\nendobj", b"\n8", 0)
@example(b"7 0 obj\n", b"<</A 1>>", b"\nendobj", b"", 0)
@example(b"7 0 obj\n", b"<</A 1>>", b"\nendobj", b"\n8", -1)
@example(b"7 0 obj\n", b"7", b"\nendobj", b"\n8", 0)
def test_the_same(header: bytes, value: bytes, after: bytes, rest: bytes, place: int) -> None:
    data = header + value + after + rest
    with as_delivered():
        expected = read(pdf_plain_objects._original_indirect, data, place)
    assert read(PdfFileReader._read_object, data, place) == expected


def test_most_is_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the comparison would compare the original with itself."""

    def refuse(*_: object) -> None:
        raise AssertionError("left to the original")

    monkeypatch.setattr(pdf_plain_objects, "_original_indirect", refuse)
    found = read(PdfFileReader._read_object, b"7 0 obj\n<</Type/Sig/M(D\\0722024)>>\nendobj\n8 0 obj", 0)
    assert len(found) == 2
    assert "D:2024" in repr(found)


def test_what_is_encrypted_is_read_by_way_of_the_handler(monkeypatch: pytest.MonkeyPatch) -> None:
    own = SimpleNamespace(
        stream=io.BytesIO(b"7 0 obj\n<</A(x)>>\nendobj\n8"), encrypted=True, security_handler="handler"
    )
    reference = generic.Reference(7, 0, own)
    monkeypatch.setattr(generic, "proxy_encrypted_obj", lambda value, handler: (value, handler))
    assert PdfFileReader._read_object(own, reference, 0)[1] == "handler"
    assert PdfFileReader._read_object(own, reference, 0, never_decrypt=True) == {"/A": "x"}


def test_whether_a_document_is_encrypted_is_found_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []
    monkeypatch.setattr(PdfFileReader, "security_handler", property(lambda self: looked.append(1)))
    reader = PdfFileReader(io.BytesIO(plain_pdf("Zpráva")), strict=False)
    assert not reader.encrypted
    assert reader.root["/Type"] == "/Catalog"
    assert len(looked) == 1
    monkeypatch.setattr(PdfFileReader, "security_handler", property(lambda self: "handler"))
    assert PdfFileReader(io.BytesIO(plain_pdf("Zpráva")), strict=False).encrypted
