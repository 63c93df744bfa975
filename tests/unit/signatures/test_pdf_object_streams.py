"""Object streams are read as pyHanko reads them, but each only once."""

from __future__ import annotations

import io
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.reader import PdfFileReader

from zdda.signatures import pdf_object_streams

MEMBERS = b"<< /A 1 >> [1 2 3] (text) null 5 6 0 R"


def document(table: bytes, first: int, count: int, members: bytes = MEMBERS) -> bytes:
    data = zlib.compress(table.ljust(first) + members)
    out = bytearray(b"%PDF-1.7\n")
    places = []
    for number, body in (
        (1, b"<< /Type /Catalog >>"),
        (
            2,
            b"<< /Type /ObjStm /Filter /FlateDecode /N %d /First %d /Length %d >>\nstream\n%s\nendstream"
            % (count, first, len(data), data),
        ),
    ):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    rows = b"".join(b"\x01" + place.to_bytes(4, "big") + b"\0" for place in places)
    rows += b"".join(b"\x02" + (2).to_bytes(4, "big") + bytes((index,)) for index in range(6))
    out += b"9 0 obj\n<< /Type /XRef /W [1 4 1] /Index [1 2 10 6] /Size 20 /Root 1 0 R /Length %d >>\nstream\n" % len(
        rows
    )
    out += rows + b"\nendstream\nendobj\nstartxref\n%d\n%%%%EOF\n" % start
    return bytes(out)


def answer(read: Any, data: bytes, number: int, index: int) -> str:
    reader = PdfFileReader(io.BytesIO(data), strict=False)
    try:
        value = read(reader, number, 2, index)
    except Exception as error:  # noqa: BLE001 - compared with the other's
        return type(error).__name__
    out = io.BytesIO()
    value.write_to_stream(out)
    return f"{type(value).__name__} {out.getvalue()!r} {getattr(value, 'container_ref', None)}"


PLAIN = b"10 0 11 11 12 19 13 26 14 31 15 33 "


@pytest.mark.parametrize(
    ("table", "first", "count"),
    [
        (PLAIN, 40, 6),
        (PLAIN.replace(b" ", b"\r\n"), 50, 6),
        (PLAIN.replace(b"11 11", b"10 11"), 40, 6),
        (PLAIN.replace(b"12 19", b"12 99"), 40, 6),
        (PLAIN.replace(b"12 19", b"1x 19"), 40, 6),
        (PLAIN.replace(b"12 19", b"-2 19"), 40, 6),
        (PLAIN, 40, 3),
        (PLAIN, 40, 9),
        (PLAIN, 20, 6),
        (b"%", 40, 6),
    ],
)
def test_same_results(table: bytes, first: int, count: int) -> None:
    data = document(table, first, count)
    for number in range(10, 17):
        for index in (0, number - 10, 7, -1):
            assert answer(pdf_object_streams._get_object_from_stream, data, number, index) == answer(
                pdf_object_streams._original, data, number, index
            )


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=30), st.integers(0, 40), st.integers(0, 9), st.integers(10, 16))
def test_same_results_of_rubbish(table: bytes, first: int, count: int, number: int) -> None:
    data = document(table, first, count)
    ours = answer(pdf_object_streams._get_object_from_stream, data, number, number - 10)
    assert ours == answer(pdf_object_streams._original, data, number, number - 10)


def test_a_stream_is_decoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = PdfFileReader(io.BytesIO(document(PLAIN, 40, 6)), strict=False)
    calls = []
    original = generic.StreamObject.read_data
    monkeypatch.setattr(
        generic.StreamObject,
        "read_data",
        lambda self, *given, **more: calls.append(1) or original(self, *given, **more),
    )
    for number in range(10, 15):
        generic.Reference(number, 0, reader).get_object()
    assert len(calls) == 1
