"""Object records as they lie in every place: damaged slots, forged records, places that do not agree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from zdda.fsck.findings import Finding, Severity, about
from zdda.fsck.stores import Place, Stores
from zdda.model.errors import IntegrityError, NotFound
from zdda.model.objects import ObjectName
from zdda.storage.key_area import sort_key
from zdda.storage.key_area_survey import SegmentProblem, SlotSurvey
from zdda.storage.object_record import ObjectRecord, RecordMalformed

RECORD_MISSING = "the place has no record of this object"


@dataclass(slots=True)
class KnownRecord:
    """What the places hold of one object. ``record`` is authentic, and the one of latest retention, then generation;
    None where no place has an authentic one. ``key`` is the data key. ``absent``: sites whose own places have none."""

    name: ObjectName
    places: list[str] = field(default_factory=list)
    record: ObjectRecord | None = None
    key: bytes | None = None
    differ: bool = False
    moving: bool = False
    absent: list[str] = field(default_factory=list)


class RecordWalk:
    """Reads every slot once; memory grows with the number of records."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._known: dict[ObjectName, KnownRecord] = {}

    def names(self) -> list[ObjectName]:
        """Every object that some place has a record of, in the order of names."""
        return sorted(self._known, key=sort_key)

    def known(self, name: ObjectName) -> KnownRecord:
        return self._known[name]

    def findings(self) -> Iterator[Finding]:
        """Walks every place, then compares them."""
        for place in self._stores.places:
            yield from self._walk(place)
        for name in self.names():
            yield from self._compare(self._known[name])

    def _walk(self, place: Place) -> Iterator[Finding]:
        seen: set[ObjectName] = set()
        for slot in place.slots():
            if isinstance(slot, SegmentProblem):
                yield Finding("segment-damaged", f"the segment {slot.why}", where=f"{place.name}/{slot.segment}")
                continue
            where = f"{place.name}/{slot.where}"
            record, finding = _decoded(slot, where)
            if finding is not None:
                yield finding
            if record is None:
                continue
            if record.name in seen:
                yield about(
                    record.name, "record-twice", "two slots of a place hold a record of this object", where=where
                )
            seen.add(record.name)
            yield from self._learn(place.name, record, where)

    def _learn(self, place: str, record: ObjectRecord, where: str) -> Iterator[Finding]:
        known = self._known.setdefault(record.name, KnownRecord(record.name))
        if place not in known.places:
            known.places.append(place)
        if record.name.tenant != self._stores.tenant:
            yield about(record.name, "record-of-another-tenant", "the record belongs to another tenant", where=where)
            return
        try:
            record.check_retention(self._stores.generations)
            key = record.data_key(self._stores.generations)
        except NotFound:
            yield about(record.name, "generation-gone", "the generation key of the record is not there", where=where)
        except RecordMalformed as error:
            yield about(record.name, "record-retention-forged", str(error), where=where)
        except IntegrityError:
            yield about(record.name, "record-forged", "the record is not the one its key was wrapped for", where=where)
        else:
            held = known.record
            if held is not None and held != record:
                moving = held.generation != record.generation and _is_rewrapped(held, record)
                known.moving, known.differ = known.moving or moving, known.differ or not moving
            if held is None or _rank(record) > _rank(held):
                known.record, known.key = record, key

    def _compare(self, known: KnownRecord) -> Iterator[Finding]:
        for place in self._stores.places:
            if place.name in known.places:
                continue
            if place.name in self._stores.own_places:  # whether it has to have one is for the package to say
                known.absent.append(place.name)
            else:
                yield about(known.name, "record-missing", RECORD_MISSING, where=place.name)
        if known.differ:
            message = "the places hold different records of this object: one of them is older"
            yield about(known.name, "records-differ", message)
        elif known.moving:
            message = "the places hold records of this object under two generations"
            yield about(known.name, "records-moving", message, Severity.PENDING)


def _is_rewrapped(one: ObjectRecord, other: ObjectRecord) -> bool:
    """Whether two authentic records of an object differ in nothing but the generation."""
    return (one.address, one.length, one.sha512, one.retain_until) == (
        other.address,
        other.length,
        other.sha512,
        other.retain_until,
    )


def _rank(record: ObjectRecord) -> tuple[datetime, int]:
    return record.retain_until, record.generation


def _decoded(slot: SlotSurvey, where: str) -> tuple[ObjectRecord | None, Finding | None]:
    """The slot's record, and what is wrong with the slot."""
    record = None
    if slot.body:
        try:
            record = ObjectRecord.decode(slot.body)
        except RecordMalformed:
            return None, Finding("record-malformed", "the slot's content is no object record", where=where)
    if not slot.damaged:
        return record, None
    message = "a copy in the slot is damaged"
    if record is None:
        return None, Finding("slot-damaged", f"{message}, and the other tells nothing", where=where)
    return record, about(record.name, "slot-damaged", message, Severity.BROKEN, where)
