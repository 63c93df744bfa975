"""What the stores alone tell of packages, batches and amendments, in the form of the catalog's rows.

Rebuilding and repairing both take their rows from here, and the archive makes its own with the same functions from the
same sealed facts: what was restored is what was there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import cast
from uuid import UUID

from zdda.catalog.evidence import Member, insert_amendment
from zdda.catalog.packages import ArchivedDocument
from zdda.crypto.generations import GenerationKeys
from zdda.database.session import Transaction
from zdda.evidence.batch import EvidenceBatch
from zdda.evidence.hash_tree import group_digest
from zdda.ingest.intake_policy import Standing, decide, shows_unsigned_changes, worst_of
from zdda.ingest.package_view import SealedDeposit, archived_package
from zdda.ingest.restored_rows import RestoredBatch, RestoredDeposit, RestoredPackage
from zdda.ingest.validation_rows import validation_uses
from zdda.model.canonical_json import canonical_json
from zdda.model.clock import Clock
from zdda.model.errors import IntegrityError, ZddaError
from zdda.model.identifiers import TenantId
from zdda.model.objects import ObjectKind, ObjectName
from zdda.model.retention import IntakePolicy, OnVerdict
from zdda.model.submission import DocumentDescription
from zdda.packaging.aip_reader import Aip, open_aip
from zdda.packaging.amendment import Amendment, ArchivedPackage, SealingStoringEvidence, read_amendment
from zdda.packaging.deletion_receipt import DeletionReceipt
from zdda.packaging.deposit_record import IntakeFacts
from zdda.packaging.submission import as_json
from zdda.signatures.timestamp_token import parse_timestamp_token
from zdda.storage.object_record import ObjectRecord
from zdda.storage.object_store import ObjectStore


@dataclass(frozen=True, slots=True)
class Problem:
    """An object that the catalog has to do without; ``code`` is that of the error met."""

    name: ObjectName
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class _Batch:
    content: EvidenceBatch
    record: ObjectRecord
    gen_time: datetime


@dataclass(frozen=True, slots=True)
class LearntAmendment:
    """An amendment as it lies in the stores."""

    content: Amendment
    digest: bytes
    record: ObjectRecord


@dataclass(frozen=True, slots=True)
class _Told:
    """What an amendment tells of a package."""

    facts: ArchivedPackage
    batch: UUID
    batch_time: datetime


class FromStores:
    """One tenant's stores, read through the one door, which gives authentic bytes only. What cannot be read becomes
    one of ``problems``. First ``learn``; a batch's members are those packages that are its own by then (``own``).
    ``receipts``: of what was destroyed; ``destroyed``: packages, batches and amendments that they name."""

    def __init__(self, tenant: TenantId, store: ObjectStore, generations: GenerationKeys, clock: Clock) -> None:
        self._tenant, self._store, self._generations, self._clock = tenant, store, generations, clock
        self.problems: list[Problem] = []
        self.amendments: dict[UUID, LearntAmendment] = {}
        self.receipts: list[DeletionReceipt] = []
        self.destroyed: set[UUID] = set()
        self._batches: dict[UUID, _Batch] = {}
        self._told: dict[UUID, _Told] = {}
        self._records: dict[UUID, LearntAmendment] = {}
        self._leaves: dict[bytes, tuple[UUID, int]] = {}
        self._owners: dict[bytes, Member] = {}

    def learn(self, names: Iterable[ObjectName]) -> None:
        """Reads the batches and amendments among ``names``."""
        listed = list(names)
        for name in listed:
            if name.kind is ObjectKind.EVIDENCE_BATCH:
                self._learn_batch(name)
        for name in listed:
            if name.kind is ObjectKind.AMENDMENT:
                self._learn_amendment(name)

    @contextmanager
    def trying(self, name: ObjectName) -> Iterator[None]:
        """What keeps one object from being read is its problem, not that of the run."""
        try:
            yield
        except ZddaError as error:
            self.problems.append(Problem(name, error.code, str(error)))
        except OSError as error:
            self.problems.append(Problem(name, "unreadable", error.strerror or type(error).__name__))

    def on_its_way(self, name: ObjectName) -> bool:
        """Whether it is the object of a batch that no amendment records yet."""
        return name.kind is ObjectKind.EVIDENCE_BATCH and name.package not in self._records

    def recorded_by(self, batch_id: UUID) -> UUID | None:
        """The amendment that records a batch."""
        found = self._records.get(batch_id)
        return found.content.amendment if found is not None else None

    def batch_ids(self) -> list[UUID]:
        """Batches that lie in the stores or that an amendment tells of, oldest first."""
        return sorted(self._batches.keys() | self._records.keys())

    def own(self, package: UUID, leaf: bytes) -> None:
        """The leaf of a batch is a package's."""
        self._owners[leaf] = Member(package, "aip", 0, leaf)

    def package(self, name: ObjectName) -> RestoredPackage:
        """A package's rows; raises ``IntegrityError``, ``NotFound``, ``OSError``, ``Unavailable``."""
        object_record = self._store.record(name)
        with closing(self._store.open(name)) as stream:
            return self._package(object_record, open_aip(stream))

    def write_amendment(self, tx: Transaction, amendment_id: UUID) -> None:
        """Writes the rows of an amendment that lies in the stores."""
        each = self.amendments[amendment_id]
        insert_amendment(
            tx,
            amendment_id,
            each.content.kind,
            each.content.created,
            each.digest,
            each.record.retain_until,
            [(one.package, one.sequence, one.predecessor) for one in each.content.packages],
        )

    def members(self, batch_id: UUID) -> dict[int, Member]:
        """The leaves of a batch whose owners are known: from its object, or, where that is lost, from its amendment."""
        batch, told = self._batches.get(batch_id), self._told_of(batch_id)
        members: dict[int, Member] = {}
        if told is not None:
            for each in told.packages:
                members[each.leaf_index] = Member(each.package, "aip", 0, each.group_digest)
        if batch is not None:
            for index, leaf in enumerate(batch.content.leaves):
                owner = self._owners.get(leaf)
                if owner is not None:
                    members[index] = owner
        return members

    def leaf(self, batch_id: UUID, index: int) -> bytes | None:
        """A leaf's digest; None where the batch's object is lost or has no such leaf."""
        batch = self._batches.get(batch_id)
        return batch.content.leaves[index] if batch is not None and index < len(batch.content.leaves) else None

    def batch(self, batch_id: UUID) -> RestoredBatch:
        """A batch from its object, or, where that is lost, what its amendment tells of it."""
        batch, recorded, told = self._batches.get(batch_id), self._records.get(batch_id), self._told_of(batch_id)
        if batch is not None:
            created, retain_until, gen_time = batch.content.created, batch.record.retain_until, batch.gen_time
        else:
            assert recorded is not None
            assert told is not None
            created, retain_until, gen_time = recorded.content.created, recorded.record.retain_until, told.batch_time
        return RestoredBatch(
            batch_id=batch_id,
            created_at=created,
            retain_until=retain_until,
            root=batch.content.tree().root if batch else b"",
            token=batch.content.token if batch else None,
            gen_time=gen_time,
            batch_record=batch.record.encode() if batch else None,
            recorded_at=recorded.content.created if recorded else None,
            amendment_id=recorded.content.amendment if recorded else None,
            amendment_record=recorded.record.encode() if recorded else None,
            amendment_digest=recorded.digest if recorded else None,
        )

    def _told_of(self, batch_id: UUID) -> SealingStoringEvidence | None:
        recorded = self._records.get(batch_id)
        body = recorded.content.body if recorded is not None else None
        return body if isinstance(body, SealingStoringEvidence) else None

    def _read(self, name: ObjectName) -> bytes:
        with closing(self._store.open(name)) as stream:
            return stream.read()

    def _learn_batch(self, name: ObjectName) -> None:
        with self.trying(name):
            batch = EvidenceBatch.decode(self._read(name))
            if batch.batch_id != name.package:
                raise IntegrityError("the object holds another batch")
            gen_time = parse_timestamp_token(batch.token).gen_time
            self._batches[batch.batch_id] = _Batch(batch, self._store.record(name), gen_time)
            for index, leaf in enumerate(batch.leaves):
                self._leaves.setdefault(leaf, (batch.batch_id, index))

    def _learn_amendment(self, name: ObjectName) -> None:
        with self.trying(name):
            der = self._read(name)
            content, _ = read_amendment(der)
            if content.amendment != name.package:
                raise IntegrityError("the object holds another amendment")
            learnt = LearntAmendment(content, hashlib.sha256(der).digest(), self._store.record(name))
            self.amendments[content.amendment] = learnt
            self._owners[learnt.digest] = Member(content.amendment, "amendment", 0, learnt.digest)
            if isinstance(content.body, SealingStoringEvidence):
                self._records[content.body.batch] = learnt
                for each in content.body.packages:
                    self._told[each.package] = _Told(each, content.body.batch, content.body.batch_time)
            if isinstance(content.body, DeletionReceipt):
                self._learn_receipt(content.body)

    def _learn_receipt(self, receipt: DeletionReceipt) -> None:
        self.receipts.append(receipt)
        for each in receipt.objects:
            self.destroyed.add(each.package)
            if each.leaf is not None:
                self._owners[each.leaf] = Member(each.package, each.kind, 0, each.leaf)

    def _package(self, object_record: ObjectRecord, aip: Aip) -> RestoredPackage:
        if aip.package_id != object_record.name.package:
            raise IntegrityError("the object holds another package")
        leaf = group_digest(aip.group)
        told = self._told.get(aip.package_id)
        place = self._leaves.get(leaf)
        if told is not None and (told.facts.group_digest != leaf or place not in (None, _place_of(told))):
            raise IntegrityError("the package is not what its amendment and batch tell")
        if told is not None:
            place = _place_of(told)
        documents = self._documents(aip)
        reports = [aip.report(each.facts.number) for each in aip.documents]
        deposit = self._deposit(object_record, aip, reports, leaf, place, told)
        if told is None:
            return RestoredPackage(deposit, documents, None, ())
        package = archived_package(cast(SealedDeposit, deposit), documents, told.facts.archived_at, told.batch_time)
        return RestoredPackage(
            replace(deposit, receipt=package.receipt), documents, package, tuple(validation_uses(reports))
        )

    def _documents(self, aip: Aip) -> tuple[ArchivedDocument, ...]:
        return tuple(
            ArchivedDocument(
                DocumentDescription(
                    number=each.facts.number,
                    role=each.facts.role,
                    original_name=each.original_name,
                    media_type=each.facts.media_type,
                    length=each.facts.length,
                    sha256=each.facts.sha256,
                    sha512=each.facts.sha512,
                    crc32=aip.container.entry(each.member).crc32,
                    format_name=each.facts.format_name,
                    puid=each.facts.puid,
                ),
                self._generations.content_id(self._tenant, each.facts.sha256),
                each.facts.verdict,
            )
            for each in aip.documents
        )

    def _deposit(
        self,
        object_record: ObjectRecord,
        aip: Aip,
        reports: list[dict[str, object]],
        leaf: bytes,
        place: tuple[UUID, int] | None,
        told: _Told | None,
    ) -> RestoredDeposit:
        facts, retention = aip.deposit.facts, aip.deposit.facts.retention
        standings = [Standing(each.facts.verdict) for each in aip.documents]
        return RestoredDeposit(
            deposit_id=facts.deposit,
            package_id=facts.package,
            account=facts.account,
            idempotency_key=facts.idempotency_key,
            request_digest=facts.request_digest,
            external_id=aip.metadata.external_id,
            metadata=canonical_json(as_json(aip.metadata)),
            retention_class=retention.name,
            mark=str(retention.mark),
            years=retention.years,
            retain_until=retention.retain_until,
            worst=worst_of(standings),
            flagged=_flagged(facts.intake, standings, reports),
            note=facts.intake.note if facts.intake else None,
            received_at=facts.received_at,
            validated_at=facts.validated_at,
            reports=None if told else canonical_json(reports),  # until it is archived
            sealed_at=aip.deposit.sealed_at,
            stored_at=told.facts.stored_at if told else self._clock.now(),  # now it is known to be stored
            archived_at=told.facts.archived_at if told else None,
            generation=object_record.generation,
            object_record=object_record.encode(),
            group_digest=leaf,
            batch_id=place[0] if place else None,
            leaf_index=place[1] if place else None,
            receipt=None,
        )


def _flagged(intake: IntakeFacts | None, standings: list[Standing], reports: list[dict[str, object]]) -> bool:
    """As it was told at intake. A package that does not say so is older than that member: then by verdicts and reports,
    not by the intake policy of that day."""
    if intake is not None:
        return intake.flagged
    changed = any(shows_unsigned_changes(report) for report in reports)
    return decide(standings, IntakePolicy(), changed).action is not OnVerdict.ACCEPT


def _place_of(told: _Told) -> tuple[UUID, int]:
    return told.batch, told.facts.leaf_index
