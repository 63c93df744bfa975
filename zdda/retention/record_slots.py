"""Slots of a place of object records of no use any more: what a damaged record left, a second one of a name."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol, runtime_checkable

from zdda.audit.log import record as note
from zdda.catalog.object_copies import CopyState, copies_of
from zdda.catalog.packages import stored_objects
from zdda.crypto.generations import GenerationKeys
from zdda.database.session import TenantDatabase
from zdda.model.clock import Clock
from zdda.model.objects import ObjectKind, ObjectName
from zdda.retention.copy_check import check_records
from zdda.storage.key_area import KeyArea

_THERE = frozenset({CopyState.PRESENT, CopyState.DAMAGED, CopyState.MISSING})


@runtime_checkable
class Reclaimable(Protocol):
    """A place that has such slots."""

    @property
    def lost(self) -> int:
        """How many."""
        ...

    def reclaim(self) -> None:
        """Overwrites them for good; raises ``StoreFailed``."""
        ...


def reclaim_slots(
    database: TenantDatabase,
    places: Mapping[str, KeyArea],
    sites: Collection[str],
    generations: GenerationKeys,
    clock: Clock,
) -> None:
    """Reclaims them in every place that has, sound, each record it has to have: the rest of a record that is nowhere
    else is left for whoever may read it by hand. A place called as a site has the records of what lies there."""
    for place, key_area in places.items():
        if not isinstance(key_area, Reclaimable) or not key_area.lost:
            continue
        wanted = _wanted(database, place if place in sites else None)
        if any(check_records({place: key_area}, name, generations).best is None for name in wanted):
            continue
        lost = key_area.lost
        key_area.reclaim()
        with database.write() as tx:
            note(tx, clock.now(), "record-slots-reclaimed", place=place, slots=lost)


def _wanted(database: TenantDatabase, site: str | None) -> list[ObjectName]:
    with database.read() as tx:
        listed = stored_objects(tx)
        names = [ObjectName(tx.tenant, each.package_id, ObjectKind(each.kind), each.sequence) for each in listed]
        if site is None:
            return names
        return [name for name in names if any(each.state in _THERE for each in copies_of(tx, name, [site]))]
