"""The fast hex-string reader gives what pyHanko's own gives; dates; what lies outside of the fields."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.misc import PdfReadError, PdfStreamError
from pyhanko.pdf_utils.reader import PdfFileReader

from tests.unit.validation.laboratory import sign_pdf, world
from tests.unit.validation.test_other_forms import stored
from zdda.signatures import pdf_objects
from zdda.signatures.errors import DocumentRefused
from zdda.signatures.pdf_objects import parse_pdf_date
from zdda.signatures.pdf_reader import PdfDocument


def both(data: bytes) -> tuple[object, object, int, int]:
    """(ours, theirs, where ours stopped, where theirs stopped)."""
    outcomes: list[object] = []
    places = []
    for read in (pdf_objects._read_hex_string, pdf_objects._original_hex_reader):
        stream = io.BytesIO(data)
        try:
            value = read(stream)
            outcomes.append((type(value), value.original_bytes))
        except PdfStreamError:
            outcomes.append("error")
        places.append(stream.tell())
    return outcomes[0], outcomes[1], places[0], places[1]


def test_the_replacement_is_in_place() -> None:
    assert generic.read_hex_string_from_stream is pdf_objects._read_hex_string


@pytest.mark.parametrize(
    "data",
    [
        b"<48656c6c6f>rest",
        b"<4 8\n65\t6C6c6F>",
        b"<486>",
        b"<>",
        b"<%comment\n41>",
        b"<41zz>",
        b"<4142",
        b"<" + b"ab" * 5000 + b">tail",
        b"<" + b"00" * 1023 + b">",
        b"<FEFF00410042>",
        b"<3082010a0201>",
    ],
)
def test_hex_strings_read_alike(data: bytes) -> None:
    ours, theirs, here, there = both(data)
    assert ours == theirs
    if ours != "error":
        assert here == there


@settings(max_examples=200, deadline=None)
@given(st.text("0123456789abcdefABCDEF \n\t\r\x00%>g", max_size=60).map(lambda text: b"<" + text.encode() + b">"))
def test_any_hex_string_reads_alike(data: bytes) -> None:
    ours, theirs, here, there = both(data)
    assert ours == theirs
    if ours != "error":
        assert here == there


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.binary(max_size=20), st.text("AZaz09#.-_+:*, /(%", max_size=20).map(str.encode)))
def test_any_name_decodes_alike(data: bytes) -> None:
    outcomes = []
    for decode in (pdf_objects._decode_name, pdf_objects._original_name_decoder):
        try:
            outcomes.append(str(decode(data)))
        except PdfReadError:
            outcomes.append("error")
    assert outcomes[0] == outcomes[1]


def test_a_string_remembers_where_it_stood() -> None:
    stream = io.BytesIO(b"....<4142>..")
    stream.seek(4)
    assert pdf_objects._read_hex_string(stream).zdda_span == (stream, 4, 10)


def test_signature_dictionaries_of_public_documents_read_alike(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def facts(path: Path) -> list[tuple[object, ...]]:
        with path.open("rb") as file:
            try:
                found = PdfDocument(file).signature_dictionaries()
            except DocumentRefused as error:
                return [(str(error),)]
        return [(item.sub_filter, item.byte_range, item.contents, item.signing_time) for item in found]

    paths = sorted((shared / "corpus" / "documents" / "pades").glob("*.pdf"))[::3]
    fast = [facts(path) for path in paths]
    monkeypatch.setattr(generic, "read_hex_string_from_stream", pdf_objects._original_hex_reader)
    assert [facts(path) for path in paths] == fast


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("D:20210601120000Z", datetime(2021, 6, 1, 12, tzinfo=UTC)),
        ("D:20210601120000+02'00'", datetime(2021, 6, 1, 10, tzinfo=UTC)),
        ("D:20210601120000-0530", datetime(2021, 6, 1, 17, 30, tzinfo=UTC)),
        ("D:2021", datetime(2021, 1, 1, tzinfo=UTC)),
        ("D:20219901", None),
        ("yesterday", None),
        ("D:00000000000000", None),
        ("D:99991231235959-23'59'", None),
    ],
)
def test_dates(text: str, moment: datetime | None) -> None:
    assert parse_pdf_date(text) == moment


@given(
    st.lists(st.sampled_from([b" ", b"\n", b"\r", b"\x00", b"%", b"/", b"(", b">", b"ab", b"x" * 47, b" " * 47])),
    st.integers(0, 3),
)
def test_tokens_end_where_pyhanko_ends_them(parts: list[bytes], start: int) -> None:
    data = b"".join(parts)
    theirs_ = pdf_objects._original_non_whitespace
    for ours, theirs in (
        (pdf_objects._read_until_delimiter, pdf_objects._original_until_delimiter),
        (pdf_objects._read_non_whitespace, pdf_objects._original_non_whitespace),
        (partial(pdf_objects._read_non_whitespace, seek_back=True), partial(theirs_, seek_back=True)),
        (partial(pdf_objects._read_non_whitespace, allow_eof=True), partial(theirs_, allow_eof=True)),
    ):
        told = []
        for read in (ours, theirs):
            stream = io.BytesIO(data)
            stream.seek(start)
            try:
                told.append((read(stream), stream.tell()))
            except Exception as error:  # noqa: BLE001 - the same is to be raised
                told.append((type(error), None))
        assert told[0] == told[1]
    assert generic.read_non_whitespace is pdf_objects._read_non_whitespace


def test_what_a_later_revision_left_out_of_the_store_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the revisions, those are opened whose catalog has a store, and no others."""
    opened: list[int] = []
    original = PdfFileReader.get_historical_root

    def historical(self: PdfFileReader, revision: int) -> object:
        opened.append(revision)
        return original(self, revision)

    monkeypatch.setattr(PdfFileReader, "get_historical_root", historical)
    lab = world()
    first = stored(lab.with_timestamp(), [lab.issuing.der], [], [])
    between = sign_pdf(first, lambda _: b"x", number=60, fields=[10])
    pdf = stored(between, [lab.root.der], [], [], 80)
    assert set(PdfDocument(io.BytesIO(pdf)).validation_store().certificates) == {lab.issuing.der, lab.root.der}
    assert opened == [2]
