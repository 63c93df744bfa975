"""One byte form for each JSON value: whatever is hashed, sealed or bound as JSON is written by this.

RFC 8785 restricted to objects, arrays, strings, integers, booleans and null: members sorted by UTF-16
code units, no white space, no floating-point numbers, UTF-8.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

type_error = "canonical JSON holds objects, arrays, strings, integers, booleans and null"


_MOST = 10_000_000
_SORTING = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False, sort_keys=True)
_AS_IS = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def canonical_json(value: object) -> bytes:
    """Raises ``ValueError`` for anything but the types named above."""
    return canonical_text(value).encode("utf-8")


def canonical_text(value: object) -> str:
    """``canonical_json`` before it is encoded. Raises ``ValueError`` for anything but the types named above."""
    return _SORTING.encode(value) if _is_plain(value) else _AS_IS.encode(_ordered(value))


def parse_json(data: bytes, limit: int = 64 * 1024 * 1024) -> Any:
    """Reads JSON, refusing duplicate members, NaN and more than ``limit`` bytes; raises ``ValueError``."""
    if len(data) > limit:
        raise ValueError(f"JSON is over {limit} bytes")
    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
    except RecursionError as error:
        raise ValueError("JSON is nested too deeply") from error


def parse_canonical(text: str) -> Any:
    """Reads what ``canonical_text`` writes, several times faster than ``parse_json``; raises ``ValueError`` for any
    other text."""
    try:
        value = _EXACT.decode(text)
        again = _SORTING.encode(value)
    except RecursionError as error:
        raise ValueError("JSON is nested too deeply") from error
    # of names beyond ASCII the encoder may have another order; where one may stand, all is looked at
    if again != text or (_PERHAPS_NAMED.search(text) and canonical_text(value) != text):
        raise ValueError("JSON is not in its canonical form")
    return value


def _is_plain(value: object) -> bool:
    """Whether all of it is of the built-in types that the encoder writes as they are, and all names are ASCII, which
    the encoder sorts as UTF-16 does: then it need not be copied."""
    waiting: list[object] = [value]
    count = 0
    while waiting:
        item = waiting.pop()
        count += 1
        if count > _MOST:
            return False  # a structure that holds itself, perhaps: the copy says so
        kind = type(item)
        if kind is str or kind is int or kind is bool or item is None:
            continue
        if kind is dict:
            for key, inner in item.items():  # type: ignore[attr-defined]
                if type(key) is not str or not key.isascii():
                    return False
                if type(inner) is not str:
                    waiting.append(inner)
        elif kind is list or kind is tuple:
            waiting.extend(item)  # type: ignore[arg-type]
        else:
            return False
    return True


def _ordered(value: object) -> object:
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise ValueError(type_error)
        return {key: _ordered(value[key]) for key in sorted(value, key=lambda key: key.encode("utf-16-be"))}
    if isinstance(value, str) or value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [_ordered(item) for item in value]
    raise ValueError(type_error)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a JSON object names a member twice")
    return result


def _no_constant(name: str) -> Any:
    raise ValueError(f"JSON has no {name}")


_EXACT = json.JSONDecoder(parse_float=_no_constant, parse_constant=_no_constant)
_PERHAPS_NAMED = re.compile(r'[^\x00-\x7f"][^"]*+":')
