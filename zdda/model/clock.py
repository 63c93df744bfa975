"""Time and randomness as parameters: nothing below ``app`` asks the machine for either."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Gives the current moment, timezone-aware in UTC."""

    def now(self) -> datetime: ...


class Entropy(Protocol):
    """Gives ``n`` unpredictable bytes."""

    def __call__(self, n: int, /) -> bytes: ...


class SystemClock:
    """The clock of this machine, to the millisecond: what is written down can be read back unchanged."""

    def now(self) -> datetime:
        moment = datetime.now(UTC)
        return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


class FixedClock:
    """A clock that stands still until it is moved: replays, `--at`, tests."""

    def __init__(self, moment: datetime) -> None:
        if moment.tzinfo is None:
            raise ValueError("a moment needs a time zone")
        self._moment = moment.astimezone(UTC)

    def now(self) -> datetime:
        return self._moment

    def move_to(self, moment: datetime) -> None:
        self._moment = moment.astimezone(UTC)


system_entropy: Entropy = os.urandom


def format_time(moment: datetime) -> str:
    """RFC 3339 in UTC with milliseconds and ``Z``: the one textual form of time in every persisted format."""
    if moment.tzinfo is None:
        raise ValueError("a moment needs a time zone")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_time(text: str) -> datetime:
    """Reads RFC 3339 with a time zone; raises ``ValueError`` without one."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a moment needs a time zone")
    return moment.astimezone(UTC)
