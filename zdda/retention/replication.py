"""Replication: what a site has to get is read from another site and written there.

missing    the row, made with the object or when the site was named: the journal
recorded   the site's own place has the record, where it has a place
written    the bytes lie there under their lock; read again, and compared with the address
present    the row says so

If everything stops in between, the row is still missing: what lies there by then is compared and taken. An object that
is being erased meanwhile is not written again: the row is read once more while the store lets nobody else at the object
(``BlobStore.mend`` opens its source there), and an erasure marks its rows before it begins.

An object that cannot be read or written while the sites answer is put off alone. The site waits as a whole where it
does not answer, or none that has to give, or where several objects in a row fail.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial

import structlog

from zdda.catalog.object_copies import Copy, CopyState, copies_of, due_copies, move_copy, postpone_copy
from zdda.database.session import TenantDatabase
from zdda.jobs.runner import WorkSource
from zdda.model.clock import Clock
from zdda.model.errors import NotFound, Unavailable, ZddaError
from zdda.model.objects import ObjectName
from zdda.retention.copy_check import Defect, answers, check_copy
from zdda.retention.mending import GuardedSource, NoGoodCopy, mend_copy
from zdda.storage.blob_store import CrashPoint, no_crash
from zdda.storage.object_record import ObjectRecord
from zdda.storage.object_store import ObjectStore
from zdda.storage.site import Site

REPLICATION_POINTS = (
    "replicate.before-record",
    "replicate.recorded",
    "replicate.before-copy",
    "replicate.copy-written",
    "replicate.before-commit",
    "replicate.committed",
)
GROUP = 32
"""Copies under way at a site at most."""
_THREADS = 4
_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(seconds=1), timedelta(minutes=1)
_LONGEST_ANSWERING = timedelta(seconds=10)
_FIRST_ALONE, _LONGEST_ALONE = timedelta(minutes=1), timedelta(hours=1)
_SEVERAL = 3
"""Objects that fail in a row while the sites answer, until it is not theirs."""

_log = structlog.get_logger(__name__)


class Replicator(WorkSource):
    """Brings one site level. A ``WorkSource`` for one thread: each site has its own, so that none waits for another."""

    def __init__(
        self,
        database: TenantDatabase,
        store: ObjectStore,
        site: Site,
        others: Sequence[Site],
        clock: Clock,
        crash: CrashPoint = no_crash,
        threads: int = _THREADS,
    ) -> None:
        self._database, self._store, self._site, self._others = database, store, site, tuple(others)
        self._clock, self._crash = clock, crash
        self._pause = timedelta(0)
        self._until: datetime | None = None
        self._failed: set[ObjectName] = set()
        """Since something was replicated."""
        self._workers = ThreadPoolExecutor(threads, thread_name_prefix="replicate") if threads > 1 else None

    def run_one(self) -> bool:
        """Some of what is due. One copy goes first: while the site does not answer, nothing else is tried. After
        several that failed it is one that has not, so that those that fail keep nothing waiting, however many."""
        now = self._clock.now()
        if self._until is not None and now < self._until <= now + _LONGEST_PAUSE:
            return False
        with self._database.read() as tx:
            due = []
            if len(self._failed) >= _SEVERAL:
                due = due_copies(tx, self._site.name, {CopyState.MISSING}, now, GROUP, untried=True)
            due = due or due_copies(tx, self._site.name, {CopyState.MISSING}, now, GROUP)
        if not due:
            return False
        self._until = None
        done = [self._tried(due[0])]
        if self._workers is None:
            done += [self._tried(copy) for copy in due[1:]]
        else:
            done += self._workers.map(self._tried, due[1:])
        self._commit([copy for copy in done if copy is not None])
        if self._until is None:
            self._pause = timedelta(0)
        return True

    def settle(self) -> None:
        if self._workers is not None:
            self._workers.shutdown()

    def _commit(self, written: Sequence[Copy]) -> None:
        if not written:
            return
        now = self._clock.now()
        self._crash("replicate.before-commit")
        with self._database.write() as tx:
            for copy in written:
                move_copy(tx, copy.site, copy.name, CopyState.MISSING, CopyState.PRESENT, now)
        self._crash("replicate.committed")

    def _tried(self, copy: Copy) -> Copy | None:
        """The copy, once it is written and compared; None where it waits, or is not wanted any more."""
        if self._until is not None:
            return None
        try:
            self._replicate(copy)
        except NoGoodCopy as error:
            _log.error("replication-without-source", site=copy.site, reason=error.code, **copy.name.facts())
            self._postpone(copy, _LONGEST_ALONE, _LONGEST_ALONE, error.code)
        except _NotWanted:
            pass
        except (Unavailable, OSError) as error:
            self._failing(copy, error)
        except ZddaError as error:
            _log.error("replication-failed", site=copy.site, reason=error.code, **copy.name.facts())
            self._postpone(copy, _LONGEST_ALONE, _LONGEST_ALONE, error.code)
        else:
            self._failed.clear()
            self._store.site_answered(self._site.name)
            return copy
        return None

    def _replicate(self, copy: Copy) -> None:
        try:
            record = self._store.record(copy.name)
        except NotFound as error:
            raise NoGoodCopy("no place has a record of the object") from error
        if self._site.records is not None:
            self._crash("replicate.before-record")
            self._site.records.write(record)
            self._crash("replicate.recorded")
            state = self._state(copy)
            if state in {CopyState.ERASING, CopyState.ERASED}:
                self._site.records.destroy(copy.name)  # the erasure may have passed the place before it was written
            if state is not CopyState.MISSING:
                raise _NotWanted
        defect = self._defect(record)
        if defect is None:
            return
        self._crash("replicate.before-copy")
        check = partial(self._check_wanted, copy)
        mend_copy(self._site.blobs, [GuardedSource(other.blobs, check) for other in self._others], record, defect)
        self._crash("replicate.copy-written")
        defect = check_copy(self._site.blobs, record).defect
        if defect is not None:
            raise Unavailable(f"what was written is not what lies there: {defect}")

    def _defect(self, record: ObjectRecord) -> Defect | None:
        """What keeps the copy from being whole; most often nothing lies there."""
        try:
            self._site.blobs.stat(record.address)
        except NotFound:
            return Defect.MISSING
        return check_copy(self._site.blobs, record).defect

    def _state(self, copy: Copy) -> CopyState | None:
        with self._database.read() as tx:
            return next((each.state for each in copies_of(tx, copy.name, [copy.site])), None)

    def _check_wanted(self, copy: Copy) -> None:
        if self._state(copy) is not CopyState.MISSING:
            raise _NotWanted

    def _failing(self, copy: Copy, error: Exception) -> None:
        reason = error.code if isinstance(error, ZddaError) else type(error).__name__
        if not answers(self._site.blobs) or not any(answers(other.blobs) for other in self._others):
            self._postpone(copy, _FIRST_PAUSE, _LONGEST_PAUSE, reason)
            self._wait(reason, _LONGEST_PAUSE)
            return
        _log.warning("replication-put-off", site=copy.site, reason=reason, **copy.name.facts())
        self._postpone(copy, _FIRST_ALONE, _LONGEST_ALONE, reason)
        self._failed.add(copy.name)
        if len(self._failed) >= _SEVERAL:
            self._wait(reason, _LONGEST_ANSWERING)

    def _wait(self, reason: str, longest: timedelta) -> None:
        if self._until is not None:
            return
        self._pause = min(max(2 * self._pause, _FIRST_PAUSE), longest)
        self._until = self._clock.now() + self._pause
        _log.warning("replication-waits", site=self._site.name, reason=reason, seconds=self._pause.total_seconds())

    def _postpone(self, copy: Copy, first: timedelta, longest: timedelta, problem: str) -> None:
        pause = min(first * 2 ** min(copy.attempts, 10), longest)
        with self._database.write() as tx:
            postpone_copy(tx, copy.site, copy.name, CopyState.MISSING, self._clock.now() + pause, problem)


class _NotWanted(Exception):
    """The copy is not to be written any more."""
