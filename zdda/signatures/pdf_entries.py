"""Entries of PDF dictionaries and arrays, as written (references unresolved) and as meant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyhanko.pdf_utils import generic


class TooMuch(Exception):
    """More objects than may be looked at, or nested more deeply."""


def keys_of(*dictionaries: Mapping[Any, Any]) -> set[str]:
    return {str(key) for dictionary in dictionaries for key in dictionary}


def written(dictionary: Any, key: str) -> Any:
    """The entry as written, or None."""
    try:
        return dictionary.raw_get(key)
    except KeyError:
        return None


def resolved(value: Any) -> Any:
    """What a reference leads to, which may be another reference in a careless file."""
    for _ in range(8):
        if not isinstance(value, generic.IndirectObject):
            return value
        value = value.get_object()
    raise TooMuch


def meant(dictionary: Any, key: str) -> Any:
    """The entry with its reference followed; None where it is absent, null or the value is no dictionary."""
    value = resolved(written(dictionary, key)) if isinstance(dictionary, generic.DictionaryObject) else None
    return None if isinstance(value, generic.NullObject) else value


def number_of(value: Any) -> int | None:
    """The object number of a reference; None for anything else."""
    return value.reference.idnum if isinstance(value, generic.IndirectObject) else None


def members_of(dictionary: Any, key: str) -> list[tuple[Any, Any]]:
    """(as written, as meant) of an array's members."""
    array = meant(dictionary, key)
    if not isinstance(array, generic.ArrayObject):
        return []
    return [(array.raw_get(index), resolved(array.raw_get(index))) for index in range(len(array))]


def is_plain(value: Any) -> bool:
    """A dictionary that is not the head of a stream."""
    return isinstance(value, generic.DictionaryObject) and not isinstance(value, generic.StreamObject)
