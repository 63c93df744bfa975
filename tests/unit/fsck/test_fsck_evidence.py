"""Batches and amendments that are each well made and do not agree with one another."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from functools import cache
from uuid import UUID

import pytest

from tests.simulator.pki import NOW, pki, stranger
from zdda.crypto.signing import SoftwareSigner
from zdda.evidence.batch import EvidenceBatch
from zdda.evidence.hash_tree import HashTree
from zdda.fsck.evidence_walk import EvidenceWalk
from zdda.fsck.findings import Finding
from zdda.model.identifiers import TenantId
from zdda.model.objects import ObjectKind, ObjectName
from zdda.packaging.amendment import (
    SEALING_STORING_EVIDENCE,
    AmendedPackage,
    Amendment,
    ArchivedPackage,
    SealingStoringEvidence,
    encode_content,
    make_amendment,
)

TENANT = TenantId("hospital")
PACKAGES = [UUID(int=number) for number in (1, 2, 3)]
LEAVES = [hashlib.sha256(bytes([number])).digest() for number in (1, 2, 3)]
BATCH, AMENDMENT, LATER = UUID(int=100), UUID(int=200), UUID(int=201)


@cache
def signer(trusted: bool = True) -> SoftwareSigner:
    credential = (pki() if trusted else stranger()).authority.issue_seal()
    return SoftwareSigner.load(credential.key_pem(), credential.chain_pem())


def batch(leaves: Iterable[bytes] = LEAVES, batch_id: UUID = BATCH, root: bytes | None = None) -> EvidenceBatch:
    held = tuple(leaves)
    return EvidenceBatch(batch_id, TENANT, NOW, held, pki().token(root or HashTree(held).root))


def first_amendment(packages: int = 3, batch_id: UUID = BATCH) -> Amendment:
    covered = list(zip(PACKAGES, LEAVES, strict=True))[:packages]
    return Amendment(
        AMENDMENT,
        TENANT,
        NOW,
        SEALING_STORING_EVIDENCE,
        tuple(AmendedPackage(package, 1, leaf) for package, leaf in covered),
        SealingStoringEvidence(
            batch_id,
            NOW,
            tuple(ArchivedPackage(package, leaf, n, NOW, NOW, NOW) for n, (package, leaf) in enumerate(covered)),
        ),
    )


def later_amendment(sequence: int, predecessor: bytes) -> Amendment:
    return Amendment(LATER, TENANT, NOW, "hold", (AmendedPackage(PACKAGES[0], sequence, predecessor),), {"reason": "x"})


def walked(
    batches: Iterable[EvidenceBatch],
    amendments: Iterable[bytes | Amendment],
    packages: Iterable[int] = range(3),
    missing: Iterable[ObjectName] = (),
) -> list[tuple[str, str, UUID | None]]:
    """(code, severity, of what) of all findings."""
    made = {}
    for each, own in zip(amendments, (AMENDMENT, LATER), strict=False):
        if isinstance(each, Amendment):
            made[each.amendment] = make_amendment(each, signer())
        else:
            made[own] = each
    held, there = list(batches), list(packages)
    names = [ObjectName(TENANT, PACKAGES[n], ObjectKind.AIP) for n in there]
    names += [ObjectName(TENANT, each.batch_id, ObjectKind.EVIDENCE_BATCH) for each in held]
    walk = EvidenceWalk(pki().anchors, NOW, [*names, *missing])
    items: list[object] = []
    for one in held:
        items += walk.batch(ObjectName(TENANT, one.batch_id, ObjectKind.EVIDENCE_BATCH), one.encode())
    for identifier, der in made.items():
        items += walk.amendment(ObjectName(TENANT, identifier, ObjectKind.AMENDMENT), der)
    for n in there:
        walk.package(PACKAGES[n], LEAVES[n])
    items += walk.conclude()
    return [(each.code, str(each.severity), each.package) for each in items if isinstance(each, Finding)]


def digest_of(amendment: Amendment) -> tuple[bytes, bytes]:
    """(DER, SHA-256): each signing gives other bytes."""
    der = make_amendment(amendment, signer())
    return der, hashlib.sha256(der).digest()


def test_all_that_agrees_gives_no_finding() -> None:
    first, digest = digest_of(first_amendment())
    assert walked([batch()], [first, later_amendment(2, digest)]) == []


def test_a_leaf_in_two_batches() -> None:
    other = batch([LEAVES[0]], UUID(int=101))
    assert ("leaf-twice", "broken", other.batch_id) in walked([batch(), other], [first_amendment()])


def test_a_token_over_another_root() -> None:
    assert ("batch-token-broken", "broken", BATCH) in walked([batch(root=bytes(32))], [first_amendment()])


def test_an_amendment_that_tells_of_another_leaf() -> None:
    assert ("amendment-contradicts-batch", "broken", AMENDMENT) in walked([batch(LEAVES[::-1])], [first_amendment()])
    assert ("amendment-contradicts-batch", "broken", AMENDMENT) in walked([batch(LEAVES[:2])], [first_amendment()])


def test_an_amendment_that_tells_another_time() -> None:
    told = first_amendment()
    assert isinstance(told.body, SealingStoringEvidence)
    other = replace(told, body=replace(told.body, batch_time=NOW + timedelta(seconds=1)))
    assert walked([batch()], [other]) == [("amendment-contradicts-batch", "broken", AMENDMENT)]


def test_a_package_that_is_not_as_stamped() -> None:
    """The container was replaced by another well made one, for which nothing speaks."""
    changed = [*LEAVES[:2], bytes(32)]
    told = first_amendment()
    assert isinstance(told.body, SealingStoringEvidence)
    body = replace(
        told.body,
        packages=tuple(replace(each, group_digest=changed[n]) for n, each in enumerate(told.body.packages)),
    )
    found = walked([batch(changed)], [replace(told, body=body)])
    assert ("package-not-as-stamped", "broken", PACKAGES[2]) in found
    assert ("package-evidence-lost", "broken", PACKAGES[2]) in found
    assert ("amendment-off-chain", "broken", PACKAGES[2]) not in found  # its predecessor is the package as it is


def test_a_vanished_package() -> None:
    assert walked([batch()], [first_amendment()], [0, 1]) == [("package-missing", "broken", PACKAGES[2])]
    found = walked([batch()], [first_amendment(2)], [0, 1])
    assert found == [("leaf-without-owner", "broken", BATCH)]


def test_a_vanished_package_of_which_a_later_amendment_tells() -> None:
    found = walked([], [later_amendment(1, LEAVES[0])], [1, 2])
    assert ("package-missing", "broken", PACKAGES[0]) in found


def test_a_vanished_batch() -> None:
    found = walked([], [first_amendment()])
    assert ("batch-missing", "broken", BATCH) in found
    assert {each for code, _, each in found if code == "package-evidence-lost"} == set(PACKAGES)


def test_a_batch_whose_object_is_broken_is_not_called_missing() -> None:
    name = ObjectName(TENANT, BATCH, ObjectKind.EVIDENCE_BATCH)
    assert "batch-missing" not in {code for code, _, _ in walked([], [first_amendment()], missing=[name])}


@pytest.mark.parametrize("sequence", [1, 3])
def test_an_amendment_missing_in_between_or_there_twice(sequence: int) -> None:
    first, digest = digest_of(first_amendment())
    found = walked([batch()], [first, later_amendment(sequence, digest)])
    assert found == [("amendment-missing", "broken", PACKAGES[0])]


@pytest.mark.parametrize("predecessor", [bytes(32), LEAVES[0]])
def test_an_amendment_that_follows_another_predecessor(predecessor: bytes) -> None:
    assert walked([batch()], [first_amendment(), later_amendment(2, predecessor)]) == [
        ("amendment-off-chain", "broken", PACKAGES[0])
    ]


def test_an_amendment_sealed_by_a_stranger() -> None:
    der = make_amendment(first_amendment(), signer(trusted=False))
    assert walked([batch()], [der]) == [("amendment-untrusted", "broken", AMENDMENT)]


def test_a_flipped_bit_in_what_an_amendment_says() -> None:
    """Bytes of the CMS that no signature covers (an issuer's certificate) are held by the object's digest and by the
    leaf in the next batch."""
    content = encode_content(first_amendment())
    der = make_amendment(first_amendment(), signer())
    start = der.index(content)
    for position in range(start, start + len(content), 23):
        changed = der[:position] + bytes([der[position] ^ 1]) + der[position + 1 :]
        assert walked([batch()], [changed]), position
