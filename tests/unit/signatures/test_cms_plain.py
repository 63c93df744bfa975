"""Plain CMS taken apart by its lengths is what asn1crypto makes of it, and what is not plain is left to asn1crypto."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from asn1crypto import x509 as asn1_x509
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.signatures.cms_maker import (
    algorithm,
    attribute,
    in_segments,
    indefinite,
    oid,
    signed_attributes,
    signed_data,
    signer_info,
)
from tests.unit.signatures.test_cades import CONTENT, message, plain, sha256
from tests.unit.signatures.test_cades_timestamps import stamp
from tests.unit.validation.laboratory import world
from zdda.signatures import cms
from zdda.signatures.cms_plain import NotPlain, plain_references, plain_signed_data
from zdda.signatures.der import encode
from zdda.signatures.errors import FormatError

BY_ASN1CRYPTO = cms.reading("a CMS message")(cms._parse_unplain)
TST_INFO = "1.2.840.113549.1.9.16.1.4"


def told(data: bytes, parse: Callable[[bytes], cms.SignedData]) -> Any:
    try:
        found = parse(data)
    except FormatError as error:
        return str(error)
    return dataclasses.astuple(dataclasses.replace(found, signers=())), [
        dataclasses.astuple(signer) for signer in found.signers
    ]


def same(data: bytes) -> None:
    assert told(data, cms.parse_signed_data) == told(data, BY_ASN1CRYPTO), data.hex()


def signer(**changes: Any) -> bytes:
    return signer_info(world().signer, signed_attributes(world().signer, sha256(CONTENT)), **changes)


PSS = encode(0x30, b"")
PLAIN = {
    "message": message(),
    "detached": message(content=None),
    "token": stamp(CONTENT),
    "without attributes": signed_data([signer_info(world().signer, None, content=CONTENT)], CONTENT),
    "lists": signed_data([plain()], CONTENT, [world().signer.der], world().crls()),
    "two signers": signed_data([plain(), signer()], CONTENT),
    "no signer": signed_data([], CONTENT),
    "unsigned": signed_data([signer(unsigned=lambda _: [attribute("1.2.3", b"\x05\x00", b"\x0c\x01a")])], None),
    "null": signed_data([signer(signature=algorithm("1.2.840.113549.1.1.11", b"\x05\x00"))], None),
    "pss": signed_data([signer(signature=algorithm("1.2.840.113549.1.1.10", PSS))], None),
    "bytes behind": message() + b"\x00" * 9,
    "content of another type": signed_data([plain()], CONTENT, content_type="1.2.3.4"),
}
PARTS = b"\x02\x01\x05\x31\x00" + encode(0x30, oid(cms.DATA))
NOT_PLAIN = {
    "indefinite": message(write=indefinite, write_content=in_segments),
    "in segments": message(write_content=in_segments),
    "answers": signed_data([plain()], CONTENT, ocsps=[encode(0x30, b"\x0a\x01\x00")]),
    "long length": b"\x30\x84\x00" + message()[2:4].rjust(3, b"\0") + message()[4:],
    "other certificate": signed_data([plain()], CONTENT, [encode(0xA1, b"")]),
    "other content": signed_data([plain()], CONTENT, write_content=lambda data: encode(0x0C, data)),
    "no token": signed_data([plain()], CONTENT, content_type=TST_INFO),
    "enveloped": signed_data([plain()], CONTENT, content_type="1.2.840.113549.1.7.3"),
    "odd parameters": signed_data([signer(signature=algorithm("1.2.840.113549.1.1.11", b"\x04\x00"))], None),
    "dsa": signed_data([signer(signature=algorithm("1.2.840.10040.4.1", b"\x05\x00"))], None),
    "long tag": signed_data([signer(unsigned=lambda _: [attribute("1.2.3", b"\x1f\x02\x00\x00")])], None),
    "more than signers": encode(0x30, oid(cms.SIGNED_DATA) + encode(0xA0, encode(0x30, PARTS + b"\x31\x00\x05\x00"))),
    "unknown digest": signed_data([signer(digest="1.2.3.4")], None),
    "other message": encode(0x30, oid("1.2.840.113549.1.7.3") + encode(0xA0, encode(0x30, b""))),
    "nothing": b"",
}


@pytest.mark.parametrize("name", PLAIN)
def test_plain_messages(name: str) -> None:
    plain_signed_data(PLAIN[name])
    same(PLAIN[name])


@pytest.mark.parametrize("name", NOT_PLAIN)
def test_other_messages_are_left_alone(name: str) -> None:
    with pytest.raises(NotPlain):
        plain_signed_data(NOT_PLAIN[name])
    same(NOT_PLAIN[name])


def test_a_changed_byte_anywhere() -> None:
    for name in ("message", "token", "unsigned"):
        data = PLAIN[name]
        for place in range(0, len(data), 3):
            for change in (0x01, 0x20, 0x80):
                same(data[:place] + bytes((data[place] ^ change,)) + data[place + 1 :])


@settings(max_examples=250, deadline=None)
@given(
    st.sampled_from(sorted({**PLAIN, **NOT_PLAIN})),
    st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 3), st.binary(max_size=3)), min_size=1, max_size=3),
)
def test_bytes_replaced_taken_out_and_put_in(name: str, changes: list[tuple[int, int, bytes]]) -> None:
    data = {**PLAIN, **NOT_PLAIN}[name]
    for place, length, piece in changes:
        place %= len(data) + 1
        data = data[:place] + piece + data[place + length :]
    same(data)


VALUE = st.recursive(
    st.tuples(
        st.sampled_from([0x02, 0x04, 0x05, 0x06, 0x0C, 0x24, 0x80, 0x1F]),
        st.sampled_from([b"", b"\x01", b"\x2a\x03", b"\x80"]),
    ),
    lambda inner: st.tuples(st.sampled_from([0x30, 0x31, 0xA0, 0xA1, 0xA4]), st.lists(inner, max_size=3)),
    max_leaves=8,
)


def written(value: Any) -> bytes:
    tag, contents = value
    return encode(tag, contents if isinstance(contents, bytes) else b"".join(map(written, contents)))


@settings(max_examples=250, deadline=None)
@given(st.integers(0, 8), st.lists(VALUE, max_size=2), st.booleans())
def test_parts_of_a_signer_exchanged(place: int, values: list[Any], in_message: bool) -> None:
    """Another value where a part is expected: of the signer or of the message."""
    parts = [b"\x02\x01\x01", encode(0x30, encode(0x30, b"") + b"\x02\x01\x07"), algorithm("1.3.14.3.2.26")]
    parts += [encode(0xA0, attribute("1.2.3", b"\x02\x01\x00")), algorithm("1.2.840.113549.1.1.1"), b"\x04\x01x"]
    if not in_message:
        parts[place : place + 1] = map(written, values)
    whole = [
        b"\x02\x01\x05",
        encode(0x31, b""),
        encode(0x30, oid(cms.DATA)),
        encode(0x31, encode(0x30, b"".join(parts))),
    ]
    if in_message:
        whole[place : place + 1] = map(written, values)
    same(encode(0x30, oid(cms.SIGNED_DATA) + encode(0xA0, encode(0x30, b"".join(whole)))))


# --- references to the signing certificate

NAME = asn1_x509.Certificate.load(world().signer.der).issuer.dump()
ISSUER = encode(0x30, encode(0x30, encode(0xA4, NAME)) + b"\x02\x02\x00\xff")
DIGEST = encode(0x04, b"d" * 20)
ENTRIES = {
    "digest": DIGEST,
    "issuer": DIGEST + ISSUER,
    "algorithm": algorithm("2.16.840.1.101.3.4.2.3") + DIGEST + ISSUER,
    "null": algorithm("2.16.840.1.101.3.4.2.3", b"\x05\x00") + DIGEST,
    "unknown": algorithm("1.2.3") + DIGEST,
    "parameters": algorithm("1.3.14.3.2.26", b"\x30\x00") + DIGEST,
    "another name": DIGEST + encode(0x30, encode(0x30, encode(0x82, b"a") + encode(0xA4, NAME)) + b"\x02\x01\x05"),
    "two names": DIGEST + encode(0x30, encode(0x30, encode(0xA4, NAME) * 2) + b"\x02\x01\x05"),
    "no name": DIGEST + encode(0x30, encode(0x30, b"") + b"\x02\x01\x05"),
    "more": DIGEST + ISSUER + b"\x05\x00",
    "nothing": b"",
}


def referenced(value: bytes, version_2: bool, read: Callable[[bytes, bool], Any]) -> Any:
    try:
        return cms.reading("x")(read)(value, version_2)
    except FormatError as error:
        return str(error)


def same_references(value: bytes, version_2: bool) -> Any:
    attributes = ((cms.SIGNING_CERTIFICATE_V2 if version_2 else cms.SIGNING_CERTIFICATE, (value,)),)
    signer = dataclasses.replace(cms.parse_signed_data(message()).signers[0], signed=attributes)
    found = referenced(b"", version_2, lambda *_: cms.certificate_references(signer))
    expected = referenced(value, version_2, cms._unplain_references)
    if expected == "x cannot be read":
        expected = "a signing-certificate attribute cannot be read"
    assert found == expected
    return found


@pytest.mark.parametrize("version_2", [True, False])
@pytest.mark.parametrize("name", ENTRIES)
def test_references(name: str, version_2: bool) -> None:
    entry = encode(0x30, ENTRIES[name])
    for value in (encode(0x30, encode(0x30, entry)), encode(0x30, encode(0x30, entry * 2) + b"\x30\x00")):
        for whole in (value, value + b"\x00", encode(0x31, value), value[:-1], value + value):
            same_references(whole, version_2)


def test_plain_references_are_read_at_once() -> None:
    for name in ("digest", "issuer", "algorithm", "null"):
        plain_references(encode(0x30, encode(0x30, encode(0x30, ENTRIES[name]))), True)
    (found,) = plain_references(encode(0x30, encode(0x30, encode(0x30, ENTRIES["issuer"]))), False)
    assert (found.digest_algorithm, found.serial, found.issuer) == ("sha1", 255, NAME)


@settings(max_examples=200, deadline=None)
@given(st.lists(VALUE, max_size=3), st.integers(0, 3), st.booleans())
def test_parts_of_a_reference_exchanged(values: list[Any], place: int, version_2: bool) -> None:
    parts = [algorithm("1.3.14.3.2.26"), DIGEST, ISSUER]
    parts[place : place + 1] = map(written, values)
    same_references(encode(0x30, encode(0x30, encode(0x30, b"".join(parts)))), version_2)
