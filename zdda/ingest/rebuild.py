"""Rebuilds the catalog from the stores and the keys alone. What the catalog tells afterwards, receipts included, is
what it told before: both ways make their rows with the same functions from the same sealed facts.

Not to be had from the stores: accounts, the audit, deposits rejected or still on their way in the spool (their
Producers hold no more than a 202), idempotency keys of those, and what only a running archive needs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import cast
from uuid import UUID

from zdda.audit.log import record as audit
from zdda.catalog.destroyed import insert_destroyed
from zdda.catalog.evidence import Member, insert_amendment, insert_members
from zdda.catalog.installation import mark_rebuilt
from zdda.catalog.packages import ArchivedDocument, insert_object, insert_package
from zdda.catalog.validation_objects import insert_validation_uses
from zdda.crypto.generations import GenerationKeys
from zdda.database.session import TenantDatabase, Transaction
from zdda.evidence.batch import EvidenceBatch
from zdda.evidence.hash_tree import group_digest
from zdda.ingest.intake_policy import Standing, decide, shows_unsigned_changes, worst_of
from zdda.ingest.objects import stored_object
from zdda.ingest.package_view import SealedDeposit, archived_package
from zdda.ingest.restored_rows import (
    RestoredBatch,
    RestoredDeposit,
    destroyed_values,
    is_empty,
    restore_batch,
    restore_deposit,
)
from zdda.ingest.validation_rows import validation_uses
from zdda.model.canonical_json import canonical_json
from zdda.model.clock import Clock
from zdda.model.errors import Conflict, IntegrityError, ZddaError
from zdda.model.objects import ObjectKind, ObjectName
from zdda.model.placement import EVERYWHERE, Placed
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

Progress = Callable[[int, int], None]


class CatalogNotEmpty(Conflict):
    """The database holds a catalog already: a rebuild fills an empty one only."""

    code = "catalog-not-empty"


class NamedTwice(IntegrityError):
    """Two packages in the stores claim one name; the younger is left out of the catalog, and stays in the store."""

    code = "named-twice"


@dataclass(frozen=True, slots=True)
class Problem:
    """An object that the catalog was rebuilt without; ``code`` is that of the error met."""

    name: ObjectName
    code: str
    message: str


@dataclass(slots=True)
class RebuildReport:
    """``waiting``: packages that are stored and not yet under recorded evidence; the archive goes on with them."""

    packages: int = 0
    waiting: int = 0
    batches: int = 0
    amendments: int = 0
    objects: int = 0
    problems: list[Problem] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Batch:
    content: EvidenceBatch
    record: ObjectRecord
    gen_time: datetime


@dataclass(frozen=True, slots=True)
class _Amendment:
    content: Amendment
    digest: bytes
    record: ObjectRecord


@dataclass(frozen=True, slots=True)
class _Told:
    """What an amendment tells of a package."""

    facts: ArchivedPackage
    batch: UUID
    batch_time: datetime


class CatalogRebuild:
    """One run. Everything is written in one transaction: the whole catalog or none.

    Objects are read through the store, which gives authentic bytes only; run ``fsck`` first to know what is wrong.
    """

    def __init__(
        self,
        database: TenantDatabase,
        store: ObjectStore,
        generations: GenerationKeys,
        clock: Clock,
        progress: Progress = lambda _done, _all: None,
    ) -> None:
        self._database, self._store, self._generations = database, store, generations
        self._clock, self._progress = clock, progress
        self._report = RebuildReport()
        self._batches: dict[UUID, _Batch] = {}
        self._amendments: dict[UUID, _Amendment] = {}
        self._told: dict[UUID, _Told] = {}
        self._records: dict[UUID, _Amendment] = {}
        self._leaves: dict[bytes, tuple[UUID, int]] = {}
        self._owners: dict[bytes, Member] = {}
        self._taken: set[tuple[str, ...]] = set()
        self._receipts: list[DeletionReceipt] = []
        self._destroyed: set[UUID] = set()

    def run(self) -> RebuildReport:
        """Raises ``CatalogNotEmpty``; what cannot be read is in the report."""
        with self._database.read() as tx:
            if not is_empty(tx):
                raise CatalogNotEmpty("the database holds a catalog already")
        names = [record.name for record in self._store.records() if record.name.tenant == self._database.tenant]
        for name in names:
            if name.kind is ObjectKind.EVIDENCE_BATCH:
                self._learn_batch(name)
        for name in names:
            if name.kind is ObjectKind.AMENDMENT:
                self._learn_amendment(name)
        with self._database.write() as tx:
            if not is_empty(tx):
                raise CatalogNotEmpty("the database holds a catalog already")
            for done, name in enumerate(names):
                self._progress(done, len(names))
                self._list_object(tx, name)
            self._write_evidence(tx)
            mark_rebuilt(tx, max((name.package for name in names), key=lambda each: each.int, default=None))
            audit(tx, self._clock.now(), "catalog-rebuilt", packages=self._report.packages)
        self._progress(len(names), len(names))
        return self._report

    @contextmanager
    def _trying(self, name: ObjectName) -> Iterator[None]:
        """What keeps one object from being read is its problem, not the rebuild's."""
        try:
            yield
        except ZddaError as error:
            self._report.problems.append(Problem(name, error.code, str(error)))
        except OSError as error:
            self._report.problems.append(Problem(name, "unreadable", error.strerror or type(error).__name__))

    def _read(self, name: ObjectName) -> bytes:
        with closing(self._store.open(name)) as stream:
            return stream.read()

    def _learn_batch(self, name: ObjectName) -> None:
        with self._trying(name):
            batch = EvidenceBatch.decode(self._read(name))
            if batch.batch_id != name.package:
                raise IntegrityError("the object holds another batch")
            gen_time = parse_timestamp_token(batch.token).gen_time
            self._batches[batch.batch_id] = _Batch(batch, self._store.record(name), gen_time)
            for index, leaf in enumerate(batch.leaves):
                self._leaves.setdefault(leaf, (batch.batch_id, index))

    def _learn_amendment(self, name: ObjectName) -> None:
        with self._trying(name):
            der = self._read(name)
            content, _ = read_amendment(der)
            if content.amendment != name.package:
                raise IntegrityError("the object holds another amendment")
            learnt = _Amendment(content, hashlib.sha256(der).digest(), self._store.record(name))
            self._amendments[content.amendment] = learnt
            self._owners[learnt.digest] = Member(content.amendment, "amendment", 0, learnt.digest)
            if isinstance(content.body, SealingStoringEvidence):
                self._records[content.body.batch] = learnt
                for each in content.body.packages:
                    self._told[each.package] = _Told(each, content.body.batch, content.body.batch_time)
            if isinstance(content.body, DeletionReceipt):
                self._learn_receipt(content.body)

    def _learn_receipt(self, receipt: DeletionReceipt) -> None:
        self._receipts.append(receipt)
        for each in receipt.objects:
            self._destroyed.add(each.package)
            if each.leaf is not None:
                self._owners[each.leaf] = Member(each.package, each.kind, 0, each.leaf)

    def _list_object(self, tx: Transaction, name: ObjectName) -> None:
        """One object; for a package all its rows. The object of a batch that is still on its way is listed when the
        archive has gone on with it."""
        on_its_way = name.kind is ObjectKind.EVIDENCE_BATCH and name.package not in self._records
        with self._trying(name):
            if name.package in self._destroyed:
                raise IntegrityError("a deletion receipt tells that this was destroyed")
            object_record = self._store.record(name)
            if name.kind is ObjectKind.AIP:
                with closing(self._store.open(name)) as stream:
                    self._write_package(tx, object_record, open_aip(stream))
            if not on_its_way:
                # where it does not lie, and should, the next start notes
                placed = Placed(self._store.where(object_record, EVERYWHERE).present)
                insert_object(tx, stored_object(object_record), placed, self._clock.now())
                self._report.objects += 1

    def _write_package(self, tx: Transaction, object_record: ObjectRecord, aip: Aip) -> None:
        if aip.package_id != object_record.name.package:
            raise IntegrityError("the object holds another package")
        leaf = group_digest(aip.group)
        told = self._told.get(aip.package_id)
        place = self._leaves.get(leaf)
        if told is not None and (told.facts.group_digest != leaf or place not in (None, _place_of(told))):
            raise IntegrityError("the package is not what its amendment and batch tell")
        if told is not None:
            place = _place_of(told)
        self._take_names(aip)
        self._owners[leaf] = Member(aip.package_id, "aip", 0, leaf)
        documents = self._documents(aip)
        reports = [aip.report(each.facts.number) for each in aip.documents]
        deposit = self._deposit(object_record, aip, reports, leaf, place, told)
        if told is not None:
            package = archived_package(cast(SealedDeposit, deposit), documents, told.facts.archived_at, told.batch_time)
            insert_package(tx, package)
            insert_validation_uses(tx, aip.package_id, validation_uses(reports))
            deposit = replace(deposit, receipt=package.receipt)
            self._report.packages += 1
        else:
            self._report.waiting += 1
        restore_deposit(tx, deposit, documents)

    def _take_names(self, aip: Aip) -> None:
        """Names that belong to one package for ever; the older one has them. Two packages share one where an older copy
        of the catalog was put back and the Producer deposited again."""
        facts, external = aip.deposit.facts, aip.metadata.external_id
        taken: set[tuple[str, ...]] = {("deposit", str(facts.deposit))}
        if facts.idempotency_key is not None:
            taken.add(("key", facts.account, facts.idempotency_key))
        if external is not None:
            taken.add(("external", external.producer, external.id))
        if taken & self._taken:
            raise NamedTwice("an older package has its deposit's name, idempotency key or external identifier")
        self._taken |= taken

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
                self._generations.content_id(self._database.tenant, each.facts.sha256),
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

    def _write_evidence(self, tx: Transaction) -> None:
        for receipt in self._receipts:
            for gone in receipt.packages:
                insert_destroyed(tx, destroyed_values(gone, receipt.disposal))
        for amendment_id, each in sorted(self._amendments.items()):
            insert_amendment(
                tx,
                amendment_id,
                each.content.kind,
                each.content.created,
                each.digest,
                each.record.retain_until,
                [(one.package, one.sequence, one.predecessor) for one in each.content.packages],
            )
            self._report.amendments += 1
        for batch_id in sorted(self._batches.keys() | self._records.keys()):
            self._write_batch(tx, batch_id, self._batches.get(batch_id), self._records.get(batch_id))
            self._report.batches += 1

    def _write_batch(self, tx: Transaction, batch_id: UUID, batch: _Batch | None, recorded: _Amendment | None) -> None:
        """A batch from its object, or, where that is lost, what its amendment tells of it."""
        told = recorded.content.body if recorded else None
        members: dict[int, Member] = {}
        if isinstance(told, SealingStoringEvidence):
            for each in told.packages:
                members[each.leaf_index] = Member(each.package, "aip", 0, each.group_digest)
        if batch is not None:
            for index, leaf in enumerate(batch.content.leaves):
                owner = self._owners.get(leaf)
                if owner is not None:
                    members[index] = owner
        if batch is not None:
            created, retain_until, gen_time = batch.content.created, batch.record.retain_until, batch.gen_time
        else:
            assert recorded is not None
            assert isinstance(told, SealingStoringEvidence)
            created, retain_until, gen_time = recorded.content.created, recorded.record.retain_until, told.batch_time
        restore_batch(
            tx,
            RestoredBatch(
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
            ),
        )
        if members:
            insert_members(tx, batch_id, members)


def _flagged(intake: IntakeFacts | None, standings: list[Standing], reports: list[dict[str, object]]) -> bool:
    """As it was told at intake. A package that does not say so is older than that member: then by verdicts and reports,
    not by the intake policy of that day."""
    if intake is not None:
        return intake.flagged
    changed = any(shows_unsigned_changes(report) for report in reports)
    return decide(standings, IntakePolicy(), changed).action is not OnVerdict.ACCEPT


def _place_of(told: _Told) -> tuple[UUID, int]:
    return told.batch, told.facts.leaf_index
