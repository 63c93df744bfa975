"""How many pages a PDF has (ISO 32000-2 clause 7.7.3): what a reader would leaf through, not what /Count says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.reader import PdfFileReader

from zdda.signatures.pdf_entries import TooMuch, meant, number_of, resolved, written
from zdda.signatures.pdf_revision import MAXIMUM_DEPTH, MAXIMUM_OBJECTS, Allowance, signed_reader
from zdda.signatures.pdf_source import OF_THE_SOURCE


class PageCounts:
    """The pages of one document and of its signed revisions, each counted once.

    What all of them may cost is bounded (``Allowance``). Whose document costs more than that has made one whose pages
    nobody can count: they are not as they were signed.
    """

    def __init__(self, reader: PdfFileReader) -> None:
        self._reader = reader
        self._allowance = Allowance()
        self._found: dict[int, tuple[int, int | None] | None] = {}
        self._now: tuple[int | None] | None = None

    def of(self, signed_until: int) -> tuple[int, int | None] | None:
        """(pages of the revision that ends at ``signed_until`` (bytes), pages of the document as it is now, None where
        nobody can count those); None where the signed ones cannot be counted. Raises errors of the source only."""
        if signed_until not in self._found:
            self._found[signed_until] = self._counts(signed_until)
        return self._found[signed_until]

    def _counts(self, signed_until: int) -> tuple[int, int | None] | None:
        if self._allowance.spent:
            return 0, None
        signed = _counted(lambda: signed_reader(self._reader, signed_until), self._allowance)
        if signed is None:
            return (0, None) if self._allowance.spent else None
        if self._now is None:
            self._now = (_counted(lambda: self._reader, self._allowance),)
        return signed, self._now[0]


def _counted(opened: Callable[[], PdfFileReader | None], allowance: Allowance) -> int | None:
    try:
        reader = opened()
        if reader is None:
            return None
        allowance.spend_on_tables(reader)
        return _count(reader.root, allowance)
    except OF_THE_SOURCE:
        raise
    except (TooMuch, RecursionError):
        return None
    except Exception:  # noqa: BLE001 - of hostile bytes; what cannot be counted is told as such
        return None


def _count(root: Any, allowance: Allowance) -> int:
    """Leaves of the page tree, as often as they are named; at most ``MAXIMUM_OBJECTS`` places. A node above pages
    that was met before is left out, so that no circle is walked."""
    pages = nodes = 0
    met: set[int | None] = set()
    stack = [(written(root, "/Pages"), 0)]
    while stack:
        place, depth = stack.pop()
        nodes += 1
        allowance.spend()
        if nodes > MAXIMUM_OBJECTS or depth > MAXIMUM_DEPTH:
            raise TooMuch
        node, number = resolved(place), number_of(place)
        if not isinstance(node, generic.DictionaryObject):
            continue
        kids = None if written(node, "/Type") == "/Page" else meant(node, "/Kids")
        if kids is None:
            pages += 1
        elif isinstance(kids, generic.ArrayObject) and number not in met:
            met |= {number} - {None}
            stack += [(kids.raw_get(index), depth + 1) for index in range(len(kids))]
    return pages
