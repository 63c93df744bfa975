"""How many pages a PDF has (ISO 32000-2 clause 7.7.3): what a reader would leaf through, not what /Count says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.reader import PdfFileReader

from zdda.signatures.pdf_entries import TooMuch, meant, number_of, resolved, written
from zdda.signatures.pdf_revision import MAXIMUM_DEPTH, MAXIMUM_OBJECTS, signed_reader
from zdda.signatures.pdf_source import OF_THE_SOURCE


def page_counts(reader: PdfFileReader, signed_until: int) -> tuple[int, int | None] | None:
    """(pages of the revision that ends at ``signed_until`` (bytes), pages of the document as it is now, None where
    nobody can count those); None where the signed ones cannot be counted. Raises errors of the source only."""
    signed = _counted(lambda: signed_reader(reader, signed_until))
    return None if signed is None else (signed, _counted(lambda: reader))


def _counted(opened: Callable[[], PdfFileReader | None]) -> int | None:
    try:
        reader = opened()
        return None if reader is None else _count(reader.root)
    except OF_THE_SOURCE:
        raise
    except (TooMuch, RecursionError):
        return None
    except Exception:  # noqa: BLE001 - of hostile bytes; what cannot be counted is told as such
        return None


def _count(root: Any) -> int:
    """Leaves of the page tree, as often as they are named; at most ``MAXIMUM_OBJECTS`` places. A node above pages
    that was met before is left out, so that no circle is walked."""
    pages = nodes = 0
    met: set[int | None] = set()
    stack = [(written(root, "/Pages"), 0)]
    while stack:
        place, depth = stack.pop()
        nodes += 1
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
