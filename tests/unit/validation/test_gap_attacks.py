"""Nobody signs the place that is kept for a signature's own value: nothing but that value may stand in it."""

from __future__ import annotations

import hashlib
import io
import re
from datetime import UTC, datetime

import pytest
from cryptography import x509

from tests.unit.validation.laboratory import NOW, cms_signature, crl, token, unsigned_pdf, world
from zdda.trust.anchors import TrustAnchors
from zdda.trust.revocation import RevocationData
from zdda.validation.indications import Indication
from zdda.validation.report import ValidationReport
from zdda.validation.validate import validate_document

STAMPED = datetime(2020, 6, 1, tzinfo=UTC)
REVOKED = datetime(2021, 1, 1, tzinfo=UTC)
ROOM, OF_TOKEN, OF_VALUE = 40_000, 16_000, 16_000
BLANK = b" " * 60
FIELD = b"<< /FT /Sig /Type /Annot /Subtype /Widget /Rect [0 0 0 0] /T (s%d) /V %d 0 R >>"


def judge(document: bytes) -> ValidationReport:
    lab = world()
    lists = crl(lab.root), crl(lab.issuing, revoked=[(lab.signer, REVOKED, x509.ReasonFlags.key_compromise)])
    data = RevocationData(lists)
    return validate_document(io.BytesIO(document), TrustAnchors((lab.root.der,)), at=NOW, revocation=data)


def with_reserved_place(objects: dict[int, bytes], hidden: int) -> tuple[bytearray, int, int]:
    """A revision with object 11 and its reserved place, in which the table says object ``hidden`` begins; the place's
    first and last offset."""
    base = unsigned_pdf()
    previous = int(re.findall(rb"startxref\s+(\d+)", base)[-1])
    out, offsets = bytearray(base), {}
    for number, body in objects.items():
        offsets[number] = len(out)
        out += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    start = out.index(b"<" + b"0" * ROOM)
    end = start + ROOM + 2
    offsets[hidden] = start + 1 + OF_TOKEN + 2
    table = len(out)
    out += b"xref\n" + b"".join(b"%d 1\n%010d 00000 n \n" % (number, offsets[number]) for number in sorted(offsets))
    out += b"trailer\n<< /Size 30 /Root 1 0 R /Prev %d >>\nstartxref\n%d\n%%%%EOF\n" % (previous, table)
    place = out.index(b"/ByteRange [" + BLANK) + len(b"/ByteRange [")
    out[place : place + 60] = (b"0 %d %d %d" % (start, end, len(out) - end)).ljust(60)
    return out, start, end


def reserved(kind: bytes, sub_filter: bytes) -> bytes:
    return (
        b"<< /Type /%b /Filter /Adobe.PPKLite /SubFilter /%b /M (D:20210601120000+00'00') /ByteRange [%b]"
        b" /Contents <%b> >>" % (kind, sub_filter, BLANK, b"0" * ROOM)
    )


def fill(out: bytearray, start: int, end: int, value: bytes, hidden: bytes) -> None:
    """The value in hexadecimal, then a comment in which an object hides."""
    content = value.hex().encode().ljust(OF_TOKEN, b"0") + b" %" + hidden
    out[start + 1 : end - 1] = content.ljust(ROOM - 1) + b"\n"


def digest(out: bytearray, start: int, end: int, until: int | None = None) -> bytes:
    return hashlib.sha256(bytes(out[:start] + out[end:until])).digest()


def test_a_signature_written_into_the_gap_of_an_older_timestamp_does_not_get_its_time() -> None:
    lab = world()
    catalog = b"<< /Type /Catalog /Pages 2 0 R /AcroForm << /SigFlags 3 /Fields [10 0 R 20 0 R] >> >>"
    stamp = reserved(b"DocTimeStamp", b"ETSI.RFC3161")
    out, start, end = with_reserved_place({1: catalog, 10: FIELD % (10, 11), 20: FIELD % (20, 21), 11: stamp}, 21)
    made = token(lab.authority, digest(out, start, end), STAMPED, certificates=lab.chain)
    # Everything above is fixed in 2020. What follows is done with the stolen key, after its revocation.
    head = (
        b"21 0 obj << /Type /Sig /Filter /Adobe.PPKLite /SubFilter /ETSI.CAdES.detached"
        b" /M (D:20200601000000+00'00') /ByteRange ["
    )
    first = start + 1 + OF_TOKEN + 2 + len(head) + 60 + len(b"] /Contents ")
    last, until = first + 2 + OF_VALUE, len(out) - 1
    numbers = (b"0 %d %d %d" % (first, last, until - last)).ljust(60)
    fill(out, start, end, made, head + numbers + b"] /Contents <" + b"0" * OF_VALUE + b"> >> endobj")
    value = cms_signature(lab.signer, digest(out, first, last, until), certificates=lab.chain)
    out[first + 1 : last - 1] = value.hex().encode().ljust(OF_VALUE, b"0")
    report = judge(bytes(out))
    assert report.worst() is not Indication.TOTAL_PASSED
    assert all(each["bestSignatureTime"] >= "2021" for each in report.signatures)


@pytest.mark.parametrize("shown", [b"I owe you 1", b"I owe you 1000000"])
def test_a_page_that_hides_in_a_signature_s_own_gap_is_signed_by_nobody(shown: bytes) -> None:
    lab = world()
    catalog = b"<< /Type /Catalog /Pages 2 0 R /AcroForm << /SigFlags 3 /Fields [10 0 R] >> >>"
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 300] /Contents 21 0 R >>"
    objects = {1: catalog, 3: page, 10: FIELD % (10, 11), 11: reserved(b"Sig", b"ETSI.CAdES.detached")}
    out, start, end = with_reserved_place(objects, 21)
    value = cms_signature(lab.authority, digest(out, start, end), certificates=lab.chain)
    fill(out, start, end, value, b"21 0 obj << /Said (%b) >> endobj" % shown)
    report = judge(bytes(out))
    assert report.worst() is Indication.TOTAL_FAILED
    codes = {finding["code"] for each in report.signatures for finding in each["findings"]}
    assert "byte-range-gap-is-not-hexadecimal" in codes
