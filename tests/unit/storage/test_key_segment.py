"""Object records as lines: golden bytes, damage that stays where it is."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zdda.model.identifiers import tenant_id
from zdda.model.objects import ObjectKind, ObjectName
from zdda.storage.key_segment import body_of, decode_segment, encode_segment, line_of
from zdda.storage.s3_key_names import is_segment, key_of, name_of, segment_key

GOLDEN = (
    b"zdda-key-segment/1 2\n"
    b'015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862 {"a":1}\n'
    b"44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a {}\n"
)
bodies = st.lists(st.binary(max_size=40).filter(lambda body: b"\n" not in body), max_size=6)


def test_the_form_is_for_ever() -> None:
    assert encode_segment([line_of(b'{"a":1}'), line_of(b"{}")]) == GOLDEN


@given(bodies)
def test_what_was_encoded_is_decoded(held: list[bytes]) -> None:
    lines, problem = decode_segment(encode_segment(line_of(body) for body in held))
    assert problem is None
    assert [line.body for line in lines] == held


@given(bodies.filter(bool), st.data())
def test_a_flipped_bit_never_gives_another_record(held: list[bytes], data: st.DataObject) -> None:
    whole = bytearray(encode_segment(line_of(body) for body in held))
    whole[data.draw(st.integers(0, len(whole) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    lines, problem = decode_segment(bytes(whole))
    assert problem is not None or any(line.body is None for line in lines)
    assert {line.body for line in lines if line.body is not None} <= set(held)


@given(st.binary(max_size=200))
def test_any_bytes_are_answered(data: bytes) -> None:
    for line in decode_segment(data)[0] + decode_segment(b"zdda-key-segment/1 1\n" + data)[0]:
        assert body_of(line.raw) == line.body


def test_a_lost_line_is_noticed() -> None:
    assert decode_segment(GOLDEN[: GOLDEN.rindex(b"44136f")])[1] == "does not have as many lines as it says"


@pytest.mark.parametrize(
    "key",
    ["records/a/b", "records/nemocnice/1/aip/0", "records/UPPER/00000000-0000-0000-0000-000000000001/aip/0", "other"]
    + [f"records/nemocnice/00000000-0000-0000-0000-000000000001/aip/{number}" for number in ("00", "x", "+1", "")],
)
def test_other_keys_are_nobodys(key: str) -> None:
    assert name_of(key) is None


def test_a_name_has_one_key() -> None:
    name = ObjectName(tenant_id("nemocnice"), UUID(int=1), ObjectKind.AMENDMENT, 3)
    assert key_of(name) == "records/nemocnice/00000000-0000-0000-0000-000000000001/amendment/3"
    assert name_of(key_of(name)) == name
    assert is_segment(segment_key(7))
    assert not is_segment("segments/7")
