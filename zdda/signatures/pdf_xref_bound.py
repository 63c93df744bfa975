"""A bound on the entries of cross-reference streams (ISO 32000-2 clause 7.5.8), put before pyHanko's parser at import.

A few hundred kilobytes can name thirty million objects, each of which the parser would keep; entries of no width cost
no bytes at all. An object takes some bytes of a file, and so the file's length says how many there can be.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pyhanko.pdf_utils import generic, xref

from zdda.signatures.errors import DocumentRefused

# What deleted objects may leave behind in a small file, and the fewest bytes of an object in a large one.
_ANYWAY = 100_000
_BYTES_OF_AN_OBJECT = 8
# ISO 32000-1 annex C.2: the most indirect objects in a file.
_MOST = 8_388_607
_original = xref.parse_xref_stream


def _declared(stream: Any) -> int:
    """How many entries a cross-reference stream says that it has."""
    index = stream.get("/Index", None)
    if not isinstance(index, generic.ArrayObject):
        return max(0, int(stream.get("/Size")))
    return sum(max(0, int(index[place])) for place in range(1, len(index), 2))


def _parse_xref_stream(xref_stream: Any, strict: bool = True) -> Iterator[Any]:
    """Same result as pyHanko's. Raises ``DocumentRefused`` where the streams of one file declare more entries than
    its length allows."""
    reader = xref_stream.container_ref.pdf
    position = reader.stream.tell()
    length = reader.stream.seek(0, 2)
    reader.stream.seek(position)
    declared = reader.__dict__.get("_zdda_xref_entries", 0) + _declared(xref_stream)
    if declared > min(_ANYWAY + length // _BYTES_OF_AN_OBJECT, _MOST):
        raise DocumentRefused("the PDF's cross-reference streams name more objects than the file can hold")
    reader.__dict__["_zdda_xref_entries"] = declared
    yield from _original(xref_stream, strict=strict)


xref.parse_xref_stream = _parse_xref_stream
