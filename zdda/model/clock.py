"""Time and randomness as parameters: nothing below ``app`` asks the machine for either."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Protocol

from zdda.model.errors import Unavailable


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


class ClockLeapt(Unavailable):
    """The clock went another way than time: nothing is dated by it until the archive is started anew."""

    code = "clock-leapt"


class SteadyClock:
    """A clock that is believed only while it goes with ``elapsed`` (seconds, never set by anyone).

    ``now`` raises ``ClockLeapt`` once the two have come ``tolerance`` apart since the first look, and from then on.
    """

    def __init__(self, clock: Clock, elapsed: Callable[[], float], tolerance: timedelta = timedelta(hours=24)) -> None:
        self._clock, self._elapsed, self._tolerance = clock, elapsed, tolerance
        self._first, self._since = clock.now(), elapsed()
        self._leapt = False

    def now(self) -> datetime:
        moment = self._clock.now()
        expected = self._first + timedelta(seconds=self._elapsed() - self._since)
        if self._leapt or abs(moment - expected) > self._tolerance:
            self._leapt = True
            raise ClockLeapt("the clock has leapt: set it right and start the archive anew")
        return moment


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


@lru_cache(maxsize=1024)
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
