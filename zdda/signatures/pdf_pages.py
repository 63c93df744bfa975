"""How many pages a PDF has (ISO 32000-2 clause 7.7.3): what a reader would leaf through.

Readers do not agree about a tree that is a circle, has nodes that are pages and lists at once, or another number of
pages than its /Count says: such pages nobody can count.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.reader import PdfFileReader

from zdda.signatures.pdf_entries import TooMuch, meant, number_of, resolved, written
from zdda.signatures.pdf_revision import MAXIMUM_OBJECTS, Allowance, signed_reader
from zdda.signatures.pdf_source import OF_THE_SOURCE


class PageCounts:
    """The pages of one document (``reader``: None where it cannot be opened) and of its signed revisions, each counted
    once.

    What all of them may cost is bounded (``Allowance``). Whose document costs more than that has made one whose pages
    nobody can count: they are not as they were signed.
    """

    def __init__(self, stream: BinaryIO, reader: PdfFileReader | None) -> None:
        self._stream, self._reader = stream, reader
        self._allowance = Allowance()
        self._found: dict[int, tuple[int, int | None] | None] = {}
        self._now: tuple[_Pages | None] | None = None

    def of(self, signed_until: int) -> tuple[int, int | None] | None:
        """(pages of the revision that ends at ``signed_until`` (bytes), 0 where nobody can count them; pages of the
        document as it is now, None where nobody can count those, or the former). None where that revision cannot be
        read. Raises errors of the source only."""
        if signed_until not in self._found:
            self._found[signed_until] = self._counts(signed_until)
        return self._found[signed_until]

    def _counts(self, signed_until: int) -> tuple[int, int | None] | None:
        if self._allowance.spent:
            return 0, None
        try:
            revision = signed_reader(self._stream, signed_until)
        except OF_THE_SOURCE:
            raise
        except Exception:  # noqa: BLE001 - of hostile bytes; what cannot be read is told as such
            revision = None
        if revision is None:
            return None
        signed = _counted(revision, self._allowance)
        if signed is None:
            return 0, None
        if self._now is None:
            self._now = (_counted(self._reader, self._allowance),)
        now = self._now[0]
        if now is None or (signed.as_declared and not now.as_declared):
            return signed.number, None
        return signed.number, now.number


class _Pages:
    """``as_declared``: the tree's /Count says the same."""

    def __init__(self, number: int, declared: Any) -> None:
        self.number = number
        self.as_declared = bool(declared == number)


def _counted(reader: PdfFileReader | None, allowance: Allowance) -> _Pages | None:
    try:
        if reader is None:
            return None
        allowance.spend_on_tables(reader)
        tree = written(reader.root, "/Pages")
        return _Pages(_count(tree, allowance), meant(resolved(tree), "/Count"))
    except OF_THE_SOURCE:
        raise
    except (TooMuch, RecursionError):
        return None
    except Exception:  # noqa: BLE001 - of hostile bytes; what cannot be counted is told as such
        return None


def _count(tree: Any, allowance: Allowance) -> int:
    """Leaves of the page tree, as often as they are named; raises ``TooMuch`` over ``MAXIMUM_OBJECTS`` places, in a
    circle, and at a node that may be a page or a list of pages."""
    pages = places = 0
    above: list[int | None] = [None]
    numbers: set[int | None] = set()
    stack: list[Iterator[Any]] = [iter([tree])]
    while stack:
        place = next(stack[-1], None)
        if place is None:
            stack.pop()
            numbers.discard(above.pop())
            continue
        places += 1
        allowance.spend()
        if places > MAXIMUM_OBJECTS:
            raise TooMuch
        node, number = resolved(place), number_of(place)
        if not isinstance(node, generic.DictionaryObject):
            continue
        kids, kind = meant(node, "/Kids"), meant(node, "/Type")
        if isinstance(kids, generic.ArrayObject) and kind != "/Page":
            if number is not None and number in numbers:
                raise TooMuch
            above.append(number)
            numbers.add(number)
            stack.append(iter([kids.raw_get(index) for index in range(len(kids))]))
        elif kids is None and kind != "/Pages":
            pages += 1
        else:
            raise TooMuch
    return pages
