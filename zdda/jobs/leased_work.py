"""Rows of one table that are moved on under a lease: several at once, committed together, failing alone."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from typing import Generic, Protocol, TypeVar
from uuid import UUID

import structlog

from zdda.catalog.leasing import LONGEST_DEFERRAL, Lease, Leased
from zdda.database.engine import DatabaseUnavailable
from zdda.database.session import TenantDatabase
from zdda.jobs.runner import Gathering, WorkSource
from zdda.model.errors import DueLater, FencedOff, ZddaError

_log = structlog.get_logger(__name__)
_LONGEST_WAIT = timedelta(minutes=5)
_FURTHEST = LONGEST_DEFERRAL - timedelta(days=1)
_LOOKS_AGAIN = 0.1
"""Seconds after which a source that found nothing, and was told of nothing, looks by itself."""
_LINGER = 0.01
"""Seconds that what is done waits for what is nearly done, so that both are committed at once."""

Outcome = Lease | Exception
"""A row's lease in the state that it has come to, or why it has not."""
Done = TypeVar("Done")


class Steps(Protocol[Done]):
    """The steps of a table's rows, in two parts: what may take long and fail for one row alone, and the commit."""

    def begin(self, leases: Sequence[Lease], /) -> Sequence[Callable[[], Done] | Exception]:
        """The first part of each row's next step, to be called once in any thread; an error for a row that has
        none. Raises what goes wrong for all of them."""
        ...

    def commit(self, done: Sequence[tuple[Lease, Done]], /) -> Sequence[Outcome]:
        """Makes the second part true, in one transaction unless one of them stands in the others' way."""
        ...


class SingleSteps(Generic[Done]):
    """``Steps`` of rows that are worked at one by one: ``step`` commits by itself and returns the lease."""

    def __init__(self, step: Callable[[Lease], Lease]) -> None:
        self._step = step

    def begin(self, leases: Sequence[Lease], /) -> Sequence[Callable[[], Lease] | Exception]:
        return [lambda lease=lease: self._step(lease) for lease in leases]  # type: ignore[misc]

    def commit(self, done: Sequence[tuple[Lease, Lease]], /) -> Sequence[Outcome]:
        return [moved for _, moved in done]


def backoff(attempts: int) -> timedelta:
    """1, 2, 4 … seconds, five minutes at most."""
    return min(timedelta(seconds=2 ** min(attempts, 16)), _LONGEST_WAIT)


class LeasedWork(WorkSource, Generic[Done]):
    """Rows that ``steps`` move on for as long as they are in one of ``states``, up to ``group`` at once.

    The last transition gives a row back. A row whose step fails is deferred with the error's code and a backoff, the
    others go on; one that is fenced off is dropped.

    ``ready`` says in which of the states rows are claimed now; rows that come to another are worked on all the same.

    With ``threads``, once the runner listens, the first parts of steps run in so many threads, and whatever is done
    is committed by the crew's: a row that takes long holds up no other. Without, each thread of the crew has its
    group from the claim to the end.
    """

    def __init__(
        self,
        database: TenantDatabase,
        leased: Leased,
        states: Collection[str],
        steps: Steps[Done],
        owner: str,
        lease: timedelta = timedelta(minutes=5),
        group: int = 1,
        threads: int = 0,
        ready: Callable[[], Collection[str]] | None = None,
    ) -> None:
        self._ready = ready
        self._database, self._leased, self._states = database, leased, tuple(states)
        self._steps, self._owner, self._lease = steps, owner, lease
        self._group, self._threads = group, threads
        self._held: dict[UUID, Lease] = {}
        self._lock = threading.Lock()
        self._executor: ThreadPoolExecutor | None = None
        self._ring: Callable[[], None] = lambda: None
        self._gathering = Gathering()
        self._listens, self._told, self._looked = False, True, -math.inf
        self._changed = threading.Condition(self._lock)
        self._running = 0
        self._finished: list[tuple[Lease, Done | Exception]] = []

    def run_one(self) -> bool:
        if self._executor is not None:
            return self._concurrently(self._executor)
        claimed = self._claim(self._group)
        try:
            waiting = claimed
            while waiting:
                state = waiting[0].state
                alike = [lease for lease in waiting if lease.state == state]
                waiting = [lease for lease in waiting if lease.state != state]
                waiting += self._conclude([(lease, _result(task)) for lease, task in self._begun(alike)])
        finally:
            self._let_go(lease.key for lease in claimed)
        return bool(claimed)

    def tell(self) -> None:
        self._told = True

    def heartbeat(self) -> None:
        with self._lock:
            held = list(self._held.values())
        for lease in held:
            with suppress(FencedOff, DatabaseUnavailable), self._database.write() as tx:
                self._leased.renew(tx, lease, self._lease)

    def listen(self, ring: Callable[[], None]) -> None:
        self._listens = True
        if self._threads:
            self._gathering.begin()
            self._ring, self._executor = ring, ThreadPoolExecutor(self._threads, "leased-work")

    def settle(self) -> None:
        if self._executor is None:
            return
        self._executor.shutdown(cancel_futures=False)
        for lease in self._conclude(self._take_finished()):
            with suppress(FencedOff, DatabaseUnavailable), self._database.write() as tx:
                self._leased.release(tx, lease)
            self._let_go([lease.key])

    def _concurrently(self, executor: ThreadPoolExecutor) -> bool:
        finished = self._take_finished()
        self._submit(executor, self._conclude(finished))
        with self._lock:
            room = self._group - self._running
        claimed = self._claim(room) if room > 0 else []
        self._submit(executor, claimed)
        return bool(finished or claimed)

    def _submit(self, executor: ThreadPoolExecutor, leases: Sequence[Lease]) -> None:
        for lease, task in self._begun(leases):
            with self._lock:
                self._running += 1
            executor.submit(self._run, lease, task)

    def _run(self, lease: Lease, task: Callable[[], Done] | Exception) -> None:
        result = _result(task)
        with self._changed:
            self._finished.append((lease, result))
            self._running -= 1
            self._changed.notify_all()
        self._ring()

    def _take_finished(self) -> list[tuple[Lease, Done | Exception]]:
        with self._changed:
            if self._finished and self._running:
                self._changed.wait_for(lambda: not self._running, _LINGER)
            finished, self._finished = self._finished, []
        return finished

    def _claim(self, limit: int) -> list[Lease]:
        states = self._states if self._ready is None else tuple(self._ready())
        if not states or (self._listens and not self._told and time.monotonic() - self._looked < _LOOKS_AGAIN):
            return []
        self._told = False  # who tells from here on is heard: the look comes after it
        with self._database.read() as tx:
            if not self._leased.any_due(tx, states):
                self._looked = time.monotonic()
                return []
        self._told = True
        self._gathering.wait()
        with self._database.write() as tx:
            claimed = self._leased.claim(tx, self._owner, states, self._lease, limit)
        self._hold(claimed)
        return claimed

    def _begun(self, leases: Sequence[Lease]) -> list[tuple[Lease, Callable[[], Done] | Exception]]:
        if not leases:
            return []
        try:
            return list(zip(leases, self._steps.begin(leases), strict=True))
        except Exception as error:  # noqa: BLE001 - whatever it is, the rows wait and say so
            return [(lease, error) for lease in leases]

    def _conclude(self, results: Sequence[tuple[Lease, Done | Exception]]) -> list[Lease]:
        """Commits what was done and defers what was not; the leases of those that have steps left."""
        going_on, failed = [], [(lease, result) for lease, result in results if isinstance(result, Exception)]
        done = [(lease, result) for lease, result in results if not isinstance(result, Exception)]
        for (lease, _), outcome in zip(done, self._committed(done), strict=True):
            if isinstance(outcome, Exception):
                failed.append((lease, outcome))
            elif outcome.state in self._states:
                going_on.append(outcome)
        self._hold(going_on)
        kept = {lease.key for lease in going_on}
        self._let_go(lease.key for lease, _ in results if lease.key not in kept)
        for lease, error in failed:
            with suppress(Exception):  # a full disk under the log, say: held no more, the lease ends by itself
                self._defer(lease, error)
        return going_on

    def _committed(self, done: Sequence[tuple[Lease, Done]]) -> Sequence[Outcome]:
        if not done:
            return []
        try:
            return self._steps.commit(done)
        except Exception as error:  # noqa: BLE001 - as above
            return [error for _ in done]

    def _defer(self, lease: Lease, error: Exception) -> None:
        if isinstance(error, FencedOff):
            _log.warning("fenced-off", table=self._leased.table.name)
            return
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
            exc_info=error if code == "internal" else None,
        )
        with suppress(FencedOff, DatabaseUnavailable), self._database.write() as tx:
            self._leased.defer(tx, lease, code, wait)

    def _hold(self, leases: Iterable[Lease]) -> None:
        with self._lock:
            self._held.update({lease.key: lease for lease in leases})

    def _let_go(self, keys: Iterable[UUID]) -> None:
        with self._lock:
            for key in keys:
                self._held.pop(key, None)


def _result(task: Callable[[], Done] | Exception) -> Done | Exception:
    """What the task gives, or the error that it raises: it is its row's alone."""
    if isinstance(task, Exception):
        return task
    try:
        return task()
    except Exception as error:  # noqa: BLE001 - as above
        return error
