"""Brings catalog and stores level after an old backup of either was put back, and tells what it did.

The stores are the truth of what was archived: rows that they tell otherwise are made anew from them, by the functions
that a rebuild uses. The catalog is the truth of what should lie where: what a site lacks is noted for replication and
scrubbing. Nothing is erased, and no row goes of what is not in the stores. Only on a stopped archive.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select

from zdda.audit.log import record as audit
from zdda.catalog.installation import mark_rebuilt, rebuilt_to
from zdda.catalog.tables import deposits
from zdda.crypto.generations import GenerationKeys
from zdda.database.session import TenantDatabase, Transaction
from zdda.ingest.reconcile import Difference, Where, differences_in
from zdda.ingest.repair_copies import Found, Sites, level_copies
from zdda.ingest.repair_plan import Plan, Planning
from zdda.ingest.repair_records import DESTROYED, Place, copy_states, disposed_objects, mend_records, on_its_way_out
from zdda.ingest.repair_report import Did, Item, RepairReport, identifier_of
from zdda.ingest.repair_rows import replace_amendment, replace_batch, replace_object, replace_package, write_destroyed
from zdda.ingest.restoring import FromStores
from zdda.model.clock import Clock
from zdda.model.objects import ObjectKind, ObjectName
from zdda.packaging.deletion_receipt import DeletionReceipt
from zdda.storage.blob_store import BlobStore, CrashPoint, no_crash
from zdda.storage.key_area import sort_key
from zdda.storage.object_store import ObjectStore

Line = Mapping[str, Any]
REPAIR_POINTS = ("repair.records-written", "repair.before-commit", "repair.committed")


def repair_records(
    database: TenantDatabase,
    places: Sequence[Place],
    blobs: Mapping[str, BlobStore],
    store: ObjectStore,
    generations: GenerationKeys,
    clock: Clock,
    crash: CrashPoint = no_crash,
) -> list[Item]:
    """The first step, before the inventory is taken: see ``zdda.ingest.repair_records``."""
    stores = FromStores(database.tenant, store, generations, clock)
    stores.learn(each.name for each in store.records() if each.name.kind is ObjectKind.AMENDMENT)
    with database.read() as tx:
        items = list(mend_records(tx, places, blobs, generations, stores.destroyed))
    crash("repair.records-written")
    return items


class CatalogRepair:
    """The second step, one run, with an inventory that ``fsck`` has made since the first. All is written in one
    transaction. ``spool``: the names of files that lie in the spool."""

    def __init__(
        self,
        database: TenantDatabase,
        store: ObjectStore,
        generations: GenerationKeys,
        archive: str,
        sites: Sites,
        spool: Collection[str],
        clock: Clock,
        crash: CrashPoint = no_crash,
    ) -> None:
        self._database, self._store, self._generations, self._archive = database, store, generations, archive
        self._sites, self._spool, self._clock, self._crash = sites, spool, clock, crash
        self._stores = FromStores(database.tenant, store, generations, clock)
        self._items: list[Item] = []

    def run(self, lines: Sequence[Line], records: Sequence[Item] = ()) -> RepairReport:
        """``records``: what the first step did. Raises ``ForeignInventory``, ``Unavailable``."""
        report = RepairReport(self._items)
        self._items += records
        with self._database.write() as tx:
            states, disposed = copy_states(tx), disposed_objects(tx)
            differences = []
            for each in differences_in(tx, self._generations, self._archive, lines):
                name = _object_of(tx, each)
                if name not in disposed and not on_its_way_out(states.get(name, {})):
                    differences.append(each)
            if differences:
                self._restore(tx, lines, differences)
            self._level(tx, lines, differences)
            if report.changed:
                audit(tx, self._clock.now(), "archive-repaired", **report.counts())
            self._crash("repair.before-commit")
        self._crash("repair.committed")
        return report

    def _restore(self, tx: Transaction, lines: Sequence[Line], differences: Sequence[Difference]) -> None:
        names = [_name(tx, line) for line in lines if line["type"] == "object"]
        self._stores.learn(names)
        plan = Planning(tx, self._stores, lines, self._spool).plan(differences)
        self._destroyed(tx, plan, set(names))
        for package in sorted(plan.packages):
            self._package(tx, ObjectName(tx.tenant, package, ObjectKind.AIP))
        if plan.batches or plan.amendments:
            self._evidence(tx, lines, plan)
        for name in sorted(plan.objects, key=sort_key):
            with self._stores.trying(name):
                replace_object(tx, self._store.record(name), self._clock)
                self._did("object", identifier_of(name))
        for problem in self._stores.problems:
            self._items.append(Item(Did.LEFT, problem.name.kind.value, identifier_of(problem.name), None, problem.code))
        if self._stores.problems:  # what is left out of the catalog up to here is told, and no reason not to start
            youngest, before = max((name.package for name in names), key=lambda each: each.int), rebuilt_to(tx)
            if before is None or before.int < youngest.int:
                mark_rebuilt(tx, youngest)

    def _destroyed(self, tx: Transaction, plan: Plan, there: Collection[ObjectName]) -> None:
        """What receipts tell to be destroyed is not restored, wherever it has come from."""
        for amendment in sorted(plan.amendments):
            body = self._stores.amendments[amendment].content.body
            if isinstance(body, DeletionReceipt):
                for package in write_destroyed(tx, body, amendment, there):
                    self._did("deletion", str(package))
        for name in sorted((name for name in there if name.package in self._stores.destroyed), key=sort_key):
            self._items.append(Item(Did.LEFT, name.kind.value, identifier_of(name), None, DESTROYED))
        for planned in (plan.packages, plan.batches, plan.amendments):
            planned -= self._stores.destroyed
        plan.objects = {name for name in plan.objects if name.package not in self._stores.destroyed}

    def _package(self, tx: Transaction, name: ObjectName) -> None:
        with self._stores.trying(name):
            record, restored = self._store.record(name), self._stores.package(name)
            replace_package(tx, restored, record, self._clock)
            self._did("package", str(name.package))

    def _evidence(self, tx: Transaction, lines: Sequence[Line], plan: Plan) -> None:
        batches: dict[UUID, UUID | None] = {}
        listed = set(tx.execute(select(deposits.c.package_id).where(deposits.c.tenant_id == tx.tenant)).scalars())
        for line in lines:
            if line["type"] == "amendment":
                batches[UUID(line["amendment"])] = UUID(line["batch"]) if line["batch"] is not None else None
            elif line["type"] == "package" and UUID(line["package"]) in listed:
                self._stores.own(UUID(line["package"]), bytes.fromhex(line["groupDigest"]))
        for amendment in sorted(plan.amendments):
            with self._stores.trying(ObjectName(tx.tenant, amendment, ObjectKind.AMENDMENT)):
                replace_amendment(tx, self._stores, amendment, batches.get(amendment))
                self._did("amendment", str(amendment))
        for batch in sorted(plan.batches):
            with self._stores.trying(ObjectName(tx.tenant, batch, ObjectKind.EVIDENCE_BATCH)):
                replace_batch(tx, self._stores, batch)
                self._did("batch", str(batch))

    def _level(self, tx: Transaction, lines: Sequence[Line], differences: Sequence[Difference]) -> None:
        now = self._clock.now()
        items = list(level_copies(tx, self._sites, Found(tx.tenant, lines), now))
        noted = {item.identifier for item in items if item.did is Did.COPY_DAMAGED}
        lost = {item.identifier: item for item in items if item.did is Did.LOST}
        for identifier in lost.keys() & noted:  # once
            audit(tx, now, "object-lost", object=identifier, why=lost[identifier].why)
        restored = {item.identifier.partition("/")[0] for item in self._items if item.did is Did.RESTORED}
        for item in items:  # that a copy is where its object was found needs no line of its own
            if item.did is not Did.COPY_PRESENT or item.identifier.partition("/")[0] not in restored:
                self._items.append(item)
        told = {identifier.partition("/")[0] for identifier in lost}
        for each in differences:
            lacking = each.where is Where.ONLY_IN_CATALOG and each.kind not in ("object", "document")
            if lacking and each.identifier not in told and UUID(each.identifier) not in self._stores.destroyed:
                self._items.append(Item(Did.LEFT, each.kind, each.identifier, None, "only-in-catalog"))

    def _did(self, kind: str, identifier: str) -> None:
        self._items.append(Item(Did.RESTORED, kind, identifier))


def _name(tx: Transaction, line: Line) -> ObjectName:
    return ObjectName(tx.tenant, UUID(line["package"]), ObjectKind(line["kind"]), line["sequence"])


def _object_of(tx: Transaction, difference: Difference) -> ObjectName:
    """The object that a difference is about."""
    owner, *rest = difference.identifier.split("/")
    if difference.kind == "object":
        return ObjectName(tx.tenant, UUID(owner), ObjectKind(rest[0]), int(rest[1]))
    kinds = {"batch": ObjectKind.EVIDENCE_BATCH, "amendment": ObjectKind.AMENDMENT}
    return ObjectName(tx.tenant, UUID(owner), kinds.get(difference.kind, ObjectKind.AIP))
