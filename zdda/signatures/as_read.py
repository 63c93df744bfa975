"""The bytes that an asn1crypto value was read from.

Its own ``dump`` takes every length whose last octet is 0x80 for an indefinite one (one in 256 is) and then writes the
value anew: other bytes, where they were not DER, and a time that multiplies with every level of what is inside. A token
in a token in a token would keep a machine busy for days.
"""

from __future__ import annotations

from typing import Any

from asn1crypto import core


def as_read(value: Any) -> bytes:
    """Tag, length and contents as they stood in the bytes that were loaded, an end-of-contents included. For values
    that were loaded and not changed; of a CHOICE, what was chosen."""
    if isinstance(value, core.Choice):
        return as_read(value.chosen)
    # ``contents`` of a SEQUENCE would look for changes all the way down.
    contents = value._contents if isinstance(value, core.Sequence | core.SequenceOf) else value.contents
    header = value._header
    if header is None or contents is None:
        return bytes(value.dump())  # made by a program, not read
    return bytes(header + contents + value._trailer)


def in_definite_length(value: Any) -> bytes:
    """The same; what came in an indefinite length is written anew in a definite one, as DER asks."""
    encoded = as_read(value)
    return bytes(value.dump()) if encoded[1:2] == b"\x80" else encoded
