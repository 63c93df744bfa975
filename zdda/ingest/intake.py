"""The use case behind every door for deposits: begin, status, wait."""

from __future__ import annotations

import threading
import time
from uuid import UUID

from zdda.ingest.reception import DepositReception, KeysInFlight
from zdda.ingest.status import status_of
from zdda.ingest.workshop import Workshop
from zdda.model.deposit import FINAL
from zdda.model.views import DepositStatus

_GLANCE = 0.5


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
            return status_of(tx, deposit_id)

    def wait(self, deposit_id: UUID, seconds: float) -> DepositStatus:
        """Blocks until the deposit is final or deferred, for ``seconds`` at most."""
        deadline = time.monotonic() + seconds
        while True:
            seen = self._progress.seen()
            status = self.status(deposit_id)
            left = deadline - time.monotonic()
            if status.state in FINAL or status.deferral is not None or left <= 0:
                return status
            self._progress.wait(seen, min(_GLANCE, left))


class Progress:
    """Rings whenever some deposit moves on; what moved is in the rows."""

    def __init__(self) -> None:
        self._bell = threading.Condition()
        self._count = 0

    def seen(self) -> int:
        """How many moves there were so far."""
        with self._bell:
            return self._count

    def ring(self) -> None:
        """Something moved."""
        with self._bell:
            self._count += 1
            self._bell.notify_all()

    def wait(self, seen: int, seconds: float) -> None:
        """Returns once there are more moves than ``seen``, or after ``seconds``."""
        with self._bell:
            self._bell.wait_for(lambda: self._count > seen, seconds)
