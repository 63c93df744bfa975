"""What RFC 4998 clauses 3 to 5 ask beyond digests: algorithms, order, renewals that share a tree."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from asn1crypto import cms, core
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.simulator.pki import NOW, new_pki
from zdda.crypto.algorithms import AlgorithmCatalogue
from zdda.demonstration.timestamps import DemonstrationTimestamps
from zdda.evidence.batch import EvidenceBatch
from zdda.evidence.evidence_record import (
    EvidenceMalformed,
    EvidenceStatus,
    TokenCheck,
    TokenStatus,
    assemble,
    hash_tree_renewal_group,
    parse,
    renew_hash_tree,
    renew_timestamp,
    timestamp_renewal_imprint,
    verify,
)
from zdda.evidence.hash_tree import HashTree, group_digest, root_of
from zdda.evidence.structures import EncryptionInfo, EvidenceRecord
from zdda.model.clock import FixedClock
from zdda.model.errors import IntegrityError
from zdda.signatures.timestamp_token import parse_timestamp_token

PKI = new_pki(seed=5_000_000)
YEAR = timedelta(days=365)


def token(imprint: bytes, algorithm: str = "sha256", after: timedelta = timedelta(0)) -> bytes:
    clock = FixedClock(NOW + after)
    return DemonstrationTimestamps(PKI.authority.timestamping, clock, PKI.entropy).token(imprint, algorithm)


def believing(der: bytes, imprint: bytes, following: datetime | None) -> TokenCheck:
    parsed = parse_timestamp_token(der)
    good = parsed.is_over_digest(imprint) and parsed.signature_intact
    return TokenCheck(TokenStatus.TRUSTED if good else TokenStatus.BROKEN, parsed.gen_time, "imprint, signature")


def digests(*names: str, algorithm: str = "sha256") -> tuple[bytes, ...]:
    return tuple(hashlib.new(algorithm, name.encode()).digest() for name in names)


GROUP = digests("manifest", "seal", "document")
RECORD = assemble(GROUP, (), token(group_digest(GROUP)))


def test_each_archive_timestamp_says_what_it_stamps() -> None:
    renewed = renew_timestamp(RECORD, token(timestamp_renewal_imprint(RECORD), after=YEAR))
    first, second = verify(renewed, {"sha256": GROUP}, believing).timestamps
    assert (first.chain, first.number, first.digest_algorithm) == (0, 0, "sha256")
    assert (first.imprint, first.gen_time, first.status) == (group_digest(GROUP), NOW, TokenStatus.TRUSTED)
    assert (second.chain, second.number, second.gen_time) == (0, 1, NOW + YEAR)
    assert second.imprint == timestamp_renewal_imprint(RECORD)


@given(st.integers(1, 9), st.data())
@settings(max_examples=25)
def test_one_timestamp_renews_many_records(count: int, data: st.DataObject) -> None:
    groups = [digests(f"manifest {n}", f"document {n}") for n in range(count)]
    records = [assemble(group, (), token(group_digest(group))) for group in groups]
    tree = HashTree([timestamp_renewal_imprint(record) for record in records])
    stamp = token(tree.root, after=YEAR)
    index = data.draw(st.integers(0, count - 1))
    renewed = renew_timestamp(records[index], stamp, tree.reduced(index))
    verdict = verify(renewed, {"sha256": groups[index]}, believing)
    assert (verdict.status, verdict.proven_at) == (EvidenceStatus.PROVEN, NOW)
    if count > 1:
        wrong = renew_timestamp(records[index], stamp, tree.reduced((index + 1) % count))
        assert verify(wrong, {"sha256": groups[index]}, believing).status is EvidenceStatus.BROKEN


def renewed_under(algorithm: str, record: bytes, names: tuple[str, ...], after: timedelta) -> bytes:
    bound = hash_tree_renewal_group(record, digests(*names, algorithm=algorithm), algorithm)
    leaves = [digests("other", algorithm=algorithm)[0], group_digest(bound, algorithm)]
    tree = HashTree(leaves, algorithm)
    return renew_hash_tree(record, bound, tree.reduced(1), token(tree.root, algorithm, after), algorithm)


def test_hash_trees_renewed_twice_and_a_timestamp_between() -> None:
    names = ("manifest", "seal", "document")
    record = renewed_under("sha384", RECORD, names, YEAR)
    record = renew_timestamp(record, token(timestamp_renewal_imprint(record), "sha384", 2 * YEAR))
    record = renewed_under("sha512", record, names, 3 * YEAR)
    known = {name: digests(*names, algorithm=name) for name in ("sha256", "sha384", "sha512")}
    verdict = verify(record, known, believing)
    assert verdict.status is EvidenceStatus.PROVEN
    assert [(each.chain, each.number) for each in verdict.timestamps] == [(0, 0), (1, 0), (1, 1), (2, 0)]
    assert [item["algorithm"].native for item in parse(record)["digest_algorithms"]] == ["sha256", "sha384", "sha512"]
    for name in known:
        swapped = known | {name: digests("manifest", "seal", "another", algorithm=name)}
        assert verify(record, swapped, believing).status is EvidenceStatus.BROKEN


def test_a_renewed_hash_tree_binds_the_digest_before_the_history() -> None:
    """RFC 4998 clause 5.2 step 4: H(H(d) ‖ H(atsc)), in this order whatever the values."""
    history = parse(RECORD)["archive_time_stamp_sequence"].dump()
    for name in map(str, range(8)):
        (digest,) = digests(name, algorithm="sha512")
        (bound,) = hash_tree_renewal_group(RECORD, [digest], "sha512")
        assert bound == hashlib.sha512(digest + hashlib.sha512(history).digest()).digest()


def test_a_hash_tree_renewal_of_another_history_is_broken() -> None:
    names = ("manifest", "seal", "document")
    elsewhere = assemble(GROUP, (), token(group_digest(GROUP), after=timedelta(hours=1)))
    bound = hash_tree_renewal_group(elsewhere, digests(*names, algorithm="sha512"), "sha512")
    stamp = token(group_digest(bound, "sha512"), "sha512", YEAR)
    record = renew_hash_tree(RECORD, bound, (), stamp, "sha512")
    known = {name: digests(*names, algorithm=name) for name in ("sha256", "sha512")}
    assert verify(record, known, believing).status is EvidenceStatus.BROKEN


def test_a_chain_keeps_its_algorithm() -> None:
    imprint = hashlib.sha512(parse(RECORD)["archive_time_stamp_sequence"][0][0]["time_stamp"].dump()).digest()
    chains = [[*parse(RECORD)["archive_time_stamp_sequence"][0]]]
    other = parse(assemble((imprint,), (), token(imprint, "sha512", YEAR), "sha512"))
    chains[0].append(other["archive_time_stamp_sequence"][0][0])
    record = EvidenceRecord(
        {
            "version": 1,
            "digest_algorithms": [{"algorithm": "sha256"}, {"algorithm": "sha512"}],
            "archive_time_stamp_sequence": chains,
        }
    ).dump()
    verdict = verify(record, {"sha256": GROUP}, believing)
    assert verdict.status is EvidenceStatus.BROKEN
    assert any("changes its digest algorithm" in finding for finding in verdict.findings)


def test_the_token_is_under_the_trees_algorithm() -> None:
    record = assemble(GROUP, (), token(group_digest(GROUP), "sha3_256"))
    verdict = verify(record, {"sha256": GROUP}, believing)
    assert verdict.status is EvidenceStatus.BROKEN
    assert any("not under the digest algorithm" in finding for finding in verdict.findings)


def test_every_algorithm_is_declared() -> None:
    record = EvidenceRecord(
        {
            "version": 1,
            "digest_algorithms": [{"algorithm": "sha512"}],
            "archive_time_stamp_sequence": parse(RECORD)["archive_time_stamp_sequence"],
        }
    ).dump()
    verdict = verify(record, {"sha256": GROUP}, believing)
    assert verdict.status is EvidenceStatus.BROKEN
    assert any("does not declare" in finding for finding in verdict.findings)


def test_an_algorithm_must_last_until_the_next_chain_begins() -> None:
    """SHA-224 ends with 2028 (ETSI TS 119 312): what was not renewed before proves nothing after."""
    known = {name: digests("only", algorithm=name) for name in ("sha224", "sha256")}
    record = assemble(known["sha224"], (), token(known["sha224"][0], "sha224"), "sha224")
    year_of_end = datetime(2029, 6, 1, tzinfo=UTC)
    assert verify(record, known, believing, NOW + YEAR).status is EvidenceStatus.PROVEN
    catalogue = AlgorithmCatalogue(reviewed=year_of_end)
    assert verify(record, known, believing, year_of_end, catalogue).status is EvidenceStatus.NOT_PROVABLE
    for after, expected in ((YEAR, EvidenceStatus.PROVEN), (4 * YEAR, EvidenceStatus.NOT_PROVABLE)):
        renewed = renewed_under("sha256", record, ("only",), after)
        verdict = verify(renewed, known, believing, year_of_end + 4 * YEAR, catalogue)
        assert verdict.status is expected
        assert verdict.findings == (() if after == YEAR else ("sha224 was no longer secure when it had to be",))


def test_encrypted_objects_are_not_judged() -> None:
    parsed = parse(RECORD)
    info = EncryptionInfo({"encryption_info_type": "1.2.3", "encryption_info_value": core.Null()})
    record = EvidenceRecord(
        {
            "version": 1,
            "digest_algorithms": parsed["digest_algorithms"],
            "encryption_info": info,
            "archive_time_stamp_sequence": parsed["archive_time_stamp_sequence"],
        }
    ).dump()
    assert verify(record, {"sha256": GROUP}, believing).status is EvidenceStatus.NOT_PROVABLE
    renewed = renew_timestamp(record, token(timestamp_renewal_imprint(record), after=YEAR))
    assert parse(renewed)["encryption_info"].dump() == parse(record)["encryption_info"].dump()


def test_a_group_is_never_empty() -> None:
    with pytest.raises(ValueError, match="at least one"):
        assemble((), (), token(digests("a")[0]))


def test_equal_files_are_counted() -> None:
    group = (*digests("same"), *digests("same"), *digests("other"))
    record = assemble(group, (), token(group_digest(group)))
    assert verify(record, {"sha256": group}, believing).status is EvidenceStatus.PROVEN
    assert verify(record, {"sha256": group[1:]}, believing).status is EvidenceStatus.BROKEN


def test_rubbish_in_the_place_of_a_token_is_malformed() -> None:
    rubbish = cms.ContentInfo({"content_type": "data", "content": b"no token"}).dump()
    with pytest.raises(EvidenceMalformed):
        parse(assemble(GROUP, (), rubbish))


def test_a_batch_gives_a_record_only_to_the_group_at_its_place() -> None:
    groups = [GROUP, digests("m", "s", "d")]
    leaves = tuple(group_digest(group) for group in groups)
    batch = EvidenceBatch(UUID(int=1), "hospital", NOW, leaves, token(HashTree(leaves).root))
    for index, group in enumerate(groups):
        record = batch.evidence_record(index, group)
        assert verify(record, {"sha256": group}, believing).status is EvidenceStatus.PROVEN
        assert record == EvidenceBatch.decode(batch.encode()).evidence_record(index, tuple(reversed(group)))
    assert batch.check(believing).status is TokenStatus.TRUSTED
    assert replace(batch, leaves=leaves[:1]).check(believing).status is TokenStatus.BROKEN
    for index, group in ((1, GROUP), (2, GROUP), (-1, groups[1]), (0, GROUP[:2])):
        with pytest.raises(IntegrityError):
            batch.evidence_record(index, group)


DIGEST = st.binary(min_size=32, max_size=32)


@given(st.lists(st.lists(DIGEST, min_size=2, max_size=4), min_size=1, max_size=12), DIGEST, st.data())
@settings(max_examples=40)
def test_a_tree_of_groups_proves_each_whole_group_only(
    groups: list[list[bytes]], other: bytes, data: st.DataObject
) -> None:
    tree = HashTree([group_digest(group) for group in groups])
    index = data.draw(st.integers(0, len(groups) - 1))
    group, siblings = groups[index], tree.reduced(index)
    assert root_of(group, siblings) == tree.root
    place = data.draw(st.integers(0, len(group) - 1))
    replaced = [*group[:place], other, *group[place + 1 :]]
    if sorted(replaced) != sorted(group):
        assert root_of(replaced, siblings) != tree.root
    assert root_of([*group, other], siblings) != tree.root
    assert root_of(group[1:], siblings) != tree.root
