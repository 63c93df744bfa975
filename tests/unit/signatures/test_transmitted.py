"""The pieces of a message are its very bytes, however it was encoded."""

from __future__ import annotations

import pytest

from tests.unit.signatures.cms_maker import in_segments, indefinite, oid
from tests.unit.signatures.test_cades import CONTENT, message, plain
from tests.unit.validation.laboratory import world
from zdda.signatures import cms
from zdda.signatures.ber import extent
from zdda.signatures.der import encode
from zdda.signatures.errors import FormatError
from zdda.signatures.transmitted import message_pieces, signer_pieces


@pytest.mark.parametrize("data", [message(), message(write=indefinite, write_content=in_segments)])
def test_pieces_of_der_and_of_ber(data: bytes) -> None:
    lab = world()
    found = message_pieces(data)
    assert found.content_type == oid(cms.DATA)
    assert not found.detached
    assert found.certificates == ((lab.signer.der, lab.signer.der), (lab.issuing.der, lab.issuing.der))
    assert found.revocations == ()
    assert found.revocation_set == b""
    assert found.encapsulated in data
    assert found.certificate_set in data
    assert found.signers == (plain(),) or data == message(write=indefinite, write_content=in_segments)
    pieces = signer_pieces(found.signers[0])
    assert b"".join(pieces.fields) in data
    assert len(pieces.fields) == 6
    assert pieces.unsigned == ()
    assert message_pieces(message(content=None)).detached
    assert CONTENT[:3] in found.encapsulated


def test_the_extent_of_an_indefinite_value_ends_at_its_own_end() -> None:
    inner = indefinite(0x30, encode(0x04, b"\x00\x00") + indefinite(0x24, encode(0x04, b"x")))
    data = inner + b"more"
    assert extent(data) == (0x30, 2, len(inner) - 2, len(inner))
    for end in range(2, len(inner)):
        with pytest.raises(FormatError):
            extent(inner[:end])


def test_depth_is_bounded() -> None:
    data = encode(0x04, b"")
    for _ in range(64):
        data = indefinite(0x30, data)
    assert extent(data)[3] == len(data)
    with pytest.raises(FormatError):
        extent(indefinite(0x30, data))
