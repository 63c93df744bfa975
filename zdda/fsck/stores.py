"""What ``fsck`` looks at: keys, places of the key area, the stores of every site. No catalog."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from zdda.crypto.generations import GenerationKeys
from zdda.model.identifiers import TenantId
from zdda.model.placement import Copies, Placement, strictest
from zdda.storage.blob_store import BlobStore
from zdda.storage.key_area_survey import SegmentProblem, SlotSurvey


class Place(Protocol):
    """One place of the key area as it lies there; ``name`` is how findings call it."""

    @property
    def name(self) -> str: ...

    def slots(self) -> Iterator[SlotSurvey | SegmentProblem]: ...


class Expected(Enum):
    """Whether a site has to have a copy. PERHAPS: it may be on its way, or nobody can tell."""

    YES = "yes"
    PERHAPS = "perhaps"
    NO = "no"


class Blobs(BlobStore, Protocol):
    """A blob store that also tells what lies in it beside its objects."""

    def strays(self) -> Iterator[str]: ...


@dataclass(frozen=True, slots=True)
class SiteStore:
    """One site's store as it lies there. ``marker`` says what is wrong with its marker."""

    name: str
    blobs: Blobs
    marker: str | None = None


@dataclass(frozen=True, slots=True)
class Stores:
    """One tenant's archive without its catalog.

    ``own_places``: the site whose own a place is, by the place's name; any other place has every record. ``placements``
    are those of the retention classes. ``partial``: some sites are not looked at.
    """

    archive: str
    tenant: TenantId
    generations: GenerationKeys
    sites: Sequence[SiteStore]
    places: Sequence[Place]
    own_places: Mapping[str, str] = field(default_factory=dict)
    placements: Mapping[str, Placement] = field(default_factory=dict)
    partial: bool = False

    @property
    def several(self) -> bool:
        """Whether findings have to say at which site."""
        return self.partial or len(self.sites) > 1

    def expected(self, site: str, classes: Collection[str | None]) -> Expected:
        """What is to be thought of an object that is not at a site. ``classes``: those of the packages that it serves,
        None for one that nobody can read."""
        known = [self.placements.get(each) if each is not None else None for each in classes]
        placements = [each for each in known if each is not None]
        if not placements or len(placements) < len(known):
            return Expected.PERHAPS
        placement = strictest(placements)
        if not placement.among([site]):
            return Expected.NO
        return Expected.YES if placement.copies is Copies.ALL else Expected.PERHAPS
