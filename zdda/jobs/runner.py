"""The runner: crews of threads that ask their sources for work, woken by bells."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import structlog

_log = structlog.get_logger(__name__)
_MOST_ROUNDS = 16
"""Of a circuit that finds work every time, until it does what can wait."""


class WorkSource(Protocol):
    """Something that has work to do."""

    def run_one(self) -> bool:
        """Does some of the work that is due; False when there was none. Never raises for a failing piece."""
        ...

    def tell(self) -> None:
        """There may be something new: without it a source need not look again at once where there was nothing."""
        return

    def passes_on(self) -> bool:
        """Whether what this thread did last is the next one's work."""
        return True

    def heartbeat(self) -> None:
        """Holds on to what is being worked at."""
        return

    def listen(self, ring: Callable[[], None]) -> None:
        """From now on a runner's threads ask for work, and ``ring`` wakes one of them."""
        return

    def settle(self) -> None:
        """Ends what is under way: nobody asks for work any more."""
        return


class Gathering:
    """Lets work come together while more of it comes in a stream; what comes alone does not wait.

    What is done and committed together costs a fraction for each. Nothing waits before ``begin``: without a runner's
    threads nothing else comes meanwhile.
    """

    def __init__(self, seconds: float = 0.02, stream: float = 0.25) -> None:
        self._seconds, self._stream = seconds, stream
        self._last = -math.inf
        self._begun = False

    def begin(self) -> None:
        self._begun = True

    def wait(self) -> None:
        """Called when there is work: returns at once, or after ``seconds`` when it was called less than ``stream``
        seconds ago."""
        before, self._last = self._last, time.monotonic()
        if self._begun and self._last - before < self._stream:
            time.sleep(self._seconds)


class Seldom(WorkSource):
    """A source that a runner's threads ask at most every so many seconds: what it does costs the same for much as for
    little. Without threads it is asked always, and once more at the end."""

    def __init__(self, source: WorkSource, seconds: float = 0.25) -> None:
        self._source, self._seconds = source, seconds
        self._last = -math.inf
        self._begun = False

    def run_one(self) -> bool:
        now = time.monotonic()
        if self._begun and now - self._last < self._seconds:
            return False
        self._last = now
        return self._source.run_one()

    def heartbeat(self) -> None:
        self._source.heartbeat()

    def listen(self, ring: Callable[[], None]) -> None:
        self._begun = True
        self._source.listen(ring)

    def settle(self) -> None:
        self._source.settle()
        _one(self._source)


class Circuit(WorkSource):
    """Several sources, in the order of the work's way, that one thread goes round: what collects at one while it is at
    the others is done together. What can wait is done ``at_leisure``: when the others have nothing, or have kept the
    thread busy for a while."""

    def __init__(self, sources: Sequence[WorkSource], at_leisure: Sequence[WorkSource] = ()) -> None:
        self._pressing, self._at_leisure = tuple(sources), tuple(at_leisure)
        self._sources = (*self._pressing, *self._at_leisure)
        self._rounds = 0
        self._own = threading.local()

    def tell(self) -> None:
        self._pressing[0].tell()

    def passes_on(self) -> bool:
        """What the last of the pressing sources has done, that is."""
        return bool(getattr(self._own, "passes_on", True))

    def run_one(self) -> bool:
        found = passed = False
        for source in self._pressing:
            if passed:
                source.tell()
            passed = _one(source)
            found |= passed
        self._own.passes_on = passed
        self._rounds += 1
        if not found or self._rounds >= _MOST_ROUNDS:
            self._rounds = 0
            for source in self._at_leisure:
                found |= _one(source)
        return found

    def heartbeat(self) -> None:
        for source in self._sources:
            source.heartbeat()

    def listen(self, ring: Callable[[], None]) -> None:
        for source in self._sources:
            source.listen(ring)

    def settle(self) -> None:
        for source in self._sources:
            source.settle()


@dataclass(frozen=True, slots=True)
class Crew:
    """So many threads for one source. Without a bell they look for themselves every ``idle_seconds``."""

    source: WorkSource
    threads: int
    idle_seconds: float
    helpers: int = 0
    """Threads that hear no bell: looking by themselves, they find work where the others are held up."""


class Runner:
    """Crews in the order of the work's way: what one finishes is the next one's work, and makes room for the one
    before. Bells only save waiting; the sources' rows are the truth."""

    def __init__(self, crews: Sequence[Crew], beat_seconds: float) -> None:
        self._crews, self._beat = tuple(crews), beat_seconds
        self._bells = [_Bell() for _ in self._crews]
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, args=(place, number), name=f"runner-{place}-{number}", daemon=True)
            for place, crew in enumerate(self._crews)
            for number in range(crew.threads + crew.helpers)
        ]
        self._threads.append(threading.Thread(target=self._keep_alive, name="runner-heartbeat", daemon=True))

    def start(self) -> None:
        for place, crew in enumerate(self._crews):
            crew.source.listen(partial(self._ring, place))
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """There is something new for the first crew."""
        self._crews[0].source.tell()
        self._ring(0)

    def stop(self) -> None:
        """Lets running steps end and returns when every thread has."""
        self._stopping.set()
        for bell in self._bells:
            bell.ring_all()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()
        for crew in self._crews:
            crew.source.settle()

    def alive(self) -> bool:
        """Whether every thread is at work."""
        return not self._stopping.is_set() and all(thread.is_alive() for thread in self._threads)

    def run_until_idle(self) -> None:
        """Does everything that is due, in this thread; for tests and one-off commands."""
        while any(crew.source.run_one() for crew in self._crews):
            pass

    def _ring(self, place: int) -> None:
        if 0 <= place < len(self._bells):
            self._bells[place].ring()

    def _work(self, place: int, number: int) -> None:
        crew, bell = self._crews[place], self._bells[place]
        hears = number < crew.threads
        while not self._stopping.is_set():
            heard = bell.rung
            if _one(crew.source):
                if place + 1 < len(self._crews) and crew.source.passes_on():
                    self._crews[place + 1].source.tell()
                    self._ring(place + 1)
                self._ring(place - 1)
            elif not hears:
                self._stopping.wait(crew.idle_seconds)
            elif not self._stopping.is_set():
                bell.wait(heard, crew.idle_seconds)

    def _keep_alive(self) -> None:
        while not self._stopping.wait(self._beat):
            for crew in self._crews:
                try:
                    crew.source.heartbeat()
                except Exception as error:  # noqa: BLE001
                    _log.error("heartbeat-failed", error=type(error).__name__)


def _one(source: WorkSource) -> bool:
    try:
        return source.run_one()
    except Exception as error:  # noqa: BLE001 - a thread of the runner outlives any source's trouble
        _log.error("source-failed", error=type(error).__name__, exc_info=True)
        return False


class _Bell:
    """Wakes one of those who wait. Who looks at ``rung`` before looking for work misses no ring."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self.rung = 0

    def ring(self) -> None:
        with self._condition:
            self.rung += 1
            self._condition.notify()

    def ring_all(self) -> None:
        with self._condition:
            self.rung += 1
            self._condition.notify_all()

    def wait(self, heard: int, seconds: float) -> None:
        """Until it rings, unless it has since ``heard``."""
        with self._condition:
            if self.rung == heard:
                self._condition.wait(seconds)
