"""Timestamps and counter-signatures of CMS signatures: what they are over, and what they prove."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import pytest

from tests.unit.signatures.cms_maker import (
    algorithm,
    attribute,
    octets,
    oid,
    signed_attributes,
    signed_data,
    signer_info,
    with_unsigned,
)
from tests.unit.signatures.test_cades import CONTENT, PASSED, judge, sha256, verdicts
from tests.unit.validation.laboratory import NOW, SIGNED, ocsp_answer, token, world
from zdda.signatures import cms
from zdda.signatures.archive_timestamp import HASH_INDEX_V1, HASH_INDEX_V2, HASH_INDEX_V3
from zdda.signatures.cades import document_of
from zdda.signatures.der import children, encode, read
from zdda.signatures.model import Signature, Timestamp, TimestampType
from zdda.signatures.transmitted import message_pieces, signer_pieces
from zdda.validation.indications import Indication

LATER = SIGNED + timedelta(hours=1)


def stamp(data: bytes, moment: datetime = SIGNED) -> bytes:
    return token(world().authority, sha256(data), moment, certificates=world().chain)


def build(unsigned: Callable[[bytes], Sequence[bytes]], extra: Sequence[bytes] = (), content: bytes = CONTENT) -> bytes:
    lab = world()
    attributes = [*signed_attributes(lab.signer, sha256(content)), *extra]
    info = signer_info(lab.signer, attributes, unsigned=unsigned)
    return signed_data([info], content, (lab.signer.der, lab.issuing.der), lab.crls())


def only(data: bytes) -> Signature:
    return document_of(cms.parse_signed_data(data)).signatures[0]


def by_type(signature: Signature, type: TimestampType) -> list[Timestamp]:
    return [item for item in signature.timestamps if item.type is type]


def test_content_and_signature_timestamps() -> None:
    data = build(
        lambda value: [attribute(cms.SIGNATURE_TIMESTAMP, stamp(value))],
        [attribute(cms.CONTENT_TIMESTAMP, stamp(CONTENT))],
    )
    signature = only(data)
    assert [item.type for item in signature.timestamps] == [TimestampType.CONTENT, TimestampType.SIGNATURE]
    assert all(item.signature_valid for item in signature.timestamps)
    assert [item.covers for item in signature.timestamps] == [(), (bytes.fromhex(signature.identifier),)]
    report = judge(data)
    assert verdicts(report) == PASSED
    assert report.signatures[0]["bestSignatureTime"] == "2021-06-01T12:00:00.000Z"
    wrong = only(build(lambda value: [attribute(cms.SIGNATURE_TIMESTAMP, stamp(CONTENT))]))
    assert not wrong.timestamps[0].imprint_intact
    assert verdicts(judge(build(lambda value: [attribute(cms.SIGNATURE_TIMESTAMP, stamp(CONTENT))]))) == PASSED


def test_a_timestamp_over_something_else_proves_no_time() -> None:
    report = judge(build(lambda value: [attribute(cms.SIGNATURE_TIMESTAMP, stamp(CONTENT))]))
    assert report.signatures[0]["bestSignatureTime"] == "2021-06-02T12:00:00.000Z"
    assert report.timestamps[0]["subindication"] == "HASH_FAILURE"


def test_a_timestamp_twice_is_listed_twice() -> None:
    data = build(lambda value: [attribute(cms.SIGNATURE_TIMESTAMP, stamp(value))] * 2)
    found = only(data).timestamps
    assert len({item.identifier for item in found}) == 2
    assert len(judge(data).timestamps) == 2


def test_what_is_no_token_is_told_and_is_no_timestamp() -> None:
    signature = only(build(lambda value: [attribute(cms.SIGNATURE_TIMESTAMP, octets(b"no token"))]))
    assert signature.timestamps == ()
    assert [item.code for item in signature.findings] == ["timestamp-unreadable"]


# --- validation data


def inside(encoded: bytes) -> bytes:
    _, start, end, _ = read(encoded)
    return encoded[start:end]


def test_timestamps_over_references() -> None:
    """TS 101 733 clauses 6.3.5 and 6.3.6, note 2: type and values, without the SEQUENCE around them."""
    certificates = attribute(cms.CERTIFICATE_REFERENCES, encode(0x30, b""))
    revocations = attribute(cms.REVOCATION_REFERENCES, encode(0x30, b""))

    def unsigned(value: bytes, also: bytes = b"") -> list[bytes]:
        first = attribute(cms.SIGNATURE_TIMESTAMP, stamp(value))
        references = inside(certificates) + inside(revocations)
        complete = stamp(value + inside(first) + references + also, LATER)
        return [
            first,
            certificates,
            revocations,
            attribute(cms.VALIDATION_DATA_TIMESTAMP, complete),
            attribute(cms.REFERENCES_TIMESTAMP, stamp(references + also, LATER)),
        ]

    signature = only(build(unsigned))
    kinds = [(item.type, item.signature_valid) for item in signature.timestamps]
    assert kinds == [
        (TimestampType.SIGNATURE, True),
        (TimestampType.VALIDATION_DATA, True),
        (TimestampType.VALIDATION_DATA_REFERENCES, True),
    ]
    own, first = (bytes.fromhex(item.identifier) for item in (signature, signature.timestamps[0]))
    assert {own, first} <= set(signature.timestamps[1].covers)
    assert signature.timestamps[2].covers == ()
    wrong = only(build(lambda value: unsigned(value, b"!")))
    assert [item.imprint_intact for item in wrong.timestamps] == [True, False, False]
    assert judge(build(unsigned)).signatures[0]["format"] == "CAdES-X"


@pytest.mark.parametrize("covered", [1, 2])
def test_a_timestamp_over_the_first_of_two_covers_no_other(covered: int) -> None:
    """A signature timestamp that was put in afterwards does not exist since the CAdES-C timestamp's time."""
    certificates = attribute(cms.CERTIFICATE_REFERENCES, encode(0x30, b""))

    def unsigned(value: bytes) -> list[bytes]:
        stamps = [attribute(cms.SIGNATURE_TIMESTAMP, stamp(value, SIGNED + timedelta(hours=n))) for n in range(2)]
        complete = stamp(value + b"".join(map(inside, stamps[:covered])) + inside(certificates), LATER)
        return [*stamps, certificates, attribute(cms.VALIDATION_DATA_TIMESTAMP, complete)]

    *stamps, complete = only(build(unsigned)).timestamps
    assert complete.signature_valid
    assert [bytes.fromhex(item.identifier) in complete.covers for item in stamps] == [True, covered == 2]


# --- archive timestamps


def parts(data: bytes) -> list[bytes]:
    _, start, end, _ = read(data)
    return [data[first:last] for _, first, last in children(data, start, end)]


def fields(info: bytes) -> list[bytes]:
    return [part for part in parts(info) if part[0] != 0xA1]


def hash_index(version: str, lists: Sequence[Sequence[bytes]]) -> bytes:
    members = [encode(0x30, b"".join(octets(sha256(item)) for item in items)) for items in lists]
    named = [] if version == HASH_INDEX_V1 else [algorithm("2.16.840.1.101.3.4.2.1")]
    return encode(0x30, b"".join([*named, *members]))


def archived(version: str, certificates: Sequence[bytes], crls: Sequence[bytes], attributes: bool = True) -> bytes:
    """A signature with an archive-time-stamp-v3 and, with ``attributes``, a signature timestamp that it lists; the
    message holds more certificates and CRLs than the index lists."""
    lab = world()
    attrs = signed_attributes(lab.signer, sha256(CONTENT))

    def unsigned(value: bytes) -> list[bytes]:
        first = attribute(cms.SIGNATURE_TIMESTAMP, stamp(value))
        kind, values = parts(first)
        listed = first if version == HASH_INDEX_V1 else kind + parts(values)[0]
        index = hash_index(version, (certificates, crls, [listed] if attributes else []))
        info = fields(signer_info(lab.signer, attrs))
        over = oid(cms.DATA) + sha256(CONTENT) + b"".join(info) + index
        archive = with_unsigned(stamp(over, LATER), attribute(version, index))
        return [*([first] if attributes else []), attribute(cms.ARCHIVE_TIMESTAMP_V3, archive)]

    info = signer_info(lab.signer, attrs, unsigned=unsigned)
    return signed_data([info], CONTENT, (lab.signer.der, lab.issuing.der), lab.crls())


@pytest.mark.parametrize("version", [HASH_INDEX_V1, HASH_INDEX_V2, HASH_INDEX_V3])
def test_archive_timestamp_v3_covers_what_its_index_lists(version: str) -> None:
    lab = world()
    first, second = lab.crls()
    signature = only(archived(version, [lab.signer.der], [first]))
    inner, outer = signature.timestamps
    assert outer.type is TimestampType.ARCHIVE
    assert outer.signature_valid
    tokens = {sha256(member.der) for member in (lab.authority, *lab.chain)}
    expected = {bytes.fromhex(signature.identifier), bytes.fromhex(inner.identifier), sha256(lab.signer.der)}
    assert set(outer.covers) == {*expected, sha256(first), *tokens}
    assert sha256(second) not in outer.covers
    assert signature.findings == ()
    assert outer.findings == ()


def test_archive_timestamp_v3_does_not_cover_what_it_does_not_list() -> None:
    signature = only(archived(HASH_INDEX_V3, [], [], attributes=False))
    assert [item.covers for item in signature.timestamps] == [(bytes.fromhex(signature.identifier),)]


def test_an_entry_whose_object_is_gone_is_told() -> None:
    signature = only(archived(HASH_INDEX_V3, [world().signer.der, b"gone"], []))
    assert signature.timestamps[1].imprint_intact
    assert [item.code for item in signature.timestamps[1].findings] == ["hash-index-entry-without-object"]


def test_an_archive_timestamp_without_its_index_or_over_another_signature_is_not_intact() -> None:
    good = archived(HASH_INDEX_V3, [world().signer.der], [])
    token_of = only(good).timestamps[1].token
    assert token_of is not None
    moved = only(build(lambda value: [attribute(cms.ARCHIVE_TIMESTAMP_V3, token_of.der)], content=b"another"))
    assert [item.imprint_intact for item in moved.timestamps] == [False]
    bare = only(build(lambda value: [attribute(cms.ARCHIVE_TIMESTAMP_V3, stamp(value))]))
    assert [item.code for item in bare.timestamps[0].findings] == ["hash-index-unreadable"]
    assert not bare.timestamps[0].imprint_intact


def test_an_archive_timestamp_proves_the_time_of_its_signature() -> None:
    """EN 319 102-1 clause 5.5.4: no signature timestamp is needed for that."""
    data = archived(HASH_INDEX_V3, [world().signer.der], [], attributes=False)
    report = judge(data)
    assert [item["type"] for item in report.timestamps] == ["ARCHIVE_TIMESTAMP"]
    assert report.signatures[0]["bestSignatureTime"] == "2021-06-01T13:00:00.000Z"


def test_the_level_says_what_is_there() -> None:
    lab = world()
    whole = archived(HASH_INDEX_V3, [lab.signer.der, lab.issuing.der], lab.crls())
    assert judge(whole).signatures[0]["format"] == "CAdES-BASELINE-LTA"
    assert judge(archived_v2(False)).signatures[0]["format"] == "CAdES-BASELINE-LT"
    assert judge(build(lambda value: ())).signatures[0]["format"] == "CAdES-BASELINE-B"


def archived_v2(tagged: bool, also: bytes = b"") -> bytes:
    """TS 101 733 clause 6.4.1; ``tagged``: the tag of unsignedAttrs is counted."""
    lab = world()
    attrs = signed_attributes(lab.signer, sha256(CONTENT))
    empty = signed_data([], CONTENT, (lab.signer.der, lab.issuing.der), lab.crls())
    _, _, encapsulated, certificates, revocations, _ = parts(parts(parts(empty)[1])[0])

    def unsigned(value: bytes) -> list[bytes]:
        first = attribute(cms.SIGNATURE_TIMESTAMP, stamp(value))
        last = encode(0xA1, first) if tagged else first
        info = fields(signer_info(lab.signer, attrs))
        over = encapsulated + certificates + revocations + b"".join(info) + last + also
        return [first, attribute(cms.ARCHIVE_TIMESTAMP_V2, stamp(over, LATER))]

    info = signer_info(lab.signer, attrs, unsigned=unsigned)
    return signed_data([info], CONTENT, (lab.signer.der, lab.issuing.der), lab.crls())


@pytest.mark.parametrize("tagged", [True, False])
def test_archive_timestamp_v2_covers_the_whole_message(tagged: bool) -> None:
    lab = world()
    signature = only(archived_v2(tagged))
    inner, outer = signature.timestamps
    assert outer.signature_valid
    listed = {sha256(item) for item in (lab.signer.der, lab.authority.der, lab.issuing.der, lab.root.der, *lab.crls())}
    identifiers = {bytes.fromhex(item.identifier) for item in (signature, inner)}
    assert set(outer.covers) == listed | identifiers
    assert not only(archived_v2(tagged, b"!")).timestamps[1].imprint_intact


def test_an_older_archive_timestamp_is_not_over_a_younger_one() -> None:
    data = archived_v2(False)
    signed = cms.parse_signed_data(data)
    kinds = [oid_of for oid_of, _ in signed.signers[0].unsigned]
    assert kinds == [cms.SIGNATURE_TIMESTAMP, cms.ARCHIVE_TIMESTAMP_V2]
    lab = world()

    def unsigned(value: bytes) -> list[bytes]:
        given = signer_pieces(message_pieces(data).signers[0]).unsigned
        return [*given, attribute(cms.ARCHIVE_TIMESTAMP_V2, stamp(b"younger", NOW))]

    info = signer_info(lab.signer, signed_attributes(lab.signer, sha256(CONTENT)), unsigned=unsigned)
    again = signed_data([info], CONTENT, (lab.signer.der, lab.issuing.der), lab.crls())
    assert [item.imprint_intact for item in only(again).timestamps] == [True, True, False]


def test_revocation_data_in_the_message_are_found() -> None:
    """RFC 5940, and the basic response that some put in its place."""
    lab = world()
    answer = ocsp_answer(lab.signer, lab.issuing, lab.responder)
    info = signer_info(lab.signer, signed_attributes(lab.signer, sha256(CONTENT)))
    whole = signed_data([info], CONTENT, (lab.signer.der,), (lab.crls()[0],), (answer,))
    found = document_of(cms.parse_signed_data(whole))
    assert (found.crls, found.ocsps) == ((lab.crls()[0],), (answer,))
    bare = parts(parts(parts(answer)[1])[0])[1]
    _, start, end, _ = read(bare)
    older = document_of(cms.parse_signed_data(signed_data([info], CONTENT, (lab.signer.der,), (), (bare[start:end],))))
    assert older.ocsps == (answer,)


# --- counter-signatures


def counter(value: bytes, unsigned: Callable[[bytes], Sequence[bytes]] = lambda value: (), over: bytes = b"") -> bytes:
    lab = world()
    attributes = signed_attributes(lab.signer, sha256(over or value), content_type=None)
    return attribute(cms.COUNTER_SIGNATURE, signer_info(lab.signer, attributes, unsigned=unsigned))


def test_nested_counter_signatures_each_have_a_verdict() -> None:
    data = build(lambda value: [counter(value, lambda inner: [counter(inner)])])
    report = judge(data)
    assert verdicts(report) == PASSED * 3
    assert [item["counter"] for item in report.signatures] == [False, True, True]
    assert {item["format"] for item in report.signatures} == {"CAdES-BASELINE-B"}


def test_a_counter_signature_over_something_else_fails_and_leaves_the_signature() -> None:
    report = judge(build(lambda value: [counter(value, over=CONTENT)]))
    assert verdicts(report) == [*PASSED, ("TOTAL_FAILED", "HASH_FAILURE")]
    assert report.worst() is Indication.TOTAL_PASSED


def test_a_counter_signature_has_no_content_type() -> None:
    """RFC 5652 clause 11.4."""
    lab = world()

    def wrong(value: bytes) -> bytes:
        return attribute(cms.COUNTER_SIGNATURE, signer_info(lab.signer, signed_attributes(lab.signer, sha256(value))))

    assert verdicts(judge(build(lambda value: [wrong(value)])))[1] == ("TOTAL_FAILED", "FORMAT_FAILURE")


def test_a_counter_signature_that_cannot_be_read_is_not_passed_over() -> None:
    report = judge(build(lambda value: [attribute(cms.COUNTER_SIGNATURE, octets(b"rubbish"))]))
    assert verdicts(report) == [*PASSED, ("TOTAL_FAILED", "FORMAT_FAILURE")]


def test_counter_signatures_are_bounded_in_number_and_depth() -> None:
    many = only(build(lambda value: [counter(value)] * 101))
    assert len(many.counter_signatures) == 100
    assert [item.code for item in many.findings] == ["counter-signatures-not-read"]

    def deep(value: bytes, depth: int) -> bytes:
        return counter(value, lambda inner: [deep(inner, depth - 1)] if depth else ())

    signature = only(build(lambda value: [deep(value, 12)]))
    depth = 0
    while signature.counter_signatures:
        signature, depth = signature.counter_signatures[0], depth + 1
    assert depth == 5
    assert [item.code for item in signature.findings] == ["counter-signatures-not-read"]


def test_the_timestamps_of_a_counter_signature_prove_its_time_only() -> None:
    def stamped(inner: bytes) -> list[bytes]:
        return [attribute(cms.SIGNATURE_TIMESTAMP, stamp(inner))]

    report = judge(build(lambda value: [counter(value, stamped)]))
    times = [item["bestSignatureTime"] for item in report.signatures]
    assert times == ["2021-06-02T12:00:00.000Z", "2021-06-01T12:00:00.000Z"]
