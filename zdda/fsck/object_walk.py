"""Objects against their records: the stored bytes, both digests, the lock, the decryption."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from zdda.crypto.streaming_aead import DecryptingReader
from zdda.fsck.findings import Finding, about
from zdda.fsck.record_walk import KnownRecord
from zdda.fsck.stores import SiteStore, Stores
from zdda.model.errors import IntegrityError, NotFound
from zdda.model.objects import ObjectName
from zdda.storage.object_record import ObjectRecord

_CHUNK = 1024 * 1024


@dataclass(slots=True)
class CheckedObject:
    """An object's record and what its stored bytes are worth at every site.

    ``locks``: the lock at each site that has the object; ``whole``: those of them where it has the bytes of its record
    and a lock that is not too short; ``absent``: sites without it. ``source``: a site where it makes sense to try and
    decrypt it.
    """

    name: ObjectName
    record: ObjectRecord
    key: bytes
    places: tuple[str, ...]
    locks: dict[str, datetime] = field(default_factory=dict)
    whole: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    source: SiteStore | None = None
    findings: list[Finding] = field(default_factory=list)

    @property
    def intact(self) -> bool:
        return not self.findings

    @property
    def lock(self) -> datetime | None:
        """The earliest, None where there are no bytes."""
        return min(self.locks.values(), default=None)

    def add(self, code: str, message: str, where: str | None = None) -> None:
        self.findings.append(about(self.name, code, message, where=where))


def check_object(stores: Stores, known: KnownRecord) -> CheckedObject | None:
    """Reads an object's stored bytes once at every site, in constant memory; None where no authentic record tells what
    they are."""
    if known.record is None or known.key is None:
        return None
    checked = CheckedObject(known.name, known.record, known.key, tuple(known.places))
    for site in stores.sites:
        _check_copy(checked, site, site.name if stores.several else None)
    if len(checked.absent) == len(stores.sites) and not stores.partial:
        checked.absent.clear()
        checked.add(
            "object-missing", "no site holds the object" if stores.several else "the store does not hold the object"
        )
    return checked


def _check_copy(checked: CheckedObject, site: SiteStore, where: str | None) -> None:
    record, before = checked.record, len(checked.findings)
    try:
        stat = site.blobs.stat(record.address)
        checked.locks[site.name] = stat.retain_until
        _check_lock(checked, stat.retain_until, min(record.retain_until, site.blobs.latest_lock), where)
        if stat.length != record.length:
            checked.add("object-length", "the stored object is shorter or longer than its record tells", where)
        readable = _check_bytes(checked, site, where)
    except NotFound:
        checked.absent.append(site.name)
    except OSError as error:
        checked.add("object-unreadable", f"the object cannot be read: {error.strerror or type(error).__name__}", where)
    else:
        if readable and checked.source is None:
            checked.source = site
        if len(checked.findings) == before:
            checked.whole.append(site.name)


def _check_lock(checked: CheckedObject, lock: datetime, retain_until: datetime, where: str | None) -> None:
    wanted = retain_until.replace(microsecond=0)
    if lock < wanted:
        checked.add("lock-too-short", "the object's lock ends before its retention", where)
    elif lock > wanted:
        message = "the object is locked for longer than any record tells: records are old"
        checked.add("record-older-than-lock", message, where)


def _check_bytes(checked: CheckedObject, site: SiteStore, where: str | None) -> bool:
    """Whether it makes sense to try and decrypt them."""
    sha256, sha512 = hashlib.sha256(), hashlib.sha512()
    with site.blobs.open(checked.record.address) as stream:
        while data := stream.read(_CHUNK):
            sha256.update(data)
            sha512.update(data)
    if sha256.digest() != checked.record.address.digest:
        checked.add("object-digest", "the stored bytes are not those of the object's address", where)
    elif sha512.digest() != checked.record.sha512:
        checked.add("object-second-digest", "the stored bytes do not have the SHA-512 of the record", where)
    else:
        return True
    return False


@contextmanager
def decrypted(checked: CheckedObject) -> Iterator[DecryptingReader]:
    """The plaintext, from ``source``; raises ``IntegrityError``, ``NotFound``, ``OSError``."""
    if checked.source is None:
        raise NotFound("no site has the object's bytes")
    stream = checked.source.blobs.open(checked.record.address)
    try:
        reader = DecryptingReader(stream, checked.key, checked.name.associated_data(), owns_source=True)
    except IntegrityError:
        stream.close()
        raise
    with reader:
        yield reader
