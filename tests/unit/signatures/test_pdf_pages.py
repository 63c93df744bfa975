"""Pages are counted as a reader leafs through them, or not at all."""

from __future__ import annotations

import io

import pytest
from pyhanko.pdf_utils.reader import PdfFileReader

from tests.unit.signatures.test_pdf_changes import OBJECTS, REPLACED, revised, signed
from zdda.signatures.pdf_pages import PageCounts

PAGE = OBJECTS[15]
TREE = b"<< /Type /Pages /Kids [%b] /Count %d >>"


def counts(objects: dict[int, bytes], base: bytes = b"", until: int = 0) -> tuple[int, int | None] | None:
    base = base or signed()
    stream = io.BytesIO(revised(base, objects))
    return PageCounts(stream, PdfFileReader(stream, strict=False)).of(until or len(base))


@pytest.mark.parametrize(
    ("objects", "now"),
    [
        ({4: REPLACED}, 2),
        ({2: TREE % (b"3 0 R 15 0 R 40 0 R", 3), 40: PAGE}, 3),
        ({2: TREE % (b"3 0 R", 1)}, 1),
        ({2: TREE % (b"3 0 R 15 0 R 15 0 R", 3)}, 3),
        ({2: TREE % (b"40 0 R 40 0 R", 4), 40: TREE % (b"3 0 R 15 0 R", 2)}, 4),
        ({1: b"<< /Type /Catalog >>"}, None),
        ({2: TREE % (b"3 0 R 15 0 R 2 0 R", 2)}, None),
        ({2: TREE % (b"3 0 R 15 0 R", 3)}, None),
        ({2: TREE % (b"3 0 R 40 0 R", 2), 40: b"<< /Type /Page /Kids [15 0 R 15 0 R] /Count 2 >>"}, None),
        ({2: TREE % (b"3 0 R 15 0 R 40 0 R", 2), 40: b"<< /Type /Pages /Count 5 >>"}, None),
        ({2: TREE % (b"3 0 R " * 60_000, 60_000)}, None),
    ],
)
def test_what_readers_do_not_agree_on_nobody_can_count(objects: dict[int, bytes], now: int | None) -> None:
    assert counts(objects) == (2, now)


def test_a_deep_tree_is_counted() -> None:
    deep = {2: TREE % (b"100 0 R", 2)}
    deep |= {100 + level: TREE % (b"%d 0 R" % (101 + level), 2) for level in range(300)}
    deep[400] = TREE % (b"3 0 R 15 0 R", 2)
    base = revised(signed(), deep)
    assert counts({2: TREE % (b"3 0 R 15 0 R 15 0 R", 3)}, base) == (2, 3)


def test_pages_that_could_not_be_counted_when_they_were_signed_are_not_as_signed() -> None:
    base = revised(signed(), {2: TREE % (b"3 0 R 15 0 R 2 0 R", 2)})
    assert counts({4: REPLACED}, base) == (0, None)


def test_a_wrong_count_that_was_signed_is_not_held_against_the_document() -> None:
    base = revised(signed(), {2: TREE % (b"3 0 R 15 0 R", 7)})
    assert counts({4: REPLACED}, base) == (2, 2)


def test_a_revision_that_ends_nowhere_has_no_pages_to_count() -> None:
    assert counts({4: REPLACED}, until=len(signed()) - 9) is None


def test_a_document_that_no_reader_opens_has_pages_that_nobody_can_count() -> None:
    document = signed() + b"startxref\n7\n%%EOF\n"
    assert PageCounts(io.BytesIO(document), None).of(len(signed())) == (2, None)
