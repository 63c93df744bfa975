"""Hostile CMS: no exception gets out, nothing that was changed passes, and bounds hold before memory is spent."""

from __future__ import annotations

import io
import time as clock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.signatures.cms_maker import (
    attribute,
    indefinite,
    octets,
    oid,
    signed_attributes,
    signed_data,
    signer_info,
)
from tests.unit.signatures.test_cades import CONTENT, judge, message, plain, sha256
from tests.unit.signatures.test_cades_timestamps import HASH_INDEX_V3, archived, archived_v2
from tests.unit.validation.laboratory import NOW, world
from zdda.signatures import cms
from zdda.signatures.der import encode
from zdda.trust.anchors import TrustAnchors
from zdda.validation.indications import Indication
from zdda.validation.report import ValidationReport
from zdda.validation.validate import validate_document

SMALL = message()


def unharmed(report: ValidationReport) -> None:
    """The document was judged, refused or not validated for a stated reason: never by an internal error."""
    assert report.not_validated in (None, "format-not-supported", "resources-exhausted"), report.content["notValidated"]


def test_truncated_at_every_byte_nothing_passes() -> None:
    for end in range(len(SMALL)):
        report = judge(SMALL[:end])
        unharmed(report)
        assert report.worst() is not Indication.TOTAL_PASSED, end


def test_a_change_of_any_signed_byte_never_passes() -> None:
    """Content, signed attributes and value; the rest of a message is no part of what is signed."""
    info = plain()
    start = SMALL.index(info)
    places = [
        *range(SMALL.index(CONTENT), SMALL.index(CONTENT) + len(CONTENT)),
        *range(start + info.index(b"\xa0"), start + len(info)),
    ]
    for place in places:
        changed = SMALL[:place] + bytes((SMALL[place] ^ 0x21,)) + SMALL[place + 1 :]
        report = judge(changed)
        unharmed(report)
        assert report.worst() is not Indication.TOTAL_PASSED, place


@pytest.mark.parametrize("whole", [archived(HASH_INDEX_V3, [world().signer.der], []), archived_v2(True)])
def test_mangled_archive_timestamps_raise_nothing(whole: bytes) -> None:
    for place in range(0, len(whole), 53):
        unharmed(judge(whole[:place] + bytes((whole[place] ^ 0xFF,)) + whole[place + 1 :]))
        unharmed(judge(whole[:place]))


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.integers(0, len(SMALL) - 1), st.binary(max_size=4)), min_size=1, max_size=6))
def test_bytes_replaced_anywhere_raise_nothing(changes: list[tuple[int, bytes]]) -> None:
    data = SMALL
    for place, piece in changes:
        data = data[:place] + piece + data[place + len(piece) :]
    unharmed(judge(data))


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200))
def test_rubbish_behind_a_good_beginning_raises_nothing(rubbish: bytes) -> None:
    unharmed(judge(SMALL[:40] + rubbish))
    unharmed(judge(b"\x30\x80" + oid(cms.SIGNED_DATA) + rubbish))
    unharmed(judge(b"-----BEGIN CMS-----" + rubbish))


def nested(depth: int, tag: int, data: bytes = b"") -> bytes:
    return bytes((tag, 0x80)) * depth + data + b"\x00\x00" * depth


@pytest.mark.parametrize("depth", [50, 2000, 200_000])
@pytest.mark.parametrize("tag", [0x30, 0x24, 0xA0])
def test_depth_bombs_end_soon(depth: int, tag: int) -> None:
    begun = clock.process_time()
    frame = oid(cms.SIGNED_DATA)
    for bomb in (
        indefinite(0x30, frame + nested(depth, tag)),
        signed_data([plain()], b"", (), write_content=lambda content: nested(depth, tag, octets(CONTENT))),
        message(signer_info(world().signer, [*signed_attributes(world().signer, sha256(CONTENT)), nested(depth, tag)])),
    ):
        report = judge(bomb)
        unharmed(report)
        assert report.worst() is not Indication.TOTAL_PASSED
    assert clock.process_time() - begun < 10


def test_numbers_are_bounded() -> None:
    unharmed(judge(message(*[plain()] * 101)))
    assert judge(message(*[plain()] * 101)).refused == "format"
    assert judge(signed_data([plain()], CONTENT, [world().signer.der] * 1001)).refused == "format"
    many = [attribute(f"1.2.3.{number}", octets(b"x")) for number in range(1001)]
    assert judge(message(plain(unsigned=lambda value: many))).refused == "format"
    stamps = [attribute(cms.SIGNATURE_TIMESTAMP, octets(b"x")) for _ in range(202)]
    report = judge(message(plain(unsigned=lambda value: stamps)))
    assert report.signatures[0]["subindication"] == "FORMAT_FAILURE"


class _Endless(io.RawIOBase):
    """Says it is very long, and may not be read whole."""

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self.place = offset if whence == 0 else (1 << 40)
        return self.place

    def read(self, size: int = -1) -> bytes:
        assert 0 <= size <= 1 << 20, "read whole"
        return (SMALL[:20] + b"\x00" * size)[:size] if self.place == 0 else b"\x00" * size


def test_a_message_that_is_too_long_is_not_read_into_memory() -> None:
    report = validate_document(_Endless(), TrustAnchors(), at=NOW)  # type: ignore[arg-type]
    assert report.not_validated == "resources-exhausted"


def test_lengths_that_lie_are_refused() -> None:
    for length in (b"\x84\xff\xff\xff\xff", b"\x88" + b"\xff" * 8, b"\xff", b"\x82\x00"):
        unharmed(judge(b"\x30" + length + oid(cms.SIGNED_DATA) + encode(0xA0, b"")))
