"""Timestamp tokens and CMS as facts: what is intact, what is not, what cannot be read."""

from __future__ import annotations

import hashlib

import pytest

from tests.unit.validation.laboratory import SIGNED, cms_signature, token, world
from zdda.signatures.certificates import load_certificate, same_name
from zdda.signatures.cms import certificate_references, parse_signed_data
from zdda.signatures.cms_verification import candidates
from zdda.signatures.der import children, encode, read
from zdda.signatures.errors import FormatError
from zdda.signatures.signature_value import SignatureAlgorithm, digest_name, verify_digest
from zdda.signatures.timestamp_token import parse_timestamp_token

IMPRINT = hashlib.sha256(b"data").digest()


def test_a_token_says_what_it_says() -> None:
    lab = world()
    parsed = parse_timestamp_token(token(lab.authority, IMPRINT, certificates=lab.chain))
    assert parsed.gen_time == SIGNED
    assert (parsed.hash_algorithm, parsed.imprint, parsed.policy, parsed.serial) == ("sha256", IMPRINT, "1.2.3.4", 7)
    assert parsed.signer_certificate == lab.authority.der
    assert parsed.signature_intact
    assert parsed.is_over(b"data")
    assert not parsed.is_over(b"other")
    assert parsed.is_over_digest(IMPRINT)
    assert set(parsed.certificates) == {lab.authority.der, lab.issuing.der, lab.root.der}
    assert parsed.nonce is None


def test_a_token_with_one_byte_changed_is_not_intact_or_not_a_token() -> None:
    lab = world()
    good = token(lab.authority, IMPRINT)
    place = good.index(IMPRINT)
    changed = parse_timestamp_token(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
    assert not changed.signature_intact
    for position in range(0, len(good), 7):
        mangled = good[:position] + bytes([good[position] ^ 0x55]) + good[position + 1 :]
        try:
            parsed = parse_timestamp_token(mangled)
        except FormatError:
            continue
        same = (parsed.imprint, parsed.gen_time, parsed.signer_certificate) == (IMPRINT, SIGNED, lab.authority.der)
        assert same or not parsed.signature_intact


def test_the_esscertid_is_part_of_being_intact() -> None:
    """RFC 3161 clause 2.4.2, RFC 5816."""
    lab = world()
    other = parse_timestamp_token(token(lab.authority, IMPRINT, reference=lab.signer.der))
    assert other.value_intact
    assert not other.signature_intact
    assert other.certificate_reference == "mismatch"
    missing = parse_timestamp_token(token(lab.authority, IMPRINT, attributes=lambda given: given[:2]))
    assert missing.value_intact
    assert not missing.signature_intact
    assert missing.certificate_reference == "missing"


def test_a_token_without_content_type_or_digest_is_not_intact() -> None:
    lab = world()
    for drop in (0, 1):
        parsed = parse_timestamp_token(
            token(lab.authority, IMPRINT, attributes=lambda given, drop=drop: given[:drop] + given[drop + 1 :])
        )
        assert not parsed.signature_intact


def test_what_is_no_token() -> None:
    lab = world()
    for data in (
        b"",
        b"\x30\x00",
        cms_signature(lab.signer, IMPRINT),
        cms_signature(lab.signer, IMPRINT, content=b"x"),
    ):
        with pytest.raises(FormatError):
            parse_timestamp_token(data)
    with pytest.raises(FormatError):
        parse_timestamp_token(b"\x30" * (17 * 1024 * 1024))


def test_a_cms_message_gives_its_parts() -> None:
    lab = world()
    parsed = parse_signed_data(cms_signature(lab.signer, IMPRINT, certificates=lab.chain) + b"\x00" * 100)
    assert parsed.content is None
    signer = parsed.signers[0]
    assert [c.der for c in candidates(signer, parsed.certificates)] == [lab.signer.der]
    reference = certificate_references(signer)[0]
    assert reference.matches_digest(load_certificate(lab.signer.der))
    assert not reference.matches_digest(load_certificate(lab.issuing.der))


def test_der_is_read_within_its_bounds() -> None:
    for length in (0, 1, 127, 128, 255, 256, 70_000):
        data = encode(0x04, b"x" * length)
        assert read(data)[2] - read(data)[1] == length
    for bad in (
        b"",
        b"\x30",
        b"\x30\x80",
        b"\x30\x05\x00",
        b"\x1f\x81\x01",
        b"\x30\x89" + b"\x01" * 9,
        b"\x30\x84\xff",
    ):
        with pytest.raises(FormatError):
            read(bad)
    with pytest.raises(FormatError):
        list(children(b"\x05\x00" * 20, 0, 40, limit=10))


def test_a_certificate_that_is_none() -> None:
    for data in (b"", b"\x30\x03\x02\x01\x01", world().signer.der[:-5], b"\x30" * 300_000):
        with pytest.raises(FormatError):
            load_certificate(data)


def test_names_are_equal_whatever_their_case_and_string_type() -> None:
    utf8 = bytes.fromhex("300f310d300b06035504030c0454657374")
    printable = bytes.fromhex("300f310d300b06035504031304746573 74".replace(" ", ""))
    other = bytes.fromhex("300f310d300b06035504030c0454657375")
    assert same_name(utf8, printable)
    assert not same_name(utf8, other)
    assert not same_name(utf8, b"rubbish")


def test_a_key_of_another_kind_verifies_nothing() -> None:
    key = load_certificate(world().signer.der).public_key
    for mechanism in ("rsassa_pkcs1v15", "rsassa_pss", "dsa", "ed25519", "unknown"):
        assert not verify_digest(key, SignatureAlgorithm(mechanism, "sha256"), IMPRINT, b"x" * 64, b"message")
    assert not verify_digest(key, SignatureAlgorithm("ecdsa", "sha999"), IMPRINT, b"x" * 64)
    assert not verify_digest(None, SignatureAlgorithm("ecdsa", "sha256"), IMPRINT, b"x" * 64)
    with pytest.raises(FormatError):
        digest_name("1.2.3")
