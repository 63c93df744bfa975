"""The use case behind every door for deposits: begin, status, wait."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from uuid import UUID

from zdda.catalog.deposits import get_deposit
from zdda.ingest.reception import DepositReception, KeysInFlight
from zdda.ingest.status import status_of
from zdda.ingest.workshop import Workshop
from zdda.model.deposit import FINAL, Deferral, DepositState
from zdda.model.views import DepositStatus

_GLANCE, _LONGEST_GLANCE = 0.5, 4.0
_REMEMBERED = 10_000
"""Deposits whose end is remembered for those who begin to wait just after it."""


class Intake:
    """See ``zdda.model.views.Deposits``."""

    def __init__(self, workshop: Workshop, progress: Progress) -> None:
        self._workshop, self._progress = workshop, progress
        self._in_flight = KeysInFlight()

    def begin(self, account: str, idempotency_key: str | None, correlation_id: str) -> DepositReception:
        """Raises ``IdempotencyKeyTaken``, ``SpoolFull``."""
        self._workshop.spool.check_room()
        return DepositReception(self._workshop, self._in_flight, account, idempotency_key, correlation_id)

    def status(self, deposit_id: UUID) -> DepositStatus:
        """Raises ``NotFound``."""
        with self._workshop.database.read() as tx:
            status = status_of(tx, deposit_id)
            if status.state is DepositState.SEALED:
                placement = self._workshop.placement([get_deposit(tx, deposit_id).retention_class])
                if (waits := self._workshop.forwarding.reason(placement)) is not None:  # it may not have had its turn
                    deferral = Deferral(waits[0], self._workshop.clock.now() + waits[1])
                    known = status.deferral or deferral
                    return replace(status, deferral=max(known, deferral, key=lambda each: each.not_before))
        return status

    def wait(self, deposit_id: UUID, seconds: float) -> DepositStatus:
        """Blocks until the deposit is final or deferred, for ``seconds`` at most."""
        deadline, glance = time.monotonic() + seconds, _GLANCE
        with self._progress.watching(deposit_id) as moved:
            while True:
                moved.wait(max(0.0, min(glance, deadline - time.monotonic())))
                glance = min(2 * glance, _LONGEST_GLANCE)
                status = self.status(deposit_id)
                if status.state in FINAL or status.deferral is not None or time.monotonic() >= deadline:
                    return status


class Progress:
    """Tells those who wait for a deposit, in this process, that it has reached its end.

    A doorbell only: who hears nothing (another process did the work, the deposit was deferred) looks by itself.
    """

    def __init__(self) -> None:
        self._watched: dict[UUID, list[threading.Event]] = {}
        self._lately: OrderedDict[UUID, None] = OrderedDict()
        self._lock = threading.Lock()

    @contextmanager
    def watching(self, deposit_id: UUID) -> Iterator[threading.Event]:
        """An event that is set once the deposit has ended; from the start where it ended just now."""
        event = threading.Event()
        with self._lock:
            if deposit_id in self._lately:
                event.set()
            self._watched.setdefault(deposit_id, []).append(event)
        try:
            yield event
        finally:
            with self._lock:
                self._watched[deposit_id].remove(event)
                if not self._watched[deposit_id]:
                    del self._watched[deposit_id]

    def ended(self, deposit_id: UUID) -> None:
        """The deposit is archived or rejected."""
        with self._lock:
            self._lately[deposit_id] = None
            if len(self._lately) > _REMEMBERED:
                self._lately.popitem(last=False)
            for event in self._watched.get(deposit_id, ()):
                event.set()
