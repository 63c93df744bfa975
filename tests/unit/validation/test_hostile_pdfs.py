"""PDFs that are broken or lie: an answer each time, never a crash, never PASSED, and no signature hidden."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.validation.laboratory import NOW, cms_signature, sign_pdf, unsigned_pdf, update, world
from zdda.signatures.errors import DocumentRefused, FormatError
from zdda.signatures.pdf import read_pdf
from zdda.trust.anchors import TrustAnchors
from zdda.trust.revocation import RevocationData
from zdda.validation.indications import Indication
from zdda.validation.report import ValidationReport
from zdda.validation.validate import validate_document


def judge(pdf: bytes) -> ValidationReport:
    lab = world()
    return validate_document(
        io.BytesIO(pdf), TrustAnchors((lab.root.der,)), at=NOW, revocation=RevocationData(lab.crls())
    )


def findings(pdf: bytes) -> set[str]:
    return {finding.code for signature in read_pdf(io.BytesIO(pdf)).signatures for finding in signature.findings}


def signed(byte_range: Callable[[list[int]], list[int]] = lambda given: given) -> bytes:
    return world().basic(byte_range=byte_range)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda n: [], "byte-range-missing"),
        (lambda n: n[:2], "byte-range-malformed"),
        (lambda n: [*n, 1, 1], "byte-range-malformed"),
        (lambda n: [-1, *n[1:]], "byte-range-malformed"),
        (lambda n: [n[0], n[1], n[2], -5], "byte-range-malformed"),
        (lambda n: [n[0], n[1], n[2], n[3] + 10_000], "byte-range-beyond-file"),
        (lambda n: [n[0], n[1], n[1] - 5, n[3]], "byte-range-overlapping"),
        (lambda n: [n[0], n[1], n[1], n[3]], "byte-range-overlapping"),
        (lambda n: [0, 0, n[2], n[3]], "byte-range-incomplete"),
        (lambda n: [9, n[1] - 9, n[2], n[3]], "byte-range-incomplete"),
        (lambda n: [n[0], n[1], n[2], 0], "byte-range-incomplete"),
        (lambda n: [n[0], n[1] - 4, n[2], n[3]], "byte-range-gap-is-not-hexadecimal"),
        (lambda n: [n[0], n[1], n[2] + 4, n[3] - 4], "byte-range-gap-is-not-hexadecimal"),
        (lambda n: [0, 20, 40, n[3]], "byte-range-gap-is-not-hexadecimal"),
    ],
)
def test_a_byte_range_that_is_not_the_whole_but_contents_is_a_format_failure(
    change: Callable[[list[int]], list[int]], code: str
) -> None:
    """ISO 32000-2 clause 12.8.1, EN 319 142-1 clause 5.3."""
    pdf = signed(change)
    assert code in findings(pdf)
    report = judge(pdf)
    assert [(s["indication"], s["subindication"]) for s in report.signatures] == [("TOTAL_FAILED", "FORMAT_FAILURE")]
    assert report.worst() is Indication.TOTAL_FAILED


def test_a_dictionary_written_over_the_signed_one_is_a_format_failure() -> None:
    """The signed bytes stay as they were; what a reader shows (/M, /Reason, the field) is another dictionary."""
    pdf = signed()
    start = pdf.index(b"11 0 obj\n") + len(b"11 0 obj\n")
    dictionary = pdf[start : pdf.index(b"\nendobj", start)]
    forged = dictionary.replace(b"/Type /Sig ", b"/Type /Sig /Reason (I agree) ")
    report = judge(update(pdf, {11: forged}, 12))
    assert report.worst() is Indication.TOTAL_FAILED
    codes = {finding["code"] for finding in report.signatures[0]["findings"]}
    assert "signature-dictionary-replaced" in codes


def test_an_empty_place_for_a_signature_is_no_signature_and_hides_none() -> None:
    lab = world()
    empty = sign_pdf(unsigned_pdf(), lambda _: b"")
    report = judge(empty)
    assert report.worst() is None
    assert "signature-place-empty" in {finding["code"] for finding in report.content["document"]["findings"]}
    both = lab.basic(empty, number=20, fields=[10])
    assert [s["indication"] for s in judge(both).signatures] == ["TOTAL_PASSED"]


@pytest.mark.parametrize(
    "value", [b"\x30", b"rubbish" * 20, b"\x30\x80\x00\x00", b"\x30\x84\xff\xff\xff\xff", b"\x02\x01\x05"]
)
def test_a_broken_value_is_a_failed_signature_and_hides_no_other(value: bytes) -> None:
    lab = world()
    broken = sign_pdf(unsigned_pdf(), lambda _: value)
    both = lab.basic(broken, number=20, fields=[10])
    report = judge(both)
    assert sorted(s["indication"] for s in report.signatures) == ["TOTAL_FAILED", "TOTAL_PASSED"]
    assert report.worst() is Indication.TOTAL_FAILED


def test_fields_that_turn_in_a_circle_end() -> None:
    pdf = update(
        unsigned_pdf(),
        {
            1: b"<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [10 0 R] >> >>",
            10: b"<< /T (a) /Kids [11 0 R 10 0 R] >>",
            11: b"<< /T (b) /Parent 10 0 R /Kids [10 0 R] >>",
        },
        12,
    )
    assert judge(pdf).worst() is None


def test_a_cross_reference_that_turns_in_a_circle_ends() -> None:
    pdf = unsigned_pdf()
    start = pdf.rindex(b"xref\n", 0, pdf.rindex(b"startxref"))
    looped = pdf.replace(b"/Root 1 0 R", b"/Root 1 0 R /Prev %d" % start)
    report = judge(looped)
    assert report.worst() in (None, Indication.INDETERMINATE)


def test_a_signature_value_that_refers_to_itself_ends() -> None:
    pdf = update(
        unsigned_pdf(),
        {
            1: b"<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [10 0 R] >> >>",
            10: b"<< /FT /Sig /T (a) /V 11 0 R >>",
            11: b"11 0 R",
        },
        12,
    )
    assert judge(pdf).worst() is not Indication.TOTAL_PASSED


def test_deep_nesting_ends() -> None:
    deep = b"[" * 50_000 + b"]" * 50_000
    pdf = update(
        unsigned_pdf(),
        {1: b"<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields %b >> >>" % deep},
        11,
    )
    report = judge(pdf)
    assert report.not_validated is None
    assert report.worst() is not Indication.TOTAL_PASSED


@pytest.mark.parametrize(
    "data",
    [
        b"%PDF-1.7\n",
        b"%PDF-1.7\nstartxref\n9\n%%EOF\n",
        b"%PDF-1.7\n" + b"\x00" * 5000,
        unsigned_pdf()[:200],
        unsigned_pdf().replace(b"xref", b"xxxx"),
    ],
    ids=["header", "no-xref", "zeros", "truncated", "broken-xref"],
)
def test_what_no_reader_can_open_is_refused_with_a_reason(data: bytes) -> None:
    with pytest.raises(DocumentRefused):
        read_pdf(io.BytesIO(data))
    report = judge(data)
    assert report.refused == "document-unreadable"
    assert report.worst() is Indication.INDETERMINATE
    assert report.signatures == ()


def test_a_signed_pdf_without_its_xref_is_not_called_unsigned() -> None:
    pdf = signed()
    broken = pdf.replace(b"startxref", b"startxxxx")
    report = judge(broken)
    assert report.worst() is Indication.TOTAL_FAILED
    assert report.signatures[0]["subindication"] == "FORMAT_FAILURE"


def test_a_pdf_under_a_password_is_refused_and_one_under_an_empty_one_is_read(shared: object) -> None:
    from pathlib import Path

    folder = Path(str(shared)) / "corpus" / "documents" / "pades" / "protected"
    report = judge((folder / "protected_two_empty_fields.pdf").read_bytes())
    assert report.refused == "document-unreadable"
    assert "password" in report.content["refused"]["detail"]
    assert judge((folder / "edition_protected_none.pdf").read_bytes()).worst() is None


def test_the_document_is_read_in_blocks_whatever_its_size() -> None:
    class Counting(io.BytesIO):
        largest = 0

        def read(self, size: int | None = -1) -> bytes:
            data = super().read(size)
            Counting.largest = max(Counting.largest, len(data))
            return data

    filler = b"<< /Length 6000000 >>\nstream\n" + b"x" * 6_000_000 + b"\nendstream"
    pdf = world().basic(update(unsigned_pdf(), {9: filler}, 10))
    lab = world()
    report = validate_document(
        Counting(pdf), TrustAnchors((lab.root.der,)), at=NOW, revocation=RevocationData(lab.crls())
    )
    assert report.worst() is Indication.TOTAL_PASSED
    assert Counting.largest <= 1 << 20


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=400), st.integers(0, 3000), st.integers(0, 400))
def test_rubbish_anywhere_gets_an_answer(rubbish: bytes, place: int, removed: int) -> None:
    pdf = signed()
    tail = pdf[-(3000 - min(place, 2999)) :]
    mangled = pdf[: len(pdf) - len(tail)] + rubbish + tail[removed:]
    report = judge(mangled)
    assert report.not_validated is None
    start = pdf.index(b"/Contents <") + len(b"/Contents ")
    end = pdf.index(b">", start) + 1
    same = mangled[:start] == pdf[:start] and mangled[end : len(pdf)] == pdf[end:]
    assert same or report.worst() is not Indication.TOTAL_PASSED


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_make_a_cms_parser_raise_anything_else(data: bytes) -> None:
    from zdda.signatures.cms import parse_signed_data
    from zdda.signatures.timestamp_token import parse_timestamp_token

    value = cms_signature(world().signer, b"\x00" * 32)
    for candidate in (data, value[: len(data)], value[:50] + data + value[50 + len(data) :]):
        for parse in (parse_signed_data, parse_timestamp_token):
            try:
                parse(candidate)
            except FormatError:
                continue


def test_a_desert_of_digits_before_a_broken_dictionary_is_crossed_once() -> None:
    """A search that began anew at every digit would not come to its end while anybody waits."""
    desert = b"%PDF-1.7\n1 0 obj << /Contents <" + b"0" * 3_000_000 + b"> /ByteRange [0 1 2 3] >>\nendobj\n"
    report = validate_document(io.BytesIO(desert), TrustAnchors(()), at=NOW)
    assert report.refused or report.worst() is not Indication.TOTAL_PASSED
