"""Rebuilds the catalog from the stores and the keys alone. What the catalog tells afterwards, receipts included, is
what it told before: both ways make their rows with the same functions from the same sealed facts.

Not to be had from the stores: accounts, the audit, deposits rejected or still on their way in the spool (their
Producers hold no more than a 202), idempotency keys of those, and what only a running archive needs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from zdda.audit.log import record as audit
from zdda.catalog.destroyed import insert_destroyed
from zdda.catalog.installation import mark_rebuilt
from zdda.catalog.packages import insert_object
from zdda.crypto.generations import GenerationKeys
from zdda.database.session import TenantDatabase, Transaction
from zdda.ingest.objects import stored_object
from zdda.ingest.restored_rows import destroyed_values, is_empty, write_batch, write_members, write_package
from zdda.ingest.restoring import FromStores, Problem
from zdda.model.clock import Clock
from zdda.model.errors import Conflict, IntegrityError
from zdda.model.objects import ObjectKind, ObjectName
from zdda.model.placement import EVERYWHERE, Placed
from zdda.storage.object_store import ObjectStore

Progress = Callable[[int, int], None]


class CatalogNotEmpty(Conflict):
    """The database holds a catalog already: a rebuild fills an empty one only."""

    code = "catalog-not-empty"


@dataclass(slots=True)
class RebuildReport:
    """``waiting``: packages that are stored and not yet under recorded evidence; the archive goes on with them.
    ``problems``: what the catalog was rebuilt without."""

    packages: int = 0
    waiting: int = 0
    batches: int = 0
    amendments: int = 0
    objects: int = 0
    problems: list[Problem] = field(default_factory=list)


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
        self._database, self._store, self._clock, self._progress = database, store, clock, progress
        self._stores = FromStores(database.tenant, store, generations, clock)
        self._report = RebuildReport(problems=self._stores.problems)

    def run(self) -> RebuildReport:
        """Raises ``CatalogNotEmpty``; what cannot be read is in the report."""
        with self._database.read() as tx:
            if not is_empty(tx):
                raise CatalogNotEmpty("the database holds a catalog already")
        names = [record.name for record in self._store.records() if record.name.tenant == self._database.tenant]
        self._stores.learn(names)
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

    def _list_object(self, tx: Transaction, name: ObjectName) -> None:
        """One object; for a package all its rows. The object of a batch that is still on its way is listed when the
        archive has gone on with it."""
        with self._stores.trying(name):
            if name.package in self._stores.destroyed:
                raise IntegrityError("a deletion receipt tells that this was destroyed")
            object_record = self._store.record(name)
            if name.kind is ObjectKind.AIP:
                self._write_package(tx, name)
            if not self._stores.on_its_way(name):
                # where it does not lie, and should, the next start notes
                placed = Placed(self._store.where(object_record, EVERYWHERE).present)
                insert_object(tx, stored_object(object_record), placed, self._clock.now())
                self._report.objects += 1

    def _write_package(self, tx: Transaction, name: ObjectName) -> None:
        restored = self._stores.package(name)
        write_package(tx, restored)
        self._stores.own(name.package, restored.deposit.group_digest)
        if restored.package is not None:
            self._report.packages += 1
        else:
            self._report.waiting += 1

    def _write_evidence(self, tx: Transaction) -> None:
        for receipt in self._stores.receipts:
            for gone in receipt.packages:
                insert_destroyed(tx, destroyed_values(gone, receipt.disposal))
        for amendment_id in sorted(self._stores.amendments):
            self._stores.write_amendment(tx, amendment_id)
            self._report.amendments += 1
        for batch_id in self._stores.batch_ids():
            write_batch(tx, self._stores.batch(batch_id))
            write_members(tx, batch_id, self._stores.members(batch_id))
            self._report.batches += 1
