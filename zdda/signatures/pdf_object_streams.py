"""Explicit replacement of pyHanko's reading of object streams (ISO 32000-2 clause 7.5.7), made at import.

pyHanko decodes an object stream and reads its table of numbers anew for every object in it, which takes the square of
their number. The replacement remembers both; anything irregular is left to the original, and results are the same.
"""

from __future__ import annotations

import io
from typing import Any

from pyhanko.pdf_utils import generic, misc
from pyhanko.pdf_utils.decode_limits import DecodePurpose
from pyhanko.pdf_utils.reader import PdfFileReader

_REMEMBERED = 32 * 1024 * 1024
_WHITESPACE = b"\x00\t\n\x0c\r "
_original = PdfFileReader._get_object_from_stream


def _places(stream: Any, data: bytes) -> dict[int, int] | None:
    """Object numbers and where in ``data`` each begins; None where the table is not plain."""
    first, count = stream["/First"], stream["/N"]
    if not (0 <= first <= len(data) and 0 <= count <= first):
        return None
    tokens = data[:first].translate(bytes.maketrans(_WHITESPACE, b" " * len(_WHITESPACE))).split()
    if len(tokens) != 2 * count or not all(token.isdigit() and len(token) <= 10 for token in tokens):
        return None
    places: dict[int, int] = {}
    for number, offset in zip(tokens[::2], tokens[1::2], strict=True):
        places.setdefault(int(number), first + int(offset))
    return places


def _get_object_from_stream(self: Any, idnum: int, stmnum: int, idx: int) -> Any:
    stream = generic.Reference(stmnum, 0, self).get_object()
    if self.strict or not isinstance(stream, generic.StreamObject) or stream["/Type"] != "/ObjStm":
        return _original(self, idnum, stmnum, idx)
    remembered = self.__dict__.setdefault("_zdda_object_streams", {})
    held = remembered.get(stmnum)
    if held is None or held[0] is not stream:
        data = bytes(stream.read_data(DecodePurpose.OBJECT_STREAM))
        held = (stream, data, _places(stream, data))
        if sum(len(each[1]) for each in remembered.values()) + len(data) > _REMEMBERED:
            remembered.clear()
        remembered[stmnum] = held
    _, data, places = held
    if places is None or idnum not in places or not 0 <= idx < stream["/N"]:
        return _original(self, idnum, stmnum, idx)
    source = io.BytesIO(data)
    source.seek(places[idnum])
    try:
        return generic.read_object(source, generic.Reference(idnum, 0, self))
    except misc.PdfReadError:
        return _original(self, idnum, stmnum, idx)


PdfFileReader._get_object_from_stream = _get_object_from_stream
