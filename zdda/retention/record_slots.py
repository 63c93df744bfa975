"""Slots of a place of object records of no use any more: what a damaged record left, a second one of a name."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol, runtime_checkable

from zdda.audit.log import record as note
from zdda.catalog.object_copies import CopyState, names_at, states_at
from zdda.crypto.generations import GenerationKeys
from zdda.database.session import TenantDatabase
from zdda.model.clock import Clock
from zdda.model.objects import ObjectName
from zdda.retention.copy_check import check_records
from zdda.storage.key_area import KeyArea

_UNDER_WAY = frozenset({CopyState.MISSING, CopyState.DAMAGED})
_AT_ONCE = 1000


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
        concerned = [place] if place in sites else sorted(sites)
        if not all(_has_all_of(database, place, key_area, site, generations) for site in concerned):
            continue
        lost = key_area.lost
        key_area.reclaim()
        with database.write() as tx:
            note(tx, clock.now(), "record-slots-reclaimed", place=place, slots=lost)


def _has_all_of(
    database: TenantDatabase, place: str, key_area: KeyArea, site: str, generations: GenerationKeys
) -> bool:
    """Whether the place has a sound record of everything at a site, where nothing waits to be written or mended."""
    with database.read() as tx:
        if states_at(tx, site) & _UNDER_WAY:
            return False
    last: ObjectName | None = None
    while True:
        with database.read() as tx:
            names = names_at(tx, site, last, _AT_ONCE)
        if any(check_records({place: key_area}, name, generations).best is None for name in names):
            return False
        if len(names) < _AT_ONCE:
            return True
        last = names[-1]
