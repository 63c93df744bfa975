"""Scrubbing: every copy at every site is read within so many days, compared, and mended from a good one.

checked    the bytes, the lock and the records in every place were found whole: the row says when
damaged    they were not: the row says so before anything is mended, and the audit with it
mended     whole again: told in the package's chain first, then the row is as it was

If everything stops in between, a damaged copy is looked at again: what has been mended by then is found whole.

An object that is being erased is not written again: the row is read once more while the store lets nobody else at the
object (``BlobStore.mend`` opens its source there), and an erasure marks its rows before it begins.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

import structlog

from zdda.audit.log import record as note
from zdda.catalog.copy_checks import copies_checked, copies_to_check
from zdda.catalog.object_copies import Copy, CopyState, copies_of, due_copies, move_copy, postpone_copy
from zdda.crypto.generations import GenerationKeys
from zdda.database.session import TenantDatabase
from zdda.jobs.runner import WorkSource
from zdda.model.clock import Clock
from zdda.model.errors import NotFound, Unavailable, ZddaError
from zdda.model.objects import ObjectKind, ObjectName
from zdda.packaging.preservation_events import EventOutcome, EventType, PreservationEvent
from zdda.retention.copy_check import CheckedCopy, CheckedRecords, Defect, PlaceAway, answers, check_copy, check_records
from zdda.retention.mending import GuardedSource, NoGoodCopy, mend_copy, mend_records
from zdda.retention.read_budget import ReadBudget
from zdda.retention.record_slots import reclaim_slots
from zdda.storage.blob_store import CrashPoint, no_crash
from zdda.storage.key_area import KeyArea
from zdda.storage.site import Site

SCRUB_POINTS = ("scrub.damage-noted", "scrub.records-mended", "scrub.copy-mended", "scrub.told")
_GROUP = 64
_READERS = 2
_AWAY = timedelta(minutes=1)
_FRESH = timedelta(days=1)
"""What was written only now was compared then, and would be read from memory."""
_LOST_AGAIN = timedelta(days=1)
_RECLAIM_AGAIN = timedelta(hours=6)
_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(minutes=1), timedelta(hours=6)
_LOST = "; lost"
"""At the end of a row's problem: that no good copy is left was told."""
RECORD_LOST = "record-lost"
"""No place has an authentic record of the object."""

Tell = Callable[[UUID, Sequence[PreservationEvent]], None]
"""Adds events to a package's chain; raises the archive's errors where that cannot be done now."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ScrubPlan:
    """Every copy once in ``days``, reading ``bytes_per_second`` at most of each site."""

    days: int
    bytes_per_second: int


@dataclass(frozen=True, slots=True)
class _Seen:
    name: ObjectName
    records: CheckedRecords
    copy: CheckedCopy | None


class Scrubber(WorkSource):
    """A ``WorkSource`` for one thread. ``places``: every place of object records, by name."""

    def __init__(
        self,
        database: TenantDatabase,
        sites: Sequence[Site],
        places: Mapping[str, KeyArea],
        generations: GenerationKeys,
        clock: Clock,
        plan: ScrubPlan,
        tell: Tell,
        crash: CrashPoint = no_crash,
    ) -> None:
        self._database, self._sites, self._places, self._generations = database, tuple(sites), dict(places), generations
        self._clock, self._plan, self._tell, self._crash = clock, plan, tell, crash
        self._budgets = {site.name: ReadBudget(plan.bytes_per_second) for site in sites}
        self._away_until: dict[str, datetime] = {}
        self._unanswered: dict[tuple[str, ObjectName], datetime] = {}
        self._reclaim_from = datetime.min.replace(tzinfo=UTC)
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="scrub")

    def run_one(self) -> bool:
        worked = [self._of_site(site) for site in self._sites]
        if any(worked):
            return True
        if self._clock.now() < self._reclaim_from:
            return False
        self._reclaim_from = self._clock.now() + _RECLAIM_AGAIN
        reclaim_slots(self._database, self._places, {site.name for site in self._sites}, self._generations, self._clock)
        return False

    def settle(self) -> None:
        self._readers.shutdown()

    def _of_site(self, site: Site) -> bool:
        now = self._clock.now()
        if now < self._away_until.get(site.name, now):
            return False
        try:
            return self._mend_damaged(site) | (self._budgets[site.name].allows(now) and self._check(site))
        except Unavailable as error:
            self._away_until[site.name] = now + _AWAY
            _log.warning("scrub-site-away", site=site.name, reason=error.code)
            return False

    def _check(self, site: Site) -> bool:
        now = self._clock.now()
        with self._database.read() as tx:
            due = copies_to_check(tx, site.name, now - _FRESH, now - timedelta(days=self._plan.days), now, _GROUP)
        names: list[ObjectName] = []
        room = 2 * self._plan.bytes_per_second
        for name, length in due:
            if self._unanswered.get((site.name, name), now) > now:
                continue
            if names and length > room:
                break
            names.append(name)
            room -= length
        looks = list(self._readers.map(lambda name: self._try(site, name), names))
        self._mind_silence(site, names, looks)
        seen = [each for each in looks if isinstance(each, _Seen)]
        self._budgets[site.name].spend(now, sum(each.copy.read for each in seen if each.copy is not None))
        whole = [each.name for each in seen if not self._found_wanting(site, each)]
        with self._database.write() as tx:
            copies_checked(tx, site.name, whole, now)
        return bool(names)

    def _try(self, site: Site, name: ObjectName) -> _Seen | Unavailable:
        try:
            return self._look(site, name)
        except Unavailable as error:
            return error

    def _mind_silence(self, site: Site, names: Sequence[ObjectName], looks: Sequence[_Seen | Unavailable]) -> None:
        """A site that gives no answer for one object and answers otherwise has a damaged copy: the second time it is
        called so. Raises the ``Unavailable`` of a site that does not answer at all."""
        for name, look in zip(names, looks, strict=True):
            if isinstance(look, _Seen):
                self._unanswered.pop((site.name, name), None)
                continue
            if isinstance(look, PlaceAway) or not answers(site.blobs):
                raise look
            if (site.name, name) in self._unanswered:
                del self._unanswered[site.name, name]
                self._note_damage(site, name, str(Defect.UNANSWERED))
            else:
                self._unanswered[site.name, name] = self._clock.now() + _AWAY

    def _look(self, site: Site, name: ObjectName) -> _Seen:
        records = check_records(self._places_of(site), name, self._generations)
        if records.best is None:
            elsewhere = check_records(self._places, name, self._generations)
            records = CheckedRecords(elsewhere.best, records.wanting)
        return _Seen(name, records, None if records.best is None else check_copy(site.blobs, records.best))

    def _places_of(self, site: Site) -> dict[str, KeyArea]:
        """The archive's own places and the site's: another site's may be away, or not have got the object yet."""
        others = {other.name for other in self._sites if other.name != site.name}
        return {name: place for name, place in self._places.items() if name not in others}

    def _found_wanting(self, site: Site, seen: _Seen) -> bool:
        """Whether the copy is not whole; then its row says so, and the audit."""
        if seen.copy is None:
            return self._note_damage(site, seen.name, RECORD_LOST)
        if seen.copy.defect is not None:
            return self._note_damage(site, seen.name, str(seen.copy.defect))
        if seen.records.wanting:
            return self._note_damage(site, seen.name, "; ".join(sorted(set(seen.records.wanting.values()))))
        return False

    def _note_damage(self, site: Site, name: ObjectName, problem: str) -> bool:
        now = self._clock.now()
        with self._database.write() as tx:
            if move_copy(tx, site.name, name, CopyState.PRESENT, CopyState.DAMAGED, now, problem):
                note(tx, now, "copy-damaged", site=site.name, problem=problem, **name.facts())
                _log.error("copy-damaged", site=site.name, problem=problem, **name.facts())
        self._crash("scrub.damage-noted")
        return True

    def _mend_damaged(self, site: Site) -> bool:
        with self._database.read() as tx:
            due = due_copies(tx, site.name, {CopyState.DAMAGED}, self._clock.now(), _GROUP)
        for copy in due:
            try:
                self._mend(site, copy)
            except NoGoodCopy as error:
                self._lost(site, copy, error)
            except Unavailable as error:
                pause = min(_FIRST_PAUSE * 2 ** min(copy.attempts, 10), _LONGEST_PAUSE)
                self._postpone(copy, self._clock.now() + pause, error.code)
            except ZddaError as error:
                self._postpone(copy, self._clock.now() + _LOST_AGAIN, error.code)
        return bool(due)

    def _mend(self, site: Site, copy: Copy) -> None:
        found = _found(copy)
        seen = self._look(site, copy.name)
        best = seen.records.best
        if best is None:
            raise NoGoodCopy("no place has an authentic record of the object")
        if seen.records.wanting:
            mend_records(self._places_of(site), seen.records)
            self._crash("scrub.records-mended")
            self._forget_if_erased(copy)
        defect = None if seen.copy is None else seen.copy.defect
        if defect is not None:
            check = partial(self._check_damaged, copy)
            others = [GuardedSource(other.blobs, check) for other in self._sites if other.name != site.name]
            mend_copy(site.blobs, others, best, defect)
            self._crash("scrub.copy-mended")
            defect = check_copy(site.blobs, best).defect
        if defect is not None:
            raise NoGoodCopy("what was mended is not whole")
        self._conclude(copy, found, EventOutcome.SUCCESS)

    def _conclude(self, copy: Copy, found: str, outcome: EventOutcome) -> None:
        """Tells what was found and done, then the row."""
        now = self._clock.now()
        self._reclaim_from = now
        self._tell_chain(copy, found, outcome, now)
        self._crash("scrub.told")
        with self._database.write() as tx:
            if move_copy(tx, copy.site, copy.name, CopyState.DAMAGED, CopyState.PRESENT, now):
                copies_checked(tx, copy.site, [copy.name], now)
                note(tx, now, "copy-mended", site=copy.site, problem=found, **copy.name.facts())
        _log.warning("copy-mended", site=copy.site, problem=found, **copy.name.facts())

    def _lost(self, site: Site, copy: Copy, error: NoGoodCopy) -> None:
        """An alarm, every day anew; the audit and the package's chain have it once."""
        now = self._clock.now()
        found = _found(copy)
        _log.error("copy-lost", site=site.name, problem=found, reason=str(error), **copy.name.facts())
        if not (copy.problem or "").endswith(_LOST):
            try:
                self._tell_chain(copy, found, EventOutcome.FAIL, now)
            except ZddaError as untold:
                _log.error("preservation-events-not-told", reason=untold.code, **copy.name.facts())
            with self._database.write() as tx:
                note(tx, now, "copy-lost", site=site.name, problem=found, **copy.name.facts())
        with self._database.write() as tx:
            until = now + _LOST_AGAIN
            postpone_copy(tx, copy.site, copy.name, CopyState.DAMAGED, until, found + _LOST)

    def _tell_chain(self, copy: Copy, found: str, outcome: EventOutcome, now: datetime) -> None:
        if copy.name.kind is not ObjectKind.AIP:
            return  # of many packages: the audit has it
        of = (copy.name.kind.value, copy.name.sequence, copy.site, found)
        events = (
            PreservationEvent(EventType.FIXITY_CHECK, copy.since, EventOutcome.FAIL, *of),
            PreservationEvent(EventType.RECOVERY, now, outcome, *of),
        )
        try:
            self._tell(copy.name.package, events)
        except NotFound:
            _log.error("preservation-events-not-told", reason="not-found", **copy.name.facts())

    def _postpone(self, copy: Copy, until: datetime, problem: str) -> None:
        with self._database.write() as tx:
            postpone_copy(tx, copy.site, copy.name, CopyState.DAMAGED, until, copy.problem or problem)

    def _check_damaged(self, copy: Copy) -> None:
        """Raises ``NotFound`` where the copy is no longer to be mended."""
        with self._database.read() as tx:
            if [each.state for each in copies_of(tx, copy.name, [copy.site])] != [CopyState.DAMAGED]:
                raise NotFound("the object is being erased")

    def _forget_if_erased(self, copy: Copy) -> None:
        """An erasure of the object that began meanwhile may have passed the places that were just written. A copy that
        is erased because the object has moved is none: the object's record is needed where it now lies."""
        with self._database.read() as tx:
            states = {each.state for each in copies_of(tx, copy.name, [site.name for site in self._sites])}
        if states and states <= {CopyState.ERASING, CopyState.ERASED}:
            for place in self._places.values():
                place.destroy(copy.name)
            raise NotFound("the object is being erased")


def _found(copy: Copy) -> str:
    """What was found wrong with it."""
    return (copy.problem or "object-damaged").removesuffix(_LOST)
