"""The audit log as a hash chain: each entry's hash covers the one before, so nothing can be taken out unseen."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from zdda.model.canonical_json import canonical_json
from zdda.model.clock import format_time
from zdda.model.errors import IntegrityError

GENESIS = bytes(32)


class AuditBroken(IntegrityError):
    """The log was altered, cut or re-ordered."""

    code = "audit-broken"


@dataclass(frozen=True, slots=True)
class Chained:
    """One entry in its place."""

    position: int
    previous: bytes
    entry: bytes
    hash: bytes


def entry_bytes(tenant: str, at: datetime, event: str, facts: dict[str, Any]) -> bytes:
    """The canonical JSON of an entry: ``{at, event, facts, format, tenant}``."""
    return canonical_json(
        {"format": "zdda-audit/1", "tenant": tenant, "at": format_time(at), "event": event, "facts": facts}
    )


def link(position: int, previous: bytes, entry: bytes) -> Chained:
    """SHA-256 over ``previous ‖ position (8 bytes, big-endian) ‖ entry``."""
    return Chained(position, previous, entry, hashlib.sha256(previous + position.to_bytes(8) + entry).digest())


def verify_chain(entries: Iterable[Chained], head: bytes = GENESIS, start: int = 0) -> tuple[int, bytes]:
    """Walks the chain from ``start``; returns (next position, last hash). Raises ``AuditBroken`` at the first
    entry that does not fit."""
    for position, entry in enumerate(entries, start):
        if entry.position != position or entry != link(position, head, entry.entry):
            raise AuditBroken(f"the audit log is broken at position {position}", position=position)
        start, head = position + 1, entry.hash
    return start, head
