"""The bytes a value was read from, whatever the last octet of its length: 0x80 there is no indefinite length."""

from __future__ import annotations

from typing import Any

import pytest
from asn1crypto import cms as asn1_cms
from asn1crypto import core

from tests.unit.signatures.cms_maker import attribute, octets, signed_attributes, signed_data, signer_info
from tests.unit.signatures.test_cades import CONTENT, judge, sha256
from tests.unit.validation.laboratory import Member, token, world
from zdda.signatures import cms
from zdda.signatures.as_read import as_read, in_definite_length
from zdda.signatures.der import encode


def padded(make: Any, low: int = 0x80) -> bytes:
    """``make`` of the padding that gives a value whose length ends in the octet ``low``."""
    for room in range(512):
        made = bytes(make(bytes(room)))
        if made[1] == 0x82 and made[3] == low:
            return made
    raise AssertionError("no such length")


def info(padding: bytes, inner: bytes = b"") -> bytes:
    lab = world()
    extra = [attribute("1.2.3.4", octets(padding))]
    if inner:
        extra.append(attribute(cms.SIGNATURE_TIMESTAMP, inner))
    return signer_info(lab.signer, signed_attributes(lab.signer, sha256(CONTENT)), unsigned=lambda _: extra)


def whole(signer: bytes, content: bytes = CONTENT) -> bytes:
    lab = world()
    return signed_data([signer], content, [lab.signer.der, lab.issuing.der])


def test_a_signer_is_read_as_it_was_sent() -> None:
    """Its length ends in 0x80 and it is not DER: a length of its own is written in three octets."""

    def long_form(padding: bytes) -> bytes:
        made = info(padding)
        inner = made[4:].replace(b"\x02\x01\x01", b"\x02\x81\x01\x01", 1)
        return encode(0x30, inner)

    signer = padded(long_form)
    assert cms.parse_signed_data(whole(signer)).signers[0].encoded == signer
    assert asn1_cms.SignerInfo.load(signer).dump() != signer, "asn1crypto is mended: as_read may go"
    assert judge(whole(signer)).signatures[0]["indication"] == "TOTAL_PASSED"


def test_a_value_that_is_a_set_is_not_lost() -> None:
    """asn1crypto writes such a SET with nothing in it."""
    value = padded(lambda room: encode(0x31, octets(room)))
    made = signer_info(
        world().signer, [*signed_attributes(world().signer, sha256(CONTENT)), attribute("1.2.3.4", value)]
    )
    signer = cms.parse_signed_data(whole(made)).signers[0]
    assert signer.signed_value("1.2.3.4") == value
    assert judge(whole(made)).signatures[0]["indication"] == "TOTAL_PASSED"


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[type]:
    """What asn1crypto writes anew."""
    found: list[type] = []
    original = core.Asn1Value.dump

    def dump(self: Any, force: bool = False) -> bytes:
        found.append(type(self))
        return bytes(original(self, force))

    monkeypatch.setattr(core.Asn1Value, "dump", dump)
    return found


def test_reading_writes_nothing_anew(written: list[type]) -> None:
    """Tokens in one another took a time that multiplied with each."""

    def stamped(padding: bytes, held: bytes) -> bytes:
        return whole(info(padding, held))

    inner = token(Member("lab tsa", world().authority.certificate), sha256(CONTENT))
    for _ in range(3):
        signer = padded(lambda room, held=inner: info(room, held))
        inner = whole(signer)
    written.clear()
    assert cms.parse_signed_data(inner).signers[0].encoded == signer
    assert len(written) < 20


def test_choices_indefinite_lengths_and_values_that_were_made() -> None:
    der = world().signer.der
    assert as_read(asn1_cms.CertificateChoices.load(der)) == der
    assert as_read(core.Integer(5)) == b"\x02\x01\x05"
    indefinite = b"\x30\x80\x02\x01\x05\x00\x00"
    parsed = core.SequenceOf.load(indefinite, spec=core.Integer)
    assert as_read(parsed) == indefinite
    assert in_definite_length(parsed) == b"\x30\x03\x02\x01\x05"
    assert (
        in_definite_length(core.SequenceOf.load(b"\x30\x03\x02\x01\x05", spec=core.Integer)) == b"\x30\x03\x02\x01\x05"
    )
