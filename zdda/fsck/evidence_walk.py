"""Batches and amendments: what they say of packages and of each other, and whether all they speak of is there."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from zdda.evidence.batch import BatchMalformed, EvidenceBatch
from zdda.evidence.evidence_record import TokenStatus, assemble
from zdda.evidence.hash_tree import HashTree
from zdda.fsck.evidence_tokens import token_checker
from zdda.fsck.findings import Finding, Severity, about
from zdda.fsck.inventory import Line, amendment_line, archived_line, batch_line
from zdda.model.objects import ObjectKind, ObjectName
from zdda.packaging.amendment import Amendment, ArchivedPackage, SealingStoringEvidence, read_amendment
from zdda.packaging.deletion_receipt import DeletionReceipt
from zdda.packaging.errors import PackageError
from zdda.trust.anchors import TrustAnchors
from zdda.trust.paths import PathStatus, validate_path
from zdda.trust.revocation import RevocationData

LeafPlace = tuple[UUID, int]
"""Batch and number of the leaf."""

_UNPROVEN = frozenset({TokenStatus.NO_ANCHORS, TokenStatus.UNPROVEN})
_TRUSTED = frozenset({PathStatus.VALID, PathStatus.REVOCATION_UNKNOWN})
"""An amendment carries no revocation data: its package's evidence and the next batch prove its time."""


@dataclass(frozen=True, slots=True)
class Told:
    """What an amendment tells of one package's place in the evidence."""

    package: ArchivedPackage
    batch: UUID
    batch_time: datetime
    amendment: UUID


class EvidenceWalk:
    """Learns batches, then amendments, then packages; at the end says what does not add up. ``destroyed_classes``: the
    retention classes of packages that deletion receipts tell of.

    Memory grows with the number of packages: a leaf and a few identifiers for each.
    """

    def __init__(self, anchors: TrustAnchors, at: datetime, names: Collection[ObjectName]) -> None:
        self._anchors, self._check = anchors, token_checker(anchors, at)
        self._names = frozenset((name.package, name.kind) for name in names)
        self._batches: dict[UUID, EvidenceBatch] = {}
        self._times: dict[UUID, datetime | None] = {}
        self._leaves: dict[bytes, list[LeafPlace]] = {}
        self._belongs: dict[bytes, UUID] = {}
        self._digests: dict[UUID, bytes] = {}
        self._chains: dict[UUID, list[tuple[int, UUID, bytes]]] = {}
        self._groups: dict[UUID, bytes] = {}
        self._told: dict[UUID, Told] = {}
        self._owners: dict[LeafPlace, UUID] = {}
        self._recorded: set[UUID] = set()
        self._destroyed: set[tuple[UUID, str]] = set()
        self.destroyed_classes: dict[UUID, str] = {}
        self._tree: tuple[UUID, HashTree] | None = None

    def batch(self, name: ObjectName, content: bytes) -> Iterator[Finding | Line]:
        """A batch object's plaintext."""
        try:
            batch = EvidenceBatch.decode(content)
        except BatchMalformed as error:
            yield about(name, "batch-malformed", str(error))
            return
        if (batch.batch_id, batch.tenant) != (name.package, name.tenant):
            yield about(name, "batch-of-another-name", "the object holds another batch")
            return
        root = batch.tree().root
        answer = batch.check(self._check)
        if answer.status is not TokenStatus.TRUSTED:
            severity = Severity.UNPROVEN if answer.status in _UNPROVEN else Severity.BROKEN
            yield about(name, f"batch-token-{answer.status}", answer.message, severity)
        self._batches[batch.batch_id], self._times[batch.batch_id] = batch, answer.gen_time
        for index, leaf in enumerate(batch.leaves):
            places = self._leaves.setdefault(leaf, [])
            places.append((batch.batch_id, index))
            if len(places) > 1:
                message = "a leaf of the batch stands in another place too"
                yield about(name, "leaf-twice", message, where=f"leaf {index}")
        yield batch_line(batch, root, answer.gen_time, hashlib.sha256(batch.token).digest())

    def amendment(self, name: ObjectName, content: bytes) -> Iterator[Finding | Line]:
        """An amendment's DER."""
        try:
            amendment, seal = read_amendment(content)
        except PackageError as error:
            yield about(name, error.code, f"the amendment {error.reason}")
            return
        if (amendment.amendment, amendment.tenant) != (name.package, name.tenant):
            yield about(name, "amendment-of-another-name", "the object holds another amendment")
            return
        yield from self._seal_of(name, amendment, seal.certificate, seal.certificates)
        digest = hashlib.sha256(content).digest()
        self._digests[amendment.amendment] = digest
        self._belongs[digest] = amendment.amendment
        for each in amendment.packages:
            self._chains.setdefault(each.package, []).append((each.sequence, amendment.amendment, each.predecessor))
        yield amendment_line(amendment, digest, self.place(digest))
        if isinstance(amendment.body, SealingStoringEvidence):
            yield from self._learn(name, amendment.amendment, amendment.body)
        if isinstance(amendment.body, DeletionReceipt):
            self._learn_receipt(amendment.body)

    def _learn_receipt(self, receipt: DeletionReceipt) -> None:
        """What was destroyed is not missing; its leaves are its own still."""
        self.destroyed_classes.update({each.package: each.retention_class for each in receipt.packages})
        for each in receipt.objects:
            self._destroyed.add((each.package, each.kind))
            if each.leaf is not None:
                self._belongs[each.leaf] = each.package

    def package(self, package: UUID, group_digest: bytes) -> None:
        """A package that could be read, and its evidence leaf."""
        self._groups[package] = group_digest
        self._belongs[group_digest] = package

    def place(self, leaf: bytes) -> LeafPlace | None:
        """Where a leaf stands; the first place where it stands in several."""
        places = self._leaves.get(leaf)
        return places[0] if places else None

    def evidence_record(self, leaf: bytes, group: tuple[bytes, ...]) -> bytes | None:
        """The DER of a package's evidence record; None where no batch has its leaf."""
        place = self.place(leaf)
        if place is None:
            return None
        batch = self._batches[place[0]]
        if self._tree is None or self._tree[0] != batch.batch_id:
            self._tree = batch.batch_id, batch.tree()
        return assemble(group, self._tree[1].reduced(place[1]), batch.token)

    def packages_of(self, name: ObjectName) -> set[UUID]:
        """The packages that an amendment serves, or a batch with the amendments under it, as far as learnt."""
        if name.kind is ObjectKind.AMENDMENT:
            return self._amended({name.package})
        batch = self._batches.get(name.package)
        under = {self._belongs[leaf] for leaf in batch.leaves if leaf in self._belongs} if batch is not None else set()
        owned = {package for (of, _), package in self._owners.items() if of == name.package}
        return owned | (under & self._groups.keys()) | self._amended(under)

    def _amended(self, wanted: set[UUID]) -> set[UUID]:
        return {package for package, chain in self._chains.items() if any(each[1] in wanted for each in chain)}

    def conclude(self) -> Iterator[Finding]:
        """Once everything has been learnt: what is spoken of and not there, and what does not agree."""
        missing: set[UUID] = set()
        for identifier, kind in sorted(self._destroyed):
            if (identifier, kind) in self._names:
                message = "a deletion receipt tells that this was destroyed, and it is there"
                yield Finding("destroyed-object-back", message, package=identifier, kind=ObjectKind(kind), sequence=0)
        gone = {package for package, kind in self._destroyed if kind == ObjectKind.AIP}
        for package, told in sorted(self._told.items()):
            if (package, ObjectKind.AIP) not in self._names and package not in gone:
                missing.add(package)
                message = "an amendment tells of the package, and nothing of it is there"
                yield _of_package(package, "package-missing", message, where=_leaf(told.batch, told.package.leaf_index))
        for package in sorted(self._chains.keys() - self._told.keys() - missing - gone):
            if (package, ObjectKind.AIP) not in self._names:
                yield _of_package(package, "package-missing", "an amendment tells of the package, and it is not there")
        for batch_id, batch in sorted(self._batches.items()):
            yield from self._unclaimed(batch_id, batch, missing)
            if batch_id not in self._recorded:
                message = "no amendment records what the batch proves"
                yield Finding(
                    "batch-without-amendment", message, Severity.PENDING, batch_id, ObjectKind.EVIDENCE_BATCH, 0
                )
        for package, group in sorted(self._groups.items()):
            yield from self._of_group(package, group)
        for package, chain in sorted(self._chains.items()):
            if package not in gone:  # amendments of a destroyed package alone went with it
                yield from self._chain(package, sorted(chain))

    def _learn(self, name: ObjectName, amendment: UUID, body: SealingStoringEvidence) -> Iterator[Finding | Line]:
        batch = self._batches.get(body.batch)
        self._recorded.add(body.batch)
        if batch is None and (body.batch, ObjectKind.EVIDENCE_BATCH) not in self._names:
            message = "an amendment tells of the batch, and nothing of it is there"
            yield Finding("batch-missing", message, package=body.batch, kind=ObjectKind.EVIDENCE_BATCH, sequence=0)
        for each in body.packages:
            self._told[each.package] = Told(each, body.batch, body.batch_time, amendment)
            self._owners[body.batch, each.leaf_index] = each.package
            yield archived_line(each.package, amendment, each.stored_at, each.archived_at)
            if batch is not None and (
                each.leaf_index >= len(batch.leaves) or batch.leaves[each.leaf_index] != each.group_digest
            ):
                message = f"the amendment tells of another leaf {each.leaf_index} than the batch has"
                yield about(name, "amendment-contradicts-batch", message, where=f"package {each.package}")
        if batch is not None and self._times[body.batch] != body.batch_time:
            yield about(name, "amendment-contradicts-batch", "the amendment tells another time than the batch's token")

    def _seal_of(
        self, name: ObjectName, amendment: Amendment, certificate: bytes, certificates: tuple[bytes, ...]
    ) -> Iterator[Finding]:
        if not self._anchors.certificates:
            message = "no trust anchor was given for the amendment's seal"
            yield about(name, "amendment-no-anchors", message, Severity.UNPROVEN)
            return
        result = validate_path(certificate, certificates, self._anchors, amendment.created, RevocationData())
        if result.status not in _TRUSTED:
            yield about(name, "amendment-untrusted", f"the amendment's seal is not trusted: {result.status}")

    def _unclaimed(self, batch_id: UUID, batch: EvidenceBatch, missing: set[UUID]) -> Iterator[Finding]:
        """Leaves to which nothing belongs that is there: what has vanished is noticed through its batch."""
        for index, leaf in enumerate(batch.leaves):
            if leaf in self._belongs:
                continue
            package = self._owners.get((batch_id, index))
            if package in missing or (package is not None and package not in self._groups):
                continue  # named already
            if package is not None:
                message = "the package as it is there does not give the leaf it has in its batch"
                yield _of_package(package, "package-not-as-stamped", message, where=_leaf(batch_id, index))
                continue
            message = "a leaf of the batch belongs to no package and no amendment that is there and can be read"
            yield Finding(
                "leaf-without-owner",
                message,
                package=batch_id,
                kind=ObjectKind.EVIDENCE_BATCH,
                sequence=0,
                where=f"leaf {index}",
            )

    def _of_group(self, package: UUID, group: bytes) -> Iterator[Finding]:
        told = self._told.get(package)
        if self.place(group) is None:
            if told is None:
                message = "the package is in no evidence batch yet"
                yield _of_package(package, "package-without-evidence", message, Severity.PENDING)
            else:
                message = "the evidence batch that an amendment tells of does not prove the package"
                yield _of_package(package, "package-evidence-lost", message, where=_leaf(told.batch, None))
        elif told is None:
            message = "no amendment records the package's sealing, storing and evidence yet"
            yield _of_package(package, "package-without-amendment", message, Severity.PENDING)

    def _chain(self, package: UUID, chain: list[tuple[int, UUID, bytes]]) -> Iterator[Finding]:
        """Amendments of a package count from 1; each names its predecessor's digest, the first the package's leaf."""
        before = self._groups.get(package)
        for expected, (sequence, amendment, predecessor) in enumerate(chain, 1):
            if sequence != expected:
                message = f"amendment {expected} of the package is missing, or there twice"
                yield _of_package(package, "amendment-missing", message, where=f"amendment {amendment}")
                return
            if before is not None and predecessor != before:
                message = f"amendment {sequence} of the package follows another predecessor"
                yield _of_package(package, "amendment-off-chain", message, where=f"amendment {amendment}")
            before = self._digests[amendment]


def _of_package(
    package: UUID, code: str, message: str, severity: Severity = Severity.BROKEN, where: str | None = None
) -> Finding:
    return Finding(code, message, severity, package, ObjectKind.AIP, 0, where)


def _leaf(batch: UUID, index: int | None) -> str:
    return f"batch {batch}" if index is None else f"batch {batch} leaf {index}"
