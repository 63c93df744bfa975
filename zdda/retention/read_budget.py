"""How many bytes a second may be read beside the archive's work."""

from __future__ import annotations

from datetime import datetime, timedelta

_BURST = timedelta(seconds=2)
"""What was not spent is kept for so long: reading comes in pieces, not in drops."""


class ReadBudget:
    """``bytes_per_second`` at most, on average. Not for several threads at once."""

    def __init__(self, bytes_per_second: int) -> None:
        self._rate = bytes_per_second
        self._free_at: datetime | None = None

    def allows(self, now: datetime) -> bool:
        """Whether anything may be read now."""
        return self._free_at is None or now >= self._free_at

    def spend(self, now: datetime, length: int) -> None:
        """Notes what was read; after a large object nothing is allowed for as long as it costs."""
        earliest = now - _BURST
        since = earliest if self._free_at is None or self._free_at < earliest else self._free_at
        self._free_at = since + timedelta(seconds=length / self._rate)
