"""What may be looked at for all signatures of a PDF together: each has a revision that may be the whole document."""

from __future__ import annotations

import io

import pytest

from tests.unit.validation.laboratory import cms_signature, sign_pdf, unsigned_pdf, update, world
from zdda.signatures import pdf_pages, pdf_revision
from zdda.signatures.model import Changes, SignedDocument
from zdda.signatures.pdf import read_pdf

OBJECTS = 60
PAGE = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] >>"


def signed(times: int) -> bytes:
    """A document of some sixty objects that the page leads to, signed so often, and then changed."""
    linked = {100 + each: b"<< /Next %d 0 R >>" % (101 + each) for each in range(OBJECTS)}
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 300] /Contents 4 0 R /PieceInfo 100 0 R >>"
    pdf = update(unsigned_pdf(), {**linked, 3: page}, 200)
    lab = world()
    for number in range(times):
        fields = [1000 + 10 * each for each in range(number)]
        pdf = sign_pdf(
            pdf, lambda digest: cms_signature(lab.signer, digest), number=1000 + 10 * number, fields=fields, room=2000
        )
    return update(pdf, {2: b"<< /Type /Pages /Kids [3 0 R 40 0 R] /Count 2 >>", 40: PAGE}, 2000)


def read(times: int) -> SignedDocument:
    return read_pdf(io.BytesIO(signed(times)))


def test_signatures_share_what_may_be_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {each.changes for each in read(4).signatures} == {Changes.CONTENT}
    monkeypatch.setattr(pdf_revision, "MAXIMUM_IN_DOCUMENT", 3 * OBJECTS)
    found = [each.changes for each in read(4).signatures]
    assert found.count(Changes.NOT_DETERMINED) in (1, 2, 3)
    assert set(found) == {Changes.CONTENT, Changes.NOT_DETERMINED}
    monkeypatch.setattr(pdf_revision, "MAXIMUM_IN_DOCUMENT", OBJECTS // 2)
    assert {each.changes for each in read(1).signatures} == {Changes.NOT_DETERMINED}


def test_pages_that_cost_too_much_to_count_are_not_as_signed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {each.pages for each in read(3).signatures} == {(1, 2)}
    monkeypatch.setattr(pdf_revision, "MAXIMUM_IN_DOCUMENT", 30)
    assert {each.pages for each in read(3).signatures} == {(1, 2), (0, None)}


def test_pages_are_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[object] = []
    original = pdf_pages._count

    def count(root: object, allowance: pdf_revision.Allowance) -> int:
        counted.append(root)
        return original(root, allowance)

    monkeypatch.setattr(pdf_pages, "_count", count)
    read(3)
    assert len(counted) == 4, "three signed revisions, and the document as it is"
