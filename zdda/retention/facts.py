"""What a plan is made from: what catalog, records and sites say of a package's objects. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from zdda.catalog.disposals import (
    amendments_of_packages,
    batches_of,
    living,
    packages_of_amendment,
    records_batch,
)
from zdda.catalog.evidence import BatchState, members_of
from zdda.catalog.packages import get_package
from zdda.crypto.generations import GenerationKeys
from zdda.database.session import AnyRow, TenantDatabase, Transaction
from zdda.model.errors import IntegrityError, NotFound, Unavailable
from zdda.model.objects import ObjectKind, ObjectName
from zdda.model.retention import DisposalMark
from zdda.retention.places import Everywhere, Place
from zdda.retention.plan import CopyFacts, ObjectFacts, PackageFacts, SharedFacts
from zdda.storage.blob_store import BlobStore
from zdda.storage.object_record import ObjectRecord


class FactFinder:
    """Asks every place and every site; one that does not answer is a reason to keep, not an error."""

    def __init__(self, database: TenantDatabase, everywhere: Everywhere, generations: GenerationKeys) -> None:
        self._database, self._everywhere, self._generations = database, everywhere, generations

    def packages(self, package_ids: Sequence[UUID]) -> list[PackageFacts]:
        """Raises ``NotFound``, ``PackageDestroyed`` where one is not in the archive."""
        with self._database.read() as tx:
            return [self._package(tx, package_id) for package_id in dict.fromkeys(package_ids)]

    def shared(self, facts: Sequence[PackageFacts]) -> list[SharedFacts]:
        """What these packages share with others, directly or through what proves it."""
        found: dict[UUID, SharedFacts] = {}
        with self._database.read() as tx:
            look_at = {each.name.package for package in facts for each in package.objects}
            while look_at:
                new: set[UUID] = set()
                for amendment in amendments_of_packages(tx, look_at):
                    if amendment.amendment_id not in found and not _own(tx, amendment.amendment_id):
                        new |= self._alone(tx, found, amendment)
                for batch in batches_of(tx, look_at):
                    if batch.batch_id not in found:
                        new |= self._batch(tx, found, batch)
                look_at = new
        return list({id(each): each for each in found.values()}.values())

    def object(self, name: ObjectName, leaf: bytes | None = None) -> ObjectFacts | None:
        """What is known of one object; None where no place has a record of it and so nothing tells its address."""
        unknown: list[str] = []
        records = [record for place in self._everywhere.places if (record := self._record(place, name, unknown))]
        if not records:
            return None
        latest = max(records, key=lambda each: each.retain_until)
        if len({each.address for each in records}) != 1:
            unknown.append("places name different objects")
        copies = [copy for site in self._everywhere.sites if (copy := _copy(site.name, site.blobs, latest, unknown))]
        return ObjectFacts(
            name,
            latest.address,
            latest.length,
            latest.generation,
            latest.retain_until,
            tuple(copies),
            leaf,
            tuple(unknown),
        )

    def _package(self, tx: Transaction, package_id: UUID) -> PackageFacts:
        row = get_package(tx, package_id)
        unsettled: list[str] = []
        listed: list[ObjectFacts | None] = [self.object(self._name(package_id, ObjectKind.AIP), row.group_digest)]
        for amendment in amendments_of_packages(tx, [package_id]):
            if not _own(tx, amendment.amendment_id):
                continue
            if amendment.spool_file is not None:
                unsettled.append("an amendment is still on its way")
            listed.append(self.object(self._name(amendment.amendment_id, ObjectKind.AMENDMENT), amendment.digest))
        if None in listed:
            unsettled.append("no place has the record of one of its objects")
        objects = tuple(each for each in listed if each is not None)
        mark = DisposalMark(row.mark)
        return PackageFacts(package_id, mark, row.retain_until, objects, unsettled=tuple(unsettled))

    def _alone(self, tx: Transaction, found: dict[UUID, SharedFacts], amendment: AnyRow) -> set[UUID]:
        """An amendment of several packages; one that records a batch goes with the batch."""
        for batch in batches_of(tx, packages_of_amendment(tx, amendment.amendment_id)):
            if batch.amendment_id == amendment.amendment_id:
                return set() if batch.batch_id in found else self._batch(tx, found, batch)
        objects = self.object(self._name(amendment.amendment_id, ObjectKind.AMENDMENT), amendment.digest)
        unsettled = () if amendment.spool_file is None else ("it is still on its way",)
        serves = living(tx, packages_of_amendment(tx, amendment.amendment_id))
        found[amendment.amendment_id] = SharedFacts((objects,) if objects else (), serves, unsettled)
        return {amendment.amendment_id}

    def _batch(self, tx: Transaction, found: dict[UUID, SharedFacts], batch: AnyRow) -> set[UUID]:
        members = frozenset(each.package_id for each in members_of(tx, batch.batch_id))
        listed = [self.object(self._name(batch.batch_id, ObjectKind.EVIDENCE_BATCH))]
        unsettled = []
        if batch.state != BatchState.RECORDED or batch.amendment_id is None:
            unsettled.append("it is still on its way")
        else:
            rows = amendments_of_packages(tx, members)
            digest = next((each.digest for each in rows if each.amendment_id == batch.amendment_id), None)
            listed.append(self.object(self._name(batch.amendment_id, ObjectKind.AMENDMENT), digest))
        if None in listed:
            unsettled.append("no place has the record of one of its objects")
        objects = tuple(each for each in listed if each is not None)
        shared = SharedFacts(objects, living(tx, members), tuple(unsettled))
        found[batch.batch_id] = shared
        if batch.amendment_id is not None:
            found[batch.amendment_id] = shared
        return {each.name.package for each in objects}

    def _record(self, place: Place, name: ObjectName, unknown: list[str]) -> ObjectRecord | None:
        try:
            record = place.records.read(name)
        except NotFound:
            return None
        except (IntegrityError, Unavailable):
            unknown.append(f"place {place.name} gives no good record")
            return None
        try:
            record.check_retention(self._generations)
            record.data_key(self._generations)
        except (IntegrityError, NotFound):
            unknown.append(f"place {place.name} has a record that nobody can prove")
            return None
        return record

    def _name(self, identifier: UUID, kind: ObjectKind) -> ObjectName:
        return ObjectName(self._database.tenant, identifier, kind)


def _own(tx: Transaction, amendment_id: UUID) -> bool:
    """Whether an amendment speaks of one package alone, and records no batch."""
    return len(packages_of_amendment(tx, amendment_id)) == 1 and not records_batch(tx, amendment_id)


def _copy(site: str, blobs: BlobStore, record: ObjectRecord, unknown: list[str]) -> CopyFacts | None:
    try:
        stat = blobs.stat(record.address)
    except NotFound:
        return CopyFacts(site, None)
    except (Unavailable, OSError):
        unknown.append(f"site {site} does not answer")
        return None
    return CopyFacts(site, stat.retain_until, stat.held)
