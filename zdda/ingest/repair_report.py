"""What a repair did, item by item, and what it could not do."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from zdda.model.objects import ObjectName


class Did(StrEnum):
    """LOST: no site has the object, or no place its record. LEFT: nothing was done about it, and somebody has to."""

    RECORD_WRITTEN = "record-written"
    RESTORED = "restored"
    COPY_PRESENT = "copy-present"
    COPY_MISSING = "copy-missing"
    COPY_DAMAGED = "copy-damaged"
    LOST = "lost"
    LEFT = "left"


CHANGES = frozenset({Did.RECORD_WRITTEN, Did.RESTORED, Did.COPY_PRESENT, Did.COPY_MISSING, Did.COPY_DAMAGED})


@dataclass(frozen=True, slots=True)
class Item:
    """``kind`` and ``identifier`` as in ``zdda.ingest.reconcile.Difference``. ``where``: the site or place of records
    that it is about. ``why``: a stable code."""

    did: Did
    kind: str
    identifier: str
    where: str | None = None
    why: str | None = None


@dataclass(slots=True)
class RepairReport:
    """``level``: catalog and stores tell the same now, or will once replication and scrubbing have done what was noted
    for them."""

    items: list[Item] = field(default_factory=list)

    @property
    def level(self) -> bool:
        return not any(item.did in (Did.LOST, Did.LEFT) for item in self.items)

    @property
    def changed(self) -> bool:
        return any(item.did in CHANGES for item in self.items)

    def counts(self) -> dict[str, int]:
        """How many of each, as the audit keeps them."""
        counted = Counter(f"restored-{item.kind}" if item.did is Did.RESTORED else str(item.did) for item in self.items)
        return dict(sorted(counted.items()))


def identifier_of(name: ObjectName) -> str:
    """How an object is called in differences and items."""
    return f"{name.package}/{name.kind.value}/{name.sequence}"
