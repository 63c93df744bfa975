"""Object records move to the newest generation, in the background, while the archive runs.

written    every place holds the record under the newest generation; before that, some hold it under the older one, and
           both open the object
listed     the catalog says so

If everything stops in between, the row still names the older generation: the object is looked at again, and what has
been written by then is found so. Neither bytes nor data keys change, and the key-encryption key is not asked.

An object that is being erased is not written again: an erasure marks its rows, or takes them away, before it begins,
and what was written meanwhile is destroyed. The scrubber and this never work at once: what one read, the other may be
replacing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from zdda.audit.log import record as note
from zdda.catalog.object_copies import CopyState, copies_of
from zdda.catalog.object_generations import is_listed, move_objects, objects_of_older
from zdda.crypto.generations import GenerationKeys
from zdda.database.session import TenantDatabase
from zdda.jobs.runner import WorkSource
from zdda.model.clock import Clock
from zdda.model.errors import Unavailable, ZddaError
from zdda.model.objects import ObjectName
from zdda.retention.copy_check import RECORD_MISSING, RECORD_OLDER, check_records
from zdda.storage.blob_store import CrashPoint, StoreFailed, no_crash
from zdda.storage.key_area import KeyArea

REWRAP_POINTS = ("rewrap.some-places-written", "rewrap.written", "rewrap.listed")
_GROUP = 64
_WRITERS = 8
_AGAIN = timedelta(hours=1)
"""Objects that were on their way under an older generation come in later."""
_AWAY = timedelta(minutes=1)
_GOING = frozenset({CopyState.ERASING, CopyState.ERASED})

_HARMLESS = frozenset({RECORD_MISSING, RECORD_OLDER})

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Moved:
    """``mended``: the places whose record was not what it should be, with what was wrong there."""

    name: ObjectName
    mended: Mapping[str, str]


class Rewrapper(WorkSource):
    """A ``WorkSource`` for one thread. ``places``: every place of object records by name, a site's by the
    site's; ``sites``: the names of all sites."""

    def __init__(
        self,
        database: TenantDatabase,
        sites: Sequence[str],
        places: Mapping[str, KeyArea],
        generations: GenerationKeys,
        clock: Clock,
        crash: CrashPoint = no_crash,
    ) -> None:
        self._database, self._sites, self._places, self._generations = database, tuple(sites), dict(places), generations
        self._clock, self._crash = clock, crash
        self._newest = 0
        self._after: ObjectName | None = None
        self._not_before: datetime | None = None
        self._writers = ThreadPoolExecutor(_WRITERS, thread_name_prefix="rewrap")

    def run_one(self) -> bool:
        try:
            self._generations.refresh()  # another process may have made a generation, or destroyed one
            return self._work()
        except (Unavailable, StoreFailed) as error:
            self._not_before = self._clock.now() + _AWAY
            _log.warning("rewrap-waits", reason=error.code)
        except ZddaError as error:
            self._not_before = self._clock.now() + _AWAY
            _log.error("rewrap-fails", reason=error.code)
        return False

    def settle(self) -> None:
        self._writers.shutdown()

    def _work(self) -> bool:
        tenant = self._database.tenant
        newest = self._generations.current(tenant)
        if newest != self._newest:
            self._newest, self._after, self._not_before = newest, None, None
        now = self._clock.now()
        if self._generations.generations(tenant) == (newest,) or (self._not_before and now < self._not_before):
            return False
        with self._database.read() as tx:
            names = objects_of_older(tx, newest, self._after, _GROUP)
        if not names:
            self._after, self._not_before = None, now + _AGAIN
            return False
        moved = [each for each in self._writers.map(self._moved, names) if each is not None]
        self._crash("rewrap.written")
        with self._database.write() as tx:
            move_objects(tx, [each.name for each in moved], newest)
            for each in moved:
                for place, problem in each.mended.items():
                    note(tx, now, "record-mended", place=place, problem=problem, **each.name.facts())
            if moved:
                note(tx, now, "objects-rewrapped", generation=newest, objects=len(moved))
        self._crash("rewrap.listed")
        self._after = names[-1]
        return True

    def _moved(self, name: ObjectName) -> _Moved | None:
        """Writes the object's record under the newest generation to every place; None where that is not to be."""
        checked = check_records(self._places, name, self._generations)
        if self._is_going(name):
            return None
        if checked.best is None:
            _log.error("rewrap-without-record", **name.facts())
            return None  # the scrubber finds it, and says so
        mended = {place: why for place, why in checked.wanting.items() if why not in _HARMLESS}
        for place, why in mended.items():
            _log.error("record-damaged", place=place, problem=why, **name.facts())
        record = checked.best.rewrapped(self._generations)
        for place, key_area in self._places.items():
            if place in self._sites and checked.wanting.get(place) == RECORD_MISSING:
                continue  # the object does not lie at every site
            key_area.write(record)
            self._crash("rewrap.some-places-written")
        if self._is_going(name):  # an erasure that began meanwhile may have passed the places that were just written
            for key_area in self._places.values():
                key_area.destroy(name)
            return None
        return _Moved(name, mended)

    def _is_going(self, name: ObjectName) -> bool:
        with self._database.read() as tx:
            states = {each.state for each in copies_of(tx, name, self._sites)}
            return not is_listed(tx, name) or (bool(states) and states <= _GOING)
