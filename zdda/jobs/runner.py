"""The leased runner: threads that claim rows, do one step after another, and write down why something waits."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

import structlog

from zdda.catalog.leasing import LONGEST_DEFERRAL, Lease, Leased
from zdda.database.engine import DatabaseUnavailable
from zdda.database.session import TenantDatabase
from zdda.model.errors import DueLater, FencedOff, ZddaError

_log = structlog.get_logger(__name__)
_LONGEST_WAIT = timedelta(minutes=5)
_FURTHEST = LONGEST_DEFERRAL - timedelta(days=1)


class WorkSource(Protocol):
    """Something that has work to do."""

    def run_one(self) -> bool:
        """Does one piece of work that is due; False when there was none. Never raises for a failing piece."""
        ...

    def heartbeat(self) -> None:
        """Holds on to what is being worked at."""
        ...


def backoff(attempts: int) -> timedelta:
    """1, 2, 4 … seconds, five minutes at most."""
    return min(timedelta(seconds=2 ** min(attempts, 16)), _LONGEST_WAIT)


class LeasedWork:
    """Rows of one table that ``step`` moves on for as long as they are in one of ``states``.

    ``step(lease)`` does the work of the row's state, commits its transition and returns the lease in the new
    state; the last transition gives the row back. A step that raises defers the row with the error's code and a
    backoff; a fenced-off step is dropped.
    """

    def __init__(
        self,
        database: TenantDatabase,
        leased: Leased,
        states: Collection[str],
        step: Callable[[Lease], Lease],
        owner: str,
        lease: timedelta = timedelta(minutes=5),
    ) -> None:
        self._database, self._leased, self._states = database, leased, tuple(states)
        self._step, self._owner, self._lease = step, owner, lease
        self._held: dict[int, Lease] = {}
        self._lock = threading.Lock()

    def run_one(self) -> bool:
        with self._database.read() as tx:
            if not self._leased.any_due(tx, self._states):
                return False
        with self._database.write() as tx:
            claimed = self._leased.claim(tx, self._owner, self._states, self._lease)
        if not claimed:
            return False
        lease = claimed[0]
        try:
            while lease.state in self._states:
                self._hold(lease)
                lease = self._step(lease)
        except FencedOff:
            _log.warning("fenced-off", table=self._leased.table.name)
        except Exception as error:  # noqa: BLE001 - whatever a step raises, the row waits and says so
            self._defer(self._current(), error)
        finally:
            self._hold(None)
        return True

    def heartbeat(self) -> None:
        with self._lock:
            held = list(self._held.values())
        for lease in held:
            with suppress(FencedOff, DatabaseUnavailable), self._database.write() as tx:
                self._leased.renew(tx, lease, self._lease)

    def _defer(self, lease: Lease, error: Exception) -> None:
        code = error.code if isinstance(error, ZddaError) else "internal"
        wait = min(error.wait, _FURTHEST) if isinstance(error, DueLater) else backoff(lease.attempts)
        _log.warning(
            "deferred",
            table=self._leased.table.name,
            key=str(lease.key),
            state=lease.state,
            reason=code,
            error=type(error).__name__,
            seconds=wait.total_seconds(),
            exc_info=code == "internal",
        )
        with suppress(FencedOff, DatabaseUnavailable), self._database.write() as tx:
            self._leased.defer(tx, lease, code, wait)

    def _hold(self, lease: Lease | None) -> None:
        with self._lock:
            if lease is None:
                self._held.pop(threading.get_ident(), None)
            else:
                self._held[threading.get_ident()] = lease

    def _current(self) -> Lease:
        with self._lock:
            return self._held[threading.get_ident()]


@dataclass(frozen=True, slots=True)
class Crew:
    """So many threads for one source. Without a bell they look for themselves every ``idle_seconds``."""

    source: WorkSource
    threads: int
    idle_seconds: float


class Runner:
    """Crews in the order of the work's way: what one finishes is the next one's work, and makes room for the one
    before. Bells only save waiting; the sources' rows are the truth."""

    def __init__(self, crews: Sequence[Crew], beat_seconds: float) -> None:
        self._crews, self._beat = tuple(crews), beat_seconds
        self._bells = [_Bell() for _ in self._crews]
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, args=(place,), name=f"runner-{place}-{number}", daemon=True)
            for place, crew in enumerate(self._crews)
            for number in range(crew.threads)
        ]
        self._threads.append(threading.Thread(target=self._keep_alive, name="runner-heartbeat", daemon=True))

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """There is something new for the first crew."""
        self._ring(0)

    def stop(self) -> None:
        """Lets running steps end and returns when every thread has."""
        self._stopping.set()
        for bell in self._bells:
            bell.ring_all()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()

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

    def _work(self, place: int) -> None:
        crew, bell = self._crews[place], self._bells[place]
        while not self._stopping.is_set():
            heard = bell.rung
            if self._one(crew.source):
                self._ring(place + 1)
                self._ring(place - 1)
            elif not self._stopping.is_set():
                bell.wait(heard, crew.idle_seconds)

    @staticmethod
    def _one(source: WorkSource) -> bool:
        try:
            return source.run_one()
        except Exception as error:  # noqa: BLE001 - a thread of the runner outlives any source's trouble
            _log.error("source-failed", error=type(error).__name__, exc_info=True)
            return False

    def _keep_alive(self) -> None:
        while not self._stopping.wait(self._beat):
            for crew in self._crews:
                try:
                    crew.source.heartbeat()
                except Exception as error:  # noqa: BLE001
                    _log.error("heartbeat-failed", error=type(error).__name__)


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
