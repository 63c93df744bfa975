"""What one copy of an object is worth: the bytes at a site against their address, the lock against the retention, the
records in every place against each other. Reads; mends nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from zdda.crypto.generations import GenerationKeys
from zdda.model.errors import IntegrityError, NotFound, Unavailable
from zdda.model.identifiers import ContentAddress
from zdda.model.objects import ObjectName
from zdda.storage.blob_store import BlobStore
from zdda.storage.key_area import KeyArea
from zdda.storage.object_record import ObjectRecord, RecordMalformed


class Defect(StrEnum):
    """What can be wrong with a copy. The words are those of ``fsck``'s findings; add, never rename."""

    MISSING = "object-missing"
    OTHER_LENGTH = "object-length"
    OTHER_BYTES = "object-digest"
    UNREADABLE = "object-unreadable"
    UNANSWERED = "object-unanswered"
    """The site answers for other objects, and not for this one."""
    LOCK_TOO_SHORT = "lock-too-short"


_NOBODYS = ContentAddress(bytes(32))


@dataclass(frozen=True, slots=True)
class CheckedCopy:
    """``read``: bytes read from the store. ``defect`` None: the copy is whole and locked for long enough."""

    read: int
    defect: Defect | None = None


def check_copy(blobs: BlobStore, record: ObjectRecord) -> CheckedCopy:
    """Reads every byte once, in constant memory. Raises ``Unavailable`` where the site does not answer: that says
    nothing of the copy. An error in reading one file does: a site that fails as a whole is known by its other copies.
    """
    try:
        stat = blobs.stat(record.address)
        with blobs.open(record.address) as stream:
            digest = hashlib.file_digest(stream, "sha256").digest()  # type: ignore[arg-type]
    except NotFound:
        return CheckedCopy(0, Defect.MISSING)
    except OSError:
        return CheckedCopy(0, Defect.UNREADABLE)
    if stat.length != record.length:
        return CheckedCopy(stat.length, Defect.OTHER_LENGTH)
    if digest != record.address.digest:
        return CheckedCopy(stat.length, Defect.OTHER_BYTES)
    if stat.retain_until < lock_of(blobs, record):
        return CheckedCopy(stat.length, Defect.LOCK_TOO_SHORT)
    return CheckedCopy(stat.length)


def lock_of(blobs: BlobStore, record: ObjectRecord) -> datetime:
    """Until when the store has to lock the object: the retention, as far as the store can."""
    return min(record.retain_until, blobs.latest_lock).replace(microsecond=0)


RECORD_MISSING, RECORD_OLDER = "record-missing", "record-older"
"""A place without a record of the object; with an authentic one that another place has a later one of."""


class PlaceAway(Unavailable):
    """A place of object records does not answer at all: that says nothing of the records in it."""

    code = "place-away"


@dataclass(frozen=True, slots=True)
class CheckedRecords:
    """``best``: the authentic record of latest retention, then of latest generation; None where no place has one.
    ``wanting``: the places that lack it, with what is wrong there."""

    best: ObjectRecord | None
    wanting: Mapping[str, str]


def check_records(places: Mapping[str, KeyArea], name: ObjectName, generations: GenerationKeys) -> CheckedRecords:
    """Looks the object's record up in every place by name. Raises ``PlaceAway``."""
    held: dict[str, ObjectRecord] = {}
    wanting: dict[str, str] = {}
    for place, key_area in places.items():
        try:
            held[place] = key_area.read(name)
        except NotFound:
            wanting[place] = RECORD_MISSING
        except RecordMalformed:
            wanting[place] = "record-malformed"
        except Unavailable as error:
            if not _answers(key_area, name):
                raise PlaceAway("a place of object records does not answer") from error
            wanting[place] = "record-unreadable"
    judged: list[tuple[ObjectRecord, str | None]] = []  # places that agree are judged once
    for place, record in held.items():
        problem = next((why for known, why in judged if known == record), "")
        if problem == "":
            problem = _problem(record, generations)
            judged.append((record, problem))
        if problem is not None:
            wanting[place] = problem
    found = {place: record for place, record in held.items() if place not in wanting}
    best = max(found.values(), key=lambda each: (each.retain_until, each.generation), default=None)
    if best is not None:
        wanting |= {place: RECORD_OLDER for place, record in found.items() if record != best}
    return CheckedRecords(best, wanting)


def answers(blobs: BlobStore) -> bool:
    """Whether a site answers at all, asked for an object that nobody has."""
    try:
        blobs.stat(_NOBODYS)
    except NotFound:
        return True
    except (Unavailable, OSError):
        return False
    return True


def _answers(key_area: KeyArea, like: ObjectName) -> bool:
    """The same of a place of records."""
    try:
        key_area.read(replace(like, package=UUID(int=0)))
    except Unavailable:
        return False
    except (NotFound, RecordMalformed):
        return True
    return True


def _problem(record: ObjectRecord, generations: GenerationKeys) -> str | None:
    try:
        record.check_retention(generations)
        record.data_key(generations)
    except NotFound:
        return "generation-gone"
    except RecordMalformed:
        return "record-malformed"
    except IntegrityError:
        return "record-forged"
    return None
