"""Which rows of the catalog are to be made anew from the stores. Decides; changes nothing.

What the archive would list itself at its next start stays with it. A row that only looks so, because it comes from an
older copy of the catalog, would not: its next step finds another object under the name, or files of the spool gone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import Table, select

from zdda.catalog.evidence import BatchState
from zdda.catalog.tables import amendments, deposits, evidence_batches
from zdda.database.session import AnyRow, Transaction
from zdda.ingest.reconcile import Difference, Where
from zdda.ingest.restoring import FromStores
from zdda.model.deposit import DepositState
from zdda.model.errors import IntegrityError
from zdda.model.objects import ObjectKind, ObjectName
from zdda.packaging.amendment import SealingStoringEvidence
from zdda.storage.object_record import ObjectRecord

Line = Mapping[str, Any]
_PLACE = ("batch", "leafIndex", "leaf")


@dataclass(slots=True)
class Plan:
    """``objects``: those of batches and amendments; a package's comes with its package."""

    packages: set[UUID] = field(default_factory=set)
    batches: set[UUID] = field(default_factory=set)
    amendments: set[UUID] = field(default_factory=set)
    objects: set[ObjectName] = field(default_factory=set)


class Planning:
    """One plan, by the differences that ``reconcile`` found between the catalog and ``lines``. ``spool``: the names of
    files that lie in the spool."""

    def __init__(self, tx: Transaction, stores: FromStores, lines: Iterable[Line], spool: Collection[str]) -> None:
        self._tx, self._stores, self._spool = tx, stores, spool
        self._batches_in_stores = set(stores.batch_ids())
        self._packages: dict[UUID, Line] = {}
        self._objects: dict[tuple[str, UUID], Line] = {}
        for line in lines:
            if line["type"] == "package":
                self._packages[UUID(line["package"])] = line
            elif line["type"] == "object":
                self._objects[line["kind"], UUID(line["package"])] = line
        self._plan = Plan()

    def plan(self, differences: Collection[Difference]) -> Plan:
        """What is to be restored; nothing of what is only in the catalog."""
        there = [each for each in differences if each.where is not Where.ONLY_IN_CATALOG or each.kind == "document"]
        for each in there:
            owner = UUID(each.identifier.partition("/")[0])
            if each.kind in ("package", "document"):
                self._package(owner, each)
            elif each.kind == "batch":
                self._batch(owner, sure=each.where is not Where.PENDING)
            elif each.kind == "amendment":
                self._amendment(owner, each)
            elif each.identifier.split("/")[1] == ObjectKind.AIP:
                self._package(owner, each)
        self._what_hangs_together()
        for each in there:
            if each.kind == "object":
                self._object(each)
        return self._plan

    def _package(self, package: UUID, difference: Difference) -> None:
        if (ObjectKind.AIP.value, package) not in self._objects:
            return
        line = self._packages.get(package)
        batch = UUID(line["batch"]) if line is not None and line["batch"] is not None else None
        if difference.where is Where.PENDING and self._package_goes_on(package, batch):
            return
        if difference.member in _PLACE and line is not None and batch is None:
            return  # its evidence is lost or damaged in the stores: the catalog knows better
        self._plan.packages.add(package)
        if difference.member == "leaf" and batch is not None:
            self._batch(batch, sure=True)

    def _package_goes_on(self, package: UUID, batch: UUID | None) -> bool:
        deposit = self._row(deposits, package_id=package)
        if deposit is None or not self._is_stored_as(deposit.object_record, ObjectKind.AIP, package):
            return False
        if deposit.state == DepositState.SEALED:
            return batch is None and deposit.container_file in self._spool
        if deposit.state != DepositState.STORED:
            return False
        return batch is None or (deposit.batch_id == batch and self._batch_goes_on(batch))

    def _batch(self, batch: UUID, *, sure: bool) -> None:
        if batch in self._batches_in_stores and (sure or not self._batch_goes_on(batch)):
            self._plan.batches.add(batch)

    def _batch_goes_on(self, batch: UUID) -> bool:
        """Whether its row, and the amendment that the row will be recorded in, are those of the stores, and the
        file that the next step reads is there. A batch that was rebuilt or repaired goes on from its object."""
        row = self._row(evidence_batches, batch_id=batch)
        if row is None or row.token is None:
            return False
        file = {BatchState.TIMESTAMPED: row.batch_file, BatchState.STORED: row.amendment_file}.get(row.state)
        if file is not None and file not in self._spool:
            return False
        recorded_by = self._stores.recorded_by(batch)
        if (ObjectKind.EVIDENCE_BATCH.value, batch) in self._objects and row.token != self._stores.batch(batch).token:
            return False
        return recorded_by is None or recorded_by == row.amendment_id

    def _amendment(self, amendment: UUID, difference: Difference) -> None:
        learnt = self._stores.amendments.get(amendment)
        if learnt is None:
            return
        body = learnt.content.body
        if isinstance(body, SealingStoringEvidence):
            self._batch(body.batch, sure=False)
            if difference.where is Where.PENDING and self._batch_goes_on(body.batch):
                return
        elif difference.where is Where.PENDING:
            row = self._row(amendments, amendment_id=amendment)
            if row is not None and self._goes_on_from_spool(row, amendment):
                return
        self._plan.amendments.add(amendment)

    def _goes_on_from_spool(self, row: AnyRow, amendment: UUID) -> bool:
        return row.spool_file in self._spool and self._is_stored_as(row.object_record, ObjectKind.AMENDMENT, amendment)

    def _what_hangs_together(self) -> None:
        """A batch that is recorded is so with its packages and its amendment."""
        for package in self._plan.packages:
            line = self._packages.get(package)
            if line is not None and line["batch"] is not None:
                batch = UUID(line["batch"])
                row = self._row(evidence_batches, batch_id=batch)
                recorded = row is not None and row.state == BatchState.RECORDED
                if row is None or (not recorded and self._stores.recorded_by(batch) is not None):
                    self._batch(batch, sure=True)
        for batch in self._plan.batches:
            recorded_by = self._stores.recorded_by(batch)
            if recorded_by is None:
                continue
            if self._row(amendments, amendment_id=recorded_by) is None:
                self._plan.amendments.add(recorded_by)
            for member in self._stores.members(batch).values():
                if member.kind == ObjectKind.AIP and (ObjectKind.AIP.value, member.package_id) in self._objects:
                    deposit = self._row(deposits, package_id=member.package_id)
                    if deposit is None or deposit.state != DepositState.ARCHIVED:
                        self._plan.packages.add(member.package_id)

    def _object(self, difference: Difference) -> None:
        """Whether its owner's row, as it is after the repair, says that it is listed."""
        package, kind, sequence = difference.identifier.split("/")
        name = ObjectName(self._tx.tenant, UUID(package), ObjectKind(kind), int(sequence))
        if name.kind is ObjectKind.EVIDENCE_BATCH:
            row = self._row(evidence_batches, batch_id=name.package)
            stored = row is not None and row.state in (BatchState.STORED, BatchState.RECORDED)
            if stored or (name.package in self._plan.batches and not self._stores.on_its_way(name)):
                self._plan.objects.add(name)
        elif name.kind is ObjectKind.AMENDMENT:
            row = self._row(amendments, amendment_id=name.package)
            if name.package in self._plan.amendments or (row is not None and row.spool_file is None):
                self._plan.objects.add(name)

    def _is_stored_as(self, encoded: bytes | None, kind: ObjectKind, owner: UUID) -> bool:
        line = self._objects.get((kind.value, owner))
        try:
            return line is not None and str(ObjectRecord.decode(encoded or b"").address) == line["address"]
        except IntegrityError:
            return False

    def _row(self, table: Table, **values: object) -> AnyRow | None:
        conditions = [table.c[name] == value for name, value in values.items()]
        return self._tx.execute(select(table).where(table.c.tenant_id == self._tx.tenant, *conditions)).one_or_none()
