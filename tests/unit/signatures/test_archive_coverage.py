"""The edges of what archive timestamps cover, and of which signer and which message is meant."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from tests.unit.signatures.cms_maker import (
    algorithm,
    attribute,
    oid,
    signed_attributes,
    signed_data,
    signer_info,
    with_unsigned,
)
from tests.unit.signatures.test_cades import CONTENT, PASSED, certified, judge, message, plain, sha256, verdicts
from tests.unit.signatures.test_cades_timestamps import (
    HASH_INDEX_V1,
    HASH_INDEX_V2,
    HASH_INDEX_V3,
    LATER,
    build,
    counter,
    fields,
    hash_index,
    only,
    parts,
    stamp,
)
from tests.unit.signatures.test_pdf_coverage import with_document_timestamp
from tests.unit.validation.laboratory import NOW, sign_pdf, unsigned_pdf, world
from zdda.signatures import cms
from zdda.signatures.cades import document_of
from zdda.signatures.content import Detached
from zdda.signatures.der import encode
from zdda.signatures.model import Signature, TimestampType
from zdda.signatures.pdf import read_pdf


def test_the_value_does_not_hold_over_other_content() -> None:
    """RFC 5652 clause 5.6, though it verifies over the attributes."""
    found = judge(message(content=b"swapped")).signatures[0]
    assert (found["intact"], found["valid"]) == (False, False)


def test_a_message_that_holds_a_pdf_is_a_message() -> None:
    pdf = unsigned_pdf()
    written = message(plain(pdf), content=pdf)
    assert b"%PDF-" in written[:1024]
    assert verdicts(judge(written)) == PASSED


def test_not_every_certificate_of_one_name_and_number_is_tried() -> None:
    """RFC 5652 clause 5.3 names one; where an attribute says which, it is the first."""
    keys = [ed25519.Ed25519PrivateKey.from_private_bytes(bytes((number,)) * 32) for number in range(1, 19)]
    members = [certified("many", key.public_key()) for key in keys]
    assert len({member.serial for member in members}) == 1
    named = signed_attributes(members[-1], sha256(CONTENT))
    for attributes, intact in ((named, True), (named[:-1], False)):
        info = signer_info(members[-1], attributes, signature=algorithm("1.3.101.112"), sign=keys[-1].sign)
        found = judge(signed_data([info], CONTENT, [member.der for member in members])).signatures[0]
        assert found["intact"] is intact


# --- version 3


def with_index(version: str, extra: Sequence[bytes], listed: Sequence[bytes], indexes: int = 1) -> Signature:
    """A signature with the unsigned attributes ``extra``, and an archive timestamp whose index lists ``listed``."""
    lab = world()
    attrs = signed_attributes(lab.signer, sha256(CONTENT))

    def unsigned(value: bytes) -> list[bytes]:
        index = hash_index(version, ([], [], listed))
        over = oid(cms.DATA) + sha256(CONTENT) + b"".join(fields(signer_info(lab.signer, attrs))) + index
        token = with_unsigned(stamp(over, LATER), *[attribute(version, index)] * indexes)
        return [*extra, attribute(cms.ARCHIVE_TIMESTAMP_V3, token)]

    return only(message(signer_info(lab.signer, attrs, unsigned=unsigned)))


def typed(attribute_: bytes) -> bytes:
    """What versions 2 and 3 hash: the type and one value, without the SEQUENCE and the SET."""
    kind, values = parts(attribute_)
    return kind + parts(values)[0]


@pytest.mark.parametrize(
    ("version", "whole", "covered"),
    [
        (HASH_INDEX_V1, True, True),
        (HASH_INDEX_V1, False, False),
        (HASH_INDEX_V2, True, True),
        (HASH_INDEX_V2, False, True),
        (HASH_INDEX_V3, True, False),
        (HASH_INDEX_V3, False, True),
    ],
)
def test_what_is_hashed_of_an_attribute_depends_on_the_version(version: str, whole: bool, covered: bool) -> None:
    values = attribute(cms.CERTIFICATE_VALUES, encode(0x30, world().root.der))
    signature = with_index(version, [values], [values if whole else typed(values)])
    (archive,) = signature.timestamps
    assert archive.imprint_intact
    assert (sha256(world().root.der) in archive.covers) is covered
    assert bool(archive.findings) is not covered


def test_an_archive_timestamp_has_one_index() -> None:
    """EN 319 122-1 clause 5.5.2."""
    assert with_index(HASH_INDEX_V3, [], []).timestamps[0].imprint_intact
    two = with_index(HASH_INDEX_V3, [], [], indexes=2).timestamps[0]
    assert not two.imprint_intact
    assert [item.code for item in two.findings] == ["hash-index-unreadable"]


def test_counter_signatures_and_values_that_are_listed_are_covered() -> None:
    lab = world()
    value = parts(plain())[-1]
    against = counter(parts_of_octets(value))
    revocations = attribute(cms.REVOCATION_VALUES, encode(0x30, encode(0xA0, encode(0x30, lab.crls()[1]))))
    signature = with_index(HASH_INDEX_V3, [against, revocations], [typed(against), typed(revocations)])
    assert signature.counter_signatures[0].valid
    covers = set(signature.timestamps[0].covers)
    identifiers = {bytes.fromhex(item.identifier) for item in (signature, signature.counter_signatures[0])}
    assert covers == {*identifiers, sha256(lab.crls()[1])}
    alone = with_index(HASH_INDEX_V3, [against, revocations], [])
    assert alone.timestamps[0].covers == (bytes.fromhex(alone.identifier),)


def parts_of_octets(encoded: bytes) -> bytes:
    return encoded[2:] if encoded[1] < 0x80 else encoded[2 + (encoded[1] & 0x7F) :]


# --- version 2


def archived_v2(content: bytes | None, younger_first: bool = False) -> bytes:
    lab = world()
    attrs = signed_attributes(lab.signer, sha256(CONTENT))
    certificates = (lab.signer.der, lab.issuing.der)
    _, _, encapsulated, sets, _ = parts(parts(parts(signed_data([], content, certificates))[1])[0])

    def unsigned(value: bytes) -> list[bytes]:
        first = attribute(cms.SIGNATURE_TIMESTAMP, stamp(value))
        external = CONTENT if content is None else b""
        over = encapsulated + external + sets + b"".join(fields(signer_info(lab.signer, attrs))) + first
        older = attribute(cms.ARCHIVE_TIMESTAMP_V2, stamp(over, LATER))
        younger = [attribute(cms.ARCHIVE_TIMESTAMP_V2, stamp(b"anything", NOW))] if younger_first else []
        return [*younger, first, older]

    return signed_data([signer_info(lab.signer, attrs, unsigned=unsigned)], content, certificates)


def test_a_younger_archive_timestamp_is_left_out_wherever_it_stands() -> None:
    signature = only(archived_v2(CONTENT, younger_first=True))
    found = [item for item in signature.timestamps if item.type is TimestampType.ARCHIVE]
    assert [(item.token.gen_time if item.token else None, item.imprint_intact) for item in found] == [
        (LATER, True),
        (NOW, False),
    ]


def test_detached_content_is_under_an_archive_timestamp_of_version_2() -> None:
    """TS 101 733 clause 6.4.1: external content counts as if it stood in the message."""
    signed = cms.parse_signed_data(archived_v2(None))
    for data, intact in ((CONTENT, True), (b"other", False)):
        (signature,) = document_of(signed, Detached([io.BytesIO(data)])).signatures
        assert signature.timestamps[1].imprint_intact is intact
    (signature,) = document_of(signed).signatures
    assert not signature.timestamps[1].imprint_found
    assert signature.timestamps[1].covers == ()


# --- levels, and PDF


def test_a_level_needs_revocation_data_for_the_chain() -> None:
    def stamped(value: bytes) -> list[bytes]:
        return [attribute(cms.SIGNATURE_TIMESTAMP, stamp(value))]

    assert judge(message(plain(unsigned=stamped))).signatures[0]["format"] == "CAdES-BASELINE-T"
    assert judge(build(stamped)).signatures[0]["format"] == "CAdES-BASELINE-LT"


def test_a_pdf_timestamp_does_not_cover_a_signature_that_came_later() -> None:
    pdf = with_document_timestamp(world().basic(), 20, b"", (10,))
    signed = read_pdf(io.BytesIO(world().basic(pdf, number=40, fields=(10, 20))))
    assert len(signed.signatures) == 2
    (timestamp,) = signed.document_timestamps
    covered = [bytes.fromhex(item.identifier) in timestamp.covers for item in signed.signatures]
    assert covered == [True, False]


def test_a_counter_signature_in_a_pdf_is_told() -> None:
    def make(imprint: bytes) -> bytes:
        lab = world()
        info = signer_info(lab.signer, signed_attributes(lab.signer, imprint), unsigned=lambda value: [counter(value)])
        return signed_data([info], None, (lab.signer.der, lab.issuing.der))

    (signature,) = read_pdf(io.BytesIO(sign_pdf(unsigned_pdf(), make))).signatures
    assert signature.valid
    assert [item.code for item in signature.findings] == ["counter-signature-not-read"]
