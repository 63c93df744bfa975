"""The permit without which no store erases anything, what a store answers, and why it refuses.

Only ``zdda.retention`` makes permits (``tests/test_architecture.py`` holds that), also for what was moved and for what
nobody refers to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from zdda.model.errors import Conflict
from zdda.model.identifiers import ContentAddress
from zdda.model.objects import ObjectName

CLOCKS_APART = timedelta(hours=24)
"""Clocks further apart than this do not agree; a permit older than this is none."""


class EraseReason(StrEnum):
    """Why an object goes. Add, never rename: the text is part of receipts."""

    DISPOSAL = "disposal"
    MOVE = "move"
    ORPHAN = "orphan"


class EraseRefused(Conflict):
    """The store erases nothing: the permit is another object's, too old, or contradicts the store's own clock."""

    code = "erase-refused"


class StillLocked(EraseRefused):
    """The lock of a copy is not over by every clock. Nothing was erased."""

    code = "still-locked"

    def __init__(self, message: str, until: datetime) -> None:
        super().__init__(message, until=until)
        self.until = until


class StillHeld(EraseRefused):
    """A copy is under legal hold. Nothing was erased."""

    code = "still-held"


class NotErased(Conflict):
    """The store says that it erased, and what lies there says that it did not."""

    code = "not-erased"


@dataclass(frozen=True, slots=True)
class ErasePermit:
    """Says that one object may be erased.

    ``name``: None for bytes that no record names (an orphan). ``plan``: the identifier of the plan that lists the
    object. ``clocks``: what each clock that was asked said when the permit was issued, by its name, in UTC. Raises
    ``ValueError`` for clocks that do not agree: such a permit cannot exist.
    """

    address: ContentAddress
    name: ObjectName | None
    reason: EraseReason
    issued_at: datetime
    decided_by: str
    plan: str
    clocks: tuple[tuple[str, datetime], ...]

    def __post_init__(self) -> None:
        moments = [moment for _, moment in self.clocks]
        if not moments or not self.decided_by or not self.plan:
            raise ValueError("a permit names who decided, the plan, and the clocks")
        if max(self.issued_at, *moments) - min(self.issued_at, *moments) > CLOCKS_APART:
            raise ValueError("the clocks do not agree")
        if self.name is None and self.reason is not EraseReason.ORPHAN:
            raise ValueError("only an orphan has no name")

    @property
    def earliest(self) -> datetime:
        """The moment that has surely come: the earliest that any clock said."""
        return min(self.issued_at, *(moment for _, moment in self.clocks))

    def allows(self, address: ContentAddress, locked_until: datetime | None, own_time: datetime | None) -> None:
        """What every store asks before it erases. ``locked_until``: None where no copy is there; ``own_time``: the
        store's clock, where it has one.

        Raises ``StillLocked``, ``EraseRefused``.
        """
        if address != self.address:
            raise EraseRefused("the permit is for another object")
        if own_time is not None and abs(own_time - self.issued_at) > CLOCKS_APART:
            raise EraseRefused("the store's clock and the permit are more than 24 hours apart")
        if locked_until is not None and locked_until > min(self.earliest, own_time or self.earliest):
            raise StillLocked("the lock of the object is not over", locked_until)


class Erasure(StrEnum):
    """What a store found and did. Add, never rename: the text is part of receipts."""

    ERASED = "erased"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Deletion:
    """What one store did. ``at`` by the store's clock, or the permit's moment where it has none.

    ``passes``: how the bytes were overwritten in place, in order; empty where they were not. ``evidence``: what the
    store itself said of it (identifiers of its requests, versions, inode), by stable names.
    """

    address: ContentAddress
    outcome: Erasure
    method: str
    at: datetime
    passes: tuple[str, ...] = ()
    evidence: Mapping[str, str] = field(default_factory=dict)
