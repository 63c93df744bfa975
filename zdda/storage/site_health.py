"""What this process has seen of a site: whether it answers, and how long its answers take. In memory only."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

Monotonic = Callable[[], float]
"""Seconds that only grow."""

FLOOR = 0.05
"""Seconds that every site is given to answer a reading before another is asked as well."""
_WINDOW = 256
_RECKONED_EVERY = 16
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0


class SiteHealth:
    """Thread-safe. A site that did not answer is passed over for a while, twice as long after each time in a row."""

    def __init__(self, monotonic: Monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._seconds: deque[float] = deque(maxlen=_WINDOW)
        self._noted = 0
        self._patience = FLOOR
        self._pause = 0.0
        self._until: float | None = None

    @property
    def away(self) -> bool:
        """Whether it did not answer when it was last asked, and has not been left alone for long enough since."""
        until = self._until
        return until is not None and self._monotonic() < until

    @property
    def failing(self) -> bool:
        """Whether it has not answered since it last failed to, however long ago that was."""
        return self._until is not None

    @property
    def patience(self) -> float:
        """Seconds within which all but one of a hundred of its latest answers came (its p99), at least ``FLOOR``."""
        return self._patience

    def answered(self, seconds: float | None = None) -> None:
        """It did; ``seconds``: how long that took, where it is known."""
        with self._lock:
            self._until, self._pause = None, 0.0
            if seconds is None:
                return
            self._seconds.append(seconds)
            self._noted += 1
            if self._noted % _RECKONED_EVERY == 0 or self._noted < _RECKONED_EVERY:
                ordered = sorted(self._seconds)
                self._patience = max(FLOOR, ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)])

    def did_not_answer(self) -> None:
        with self._lock:
            now = self._monotonic()
            if self._until is None or now >= self._until:  # not once more for each of many that asked at the same time
                self._pause = min(max(2 * self._pause, _FIRST_PAUSE), _LONGEST_PAUSE)
                self._until = now + self._pause
