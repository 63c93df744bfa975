"""Small objects of the archive's own (batches, amendments) on their way into the store."""

from __future__ import annotations

from datetime import datetime

from zdda.catalog.leasing import Lease
from zdda.catalog.packages import StoredObject
from zdda.ingest.workshop import Workshop
from zdda.model.identifiers import ContentAddress
from zdda.model.objects import ObjectName
from zdda.storage.object_record import ObjectRecord


def keep_object(
    workshop: Workshop, lease: Lease, name: ObjectName, content: bytes, retain_until: datetime
) -> tuple[str, ObjectRecord]:
    """Encrypts an object under a fresh key into the spool, durable, and makes its record; nothing is stored yet.

    Once the caller has committed the record, everything random in the object is durable: whoever goes on from
    there stores the same bytes.
    """
    spool_file = f"{lease.key}.{name.kind}.{lease.epoch}"
    return spool_file, keep_in_file(workshop, spool_file, name, content, retain_until)


def keep_in_file(
    workshop: Workshop, spool_file: str, name: ObjectName, content: bytes, retain_until: datetime
) -> ObjectRecord:
    """The same into a spool file of this name, which has to be a new one."""
    key = workshop.entropy(32)
    file = workshop.spool.encrypting(spool_file, key, name, workshop.entropy, of_plaintext=False, arriving=False)
    try:
        file.write(content)
        stored = file.finish_stored()
    except BaseException:
        file.discard()
        raise
    address = ContentAddress(stored.sha256)
    return workshop.store.seal_record(name, address, stored.length, stored.sha512, key, retain_until)


def stored_object(object_record: ObjectRecord) -> StoredObject:
    """How the catalog lists an object."""
    name = object_record.name
    return StoredObject(
        package_id=name.package,
        kind=name.kind.value,
        sequence=name.sequence,
        address=str(object_record.address),
        length=object_record.length,
        sha512=object_record.sha512,
        generation=object_record.generation,
        retain_until=object_record.retain_until,
    )
