"""The leased runner: threads that claim rows, do one step after another, and write down why something waits."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Protocol

import structlog

from zdda.catalog.leasing import Lease, Leased
from zdda.database.engine import DatabaseUnavailable
from zdda.database.session import TenantDatabase
from zdda.model.errors import FencedOff, ZddaError

_log = structlog.get_logger(__name__)
_LONGEST_WAIT = timedelta(minutes=5)


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
    state. A step that raises defers the row with the error's code and a backoff; a fenced-off step is dropped.
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
            self._give_back(lease)
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

    def _give_back(self, lease: Lease) -> None:
        with suppress(FencedOff), self._database.write() as tx:
            self._leased.release(tx, lease)

    def _defer(self, lease: Lease, error: Exception) -> None:
        code = error.code if isinstance(error, ZddaError) else "internal"
        wait = backoff(lease.attempts)
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


class Runner:
    """Threads over several sources. ``wake`` rings the doorbell; the sources' rows are the truth."""

    def __init__(self, sources: Sequence[WorkSource], threads: int, idle_seconds: float, beat_seconds: float) -> None:
        self._sources, self._idle, self._beat = tuple(sources), idle_seconds, beat_seconds
        self._bell = threading.Condition()
        self._rung = 0
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, name=f"runner-{number}", daemon=True) for number in range(threads)
        ]
        self._threads.append(threading.Thread(target=self._keep_alive, name="runner-heartbeat", daemon=True))

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """Something may be due now."""
        with self._bell:
            self._rung += 1
            self._bell.notify_all()

    def stop(self) -> None:
        """Lets running steps end and returns when every thread has."""
        self._stopping.set()
        self.wake()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()

    def alive(self) -> bool:
        """Whether every thread is at work."""
        return not self._stopping.is_set() and all(thread.is_alive() for thread in self._threads)

    def run_until_idle(self) -> None:
        """Does everything that is due, in this thread; for tests and one-off commands."""
        while any(source.run_one() for source in self._sources):
            pass

    def _work(self) -> None:
        while not self._stopping.is_set():
            with self._bell:
                rung = self._rung
            if not self._round():
                with self._bell:
                    if rung == self._rung and not self._stopping.is_set():
                        self._bell.wait(self._idle)

    def _round(self) -> bool:
        busy = False
        for source in self._sources:
            try:
                busy |= source.run_one()
            except Exception as error:  # noqa: BLE001 - a thread of the runner outlives any source's trouble
                _log.error("source-failed", error=type(error).__name__, exc_info=True)
        return busy

    def _keep_alive(self) -> None:
        while not self._stopping.wait(self._beat):
            for source in self._sources:
                try:
                    source.heartbeat()
                except Exception as error:  # noqa: BLE001
                    _log.error("heartbeat-failed", error=type(error).__name__)
