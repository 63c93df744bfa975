"""Objects and cross-reference tables read at once are what pyHanko reads byte by byte."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pyhanko.pdf_utils import generic, misc, reader, xref

from zdda.signatures import pdf_objects, pdf_plain_objects, pdf_plain_xref, pdf_reader  # noqa: F401 - at import

Outcome = tuple[Any, ...]


class Handler:
    strict = False

    def get_object(self, reference: Any) -> Any:
        return generic.NumberObject(3)


@contextmanager
def as_delivered() -> Iterator[None]:
    """pyHanko without the replacements."""
    kept = generic.read_object, generic.DictionaryObject.read_from_stream, generic.pdf_string
    generic.read_object = pdf_plain_objects._original_read_object
    generic.DictionaryObject.read_from_stream = staticmethod(pdf_plain_objects._original_read_dictionary)
    try:
        yield
    finally:
        generic.read_object, generic.pdf_string = kept[0], kept[2]
        generic.DictionaryObject.read_from_stream = staticmethod(kept[1])


def told(value: Any) -> Any:
    """All there is to an object."""
    own: list[Any] = [type(value).__name__, None if value.container_ref is None else repr(value.container_ref)]
    if isinstance(value, generic.DictionaryObject):
        own += [[(type(key).__name__, str(key), key.container_ref, told(value.raw_get(key))) for key in value]]
        if isinstance(value, generic.StreamObject):
            own.append(value.encoded_data)
    elif isinstance(value, generic.ArrayObject):
        own.append([told(value.raw_get(index)) for index in range(len(value))])
    elif isinstance(value, generic.IndirectObject):
        own += [value.idnum, value.generation, type(value.get_pdf_handler()).__name__]
    elif not isinstance(value, generic.NullObject):
        own.append(repr(value))
    own.append(getattr(value, "original_bytes", None) if isinstance(value, str | bytes) else None)
    own.append(getattr(value, "zdda_span", (None, None, None))[1:])
    return own


def outcome(data: bytes, start: int, make: Callable[[bytes], Any], read: Callable[[Any, Any], Any]) -> Outcome:
    stream = make(data)
    stream.seek(start)
    if data[start : start + 1] == b"%" and b"\n" not in data[start:] and b"\r" not in data[start:]:
        return ()  # pyHanko would not end
    reference = generic.Reference(7, 0, Handler())
    try:
        value = read(stream, reference)
    except RecursionError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, the same
        return (type(error).__name__,)
    return told(value), stream.tell()


def both(data: bytes, start: int = 0) -> None:
    for make in (io.BytesIO, lambda data: io.BufferedReader(io.BytesIO(data))):  # type: ignore[arg-type, return-value]
        for name in ("read_object", "DictionaryObject.read_from_stream"):
            owner, function = (generic, name) if "." not in name else (generic.DictionaryObject, "read_from_stream")
            with as_delivered():
                expected = outcome(data, start, make, getattr(owner, function))
            assert outcome(data, start, make, getattr(owner, function)) == expected, (name, data)


BLANK = st.sampled_from([b"", b" ", b"\n", b"\r\n", b"  ", b"\x00", b"\t", b"\x0c", b"\x0b", b" %c\n", b"\xa0"])
ATOM = st.sampled_from(
    rb"/A ~/B ~/Length ~/Name#20x ~/ ~/A{ ~/Type ~/x.y-z ~null~true~false~trueX~null1~tru~nul~R~%~>~<<~>>~[~]~endobj~{"
    rb"~0~12~-3~+4~00~1.5~-.5~5.~1,2~99999999999999999999~--1~4 0 R~12 0 R~0 0 R~5  0 R~5 0 Rx~5 0 R/~1 2 3 R"
    rb"~123456789012 0 R~1 65536 R~(a)~()~(a(b)c)~(\))~(\101\n)~(open~<>~<41>~<4>~<4 1>~<FEFF0041>~<zz>~<41~<00ff>"
    rb"~<efbbbf41>~stream~s~x".split(b"~")
    + rb"(\072x\)\\\377)~(\400)~(\08)~(\7)~(\n\12\r)~(\q)~(a\~(a(\051)".split(b"~")
    + b"/\xc3\xa9~5\n0\nR~(\xfe\xff\x00a)~(\x81\x7f)~(\r\n)~(\x9fx".split(b"~")
)


def joined(parts: list[bytes]) -> bytes:
    return b"".join(parts)


TOKENS = st.lists(st.tuples(ATOM, BLANK).map(joined), max_size=8).map(joined)  # type: ignore[arg-type]
ENTRY = st.tuples(st.sampled_from([b"/A ", b"/B", b"/C\n", b"/Length "]), TOKENS).map(joined)  # type: ignore[arg-type]
VALUES = st.recursive(
    st.tuples(ATOM, BLANK).map(joined),  # type: ignore[arg-type]
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(lambda items: b"[" + b" ".join(items) + b"]"),
        st.dictionaries(st.sampled_from([b"/A", b"/B", b"/Length"]), inner, max_size=3).map(
            lambda items: b"<<" + b"".join(key + b" " + value for key, value in items.items()) + b">>"
        ),
    ),
    max_leaves=12,
)
AFTER = st.sampled_from(
    b"~ ~\nendobj\n~ 1~%c\nendobj~\nstream\nabc\nendstream\nendobj~stream\r\nabcd\nendstream x~ stream\nab"
    b"~s~\nstartxref\n".split(b"~")
)


@settings(max_examples=400, deadline=None)
@given(VALUES, AFTER, st.integers(0, 2))
@example(b"<</A<</B 1>> s 1>>", b" x", 0)
@example(b"<</A 1/A 2>>", b" x", 0)
@example(b"<</Length 3>>", b"stream\nabc\nendstream", 0)
@example(b"<</Length 4 0 R>>", b"\nstream\nabc\nendstream", 1)
@example(b"[" * 14 + b"]" * 14, b" x", 0)
@example(b"<</A[1 0 R 2 0 R]>", b"x", 0)
@example(rb"[(\n\r\t\b\f\(\)\\\072\377x)]", b" x", 0)
def test_what_is_well_formed_or_nearly(value: bytes, after: bytes, before: int) -> None:
    both(b"%" * before + value + after, before)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from([b"<<", b"["]), TOKENS, st.lists(ENTRY, max_size=2).map(joined), AFTER)
def test_what_is_not(start: bytes, tokens: bytes, entries: bytes, after: bytes) -> None:
    both(start + tokens + entries + after)
    both(start + entries + tokens + after)


@given(
    st.binary(max_size=40) | st.text("ab()\\\x18\x7fž", max_size=10).map(lambda text: b"\xef\xbb\xbf" + text.encode())
)
def test_strings(value: bytes) -> None:
    mine, theirs = pdf_objects.text_or_bytes(value), generic.pdf_string(value)
    assert told(mine) == told(theirs)


def test_a_comment_that_does_not_end() -> None:
    for data in (b"%", b"%" + b"x" * 20_000):
        with pytest.raises(misc.PdfStreamError):
            generic.read_object(io.BytesIO(data), generic.Reference(7, 0, Handler()))
    assert generic.read_object(io.BytesIO(b"%x\n12 "), generic.Reference(7, 0, Handler())) == 12


def test_most_is_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the comparison would compare the original with itself."""

    def refuse(*_: object) -> None:
        raise AssertionError("left to the original")

    monkeypatch.setattr(pdf_plain_objects, "_original_read_object", refuse)
    data = b"<</Type/Sig/M(D:2024)/ID[<00><41>]/A 4 0 R/B[1 -2 3.5 null true]/C<</D/E/F (a\\)b)>>/Length 3>>"
    data += b"\nstream\nabc\nendstream"
    value = generic.read_object(io.BytesIO(data), generic.Reference(7, 0, Handler()))
    assert isinstance(value, generic.StreamObject)
    assert value.encoded_data == b"abc"


@settings(max_examples=200, deadline=None)
@given(VALUES, AFTER)
@example(b"<</A[1 0 R<</B 2 0 R/C(x)>>null]/D/E>>", b" x")
def test_what_an_earlier_revision_has(value: bytes, after: bytes) -> None:
    class Resolver:
        def _subsume_object(self, inner: Any) -> Any:
            return pdf_plain_objects._original_subsume(self, inner)

    try:
        read = generic.read_object(io.BytesIO(value + after), generic.Reference(7, 2, Handler()))
    except Exception:  # noqa: BLE001 - another test compares these
        return
    found, expected = pdf_plain_objects._subsume_object(Resolver(), read), Resolver()._subsume_object(read)
    assert told(found) == told(expected)
    assert (found is read) == (expected is read)


def test_a_value_of_no_object_is_left_to_the_original() -> None:
    for value in (generic.NullObject(), generic.DictionaryObject()):
        with pytest.raises(misc.PdfReadError):
            reader.HistoricalResolver._subsume_object(None, value)


# --- headers and tables


@given(
    st.lists(st.sampled_from([b"7", b"12", b" ", b"\n", b"obj", b"%c\n", b"x", b"0", b"<<"]), max_size=8).map(joined)
)
def test_headers(data: bytes) -> None:
    found = []
    for read in (xref.read_object_header, pdf_plain_objects._original_header):
        stream = io.BytesIO(data)
        try:
            found.append((read(stream, False), stream.tell()))
        except Exception as error:  # noqa: BLE001 - whatever it is, the same
            found.append(((type(error).__name__,), 0))
    assert found[0] == found[1]


END_OF_ENTRY = st.sampled_from([b" \n", b"\r\n", b" \r", b"\n", b" ", b" \r\n"])
LINE = st.tuples(
    st.sampled_from([b"0000000000", b"0000000017", b"17", b"         5", b"00000000x1"]),
    st.sampled_from([b" 00000", b" 65535", b" 99999", b" 00001", b"     2"]),
    st.sampled_from([b" n", b" f", b" x", b"n"]),
    END_OF_ENTRY,
).map(joined)  # type: ignore[arg-type]
PLAIN_LINE = st.sampled_from(
    b"0000000017 00000 n \n~0000000000 65535 f \n~0000000018 00002 n\r\n~0000000001 00000 f \r"
    b"~0000000019 99999 n \n".split(b"~")
)


@st.composite
def tables(draw: st.DrawFn) -> bytes:
    parts = [draw(st.sampled_from([b"\n", b" \r\n", b"", b" %c\n"]))]
    for _ in range(draw(st.integers(0, 3))):
        lines = draw(st.lists(PLAIN_LINE if draw(st.integers(0, 4)) else LINE, max_size=4))
        count = len(lines) + draw(st.sampled_from([0, 0, 0, 0, 1, -1]))
        parts.append(b"%d %d" % (draw(st.integers(0, 12)), max(0, count)))
        parts += [draw(st.sampled_from([b"\n", b"\r\n", b" \n", b" "])), *lines]
    parts.append(
        draw(
            st.sampled_from([b"trailer\n<</Size 3>>", b"trailer", b"trailer%c\n<<", b"", b"traile", b"\ntrailer <<>>"])
        )
    )
    return b"".join(parts)


@settings(max_examples=400, deadline=None)
@given(tables())
def test_tables(data: bytes) -> None:
    found: list[Any] = []
    for read, process in (
        (xref.parse_xref_table, xref.XRefSectionData.process_entries),
        (pdf_plain_xref._original_table, pdf_plain_xref._original_entries),
    ):
        stream, section = io.BytesIO(data), xref.XRefSectionData()
        source = stream if read is xref.parse_xref_table else pdf_plain_xref._Lines(stream)  # else it may not end
        try:
            highest = process(section, read(source, False), strict=False)
            own = section.standard_xrefs, section.freed, section.explicit_refs_in_revision
            found.append((highest, stream.tell(), *own, section.xrefs_in_objstm))
        except Exception as error:  # noqa: BLE001 - whatever it is, the same
            found.append(type(error).__name__)
    assert found[0] == found[1]


def test_a_table_that_does_not_end() -> None:
    for data in (b"\n0 1\n\n\n\n", b"0 2\n0000000017 00000 n \n\r\n", b"0 0\n0 0\n0 "):
        with pytest.raises(misc.PdfStreamError):
            list(xref.parse_xref_table(io.BytesIO(data), False))


def test_a_plain_table_is_read_at_once() -> None:
    table = xref.parse_xref_table(
        io.BytesIO(b"\n0 1\n0000000000 65535 f \n4 1\n0000000017 00000 n \ntrailer\n<<>>"), False
    )
    assert [first for first, _ in table] == [0, 4]


@settings(max_examples=300)
@given(
    st.lists(
        st.sampled_from(
            [b"startxref", b"\n", b"\r\n", b"\r", b"123", b"%%EOF", b" ", b"x", b"\nstartxref\n9\n%%EOF\n"]
        ),
        max_size=9,
    ).map(joined)
)
@example(b"x\nstartxref\n9\n%%EOF")
@example(b"xstartxref\n9\n%%EOF")
@example(b"\nstartxref\r9\r%%EOF\r\n")
def test_the_end_of_the_file(data: bytes) -> None:
    found: list[Any] = []
    for read in (reader.process_data_at_eof, pdf_plain_xref._original_at_eof):
        stream = io.BytesIO(b"%PDF-1.7\n" + data)
        stream.seek(-1, io.SEEK_END)
        try:
            found.append(read(stream))
        except Exception as error:  # noqa: BLE001 - whatever it is, the same
            found.append(type(error).__name__)
    assert found[0] == found[1]


SECTIONS = st.lists(
    st.tuples(
        st.dictionaries(st.integers(1, 3), st.tuples(st.integers(0, 2), st.integers(10, 99)), max_size=2),
        st.dictionaries(st.integers(1, 3), st.integers(0, 3), max_size=2),
        st.dictionaries(st.integers(1, 3), st.just(xref.ObjStreamRef(9, 0)), max_size=1),
        st.booleans(),
    ),
    max_size=4,
)


@given(SECTIONS)
def test_where_an_object_was(sections: Any) -> None:
    def theirs(cache: Any, ref: Any, revision: int) -> Any:
        for section in reversed(cache._xref_sections[: revision + 1]):
            try:
                return section.xref_data.try_resolve(ref)
            except KeyError:
                continue
        return None

    made = []
    for standard, freed, packed, hybrid in sections:
        data = xref.XRefSectionData()
        data.standard_xrefs, data.freed, data.xrefs_in_objstm = standard, freed, packed
        info = xref.XRefSectionMetaInfo(xref.XRefSectionType.STANDARD, 4, 0, 0, 0, None)
        if hybrid and made:
            data.hybrid = made[0]
        made.append(xref.XRefSection(info, data))
    cache = xref.XRefCache(None, made)
    for number in range(1, 4):
        for generation in range(3):
            for revision in range(len(made)):
                ref = generic.Reference(number, generation)
                assert cache.get_historical_ref(ref, revision) == theirs(cache, ref, revision)
