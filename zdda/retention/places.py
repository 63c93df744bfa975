"""Everywhere that something of an object can lie, by name: places of the key area, sites, the spool."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from zdda.model.identifiers import ContentAddress
from zdda.storage.key_area import KeyArea
from zdda.storage.site import Site
from zdda.storage.spool import Spool


class CopyCache(Protocol):
    """Something that keeps copies of objects for a while."""

    def forget(self, address: ContentAddress) -> None:
        """No copy of the object is kept here when it returns."""
        ...


@dataclass(frozen=True, slots=True)
class Place:
    """A place of the key area, and how receipts call it."""

    name: str
    records: KeyArea


@dataclass(frozen=True, slots=True)
class Everywhere:
    """``places`` in which records lie, those of the sites among them."""

    places: tuple[Place, ...]
    sites: tuple[Site, ...]
    spool: Spool
    caches: tuple[CopyCache, ...] = ()

    @classmethod
    def of(
        cls,
        key_areas: Sequence[tuple[str, KeyArea]],
        sites: Sequence[Site],
        spool: Spool,
        caches: Sequence[CopyCache] = (),
    ) -> Everywhere:
        """The archive's own places by name, then those that sites have."""
        own = [Place(name, area) for name, area in key_areas]
        of_sites = [Place(f"site {site.name}", site.records) for site in sites if site.records is not None]
        return cls((*own, *of_sites), tuple(sites), spool, tuple(caches))


Alarm = Callable[[str, str], None]
"""Called with a stable code and what it is about: somebody has to look."""
