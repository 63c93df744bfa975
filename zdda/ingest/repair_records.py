"""Object records brought level: an authentic one is written to every place that should have it and has not.

Where no place has one, the catalog's own copy serves (a deposit's and a batch's row keep the record that was written
first), so that places put back from an old backup lose nothing that the stores still hold.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select

from zdda.catalog.evidence import BatchState
from zdda.catalog.object_copies import CopyState
from zdda.catalog.tables import deposits, disposal_objects, evidence_batches, object_copies
from zdda.crypto.generations import GenerationKeys
from zdda.database.session import Transaction
from zdda.ingest.repair_report import Did, Item, identifier_of
from zdda.model.deposit import DepositState
from zdda.model.errors import IntegrityError, NotFound
from zdda.model.objects import ObjectKind, ObjectName
from zdda.storage.blob_store import BlobStore
from zdda.storage.key_area import KeyArea, sort_key
from zdda.storage.object_record import ObjectRecord

LEAVING = frozenset({CopyState.LEAVING, CopyState.ERASING, CopyState.ERASED})
"""Nothing is restored of a copy in one of these states."""


DESTROYED = "destroyed"
"""Why something is left that a deletion receipt tells to be gone: only disposal destroys."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place of object records; ``site``: whose own it is, None for one of the archive's, which has every record."""

    name: str
    key_area: KeyArea
    site: str | None = None


def copy_states(tx: Transaction) -> dict[ObjectName, dict[str, CopyState]]:
    """Where the catalog says that each object lies."""
    columns = object_copies.c
    rows = tx.execute(
        select(columns.package_id, columns.kind, columns.sequence, columns.site, columns.state).where(
            columns.tenant_id == tx.tenant
        )
    )
    found: dict[ObjectName, dict[str, CopyState]] = {}
    for package, kind, sequence, site, state in rows:
        found.setdefault(ObjectName(tx.tenant, package, ObjectKind(kind), sequence), {})[site] = CopyState(state)
    return found


def disposed_objects(tx: Transaction) -> frozenset[ObjectName]:
    """Every object that a disposal of this catalog has destroyed, or is to destroy."""
    columns = disposal_objects.c
    rows = tx.execute(select(columns.package_id, columns.kind, columns.sequence).where(columns.tenant_id == tx.tenant))
    return frozenset(ObjectName(tx.tenant, package, ObjectKind(kind), sequence) for package, kind, sequence in rows)


def on_its_way_out(states: Mapping[str, CopyState]) -> bool:
    """Whether an object is not to be kept any more."""
    return bool(states) and LEAVING.issuperset(states.values())


def mend_records(
    tx: Transaction,
    places: Sequence[Place],
    blobs: Mapping[str, BlobStore],
    generations: GenerationKeys,
    destroyed: Collection[UUID],
) -> Iterator[Item]:
    """What was written, and what was left because places contradict each other, or a deletion receipt: ``destroyed``
    are packages, batches and amendments that receipts name. Safe to repeat; memory grows with the number of records.
    Raises ``Unavailable``, ``StoreFailed``."""
    held = [{record.name: record for record in place.key_area.records()} for place in places]
    states, remembered, disposed = copy_states(tx), _of_catalog(tx), disposed_objects(tx)
    for name in sorted({name for each in held for name in each} | remembered.keys(), key=sort_key):
        known = states.get(name, {})
        if name.tenant != tx.tenant or name in disposed or on_its_way_out(known):
            continue
        if name.package in destroyed:
            for place, records in zip(places, held, strict=True):
                if name in records:
                    yield Item(Did.LEFT, "record", identifier_of(name), place.name, DESTROYED)
            continue
        good = [each[name] for each in held if name in each and _is_authentic(each[name], generations)]
        if len({record.address for record in good}) > 1:
            yield Item(Did.LEFT, "record", identifier_of(name), None, "records-contradict")
            continue
        if not good and name in remembered:
            record = remembered[name]
            if _is_authentic(record, generations) and any(_holds(each, record) for each in blobs.values()):
                good = [record]
        if not good:
            continue  # fsck tells
        best = max(good, key=lambda record: (record.retain_until, record.generation))
        for place, records in zip(places, held, strict=True):
            if records.get(name) == best:
                continue
            if place.site is not None and (known.get(place.site) in LEAVING or not _holds(blobs[place.site], best)):
                continue  # replication writes the record with the bytes
            place.key_area.write(best)
            yield Item(Did.RECORD_WRITTEN, "record", identifier_of(name), place.name)


def _is_authentic(record: ObjectRecord, generations: GenerationKeys) -> bool:
    try:
        record.check_retention(generations)
        record.data_key(generations)
    except (IntegrityError, NotFound):
        return False
    return True


def _holds(blobs: BlobStore, record: ObjectRecord) -> bool:
    try:
        return blobs.stat(record.address).length == record.length
    except (NotFound, OSError):
        return False


def _of_catalog(tx: Transaction) -> dict[ObjectName, ObjectRecord]:
    """Records that rows keep of objects which are stored."""
    batch, stored = evidence_batches.c, (BatchState.STORED, BatchState.RECORDED)
    queries = (
        select(deposits.c.object_record).where(
            deposits.c.tenant_id == tx.tenant, deposits.c.state.in_((DepositState.STORED, DepositState.ARCHIVED))
        ),
        select(batch.batch_record).where(batch.tenant_id == tx.tenant, batch.state.in_(stored)),
        select(batch.amendment_record).where(batch.tenant_id == tx.tenant, batch.state == BatchState.RECORDED),
    )
    found: dict[ObjectName, ObjectRecord] = {}
    for query in queries:
        for (encoded,) in tx.execute(query):
            try:
                record = ObjectRecord.decode(encoded or b"")
            except IntegrityError:
                continue
            found[record.name] = record
    return found
