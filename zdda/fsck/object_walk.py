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
from zdda.fsck.stores import Stores
from zdda.model.errors import IntegrityError, NotFound
from zdda.model.objects import ObjectName
from zdda.storage.object_record import ObjectRecord

_CHUNK = 1024 * 1024


@dataclass(slots=True)
class CheckedObject:
    """An object's record and what its stored bytes are worth. ``lock`` is None where there are no bytes.

    ``intact``: the bytes are those of the record and their lock is not too short. ``readable`` says no more than
    that it makes sense to try and decrypt them.
    """

    name: ObjectName
    record: ObjectRecord
    key: bytes
    places: tuple[str, ...]
    lock: datetime | None = None
    readable: bool = False
    findings: list[Finding] = field(default_factory=list)

    @property
    def intact(self) -> bool:
        return not self.findings

    def add(self, code: str, message: str) -> None:
        self.findings.append(about(self.name, code, message))


def check_object(stores: Stores, known: KnownRecord) -> CheckedObject | None:
    """Reads an object's stored bytes once, in constant memory; None where no authentic record tells what they are."""
    if known.record is None or known.key is None:
        return None
    checked = CheckedObject(known.name, known.record, known.key, tuple(known.places))
    try:
        stat = stores.blobs.stat(known.record.address)
        checked.lock = stat.retain_until
        _check_lock(checked, stat.retain_until, min(known.record.retain_until, stores.latest_lock))
        if stat.length != known.record.length:
            checked.add("object-length", "the stored object is shorter or longer than its record tells")
        _check_bytes(stores, checked)
    except NotFound:
        checked.add("object-missing", "the store does not hold the object")
    except OSError as error:
        checked.add("object-unreadable", f"the object cannot be read: {error.strerror or type(error).__name__}")
    return checked


def _check_lock(checked: CheckedObject, lock: datetime, retain_until: datetime) -> None:
    wanted = retain_until.replace(microsecond=0)
    if lock < wanted:
        checked.add("lock-too-short", "the object's lock ends before its retention")
    elif lock > wanted:
        checked.add("record-older-than-lock", "the object is locked for longer than any record tells: records are old")


def _check_bytes(stores: Stores, checked: CheckedObject) -> None:
    sha256, sha512 = hashlib.sha256(), hashlib.sha512()
    with stores.blobs.open(checked.record.address) as stream:
        while data := stream.read(_CHUNK):
            sha256.update(data)
            sha512.update(data)
    if sha256.digest() != checked.record.address.digest:
        checked.add("object-digest", "the stored bytes are not those of the object's address")
    elif sha512.digest() != checked.record.sha512:
        checked.add("object-second-digest", "the stored bytes do not have the SHA-512 of the record")
    else:
        checked.readable = True


@contextmanager
def decrypted(stores: Stores, checked: CheckedObject) -> Iterator[DecryptingReader]:
    """The plaintext; raises ``IntegrityError``, ``NotFound``, ``OSError``."""
    stream = stores.blobs.open(checked.record.address)
    try:
        reader = DecryptingReader(stream, checked.key, checked.name.associated_data(), owns_source=True)
    except IntegrityError:
        stream.close()
        raise
    with reader:
        yield reader
