"""What changed after signing: nothing that is shown may pass for nothing, whatever way leads to it."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader

from zdda.signatures import pdf_revision
from zdda.signatures.model import Changes
from zdda.signatures.pdf_changes import changes_after


def stream(data: bytes, entries: bytes = b"") -> bytes:
    return b"<< %s /Length %d >>\nstream\n%s\nendstream" % (entries, len(data), data)


WIDGET = b"/Type /Annot /Subtype /Widget /F 4"
STAMP = b"<< /Type /DocTimeStamp /SubFilter /ETSI.RFC3161 /Contents <00> >>"
OBJECTS = {
    1: b"<< /Type /Catalog /Pages 2 0 R /AcroForm 8 0 R /DSS 12 0 R /Metadata 14 0 R >>",
    2: b"<< /Type /Pages /Kids [3 0 R 15 0 R] /Count 2 >>",
    3: b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources 6 0 R"
    b" /Annots [9 0 R 10 0 R] >>",
    4: stream(b"BT (what is signed) Tj ET"),
    5: b"<< /Title (Report) >>",
    6: b"<< /Font << /F1 7 0 R >> >>",
    7: b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    8: b"<< /Fields [9 0 R] /DR 6 0 R /DA (/F1 12 Tf) >>",
    9: b"<< %s /FT /Tx /T (name) /V (Jan) /Rect [10 10 90 30] /P 3 0 R /AP << /N 11 0 R >> >>" % WIDGET,
    10: b"<< /Type /Annot /Subtype /Text /Rect [0 0 9 9] /Contents (a note) >>",
    11: stream(b"BT (Jan) Tj ET", b"/Subtype /Form /BBox [0 0 80 20]"),
    12: b"<< /Certs 13 0 R >>",
    13: b"[]",
    14: stream(b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/>', b"/Type /Metadata /Subtype /XML"),
    15: b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources 6 0 R >>",
}
REPLACED = stream(b"BT (what was not) Tj ET")


def written(objects: dict[int, bytes], trailer: bytes, base: bytes = b"%PDF-1.7\n") -> bytes:
    """A PDF, or a further revision of ``base``, with these objects."""
    out, offsets = bytearray(base), {}
    for number, body in sorted(objects.items()):
        offsets[number] = len(out)
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 1\n0000000000 65535 f \n"
    for number, offset in sorted(offsets.items()):
        out += b"%d 1\n%010d 00000 n \n" % (number, offset)
    out += b"trailer\n<< /Size 100 /Root 1 0 R /Info 5 0 R %s >>\nstartxref\n%d\n%%%%EOF\n" % (trailer, start)
    return bytes(out)


def signed(**instead: bytes) -> bytes:
    changed = {int(name.removeprefix("o")): body for name, body in instead.items()}
    return written({**OBJECTS, **changed}, b"")


def revised(base: bytes, objects: dict[int, bytes], trailer: bytes = b"") -> bytes:
    start = base.rindex(b"startxref") + 10
    return written(objects, b"/Prev %d %s" % (int(base[start:].split()[0]), trailer), base)


def told(base: bytes, *revisions: dict[int, bytes]) -> Changes:
    document = base
    for objects in revisions:
        document = revised(document, objects)
    return changes_after(PdfFileReader(io.BytesIO(document), strict=False), len(base))


NOTHING: dict[str, dict[int, bytes]] = {
    "the same written again": {3: OBJECTS[3], 4: OBJECTS[4], 7: OBJECTS[7]},
    "another title": {5: b"<< /Title (Other) >>"},
    "other metadata": {14: OBJECTS[14].replace(b'#"/>', b'#" />').replace(b"%d" % 66, b"%d" % 67)},
    "validation data": {13: b"[20 0 R]", 20: stream(b"abc")},
    "another security store": {1: OBJECTS[1].replace(b"12 0 R", b"<< /Certs [] >>")},
    "a document timestamp": {
        8: OBJECTS[8].replace(b"[9 0 R]", b"[9 0 R 21 0 R]"),
        21: b"<< %s /FT /Sig /T (t) /V 22 0 R /Rect [0 0 0 0] >>" % WIDGET,
        22: STAMP,
    },
    "resources written out": {3: OBJECTS[3].replace(b"6 0 R", OBJECTS[6])},
    "a number as it may also be written": {15: OBJECTS[15].replace(b"595", b"595.0")},
}
FORMS: dict[str, dict[int, bytes]] = {
    "a field filled in": {9: OBJECTS[9].replace(b"(Jan)", b"(Eva)")},
    "an appearance in place": {11: OBJECTS[11].replace(b"Jan", b"Eva")},
    "another appearance": {9: OBJECTS[9].replace(b"11 0 R", b"23 0 R"), 23: OBJECTS[11].replace(b"Jan", b"Eva")},
    "an annotation added": {
        3: OBJECTS[3].replace(b"10 0 R]", b"10 0 R 24 0 R]"),
        24: b"<< /Type /Annot /Subtype /FreeText /Rect [0 0 595 842] /Contents (over it all) >>",
    },
    "an annotation taken away": {3: OBJECTS[3].replace(b" 10 0 R]", b"]")},
    "an annotation changed": {10: OBJECTS[10].replace(b"a note", b"another")},
    "a signature added": {
        8: OBJECTS[8].replace(b"[9 0 R]", b"[9 0 R 21 0 R]"),
        21: b"<< %s /FT /Sig /T (s) /V 22 0 R /Rect [0 0 0 0] >>" % WIDGET,
        22: b"<< /Type /Sig /Contents <00> >>",
    },
    "a document timestamp that is seen": {
        8: OBJECTS[8].replace(b"[9 0 R]", b"[9 0 R 21 0 R]"),
        21: b"<< %s /FT /Sig /T (t) /V 22 0 R /Rect [0 0 300 300] >>" % WIDGET,
        22: STAMP,
    },
    "a document timestamp with a script": {
        8: OBJECTS[8].replace(b"[9 0 R]", b"[9 0 R 21 0 R]"),
        21: b"<< %s /FT /Sig /T (t) /V 22 0 R /Rect [0 0 0 0] /AA << >> >>" % WIDGET,
        22: STAMP,
    },
}
CONTENT: dict[str, dict[int, bytes]] = {
    "a page's content": {4: REPLACED},
    "a page's content by another name": {3: OBJECTS[3].replace(b"4 0 R", b"25 0 R"), 25: REPLACED},
    "a font": {7: OBJECTS[7].replace(b"Helvetica", b"Symbol")},
    "a size": {15: OBJECTS[15].replace(b"842", b"400")},
    "the order of pages": {2: OBJECTS[2].replace(b"3 0 R 15 0 R", b"15 0 R 3 0 R")},
    "a page taken away": {2: OBJECTS[2].replace(b" 15 0 R", b"")},
    "another tree of pages": {1: OBJECTS[1].replace(b"2 0 R", b"26 0 R", 1), 26: b"<< /Kids [] /Count 0 >>"},
    "something to do when opened": {1: OBJECTS[1].replace(b">>", b"/OpenAction << /S /JavaScript >> >>")},
    "optional content": {1: OBJECTS[1].replace(b">>", b"/OCProperties << >> >>")},
    "a field's name": {9: OBJECTS[9].replace(b"(name)", b"(sum)")},
    "a field taken away": {8: OBJECTS[8].replace(b"[9 0 R]", b"[]")},
    "an XFA form": {8: OBJECTS[8].replace(b">>", b"/XFA [] >>")},
    "no form any more": {1: OBJECTS[1].replace(b"/AcroForm 8 0 R ", b"")},
    "fonts of forms that pages use too": {
        6: OBJECTS[6].replace(b"7 0 R", b"27 0 R"),
        27: OBJECTS[7].replace(b"Helvetica", b"Symbol"),
    },
}


@pytest.mark.parametrize("objects", NOTHING.values(), ids=NOTHING)
def test_nothing_that_is_shown(objects: dict[int, bytes]) -> None:
    assert told(signed(), objects) is Changes.NOTHING


@pytest.mark.parametrize("objects", FORMS.values(), ids=FORMS)
def test_annotations_and_forms(objects: dict[int, bytes]) -> None:
    assert told(signed(), objects) is Changes.FORMS


@pytest.mark.parametrize("objects", CONTENT.values(), ids=CONTENT)
def test_content(objects: dict[int, bytes]) -> None:
    assert told(signed(), objects) is Changes.CONTENT


def test_the_worst_of_several_revisions_counts() -> None:
    assert told(signed(), NOTHING["another title"], FORMS["a field filled in"]) is Changes.FORMS
    assert told(signed(), CONTENT["a font"], FORMS["a field filled in"]) is Changes.CONTENT


def test_what_is_put_right_again_changes_nothing() -> None:
    """The signed revision is compared with what is shown in the end."""
    assert told(signed(), CONTENT["a page's content"], {4: OBJECTS[4]}) is Changes.NOTHING


@pytest.mark.parametrize(
    "hidden",
    [
        {"o12": b"<< /Certs [4 0 R] >>"},
        {"o13": b"[4 0 R]"},
        {"o12": b"<< /VRI << /A << /Cert [4 0 R] >> >> >>"},
        {"o5": b"<< /Title 4 0 R >>"},
        {"o8": b"<< /Fields [9 0 R 4 0 R] >>"},
        {"o1": OBJECTS[1].replace(b"14 0 R", b"4 0 R")},
        {"o1": OBJECTS[1].replace(b"12 0 R", b"4 0 R")},
        {"o9": OBJECTS[9].replace(b"/V (Jan)", b"/V 4 0 R")},
        {"o3": OBJECTS[3].replace(b"10 0 R]", b"4 0 R]")},
    ],
)
def test_a_page_hung_where_nobody_looks_is_looked_at(hidden: dict[str, bytes]) -> None:
    """An author prepares the document before it is signed (a shadow attack): its content has two ways to it."""
    assert told(signed(**hidden), {4: REPLACED}) is Changes.CONTENT


STAMPED = {8: OBJECTS[8].replace(b"[9 0 R]", b"[9 0 R 21 0 R]"), 22: b"<< /Type /Sig /Contents <00> >>"}
STAMPED[21] = b"<< %s /FT /Sig /T (s) /V 22 0 R /Rect [0 0 0 0] >>" % WIDGET


@pytest.mark.parametrize("more", [{}, STAMPED])
@pytest.mark.parametrize(
    ("prepared", "changed"),
    [
        ({"o3": OBJECTS[3].replace(b"4 0 R", b"[4 0 R 30 0 R]")}, {30: REPLACED}),
        ({"o3": OBJECTS[3].replace(b"4 0 R", b"[4 0 R 30 0 R]"), "o30": b"null"}, {30: REPLACED}),
        ({"o6": OBJECTS[6].replace(b"7 0 R", b"30 0 R")}, {30: OBJECTS[7]}),
        ({"o2": OBJECTS[2].replace(b"15 0 R", b"15 0 R 30 0 R")}, {30: OBJECTS[15]}),
        ({"o9": OBJECTS[9].replace(b"11 0 R", b"4 0 R")}, {4: REPLACED}),
        ({"o9": OBJECTS[9].replace(b"11 0 R", b"<< /Off 4 0 R >>")}, {4: REPLACED}),
        (
            {
                "o10": OBJECTS[10].replace(b">>", b"/Font << /F1 7 0 R >> >>"),
                "o15": OBJECTS[15].replace(b"6 0", b"10 0"),
            },
            {10: OBJECTS[10].replace(b">>", b"/Font << /F1 5 0 R >> >>")},
        ),
        (
            {"o3": OBJECTS[3].replace(b"4 0 R", b"30 0 R").replace(b"[9 0 R 10 0 R]", b"30 0 R"), "o30": b"[4 0 R]"},
            {30: b"[4 0 R 31 0 R]", 31: stream(b"BT (not) Tj ET", b"/V << /Type /DocTimeStamp >>")},
        ),
        ({"o15": OBJECTS[15].replace(b"6 0 R", b"<< /XObject 1 0 R >>")}, {14: REPLACED}),
        ({"o15": OBJECTS[15].replace(b"6 0 R", b"<< /XObject 3 0 R >>")}, {3: OBJECTS[3].replace(b"10 0 R]", b"]")}),
    ],
)
def test_what_a_page_shows_as_well_is_content(
    prepared: dict[str, bytes], changed: dict[int, bytes], more: dict[int, bytes]
) -> None:
    """Whatever else an object is, and whether it was there when a reference to it was signed."""
    base = signed(**prepared)
    assert told(base, changed) in (Changes.CONTENT, Changes.NOT_DETERMINED)
    assert told(base, changed, more) in (Changes.CONTENT, Changes.NOT_DETERMINED)


def test_an_appearance_that_nothing_else_uses_may_change_though_it_was_null() -> None:
    base = signed(o9=OBJECTS[9].replace(b"11 0 R", b"30 0 R"))
    assert told(base, {30: REPLACED}) is Changes.FORMS


def test_a_structure_tree_may_speak_of_fields_and_pages() -> None:
    tree = (
        b"/StructTreeRoot << /K << /Type /OBJR /Pg 3 0 R /Obj 9 0 R >> >> /Outlines << /First << /Dest [15 0 R] >> >>"
    )
    base = signed(o1=OBJECTS[1].replace(b"/DSS", tree + b" /DSS"))
    assert told(base, FORMS["a field filled in"]) is Changes.FORMS
    assert told(base, FORMS["an annotation added"]) is Changes.FORMS
    assert told(base, NOTHING["validation data"]) is Changes.NOTHING


def test_a_table_that_waits_in_the_signed_bytes() -> None:
    """What is signed is read to its end alone: a later ``startxref`` brings a table to life, not the past."""
    plain = signed(o16=stream(b"#" * 400))
    place, prev = plain.index(b"#" * 400), int(plain[plain.rindex(b"startxref") + 10 :].split()[0])
    body = b"4 0 obj\n%s\nendobj\n" % REPLACED
    table = b"xref\n4 1\n%010d 00000 n \ntrailer\n<< /Size 100 /Root 1 0 R /Prev %d >>\n" % (place, prev)
    base = signed(o16=stream((body + table).ljust(400)))
    assert len(base) == len(plain)
    document = base + b"startxref\n%d\n%%%%EOF\n" % (place + len(body))
    assert changes_after(PdfFileReader(io.BytesIO(document), strict=False), len(base)) is Changes.CONTENT


def test_a_cross_reference_stream_in_the_place_of_content() -> None:
    base = signed()
    start, prev = len(base), int(base[base.rindex(b"startxref") + 10 :].split()[0])
    rows = b"\x01" + start.to_bytes(4, "big") + b"\0"
    entries = b"/Type /XRef /W [1 4 1] /Index [4 1] /Size 100 /Root 1 0 R /Prev %d" % prev
    document = base + b"4 0 obj\n%s\nendobj\nstartxref\n%d\n%%%%EOF\n" % (stream(rows, entries), start)
    assert changes_after(PdfFileReader(io.BytesIO(document), strict=False), len(base)) is Changes.CONTENT


def test_a_stream_that_the_end_of_the_revision_cuts_short_is_not_judged() -> None:
    base = signed(o4=REPLACED.replace(b"/Length %d" % len(b"BT (what was not) Tj ET"), b"/Length 99999"))
    assert told(base, {5: b"<< >>"}) is Changes.NOT_DETERMINED


@pytest.mark.parametrize(
    ("start", "end"), [(b"<< /Type /Font /X (", b") /Type /XObject >>"), (b"[ (", b") 1 ]"), (b"(", b")")]
)
def test_an_object_that_goes_on_after_the_revision_is_not_judged(start: bytes, end: bytes) -> None:
    """Its string holds the table and the end of the signed revision, and whatever else comes to it later."""
    base = signed(o6=b"<< /Font << /F1 99 0 R >> >>", o99=start)
    previous = int(base[base.rindex(b"startxref") + 10 :].split()[0])
    document = written({5: b"<< >>"}, b"/Prev %d" % previous, base + end + b"\nendobj\n")
    assert changes_after(PdfFileReader(io.BytesIO(document), strict=False), len(base)) is Changes.NOT_DETERMINED


def test_another_generation_of_a_number() -> None:
    base = signed()
    document = revised(base, {4: REPLACED}).replace(b"4 0 obj\n%s" % REPLACED, b"4 1 obj\n%s" % REPLACED)
    head, tail = document[: len(base)], document[len(base) :]
    document = head + tail.replace(b" 00000 n", b" 00001 n")
    assert changes_after(PdfFileReader(io.BytesIO(document), strict=False), len(base)) is Changes.CONTENT


@pytest.mark.parametrize("following", [0, 1, 7])
def test_a_free_object_is_gone_whatever_the_generation_says(following: int) -> None:
    base = signed()
    row = b"4 1\n0000000000 %05d f \n" % following
    document = base + revised(base, {})[len(base) :].replace(b"0 1\n0000000000 65535 f \n", row)
    assert changes_after(PdfFileReader(io.BytesIO(document), strict=False), len(base)) is Changes.CONTENT


def test_a_file_that_is_not_in_memory_gets_the_same_answers() -> None:
    class Elsewhere(io.BufferedReader):
        pass

    for objects, answer in ((NOTHING["validation data"], Changes.NOTHING), (CONTENT["a font"], Changes.CONTENT)):
        document = revised(signed(), objects)
        reader = PdfFileReader(Elsewhere(io.BytesIO(document)), strict=False)  # type: ignore[type-var]
        assert changes_after(reader, len(signed())) is answer


def test_a_signature_that_is_another_one_now() -> None:
    field = b"<< %s /FT /Sig /T (s) /V %%s /Rect [0 0 0 0] >>" % WIDGET
    base = signed(o9=field % b"<< /Type /Sig /Contents <00> >>")
    for value in (b"<< /Type /Sig /Contents <01> >>", STAMP, b"null"):
        assert told(base, {9: field % value}) is Changes.CONTENT


def test_a_free_object_is_gone() -> None:
    base = signed()
    document = revised(base, {})
    document = document.replace(b"xref\n0 1\n0000000000 65535 f \ntrailer", b"xref\n4 1\n0000000000 00001 f \ntrailer")
    assert document.count(b"00001 f") == 1
    assert changes_after(PdfFileReader(io.BytesIO(document), strict=False), len(base)) is Changes.CONTENT


def test_a_signature_in_the_middle_of_a_revision_is_not_judged() -> None:
    document = revised(signed(), CONTENT["a page's content"])
    reader = PdfFileReader(io.BytesIO(document), strict=False)
    for until in (10, len(signed()) - 60, len(document) - 60):
        assert changes_after(reader, until) is Changes.NOT_DETERMINED


def test_too_much_is_not_determined(monkeypatch: pytest.MonkeyPatch) -> None:
    many = {number: b"<< /Next %d 0 R >>" % (number + 1) for number in range(100, 200)}
    deep = {4: b"[" * 60 + b"]" * 60}
    linked = {"o15": OBJECTS[15].replace(b">>", b"/PieceInfo 100 0 R >>"), **{f"o{n}": b for n, b in many.items()}}
    assert told(signed(**linked), many) is Changes.NOTHING
    monkeypatch.setattr(pdf_revision, "MAXIMUM_OBJECTS", 60)
    assert told(signed(**linked), many) is Changes.NOT_DETERMINED
    assert told(signed(), deep) in (Changes.CONTENT, Changes.NOT_DETERMINED)


def test_pages_in_a_circle_are_not_followed_for_ever() -> None:
    base = signed(o2=b"<< /Type /Pages /Kids [2 0 R] /Count 2 >>")
    assert told(base, {5: b"<< >>"}) is Changes.NOT_DETERMINED


def test_what_a_writer_of_others_makes() -> None:
    def changed(change: Callable[[Any], None]) -> Changes:
        writer = IncrementalPdfFileWriter(io.BytesIO(signed()), strict=False)
        change(writer)
        out = io.BytesIO()
        writer.write(out)
        return changes_after(PdfFileReader(io.BytesIO(out.getvalue()), strict=False), len(signed()))

    def another_resource(writer: Any) -> None:
        page = writer.root["/Pages"]["/Kids"][0]
        page["/Rotate"] = page["/MediaBox"][0]
        writer.update_container(page)

    assert changed(lambda writer: writer.update_root()) is Changes.NOTHING
    assert changed(another_resource) is Changes.CONTENT


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_rubbish_gets_an_answer(data: st.DataObject) -> None:
    base = signed()
    document = bytearray(revised(base, {**FORMS["a field filled in"], 4: REPLACED}))
    for _ in range(data.draw(st.integers(1, 4))):
        document[data.draw(st.integers(len(base), len(document) - 1))] = data.draw(st.integers(0, 255))
    try:
        reader = PdfFileReader(io.BytesIO(bytes(document)), strict=False)
    except Exception:  # noqa: BLE001 - not what is tested here
        return
    assert changes_after(reader, len(base)) in tuple(Changes)
