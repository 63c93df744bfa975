"""Dictionaries that have a key twice (ISO 32000-2 clause 7.3.7): readers take one entry or the other."""

from __future__ import annotations

from typing import Any

from pyhanko.pdf_utils import generic, xref
from pyhanko.pdf_utils.reader import PdfFileReader

from zdda.signatures.pdf_source import OF_THE_SOURCE


class _Strict:
    """What the reader of an object asks of the document that it is part of."""

    strict = True


def has_key_twice(reader: PdfFileReader, dictionary: generic.DictionaryObject) -> bool:
    """Whether a key stands twice in a dictionary of the object that ``dictionary`` is, or is part of; True where that
    cannot be read by itself. Raises errors of the source only."""
    if getattr(dictionary, "zdda_plain", False):  # see zdda.signatures.pdf_plain_objects
        return False
    container = dictionary.container_ref
    if not isinstance(container, generic.Reference):
        return False
    try:
        place: Any = reader.xrefs[container]
        if not isinstance(place, int):
            return True
        reader.stream.seek(place)
        xref.read_object_header(reader.stream, strict=False)
        generic.read_object(reader.stream, generic.TrailerReference(_Strict()))
    except OF_THE_SOURCE:
        raise
    except Exception:  # noqa: BLE001 - the strict reader's, or of hostile bytes
        return True
    return False
