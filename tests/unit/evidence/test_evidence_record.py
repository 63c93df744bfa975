from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zdda.demonstration.authority import DemonstrationAuthority
from zdda.demonstration.timestamps import DemonstrationTimestamps
from zdda.evidence.evidence_record import (
    EvidenceMalformed,
    EvidenceStatus,
    TokenCheck,
    TokenChecker,
    TokenStatus,
    assemble,
    hash_tree_renewal_group,
    renew_hash_tree,
    renew_timestamp,
    timestamp_renewal_imprint,
    verify,
)
from zdda.evidence.hash_tree import HashTree, group_digest, root_of
from zdda.model.clock import FixedClock, system_entropy
from zdda.signatures.timestamp_token import parse_timestamp_token

START = datetime(2026, 11, 22, 12, tzinfo=UTC)
GOLDEN = Path(__file__).parents[2] / "golden" / "evidence"
CLOCK = FixedClock(START)
AUTHORITY = DemonstrationAuthority(CLOCK, system_entropy, "http://127.0.0.1:1")


def token(imprint: bytes, algorithm: str = "sha256", days: int = 0) -> bytes:
    clock = FixedClock(START + timedelta(days=days))
    return DemonstrationTimestamps(AUTHORITY.timestamping, clock, system_entropy).token(imprint, algorithm)


def believing(der: bytes, imprint: bytes, following: datetime | None) -> TokenCheck:
    """Believes every authority, never a wrong imprint or signature."""
    try:
        parsed = parse_timestamp_token(der)
    except Exception:  # noqa: BLE001 - of bytes with a flipped bit; ``zdda.fsck.evidence_tokens`` does the same
        return TokenCheck(TokenStatus.BROKEN, None, "unreadable")
    if not parsed.is_over_digest(imprint) or not parsed.signature_intact:
        return TokenCheck(TokenStatus.BROKEN, parsed.gen_time, "wrong imprint or signature")
    return TokenCheck(TokenStatus.TRUSTED, parsed.gen_time, "believed")


def answering(status: TokenStatus) -> TokenChecker:
    return lambda der, imprint, following: TokenCheck(status, START, "as told")


def digests(*names: str, algorithm: str = "sha256") -> tuple[bytes, ...]:
    return tuple(hashlib.new(algorithm, name.encode()).digest() for name in names)


GROUPS = [digests("manifest", "seal", "a"), digests("single"), digests("m2", "s2", "b", "c")]
TREE = HashTree([group_digest(group) for group in GROUPS])
TOKEN = token(TREE.root)


def record_of(index: int) -> bytes:
    return assemble(GROUPS[index], TREE.reduced(index), TOKEN)


@pytest.mark.parametrize("index", range(3))
def test_a_record_proves_its_group_and_no_other(index: int) -> None:
    verdict = verify(record_of(index), {"sha256": GROUPS[index]}, believing)
    assert verdict.status is EvidenceStatus.PROVEN
    assert verdict.proven_at == START
    for other in range(3):
        if other != index:
            assert verify(record_of(index), {"sha256": GROUPS[other]}, believing).status is EvidenceStatus.BROKEN


def test_a_group_with_an_object_more_or_less_is_broken() -> None:
    more = (*GROUPS[0], *digests("added"))
    assert verify(record_of(0), {"sha256": more}, believing).status is EvidenceStatus.BROKEN
    assert verify(record_of(0), {"sha256": GROUPS[0][:-1]}, believing).status is EvidenceStatus.BROKEN
    for nothing in ({"sha256": ()}, {}):
        assert verify(record_of(0), nothing, believing).status is EvidenceStatus.NOT_PROVABLE


def test_one_leaf_needs_no_tree() -> None:
    group = digests("alone")
    record = assemble(group, (), token(group[0]))
    assert verify(record, {"sha256": group}, believing).status is EvidenceStatus.PROVEN


def test_a_group_of_several_without_a_tree_is_broken() -> None:
    single = digests("x")
    record = assemble(single, (), token(single[0]))
    assert verify(record, {"sha256": digests("x", "y")}, believing).status is EvidenceStatus.BROKEN


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (TokenStatus.UNTRUSTED, EvidenceStatus.BROKEN),
        (TokenStatus.BROKEN, EvidenceStatus.BROKEN),
        (TokenStatus.NO_ANCHORS, EvidenceStatus.NOT_PROVABLE),
    ],
)
def test_the_token_decides(status: TokenStatus, expected: EvidenceStatus) -> None:
    assert verify(record_of(0), {"sha256": GROUPS[0]}, answering(status)).status is expected


def test_a_verdict_is_no_truth_value() -> None:
    with pytest.raises(TypeError):
        bool(verify(record_of(0), {"sha256": GROUPS[0]}, believing))


def renewed(days: int = 400) -> bytes:
    first = record_of(0)
    return renew_timestamp(first, token(timestamp_renewal_imprint(first), days=days))


def test_a_renewed_timestamp_keeps_the_first_time() -> None:
    verdict = verify(renewed(), {"sha256": GROUPS[0]}, believing)
    assert verdict.status is EvidenceStatus.PROVEN
    assert verdict.proven_at == START
    assert len(verdict.timestamps) == 2


def test_each_token_is_judged_at_the_time_of_the_next() -> None:
    asked: list[datetime | None] = []

    def note(der: bytes, imprint: bytes, following: datetime | None) -> TokenCheck:
        asked.append(following)
        return believing(der, imprint, following)

    verify(renewed(), {"sha256": GROUPS[0]}, note)
    assert asked == [None, START + timedelta(days=400)]


def test_a_renewal_from_before_the_first_is_broken() -> None:
    assert verify(renewed(days=-1), {"sha256": GROUPS[0]}, believing).status is EvidenceStatus.BROKEN


def test_a_renewal_of_something_else_is_broken() -> None:
    record = renew_timestamp(record_of(0), token(digests("else")[0], days=400))
    assert verify(record, {"sha256": GROUPS[0]}, believing).status is EvidenceStatus.BROKEN


def hash_renewed() -> tuple[bytes, dict[str, tuple[bytes, ...]]]:
    first = renewed()
    new = digests("manifest", "seal", "a", algorithm="sha512")
    bound = hash_tree_renewal_group(first, new, "sha512")
    others = HashTree([group_digest(bound, "sha512"), digests("other", algorithm="sha512")[0]], "sha512")
    siblings = others.reduced(0)
    assert root_of(bound, siblings, "sha512") == others.root
    record = renew_hash_tree(first, bound, siblings, token(others.root, "sha512", 800), "sha512")
    return record, {"sha256": GROUPS[0], "sha512": new}


def test_a_renewed_hash_tree_covers_the_data_and_the_history() -> None:
    record, known = hash_renewed()
    verdict = verify(record, known, believing)
    assert verdict.status is EvidenceStatus.PROVEN
    assert verdict.proven_at == START
    assert len(verdict.timestamps) == 3


def test_a_renewed_hash_tree_needs_the_new_digests() -> None:
    record, known = hash_renewed()
    wrong = known | {"sha512": digests("manifest", "seal", "b", algorithm="sha512")}
    assert verify(record, wrong, believing).status is EvidenceStatus.BROKEN
    assert verify(record, {"sha256": known["sha256"]}, believing).status is EvidenceStatus.NOT_PROVABLE


def test_assembling_is_deterministic() -> None:
    assert record_of(2) == record_of(2)


def test_no_bit_outside_the_token_may_change() -> None:
    record = record_of(0)
    for place in range(len(record) - len(TOKEN)):
        for bit in range(8):
            assert not proven_at(flipped(record, place, bit)), (place, bit)


@settings(max_examples=200)
@given(st.integers(0, len(TOKEN) * 8 - 1))
def test_a_bit_in_the_token_is_not_proven_or_changes_nothing_that_is_proven(place: int) -> None:
    """What the token's own signature leaves out (CMS version, lists of algorithms, certificates not needed)."""
    record = record_of(0)
    assert proven_at(flipped(record, len(record) - 1 - place // 8, place % 8)) in (None, START)


def flipped(record: bytes, place: int, bit: int) -> bytes:
    return record[:place] + bytes([record[place] ^ 1 << bit]) + record[place + 1 :]


def proven_at(record: bytes) -> datetime | None:
    try:
        return verify(record, {"sha256": GROUPS[0]}, believing).proven_at
    except EvidenceMalformed:
        return None


@pytest.mark.parametrize("data", [b"", b"\x30\x00", b"rubbish", b"\x30\x80\x00\x00", b"\x30\x84\xff\xff\xff\xff"])
def test_rubbish_is_malformed(data: bytes) -> None:
    with pytest.raises(EvidenceMalformed):
        verify(data, {}, believing)


def test_bytes_after_the_record_are_refused() -> None:
    with pytest.raises(EvidenceMalformed):
        verify(record_of(0) + b"\0", {"sha256": GROUPS[0]}, believing)


def test_the_stored_form_never_changes() -> None:
    """The golden record was written by the first version; reading it, and writing it again, must always work."""
    golden = (GOLDEN / "evidence-record-1.der").read_bytes()
    stamped = (GOLDEN / "token-1.der").read_bytes()
    group = digests("manifest", "seal", "document")
    siblings = ((hashlib.sha256(b"sibling").digest(),),)
    assert assemble(group, siblings, stamped) == golden
    assert verify(golden, {"sha256": group}, believing).status is EvidenceStatus.PROVEN
