"""The only place where permits to erase are made."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from zdda.model.identifiers import ContentAddress
from zdda.model.objects import ObjectName
from zdda.storage.erase_permit import ErasePermit, EraseReason


def permit(
    address: ContentAddress,
    name: ObjectName | None,
    reason: EraseReason,
    *,
    issued_at: datetime,
    decided_by: str,
    plan: str,
    clocks: Mapping[str, datetime],
) -> ErasePermit:
    """A permit to erase one object; raises ``ValueError`` where the clocks do not agree."""
    return ErasePermit(address, name, reason, issued_at, decided_by, plan, tuple(sorted(clocks.items())))
