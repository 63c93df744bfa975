"""What ``fsck`` looks at: keys, places of the key area, the blob store. No catalog."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from zdda.crypto.generations import GenerationKeys
from zdda.model.identifiers import TenantId
from zdda.storage.blob_store import BlobStore
from zdda.storage.key_area_survey import SegmentProblem, SlotSurvey


class Place(Protocol):
    """One place of the key area as it lies there; ``name`` is how findings call it."""

    @property
    def name(self) -> str: ...

    def slots(self) -> Iterator[SlotSurvey | SegmentProblem]: ...


class Blobs(BlobStore, Protocol):
    """A blob store that also tells what lies in it beside its objects."""

    def strays(self) -> Iterator[str]: ...


@dataclass(frozen=True, slots=True)
class Stores:
    """One tenant's archive without its catalog. ``latest_lock`` is the latest moment the store can lock until;
    ``marker`` says what is wrong with the store's marker."""

    archive: str
    tenant: TenantId
    generations: GenerationKeys
    blobs: Blobs
    places: Sequence[Place]
    latest_lock: datetime
    marker: str | None = None
