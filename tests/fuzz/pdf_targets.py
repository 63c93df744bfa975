"""Hostile PDFs (ISO 32000-2 clause 12.8): a signed document with anything changed, and one with anything appended.

Most bytes of a signed PDF are hexadecimal digits of a signature value, and a change of length anywhere makes every
later offset wrong: blind changes hardly get beyond either. So most changes fall outside such strings, and most changed
documents have the offsets in their cross-reference tables put right.
"""

from __future__ import annotations

import hashlib
import io
import random
import re
import zlib
from functools import cache
from itertools import islice
from typing import Any

from pyhanko.pdf_utils.reader import PdfFileReader

from tests.fuzz.promises import Mutate, Violation, judged, passes
from tests.unit.signatures.test_pdf_plain_objects import as_delivered
from tests.unit.validation.laboratory import cms_signature, sign_pdf, token, unsigned_pdf, update, world
from zdda.signatures.model import Changes
from zdda.validation.report import ValidationReport

__all__ = ["append_seeds", "fuzz_append", "fuzz_pdf", "mutate_append", "mutate_pdf", "pdf_seeds", "with_offsets"]

_SMALL, _LARGE = 1600, 3000
_PLAIN = re.compile(rb"<[0-9A-Fa-f]{200,}>")
_OBJECT = re.compile(rb"(?<![0-9])([0-9]{1,6}) ([0-9]{1,5}) obj")
_ENTRIES = re.compile(rb"(?<![a-z])xref\r?\n((?:[0-9]+ [0-9]+ ?\r?\n(?:[0-9]{10} [0-9]{5} [nf][ \r]\n?)*)+)")
_SECTION = re.compile(rb"([0-9]+) ([0-9]+) ?\r?\n((?:[0-9]{10} [0-9]{5} [nf][ \r]\n?)*)")
_PLACE = re.compile(rb"(startxref|/Prev)\s+([0-9]+)")
_MOST_OBJECTS = 400
_READ_TWICE_OF = 8
_SHOWN = (b"BT (a page) Tj ET     ", [0, 0, 300, 300], ["/Contents", "/MediaBox", "/Parent", "/Type"])


def _basic(pdf: bytes, number: int = 10, fields: tuple[int, ...] = ()) -> bytes:
    lab = world()

    def make(digest: bytes) -> bytes:
        return cms_signature(lab.signer, digest, certificates=lab.chain[:1])

    return sign_pdf(pdf, make, number=number, fields=fields, room=_SMALL)


def _stamped(pdf: bytes, number: int = 20, fields: tuple[int, ...] = (10,)) -> bytes:
    """With a document timestamp."""
    lab = world()

    def make(digest: bytes) -> bytes:
        return token(lab.authority, digest, certificates=lab.chain[:1])

    return sign_pdf(
        pdf, make, number=number, fields=fields, room=_SMALL, sub_filter="ETSI.RFC3161", type="DocTimeStamp"
    )


@cache
def _signed() -> bytes:
    return _basic(unsigned_pdf())


@cache
def _with_timestamp() -> bytes:
    lab = world()

    def stamp(value: bytes) -> bytes:
        return token(lab.authority, hashlib.sha256(value).digest(), certificates=lab.chain[:1])

    return sign_pdf(
        unsigned_pdf(),
        lambda digest: cms_signature(lab.signer, digest, certificates=lab.chain[:1], timestamp=stamp),
        room=_LARGE,
    )


@cache
def pdf_seeds() -> tuple[bytes, ...]:
    return (
        _signed(),
        _with_timestamp(),
        _basic(_signed(), 20, (10,)),
        _stamped(_signed()),
        *(_signed() + tail for tail in append_seeds()),
    )


@cache
def append_seeds() -> tuple[bytes, ...]:
    """Updates behind a signed document, without it."""
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 300] /Contents %b >>"
    note = b"<< /Type /Annot /Subtype /Text /Rect [0 0 9 9] /Contents (a note) >>"
    store = b"<< /Certs [31 0 R] /CRLs [32 0 R] /VRI << /%b << /Cert [31 0 R] >> >> >>" % (b"A" * 40)
    form = b"/AcroForm << /SigFlags 3 /Fields [10 0 R] >>"
    catalog = b"<< /Type /Catalog /Pages 2 0 R %b %b >>"
    lab = world()
    crl = lab.crls()[1]
    updates: tuple[dict[int, bytes], ...] = (
        {4: b"<< /Length 22 >>\nstream\nBT (another) Tj ET    \nendstream"},
        {3: page % b"4 0 R /Annots [30 0 R]", 30: note},
        {3: page % b"30 0 R", 30: b"<< /Length 22 >>\nstream\nBT (another) Tj ET    \nendstream"},
        {
            1: catalog % (form, b"/DSS 30 0 R"),
            30: store,
            31: b"<< /Length %d >>\nstream\n%b\nendstream" % (len(lab.issuing.der), lab.issuing.der),
            32: b"<< /Length %d >>\nstream\n%b\nendstream" % (len(crl), crl),
        },
        {1: catalog % (b"/AcroForm << /SigFlags 3 /Fields [10 0 R 30 0 R] >>", b""),
         30: b"<< /FT /Tx /Type /Annot /Subtype /Widget /T (t) /V (Jan) /Rect [0 0 9 9] >>"},
    )  # fmt: skip
    base = _signed()
    return (b" \n", *(update(base, objects, 40)[len(base) :] for objects in updates))


@cache
def _signed_ranges() -> tuple[tuple[bytes, int, bytes], ...]:
    """(before the gap, where the rest begins, the rest) of every signature of the seeds."""
    found = []
    for seed in pdf_seeds():
        for match in re.finditer(rb"/ByteRange \[\s*(\d+) (\d+) (\d+) (\d+)", seed):
            first, length, second, rest = (int(part) for part in match.groups())
            if second + rest <= len(seed):
                found.append((seed[first : first + length], second, seed[second : second + rest]))
    return tuple(dict.fromkeys(found))


def fuzz_pdf(data: bytes) -> None:
    """A signed PDF in which anything may have changed."""
    report = judged(data)
    _must_be_read_alike(data, report)
    if passes(report):
        for before, start, rest in _signed_ranges():
            if data.startswith(before) and data[start : start + len(rest)] == rest:
                return
        raise Violation("a document passes whose signed bytes are not those that were signed")


def fuzz_append(data: bytes) -> None:
    """A signed PDF with this behind it: what is shown differently must not pass for unchanged."""
    whole = _signed() + data
    report = judged(whole)
    _must_be_read_alike(whole, report)
    told = {each["changesAfterSigning"] for each in report.signatures if each["indication"] == "TOTAL_PASSED"}
    if not told:
        return
    pages, shown = _seen(whole)
    if pages not in (None, 1):
        raise Violation("a document passes that has other pages than were signed")
    if told & {Changes.NOTHING.value, Changes.FORMS.value} and shown not in (None, _SHOWN):
        raise Violation(f"another page is shown, and the document says {sorted(told)}")


def _must_be_read_alike(data: bytes, report: ValidationReport) -> None:
    """The report is the same where pyHanko's own functions read the objects, which ours only make faster."""
    if zlib.crc32(data) % _READ_TWICE_OF:
        return
    with as_delivered():
        slowly = judged(data)
    if slowly.as_json() != report.as_json():
        raise Violation("a document is not read as pyHanko reads it")


def _seen(data: bytes) -> tuple[int | None, Any]:
    """(how many pages a reader finds, what the one page shows), each None where it cannot say: what no reader shows
    shows nothing else."""
    pages = None
    try:
        tree = PdfFileReader(io.BytesIO(data), strict=False).root["/Pages"]
        pages = _leaves(tree, 0)
        (page,) = tree["/Kids"]
        page = page.get_object()
        return pages, (page["/Contents"].data, list(page["/MediaBox"]), sorted(set(page) - {"/Annots"}))
    except Exception:  # noqa: BLE001
        return pages, None


def _leaves(node: Any, depth: int) -> int:
    if depth > 8:
        raise RecursionError
    if node.get("/Type") == "/Page" or "/Kids" not in node:
        return 1
    return sum(_leaves(each.get_object(), depth + 1) for each in node["/Kids"])


# --- changes


def mutate_pdf(data: bytes, most: int, number: int, mutate: Mutate) -> bytes:
    """A change that tends to leave what it does not touch readable."""
    return _mutated(data, most, number, mutate, b"")


def mutate_append(data: bytes, most: int, number: int, mutate: Mutate) -> bytes:
    return _mutated(data, most, number, mutate, _signed())


def _mutated(data: bytes, most: int, number: int, mutate: Mutate, base: bytes) -> bytes:
    chance = random.Random(number)
    if chance.random() < 0.8:
        places = [0, *(edge for match in _PLAIN.finditer(data) for edge in match.span()), len(data)]
        parts = [(places[i], places[i + 1]) for i in range(0, len(places), 2)]
        start, end = chance.choices(parts, [end - start + 1 for start, end in parts])[0]
        if end - start > 200 and chance.random() < 0.7:
            start = chance.randrange(start, end - 60)
            end = min(end, start + chance.randint(60, 600))
        data = data[:start] + mutate(data[start:end], end - start + 64) + data[end:]
    else:
        data = mutate(data, most)
    if chance.random() < 0.8:
        data = with_offsets(base + data)[len(base) :]
    return data[:most]


def with_offsets(data: bytes) -> bytes:
    """The same document where each entry of a table tells the place of the last object of that number before it, each
    startxref that of the table before it, each /Prev that of the table before that one."""
    # A number that is written with more digits moves what comes after it: then the second pass is right.
    data = _with_tables(_with_tables(data))
    objects = [(int(match[1]), match.start()) for match in islice(_OBJECT.finditer(data), _MOST_OBJECTS)]
    out = bytearray(data)
    for table in _ENTRIES.finditer(data):
        places = {number: place for number, place in objects if place < table.start()}
        for section in _SECTION.finditer(data, table.start(1), table.end(1)):
            first, start = int(section[1]), section.start(3)
            for index in range((section.end(3) - start) // 20):
                entry = start + 20 * index
                if out[entry + 17 : entry + 18] == b"n" and first + index in places:
                    out[entry : entry + 10] = b"%010d" % places[first + index]
    return bytes(out)


def _with_tables(data: bytes) -> bytes:
    tables = [table.start() for table in _ENTRIES.finditer(data)]
    written, last = [], 0
    for match in _PLACE.finditer(data):
        before = [place for place in tables if place < match.start()][: None if match[1] == b"startxref" else -1]
        if before:
            written += [data[last : match.start(2)], b"%d" % before[-1]]
            last = match.end(2)
    return b"".join([*written, data[last:]])
