"""A TSTInfo read by its lengths is what asn1crypto makes of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.signatures.cms_maker import algorithm, oid
from tests.unit.signatures.test_cades import CONTENT
from tests.unit.signatures.test_cades_timestamps import stamp
from tests.unit.signatures.test_cms_plain import VALUE, written
from zdda.signatures import cms
from zdda.signatures.cms_plain import NotPlain
from zdda.signatures.der import encode
from zdda.signatures.errors import FormatError
from zdda.signatures.tst_info import TstInfo, plain_tst_info, read_tst_info, unplain_tst_info

IMPRINT = encode(0x30, algorithm("2.16.840.1.101.3.4.2.1", b"\x05\x00") + encode(0x04, b"d" * 32))
TIME = encode(0x18, b"20210602120000Z")
PARTS = [b"\x02\x01\x01", oid("1.2.3"), IMPRINT, b"\x02\x02\x00\xff", TIME]
OPTIONAL = [
    encode(0x30, b"\x02\x01\x01"),
    b"\x01\x01\xff",
    b"\x02\x01\x09",
    encode(0xA0, encode(0x82, b"a")),
    b"\xa1\x00",
]


def told(content: bytes, read: Callable[[bytes], TstInfo]) -> Any:
    try:
        return read(content)
    except FormatError as error:
        return str(error)


def same(content: bytes) -> None:
    assert told(content, read_tst_info) == told(content, unplain_tst_info), content.hex()


@pytest.mark.parametrize("chosen", range(32))
def test_optional_members(chosen: int) -> None:
    content = encode(0x30, b"".join([*PARTS, *(each for bit, each in enumerate(OPTIONAL) if chosen >> bit & 1)]))
    assert plain_tst_info(content).serial == 255
    assert plain_tst_info(content).nonce == (9 if chosen & 4 else None)
    same(content)


@pytest.mark.parametrize(
    "moment",
    b"20210602120000.5Z 20210602120000 20210602120000+0200 202106021200Z 00000602120000Z 20211302120000Z "
    b"20210602120060Z 20210602240000Z ".split(b" "),
)
def test_other_times(moment: bytes) -> None:
    content = encode(0x30, b"".join([*PARTS[:4], encode(0x18, moment)]))
    with pytest.raises(NotPlain):
        plain_tst_info(content)
    same(content)


def test_members_out_of_turn_and_twice() -> None:
    for extra in ([OPTIONAL[1], OPTIONAL[0]], [OPTIONAL[2], OPTIONAL[2]], [OPTIONAL[4], OPTIONAL[3]], [b"\x05\x00"]):
        content = encode(0x30, b"".join([*PARTS, *extra]))
        with pytest.raises(NotPlain):
            plain_tst_info(content)
        same(content)
    for content in (encode(0x30, b"".join(PARTS)) + b"\x00", encode(0x31, b"".join(PARTS)), b"", b"\x30"):
        with pytest.raises(NotPlain):
            plain_tst_info(content)
        same(content)


def test_a_changed_byte_anywhere() -> None:
    content = cms.parse_signed_data(stamp(CONTENT)).content or b""
    plain_tst_info(content)
    for place in range(len(content)):
        for change in (0x01, 0x20, 0x80):
            same(content[:place] + bytes((content[place] ^ change,)) + content[place + 1 :])


@settings(max_examples=250, deadline=None)
@given(st.lists(VALUE, max_size=2), st.integers(0, 10), st.integers(0, 1))
def test_parts_exchanged(values: list[Any], place: int, taken: int) -> None:
    parts = [*PARTS, *OPTIONAL]
    parts[place : place + taken] = map(written, values)
    same(encode(0x30, b"".join(parts)))
