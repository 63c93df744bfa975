"""What has moved away is erased at the site that it left, when its lock has ended there.

leaving    another copy counts; this one lies there still, perhaps for years
erasing    (its problem is ``moved-away``) every byte of a copy elsewhere was read; the lock was over by every clock
erased     nothing lies there; the row keeps the object from being replicated there again

If everything stops in between, the step is repeated from the reading on: erasing what is gone is no error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from zdda.audit.log import record as note
from zdda.catalog.object_copies import Copy, CopyState, copies_of, left_copies_due, move_copy, postpone_copy
from zdda.catalog.store_moves import moves_ordered
from zdda.database.session import TenantDatabase
from zdda.jobs.runner import WorkSource
from zdda.model.clock import Clock
from zdda.model.errors import NotFound, Unavailable, ZddaError
from zdda.retention.copy_check import check_copy
from zdda.retention.permits import permit
from zdda.storage.blob_store import CrashPoint, no_crash
from zdda.storage.erase_permit import EraseReason, StillLocked
from zdda.storage.object_record import ObjectRecord
from zdda.storage.object_store import ObjectStore
from zdda.storage.site import Site

LEAVING_POINTS = ("leaving.verified", "leaving.begun", "leaving.erased", "leaving.noted")
MOVED_AWAY = "moved-away"
"""The problem of a row that is erasing for this reason, and for no disposal."""
_GROUP = 16
_PAUSE, _LONGEST_PAUSE = timedelta(minutes=10), timedelta(days=1)

_log = structlog.get_logger(__name__)


class Agreed(Protocol):
    """See ``zdda.retention.clocks.AgreedTime``."""

    @property
    def clocks(self) -> tuple[tuple[str, datetime], ...]: ...

    @property
    def earliest(self) -> datetime: ...

    @property
    def system(self) -> datetime: ...


class LeavingCopies(WorkSource):
    """A ``WorkSource`` for one thread. ``agreed``: asks the clocks, raises ``Unavailable`` where they do not agree."""

    def __init__(
        self,
        database: TenantDatabase,
        store: ObjectStore,
        sites: Sequence[Site],
        agreed: Callable[[], Agreed],
        clock: Clock,
        crash: CrashPoint = no_crash,
    ) -> None:
        self._database, self._store, self._agreed = database, store, agreed
        self._sites: Mapping[str, Site] = {site.name: site for site in sites}
        self._clock, self._crash = clock, crash

    def run_one(self) -> bool:
        worked = [self._of_site(site) for site in self._sites.values()]
        return any(worked)

    def _of_site(self, site: Site) -> bool:
        with self._database.read() as tx:
            due = left_copies_due(tx, site.name, MOVED_AWAY, self._clock.now(), _GROUP)
        for copy in due:
            try:
                self._erase(site, copy)
            except StillLocked as error:
                self._postpone(copy, error.until, error.code)
            except (ZddaError, OSError) as error:
                reason = error.code if isinstance(error, ZddaError) else type(error).__name__
                pause = min(_PAUSE * 2 ** min(copy.attempts, 10), _LONGEST_PAUSE)
                self._postpone(copy, self._clock.now() + pause, reason)
                report = _log.warning if isinstance(error, Unavailable) else _log.error
                report("leaving-copy-stays", site=site.name, reason=reason, **copy.name.facts())
        return bool(due)

    def _erase(self, site: Site, copy: Copy) -> None:
        record = self._store.record(copy.name)
        locked_until = _lock(site, record)
        if locked_until is not None and locked_until > self._clock.now():
            raise StillLocked("the copy's lock is not over", locked_until)
        if locked_until is None and copy.state is CopyState.LEAVING and copy.since + _PAUSE > self._clock.now():
            raise Unavailable("whoever was to write the copy may be at it still")
        time = self._agreed()
        if locked_until is not None and locked_until > time.earliest:
            raise StillLocked("the copy's lock is not over by every clock", locked_until)
        if not self._lies_elsewhere(copy, record):
            raise NoOtherCopy("no other good copy of the object was found")
        self._crash("leaving.verified")
        now = self._clock.now()
        with self._database.write() as tx:
            others = [each for each in copies_of(tx, copy.name, self._others(copy)) if each.state is CopyState.PRESENT]
            states = (CopyState.LEAVING, CopyState.ERASING)
            if not others or not move_copy(tx, site.name, copy.name, states, CopyState.ERASING, now, MOVED_AWAY):
                return
            orders = [each for each in moves_ordered(tx) if each.source == site.name]
        self._crash("leaving.begun")
        by, plan = (orders[-1].ordered_by, str(orders[-1].identifier)) if orders else ("the archive", MOVED_AWAY)
        allowed = permit(
            record.address,
            copy.name,
            EraseReason.MOVE,
            issued_at=time.system,
            decided_by=by,
            plan=plan,
            clocks=dict(time.clocks),
        )
        deletion = site.blobs.erase(record.address, allowed)
        self._crash("leaving.erased")
        now = self._clock.now()
        with self._database.write() as tx:
            if move_copy(tx, site.name, copy.name, CopyState.ERASING, CopyState.ERASED, now):
                told = {"outcome": str(deletion.outcome), "method": deletion.method, "plan": plan}
                note(tx, now, "copy-erased", site=site.name, reason=str(EraseReason.MOVE), **told, **copy.name.facts())
        self._crash("leaving.noted")

    def _lies_elsewhere(self, copy: Copy, record: ObjectRecord) -> bool:
        """Whether some other site's copy, present by its row, is whole: every byte is read."""
        with self._database.read() as tx:
            others = copies_of(tx, copy.name, self._others(copy))
        for other in others:
            if other.state is not CopyState.PRESENT:
                continue
            try:
                if check_copy(self._sites[other.site].blobs, record).defect is None:
                    return True
            except Unavailable:
                continue
        return False

    def _others(self, copy: Copy) -> list[str]:
        return [name for name in self._sites if name != copy.site]

    def _postpone(self, copy: Copy, until: datetime, problem: str) -> None:
        with self._database.write() as tx:
            for now in copies_of(tx, copy.name, [copy.site]):
                if now.state is CopyState.LEAVING:
                    postpone_copy(tx, copy.site, copy.name, now.state, until, problem)
                elif now.state is CopyState.ERASING and now.problem == MOVED_AWAY:
                    postpone_copy(tx, copy.site, copy.name, now.state, until, MOVED_AWAY)


class NoOtherCopy(ZddaError):
    """The copy was to be erased because others lie elsewhere, and none of them is good."""

    code = "no-other-copy"


def _lock(site: Site, record: ObjectRecord) -> datetime | None:
    """Until when the copy is locked; None where nothing lies there."""
    try:
        return site.blobs.stat(record.address).retain_until
    except NotFound:
        return None
