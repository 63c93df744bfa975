"""A key area in a folder: segments of slots; concurrent writers share one sync."""

from __future__ import annotations

import errno
import fcntl
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from zdda.model.clock import Entropy
from zdda.model.errors import NotFound, Unavailable
from zdda.model.identifiers import TenantId
from zdda.model.objects import ObjectKind, ObjectName
from zdda.storage.blob_store import CrashPoint, StoreFailed, no_crash
from zdda.storage.durable_files import make_folder
from zdda.storage.key_area import newest_of, sort_key
from zdda.storage.object_record import ObjectRecord, RecordMalformed
from zdda.storage.slots import Segment, SegmentMalformed

CRASH_POINTS = ("key-area.before-write", "key-area.written", "key-area.synced")
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_Place = tuple[Segment, int]


class FilesystemKeyArea:
    """See ``KeyArea``. One process opens the folder at a time.

    A record's two copies are never both on their way to the disk: who writes a name, or destroys it, has it alone
    until the sync is done. After a failed sync, write or erasure nothing more is written until the folder is opened
    anew: what the kernel then says of a page is not to be believed. ``damaged`` tells, after opening, how many slots
    held a copy that is neither valid nor blank, ``lost`` how many slots are of no use before ``reclaim``.
    """

    def __init__(self, folder: Path, entropy: Entropy, *, passes: int = 3, crash: CrashPoint = no_crash) -> None:
        make_folder(folder)
        self._folder, self._entropy, self._passes, self._crash = folder, entropy, passes, crash
        self._guard = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._guard)
            raise StoreFailed("another process has opened this key area") from error
        self._lock = threading.Lock()
        self._released = threading.Condition(self._lock)
        self._busy: set[ObjectName] = set()
        self._failed = False
        self._segments: list[Segment] = []
        self._index: dict[ObjectName, _Place] = {}
        self._free: list[_Place] = []
        self._syncs: dict[Segment, _GroupSync] = {}
        self._lost: list[_Place] = []
        self._twins: dict[ObjectName, list[_Place]] = {}
        self.damaged = 0
        try:
            for path in sorted(folder.glob(f"segment-{'[0-9]' * 6}.slots")):
                self._add(Segment(path))
        except OSError as error:
            self.close()
            raise StoreFailed("the key area's medium fails") from error
        except SegmentMalformed:
            self.close()
            raise

    def close(self) -> None:
        """Lets another process open the folder."""
        for segment in self._segments:
            segment.close()
        os.close(self._guard)

    def write(self, record: ObjectRecord) -> None:
        body = record.encode()
        self._crash("key-area.before-write")
        with self._alone(record.name):
            with self._lock:
                place = self._index.get(record.name) or self._take()
                segment, slot = place
                segment.write(slot, body)
            self._crash("key-area.written")
            self._syncs[segment].sync()
            self._index[record.name] = place
        self._crash("key-area.synced")

    def read(self, name: ObjectName) -> ObjectRecord:
        with self._lock:
            place = self._index.get(name)
            if place is None:
                raise NotFound("the key area has no such record")
            try:
                body = place[0].read(place[1])
            except OSError as error:
                raise Unavailable("the key area's medium cannot be read") from error
        record = ObjectRecord.decode(body)
        if record.name != name:
            raise RecordMalformed("a slot holds another object's record")
        return record

    def records(self) -> Iterator[ObjectRecord]:
        with self._lock:
            names = sorted(self._index, key=sort_key)
        for name in names:
            try:
                yield self.read(name)
            except (NotFound, RecordMalformed, Unavailable):  # destroyed or damaged meanwhile
                continue

    def newest(self, kind: ObjectKind, tenant: TenantId, limit: int) -> list[ObjectName]:
        with self._lock:
            return newest_of(self._index, kind, tenant, limit)

    def destroy(self, name: ObjectName) -> None:
        with self._alone(name):
            with self._lock:
                place = self._index.pop(name, None)
            self._erase_all(self._twins.get(name, []))
            self._twins.pop(name, None)
            if place is None:
                return
            try:
                place[0].erase(place[1], self._passes, self._entropy)
            except BaseException:
                with self._lock:
                    self._index[name] = place  # it is not destroyed until all passes are on the disk
                raise
            with self._lock:
                self._free.append(place)

    @property
    def lost(self) -> int:
        """How many slots nothing is written to: they tell of no record, or of one that lies in another slot."""
        return len(self._lost) + sum(map(len, self._twins.values()))

    def reclaim(self) -> None:
        """Overwrites those slots, as ``destroy`` does, and writes there again. For a caller who knows that this place
        has every record it has to have: what lies there may be the rest of one. Raises ``StoreFailed``."""
        for name in list(self._twins):
            with self._alone(name):
                self._erase_all(self._twins.get(name, []))
                self._twins.pop(name, None)
        with self._erring():
            self._erase_all(self._lost)

    def _erase_all(self, places: list[_Place]) -> None:
        while places:
            segment, slot = places[-1]
            segment.erase(slot, self._passes, self._entropy)
            with self._lock:
                self._free.append(places.pop())

    @contextmanager
    def _alone(self, name: ObjectName) -> Iterator[None]:
        with self._released:
            while name in self._busy:
                self._released.wait()
            if self._failed:
                raise StoreFailed("the key area takes no writes since an error of its medium")
            self._busy.add(name)
        try:
            with self._erring():
                yield
        finally:
            with self._released:
                self._busy.discard(name)
                self._released.notify_all()

    @contextmanager
    def _erring(self) -> Iterator[None]:
        try:
            yield
        except (OSError, StoreFailed) as error:
            self._failed = True
            raise StoreFailed("the key area's medium fails") from error

    def _take(self) -> _Place:
        if not self._free:
            last = max((int(segment.path.stem.removeprefix("segment-")) for segment in self._segments), default=-1)
            try:
                self._add(Segment.create(self._folder / f"segment-{last + 1:06}.slots"))
            except OSError as error:
                if error.errno in _FULL:
                    raise Unavailable("the key area has no room for another segment") from error
                raise
        return self._free.pop()

    def _add(self, segment: Segment) -> None:
        segment.sync()  # what the scan reads is then on the disk, whatever became of those who wrote it
        self._segments.append(segment)
        self._syncs[segment] = _GroupSync(segment.sync)
        free: list[_Place] = []
        for slot, body, damaged in segment.scan():
            self.damaged += damaged
            if not body:
                (self._lost if damaged else free).append((segment, slot))
                continue
            try:
                name = ObjectRecord.decode(body).name
            except RecordMalformed:
                self.damaged += 1
                self._lost.append((segment, slot))
                continue
            if name in self._index:  # nobody but a disk, or whoever writes to it, makes a second one
                self._twins.setdefault(name, []).append((segment, slot))
            else:
                self._index[name] = (segment, slot)
        self._free += reversed(free)


class _GroupSync:
    """Those who have written wait for one sync that began after their write; one of them makes it."""

    def __init__(self, sync: Callable[[], None]) -> None:
        self._sync = sync
        self._turn = threading.Condition()
        self._asked = self._done = 0
        self._running = self._failed = False

    def sync(self) -> None:
        """Raises ``StoreFailed`` for ever once a sync has failed: what was written then is not to be believed."""
        with self._turn:
            self._asked += 1
            mine = self._asked
            while self._running and self._done < mine:
                self._turn.wait()
            if self._failed:
                raise StoreFailed("the key area takes no writes since a sync failed")
            if self._done >= mine:
                return
            self._running, target = True, self._asked
        failed = True
        try:
            self._sync()
            failed = False
        finally:
            with self._turn:
                self._running, self._failed = False, failed
                if not failed:
                    self._done = target
                self._turn.notify_all()
