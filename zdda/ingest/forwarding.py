"""Store-and-forward: while a store is away, what is sealed waits in the spool, and goes out in order when it is back.

After the first object that a store did not take, nobody else asks it: one at a time tries, after growing pauses. All
others are told at once why they wait. Nothing of this is written: after a restart the first attempt finds out anew.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from zdda.model.errors import DueLater, Unavailable
from zdda.model.placement import Placement

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
"""Seconds after which a store that is away is tried again."""
_SINGLE = 1
"""So many failures may be one object's own trouble: what waits is not hurried when another object then goes through."""


class StoreAway(DueLater):
    """The store did not take what came before; this object was not tried. ``code`` is what the other failed with."""

    def __init__(self, code: str, wait: timedelta) -> None:
        super().__init__("the store is away", wait)
        self.code = code


@dataclass(slots=True)
class _Away:
    reason: str
    failures: int
    again_at: float
    trying: bool = False


@dataclass(slots=True)
class Attempt:
    """``returned``: after this attempt, sites that were away take objects again."""

    returned: bool = False


class Forwarding:
    """Which placements cannot be had now, and who may try them. Thread-safe.

    A placement, not a site, is what is away: an object that one copy is enough for is stored while one that needs all
    sites waits."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._away: dict[Placement, _Away] = {}
        self._lock = threading.Lock()

    @contextmanager
    def attempt(self, placement: Placement) -> Iterator[Attempt]:
        """Around the storing of one object: raises ``StoreAway`` instead while the sites are away and it is nobody's
        turn, or another's. ``Unavailable`` from inside makes them away for a while, and passes."""
        with self._lock:
            away = self._away.get(placement)
            if away is not None:
                left = away.again_at - self._monotonic()
                if away.trying or left > 0:
                    raise StoreAway(away.reason, timedelta(seconds=max(left, FIRST_PAUSE)))
                away.trying = True
        attempt = Attempt()
        try:
            yield attempt
        except Unavailable as error:
            self._failed(placement, error.code)
            raise
        except BaseException:
            with self._lock:
                if away is not None:
                    away.trying = False  # it says nothing of the store
            raise
        with self._lock:
            gone = self._away.pop(placement, None)
            attempt.returned = gone is not None and gone.failures > _SINGLE

    def shut(self, each: Collection[Placement]) -> bool:
        """Whether no object need be tried, wherever of ``each`` it goes: all are away."""
        with self._lock:
            return bool(each) and all(placement in self._away for placement in each)

    def turn(self) -> bool:
        """Whether it is time for one object to try."""
        with self._lock:
            return any(not each.trying and each.again_at <= self._monotonic() for each in self._away.values())

    def reason(self, placement: Placement) -> tuple[str, timedelta] | None:
        """Why objects for these sites wait, and how long at least; None while they are taken."""
        with self._lock:
            away = self._away.get(placement)
            if away is None:
                return None
            return away.reason, timedelta(seconds=max(0.0, away.again_at - self._monotonic()))

    def _failed(self, placement: Placement, reason: str) -> None:
        with self._lock:
            away = self._away.setdefault(placement, _Away(reason, 0, 0.0))
            pause = min(FIRST_PAUSE * 2 ** min(away.failures, 16), LONGEST_PAUSE)
            away.reason, away.failures, away.trying = reason, away.failures + 1, False
            away.again_at = self._monotonic() + pause
